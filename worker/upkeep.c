#include "worker/upkeep.h"

#include "lib/err.h"
#include "lib/log.h"
#include "lib/name.h"
#include "lib/queue.h"
#include "worker/link.h"
#include "worker/rebuild.h"

/* How often Redis is asked whether it has lost everything. */
#define REBUILD_LOOK_MS 5000

void
upkeep_init(struct upkeep *u)
{
	settle_init(&u->settle);
	errand_init(&u->rebuild, rebuild);
	u->rebuild_look = 0;
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
	if (link_heard(l, rc, &e) && rc == 0)
		errand_start(&u->rebuild, conf);
}

void
upkeep_service(struct upkeep *u, const struct conf *conf, struct link *l,
    bool draining)
{
	settle_service(&u->settle, conf, l);
	errand_reap(&u->rebuild);
	if (!draining)
		service_rebuild(u, conf, l);
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
}

int64_t
upkeep_due(const struct upkeep *u)
{
	int64_t settle = settle_due(&u->settle);
	int64_t rebuild = errand_due(&u->rebuild, u->rebuild_look);

	return settle < rebuild ? settle : rebuild;
}

void
upkeep_stop(struct upkeep *u)
{
	errand_stop(&u->settle.errand);
	errand_stop(&u->rebuild);
}
