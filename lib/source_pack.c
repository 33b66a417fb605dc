#include "lib/source_parts.h"

#include <stdlib.h>
#include <string.h>

#include <git2/sys/odb_backend.h>

#include "lib/err.h"
#include "lib/gitproto.h"
#include "lib/mem.h"

/* Where a server knows no shallow fetch, old versions come along. */
#define OBJECTS_PER_FILE 8
#define OBJECTS_MIN 100000

#define PACK_HEAD_BYTES 12

/* What of the pack came so far. */
struct intake {
	git_indexer *indexer;
	git_indexer_progress progress;
	int64_t bytes, max_bytes, max_objects;
	uint8_t head[PACK_HEAD_BYTES];
};

static uint32_t
big_endian(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

/* The pack's first bytes say how many objects it will claim memory for. */
static int
check_head(const struct intake *in, struct err *e)
{
	if (memcmp(in->head, "PACK", 4) != 0)
		return err_set(e, ERR_FETCH_FAILED,
		    "the server sent no pack");
	if (big_endian(in->head + 8) > in->max_objects)
		return err_set(e, ERR_REPO_TOOBIG,
		    "the pack has over %lld objects",
		    (long long)in->max_objects);
	return 0;
}

static int
intake_sink(void *arg, const void *data, size_t len, struct err *e)
{
	struct intake *in = arg;
	bool headless = in->bytes < PACK_HEAD_BYTES;

	for (size_t i = 0; headless && i < len &&
	     in->bytes + (int64_t)i < PACK_HEAD_BYTES; i++)
		in->head[in->bytes + (int64_t)i] = ((const uint8_t *)data)[i];
	in->bytes += (int64_t)len;
	if (in->bytes > in->max_bytes)
		return err_set(e, ERR_REPO_TOOBIG,
		    "the pack has over %lld bytes", (long long)in->max_bytes);
	if (headless && in->bytes >= PACK_HEAD_BYTES &&
	    check_head(in, e) == -1)
		return -1;
	if (git_indexer_append(in->indexer, data, len, &in->progress) < 0)
		return source_damaged(e);
	return 0;
}

/* Open the one pack that the indexer has written. */
static int
open_pack(struct source *s, const char *name, struct err *e)
{
	char *index = xasprintf("%s/pack-%s.idx", s->options->scratch, name);
	git_odb_backend *backend = NULL;
	int rc = -1;

	if (git_odb_backend_one_pack(&backend, index) < 0 ||
	    git_odb_add_backend(s->odb, backend, 1) < 0)
		err_set(e, ERR_INTERNAL, "open the pack: %.200s",
		    source_git_words());
	else
		rc = 0;
	free(index);
	return rc;
}

/* Run the conversation; the pack is in scratch and open after it. */
static int
converse(struct source *s, const struct name_url *url,
    struct gitproto *proto, struct intake *in, struct err *e)
{
	const struct source_options *o = s->options;

	in->max_bytes = o->pack_bytes - s->received;
	in->max_objects = OBJECTS_MIN + OBJECTS_PER_FILE * o->source_files;
	if (git_indexer_new(&in->indexer, o->scratch, 0, NULL, NULL) < 0)
		return err_set(e, ERR_INTERNAL, "start the indexer: %.200s",
		    source_git_words());
	/* Limits of blobs count their size less one. */
	gitproto_limit_blobs(proto, o->source_bytes + 1);
	if (gitwire_fetch(url, proto, &o->wire, e) == -1)
		return -1;
	s->limited = s->limited || gitproto_is_limited(proto);
	if (git_indexer_commit(in->indexer, &in->progress) < 0)
		return source_damaged(e);
	return open_pack(s, git_indexer_name(in->indexer), e);
}

int
source_pack_fetch(struct source *s, const struct name_url *url,
    const char *ref, char want[OID_DIGITS + 1], char **branch, struct err *e)
{
	struct intake in = { .indexer = NULL };
	struct gitproto *proto = gitproto_new(ref, intake_sink, &in);
	int rc = converse(s, url, proto, &in, e);

	s->received += in.bytes; /* of one that fails, too */
	if (rc == 0)
		memcpy(want, gitproto_want(proto), OID_DIGITS + 1);
	if (rc == 0 && branch != NULL)
		*branch = xstrdup_null(gitproto_ref(proto));
	git_indexer_free(in.indexer);
	gitproto_free(proto);
	return rc;
}
