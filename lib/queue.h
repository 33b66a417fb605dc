/*
 * The build queue and the records, in Redis.
 *
 *	build-queue                list    ids waiting; any producer may LPUSH
 *	davit:taken:{worker}       list    ids that a worker has in hand
 *	davit:settling             set     final ids whose durable copy, or whose
 *	                                   removal, is due
 *	davit:deployment:{id}      hash    the record
 *	davit:deployments          zset    ids by creation time
 *	davit:pushed               number  of ids ever pushed to the queue
 *	davit:log:{id}             string  the log while it is not in the store
 *	davit:log-times:{id}       string  when its parts came: "OFFSET MS;"…
 *	davit:lease:{worker}       string  PX; the worker lives
 *	davit:workers              set     workers that ever took an id
 *	davit:cancel:{id}          string  PX; somebody wants it canceled
 *	davit:check                string  PX; that writes are taken
 *	davit:waiting-for:{worker} string  PX; why it starts no build
 *	davit:filled               string  all records of the store are here
 *	davit:source:{sha256}      string  PX; the id whose source that is
 *
 * An accepted id is in exactly one of build-queue, a taken list, or (final)
 * davit:settling until its record and log are in the store.  Every change of
 * state is one Lua script that checks the state and the attempt it leaves, so
 * no two writers disagree and a final state never changes.
 *
 * ERR_UNAVAILABLE: Redis does not answer, is read-only, or is out of memory;
 * the connection is closed, and the next call connects anew.
 */
#ifndef DAVIT_LIB_QUEUE_H
#define DAVIT_LIB_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/deployment.h"

struct buf;
struct conf;
struct err;
struct queue;

/* Connects at the first call that needs it.  NULL: bad "redis" value. */
struct queue *queue_open(const struct conf *, struct err *);
void queue_free(struct queue *);

/* That a write is taken: by no replica, full memory or failing disk. */
int queue_check(struct queue *, struct err *);

/* Write the record (state queued) and push its id, in one transaction.
 * ERR_CONFLICT where the id exists. */
int queue_submit(struct queue *, const struct deployment *, struct err *);

/* The record.  NULL with ERR_NOTFOUND where there is none.
 * deployment_free() it. */
struct deployment *queue_record(struct queue *, const char *id, struct err *);

/* The place of id in the queue, from 1 (next); 0: not in it. */
int queue_position(struct queue *, const char *id, int64_t *, struct err *);
int queue_length(struct queue *, int64_t *, struct err *);

/* Ids by creation time, newest first, before the given time (0: now); calls
 * fn with each record until it returns other than 0. */
int queue_list(struct queue *, int64_t before, int limit,
    int (*fn)(void *arg, const struct deployment *), void *arg, struct err *);

/* ---- a Redis that has lost everything ---- */

/* 1: it holds what the store's records tell; 0: it is new, or was emptied. */
int queue_is_filled(struct queue *, struct err *);
int queue_set_filled(struct queue *, struct err *);

/* Put back a record of the store; one that has not ended waits once more, as
 * the next attempt.  1, or 0 where Redis has the record. */
int queue_restore(struct queue *, const struct deployment *, struct err *);

/* 0 only where Redis is filled and has no record of id; 1; -1. */
int queue_knows(struct queue *, const char *id, struct err *);

/* ---- a worker's side ---- */

/* Say that this worker lives for ms more. */
int queue_lease(struct queue *, const char *worker, int64_t ms, struct err *);

/* Move the next id into the worker's list, waiting up to wait_ms (0: not at
 * all).  1 with id, 0: none came. */
int queue_take(struct queue *, const char *worker, int wait_ms,
    char id[ID_LENGTH + 1], struct err *);

/* The same as parts, for a poll loop: send the waiting command; then, when
 * queue_fd() is readable, read.  _read: 1 with an id, 0: none (send again),
 * -1.  One queue of its own serves this and nothing else. */
int queue_take_send(struct queue *, const char *worker, int wait_ms,
    struct err *);
int queue_take_read(struct queue *, char id[ID_LENGTH + 1], struct err *);
int queue_fd(const struct queue *);

/* Close the connection; the next call connects anew.  What a take in flight
 * moves stays in the worker's list: queue_held() tells. */
void queue_close(struct queue *);

/* Make an id that was taken the worker's own, and begin with an empty log.
 * 1 with its record: build it.  0: out of the worker's list, nothing is to be
 * done: without a record (a foreign producer's mistake), final, or in another
 * hand since it was queued twice. */
int queue_claim(struct queue *, const char *worker, const char *id,
    struct deployment **, struct err *);

/* The ids in the worker's list: calls fn with each until it returns other
 * than 0, and gives that. */
int queue_held(struct queue *, const char *worker,
    int (*fn)(void *arg, const char *id), void *arg, struct err *);

/* Change a record whose attempt is still the given one and whose state is not
 * final: set state (not final) and fields (name, value, …, NULL; may be
 * NULL).  ERR_CONFLICT otherwise: the caller has lost the id.  From queued to
 * STATE_BUILDING ends stage queue. */
int queue_change(struct queue *, const char *id, int64_t attempt,
    enum deployment_state, const char *const *fields, struct err *);

/* End it: final state and fields, running stages ended, env forgotten, out of
 * the worker's list, into davit:settling, in one script.  ERR_CONFLICT as
 * above; doing it twice is fine. */
int queue_finish(struct queue *, const char *worker, const char *id,
    int64_t attempt, enum deployment_state, const char *const *fields,
    struct err *);

/* Give an id in the worker's list back to the head of the queue: the same
 * attempt (drain, Docker away) or the next one (its build process died).
 * After ATTEMPTS_MAX it is finished as failed, worker_lost. */
int queue_return(struct queue *, const char *worker, const char *id,
    bool next_attempt, struct err *);

/* What a dead worker held: for every worker without a lease (and for worker
 * itself, at its own start, where own is set), return its ids with the next
 * attempt.  *count: how many. */
int queue_reclaim(struct queue *, const char *worker, bool own, int64_t *count,
    struct err *);

/* Why this worker starts no build (a word; NULL: it does), for the next ms. */
int queue_waiting_for(struct queue *, const char *worker, const char *what,
    int64_t ms, struct err *);

/* One's word, where all workers that live wait for something.  NULL: one does
 * not, or Redis does not answer.  Free it. */
char *queue_get_waiting_for(struct queue *);

/* ---- sources that are stored ---- */

/* For the next ms, the source of that digest is the one of id. */
int queue_keep_source(struct queue *, const char *digest, const char *id,
    int64_t ms, struct err *);

/* 1 with the id whose source it is, 0: none is known. */
int queue_find_source(struct queue *, const char *digest,
    char id[ID_LENGTH + 1], struct err *);

/* ---- logs ---- */

/* Bytes that belong at offset; those that are there already are not added
 * again, so a call whose answer was lost can be repeated.  ERR_CONFLICT as
 * queue_change(). */
int queue_log_append(struct queue *, const char *id, int64_t attempt,
    int64_t offset, const void *, size_t, struct err *);

/* Bytes from offset on, at most max, added to the buffer; *total: how many
 * there are.  A log that is not there is empty. */
int queue_log_read(struct queue *, const char *id, int64_t offset, size_t max,
    struct buf *, int64_t *total, struct err *);

/* When its parts came, added to the buffer: pairs "OFFSET MS;", the time since
 * the epoch at which the byte at OFFSET came; at most every LOG_TIMES_STEP_MS,
 * and none after LOG_TIMES_MAX_BYTES of them. */
int queue_log_times(struct queue *, const char *id, struct buf *,
    struct err *);

/* ---- settling: the durable copy ---- */

/* Any id that is due: 1 with id, 0: none. */
int queue_settle_next(struct queue *, char id[ID_LENGTH + 1], struct err *);

/* The store has it as its record with this "deleted" says (-1: there is none
 * that can be read): forget the log and the due mark.  It is due once more
 * where it was deleted meanwhile: what was put has come after that. */
int queue_settle_done(struct queue *, const char *id, int64_t deleted,
    struct err *);

/* A final one is due once more: the store holds what its record does not
 * claim.  ERR_NOTFOUND; ERR_CONFLICT where it has not ended. */
int queue_settle_again(struct queue *, const char *id, struct err *);

/* Mark a final one as deleted, now, if it is not yet, and due: what the store
 * has of it goes.  Its record stays, but is not listed.  ERR_NOTFOUND;
 * ERR_CONFLICT where it has not ended. */
int queue_delete(struct queue *, const char *id, bool expired, struct err *);

/* ---- cancel ---- */

/* Cancel: a queued one at once (1), one in a worker's hands by a mark that
 * its worker sees (0).  ERR_NOTFOUND; ERR_CONFLICT where it is final. */
int queue_cancel(struct queue *, const char *id, struct err *);
bool queue_cancel_wanted(struct queue *, const char *id);

#endif
