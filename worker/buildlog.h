/*
 * A build's log on its way to davitd: values of the request's environment are
 * hidden in it, and its end is remembered, since that tells why a command
 * failed.  Writing does not fail for the caller: a log that nobody reads any
 * more stops the build by its watch.
 */
#ifndef DAVIT_WORKER_BUILDLOG_H
#define DAVIT_WORKER_BUILDLOG_H

#include <stddef.h>

struct buildlog;
struct watch;

/* The descriptor stays the caller's. */
struct buildlog *buildlog_new(int fd, struct watch *);
void buildlog_free(struct buildlog *);

/* Hide this value from now on. */
void buildlog_hide(struct buildlog *, const char *value);

/* What a command writes, as bytes. */
void buildlog_add(struct buildlog *, const char *, size_t);

/* A line of davit's own; what a command has left unfinished is ended first. */
void buildlog_say(struct buildlog *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Forget the end that is remembered: a new command begins. */
void buildlog_mark(struct buildlog *);

/* The last bytes since then, after all was given out.  Borrowed. */
const char *buildlog_tail(struct buildlog *);

#endif
