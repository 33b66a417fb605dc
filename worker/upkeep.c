#include "worker/upkeep.h"

#include "lib/err.h"
#include "lib/log.h"
#include "lib/name.h"
#include "lib/queue.h"
#include "worker/link.h"
#include "worker/rebuild.h"
#include "worker/sweep.h"

/* How often Redis is asked whether it has lost everything. */
#define REBUILD_LOOK_MS 5000

/* What is swept up is an hour old at least, and in nobody's way. */
#define SWEEP_MS ((int64_t)60 * 60 * 1000)

void
upkeep_init(struct upkeep *u)
{
	settle_init(&u->settle);
	errand_init(&u->rebuild, rebuild);
	u->rebuild_look = 0;
	errand_init(&u->sweep, sweep);
	u->filled = false;
	u->sweep_at = 0;
}

static void
service_rebuild(struct upkeep *u, const struct conf *conf, struct link *l)
{
	struct err e;
	int rc;

	if (!errand_may_start(&u->rebuild) ||
	    name_tick_ms() < u->rebuild_look || !link_ready(l))
		return;
	u->rebuild_look = name_tick_ms() + REBUILD_LOOK_MS;
	rc = queue_is_filled(l->queue, &e);
	if (!link_heard(l, rc, &e))
		return;
	u->filled = rc == 1;
	if (!u->filled)
		errand_start(&u->rebuild, conf);
}

/* At the start, and every hour; after a failure sooner. */
static void
service_sweep(struct upkeep *u, const struct conf *conf)
{
	if (!u->filled || !errand_may_start(&u->sweep) ||
	    name_tick_ms() < u->sweep_at)
		return;
	u->sweep_at = name_tick_ms() + SWEEP_MS;
	errand_start(&u->sweep, conf);
}

void
upkeep_service(struct upkeep *u, const struct conf *conf, struct link *l,
    bool draining)
{
	settle_service(&u->settle, conf, l);
	if (errand_reap(&u->rebuild))
		u->rebuild_look = 0;
	if (errand_reap(&u->sweep) && u->sweep.pause.delay != 0)
		u->sweep_at = 0;
	if (draining)
		return;
	service_rebuild(u, conf, l);
	service_sweep(u, conf);
}

bool
upkeep_settles(const struct upkeep *u)
{
	return child_running(&u->settle.errand.child);
}

void
upkeep_pollset(const struct upkeep *u, struct pollfd *pfd)
{
	pfd[0] = (struct pollfd){
		errand_fd(&u->settle.errand), POLLIN, 0 };
	pfd[1] = (struct pollfd){ errand_fd(&u->rebuild), POLLIN, 0 };
	pfd[2] = (struct pollfd){ errand_fd(&u->sweep), POLLIN, 0 };
}

int64_t
upkeep_due(const struct upkeep *u)
{
	int64_t settle = settle_due(&u->settle);
	int64_t rebuild = errand_due(&u->rebuild, u->rebuild_look);

	int64_t swept = u->filled ? errand_due(&u->sweep, u->sweep_at)
				  : INT64_MAX;
	int64_t first = settle < rebuild ? settle : rebuild;

	return first < swept ? first : swept;
}

void
upkeep_stop(struct upkeep *u)
{
	errand_stop(&u->settle.errand);
	errand_stop(&u->rebuild);
	errand_stop(&u->sweep);
}
