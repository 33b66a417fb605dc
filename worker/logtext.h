/*
 * A terminal's stream as a log's text.  Of a line that was drawn again and
 * again behind carriage returns, the last state is kept; "\r\n" ends a line;
 * what is no UTF-8 becomes U+FFFD.  Escape sequences stay.  Pure: bytes in,
 * bytes out, and cut anywhere they come out the same.
 */
#ifndef DAVIT_WORKER_LOGTEXT_H
#define DAVIT_WORKER_LOGTEXT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct logtext;

struct logtext *logtext_new(void);
void logtext_free(struct logtext *);

/* Take n bytes; add to out what can't change any more: whole lines. */
void logtext_add(struct logtext *, const void *, size_t n, struct buf *out);

/* True where a line has begun that may be wanted before its end is there;
 * flush adds what there is of it.  It is drawn over on a new line then. */
bool logtext_waits(const struct logtext *);
void logtext_flush(struct logtext *, struct buf *out);

/* No more come: add what is left. */
void logtext_end(struct logtext *, struct buf *out);

#endif
