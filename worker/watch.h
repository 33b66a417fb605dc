/*
 * What may end any wait of a build: SIGTERM, and its deadline.  Everything
 * that blocks for long waits here, so that a stop is seen at once.
 */
#ifndef DAVIT_WORKER_WATCH_H
#define DAVIT_WORKER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct watch;

/* From here on SIGTERM, SIGINT and SIGHUP are taken here, and SIGPIPE is
 * ignored.  One a process. */
struct watch *watch_new(struct err *);
void watch_free(struct watch *);

/* The deadline, so many ms from now; 0: none. */
void watch_deadline(struct watch *, int64_t ms);

/* Act as if a signal had come. */
void watch_stop(struct watch *);

/* Wait for events (of poll(2)) on fd, or for ms (-1: without end); fd may be
 * -1.  1: they are there; 0: the time has passed; -1: ERR_CANCELED after a
 * signal, ERR_BUILD_TIMEOUT at the deadline. */
int watch_wait(struct watch *, int fd, short events, int ms, struct err *);

/* A descriptor that can be read once a signal has come. */
int watch_fd(const struct watch *);

/* The same without waiting, or looking at any descriptor: 0 or -1. */
int watch_check(struct watch *, struct err *);

#endif
