/*
 * Objects in a bucket of an S3 server, under their keys.
 *
 * A read is a row of ranged GETs of a few MiB each, tied together by If-Match:
 * each is tried again on its own when it breaks, memory is bounded however
 * slow the reader is, and no connection waits open for a reader meanwhile.
 */
#include "lib/store_s3.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/mem.h"
#include "lib/name.h"

#define PIECE_BYTES (8 * 1024 * 1024)

struct reader {
	struct s3 *s3;
	char *key, *etag;
	struct http_answer piece;
	size_t used;		/* of the piece */
	int64_t at, size;	/* where the next piece begins; of it all */
};

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

/* ---- what headers say ---- */

int64_t
s3_time_ms(const char *text, const char *format)
{
	struct tm tm = { 0 };

	return text != NULL && strptime(text, format, &tm) != NULL
	    ? (int64_t)timegm(&tm) * 1000
	    : 0;
}

static int64_t
modified_ms(const struct http_answer *a)
{
	char *text = http_header(a, "Last-Modified");
	int64_t ms = s3_time_ms(text, "%a, %d %b %Y %H:%M:%S");

	free(text);
	return ms;
}

static bool
content_length(const struct http_answer *a, int64_t *length)
{
	char *text = http_header(a, "Content-Length");
	bool known = text != NULL && name_to_number(text, 0, INT64_MAX, length);

	free(text);
	return known;
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

	if (rc == -1 && a.status >= 300 && a.status < 500 && a.status != 404)
		ask_for_words(s, key, e);
	if (rc == 0 && !content_length(&a, &o->size))
		rc = err_set(e, ERR_STORE, "HEAD %.200s: no length", key);
	if (rc == 0) {
		o->modified_ms = modified_ms(&a);
		if (etag != NULL)
			*etag = http_header(&a, "ETag");
	}
	http_answer_clear(&a);
	return rc;
}

static int
s3_head(void *state, const char *key, struct store_object *o, struct err *e)
{
	return s3_stat(((struct s3_store *)state)->s3, key, o, NULL, e);
}

/* ---- getting ---- */

/* What a 206 or a 200 brought must be what was asked for, to its last byte. */
/* "bytes FROM-TO/SIZE". */
static bool
parse_range(const char *text, int64_t n[3])
{
	static const char marks[] = "-/";
	char *end;

	if (text == NULL || strncmp(text, "bytes ", 6) != 0)
		return false;
	text += 6;
	for (int i = 0; i < 3; i++) {
		errno = 0;
		n[i] = strtoll(text, &end, 10);
		if (end == text || errno != 0 || n[i] < 0 || *end != marks[i])
			return false;
		text = end + 1;
	}
	return true;
}

static int
check_piece(struct reader *r, struct err *e)
{
	const struct http_answer *a = &r->piece;
	int64_t from = 0, size = -1, length = (int64_t)a->body->len;
	char *range = http_header(a, "Content-Range");
	bool good;

	if (a->status == 206) {
		int64_t n[3] = { -1, -1, -1 };

		good = parse_range(range, n);
		from = n[0];
		size = n[2];
		good = good && from == r->at && n[1] < size &&
		    n[1] - from == length - 1;
	} else { /* a server without ranges gives it all */
		good = content_length(a, &size) && size == length &&
		    r->at <= size;
		r->used = good ? (size_t)r->at : 0;
	}
	free(range);
	if (!good || (r->size != -1 && size != r->size))
		return err_set(e, ERR_STORE,
		    "GET %.200s: the answer is not the range that was asked "
		    "for", r->key);
	r->size = size;
	r->at = from + length;
	return 0;
}

static int
fetch_piece(struct reader *r, struct err *e)
{
	char *match = r->etag == NULL ? NULL : xasprintf("If-Match: %s", r->etag);
	char *range = xasprintf("Range: bytes=%lld-%lld", (long long)r->at,
	    (long long)r->at + PIECE_BYTES - 1);
	int rc;

	http_answer_clear(&r->piece);
	r->used = 0;
	rc = s3_perform(r->s3,
	    &(struct s3_op){ .method = "GET",
		.key = r->key,
		.headers = { range, match },
		.max_bytes = PIECE_BYTES },
	    &r->piece, e);
	if (rc == 0)
		rc = check_piece(r, e);
	else if (r->piece.status == 412)
		err_set(e, ERR_STORE, "GET %.200s: it changed meanwhile",
		    r->key);
	free(range);
	free(match);
	return rc;
}

/* Nothing is in range of an empty object, nor behind the end of any. */
static int
open_behind_end(struct reader *r, struct store_object *o, struct err *e)
{
	int64_t from = r->at;

	http_answer_clear(&r->piece);
	if (s3_stat(r->s3, r->key, o, NULL, e) == -1)
		return -1;
	if (from < o->size)
		return err_set(e, ERR_STORE,
		    "GET %.200s: the server refuses ranges", r->key);
	r->at = r->size = o->size;
	return 0;
}

static void
s3_get_close(void *reader)
{
	struct reader *r = reader;

	http_answer_clear(&r->piece);
	free(r->key);
	free(r->etag);
	free(r);
}

static void *
s3_get_open(void *state, const char *key, int64_t offset,
    struct store_object *o, struct err *e)
{
	struct reader *r = xcalloc(1, sizeof(*r));

	r->s3 = ((struct s3_store *)state)->s3;
	r->key = xstrdup(key);
	r->at = offset;
	r->size = -1;
	if (fetch_piece(r, e) == 0) {
		r->etag = http_header(&r->piece, "ETag");
		o->size = r->size;
		o->modified_ms = modified_ms(&r->piece);
	} else if (r->piece.status != 416 || open_behind_end(r, o, e) == -1) {
		s3_get_close(r);
		return NULL;
	}
	return r;
}

static ssize_t
s3_get_data(void *reader, void *data, size_t size, struct err *e)
{
	struct reader *r = reader;
	size_t got = 0;

	while (got < size) {
		size_t left = r->piece.body == NULL
		    ? 0
		    : r->piece.body->len - r->used;
		size_t n = left < size - got ? left : size - got;

		if (n > 0) {
			memcpy((char *)data + got, r->piece.body->data + r->used,
			    n);
			r->used += n;
			got += n;
		} else if (r->at >= r->size) {
			break;
		} else if (fetch_piece(r, e) == -1) {
			err_recode(e, ERR_STORE); /* gone while it was read */
			return -1;
		}
	}
	return (ssize_t)got;
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
	.get_data = s3_get_data,
	.get_close = s3_get_close,
	.head = s3_head,
	.delete = s3_delete,
	.delete_all = s3_delete_all,
	.list = s3_list,
	.sweep = s3_sweep,
};
