#include "worker/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"

struct watch {
	int signals;
	bool stopped;
	int64_t total, end;	/* ms; end in ticks, 0: no deadline */
};

struct watch *
watch_new(struct err *e)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signals == -1) {
		err_errno(e, "signalfd");
		free(w);
		return NULL;
	}
	return w;
}

void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	close(w->signals);
	free(w);
}

void
watch_deadline(struct watch *w, int64_t ms)
{
	w->total = ms;
	w->end = ms == 0 ? 0 : name_tick_ms() + ms;
}

void
watch_stop(struct watch *w)
{
	w->stopped = true;
}

static int
timed_out(const struct watch *w, struct err *e)
{
	return err_set(e, ERR_BUILD_TIMEOUT,
	    "the build took longer than the %lld s that are allowed",
	    (long long)(w->total / 1000));
}

/* ms, or less where the deadline comes before. */
static int
patience(const struct watch *w, int64_t until)
{
	int64_t now = name_tick_ms(), ms = until == -1 ? -1 : until - now;

	if (w->end != 0 && (until == -1 || w->end < until))
		ms = w->end - now;
	return until == -1 && w->end == 0 ? -1 : ms < 0 ? 0 : (int)ms;
}

int
watch_wait(struct watch *w, int fd, short events, int ms, struct err *e)
{
	int64_t until = ms < 0 ? -1 : name_tick_ms() + ms;
	struct pollfd p[2] = { { .fd = w->signals, .events = POLLIN },
		{ .fd = fd, .events = events } };

	for (;;) {
		int n = w->stopped ? 0 : poll(p, 2, patience(w, until));

		if (n == -1 && errno != EINTR)
			return err_errno(e, "poll");
		/* Left in the descriptor, a signal is seen by each wait. */
		if (w->stopped || (n > 0 && p[0].revents != 0))
			return err_set(e, ERR_CANCELED,
			    "the build was stopped");
		if (w->end != 0 && name_tick_ms() >= w->end)
			return timed_out(w, e);
		if (n > 0)
			return 1;
		if (until != -1 && name_tick_ms() >= until)
			return 0;
	}
}

int
watch_fd(const struct watch *w)
{
	return w->signals;
}

int
watch_check(struct watch *w, struct err *e)
{
	return watch_wait(w, -1, 0, 0, e);
}
