#include "lib/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/crash.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/queue_lua.h"
#include "lib/queue_room.h"
#include "lib/resp.h"

/* How long the wish to cancel waits for the worker that has the id. */
#define CANCEL_MS (24 * 60 * 60 * 1000)

#define LIST_MAX 1000

struct queue *
queue_open(const struct conf *conf, struct err *e)
{
	struct queue *q = xcalloc(1, sizeof(*q));

	q->redis = resp_open(conf->redis, conf->redis_password, e);
	if (q->redis == NULL) {
		queue_free(q);
		return NULL;
	}
	return q;
}

void
queue_free(struct queue *q)
{
	if (q == NULL)
		return;
	resp_free(q->redis);
	free(q->taken);
	free(q);
}

void
queue_close(struct queue *q)
{
	resp_close(q->redis);
}

int
queue_fd(const struct queue *q)
{
	return resp_fd(q->redis);
}

/* ---- scripts ---- */

void
queue_add_script(struct resp_words *w, const char *script)
{
	resp_add(w, "EVAL");
	resp_add(w, script);
	resp_add(w, "0"); /* no KEYS: a Redis cluster is not supported */
}

/* What a script says in a word: 0 for "ok". */
int
queue_verdict(struct queue *q, const struct resp_reply *r, const char *id,
    struct err *e)
{
	const char *word = resp_string(r, NULL);

	if (word == NULL)
		return resp_unexpected(q->redis, e);
	if (strcmp(word, "ok") == 0)
		return 0;
	if (strcmp(word, "missing") == 0)
		return err_set(e, ERR_NOTFOUND, "no deployment %s", id);
	return err_set(e, ERR_CONFLICT, "deployment %s is %s", id, word);
}

int
queue_run(struct queue *q, struct resp_words *w, const char *id,
    struct err *e)
{
	struct resp_reply *r;
	int rc;

	CRASH_POINT("a script");
	r = resp_run(q->redis, w, e);
	CRASH_POINT("after a script");
	rc = r == NULL ? -1 : queue_verdict(q, r, id, e);
	resp_reply_free(r);
	return rc;
}

int
queue_tell(struct queue *q, struct resp_words *w, struct err *e)
{
	struct resp_reply *r = resp_run(q->redis, w, e);

	if (r == NULL)
		return -1;
	resp_reply_free(r);
	return 0;
}

/* ---- records ---- */

int
queue_check(struct queue *q, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	/* A write also sees a replica, a full memory, a disk that fails. */
	resp_add(&w, "SET");
	resp_add(&w, "davit:check");
	resp_add(&w, "1");
	resp_add(&w, "PX");
	resp_add(&w, "1000");
	return queue_tell(q, &w, e);
}

int
queue_submit(struct queue *q, const struct deployment *d, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	char **fields = deployment_to_fields(d);
	int rc;

	queue_add_script(&w, LUA_COMMON LUA_SUBMIT);
	resp_add(&w, d->id);
	resp_add_number(&w, name_now_ms());
	resp_add_list(&w, (const char *const *)fields);
	rc = queue_run(q, &w, d->id, e);
	deployment_fields_free(fields);
	return rc;
}

/* The record in a reply that is a hash's names and values. */
struct deployment *
queue_to_record(struct queue *q, const struct resp_reply *r, struct err *e)
{
	size_t n = 0, count = resp_count(r);
	struct deployment *d = NULL;
	const char **fields;

	fields = xcalloc(count + 1, sizeof(*fields));
	while (n < count &&
	    (fields[n] = resp_string(resp_at(r, n), NULL)) != NULL)
		n++;
	if (n > 0 && n == count && n % 2 == 0)
		d = deployment_from_fields(fields, e);
	else
		resp_unexpected(q->redis, e);
	free(fields);
	return d;
}

struct deployment *
queue_record(struct queue *q, const char *id, struct err *e)
{
	char *key = xasprintf("davit:deployment:%s", id);
	struct resp_words w = RESP_WORDS_INIT;
	struct deployment *d = NULL;
	struct resp_reply *r;

	resp_add(&w, "HGETALL");
	resp_add(&w, key);
	if ((r = resp_run(q->redis, &w, e)) == NULL)
		goto out;
	if (resp_is_array(r) && resp_count(r) == 0)
		err_set(e, ERR_NOTFOUND, "no deployment %s", id);
	else
		d = queue_to_record(q, r, e);
out:
	resp_reply_free(r);
	free(key);
	return d;
}

int
queue_position(struct queue *q, const char *id, int64_t *position,
    struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	queue_add_script(&w, LUA_COMMON LUA_POSITION);
	resp_add(&w, id);
	return resp_run_number(q->redis, &w, position, e);
}

int
queue_length(struct queue *q, int64_t *length, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	resp_add(&w, "LLEN");
	resp_add(&w, "build-queue");
	return resp_run_number(q->redis, &w, length, e);
}

int
queue_list(struct queue *q, int64_t before, int limit,
    int (*fn)(void *, const struct deployment *), void *arg, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	char from[24] = "+inf";
	struct resp_reply *r;
	int rc = 0;

	if (before > 0)
		snprintf(from, sizeof(from), "(%lld", (long long)before);
	queue_add_script(&w, LUA_COMMON LUA_LIST);
	resp_add(&w, from);
	resp_add_number(&w,
	    limit < 1 ? 1 : limit > LIST_MAX ? LIST_MAX : limit);
	if ((r = resp_run(q->redis, &w, e)) == NULL)
		return -1;
	if (!resp_is_array(r))
		rc = resp_unexpected(q->redis, e);
	for (size_t i = 0; rc == 0 && i < resp_count(r); i++) {
		struct deployment *d = queue_to_record(q, resp_at(r, i), e);

		rc = d == NULL ? -1 : fn(arg, d);
		deployment_free(d);
	}
	resp_reply_free(r);
	return rc;
}

/* ---- a Redis that has lost everything ---- */

int
queue_is_filled(struct queue *q, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	int64_t n;

	resp_add(&w, "EXISTS");
	resp_add(&w, "davit:filled");
	return resp_run_number(q->redis, &w, &n, e) == -1 ? -1 : n == 1;
}

int
queue_set_filled(struct queue *q, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	resp_add(&w, "SET");
	resp_add(&w, "davit:filled");
	resp_add(&w, "1");
	return queue_tell(q, &w, e);
}

int
queue_restore(struct queue *q, const struct deployment *d, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	char **fields = deployment_to_fields(d);
	struct err why = { .code = ERR_NONE };
	int rc;

	queue_add_script(&w, LUA_COMMON LUA_RESTORE);
	resp_add(&w, d->id);
	resp_add_number(&w, name_now_ms());
	resp_add_list(&w, (const char *const *)fields);
	rc = queue_run(q, &w, d->id, &why);
	deployment_fields_free(fields);
	if (rc == 0)
		return 1;
	if (e != NULL)
		*e = why;
	return why.code == ERR_CONFLICT ? 0 : -1;
}

int
queue_knows(struct queue *q, const char *id, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	int64_t n;

	queue_add_script(&w, LUA_COMMON LUA_KNOWS);
	resp_add(&w, id);
	return resp_run_number(q->redis, &w, &n, e) == -1 ? -1 : n != 0;
}

/* ---- sources that are stored ---- */

int
queue_keep_source(struct queue *q, const char *digest, const char *id,
    int64_t ms, struct err *e)
{
	char *key = xasprintf("davit:source:%s", digest);
	struct resp_words w = RESP_WORDS_INIT;
	int rc;

	resp_add(&w, "SET");
	resp_add(&w, key);
	resp_add(&w, id);
	resp_add(&w, "PX");
	resp_add_number(&w, ms);
	rc = queue_tell(q, &w, e);
	free(key);
	return rc;
}

int
queue_find_source(struct queue *q, const char *digest,
    char id[ID_LENGTH + 1], struct err *e)
{
	char *key = xasprintf("davit:source:%s", digest);
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	const char *text;
	size_t len;
	int rc = 0;

	resp_add(&w, "GET");
	resp_add(&w, key);
	r = resp_run(q->redis, &w, e);
	free(key);
	if (r == NULL)
		return -1;
	if ((text = resp_string(r, &len)) != NULL)
		rc = name_is_id(text, len, id);
	else if (!resp_is_nil(r))
		rc = resp_unexpected(q->redis, e);
	resp_reply_free(r);
	return rc;
}

/* ---- cancel ---- */

int
queue_cancel(struct queue *q, const char *id, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	const char *word;
	int rc;

	queue_add_script(&w, LUA_COMMON LUA_CANCEL);
	resp_add(&w, id);
	resp_add_number(&w, name_now_ms());
	resp_add_number(&w, CANCEL_MS);
	resp_add(&w, err_name(ERR_CANCELED));
	resp_add(&w, "Canceled while it waited in the queue");
	if ((r = resp_run(q->redis, &w, e)) == NULL)
		return -1;
	word = resp_string(r, NULL);
	if (word != NULL && strcmp(word, "marked") == 0)
		rc = 0;
	else
		rc = queue_verdict(q, r, id, e) == 0 ? 1 : -1;
	resp_reply_free(r);
	return rc;
}

bool
queue_cancel_wanted(struct queue *q, const char *id)
{
	char *key = xasprintf("davit:cancel:%s", id);
	struct resp_words w = RESP_WORDS_INIT;
	int64_t n = 0;

	resp_add(&w, "EXISTS");
	resp_add(&w, key);
	if (resp_run_number(q->redis, &w, &n, NULL) == -1)
		n = 0;
	free(key);
	return n == 1;
}
