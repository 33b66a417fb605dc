/*
 * What a build leaves for the next one of the same repository: installed
 * packages, as long as no lock file changes; the package manager's own store;
 * and the caches of frameworks.  From a container to the worker's cache and
 * back, as streams.
 */
#ifndef DAVIT_WORKER_KEEP_H
#define DAVIT_WORKER_KEEP_H

#include "worker/box.h"

struct cache;
struct keep;

/* Look at the sources that are in the box.  Takes the cache over, which may be
 * NULL: nothing is kept then. */
struct keep *keep_new(const struct box_spec *, struct box *, struct cache *);
void keep_free(struct keep *);

/* Put in what is there.  1: nothing is left to install; 0; -1: the build has
 * to stop. */
int keep_restore(struct keep *, struct err *);

/* After a build that went well, when nobody waits any more. */
void keep_save(struct keep *);

#endif
