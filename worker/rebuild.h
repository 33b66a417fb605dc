/* A Redis that is new, or has lost everything, filled from the store. */
#ifndef DAVIT_WORKER_REBUILD_H
#define DAVIT_WORKER_REBUILD_H

struct conf;
struct err;

/* Put back each record that the store has and Redis has not; what waited waits
 * again, the oldest first.  Doing it twice is fine. */
int rebuild(const struct conf *, struct err *);

#endif
