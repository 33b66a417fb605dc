/*
 * The durable copies: what has ended is copied from Redis into the store, log
 * first, record last, by a forked process of its own.  davitd itself never
 * waits for the store.
 */
#ifndef DAVIT_WORKER_SETTLE_H
#define DAVIT_WORKER_SETTLE_H

#include <stdint.h>

#include "worker/errand.h"

struct conf;
struct link;

struct settle {
	struct errand errand;
	int64_t look_at;	/* for what is due: name_tick_ms() */
};

void settle_init(struct settle *);

/* Something has ended: look at once. */
void settle_poke(struct settle *);

/* Reap the process that has ended, start one where an id is due. */
void settle_service(struct settle *, const struct conf *, struct link *);

/* Until when to wait, but for the errand. */
int64_t settle_due(const struct settle *);

#endif
