/* A worker's side of the queue, its logs, and what it settles. */
#include "lib/queue.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/crash.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/queue_lua.h"
#include "lib/queue_room.h"
#include "lib/resp.h"

/* How long Redis may take to answer a take after its waiting time. */
#define TAKE_GRACE_MS 5000

/* For a caller who only asks whether it still has the id. */
static int
run_owner_script(struct queue *q, struct resp_words *w, const char *id,
    struct err *e)
{
	struct err why = { .code = ERR_NONE };
	int rc = queue_run(q, w, id, &why);

	if (rc == -1 && e != NULL)
		*e = why;
	return why.code == ERR_NOTFOUND ? err_recode(e, ERR_CONFLICT) : rc;
}

/* ---- taking ---- */

int
queue_lease(struct queue *q, const char *worker, int64_t ms, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	int rc;

	queue_add_script(&w, LUA_COMMON LUA_LEASE);
	resp_add(&w, worker);
	resp_add_number(&w, ms);
	r = resp_run(q->redis, &w, e);
	rc = r == NULL ? -1 : queue_verdict(q, r, worker, e);
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
	queue_add_script(&w, LUA_COMMON LUA_CLAIM);
	resp_add(&w, worker);
	resp_add(&w, id);
	resp_add_number(&w, name_now_ms());
	if ((r = resp_run(q->redis, &w, e)) == NULL)
		return -1;
	CRASH_POINT("after a claim");
	if (resp_string(r, NULL) == NULL) {
		*d = queue_to_record(q, r, e);
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

	queue_add_script(&w, LUA_COMMON LUA_CHANGE);
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

	queue_add_script(&w, LUA_COMMON LUA_FINISH);
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

	queue_add_script(&w, LUA_COMMON LUA_RETURN);
	resp_add(&w, worker);
	resp_add(&w, id);
	resp_add(&w, next_attempt ? "1" : "0");
	resp_add_number(&w, name_now_ms());
	add_last_attempt(&w);
	return queue_run(q, &w, id, e);
}

int
queue_reclaim(struct queue *q, const char *worker, bool own, int64_t *count,
    struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	queue_add_script(&w, LUA_COMMON LUA_RECLAIM);
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
	int rc;

	resp_add(&w, what == NULL ? "DEL" : "SET");
	resp_add(&w, key);
	if (what != NULL) {
		resp_add(&w, what);
		resp_add(&w, "PX");
		resp_add_number(&w, ms);
	}
	rc = queue_tell(q, &w, e);
	free(key);
	return rc;
}

char *
queue_get_waiting_for(struct queue *q)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	const char *word = NULL;
	char *copy;

	queue_add_script(&w, LUA_COMMON LUA_WAITING_FOR);
	if ((r = resp_run(q->redis, &w, NULL)) != NULL && !resp_is_nil(r))
		word = resp_string(r, NULL);
	copy = xstrdup_null(word);
	resp_reply_free(r);
	return copy;
}

/* ---- logs ---- */

int
queue_log_append(struct queue *q, const char *id, int64_t attempt,
    int64_t offset, const void *data, size_t len, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	queue_add_script(&w, LUA_COMMON LUA_LOG_APPEND);
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

	queue_add_script(&w, LUA_COMMON LUA_LOG_READ);
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
	else if (name_is_id(text, len, id) && strcmp(id, text) == 0)
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

	queue_add_script(&w, LUA_COMMON LUA_SETTLE_DONE);
	resp_add(&w, id);
	resp_add_number(&w, deleted);
	return queue_run(q, &w, id, e);
}

int
queue_settle_again(struct queue *q, const char *id, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	queue_add_script(&w, LUA_COMMON LUA_SETTLE_AGAIN);
	resp_add(&w, id);
	return queue_run(q, &w, id, e);
}

int
queue_delete(struct queue *q, const char *id, bool expired, struct err *e)
{
	struct resp_words w = RESP_WORDS_INIT;

	queue_add_script(&w, LUA_COMMON LUA_DELETE);
	resp_add(&w, id);
	resp_add_number(&w, name_now_ms());
	resp_add(&w, expired ? "1" : "0");
	return queue_run(q, &w, id, e);
}
