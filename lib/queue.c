#include "lib/queue.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/crash.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/queue_lua.h"
#include "lib/resp.h"

/* How long Redis may take to answer a take after its waiting time. */
#define TAKE_GRACE_MS 5000

/* How long the wish to cancel waits for the worker that has the id. */
#define CANCEL_MS (24 * 60 * 60 * 1000)

#define LIST_MAX 1000

struct queue {
	struct resp *redis;
	char *taken;	/* the list that a take in flight fills */
};

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

static void
add_script(struct resp_words *w, const char *script)
{
	resp_add(w, "EVAL");
	resp_add(w, script);
	resp_add(w, "0"); /* no KEYS: a Redis cluster is not supported */
}

/* What a script says in a word: 0 for "ok". */
static int
verdict(struct queue *q, const struct resp_reply *r, const char *id,
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

static int
run_script(struct queue *q, struct resp_words *w, const char *id,
    struct err *e)
{
	struct resp_reply *r;
	int rc;

	CRASH_POINT("a script");
	r = resp_run(q->redis, w, e);
	CRASH_POINT("after a script");
	rc = r == NULL ? -1 : verdict(q, r, id, e);
	resp_reply_free(r);
	return rc;
}

/* For a caller who only asks whether it still has the id. */
static int
run_owner_script(struct queue *q, struct resp_words *w, const char *id,
    struct err *e)
{
	struct err why = { .code = ERR_NONE };
	int rc = run_script(q, w, id, &why);

	if (rc == -1 && e != NULL)
		*e = why;
	return why.code == ERR_NOTFOUND ? err_recode(e, ERR_CONFLICT) : rc;
}

/* ---- records ---- */

int
queue_check(struct queue *q, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;

	/* A write also sees a replica, a full memory, a disk that fails. */
	resp_add(&w, "SET");
	resp_add(&w, "davit:check");
	resp_add(&w, "1");
	resp_add(&w, "PX");
	resp_add(&w, "1000");
	if ((r = resp_run(q->redis, &w, e)) == NULL)
		return -1;
	resp_reply_free(r);
	return 0;
}

int
queue_submit(struct queue *q, const struct deployment *d, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	char **fields = deployment_to_fields(d);
	int rc;

	add_script(&w, LUA_COMMON LUA_SUBMIT);
	resp_add(&w, d->id);
	resp_add_number(&w, name_now_ms());
	resp_add_list(&w, (const char *const *)fields);
	rc = run_script(q, &w, d->id, e);
	deployment_fields_free(fields);
	return rc;
}

/* The record in a reply that is a hash's names and values. */
static struct deployment *
reply_to_record(struct queue *q, const struct resp_reply *r, struct err *e)
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
		d = reply_to_record(q, r, e);
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

	add_script(&w, LUA_COMMON LUA_POSITION);
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
	add_script(&w, LUA_COMMON LUA_LIST);
	resp_add(&w, from);
	resp_add_number(&w,
	    limit < 1 ? 1 : limit > LIST_MAX ? LIST_MAX : limit);
	if ((r = resp_run(q->redis, &w, e)) == NULL)
		return -1;
	if (!resp_is_array(r))
		rc = resp_unexpected(q->redis, e);
	for (size_t i = 0; rc == 0 && i < resp_count(r); i++) {
		struct deployment *d = reply_to_record(q, resp_at(r, i), e);

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
	struct resp_reply *r;

	resp_add(&w, "SET");
	resp_add(&w, "davit:filled");
	resp_add(&w, "1");
	if ((r = resp_run(q->redis, &w, e)) == NULL)
		return -1;
	resp_reply_free(r);
	return 0;
}

int
queue_restore(struct queue *q, const struct deployment *d, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	char **fields = deployment_to_fields(d);
	struct err why = { .code = ERR_NONE };
	int rc;

	add_script(&w, LUA_COMMON LUA_RESTORE);
	resp_add(&w, d->id);
	resp_add_number(&w, name_now_ms());
	resp_add_list(&w, (const char *const *)fields);
	rc = run_script(q, &w, d->id, &why);
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

	add_script(&w, LUA_COMMON LUA_KNOWS);
	resp_add(&w, id);
	return resp_run_number(q->redis, &w, &n, e) == -1 ? -1 : n != 0;
}

/* ---- taking ---- */

int
queue_lease(struct queue *q, const char *worker, int64_t ms, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	int rc;

	add_script(&w, LUA_COMMON LUA_LEASE);
	resp_add(&w, worker);
	resp_add_number(&w, ms);
	r = resp_run(q->redis, &w, e);
	rc = r == NULL ? -1 : verdict(q, r, worker, e);
	resp_reply_free(r);
	return rc;
}

int
queue_take_send(struct queue *q, const char *worker, int wait_ms,
    struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	char seconds[24];

	free(q->taken);
	q->taken = xasprintf("davit:taken:%s", worker);
	snprintf(seconds, sizeof(seconds), "%d.%03d", wait_ms / 1000,
	    wait_ms % 1000);
	resp_add(&w, wait_ms > 0 ? "BLMOVE" : "LMOVE");
	resp_add(&w, "build-queue");
	resp_add(&w, q->taken);
	resp_add(&w, "RIGHT");
	resp_add(&w, "LEFT");
	if (wait_ms > 0)
		resp_add(&w, seconds);
	return resp_send(q->redis, &w, e);
}

/* What is no id goes out of the list or set that it was put into by mistake:
 * it would stay there.  Gives -1. */
static int
drop_stranger(struct queue *q, const char *list, const char *set,
    const char *text, size_t len, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	int64_t n;

	resp_add(&w, list != NULL ? "LREM" : "SREM");
	resp_add(&w, list != NULL ? list : set);
	if (list != NULL)
		resp_add(&w, "0");
	resp_add_bytes(&w, text, len);
	if (resp_run_number(q->redis, &w, &n, e) == -1)
		return -1;
	return err_set(e, ERR_INVALID,
	    "Redis held what is no id, and was dropped: %.40s", text);
}

int
queue_take_read(struct queue *q, char id[ID_LENGTH + 1], struct err *e)
{
	struct resp_reply *r = resp_read(q->redis, e);
	const char *text;
	size_t len;
	int rc = 1;

	if (r == NULL)
		return -1;
	CRASH_POINT("after a take");
	if (resp_is_nil(r))
		rc = 0;
	else if ((text = resp_string(r, &len)) == NULL)
		rc = resp_unexpected(q->redis, e);
	else if (!name_is_id(text, len, id) || strcmp(id, text) != 0)
		rc = drop_stranger(q, q->taken, NULL, text, len, e);
	resp_reply_free(r);
	return rc;
}

int
queue_take(struct queue *q, const char *worker, int wait_ms,
    char id[ID_LENGTH + 1], struct err *e)
{
	int64_t end = name_tick_ms() + wait_ms + TAKE_GRACE_MS, left;
	struct pollfd p = { .events = POLLIN };
	int n = 0;

	if (queue_take_send(q, worker, wait_ms, e) == -1)
		return -1;
	p.fd = queue_fd(q);
	while (n <= 0 && (left = end - name_tick_ms()) > 0)
		if ((n = poll(&p, 1, (int)left)) == -1 && errno != EINTR)
			return err_errno(e, "poll");
	return n == 1 ? queue_take_read(q, id, e) : resp_lost(q->redis, e);
}

int
queue_claim(struct queue *q, const char *worker, const char *id,
    struct deployment **d, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	int rc = 0;

	*d = NULL;
	add_script(&w, LUA_COMMON LUA_CLAIM);
	resp_add(&w, worker);
	resp_add(&w, id);
	resp_add_number(&w, name_now_ms());
	if ((r = resp_run(q->redis, &w, e)) == NULL)
		return -1;
	CRASH_POINT("after a claim");
	if (resp_string(r, NULL) == NULL) {
		*d = reply_to_record(q, r, e);
		rc = *d == NULL ? -1 : 1;
	}
	resp_reply_free(r);
	return rc;
}

int
queue_held(struct queue *q, const char *worker,
    int (*fn)(void *, const char *), void *arg, struct err *e)
{
	char *key = xasprintf("davit:taken:%s", worker);
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	int rc = 0;

	resp_add(&w, "LRANGE");
	resp_add(&w, key);
	resp_add(&w, "0");
	resp_add(&w, "-1");
	r = resp_run(q->redis, &w, e);
	free(key);
	if (r == NULL)
		return -1;
	if (!resp_is_array(r))
		rc = resp_unexpected(q->redis, e);
	for (size_t i = 0; rc == 0 && i < resp_count(r); i++) {
		char id[ID_LENGTH + 1];
		size_t len;
		const char *text = resp_string(resp_at(r, i), &len);

		if (text != NULL && name_is_id(text, len, id))
			rc = fn(arg, id);
	}
	resp_reply_free(r);
	return rc;
}

/* ---- changing ---- */

int
queue_change(struct queue *q, const char *id, int64_t attempt,
    enum deployment_state state, const char *const *fields, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	add_script(&w, LUA_COMMON LUA_CHANGE);
	resp_add(&w, id);
	resp_add_number(&w, attempt);
	resp_add_number(&w, name_now_ms());
	resp_add(&w, deployment_state_name(state));
	resp_add_list(&w, fields);
	return run_owner_script(q, &w, id, e);
}

int
queue_finish(struct queue *q, const char *worker, const char *id,
    int64_t attempt, enum deployment_state state, const char *const *fields,
    struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	add_script(&w, LUA_COMMON LUA_FINISH);
	resp_add(&w, worker);
	resp_add(&w, id);
	resp_add_number(&w, attempt);
	resp_add_number(&w, name_now_ms());
	resp_add(&w, deployment_state_name(state));
	resp_add_list(&w, fields);
	return run_owner_script(q, &w, id, e);
}

/* What ends an id whose worker died once too often. */
static void
add_last_attempt(struct resp_words *w)
{
	static char why[80];

	snprintf(why, sizeof(why),
	    "The worker died during each of %d attempts", ATTEMPTS_MAX);
	resp_add_number(w, ATTEMPTS_MAX);
	resp_add(w, err_name(ERR_WORKER_LOST));
	resp_add(w, why);
}

int
queue_return(struct queue *q, const char *worker, const char *id,
    bool next_attempt, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	add_script(&w, LUA_COMMON LUA_RETURN);
	resp_add(&w, worker);
	resp_add(&w, id);
	resp_add(&w, next_attempt ? "1" : "0");
	resp_add_number(&w, name_now_ms());
	add_last_attempt(&w);
	return run_script(q, &w, id, e);
}

int
queue_reclaim(struct queue *q, const char *worker, bool own, int64_t *count,
    struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	add_script(&w, LUA_COMMON LUA_RECLAIM);
	resp_add(&w, worker);
	resp_add(&w, own ? "1" : "0");
	resp_add_number(&w, name_now_ms());
	add_last_attempt(&w);
	return resp_run_number(q->redis, &w, count, e);
}

int
queue_waiting_for(struct queue *q, const char *worker, const char *what,
    int64_t ms, struct err *e)
{
	char *key = xasprintf("davit:waiting-for:%s", worker);
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;

	resp_add(&w, what == NULL ? "DEL" : "SET");
	resp_add(&w, key);
	if (what != NULL) {
		resp_add(&w, what);
		resp_add(&w, "PX");
		resp_add_number(&w, ms);
	}
	r = resp_run(q->redis, &w, e);
	free(key);
	if (r == NULL)
		return -1;
	resp_reply_free(r);
	return 0;
}

char *
queue_get_waiting_for(struct queue *q)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	const char *word = NULL;
	char *copy;

	add_script(&w, LUA_COMMON LUA_WAITING_FOR);
	if ((r = resp_run(q->redis, &w, NULL)) != NULL && !resp_is_nil(r))
		word = resp_string(r, NULL);
	copy = xstrdup_null(word);
	resp_reply_free(r);
	return copy;
}

/* ---- sources that are stored ---- */

int
queue_keep_source(struct queue *q, const char *digest, const char *id,
    int64_t ms, struct err *e)
{
	char *key = xasprintf("davit:source:%s", digest);
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;

	resp_add(&w, "SET");
	resp_add(&w, key);
	resp_add(&w, id);
	resp_add(&w, "PX");
	resp_add_number(&w, ms);
	r = resp_run(q->redis, &w, e);
	free(key);
	if (r == NULL)
		return -1;
	resp_reply_free(r);
	return 0;
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

/* ---- logs ---- */

int
queue_log_append(struct queue *q, const char *id, int64_t attempt,
    int64_t offset, const void *data, size_t len, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	add_script(&w, LUA_COMMON LUA_LOG_APPEND);
	resp_add(&w, id);
	resp_add_number(&w, attempt);
	resp_add_number(&w, offset);
	resp_add_bytes(&w, data, len);
	resp_add_number(&w, name_now_ms());
	resp_add_number(&w, LOG_TIMES_STEP_MS);
	resp_add_number(&w, LOG_TIMES_MAX_BYTES);
	return run_owner_script(q, &w, id, e);
}

int
queue_log_times(struct queue *q, const char *id, struct buf *out,
    struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	char *key = xasprintf("davit:log-times:%s", id);
	struct resp_reply *r;
	const char *text;
	size_t len;
	int rc = 0;

	resp_add(&w, "GETRANGE");
	resp_add(&w, key);
	resp_add_number(&w, 0);
	resp_add_number(&w, 2 * LOG_TIMES_MAX_BYTES);
	r = resp_run(q->redis, &w, e);
	free(key);
	if (r == NULL)
		return -1;
	if ((text = resp_string(r, &len)) == NULL)
		rc = resp_unexpected(q->redis, e);
	else
		buf_add(out, text, len);
	resp_reply_free(r);
	return rc;
}

int
queue_log_read(struct queue *q, const char *id, int64_t offset, size_t max,
    struct buf *out, int64_t *total, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	const char *bytes = NULL;
	size_t len;
	int rc = 0;

	add_script(&w, LUA_COMMON LUA_LOG_READ);
	resp_add(&w, id);
	/* GETRANGE counts from the end what is below 0. */
	resp_add_number(&w, max == 0 ? 1 : offset);
	resp_add_number(&w, max == 0 ? 0 : offset + (int64_t)max - 1);
	if ((r = resp_run(q->redis, &w, e)) == NULL)
		return -1;
	if (resp_count(r) == 2 && resp_number(resp_at(r, 0), total))
		bytes = resp_string(resp_at(r, 1), &len);
	if (bytes == NULL)
		rc = resp_unexpected(q->redis, e);
	else if (len > 0)
		buf_add(out, bytes, len);
	resp_reply_free(r);
	return rc;
}

/* ---- settling ---- */

int
queue_settle_next(struct queue *q, char id[ID_LENGTH + 1], struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	const char *text;
	size_t len;
	int rc;

	/* Any of them: one that cannot be settled must not stop the others. */
	resp_add(&w, "SRANDMEMBER");
	resp_add(&w, "davit:settling");
	if ((r = resp_run(q->redis, &w, e)) == NULL)
		return -1;
	if (resp_is_nil(r))
		rc = 0;
	else if ((text = resp_string(r, &len)) == NULL)
		rc = resp_unexpected(q->redis, e);
	else if (name_is_id(text, len, id))
		rc = 1;
	else
		rc = drop_stranger(q, NULL, "davit:settling", text, len, e);
	resp_reply_free(r);
	return rc;
}

int
queue_settle_done(struct queue *q, const char *id, int64_t deleted,
    struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	add_script(&w, LUA_COMMON LUA_SETTLE_DONE);
	resp_add(&w, id);
	resp_add_number(&w, deleted);
	return run_script(q, &w, id, e);
}

int
queue_settle_again(struct queue *q, const char *id, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	add_script(&w, LUA_COMMON LUA_SETTLE_AGAIN);
	resp_add(&w, id);
	return run_script(q, &w, id, e);
}

int
queue_delete(struct queue *q, const char *id, bool expired, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	add_script(&w, LUA_COMMON LUA_DELETE);
	resp_add(&w, id);
	resp_add_number(&w, name_now_ms());
	resp_add(&w, expired ? "1" : "0");
	return run_script(q, &w, id, e);
}

/* ---- cancel ---- */

int
queue_cancel(struct queue *q, const char *id, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	const char *word;
	int rc;

	add_script(&w, LUA_COMMON LUA_CANCEL);
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
		rc = verdict(q, r, id, e) == 0 ? 1 : -1;
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
