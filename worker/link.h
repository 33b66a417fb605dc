/*
 * davitd's line to Redis, and the patience with it: after a failure nothing
 * is asked for a while, so an outage costs neither a busy loop nor a log line
 * a try.
 */
#ifndef DAVIT_WORKER_LINK_H
#define DAVIT_WORKER_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/backoff.h"

struct conf;
struct err;
struct queue;

struct link {
	struct queue *queue;
	struct backoff pause;
	int64_t back_at;	/* name_tick_ms() when it last came back */
};

int link_open(struct link *, const struct conf *, struct err *);
void link_close(struct link *);

/* False while an outage is being waited out. */
bool link_ready(const struct link *);

/* How a call to the queue went: rc and what it set.  True where Redis has
 * answered, be it with a no; false where the call is to be made again. */
bool link_heard(struct link *, int rc, const struct err *);

#endif
