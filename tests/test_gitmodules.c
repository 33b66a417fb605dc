#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/gitmodules.h"

static void
expect_url(const char *text, const char *path, const char *want)
{
	char *url = gitmodules_url(text, strlen(text), path);

	if (want == NULL)
		assert_null(url);
	else {
		assert_non_null(url);
		assert_string_equal(url, want);
	}
	free(url);
}

static void
url_of_a_path_is_found(void **state)
{
	static const char text[] =
	    "# ours\n"
	    "[submodule \"a\"]\n\tpath = lib/a\n\turl = ../a.git\n"
	    "[other]\n\tpath = lib/b\n\turl = https://h/wrong\n"
	    "[submodule \"b\"]\r\n\turl=https://h/b ; here\r\n\tPath=lib/b\r\n"
	    "[submodule \"c\"]\n\tpath = \"a b\"\n"
	    "\turl = \"https://h/\\\"c#d\"\n"
	    "[submodule \"d\"]\n\tpath = d\n[submodule \"e\"]\n\turl = x";

	expect_url(text, "lib/a", "../a.git");
	expect_url(text, "lib/b", "https://h/b");
	expect_url(text, "a b", "https://h/\"c#d");
	expect_url(text, "d", NULL);
	expect_url(text, "none", NULL);
	expect_url("", "a", NULL);
	expect_url("path = a\nurl = b", "a", NULL);
}

static void
expect_resolved(const char *base, const char *url, const char *want)
{
	char *got = gitmodules_resolve(base, url);

	if (want == NULL)
		assert_null(got);
	else {
		assert_non_null(got);
		assert_string_equal(got, want);
	}
	free(got);
}

static void
relative_ones_are_resolved(void **state)
{
	expect_resolved("https://h/a/b.git", "../c.git", "https://h/a/c.git");
	expect_resolved("https://h/a/b.git", "../../c/d", "https://h/c/d");
	expect_resolved("https://h/a/b.git", "./c", "https://h/a/b.git/c");
	expect_resolved("https://h/a/b.git", "../../../c", NULL);
	expect_resolved("https://h/a/b", "http://i/c", "http://i/c");
	expect_resolved("https://h/a/b", "/etc", "/etc");
	expect_resolved("none", "../c", NULL);
	expect_resolved("git@h:a/b.git", "../c.git", "git@h:a/c.git");
	expect_resolved("git@h:b.git", "../c.git", "git@h:c.git");
	expect_resolved("git@h:b.git", "../../c.git", NULL);
	expect_resolved("git@h:b.git", "./c", "git@h:b.git/c");
	expect_resolved("ssh://git@h:22/a/b", "../c", "ssh://git@h:22/a/c");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(url_of_a_path_is_found),
		cmocka_unit_test(relative_ones_are_resolved),
	};

	return cmocka_run_group_tests_name("gitmodules", tests, NULL, NULL);
}
