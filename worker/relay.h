/*
 * What one build tells, on its way into Redis: its log, bounded and in
 * batches, and its events, each answered.  While Redis is away both wait
 * here, within bounds: no more is read from the build, which then waits too.
 */
#ifndef DAVIT_WORKER_RELAY_H
#define DAVIT_WORKER_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/deployment.h"

struct err;
struct link;
struct relay;

enum relay_done {
	DONE_NOT,	/* the build has not said how it ended */
	DONE_DEPLOYED,
	DONE_FAILED,
	DONE_RETRY
};

/* Takes over the record and the build's two descriptors.  log_bytes: bound of
 * the log. */
struct relay *relay_new(struct deployment *, int log_fd, int event_fd,
    size_t log_bytes);
void relay_free(struct relay *);

const struct deployment *relay_record(const struct relay *);

/* Descriptors to poll for reading; -1 while nothing may be read. */
int relay_log_fd(const struct relay *);
int relay_event_fd(const struct relay *);

/* Read what has come.  -1: what came as events is none. */
void relay_read_log(struct relay *);
int relay_read_events(struct relay *, struct err *);

/* When relay_pass_on() has something to do: name_tick_ms(); INT64_MAX: when
 * more has been read. */
int64_t relay_due(const struct relay *);

/* Give to Redis what is due.  Nothing is lost where it fails. */
void relay_pass_on(struct relay *, struct link *);

/* The id is in another hand: the build has to stop and changes nothing. */
bool relay_is_lost(const struct relay *);

/* The build asked whether it may publish, and had been canceled. */
bool relay_is_canceled(const struct relay *);

/* The build's process has gone: read the rest. */
void relay_end(struct relay *);

enum relay_done relay_done(const struct relay *);

/* "retry" and "failed": the build's own code and words for it. */
enum err_code relay_error(const struct relay *);
const char *relay_message(const struct relay *);

/* End the record: in state, and with the error where that is not deployed.
 * True when Redis has it. */
bool relay_finish(struct relay *, struct link *, const char *worker,
    enum deployment_state, enum err_code, const char *message);

#endif
