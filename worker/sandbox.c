#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "worker/landlock.h"

/* Kept low: libcurl and libgit2 need about ten. */
#define OPEN_FILES 64

bool
sandbox_tidy_descriptors(int result, int last)
{
	int fd, flags = fcntl(result, F_GETFL);
	bool writable = flags != -1 && (flags & O_ACCMODE) != O_RDONLY;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	if (!writable)
		close(result);
	close_range((unsigned int)last + 1, ~0U, 0);
	return writable;
}

static void
limit(int resource, int64_t most)
{
	struct rlimit now, want = { (rlim_t)most, (rlim_t)most };

	if (getrlimit(resource, &now) == 0 && now.rlim_max < want.rlim_max)
		want.rlim_cur = want.rlim_max = now.rlim_max;
	setrlimit(resource, &want);
}

static void
set_limits(const struct sandbox *s)
{
	struct rlimit cpu;

	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, OPEN_FILES);
	limit(RLIMIT_FSIZE, s->file_bytes);
	/* SIGXCPU first, to say why; SIGKILL two seconds later. */
	cpu.rlim_cur = (rlim_t)s->cpu;
	cpu.rlim_max = cpu.rlim_cur + 2;
	setrlimit(RLIMIT_CPU, &cpu);
#ifndef __SANITIZE_ADDRESS__ /* it reserves terabytes */
	limit(RLIMIT_AS, s->memory);
#endif
}

/* The directory that the parent gave us is the user's already. */
static int
become(const char *name, struct err *e)
{
	const struct passwd *pw;

	errno = 0;
	if ((pw = getpwnam(name)) == NULL)
		return err_set(e, ERR_CONFIG, "fetch_user: no user %s", name);
	if (setgroups(1, &pw->pw_gid) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1)
		return err_errno(e, "become user %s", name);
	return 0;
}

int
sandbox_enter(const struct sandbox *s, struct err *e)
{
	umask(077);
	clearenv();
	setenv("PATH", "/usr/bin:/bin", 1);
	setenv("HOME", ".", 1);
	if (geteuid() == 0 && s->user != NULL && become(s->user, e) == -1)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return err_errno(e, "no_new_privs");
	/* Last, since a change of user takes it away. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != s->parent)
		return err_set(e, ERR_INTERNAL, "the parent process died");
	set_limits(s);
	return landlock_confine(s->scratch, s->ca, e);
}
