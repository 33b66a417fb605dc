/*
 * What a build tells davitd, and whether it may go on: worker/events.md.
 * Started by hand there is no davitd: events are told on stderr, and each is
 * answered with "go".
 */
#ifndef DAVIT_WORKER_EVENTS_H
#define DAVIT_WORKER_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/deployment.h"

struct err;
struct events;
struct watch;

/* fd: the socket to davitd; where it is none, the build was started by hand.
 * Call it before anything else is opened. */
struct events *events_open(int fd);
void events_free(struct events *);

/* Answers are waited for under this watch. */
void events_set_watch(struct events *, struct watch *);

/* Tell and wait for the answer.  -1: ERR_CANCELED where the build has to
 * stop, for it was told so or davitd is gone; or what the watch says.  state
 * is told where it is another one than before. */
int events_stage(struct events *, enum deployment_state,
    enum deployment_stage, struct err *);
int events_plan(struct events *, const struct json *plan, struct err *);
int events_commit(struct events *, struct err *);

/* The last word; its answer makes sure that it was heard. */
void events_deployed(struct events *, int64_t files, int64_t bytes,
    const char *note);
void events_failed(struct events *, const struct err *why);
void events_retry(struct events *, const struct err *why);

#endif
