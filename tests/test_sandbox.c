/* davit-fetch's own confinement, seen from inside: what fetch_main calls. */
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/landlock.h>

#include "lib/err.h"
#include "worker/sandbox.h"

#define RESULT_FD 3
#define LOGIN_FD 4
#define LEAKED_FD 17
#define FILE_BYTES 100000
#define CPU_S 35

/* Whom it becomes; our files stand for a store's. */
#define USER "nobody"

extern char **environ;

static char store[] = "/tmp/sandbox-XXXXXX";
static char secret[64], scratch[64];

static int
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static rlim_t
most(int resource)
{
	struct rlimit now;

	return getrlimit(resource, &now) == -1 ? RLIM_INFINITY : now.rlim_cur;
}

static bool
has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

static int
goes_in(void)
{
	const struct sandbox box = { .user = USER, .scratch = ".",
		.parent = getppid(), .file_bytes = FILE_BYTES,
		.memory = (int64_t)1 << 30, .cpu = CPU_S };
	struct err e;

	return sandbox_enter(&box, &e) == 0;
}

/* ---- each in a process of its own: true where all is as it should be ---- */

static int
has_no_environment(void)
{
	setenv("REDIS_PASSWORD", "x", 1);
	return goes_in() && getenv("REDIS_PASSWORD") == NULL &&
	    getenv("PATH") != NULL && getenv("HOME") != NULL &&
	    environ[2] == NULL;
}

static int
has_no_other_descriptor(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (dup2(null, LEAKED_FD) == -1 || dup2(null, LOGIN_FD) == -1 ||
	    dup2(null, RESULT_FD) == -1 ||
	    !sandbox_tidy_descriptors(RESULT_FD, LOGIN_FD))
		return 0;
	for (int fd = 0; fd < 256; fd++)
		if ((fcntl(fd, F_GETFD) != -1) != (fd <= LOGIN_FD))
			return 0;
	return 1;
}

static int
takes_no_result_that_is_only_read(void)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return dup2(null, RESULT_FD) != -1 &&
	    !sandbox_tidy_descriptors(RESULT_FD, LOGIN_FD) &&
	    fcntl(RESULT_FD, F_GETFD) == -1;
}

static int
is_another_user(void)
{
	uid_t real, effective, saved;
	bool root = geteuid() == 0;

	if (!goes_in() || getresuid(&real, &effective, &saved) == -1)
		return 0;
	if (!root)
		return 1;
	return real != 0 && effective != 0 && saved != 0 && getgid() != 0 &&
	    setuid(0) == -1 && getgroups(0, NULL) == 1;
}

static int
gets_no_rights_and_dies_with_its_parent(void)
{
	int sig = 0;

	return goes_in() && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
	    prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig == SIGKILL;
}

static int
has_limits(void)
{
	return goes_in() && most(RLIMIT_CORE) == 0 &&
	    most(RLIMIT_NOFILE) == 64 && most(RLIMIT_FSIZE) == FILE_BYTES &&
#ifndef __SANITIZE_ADDRESS__
	    most(RLIMIT_AS) == (rlim_t)1 << 30 &&
#endif
	    most(RLIMIT_CPU) == CPU_S;
}

static int
reaches_no_file_of_others(void)
{
	if (geteuid() != 0 && !has_landlock())
		return 1; /* it stays who it is */
	if (!opens("/etc/passwd", O_RDONLY) || !opens(secret, O_RDONLY) ||
	    !goes_in())
		return 0;
	if (opens(secret, O_RDONLY) || opens(secret, O_WRONLY) ||
	    opens("../new", O_WRONLY | O_CREAT) || unlink(secret) == 0)
		return 0;
	if (has_landlock() && opens("/etc/passwd", O_RDONLY))
		return 0;
	return opens("own", O_RDWR | O_CREAT) &&
	    opens("/usr/lib/os-release", O_RDONLY);
}

static int
executes_nothing(void)
{
	if (!has_landlock())
		return 1;
	if (!goes_in())
		return 0;
	execl("/bin/true", "true", (char *)NULL);
	return errno == EACCES;
}

/* ---- from outside ---- */

static int
make_store(void **state)
{
	int fd;

	/* Where only its owner may go in, as a store is. */
	if (mkdtemp(store) == NULL || chmod(store, 0711) == -1)
		return -1;
	snprintf(secret, sizeof(secret), "%s/secret", store);
	snprintf(scratch, sizeof(scratch), "%s/scratch", store);
	if ((fd = open(secret, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) == -1)
		return -1;
	close(fd);
	if (mkdir(scratch, 0700) == -1)
		return -1;
	return geteuid() == 0 ? chmod(scratch, 0777) : 0;
}

static int
remove_store(void **state)
{
	char own[80];

	snprintf(own, sizeof(own), "%s/own", scratch);
	unlink(own);
	unlink(secret);
	return rmdir(scratch) == -1 || rmdir(store) == -1 ? -1 : 0;
}

static void
expect(int (*inside)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid != -1);
	if (pid == 0)
		_exit(chdir(scratch) == 0 && inside() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define INSIDE(check) \
	static void a_fetch_##check(void **state) \
	{ \
		expect(check); \
	}

INSIDE(has_no_environment)
INSIDE(has_no_other_descriptor)
INSIDE(takes_no_result_that_is_only_read)
INSIDE(is_another_user)
INSIDE(gets_no_rights_and_dies_with_its_parent)
INSIDE(has_limits)
INSIDE(reaches_no_file_of_others)
INSIDE(executes_nothing)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fetch_has_no_environment),
		cmocka_unit_test(a_fetch_has_no_other_descriptor),
		cmocka_unit_test(a_fetch_takes_no_result_that_is_only_read),
		cmocka_unit_test(a_fetch_is_another_user),
		cmocka_unit_test(
		    a_fetch_gets_no_rights_and_dies_with_its_parent),
		cmocka_unit_test(a_fetch_has_limits),
		cmocka_unit_test(a_fetch_reaches_no_file_of_others),
		cmocka_unit_test(a_fetch_executes_nothing),
	};

	return cmocka_run_group_tests_name("sandbox", tests, make_store,
	    remove_store);
}
