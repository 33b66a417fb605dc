#include "lib/gitproto.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"

/* A packet's length counts its own four digits (gitprotocol-common(5)). */
#define PKT_MAX_BYTES 65520
#define PKT_HEAD 4

/* What a server may say besides the pack: a version 0 advertisement has 60 to
 * 100 bytes a reference, and half a million of them is a large host's worth. */
#define TALK_MAX_BYTES (64 * 1024 * 1024)

/* Progress was declined, so this much of it is no honest server. */
#define PROGRESS_MAX_BYTES (1024 * 1024)

/* Words of the server that are quoted in a message. */
#define WORDS_MAX_BYTES 200

#define CANDIDATES 3
#define OID_DIGITS 40

#define AGENT "agent=davit"

/* What is awaited next. */
enum state {
	START,		/* "# service=", "version N" or the first reference */
	SERVICE_END,	/* the flush after "# service=" */
	REFS_V0,	/* references up to a flush */
	CAPABILITIES,	/* of version 2, up to a flush */
	ASK_REFS,
	REFS_V2,	/* the answer to ls-refs, up to a flush */
	ASK_PACK,
	SHALLOW_V0,	/* "shallow X" up to a flush */
	ACK_V0,		/* "NAK" */
	SECTION_V2,	/* the name of a section */
	INFO_V2,	/* its lines, up to a delimiter */
	PACK,		/* side bands up to a flush */
	DONE
};

enum packet { FLUSH, DELIMITER, LINE };

struct candidate {
	char *name;
	char oid[OID_DIGITS + 1];	/* "" until the server lists it */
};

struct gitproto {
	gitproto_sink *sink;
	void *sink_arg;
	char *asked;			/* as the caller named it, or NULL */
	enum state state;
	int version;

	/* the packet that is being put together */
	char head[PKT_HEAD + 1];
	size_t head_len;
	size_t want_len;		/* of the payload; 0: reading head */
	struct buf payload;

	/* what the server can do */
	bool shallow, bands, bands64, object_format, filter;
	int64_t blob_bytes;		/* 0: no limit */

	/* what is wanted, best first */
	struct candidate candidates[CANDIDATES];
	size_t ncandidates;
	char head_target[REF_MAX_BYTES + 1];
	char want[OID_DIGITS + 1];
	char ref[REF_MAX_BYTES + 1];

	size_t talked, progressed;
};

/* ---- small things ---- */

static bool
starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* The server's words as one printable line of ASCII. */
static const char *
clean(const char *words, char out[WORDS_MAX_BYTES + 1])
{
	size_t n = 0;

	for (; *words != '\0' && *words != '\n' && n < WORDS_MAX_BYTES; words++)
		out[n++] = *words < 0x20 || *words > 0x7e ? '?' : *words;
	out[n] = '\0';
	return out;
}

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
add_candidate(struct gitproto *p, const char *prefix, const char *name)
{
	p->candidates[p->ncandidates++].name =
	    xasprintf("%s%s", prefix, name);
}

/* ---- life ---- */

struct gitproto *
gitproto_new(const char *ref, gitproto_sink *sink, void *arg)
{
	struct gitproto *p = xcalloc(1, sizeof(*p));

	p->sink = sink;
	p->sink_arg = arg;
	p->asked = xstrdup_null(ref);
	if (ref == NULL || strcmp(ref, "HEAD") == 0) {
		/* A HEAD that leads nowhere is common where a repository was
		 * made with one default branch and pushed with another. */
		add_candidate(p, "", "HEAD");
		add_candidate(p, "refs/heads/", "main");
		add_candidate(p, "refs/heads/", "master");
	} else if (starts(ref, "refs/")) {
		add_candidate(p, "", ref);
	} else if (!name_is_commit(ref)) {
		add_candidate(p, "refs/heads/", ref);
		add_candidate(p, "refs/tags/", ref);
		add_candidate(p, "refs/", ref);
	}
	gitproto_restart(p);
	return p;
}

void
gitproto_free(struct gitproto *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->ncandidates; i++)
		free(p->candidates[i].name);
	buf_clear(&p->payload);
	free(p->asked);
	free(p);
}

void
gitproto_restart(struct gitproto *p)
{
	p->state = START;
	p->version = 0;
	p->head_len = p->want_len = 0;
	buf_reset(&p->payload);
	p->shallow = p->bands = p->bands64 = p->object_format = false;
	p->filter = false;
	for (size_t i = 0; i < p->ncandidates; i++)
		p->candidates[i].oid[0] = '\0';
	p->head_target[0] = p->want[0] = p->ref[0] = '\0';
	p->talked = p->progressed = 0;
}

enum gitproto_step
gitproto_step(const struct gitproto *p)
{
	if (p->state == ASK_REFS || p->state == ASK_PACK)
		return GITPROTO_ASK;
	return p->state == DONE ? GITPROTO_DONE : GITPROTO_READ;
}

int
gitproto_version(const struct gitproto *p)
{
	return p->version;
}

void
gitproto_limit_blobs(struct gitproto *p, int64_t bytes)
{
	p->blob_bytes = bytes;
}

bool
gitproto_is_limited(const struct gitproto *p)
{
	return p->filter && p->blob_bytes > 0;
}

const char *
gitproto_want(const struct gitproto *p)
{
	return p->want;
}

const char *
gitproto_ref(const struct gitproto *p)
{
	if (p->ref[0] == '\0')
		return NULL;
	if (starts(p->ref, "refs/heads/"))
		return p->ref + strlen("refs/heads/");
	if (starts(p->ref, "refs/tags/"))
		return p->ref + strlen("refs/tags/");
	return p->ref;
}

/* ---- what the server can do ---- */

static int
wrong_format(struct err *e)
{
	return err_set(e, ERR_FETCH_FAILED,
	    "the repository names its objects by SHA-256, "
	    "which is not supported yet");
}

/* One of the words after the NUL of version 0's first reference. */
static int
capability_v0(struct gitproto *p, const char *word, struct err *e)
{
	static const char symref[] = "symref=HEAD:";

	if (strcmp(word, "shallow") == 0)
		p->shallow = true;
	else if (strcmp(word, "filter") == 0)
		p->filter = true;
	else if (strcmp(word, "side-band") == 0)
		p->bands = true;
	else if (strcmp(word, "side-band-64k") == 0)
		p->bands64 = true;
	else if (starts(word, symref))
		snprintf(p->head_target, sizeof(p->head_target), "%s",
		    word + strlen(symref));
	else if (starts(word, "object-format=") &&
	    strcmp(word, "object-format=sha1") != 0)
		return wrong_format(e);
	return 0;
}

static int
capabilities_v0(struct gitproto *p, char *words, struct err *e)
{
	char *word;

	while ((word = strsep(&words, " \n")) != NULL)
		if (capability_v0(p, word, e) == -1)
			return -1;
	return 0;
}

static bool
has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (; *words != '\0'; words += *words == ' ') {
		size_t n = strcspn(words, " ");

		if (n == len && memcmp(words, word, n) == 0)
			return true;
		words += n;
	}
	return false;
}

/* A line of version 2: "fetch=shallow filter", "object-format=sha1", ... */
static int
capability_v2(struct gitproto *p, const char *line, struct err *e)
{
	if (starts(line, "fetch=")) {
		p->shallow = has_word(line + 6, "shallow");
		p->filter = has_word(line + 6, "filter");
	} else if (starts(line, "object-format=")) {
		p->object_format = true;
		if (strcmp(line, "object-format=sha1") != 0)
			return wrong_format(e);
	}
	return 0;
}

/* ---- references ---- */

/* Split "OID name rest" in place; false where it is no such thing. */
static bool
split_ref(char *line, char **name, char **rest)
{
	if (strnlen(line, OID_DIGITS + 1) <= OID_DIGITS ||
	    line[OID_DIGITS] != ' ')
		return false;
	line[OID_DIGITS] = '\0';
	*name = line + OID_DIGITS + 1;
	*rest = *name + strcspn(*name, " ");
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return name_is_commit(line) && **name != '\0';
}

static int
take_ref(struct gitproto *p, char *line, struct err *e)
{
	static const char target[] = "symref-target:";
	char words[WORDS_MAX_BYTES + 1], *name, *rest, *word;

	if (starts(line, "unborn ") || starts(line, "shallow "))
		return 0;
	if (!split_ref(line, &name, &rest))
		return err_set(e, ERR_FETCH_FAILED,
		    "the server lists no reference but '%s'",
		    clean(line, words));
	for (size_t i = 0; i < p->ncandidates; i++)
		if (strcmp(p->candidates[i].name, name) == 0)
			memcpy(p->candidates[i].oid, line, OID_DIGITS + 1);
	while ((word = strsep(&rest, " ")) != NULL)
		if (strcmp(name, "HEAD") == 0 && starts(word, target))
			snprintf(p->head_target, sizeof(p->head_target), "%s",
			    word + strlen(target));
	return 0;
}

/* All references are known: pick the best that is there. */
static int
choose(struct gitproto *p, struct err *e)
{
	const char *name;
	size_t i = 0;

	p->state = ASK_PACK;
	if (p->ncandidates == 0) {
		memcpy(p->want, p->asked, OID_DIGITS + 1);
		return 0;
	}
	while (i < p->ncandidates && p->candidates[i].oid[0] == '\0')
		i++;
	if (i == p->ncandidates && p->asked == NULL)
		return err_set(e, ERR_REPO_EMPTY,
		    "the repository has no commit on its default branch");
	if (i == p->ncandidates)
		return err_set(e, ERR_REF_NOTFOUND,
		    "the repository has no branch or tag '%s'", p->asked);
	memcpy(p->want, p->candidates[i].oid, OID_DIGITS + 1);
	name = p->candidates[i].name;
	if (strcmp(name, "HEAD") == 0 && name_is_ref(p->head_target))
		name = p->head_target;
	snprintf(p->ref, sizeof(p->ref), "%s", name);
	return 0;
}

/* ---- packets, by state ---- */

static int
unexpected(const char *line, struct err *e)
{
	char words[WORDS_MAX_BYTES + 1];

	return err_set(e, ERR_FETCH_FAILED,
	    "the server does not speak git's protocol: '%s'",
	    clean(line, words));
}

/* "ERR words": the server's own reason to stop. */
static int
refused(const struct gitproto *p, const char *reason, struct err *e)
{
	char words[WORDS_MAX_BYTES + 1];
	enum err_code code = ERR_FETCH_FAILED;

	if (strstr(reason, "not our ref") != NULL && p->ncandidates > 0)
		return err_set(e, code, "the branch has moved meanwhile: the "
		    "server says '%s'", clean(reason, words));
	if (strstr(reason, "not our ref") != NULL)
		code = ERR_REF_NOTFOUND;
	else if (strstr(reason, "repository not exported") != NULL ||
	    strstr(reason, "not found") != NULL ||
	    strstr(reason, "does not exist") != NULL)
		code = ERR_REPO_NOTFOUND;
	return err_set(e, code, "the server says '%s'", clean(reason, words));
}

/* Version 0's first reference, which carries the capabilities. */
static int
first_ref(struct gitproto *p, char *line, size_t len, struct err *e)
{
	static const char nothing[] = " capabilities^{}";
	size_t n = strlen(line);

	p->state = REFS_V0;
	if (n < len && capabilities_v0(p, line + n + 1, e) == -1)
		return -1;
	if (!p->bands && !p->bands64)
		return n < OID_DIGITS ? unexpected(line, e) :
		    err_set(e, ERR_FETCH_FAILED,
		    "the server is too old: it has no side-band");
	if (n > OID_DIGITS && strcmp(line + OID_DIGITS, nothing) == 0)
		return 0; /* an empty repository's stand-in */
	return take_ref(p, line, e);
}

static int
start_line(struct gitproto *p, char *line, size_t len, struct err *e)
{
	if (starts(line, "# service=git-upload-pack")) {
		p->state = SERVICE_END;
		return 0;
	}
	if (strcmp(line, "version 2") == 0) {
		p->version = 2;
		p->state = CAPABILITIES;
		return 0;
	}
	if (strcmp(line, "version 1") == 0)
		return 0; /* version 0 with this line before it */
	return first_ref(p, line, len, e);
}

static int
section_line(struct gitproto *p, const char *line, struct err *e)
{
	if (strcmp(line, "packfile") == 0)
		p->state = PACK;
	else if (strcmp(line, "shallow-info") == 0)
		p->state = INFO_V2;
	else
		return unexpected(line, e);
	return 0;
}

/* Side band 1 is the pack, 2 progress, 3 the server's last words. */
static int
band(struct gitproto *p, char *data, size_t len, struct err *e)
{
	if (len > 0 && data[0] == 1) /* alone, it keeps the line alive */
		return len == 1 ? 0 :
		    p->sink(p->sink_arg, data + 1, len - 1, e);
	if (len > 0 && data[0] == 3)
		return refused(p, data + 1, e);
	if (len == 0 || data[0] != 2)
		return unexpected(data, e);
	p->progressed += len;
	if (p->progressed > PROGRESS_MAX_BYTES)
		return err_set(e, ERR_FETCH_FAILED,
		    "the server sends progress without end");
	return 0;
}

static int
line_packet(struct gitproto *p, char *data, size_t len, struct err *e)
{
	if (p->state == PACK)
		return band(p, data, len, e);
	p->talked += len + PKT_HEAD;
	if (p->talked > TALK_MAX_BYTES)
		return err_set(e, ERR_REPO_TOOBIG,
		    "the server lists over %d MiB of references",
		    TALK_MAX_BYTES >> 20);
	if (len > 0 && data[len - 1] == '\n')
		data[--len] = '\0';
	if (starts(data, "ERR "))
		return refused(p, data + 4, e);
	switch (p->state) {
	case START:
		return start_line(p, data, len, e);
	case REFS_V0:
	case REFS_V2:
		return take_ref(p, data, e);
	case CAPABILITIES:
		return capability_v2(p, data, e);
	case SHALLOW_V0:
		return starts(data, "shallow ") || starts(data, "unshallow ")
		    ? 0 : unexpected(data, e);
	case ACK_V0:
		p->state = PACK;
		return strcmp(data, "NAK") == 0 ? 0 : unexpected(data, e);
	case SECTION_V2:
		return section_line(p, data, e);
	case INFO_V2:
		return 0;
	default:
		return unexpected(data, e);
	}
}

static int
flush_packet(struct gitproto *p, struct err *e)
{
	switch (p->state) {
	case SERVICE_END:
		p->state = START;
		return 0;
	case START: /* what some servers say for an empty repository */
	case REFS_V0:
	case REFS_V2:
		return choose(p, e);
	case CAPABILITIES:
		p->state = ASK_REFS;
		return p->ncandidates == 0 ? choose(p, e) : 0;
	case SHALLOW_V0:
		p->state = ACK_V0;
		return 0;
	case PACK:
		p->state = DONE;
		return 0;
	default:
		return err_set(e, ERR_FETCH_FAILED,
		    "the server ended its answer before the pack");
	}
}

static int
packet(struct gitproto *p, enum packet kind, char *data, size_t len,
    struct err *e)
{
	if (kind == LINE)
		return line_packet(p, data, len, e);
	if (kind == FLUSH)
		return flush_packet(p, e);
	if (p->state != INFO_V2)
		return unexpected("0001", e);
	p->state = SECTION_V2;
	return 0;
}

/* ---- pieces into packets ---- */

/* Four hex digits are complete: a packet of its own, or a payload's length. */
static int
head_complete(struct gitproto *p, struct err *e)
{
	size_t len = 0;

	p->head[PKT_HEAD] = '\0';
	p->head_len = 0;
	if (strspn(p->head, "0123456789abcdefABCDEF") != PKT_HEAD)
		return unexpected(p->head, e);
	len = strtoul(p->head, NULL, 16);
	if (len == 0)
		return packet(p, FLUSH, NULL, 0, e);
	if (len == 1)
		return packet(p, DELIMITER, NULL, 0, e);
	if (len < PKT_HEAD || len > PKT_MAX_BYTES)
		return unexpected(p->head, e);
	buf_reset(&p->payload);
	p->want_len = len - PKT_HEAD;
	if (p->want_len == 0)
		return packet(p, LINE, (char[1]){ '\0' }, 0, e);
	return 0;
}

int
gitproto_feed(struct gitproto *p, const void *bytes, size_t n, struct err *e)
{
	const char *at = bytes;

	while (n > 0) {
		size_t take;

		if (gitproto_step(p) != GITPROTO_READ)
			return err_set(e, ERR_FETCH_FAILED,
			    "the server goes on after its answer's end");
		if (p->want_len == 0) {
			p->head[p->head_len++] = *at++;
			n--;
			if (p->head_len == PKT_HEAD && head_complete(p, e) == -1)
				return -1;
			continue;
		}
		take = p->want_len - p->payload.len;
		if (take > n)
			take = n;
		buf_add(&p->payload, at, take);
		at += take;
		n -= take;
		if (p->payload.len < p->want_len)
			continue;
		p->want_len = 0;
		if (packet(p, LINE, p->payload.data, p->payload.len, e) == -1)
			return -1;
	}
	return 0;
}

int
gitproto_end(struct gitproto *p, struct err *e)
{
	if (gitproto_step(p) != GITPROTO_READ)
		return 0;
	return err_set(e, ERR_FETCH_FAILED, "the server hung up %s",
	    p->state == PACK ? "in the middle of the pack" :
	    "in the middle of its answer");
}

/* ---- requests ---- */

static void
request_refs(struct gitproto *p, struct buf *out)
{
	put(out, "command=ls-refs\n");
	put(out, AGENT);
	if (p->object_format)
		put(out, "object-format=sha1");
	buf_adds(out, "0001");
	/* No "peel": a tag is wanted as such, and led to its commit here. */
	put(out, "symrefs\n");
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
