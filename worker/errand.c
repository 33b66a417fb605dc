#include "worker/errand.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"

#define GRACE_MS 2000

void
errand_init(struct errand *r, int (*work)(const struct conf *, struct err *))
{
	r->work = work;
	r->child = (struct child)CHILD_INIT;
	r->pause = (struct backoff){ 1000, 60 * 1000, 0, 0 };
}

/* In the forked process.  Never returns. */
static void
run(const struct errand *r, const struct conf *conf, pid_t parent)
{
	struct err e;
	sigset_t none;

	/* davitd's descriptors are not ours: a build would not see davitd's
	 * end while we hold them. */
	close_range(STDERR_FILENO + 1, ~0U, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() != parent)
		_exit(1);
	if (r->work(conf, &e) == -1) {
		log_warn("%s", e.msg);
		_exit(1);
	}
	_exit(0);
}

bool
errand_may_start(const struct errand *r)
{
	return !child_running(&r->child) && !backoff_waits(&r->pause);
}

void
errand_start(struct errand *r, const struct conf *conf)
{
	pid_t parent = getpid();

	log_scope(NULL);
	if ((r->child.pid = fork()) == 0)
		run(r, conf, parent);
	if (r->child.pid != -1)
		r->child.pidfd = pidfd_open(r->child.pid, 0);
	if (r->child.pidfd == -1) {
		log_error("fork: %s", strerror(errno));
		errand_stop(r);
		backoff_fail(&r->pause);
	}
}

bool
errand_reap(struct errand *r)
{
	int status;

	if (!child_running(&r->child) ||
	    child_wait(&r->child, 0, &status, NULL) != 1)
		return false;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		backoff_works(&r->pause);
	else
		backoff_fail(&r->pause);
	return true;
}

int
errand_fd(const struct errand *r)
{
	return r->child.pidfd;
}

int64_t
errand_due(const struct errand *r, int64_t at)
{
	if (child_running(&r->child))
		return INT64_MAX;
	return backoff_waits(&r->pause) && r->pause.until > at
	    ? r->pause.until
	    : at;
}

void
errand_stop(struct errand *r)
{
	child_stop(&r->child, GRACE_MS, NULL);
}
