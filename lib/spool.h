/*
 * Bytes whose number is not known before they end: in memory while they are
 * few, then in a file without a name; read back from any place, as often as
 * it takes.
 */
#ifndef DAVIT_LIB_SPOOL_H
#define DAVIT_LIB_SPOOL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct spool;

/* dir: where the file is made, when there is one. */
struct spool *spool_new(const char *dir);
void spool_free(struct spool *);

int spool_add(struct spool *, const void *, size_t, struct err *);

/* No more will be added. */
void spool_end(struct spool *);

/* Of one that has ended; the SHA-256 of all, in hex, borrowed. */
int64_t spool_size(const struct spool *);
const char *spool_hash(const struct spool *);

/* Up to n bytes from there on; fewer only at the end. */
ssize_t spool_read(const struct spool *, int64_t from, void *, size_t n,
    struct err *);

#endif
