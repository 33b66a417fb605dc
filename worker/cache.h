/*
 * What builds keep for later ones of the same repository: archives in a
 * directory of the worker's, bounded in bytes and in age, the least recently
 * used going first.  Nothing in them is trusted or looked into: they go back
 * into a container of the same repository, and of the same owner, alone.
 *
 * No Docker volumes: a container that is started ahead cannot be given one.
 */
#ifndef DAVIT_WORKER_CACHE_H
#define DAVIT_WORKER_CACHE_H

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct conf;
struct deployment;
struct err;

/* NULL: there is none for this deployment, or none at all.  What point to
 * must outlive it. */
struct cache *cache_open(const struct conf *, const struct deployment *);
void cache_free(struct cache *);

/* A descriptor of what was kept under kind and key (words of [a-z0-9]), or
 * -1.  It counts as used now. */
int cache_get(struct cache *, const char *kind, const char *key);

/* Whether anything was kept under kind. */
bool cache_has(struct cache *, const char *kind);

/* What was kept is of no use. */
void cache_drop(struct cache *, const char *kind, const char *key);

/* A descriptor to write to, and then to keep under kind and key in place of
 * what was there, or to close. */
int cache_new(struct cache *, struct err *);
int cache_keep(struct cache *, int fd, const char *kind, const char *key,
    struct err *);

/* The bound of one archive. */
int64_t cache_room(const struct cache *);

/* Remove what is too old, and then the least recently used, until all fits. */
void cache_trim(struct cache *);

#endif
