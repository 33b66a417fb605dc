/*
 * dist/{id}/{path}.br and .gz: what web servers send in place of a file to
 * browsers that understand it.  They are made as files pass, and stored after
 * all of them: a file that the site itself has by such a name is not touched.
 */
#ifndef DAVIT_WORKER_SIBLINGS_H
#define DAVIT_WORKER_SIBLINGS_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct manifest;
struct siblings;
struct store;

struct siblings *siblings_new(void);
void siblings_free(struct siblings *);

/* It is worth it, and time and memory for it are left. */
bool siblings_want(const struct siblings *, const char *type, int64_t size);

/* The contents of a file that was wanted. */
void siblings_add(struct siblings *, const char *path, const char *type,
    const struct buf *);

/* Store them, and tell the manifest.  taken: the site has such a path. */
int siblings_put(struct siblings *, struct store *, const char *id,
    struct manifest *, bool (*taken)(void *arg, const char *path), void *arg,
    struct err *);

#endif
