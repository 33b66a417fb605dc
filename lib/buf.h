/*
 * Growable bytes.  The contents are always followed by a NUL that does not
 * count, so buf_str() is a C string as long as no NUL was added.
 */
#ifndef DAVIT_LIB_BUF_H
#define DAVIT_LIB_BUF_H

#include <stddef.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
};

#define BUF_INIT { NULL, 0, 0 }

void buf_init(struct buf *);

/* Free the contents; the buffer can be used again. */
void buf_clear(struct buf *);

/* Forget the contents, keep the memory. */
void buf_reset(struct buf *);

/* Make room for n more bytes and return where they go; say how many were
 * written with buf_grow(). */
char *buf_space(struct buf *, size_t n);
void buf_grow(struct buf *, size_t n);

void buf_add(struct buf *, const void *, size_t);
void buf_addc(struct buf *, char);
void buf_adds(struct buf *, const char *);
void buf_addf(struct buf *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Drop the first n bytes. */
void buf_drop(struct buf *, size_t n);

/* Borrowed, until the next change. */
const char *buf_str(const struct buf *);

/* Owned by the caller; the buffer is empty afterwards.  Never NULL. */
char *buf_take(struct buf *);

#endif
