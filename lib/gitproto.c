#include "lib/gitproto_parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/name.h"

const char *
gitproto_clean(const char *words, char out[WORDS_MAX_BYTES + 1])
{
	size_t n = 0;

	for (; *words != '\0' && *words != '\n' && n < WORDS_MAX_BYTES; words++)
		out[n++] = *words < 0x20 || *words > 0x7e ? '?' : *words;
	out[n] = '\0';
	return out;
}

static void
add_candidate(struct gitproto *p, const char *prefix, const char *name)
{
	p->candidates[p->ncandidates++].name =
	    xasprintf("%s%s", prefix, name);
}

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
		p->candidates[i].oid[0] = p->candidates[i].peeled[0] = '\0';
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

void
gitproto_only_refs(struct gitproto *p)
{
	p->only_refs = true;
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
