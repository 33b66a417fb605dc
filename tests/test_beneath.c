/* lib/beneath: both ways of it, on a tree that would lead out. */
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/beneath.h"
#include "lib/fdio.h"

static char dir[] = "/tmp/davit-beneath.XXXXXX";
static int root = -1;

typedef int (*open_fn)(int, const char *, int, mode_t);
static const open_fn ways[] = { beneath_open, beneath_walk };

static int
set_up(void **state)
{
	if (mkdtemp(dir) == NULL ||
	    (root = open(dir, O_RDONLY | O_DIRECTORY)) == -1)
		return -1;
	return mkdirat(root, "a", 0755) == -1 ||
		mkdirat(root, "a/b", 0755) == -1 ||
		symlinkat("/etc", root, "out") == -1 ||
		symlinkat("a", root, "in") == -1 ||
		symlinkat("/etc/passwd", root, "a/b/link") == -1 ||
		close(openat(root, "a/b/file", O_CREAT | O_WRONLY, 0644)) == -1
	    ? -1 : 0;
}

static int
tear_down(void **state)
{
	close(root);
	return fdio_remove_tree(dir, NULL);
}

static void
opens_what_is_there_and_makes_what_is_not(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		int fd = ways[i](root, "a/b/file", O_RDONLY, 0);

		assert_true(fd >= 0);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
		fd = ways[i](root, "a/new", O_WRONLY | O_CREAT | O_EXCL, 0600);
		assert_true(fd >= 0);
		close(fd);
		assert_int_equal(unlinkat(root, "a/new", 0), 0);
		fd = ways[i](root, ".", O_PATH | O_DIRECTORY, 0);
		assert_true(fd >= 0);
		close(fd);
	}
}

static void
follows_no_link_and_never_leaves(void **state)
{
	static const char *const bad[] = { "out/passwd", "in/b/file",
		"a/b/link", "out", "..", "a/../../x", "/etc/passwd", "" };

	for (size_t i = 0; i < 2; i++)
		for (size_t n = 0; n < sizeof(bad) / sizeof(*bad); n++)
			assert_int_equal(ways[i](root, bad[n], O_RDONLY, 0),
			    -1);
}

static void
says_what_is_missing(void **state)
{
	char name[300] = "a/";

	memset(name + 2, 'x', sizeof(name) - 3);
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ways[i](root, "a/none/x", O_RDONLY, 0), -1);
		assert_int_equal(errno, ENOENT);
		assert_int_equal(ways[i](root, "a/b/file/x", O_RDONLY, 0), -1);
		assert_int_equal(errno, ENOTDIR);
		assert_int_equal(ways[i](root, name, O_RDONLY, 0), -1);
		assert_int_equal(errno, ENAMETOOLONG);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_what_is_there_and_makes_what_is_not),
		cmocka_unit_test(follows_no_link_and_never_leaves),
		cmocka_unit_test(says_what_is_missing),
	};

	return cmocka_run_group_tests_name("beneath", tests, set_up,
	    tear_down);
}
