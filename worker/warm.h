/*
 * A container that is started ahead, so that the next build begins at once.
 * davitd says when; davit-build --spare makes it, and knows Docker.
 */
#ifndef DAVIT_WORKER_WARM_H
#define DAVIT_WORKER_WARM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/child.h"
#include "worker/backoff.h"

struct conf;

struct warm {
	struct child child;	/* davit-build, at most one */
	struct backoff pause;	/* Docker is away */
	int64_t due;		/* name_tick_ms(): make one; INT64_MAX: no */
	int64_t stale;		/* the one that is there has waited too long */
	int64_t kill_at;	/* of the child */
	bool there;		/* one may be there */
	bool ends;		/* davitd stops */
};

void warm_init(struct warm *);

/* A build has started, and has perhaps taken the one that was there. */
void warm_used(struct warm *);

/* Make no more, and remove the one that is there. */
void warm_drain(struct warm *);
bool warm_is_over(const struct warm *);

/* Reap, and start what is due. */
void warm_service(struct warm *, const struct conf *);

/* What to wait for. */
int warm_fd(const struct warm *);
int64_t warm_due(const struct warm *);

void warm_stop(struct warm *);

#endif
