#include "lib/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/name.h"

/* What the child says through its pipe before exec succeeds. */
#define EXEC_FAILED_EXIT 126

/* In the child: put fds[i] at i, close all others.  First everything moves
 * out of the way, so that no descriptor is overwritten before its turn. */
static int
arrange_fds(const int *fds, int nfds, int report)
{
	int high[CHILD_MAX_FDS];

	for (int i = 0; i < nfds; i++) {
		int from = fds[i] != -1 ? fds[i] : open("/dev/null", O_RDWR);

		high[i] = fcntl(from, F_DUPFD_CLOEXEC, 64);
		if (high[i] == -1)
			return -1;
	}
	if ((report = fcntl(report, F_DUPFD_CLOEXEC, 64)) == -1)
		return -1;
	for (int i = 0; i < nfds; i++)
		if (dup2(high[i], i) == -1)
			return -1;
	if (dup2(report, nfds) == -1 ||
	    fcntl(nfds, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	return close_range((unsigned int)nfds + 1, ~0U, 0);
}

static void
default_signals(void)
{
	struct sigaction def = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &def, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Never returns; errno of what failed goes to report. */
static void
run_child(const struct child_spec *spec, pid_t parent, int report)
{
	static const char *const no_env[] = { NULL };
	const char *const *env = spec->env == NULL ? no_env : spec->env;
	ssize_t n;
	int sys;

	default_signals();
	setpgid(0, 0);
	if (spec->die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) /* it died before prctl() */
			_exit(EXEC_FAILED_EXIT);
	}
	if (arrange_fds(spec->fds, spec->nfds, report) == 0) {
		report = spec->nfds;
		if (spec->cwd == NULL || chdir(spec->cwd) == 0)
			execve(spec->path, (char *const *)spec->argv,
			    (char *const *)env);
	}
	sys = errno;
	n = write(report, &sys, sizeof(sys));
	_exit(n == sizeof(sys) ? EXEC_FAILED_EXIT : EXEC_FAILED_EXIT - 1);
}

int
child_start(struct child *c, const struct child_spec *spec, struct err *e)
{
	int report[2], sys = 0;
	pid_t parent = getpid();
	ssize_t n;

	c->pid = -1;
	c->pidfd = -1;
	if (child_pipe(report, e) == -1)
		return -1;
	if ((c->pid = fork()) == 0)
		run_child(spec, parent, report[1]);
	fdio_close(&report[1]);
	if (c->pid == -1) {
		fdio_close(&report[0]);
		return err_errno(e, "fork");
	}
	setpgid(c->pid, c->pid); /* whoever comes first */
	n = fdio_read(report[0], &sys, sizeof(sys), e);
	fdio_close(&report[0]);
	if (n == 0 && (c->pidfd = pidfd_open(c->pid, 0)) != -1)
		return 0;
	if (n == 0)
		sys = errno;
	child_stop(c, 0, NULL);
	errno = sys;
	return err_errno(e, "start %s", spec->path);
}

bool
child_running(const struct child *c)
{
	return c->pid != -1;
}

void
child_signal(const struct child *c, int sig)
{
	if (c->pid != -1 && kill(-c->pid, sig) == -1)
		kill(c->pid, sig);
}

int
child_wait(struct child *c, int ms, int *status, struct err *e)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };
	int64_t end = name_tick_ms() + ms;
	int left = ms, n;

	while ((n = poll(&p, 1, left)) == -1 && errno == EINTR)
		if (ms >= 0) {
			int64_t now = name_tick_ms();

			left = now >= end ? 0 : (int)(end - now);
		}
	if (n == 0)
		return 0;
	if (n == -1 || waitpid(c->pid, status, 0) == -1)
		return err_errno(e, "wait for process %d", (int)c->pid);
	c->pid = -1;
	fdio_close(&c->pidfd);
	return 1;
}

void
child_stop(struct child *c, int grace_ms, int *status)
{
	int ignored;

	if (status == NULL)
		status = &ignored;
	if (c->pid == -1)
		return;
	if (grace_ms > 0 && c->pidfd != -1) {
		child_signal(c, SIGTERM);
		if (child_wait(c, grace_ms, status, NULL) == 1)
			return;
	}
	child_signal(c, SIGKILL);
	while (waitpid(c->pid, status, 0) == -1 && errno == EINTR)
		continue;
	c->pid = -1;
	fdio_close(&c->pidfd);
}

const char *
child_describe(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(buf, size, "exited with status %d",
		    WEXITSTATUS(status));
	return buf;
}

int
child_pipe(int fds[2], struct err *e)
{
	return pipe2(fds, O_CLOEXEC) == -1 ? err_errno(e, "pipe") : 0;
}

int
child_socketpair(int fds[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
		return err_errno(e, "socketpair");
	return 0;
}
