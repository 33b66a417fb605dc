#include "lib/gitproto_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define AGENT "agent=davit"

/* A packet with text in it; git ends lines of text with a newline. */
static void __attribute__((format(printf, 2, 3)))
put(struct buf *out, const char *fmt, ...)
{
	char text[REF_MAX_BYTES + 200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_addf(out, "%04zx%s", strlen(text) + PKT_HEAD, text);
}

static void
request_refs(struct gitproto *p, struct buf *out)
{
	put(out, "command=ls-refs\n");
	put(out, AGENT);
	if (p->object_format)
		put(out, "object-format=sha1");
	buf_adds(out, "0001");
	put(out, "symrefs\n");
	if (p->only_refs) /* else it is wanted as such, and peeled here */
		put(out, "peel\n");
	for (size_t i = 0; i < p->ncandidates; i++)
		put(out, "ref-prefix %s\n", p->candidates[i].name);
	buf_adds(out, "0000");
}

static void
put_filter(struct gitproto *p, struct buf *out)
{
	if (gitproto_is_limited(p))
		put(out, "filter blob:limit=%lld\n",
		    (long long)p->blob_bytes);
}

static void
request_pack_v2(struct gitproto *p, struct buf *out)
{
	put(out, "command=fetch\n");
	put(out, AGENT);
	if (p->object_format)
		put(out, "object-format=sha1");
	buf_adds(out, "0001");
	put(out, "no-progress\n");
	put(out, "ofs-delta\n");
	put(out, "want %s\n", p->want);
	if (p->shallow)
		put(out, "deepen 1\n");
	put_filter(p, out);
	put(out, "done\n");
	buf_adds(out, "0000");
}

static void
request_pack_v0(struct gitproto *p, struct buf *out)
{
	put(out, "want %s %s ofs-delta no-progress%s%s " AGENT "\n", p->want,
	    p->bands64 ? "side-band-64k" : "side-band",
	    p->shallow ? " shallow" : "",
	    gitproto_is_limited(p) ? " filter" : "");
	if (p->shallow)
		put(out, "deepen 1\n");
	put_filter(p, out);
	buf_adds(out, "0000");
	put(out, "done\n");
}

void
gitproto_request(struct gitproto *p, struct buf *out)
{
	if (p->state == ASK_REFS) {
		request_refs(p, out);
		p->state = REFS_V2;
	} else if (p->version == 2) {
		request_pack_v2(p, out);
		p->state = SECTION_V2;
	} else {
		request_pack_v0(p, out);
		p->state = p->shallow ? SHALLOW_V0 : ACK_V0;
	}
}

void
gitproto_hello(const char *path, const char *host, uint16_t port,
    struct buf *out)
{
	static const char service[] = "git-upload-pack ", ask[] = "version=2";
	char *who = xasprintf("host=%s:%u", host, port);

	buf_addf(out, "%04zx%s%s", PKT_HEAD + strlen(service) + strlen(path) +
	    1 + strlen(who) + 1 + 1 + sizeof(ask), service, path);
	buf_addc(out, '\0');
	buf_add(out, who, strlen(who) + 1);
	buf_addc(out, '\0');
	buf_add(out, ask, sizeof(ask));
	free(who);
}
