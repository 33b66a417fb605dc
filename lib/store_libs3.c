/*
 * Objects in a bucket, by libs3.  It puts nothing whose length it does not
 * know, in one request each; so a writer is a spool until it is committed, and
 * nothing is left behind that would have to be swept up.
 */
#include "lib/store_driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/libs3_call.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/s3_read.h"
#include "lib/spool.h"

/* More than s3_connections, so that none of those is idle. */
#define DELETE_AT_ONCE 512

/* A put that waits for sync. */
struct pending {
	TAILQ_ENTRY(pending) link;
	struct libs3_call *call;
	struct spool *body;
};

struct libs3_store {
	struct libs3 *libs3;
	char *scratch;
	TAILQ_HEAD(, pending) pending;
	size_t npending, max_pending;
	bool failed;
	struct err failure;	/* the first one */
};

struct writer {
	struct libs3_store *store;
	char *key, *type;
	struct spool *body;
};

static void *
store_libs3_open(const struct conf *c, const char *where, struct err *e)
{
	struct libs3 *l = libs3_open(c, where, e);
	struct libs3_store *s;

	if (l == NULL)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->libs3 = l;
	s->scratch = xstrdup(c->scratch);
	s->max_pending = (size_t)c->s3_connections;
	TAILQ_INIT(&s->pending);
	return s;
}

static void
drop_pending(struct libs3_store *s, struct pending *p)
{
	TAILQ_REMOVE(&s->pending, p, link);
	spool_free(p->body);
	free(p);
	s->npending--;
}

static void
store_libs3_free(void *state)
{
	struct libs3_store *s = state;
	struct pending *p, *next;

	libs3_free(s->libs3);
	for (p = TAILQ_FIRST(&s->pending); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		drop_pending(s, p);
	}
	free(s->scratch);
	free(s);
}

/* ---- putting ---- */

static void *
put_open(void *state, const char *key, const char *type, struct err *e)
{
	struct writer *w = xcalloc(1, sizeof(*w));

	w->store = state;
	w->key = xstrdup(key);
	w->type = xstrdup(type == NULL || strpbrk(type, "\r\n") != NULL
		? "application/octet-stream"
		: type);
	w->body = spool_new(w->store->scratch);
	return w;
}

static int
put_data(void *writer, const void *data, size_t len, struct err *e)
{
	struct writer *w = writer;

	libs3_step(w->store->libs3, 0);
	return spool_add(w->body, data, len, e);
}

static void
put_abort(void *writer)
{
	struct writer *w = writer;

	spool_free(w->body);
	free(w->key);
	free(w->type);
	free(w);
}

static struct libs3_call *
start_put(struct writer *w)
{
	spool_end(w->body);
	return libs3_start(w->store->libs3,
	    &(struct libs3_op){ .kind = LIBS3_PUT,
		.key = w->key,
		.type = w->type,
		.body = w->body });
}

/* A put is stored when its answer names an ETag; a proxy's 200 does not. */
static int
finish_put(struct libs3_call *call, struct err *e)
{
	struct http_answer a;
	int rc = libs3_finish(call, &a, e);
	char *etag = rc == 0 ? http_header(&a, "ETag") : NULL;

	if (rc == 0 && etag == NULL)
		rc = err_set(e, ERR_STORE,
		    "PUT: no ETag in the answer: is this address that of an "
		    "S3 server?");
	free(etag);
	http_answer_clear(&a);
	return rc;
}

/* Take those that have ended out, until less than max are left. */
static void
shrink(struct libs3_store *s, size_t max)
{
	for (;;) {
		struct pending *p = TAILQ_FIRST(&s->pending), *next;

		for (; p != NULL; p = next) {
			struct err e;

			next = TAILQ_NEXT(p, link);
			if (!libs3_is_done(p->call))
				continue;
			if (finish_put(p->call, &e) == -1 && !s->failed) {
				s->failed = true;
				s->failure = e;
			}
			drop_pending(s, p);
		}
		if (s->npending < max)
			return;
		libs3_step(s->libs3, 1000);
	}
}

static int
put_later(struct writer *w, struct err *e)
{
	struct libs3_store *s = w->store;
	struct pending *p;

	shrink(s, s->max_pending);
	if (s->failed) {
		/* what follows is lost with it: say so at once */
		if (e != NULL)
			*e = s->failure;
		return -1;
	}
	p = xcalloc(1, sizeof(*p));
	p->call = start_put(w);
	p->body = w->body;
	w->body = NULL;
	TAILQ_INSERT_TAIL(&s->pending, p, link);
	s->npending++;
	return 0;
}

static int
put_commit(void *writer, enum store_when when, struct err *e)
{
	struct writer *w = writer;
	int rc = when == STORE_BATCHED ? put_later(w, e)
				       : finish_put(start_put(w), e);

	put_abort(w); /* what is left of it */
	return rc;
}

static int
sync_puts(void *state, struct err *e)
{
	struct libs3_store *s = state;

	shrink(s, 1);
	if (!s->failed)
		return 0;
	s->failed = false;
	if (e != NULL)
		*e = s->failure;
	return -1;
}

/* ---- getting ---- */

static int
get_piece(void *state, const char *key, int64_t from, int64_t n,
    const char *etag, struct http_answer *a, struct err *e)
{
	return libs3_perform(((struct libs3_store *)state)->libs3,
	    &(struct libs3_op){ .kind = LIBS3_GET,
		.key = key,
		.from = from,
		.n = n,
		.etag = etag },
	    a, e);
}

/* Answers to HEAD have no words; a GET of one byte does. */
static void
ask_for_words(void *state, const char *key, struct err *e)
{
	struct http_answer a;
	struct err words;

	if (get_piece(state, key, 0, 1, NULL, &a, &words) == -1 && e != NULL)
		*e = words;
	http_answer_clear(&a);
}

static int
head(void *state, const char *key, struct store_object *o, struct err *e)
{
	struct http_answer a;
	int rc = libs3_perform(((struct libs3_store *)state)->libs3,
	    &(struct libs3_op){ .kind = LIBS3_HEAD, .key = key }, &a, e);

	if (rc == 0)
		rc = s3_read_head(&a, key, o, e);
	else if (a.status >= 300 && a.status < 500)
		ask_for_words(state, key, e);
	http_answer_clear(&a);
	return rc;
}

static void *
get_open(void *state, const char *key, int64_t offset,
    struct store_object *o, struct err *e)
{
	static const struct s3_source source = { .piece = get_piece,
		.head = head };

	return s3_read_open(&source, state, key, offset, o, e);
}

/* ---- keys ---- */

/* The page behind *marker, owned, NULL for the first; it is NULL again after
 * the last one. */
static int
next_page(struct libs3_store *s, const char *prefix, char **marker,
    struct libs3_page *p, struct err *e)
{
	const char *last;
	struct http_answer a;
	int rc = libs3_perform(s->libs3,
	    &(struct libs3_op){ .kind = LIBS3_LIST,
		.key = prefix,
		.marker = *marker,
		.page = p },
	    &a, e);

	http_answer_clear(&a);
	last = p->n == 0 ? "" : p->entries[p->n - 1].key;
	/* a page that leads to itself would never end */
	if (rc == 0 && p->more && (*marker == NULL ? last[0] == '\0'
					: strcmp(last, *marker) <= 0))
		rc = err_set(e, ERR_STORE,
		    "GET %.200s: the list leads back to itself", prefix);
	free(*marker);
	*marker = rc == 0 && p->more ? xstrdup(last) : NULL;
	return rc;
}

static int
list(void *state, const char *prefix,
    int (*fn)(void *, const char *, const struct store_object *), void *arg,
    struct err *e)
{
	struct libs3_page p = { NULL, 0, false };
	char *marker = NULL;
	int rc;

	do {
		rc = next_page(state, prefix, &marker, &p, e);
		for (size_t i = 0; i < p.n && rc == 0; i++)
			if (name_is_key(p.entries[i].key)) /* else not ours */
				rc = fn(arg, p.entries[i].key,
				    &p.entries[i].object);
		libs3_page_clear(&p);
	} while (rc == 0 && marker != NULL);
	free(marker);
	return rc;
}

static int
finish_delete(struct libs3_call *call, struct err *e)
{
	struct http_answer a;
	struct err own;
	int rc = libs3_finish(call, &a, &own);

	http_answer_clear(&a);
	if (rc == 0 || own.code == ERR_NOTFOUND)
		return 0;
	if (e != NULL)
		*e = own;
	return -1;
}

static struct libs3_call *
start_delete(struct libs3_store *s, const char *key)
{
	return libs3_start(s->libs3,
	    &(struct libs3_op){ .kind = LIBS3_DELETE, .key = key });
}

static int
delete(void *state, const char *key, struct err *e)
{
	return finish_delete(start_delete(state, key), e);
}

/* libs3 has no batches: many side by side. */
static int
delete_some(struct libs3_store *s, const struct libs3_entry *entries, size_t n,
    struct err *e)
{
	struct libs3_call *calls[DELETE_AT_ONCE];
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		calls[i] = start_delete(s, entries[i].key);
	for (size_t i = 0; i < n; i++)
		if (finish_delete(calls[i], rc == 0 ? e : NULL) == -1)
			rc = -1;
	return rc;
}

static int
delete_page(struct libs3_store *s, const struct libs3_page *p, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < p->n && rc == 0; i += DELETE_AT_ONCE)
		rc = delete_some(s, p->entries + i,
		    p->n - i < DELETE_AT_ONCE ? p->n - i : DELETE_AT_ONCE, e);
	return rc;
}

static int
delete_all(void *state, const char *prefix, struct err *e)
{
	struct libs3_page p = { NULL, 0, false };
	char *marker = NULL;
	int rc;

	do {
		if ((rc = next_page(state, prefix, &marker, &p, e)) == 0)
			rc = delete_page(state, &p, e);
		libs3_page_clear(&p);
	} while (rc == 0 && marker != NULL);
	free(marker);
	return rc;
}

/* What a dead writer had was a file without a name. */
static int
sweep(void *state, int64_t age_ms, struct err *e)
{
	return 0;
}

const struct store_driver store_libs3 = {
	.name = "libs3",
	.open = store_libs3_open,
	.free = store_libs3_free,
	.put_open = put_open,
	.put_data = put_data,
	.put_commit = put_commit,
	.put_abort = put_abort,
	.sync = sync_puts,
	.get_open = get_open,
	.get_data = s3_read_data,
	.get_close = s3_read_close,
	.head = head,
	.delete = delete,
	.delete_all = delete_all,
	.list = list,
	.sweep = sweep,
};
