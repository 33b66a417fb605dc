/*
 * Writing to S3.  What fits in one part is one PUT.  Longer streams go up as a
 * multipart upload while they arrive: two parts under way and one being filled
 * are all the memory that it takes.
 *
 * Batched puts go up beside each other.  S3 shows each as soon as it is whole,
 * which may be before sync; where one fails, those under way are waited for,
 * so that none appears after sync has said so.
 */
#include "lib/store_s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/xml.h"

#define FLIGHTS 2
#define PARTS_MAX 10000 /* S3's own bound */
#define BLOCK_FIRST_BYTES 16384

/* What is larger will be a whole part soon: growing it by copying would take
 * half a part more for a moment. */
#define BLOCK_SMALL_BYTES (256 * 1024)

/* Bytes of a part, in memory that never grows beyond a part. */
struct block {
	char *data;
	size_t len, cap;
};

struct flight {
	struct s3_call *call;	/* NULL: free */
	struct block block;
	size_t number;		/* of the part, from 0 */
};

struct writer {
	struct s3_store *store;
	char *key, *type;
	struct block block;	/* being filled */
	char *upload;		/* id of a multipart upload; NULL: none */
	struct flight flights[FLIGHTS];
	char **etags;		/* of each part; NULL: not known yet */
	size_t nparts;
	int64_t size;
};

struct pending {
	TAILQ_ENTRY(pending) link;
	struct s3_call *call;
	struct block block;
};

struct s3_batch {
	struct s3 *s3;
	TAILQ_HEAD(pendings, pending) pending;
	size_t n, max;
	bool failed;
	struct err failure;	/* the first one */
};

static void
block_append(struct block *b, const void *data, size_t n, size_t max)
{
	if (n == 0)
		return;
	if (b->cap - b->len < n) {
		size_t cap = b->cap == 0 ? BLOCK_FIRST_BYTES : b->cap * 2;

		if (cap < b->len + n)
			cap = b->len + n;
		if (cap > BLOCK_SMALL_BYTES)
			cap = max;
		b->cap = cap < max ? cap : max;
		b->data = xreallocarray(b->data, b->cap, 1);
	}
	memcpy(b->data + b->len, data, n);
	b->len += n;
}

static void
block_free(struct block *b)
{
	free(b->data);
	*b = (struct block){ NULL, 0, 0 };
}

/* ---- requests ---- */

static struct s3_call *
start_put(struct s3 *s, const char *key, const char *type,
    const struct block *b, const struct sigv4_pair *query, size_t nquery)
{
	char *header = xasprintf("Content-Type: %s", type);
	struct s3_call *call = s3_start(s,
	    &(struct s3_op){ .method = "PUT",
		.key = key,
		.query = query,
		.nquery = nquery,
		.headers = { header },
		.body = b->data == NULL ? "" : b->data,
		.body_len = b->len });

	free(header);
	return call;
}

/* A put is stored when its answer names an ETag; a proxy's 200 does not. */
static int
finish_put(struct s3_call *call, char **etag, struct err *e)
{
	struct http_answer a;
	int rc = s3_finish(call, &a, e);

	*etag = rc == 0 ? http_header(&a, "ETag") : NULL;
	if (rc == 0 && *etag == NULL)
		rc = err_set(e, ERR_STORE,
		    "PUT: no ETag in the answer: is this address that of an "
		    "S3 server?");
	http_answer_clear(&a);
	return rc;
}

static char *
begin_upload(struct s3 *s, const char *key, const char *type, struct err *e)
{
	static const char root[] = "InitiateMultipartUploadResult";
	const struct sigv4_pair query = { "uploads", "" };
	char *header = xasprintf("Content-Type: %s", type), *id = NULL;
	struct http_answer a;

	if (s3_perform(s,
		&(struct s3_op){ .method = "POST",
		    .key = key,
		    .query = &query,
		    .nquery = 1,
		    .headers = { header },
		    .root = root },
		&a, e) == 0) {
		id = xml_value((struct xml){ buf_str(a.body), a.body->len },
		    "UploadId");
		if (id == NULL)
			err_set(e, ERR_STORE,
			    "POST %.200s: no UploadId in the answer", key);
	}
	http_answer_clear(&a);
	free(header);
	return id;
}

int
s3_abort_upload(struct s3 *s, const char *key, const char *id, struct err *e)
{
	const struct sigv4_pair query = { "uploadId", id };
	struct http_answer a;
	struct err own;
	int rc = s3_perform(s,
	    &(struct s3_op){ .method = "DELETE",
		.key = key,
		.query = &query,
		.nquery = 1 },
	    &a, &own);

	http_answer_clear(&a);
	if (rc == 0 || own.code == ERR_NOTFOUND)
		return 0;
	if (e != NULL)
		*e = own;
	return -1;
}

/* ---- a multipart upload ---- */

/* Wait for a part, and keep its ETag and its memory. */
static int
land(struct writer *w, struct flight *f, struct err *e)
{
	int rc = finish_put(f->call, &w->etags[f->number], e);

	f->call = NULL;
	if (w->block.data == NULL) {
		w->block = f->block;
		w->block.len = 0;
		f->block = (struct block){ NULL, 0, 0 };
	} else {
		block_free(&f->block);
	}
	return rc;
}

/* A free flight; where there is none, the first that ends. */
static struct flight *
free_flight(struct writer *w, struct err *e)
{
	for (;;) {
		for (size_t i = 0; i < FLIGHTS; i++) {
			struct flight *f = &w->flights[i];

			if (f->call != NULL && !s3_is_done(f->call))
				continue;
			if (f->call != NULL && land(w, f, e) == -1)
				return NULL;
			return f;
		}
		s3_step(w->store->s3, 1000);
	}
}

/* Send what has been filled as the next part. */
static int
send_part(struct writer *w, struct err *e)
{
	struct s3 *s = w->store->s3;
	struct flight *f;
	char number[24];

	if (w->upload == NULL &&
	    (w->upload = begin_upload(s, w->key, w->type, e)) == NULL)
		return -1;
	if (w->nparts == PARTS_MAX)
		return err_set(e, ERR_TOOBIG,
		    "%.200s: over %d parts: raise s3_part", w->key, PARTS_MAX);
	if ((f = free_flight(w, e)) == NULL)
		return -1;
	w->etags = xreallocarray(w->etags, w->nparts + 1, sizeof(*w->etags));
	w->etags[w->nparts] = NULL;
	f->number = w->nparts++;
	f->block = w->block;
	w->block = (struct block){ NULL, 0, 0 };
	snprintf(number, sizeof(number), "%zu", f->number + 1);
	f->call = start_put(s, w->key, w->type, &f->block,
	    (const struct sigv4_pair[]){ { "partNumber", number },
		{ "uploadId", w->upload } },
	    2);
	return 0;
}

/* Where the answer to a first attempt was lost, the next one finds no upload
 * any more: the object tells what became of it. */
static int
completed_before(const struct writer *w, struct err *e)
{
	struct store_object o;
	char *etag = NULL, *parts = xasprintf("-%zu\"", w->nparts);
	int rc = -1;
	size_t len, n = strlen(parts);

	if (s3_stat(w->store->s3, w->key, &o, &etag, NULL) == 0 &&
	    etag != NULL && o.size == w->size && (len = strlen(etag)) > n &&
	    strcmp(etag + len - n, parts) == 0)
		rc = 0;
	free(parts);
	free(etag);
	return rc == 0 ? 0 : err_recode(e, ERR_STORE);
}

static int
complete(struct writer *w, struct err *e)
{
	const struct sigv4_pair query = { "uploadId", w->upload };
	struct buf body = BUF_INIT;
	struct http_answer a;
	struct err own;
	int rc;

	buf_adds(&body, "<CompleteMultipartUpload>");
	for (size_t i = 0; i < w->nparts; i++) {
		buf_addf(&body, "<Part><PartNumber>%zu</PartNumber><ETag>",
		    i + 1);
		xml_escape(&body, w->etags[i]);
		buf_adds(&body, "</ETag></Part>");
	}
	buf_adds(&body, "</CompleteMultipartUpload>");
	rc = s3_perform(w->store->s3,
	    &(struct s3_op){ .method = "POST",
		.key = w->key,
		.query = &query,
		.nquery = 1,
		.headers = { "Content-Type: application/xml" },
		.body = body.data,
		.body_len = body.len,
		.root = "CompleteMultipartUploadResult",
		.slow = true },
	    &a, &own);
	http_answer_clear(&a);
	buf_clear(&body);
	if (rc == -1 && own.code == ERR_NOTFOUND)
		rc = completed_before(w, &own);
	if (rc == -1 && e != NULL)
		*e = own;
	return rc;
}

static int
finish_upload(struct writer *w, struct err *e)
{
	if (w->block.len > 0 && send_part(w, e) == -1)
		return -1;
	for (size_t i = 0; i < FLIGHTS; i++)
		if (w->flights[i].call != NULL &&
		    land(w, &w->flights[i], e) == -1)
			return -1;
	if (complete(w, e) == -1)
		return -1;
	free(w->upload);
	w->upload = NULL;
	return 0;
}

/* ---- batched puts ---- */

struct s3_batch *
s3_batch_new(struct s3 *s, size_t max)
{
	struct s3_batch *b = xcalloc(1, sizeof(*b));

	TAILQ_INIT(&b->pending);
	b->s3 = s;
	b->max = max;
	return b;
}

static void
drop_pending(struct s3_batch *b, struct pending *p)
{
	TAILQ_REMOVE(&b->pending, p, link);
	block_free(&p->block);
	free(p);
	b->n--;
}

void
s3_batch_free(struct s3_batch *b)
{
	struct pending *p;

	if (b == NULL)
		return;
	while ((p = TAILQ_FIRST(&b->pending)) != NULL) {
		/* The analyzer does not follow TAILQ_REMOVE(). */
		s3_cancel(p->call); /* NOLINT(clang-analyzer-unix.Malloc) */
		drop_pending(b, p);
	}
	free(b);
}

/* Take those that have ended out, until less than max are left. */
static void
batch_shrink(struct s3_batch *b, size_t max)
{
	for (;;) {
		struct pending *p = TAILQ_FIRST(&b->pending), *next;

		for (; p != NULL; p = next) {
			struct err e;
			char *etag;

			next = TAILQ_NEXT(p, link);
			if (!s3_is_done(p->call))
				continue;
			if (finish_put(p->call, &etag, &e) == -1 &&
			    !b->failed) {
				b->failed = true;
				b->failure = e;
			}
			free(etag);
			drop_pending(b, p);
		}
		if (b->n < max)
			return;
		s3_step(b->s3, 1000);
	}
}

static int
batch_add(struct s3_batch *b, struct writer *w, struct err *e)
{
	struct pending *p;

	batch_shrink(b, b->max);
	if (b->failed) {
		/* what follows is lost with it: say so at once */
		if (e != NULL)
			*e = b->failure;
		return -1;
	}
	p = xcalloc(1, sizeof(*p));
	p->block = w->block;
	w->block = (struct block){ NULL, 0, 0 };
	p->call = start_put(b->s3, w->key, w->type, &p->block, NULL, 0);
	TAILQ_INSERT_TAIL(&b->pending, p, link);
	b->n++;
	return 0;
}

int
s3_sync(void *state, struct err *e)
{
	struct s3_batch *b = ((struct s3_store *)state)->batch;

	batch_shrink(b, 1);
	if (!b->failed)
		return 0;
	b->failed = false;
	if (e != NULL)
		*e = b->failure;
	return -1;
}

/* ---- the driver's functions ---- */

void *
s3_put_open(void *state, const char *key, const char *type, struct err *e)
{
	struct writer *w = xcalloc(1, sizeof(*w));

	w->store = state;
	w->key = xstrdup(key);
	/* without one, libcurl would send a form's */
	w->type = xstrdup(type == NULL || strpbrk(type, "\r\n") != NULL
		? "application/octet-stream"
		: type);
	return w;
}

int
s3_put_data(void *writer, const void *data, size_t len, struct err *e)
{
	struct writer *w = writer;
	size_t part = w->store->part;
	const char *at = data;

	w->size += (int64_t)len;
	while (len > 0) {
		size_t n;

		/* full, and not the end: only now it is more than one PUT */
		if (w->block.len == part && send_part(w, e) == -1)
			return -1;
		n = part - w->block.len < len ? part - w->block.len : len;
		block_append(&w->block, at, n, part);
		at += n;
		len -= n;
	}
	s3_step(w->store->s3, 0);
	return 0;
}

int
s3_put_commit(void *writer, enum store_when when, struct err *e)
{
	struct writer *w = writer;
	char *etag = NULL;
	int rc;

	if (w->upload != NULL)
		rc = finish_upload(w, e);
	else if (when == STORE_BATCHED)
		rc = batch_add(w->store->batch, w, e);
	else
		rc = finish_put(start_put(w->store->s3, w->key, w->type,
				    &w->block, NULL, 0),
		    &etag, e);
	free(etag);
	s3_put_abort(w); /* what is left of it */
	return rc;
}

void
s3_put_abort(void *writer)
{
	struct writer *w = writer;

	for (size_t i = 0; i < FLIGHTS; i++) {
		s3_cancel(w->flights[i].call);
		block_free(&w->flights[i].block);
	}
	if (w->upload != NULL)	/* where it fails, sweep has another go */
		s3_abort_upload(w->store->s3, w->key, w->upload, NULL);
	for (size_t i = 0; i < w->nparts; i++)
		free(w->etags[i]);
	free(w->etags);
	free(w->upload);
	block_free(&w->block);
	free(w->key);
	free(w->type);
	free(w);
}
