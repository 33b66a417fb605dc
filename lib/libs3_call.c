#include "lib/libs3_call.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/select.h>

#include <libs3.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/libs3_wrap.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/s3.h"
#include "lib/s3_place.h"
#include "lib/spool.h"

/* libs3 4 takes a time-out of its own before each handler; 0: none.  What it
 * added to structures is well when it is zero. */
#ifdef S3_INIT_VERIFY_PEER
#define NO_TIMEOUT 0,
#else
#define NO_TIMEOUT
#endif

#define ANSWER_MAX_BYTES (1024 * 1024)
#define PAGE_MAX_KEYS 1000	/* of S3 itself */

/* How long a select(2) waits that libcurl names no end for. */
#define SELECT_MS 100

struct libs3 {
	struct s3_place place;
	struct libs3_peer peer;
	char *host, *ca;	/* as libs3 wants it: without the bucket */
	S3BucketContext bucket;
	S3RequestContext *context;
	bool initialized;
	size_t max_running, running;
	TAILQ_HEAD(libs3_calls, libs3_call) calls;
};

struct libs3_call {
	TAILQ_ENTRY(libs3_call) link;
	struct libs3 *libs3;
	struct libs3_op op;
	char *key, *type, *etag, *marker;
	char *label;		/* "PUT key", for people */
	struct libs3_request request;
	S3Status status;	/* libs3's own word */
	bool running, ended;	/* this attempt */
	bool unreadable;	/* its body, for good: why */
	struct err why;
	int64_t at;		/* in the body, of what has been sent */
	int attempts;
	int64_t due;		/* when the next attempt starts */
	bool done;
};

/* ---- opening ---- */

static void
set_bucket(struct libs3 *l, const struct conf *c)
{
	const struct s3_place *p = &l->place;
	bool virtual = strcmp(c->s3_style, "virtual") == 0;

	l->host = xstrdup(virtual ? p->host + strlen(p->bucket) + 1 : p->host);
	l->bucket = (S3BucketContext){ .hostName = l->host,
		.bucketName = p->bucket,
		.protocol = p->secure ? S3ProtocolHTTPS : S3ProtocolHTTP,
		.uriStyle = virtual ? S3UriStyleVirtualHost : S3UriStylePath,
		.accessKeyId = p->id,
		.secretAccessKey = p->secret };
	l->peer = (struct libs3_peer){ .place = p,
		.ca = l->ca,
		.v2 = strcmp(c->s3_signature, "v2") == 0,
		.stall_ms = (int)c->s3_timeout * 1000 };
}

static int
begin_libs3(struct libs3 *l, struct err *e)
{
	S3Status status = S3_initialize("davit", S3_INIT_ALL, l->host);

	l->initialized = status == S3StatusOK;
	if (status == S3StatusOK)
		status = S3_validate_bucket_name(l->bucket.bucketName,
		    l->bucket.uriStyle);
	if (status == S3StatusOK)
		status = S3_create_request_context(&l->context);
	if (status != S3StatusOK)
		return err_set(e, ERR_CONFIG, "store: libs3: %s",
		    S3_get_status_name(status));
	return 0;
}

struct libs3 *
libs3_open(const struct conf *c, const char *where, struct err *e)
{
	struct libs3 *l = xcalloc(1, sizeof(*l));

	TAILQ_INIT(&l->calls);
	l->max_running = (size_t)c->s3_connections;
	l->ca = xstrdup(c->store_ca);
	if (s3_place_init(&l->place, c, where, e) == -1)
		goto bad;
	set_bucket(l, c);
	if (begin_libs3(l, e) == 0)
		return l;
bad:
	libs3_free(l);
	return NULL;
}

static void
free_call(struct libs3_call *c)
{
	TAILQ_REMOVE(&c->libs3->calls, c, link);
	http_answer_clear(&c->request.answer);
	free(c->key);
	free(c->type);
	free(c->etag);
	free(c->marker);
	free(c->label);
	free(c);
}

void
libs3_free(struct libs3 *l)
{
	struct libs3_call *c, *next;

	if (l == NULL)
		return;
	if (l->context != NULL) /* this ends what is under way */
		S3_destroy_request_context(l->context);
	for (c = TAILQ_FIRST(&l->calls); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		free_call(c);
	}
	if (l->initialized)
		S3_deinitialize();
	s3_place_clear(&l->place);
	free(l->host);
	free(l->ca);
	free(l);
}

/* ---- what libs3 calls ---- */

/* Told too early to be of use; but libs3 calls it, there or not. */
static S3Status
take_properties(const S3ResponseProperties *properties, void *arg)
{
	return S3StatusOK;
}

static void
take_end(S3Status status, const S3ErrorDetails *details, void *arg)
{
	struct libs3_call *c = arg;

	c->status = status;
	c->ended = true;
}

static int
give_body(int size, char *data, void *arg)
{
	struct libs3_call *c = arg;
	ssize_t n = spool_read(c->op.body, c->at, data, (size_t)size,
	    &c->why);

	if (n > 0)
		c->at += n;
	else if (n == -1)
		c->unreadable = true;
	return (int)n; /* -1 aborts */
}

static S3Status
take_body(int size, const char *data, void *arg)
{
	struct libs3_call *c = arg;

	buf_add(c->request.answer.body, data, (size_t)size);
	return S3StatusOK;
}

static S3Status
take_keys(int is_truncated, const char *next_marker, int n,
    const S3ListBucketContent *contents, int nprefixes, const char **prefixes,
    void *arg)
{
	struct libs3_page *p = ((struct libs3_call *)arg)->op.page;

	p->more = is_truncated != 0;
	if (n <= 0)
		return S3StatusOK;
	p->entries = xreallocarray(p->entries, p->n + (size_t)n,
	    sizeof(*p->entries));
	for (int i = 0; i < n; i++)
		p->entries[p->n++] = (struct libs3_entry){
			xstrdup(contents[i].key),
			{ (int64_t)contents[i].size,
			    contents[i].lastModified * 1000, "" }
		};
	return S3StatusOK;
}

void
libs3_page_clear(struct libs3_page *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->entries[i].key);
	free(p->entries);
	*p = (struct libs3_page){ NULL, 0, false };
}

/* ---- one attempt ---- */

static void
put(struct libs3_call *c)
{
	const S3PutProperties properties = { .contentType = c->type,
		.expires = -1 };
	const S3PutObjectHandler handler = { { take_properties, take_end },
		give_body };

	S3_put_object(&c->libs3->bucket, c->key,
	    (uint64_t)c->request.body_len, &properties, c->libs3->context,
	    NO_TIMEOUT &handler, c);
}

static void
get(struct libs3_call *c)
{
	const S3GetConditions conditions = { .ifModifiedSince = -1,
		.ifNotModifiedSince = -1,
		.ifMatchETag = c->etag };
	const S3GetObjectHandler handler = { { take_properties, take_end },
		take_body };

	S3_get_object(&c->libs3->bucket, c->key, &conditions,
	    (uint64_t)c->op.from, (uint64_t)c->op.n, c->libs3->context,
	    NO_TIMEOUT &handler, c);
}

static void
list(struct libs3_call *c)
{
	const S3ListBucketHandler handler = { { take_properties, take_end },
		take_keys };

	libs3_page_clear(c->op.page);
	S3_list_bucket(&c->libs3->bucket, c->key, c->marker, NULL,
	    PAGE_MAX_KEYS, c->libs3->context, NO_TIMEOUT &handler, c);
}

static void
make_request(struct libs3_call *c)
{
	static const S3ResponseHandler handler = { take_properties, take_end };
	const struct libs3 *l = c->libs3;

	switch (c->op.kind) {
	case LIBS3_PUT:
		put(c);
		break;
	case LIBS3_GET:
		get(c);
		break;
	case LIBS3_HEAD:
		S3_head_object(&l->bucket, c->key, l->context,
		    NO_TIMEOUT &handler, c);
		break;
	case LIBS3_DELETE:
		S3_delete_object(&l->bucket, c->key, l->context,
		    NO_TIMEOUT &handler, c);
		break;
	case LIBS3_LIST:
		list(c);
		break;
	}
}

static void
launch(struct libs3_call *c)
{
	struct libs3_request *r = &c->request;

	http_answer_clear(&r->answer);
	c->at = 0;
	c->attempts++;
	c->ended = false;
	c->running = true;
	c->libs3->running++;
	libs3_wrap_next(r);
	make_request(c);
	libs3_wrap_next(NULL);
}

/* An attempt has ended: that was it, or there will be another. */
static void
settle(struct libs3_call *c)
{
	struct libs3_request *r = &c->request;
	const char *root = c->op.kind == LIBS3_LIST ? "ListBucketResult"
						    : NULL;

	c->running = false;
	c->libs3->running--;
	if (c->unreadable) {
		r->rc = -1;
		r->e = c->why;
		err_recode(&r->e, ERR_STORE);
		c->done = true;
		return;
	}
	if (!r->sent) {
		r->rc = err_set(&r->e, ERR_STORE, "libs3: %s",
		    S3_get_status_name(c->status));
		c->done = true;
		return;
	}
	if (s3_judge(&r->rc, &r->answer, root, c->attempts, &r->e)) {
		c->due = name_tick_ms() + s3_delay_ms(c->attempts);
		return;
	}
	c->done = true;
	if (r->rc == 0 && c->status != S3StatusOK)
		r->rc = err_set(&r->e, ERR_STORE, "libs3: %s",
		    S3_get_status_name(c->status));
}

/* ---- many calls ---- */

struct libs3_call *
libs3_start(struct libs3 *l, const struct libs3_op *op)
{
	static const char *const verbs[] = { "PUT", "GET", "HEAD", "DELETE",
		"GET" };
	static char empty[SIGV4_HASH_SIZE];
	struct libs3_call *c = xcalloc(1, sizeof(*c));

	if (empty[0] == '\0')
		sigv4_hash("", 0, empty);
	c->libs3 = l;
	c->op = *op;
	c->key = xstrdup(op->key);
	c->type = xstrdup_null(op->type);
	c->etag = xstrdup_null(op->etag);
	c->marker = xstrdup_null(op->marker);
	c->label = xasprintf("%s %s", verbs[op->kind],
	    op->kind == LIBS3_LIST ? l->place.name : op->key);
	c->request = (struct libs3_request){ .peer = &l->peer,
		.payload = op->body == NULL ? empty : spool_hash(op->body),
		.body_len = op->body == NULL ? 0 : spool_size(op->body),
		.max_bytes = ANSWER_MAX_BYTES,
		.keep_body = op->kind == LIBS3_LIST };
	if (op->kind == LIBS3_GET && op->n > ANSWER_MAX_BYTES)
		c->request.max_bytes = op->n;
	else if (op->kind == LIBS3_LIST)
		c->request.max_bytes = JSON_MAX_BYTES;
	TAILQ_INSERT_TAIL(&l->calls, c, link);
	libs3_step(l, 0);
	return c;
}

/* Start what is due, settle what has ended; the time until the next is due, or
 * 0 where a call is done. */
static int
turn(struct libs3 *l, int wait_ms)
{
	int64_t now = name_tick_ms();
	struct libs3_call *c;

	TAILQ_FOREACH(c, &l->calls, link) {
		if (c->running && c->ended) {
			settle(c);
			if (c->done)
				wait_ms = 0;
		}
		if (c->done || c->running || l->running >= l->max_running)
			continue;
		if (c->due <= now)
			launch(c);
		if (!c->running && c->due - now < wait_ms)
			wait_ms = (int)(c->due - now);
		if (c->ended)
			wait_ms = 0;
	}
	return wait_ms;
}

/* Wait until libs3 has something to do. */
static void
wait_for_bytes(struct libs3 *l, int wait_ms)
{
	fd_set reading, writing, failing;
	int64_t own = S3_get_request_context_timeout(l->context);
	struct timeval tv;
	int max = -1;

	FD_ZERO(&reading);
	FD_ZERO(&writing);
	FD_ZERO(&failing);
	if (own < 0 || own > SELECT_MS)
		own = SELECT_MS;
	if (own < wait_ms)
		wait_ms = (int)own;
	S3_get_request_context_fdsets(l->context, &reading, &writing, &failing,
	    &max);
	tv = (struct timeval){ wait_ms / 1000, wait_ms % 1000 * 1000 };
	select(max + 1, &reading, &writing, &failing, &tv);
}

void
libs3_step(struct libs3 *l, int wait_ms)
{
	int64_t end = name_tick_ms() + wait_ms;
	int left;

	for (;;) {
		int64_t rest = end - name_tick_ms();
		int wait;

		S3_runonce_request_context(l->context, &left);
		wait = turn(l, rest < wait_ms ? (int)rest : wait_ms);
		if (wait <= 0)
			break;
		wait_for_bytes(l, wait);
	}
}

bool
libs3_is_done(const struct libs3_call *c)
{
	return c->done;
}

int
libs3_finish(struct libs3_call *c, struct http_answer *a, struct err *e)
{
	int rc;

	while (!c->done)
		libs3_step(c->libs3, 1000);
	*a = c->request.answer;
	c->request.answer = (struct http_answer){ 0 };
	if ((rc = c->request.rc) == -1) {
		err_within(&c->request.e, "%s", c->label);
		if (e != NULL)
			*e = c->request.e;
	}
	free_call(c);
	return rc;
}

int
libs3_perform(struct libs3 *l, const struct libs3_op *op,
    struct http_answer *a, struct err *e)
{
	return libs3_finish(libs3_start(l, op), a, e);
}
