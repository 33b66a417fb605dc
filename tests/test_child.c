#include "tests/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/child.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/name.h"

static void
start_shell(struct child *c, const char *script, int out, bool die)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	const char *const env[] = { "PATH=/usr/bin:/bin", "A=b", NULL };
	struct child_spec spec = { .path = "/bin/sh",
		.argv = argv,
		.env = env,
		.fds = { -1, out, -1 },
		.nfds = 3,
		.die_with_parent = die };
	struct err e;

	if (child_start(c, &spec, &e) == -1)
		fail_msg("%s", e.msg);
}

static char *
output_of(const char *script)
{
	struct buf out = BUF_INIT;
	struct child c;
	int fds[2], status;

	assert_int_equal(child_pipe(fds, NULL), 0);
	start_shell(&c, script, fds[1], true);
	fdio_close(&fds[1]);
	assert_int_equal(fdio_slurp(fds[0], 65536, &out, NULL), 0);
	assert_int_equal(child_wait(&c, 5000, &status, NULL), 1);
	fdio_close(&fds[0]);
	return buf_take(&out);
}

static void
only_named_descriptors_are_open(void **state)
{
	int leak = dup(1); /* not close-on-exec: would be inherited */
	char *s = output_of("for f in /proc/$$/fd/*; do echo ${f##*/}; done");

	/* dash opens one of its own for the loop's directory, maybe */
	assert_int_equal(strncmp(s, "0\n1\n2\n", 6), 0);
	assert_null(strstr(s, "\n3\n4\n"));
	free(s);
	close(leak);
}

static void
environment_is_what_was_given(void **state)
{
	char *s;

	setenv("SECRET", "x", 1);
	s = output_of("env");
	assert_non_null(strstr(s, "A=b\n"));
	assert_null(strstr(s, "SECRET"));
	free(s);
}

static void
deadline_ends_a_group_that_ignores_sigterm(void **state)
{
	struct child c;
	int status, fds[2];
	int64_t start = name_tick_ms();
	char byte;

	assert_int_equal(child_pipe(fds, NULL), 0);
	start_shell(&c, "trap '' TERM; sh -c 'trap \"\" TERM; sleep 60' & "
		"echo; wait", fds[1], false);
	fdio_close(&fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(child_wait(&c, 50, &status, NULL), 0);
	assert_true(child_running(&c));
	child_stop(&c, 100, &status);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_false(child_running(&c));
	/* the grandchild held the pipe open: it is gone as well */
	assert_int_equal(read(fds[0], &byte, 1), 0);
	assert_true(name_tick_ms() - start < 5000);
	fdio_close(&fds[0]);
}

static void
exec_failure_is_the_parents_error(void **state)
{
	const char *const argv[] = { "x", NULL };
	struct child_spec spec = { .path = "/nonexistent",
		.argv = argv,
		.fds = { -1, -1, -1 },
		.nfds = 3 };
	struct child c;
	struct err e;

	assert_int_equal(child_start(&c, &spec, &e), -1);
	assert_string_equal(e.msg,
	    "start /nonexistent: No such file or directory");
	assert_false(child_running(&c));
}

static void
status_is_described(void **state)
{
	struct child c;
	char words[80];
	int status;

	start_shell(&c, "exit 3", -1, true);
	assert_int_equal(child_wait(&c, 5000, &status, NULL), 1);
	assert_string_equal(child_describe(status, words, sizeof(words)),
	    "exited with status 3");
	start_shell(&c, "kill -9 $$", -1, true);
	assert_int_equal(child_wait(&c, 5000, &status, NULL), 1);
	assert_string_equal(child_describe(status, words, sizeof(words)),
	    "killed by signal 9 (Killed)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_named_descriptors_are_open),
		cmocka_unit_test(environment_is_what_was_given),
		cmocka_unit_test(deadline_ends_a_group_that_ignores_sigterm),
		cmocka_unit_test(exec_failure_is_the_parents_error),
		cmocka_unit_test(status_is_described),
	};

	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
