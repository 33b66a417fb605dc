#include "worker/warm.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/name.h"
#include "worker/launch.h"

/* By then a build that has just started does no longer want the CPU for its
 * own beginning. */
#define AFTER_START_MS 2000

/* Who deploys again comes back within this time, or some other day.  The
 * container itself lasts twice as long (worker/docker_container.c). */
#define IDLE_MS ((int64_t)30 * 60 * 1000)

#define CHILD_MS 60000
#define GRACE_MS 2000

void
warm_init(struct warm *w)
{
	*w = (struct warm){ .child = CHILD_INIT,
		.pause = { 1000, 60 * 1000, 0, 0 },
		.stale = INT64_MAX };
}

void
warm_used(struct warm *w)
{
	w->due = name_tick_ms() + AFTER_START_MS;
}

void
warm_drain(struct warm *w)
{
	w->ends = true;
}

bool
warm_is_over(const struct warm *w)
{
	return w->ends && !w->there && !child_running(&w->child);
}

/* davit-build --spare or --no-spare. */
static void
start(struct warm *w, const char *option)
{
	struct err e;

	w->kill_at = name_tick_ms() + CHILD_MS;
	if (launch_errand(&w->child, option, NULL, &e) == -1) {
		log_warn("%s", e.msg);
		w->there = false;
		w->stale = INT64_MAX;
	}
}

/* One that is to go and does not is given up: its own end is near. */
static void
reap(struct warm *w)
{
	int status;

	if (name_tick_ms() >= w->kill_at)
		child_signal(&w->child, SIGKILL);
	if (child_wait(&w->child, 0, &status, NULL) != 1)
		return;
	if (w->stale == 0) {
		w->there = false;
		w->stale = INT64_MAX;
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		backoff_works(&w->pause);
		w->stale = name_tick_ms() + IDLE_MS;
	} else {
		backoff_fail(&w->pause);
		w->due = w->pause.until;
	}
}

void
warm_service(struct warm *w, const struct conf *conf)
{
	int64_t now = name_tick_ms();

	if (child_running(&w->child))
		reap(w);
	if (child_running(&w->child))
		return;
	if (w->there && (w->ends || !conf->warm || now >= w->stale)) {
		w->stale = 0;
		start(w, "--no-spare");
	} else if (now >= w->due) {
		w->due = INT64_MAX;
		w->there = conf->warm && !w->ends;
		if (w->there)
			start(w, "--spare");
	}
}

int
warm_fd(const struct warm *w)
{
	return w->child.pidfd;
}

int64_t
warm_due(const struct warm *w)
{
	if (child_running(&w->child))
		return w->kill_at;
	if (w->ends)
		return w->there ? 0 : INT64_MAX;
	return w->due < w->stale ? w->due : w->stale;
}

void
warm_stop(struct warm *w)
{
	child_stop(&w->child, GRACE_MS, NULL);
}
