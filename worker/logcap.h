/*
 * The bound of one build's log.  The first half is passed on as it comes; of
 * what follows, only the end is kept, and passed on when the build has ended.
 * Pure: bytes in, bytes out.
 */
#ifndef DAVIT_WORKER_LOGCAP_H
#define DAVIT_WORKER_LOGCAP_H

#include <stddef.h>

struct buf;
struct logcap;

/* max: of all that is passed on. */
struct logcap *logcap_new(size_t max);
void logcap_free(struct logcap *);

/* Take n bytes of the log; add to out what can be passed on already. */
void logcap_add(struct logcap *, const void *, size_t n, struct buf *out);

/* No more come: add to out how many were left out, and the end. */
void logcap_end(struct logcap *, struct buf *out);

/* The last lines as plain text: no escape sequences, no control bytes but tab
 * and newline, valid UTF-8, at most LOG_TAIL_BYTES.  Owned by the caller. */
char *logcap_tail(const struct logcap *);

#endif
