#include "worker/link.h"

#include "lib/err.h"
#include "lib/log.h"
#include "lib/queue.h"

#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS 5000

int
link_open(struct link *l, const struct conf *conf, struct err *e)
{
	l->pause = (struct backoff){ PAUSE_FIRST_MS, PAUSE_MOST_MS, 0, 0 };
	l->back_at = 0;
	l->queue = queue_open(conf, e);
	return l->queue == NULL ? -1 : 0;
}

void
link_close(struct link *l)
{
	queue_free(l->queue);
	l->queue = NULL;
}

bool
link_ready(const struct link *l)
{
	return !backoff_waits(&l->pause);
}

bool
link_heard(struct link *l, int rc, const struct err *e)
{
	bool answered = rc != -1 || e->code == ERR_CONFLICT ||
	    e->code == ERR_NOTFOUND || e->code == ERR_INVALID;
	bool was_out = l->pause.delay != 0;

	if (!answered) {
		if (!was_out)
			log_warn("%s; builds wait for it", e->msg);
		backoff_fail(&l->pause);
	} else if (was_out) {
		log_info("Redis answers again");
		backoff_works(&l->pause);
		l->back_at = name_tick_ms();
	}
	return answered;
}
