#include "lib/s3_read.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"

#define PIECE_BYTES (8 * 1024 * 1024)

struct s3_reader {
	const struct s3_source *source;
	void *state;
	char *key, *etag;
	struct http_answer piece;
	void *ahead;		/* the call for the one after it, or NULL */
	size_t used;		/* of the piece */
	int64_t at, size;	/* where the next piece begins; of it all */
};

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

/* The tag is the ETag; one that is longer than any server's is not known. */
static void
set_tag(struct store_object *o, const char *etag)
{
	bool fits = etag != NULL && strlen(etag) < sizeof(o->tag);

	memset(o->tag, 0, sizeof(o->tag));
	if (fits)
		memcpy(o->tag, etag, strlen(etag));
}

int
s3_read_head(const struct http_answer *a, const char *key,
    struct store_object *o, struct err *e)
{
	char *etag;

	if (!content_length(a, &o->size))
		return err_set(e, ERR_STORE, "HEAD %.200s: no length", key);
	o->modified_ms = modified_ms(a);
	etag = http_header(a, "ETag");
	set_tag(o, etag);
	free(etag);
	return 0;
}

int
s3_read_whole(const struct http_answer *a, const char *key,
    struct store_object *o, struct err *e)
{
	size_t len = a->body == NULL ? 0 : a->body->len;

	if (!content_length(a, &o->size) || (uint64_t)o->size != len)
		return err_set(e, ERR_STORE,
		    "GET %.200s: the answer is not as long as it tells", key);
	return s3_read_head(a, key, o, e);
}

/* ---- pieces ---- */

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

/* What a 206 or a 200 brought must be what was asked for, to its last byte. */
static int
check_piece(struct s3_reader *r, struct err *e)
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
fetch_piece(struct s3_reader *r, struct err *e)
{
	int rc;

	http_answer_clear(&r->piece);
	r->used = 0;
	if (r->ahead != NULL)
		rc = r->source->finish(r->ahead, &r->piece, e);
	else
		rc = r->source->piece(r->state, r->key, r->at, PIECE_BYTES,
		    r->etag, &r->piece, e);
	r->ahead = NULL;
	if (rc == 0)
		rc = check_piece(r, e);
	else if (r->piece.status == 412)
		err_set(e, ERR_STORE, "GET %.200s: it changed meanwhile",
		    r->key);
	return rc;
}

/* Let the next piece come while this one is read. */
static void
read_ahead(struct s3_reader *r)
{
	if (r->source->start != NULL && r->at < r->size)
		r->ahead = r->source->start(r->state, r->key, r->at,
		    PIECE_BYTES, r->etag);
}

/* Nothing is in range of an empty object, nor behind the end of any. */
static int
open_behind_end(struct s3_reader *r, struct store_object *o, struct err *e)
{
	int64_t from = r->at;

	http_answer_clear(&r->piece);
	if (r->source->head(r->state, r->key, o, e) == -1)
		return -1;
	if (from < o->size)
		return err_set(e, ERR_STORE,
		    "GET %.200s: the server refuses ranges", r->key);
	r->at = r->size = o->size;
	return 0;
}

void
s3_read_close(void *reader)
{
	struct s3_reader *r = reader;

	if (r->ahead != NULL)
		r->source->cancel(r->ahead);
	http_answer_clear(&r->piece);
	free(r->key);
	free(r->etag);
	free(r);
}

void *
s3_read_open(const struct s3_source *source, void *state, const char *key,
    int64_t offset, struct store_object *o, struct err *e)
{
	struct s3_reader *r = xcalloc(1, sizeof(*r));

	r->source = source;
	r->state = state;
	r->key = xstrdup(key);
	r->at = offset;
	r->size = -1;
	if (fetch_piece(r, e) == 0) {
		r->etag = http_header(&r->piece, "ETag");
		o->size = r->size;
		o->modified_ms = modified_ms(&r->piece);
		set_tag(o, r->etag);
		read_ahead(r);
	} else if (r->piece.status != 416 || open_behind_end(r, o, e) == -1) {
		s3_read_close(r);
		return NULL;
	}
	return r;
}

ssize_t
s3_read_data(void *reader, void *data, size_t size, struct err *e)
{
	struct s3_reader *r = reader;
	size_t got = 0;

	if (r->ahead != NULL)
		r->source->step(r->state);
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
			/* Gone while it was read; the answer is no data. */
			http_answer_clear(&r->piece);
			r->used = 0;
			return err_recode(e, ERR_STORE);
		} else {
			read_ahead(r);
		}
	}
	return (ssize_t)got;
}
