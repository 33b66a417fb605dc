/*
 * What takes the store's time, in a forked process of its own: davitd itself
 * never waits for the store.
 */
#ifndef DAVIT_WORKER_ERRAND_H
#define DAVIT_WORKER_ERRAND_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/child.h"
#include "worker/backoff.h"

struct conf;
struct err;

struct errand {
	int (*work)(const struct conf *, struct err *);
	struct child child;	/* at most one */
	struct backoff pause;	/* it did not work */
};

void errand_init(struct errand *,
    int (*work)(const struct conf *, struct err *));

/* Neither running, nor waiting after a failure. */
bool errand_may_start(const struct errand *);
void errand_start(struct errand *, const struct conf *);

/* True once, when its process has ended. */
bool errand_reap(struct errand *);

/* What to wait for; and until when, where it is to start at that time. */
int errand_fd(const struct errand *);
int64_t errand_due(const struct errand *, int64_t at);

/* End the process that still runs. */
void errand_stop(struct errand *);

#endif
