/*
 * What the processes that share a cache agree on, in its file "state": locks,
 * which end with their process; how many bytes there are; and when it was
 * tended last.
 */
#ifndef DAVIT_FCGI_CACHE_ROOM_H
#define DAVIT_FCGI_CACHE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct store;

struct cache_room {
	struct store *disk;	/* borrowed */
	int root, state;	/* descriptors: the directory, the file */
	int64_t max;		/* bytes */
};

int cache_room_open(struct cache_room *, struct store *disk, const char *path,
    int64_t max, struct err *);
void cache_room_close(struct cache_room *);

/* One process at a time has the lock of a name.  False: another one has it,
 * and waiting was not asked for. */
bool cache_room_lock(const struct cache_room *, const char *name, bool wait);
void cache_room_unlock(const struct cache_room *, const char *name);

/* Count so many bytes in, and let what was not used longest go where that is
 * too much.  Failure costs no more than the bound. */
void cache_room_make(const struct cache_room *, int64_t bytes);

/* True at most once in so many ms, among all processes. */
bool cache_room_due(const struct cache_room *, int64_t every_ms);

#endif
