#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/landlock.h>

#include "lib/err.h"
#include "worker/landlock.h"

static long abi;
static const char library[] = "/usr/lib/os-release"; /* readable */

static int
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

/* What goes wrong inside, as a number; 0 where all is as it should be. */
static int
look_around(const char *outside)
{
	struct err e;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!opens("/etc/passwd", O_RDONLY) || !opens(outside, O_RDONLY))
		return 1;
	if (landlock_confine(".", NULL, &e) == -1)
		return 2;
	if (opens("/etc/passwd", O_RDONLY) || opens(outside, O_RDONLY))
		return 3;
	if (opens(outside, O_WRONLY) || opens("../new", O_WRONLY | O_CREAT))
		return 4;
	if (opens("/", O_RDONLY | O_DIRECTORY) || unlink(outside) == 0 ||
	    mkdir("../dir", 0700) == 0 || rename("../f", "f") == 0 ||
	    symlink("x", "../l") == 0)
		return 5;
	if (!opens(library, O_RDONLY) || opens(library, O_WRONLY))
		return 6;
	if (!opens("in", O_RDWR | O_CREAT) || !opens("in", O_RDONLY) ||
	    unlink("in") == -1)
		return 7;
	if (abi >= 6 && (kill(getppid(), 0) == 0 || errno != EPERM))
		return 8;
	execl("/bin/true", "true", (char *)NULL);
	return errno == EACCES ? 0 : 9;
}

static void
nothing_else_is_reached(void **state)
{
	char dir[] = "/tmp/landlock-XXXXXX", outside[40], scratch[40];
	int status, fd;
	pid_t pid;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1)
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(outside, sizeof(outside), "%s/f", dir);
	snprintf(scratch, sizeof(scratch), "%s/scratch", dir);
	fd = open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	close(fd);
	assert_int_equal(mkdir(scratch, 0700), 0);
	if ((pid = fork()) == 0)
		_exit(chdir(scratch) == -1 ? 10 : look_around(outside));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rmdir(scratch);
	unlink(outside);
	rmdir(dir);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_else_is_reached),
	};

	return cmocka_run_group_tests_name("landlock", tests, NULL, NULL);
}
