/*
 * Allocation that does not fail.  Out of memory is no error value here: each
 * process is small, supervised and replaceable, so it says so and leaves with
 * MEM_EXIT.  Sizes from outside are checked against bounds.h before they get
 * here.
 */
#ifndef DAVIT_LIB_MEM_H
#define DAVIT_LIB_MEM_H

#include <stddef.h>

#define MEM_EXIT 71 /* sysexits(3)' EX_OSERR */

void *xmalloc(size_t) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *, size_t n, size_t size)
    __attribute__((returns_nonnull));
char *xstrdup(const char *) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *, size_t) __attribute__((malloc, returns_nonnull));

/* Owned by the caller. */
char *xasprintf(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* xstrdup, but NULL stays NULL. */
char *xstrdup_null(const char *);

#endif
