/*
 * Objects in a bucket of an S3 server, under their keys.
 *
 * A read is a row of ranged GETs of a few MiB each, tied together by If-Match:
 * each is tried again on its own when it breaks, memory is bounded however
 * slow the reader is, and no connection waits open for a reader meanwhile.
 */
#include "lib/store_s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/xml.h"

#define PIECE_BYTES (8 * 1024 * 1024)
#define DELETE_MAX_KEYS 1000	/* of one request; S3's own bound */
#define MD5_BASE64_SIZE 32

/* Where this project's objects are; nobody else's uploads are swept. */
static const char *const prefixes[] = { "deployments/", "dist/", "logs/",
	"manifests/", "output/", "probe/" };

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

static int64_t
time_ms(const char *text, const char *format)
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
	int64_t ms = time_ms(text, "%a, %d %b %Y %H:%M:%S");

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
static int
check_piece(struct reader *r, struct err *e)
{
	const struct http_answer *a = &r->piece;
	int64_t from = 0, to, size, length = (int64_t)a->body->len;
	char *range = http_header(a, "Content-Range");
	bool good;

	if (a->status == 206) {
		long long n[3] = { -1, -1, -1 };

		good = range != NULL && sscanf(range, "bytes %lld-%lld/%lld",
					    &n[0], &n[1], &n[2]) == 3;
		from = n[0];
		to = n[1];
		size = n[2];
		good = good && from == r->at && to < size &&
		    to - from == length - 1;
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

/* ---- listing ---- */

struct page {
	struct http_answer answer;
	struct xml rest;	/* of the answer's body */
};

static char *
xml_flag(struct xml x, const char *flag, const char *name)
{
	char *set = xml_value(x, flag), *value = NULL;

	if (set != NULL && strcmp(set, "true") == 0)
		value = xml_value(x, name);
	free(set);
	return value;
}

/* The next page; *token says where it begins, NULL first, and then where the
 * one after it does; NULL: there is none. */
static int
list_page(struct s3 *s, const char *prefix, char **token, struct page *p,
    struct err *e)
{
	const struct sigv4_pair query[] = { { "list-type", "2" },
		{ "prefix", prefix }, { "continuation-token", *token } };
	char *next = NULL;
	int rc = s3_perform(s,
	    &(struct s3_op){ .method = "GET",
		.query = query,
		.nquery = *token == NULL ? 2 : 3,
		.max_bytes = JSON_MAX_BYTES,
		.root = "ListBucketResult" },
	    &p->answer, e);

	if (rc == 0) {
		p->rest = (struct xml){ buf_str(p->answer.body),
			p->answer.body->len };
		next = xml_flag(p->rest, "IsTruncated",
		    "NextContinuationToken");
		/* a page that leads to itself would never end */
		if (next != NULL && *token != NULL && strcmp(next, *token) == 0)
			rc = err_set(e, ERR_STORE,
			    "GET %.200s: the list leads back to itself",
			    prefix);
	}
	free(*token);
	*token = next;
	return rc;
}

/* The next key of a page, owned, or NULL at its end. */
static char *
next_key(struct page *p, struct store_object *o)
{
	struct xml one;

	while (xml_next(&p->rest, "Contents", &one)) {
		char *key = xml_value(one, "Key"), *size, *time;

		if (key == NULL)
			continue;
		size = xml_value(one, "Size");
		time = xml_value(one, "LastModified");
		if (size == NULL ||
		    !name_to_number(size, 0, INT64_MAX, &o->size))
			o->size = 0;
		o->modified_ms = time_ms(time, "%Y-%m-%dT%H:%M:%S");
		free(size);
		free(time);
		return key;
	}
	return NULL;
}

static int
s3_list(void *state, const char *prefix,
    int (*fn)(void *, const char *, const struct store_object *), void *arg,
    struct err *e)
{
	struct s3 *s = ((struct s3_store *)state)->s3;
	char *token = NULL, *key;
	int rc;

	do {
		struct page p;
		struct store_object o;

		rc = list_page(s, prefix, &token, &p, e);
		while (rc == 0 && (key = next_key(&p, &o)) != NULL) {
			if (name_is_key(key)) /* else it is not one of ours */
				rc = fn(arg, key, &o);
			free(key);
		}
		http_answer_clear(&p.answer);
	} while (rc == 0 && token != NULL);
	free(token);
	return rc;
}

/* ---- deleting ---- */

static int
s3_delete(void *state, const char *key, struct err *e)
{
	struct http_answer a;
	struct err own;
	int rc = s3_perform(((struct s3_store *)state)->s3,
	    &(struct s3_op){ .method = "DELETE", .key = key }, &a, &own);

	http_answer_clear(&a);
	if (rc == 0 || own.code == ERR_NOTFOUND)
		return 0;
	if (e != NULL)
		*e = own;
	return -1;
}

/* "Content-MD5: …"; S3 wants one with a batch. */
static char *
content_md5(const struct buf *b)
{
	unsigned char md5[EVP_MAX_MD_SIZE], base64[MD5_BASE64_SIZE];
	unsigned int len = 0;

	if (EVP_Digest(b->data, b->len, md5, &len, EVP_md5(), NULL) != 1)
		return NULL;
	EVP_EncodeBlock(base64, md5, (int)len);
	return xasprintf("Content-MD5: %s", base64);
}

/* A 200 may still name keys that are there as before. */
static int
check_deleted(const struct http_answer *a, struct err *e)
{
	struct xml x = { buf_str(a->body), a->body->len }, one;

	while (xml_next(&x, "Error", &one)) {
		char *code = xml_value(one, "Code");
		char *key = xml_value(one, "Key");
		bool gone = code != NULL && strcmp(code, "NoSuchKey") == 0;

		if (!gone)
			err_set(e, ERR_STORE, "delete %.200s: %.64s",
			    key == NULL ? "" : key, code == NULL ? "" : code);
		free(code);
		free(key);
		if (!gone)
			return -1;
	}
	return 0;
}

/* keys: "<Object>…" of each. */
static int
delete_batch(struct s3 *s, const struct buf *keys, long *status,
    struct err *e)
{
	const struct sigv4_pair query = { "delete", "" };
	struct buf body = BUF_INIT;
	struct http_answer a;
	char *md5;
	int rc;

	buf_addf(&body, "<Delete><Quiet>true</Quiet>%s</Delete>",
	    buf_str(keys));
	md5 = content_md5(&body);
	rc = s3_perform(s,
	    &(struct s3_op){ .method = "POST",
		.query = &query,
		.nquery = 1,
		.headers = { "Content-Type: application/xml", md5 },
		.body = body.data,
		.body_len = body.len,
		.max_bytes = JSON_MAX_BYTES,
		.root = "DeleteResult" },
	    &a, e);
	if (rc == 0)
		rc = check_deleted(&a, e);
	*status = a.status;
	http_answer_clear(&a);
	free(md5);
	buf_clear(&body);
	return rc;
}

/* For servers without batches: all of a page, side by side. */
static int
delete_singly(struct s3 *s, struct page p, struct err *e)
{
	struct s3_call *calls[DELETE_MAX_KEYS];
	struct store_object o;
	struct err own;
	char *key;
	size_t n = 0;
	int rc = 0;

	while (n < DELETE_MAX_KEYS && (key = next_key(&p, &o)) != NULL) {
		calls[n++] = s3_start(s,
		    &(struct s3_op){ .method = "DELETE", .key = key });
		free(key);
	}
	for (size_t i = 0; i < n; i++) {
		struct http_answer a;

		if (s3_finish(calls[i], &a, &own) == -1 &&
		    own.code != ERR_NOTFOUND && rc == 0) {
			rc = -1;
			if (e != NULL)
				*e = own;
		}
		http_answer_clear(&a);
	}
	return rc;
}

static int
delete_page(struct s3 *s, struct page p, bool *batches, struct err *e)
{
	struct page again = p;
	struct buf keys = BUF_INIT;
	struct store_object o;
	char *key;
	long status;
	int rc = 0;

	for (size_t n = 0; n < DELETE_MAX_KEYS &&
	     (key = next_key(&p, &o)) != NULL; n++) {
		buf_adds(&keys, "<Object><Key>");
		xml_escape(&keys, key);
		buf_adds(&keys, "</Key></Object>");
		free(key);
	}
	if (keys.len > 0 && *batches) {
		rc = delete_batch(s, &keys, &status, e);
		*batches = rc == 0 || (status != 501 && status != 405);
	}
	if (keys.len > 0 && !*batches)
		rc = delete_singly(s, again, e);
	buf_clear(&keys);
	return rc;
}

static int
s3_delete_all(void *state, const char *prefix, struct err *e)
{
	struct s3 *s = ((struct s3_store *)state)->s3;
	bool batches = true;
	char *token = NULL;
	int rc;

	do {
		struct page p;

		if ((rc = list_page(s, prefix, &token, &p, e)) == 0)
			rc = delete_page(s, p, &batches, e);
		http_answer_clear(&p.answer);
	} while (rc == 0 && token != NULL);
	free(token);
	return rc;
}

/* ---- sweeping ---- */

/* Abort what is old of a page of uploads. */
static int
sweep_page(struct s3 *s, struct xml rest, int64_t before_ms, struct err *e)
{
	struct xml one;
	int rc = 0;

	while (rc == 0 && xml_next(&rest, "Upload", &one)) {
		char *key = xml_value(one, "Key");
		char *id = xml_value(one, "UploadId");
		char *time = xml_value(one, "Initiated");
		int64_t begun = time_ms(time, "%Y-%m-%dT%H:%M:%S");

		if (key != NULL && id != NULL && begun > 0 &&
		    begun < before_ms)
			rc = s3_abort_upload(s, key, id, e);
		free(key);
		free(id);
		free(time);
	}
	return rc;
}

static int
sweep_prefix(struct s3 *s, const char *prefix, int64_t before_ms,
    struct err *e)
{
	char *key = xstrdup(""), *id = xstrdup("");
	int rc;

	do {
		const struct sigv4_pair query[] = { { "uploads", "" },
			{ "prefix", prefix }, { "key-marker", key },
			{ "upload-id-marker", id } };
		struct http_answer a;
		struct xml x;

		rc = s3_perform(s,
		    &(struct s3_op){ .method = "GET",
			.query = query,
			.nquery = key[0] == '\0' ? 2 : 4,
			.max_bytes = JSON_MAX_BYTES,
			.root = "ListMultipartUploadsResult" },
		    &a, e);
		free(key);
		free(id);
		key = id = NULL;
		if (rc == 0) {
			x = (struct xml){ buf_str(a.body), a.body->len };
			rc = sweep_page(s, x, before_ms, e);
			key = xml_flag(x, "IsTruncated", "NextKeyMarker");
			id = xml_flag(x, "IsTruncated", "NextUploadIdMarker");
		}
		http_answer_clear(&a);
	} while (rc == 0 && key != NULL && key[0] != '\0' && id != NULL);
	free(key);
	free(id);
	return rc;
}

static int
s3_sweep(void *state, int64_t age_ms, struct err *e)
{
	struct s3_store *s = state;
	int64_t before_ms = name_now_ms() - age_ms;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (sweep_prefix(s->s3, prefixes[i], before_ms, e) == -1)
			return -1;
	return 0;
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
