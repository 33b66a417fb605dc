/* Objects in a bucket of an S3 server, under their keys. */
#include "lib/store_s3.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/mem.h"
#include "lib/s3_read.h"

/* However little is asked for, the words of an error have to fit. */
#define WORDS_BYTES (64 * 1024)

static void *
s3_store_open(const struct conf *c, const char *where, struct err *e)
{
	struct s3_store *s;
	struct s3 *s3 = s3_open(c, where, e);

	if (s3 == NULL)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->s3 = s3;
	s->part = (size_t)c->s3_part;
	s->batch = s3_batch_new(s3, (size_t)c->s3_connections);
	return s;
}

static void
s3_store_free(void *state)
{
	struct s3_store *s = state;

	s3_batch_free(s->batch);
	s3_free(s->s3);
	free(s);
}

/* ---- looking ---- */

/* Answers to HEAD have no words; a GET of one byte does. */
static void
ask_for_words(struct s3 *s, const char *key, struct err *e)
{
	struct http_answer a;
	struct err words;

	if (s3_perform(s,
		&(struct s3_op){ .method = "GET",
		    .key = key,
		    .headers = { "Range: bytes=0-0" } },
		&a, &words) == -1 && e != NULL)
		*e = words;
	http_answer_clear(&a);
}

int
s3_stat(struct s3 *s, const char *key, struct store_object *o, char **etag,
    struct err *e)
{
	struct http_answer a;
	int rc = s3_perform(s, &(struct s3_op){ .method = "HEAD", .key = key },
	    &a, e);

	if (rc == -1 && a.status >= 300 && a.status < 500)
		ask_for_words(s, key, e);
	if (rc == 0)
		rc = s3_read_head(&a, key, o, e);
	if (rc == 0 && etag != NULL)
		*etag = http_header(&a, "ETag");
	http_answer_clear(&a);
	return rc;
}

static int
s3_head(void *state, const char *key, struct store_object *o, struct err *e)
{
	return s3_stat(((struct s3_store *)state)->s3, key, o, NULL, e);
}

/* ---- getting ---- */

static void *
start_piece(void *state, const char *key, int64_t from, int64_t n,
    const char *etag)
{
	char *match = etag == NULL ? NULL : xasprintf("If-Match: %s", etag);
	char *range = xasprintf("Range: bytes=%lld-%lld", (long long)from,
	    (long long)(from + n - 1));
	struct s3_call *call = s3_start(((struct s3_store *)state)->s3,
	    &(struct s3_op){ .method = "GET",
		.key = key,
		.headers = { range, match },
		.max_bytes = n });

	free(range);
	free(match);
	return call;
}

static int
finish_piece(void *call, struct http_answer *a, struct err *e)
{
	return s3_finish(call, a, e);
}

static void
cancel_piece(void *call)
{
	s3_cancel(call);
}

static int
get_piece(void *state, const char *key, int64_t from, int64_t n,
    const char *etag, struct http_answer *a, struct err *e)
{
	return s3_finish(start_piece(state, key, from, n, etag), a, e);
}

static void
step(void *state)
{
	s3_step(((struct s3_store *)state)->s3, 0);
}

static void *
s3_get_open(void *state, const char *key, int64_t offset,
    struct store_object *o, struct err *e)
{
	static const struct s3_source source = { .piece = get_piece,
		.head = s3_head,
		.start = start_piece,
		.finish = finish_piece,
		.cancel = cancel_piece,
		.step = step };

	return s3_read_open(&source, state, key, offset, o, e);
}

/* Small objects whole, where they are not the one that is known. */
static int
s3_get_if(void *state, const char *key, const char *tag, size_t max,
    struct buf *out, struct store_object *o, struct err *e)
{
	char *none = tag[0] == '\0' ? NULL
				    : xasprintf("If-None-Match: %s", tag);
	struct http_answer a;
	int rc = s3_perform(((struct s3_store *)state)->s3,
	    &(struct s3_op){ .method = "GET",
		.key = key,
		.headers = { none },
		.max_bytes = (int64_t)(max < WORDS_BYTES ? WORDS_BYTES : max) },
	    &a, e);

	if (none != NULL && a.status == 304)
		rc = 1;
	else if (rc == 0 && (rc = s3_read_whole(&a, key, o, e)) == 0 &&
	    (uint64_t)o->size > max)
		rc = err_set(e, ERR_TOOBIG, "%s: over %zu bytes", key, max);
	else if (rc == 0)
		buf_add(out, buf_str(a.body), a.body->len);
	http_answer_clear(&a);
	free(none);
	return rc;
}

static char *
s3_store_url(void *state, const char *key, int seconds)
{
	return s3_url(((struct s3_store *)state)->s3, key, seconds);
}

/* ---- copying ---- */

static int
s3_copy(void *state, const char *from, const char *to, struct err *e)
{
	struct http_answer a;
	int rc = s3_perform(((struct s3_store *)state)->s3,
	    &(struct s3_op){ .method = "PUT",
		.key = to,
		.source = from,
		.headers = { "Content-Type:" }, /* none: the source's */
		.body = "",	/* so that a length is sent */
		.root = "CopyObjectResult",
		.slow = true },
	    &a, e);

	/* over 5 GB it is an InvalidRequest; some servers copy nothing */
	if (rc == -1 &&
	    (a.status == 400 || a.status == 405 || a.status == 501))
		rc = store_copy_through(&store_s3, state, from, to, e);
	http_answer_clear(&a);
	return rc;
}

const struct store_driver store_s3 = {
	.name = "s3",
	.open = s3_store_open,
	.free = s3_store_free,
	.put_open = s3_put_open,
	.put_data = s3_put_data,
	.put_commit = s3_put_commit,
	.put_abort = s3_put_abort,
	.sync = s3_sync,
	.get_open = s3_get_open,
	.get_data = s3_read_data,
	.get_close = s3_read_close,
	.get_if = s3_get_if,
	.url = s3_store_url,
	.head = s3_head,
	.copy = s3_copy,
	.delete = s3_delete,
	.delete_all = s3_delete_all,
	.list = s3_list,
	.sweep = s3_sweep,
};
