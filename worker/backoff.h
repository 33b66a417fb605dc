/* When to try again what did not work: soon at first, then ever later. */
#ifndef DAVIT_WORKER_BACKOFF_H
#define DAVIT_WORKER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/name.h"

struct backoff {
	int64_t first, most;	/* ms */
	int64_t delay;		/* 0: it works */
	int64_t until;		/* name_tick_ms() */
};

static inline void
backoff_fail(struct backoff *b)
{
	b->delay = b->delay == 0 ? b->first : b->delay * 2;
	if (b->delay > b->most)
		b->delay = b->most;
	b->until = name_tick_ms() + b->delay;
}

static inline void
backoff_works(struct backoff *b)
{
	b->delay = b->until = 0;
}

static inline bool
backoff_waits(const struct backoff *b)
{
	return name_tick_ms() < b->until;
}

#endif
