/*
 * davitd's errands: durable copies of what has ended, a Redis that was emptied
 * filled again, and what nobody claims swept up.
 */
#ifndef DAVIT_WORKER_UPKEEP_H
#define DAVIT_WORKER_UPKEEP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker/settle.h"

struct conf;
struct link;

#define UPKEEP_FDS 3

struct upkeep {
	struct settle settle;
	struct errand rebuild;
	struct errand sweep;
	int64_t rebuild_look, sweep_at;	/* name_tick_ms() */
	bool filled;		/* Redis was, when it was last asked */
};

void upkeep_init(struct upkeep *);

/* Reap what has ended, start what is due; while draining, only copies. */
void upkeep_service(struct upkeep *, const struct conf *, struct link *,
    bool draining);

/* A copy is being made. */
bool upkeep_settles(const struct upkeep *);

/* Fill in UPKEEP_FDS to wait for; and until when. */
void upkeep_pollset(const struct upkeep *, struct pollfd *);
int64_t upkeep_due(const struct upkeep *);

/* End what still runs; what it did not do is still due. */
void upkeep_stop(struct upkeep *);

#endif
