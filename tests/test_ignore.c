#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/ignore.h"
#include "lib/mem.h"

/* What t-ignore.sh compares with git itself by the hundreds is here by
 * example, and what git cannot be asked: bounds, cost, odd bytes. */

static enum ignore_verdict
check(const char *rules, const char *path, bool directory)
{
	struct ignore *g = ignore_new();
	enum ignore_verdict v;

	assert_int_equal(ignore_push(g, "", rules, strlen(rules), NULL), 0);
	v = ignore_check(g, path, directory);
	ignore_free(g);
	return v;
}

static void
patterns_mean_what_git_means(void **state)
{
	static const struct {
		const char *rules, *path;
		enum ignore_verdict want;
	} cases[] = {
		{ "*.log", "a/b.log", IGNORE_DROP },
		{ "*.log", "a/b.logx", IGNORE_UNSAID },
		{ "/x", "x", IGNORE_DROP },
		{ "/x", "a/x", IGNORE_UNSAID },
		{ "a/x", "a/x", IGNORE_DROP },
		{ "a/x", "b/a/x", IGNORE_UNSAID },
		{ "a/*", "a/b", IGNORE_DROP },
		{ "a/*", "a/b/c", IGNORE_UNSAID },
		{ "a/**", "a/b/c", IGNORE_DROP },
		{ "a/**", "a", IGNORE_UNSAID },
		{ "**/x", "x", IGNORE_DROP },
		{ "**/x", "a/b/x", IGNORE_DROP },
		{ "**/x", "a/bx", IGNORE_UNSAID },
		{ "a/**/b", "a/b", IGNORE_DROP },
		{ "a/**/b", "a/x/y/b", IGNORE_DROP },
		{ "a/**/b", "a/xb", IGNORE_UNSAID },
		{ "x\n!x", "x", IGNORE_KEEP },
		{ "!x\nx", "x", IGNORE_DROP },
		{ "[a-c]", "b", IGNORE_DROP },
		{ "[!a-c]", "b", IGNORE_UNSAID },
		{ "[^a-c]", "d", IGNORE_DROP },
		{ "[]-]", "]", IGNORE_DROP },
		{ "[[:digit:]x]", "7", IGNORE_DROP },
		{ "[[:nope:]]", "n", IGNORE_UNSAID },
		{ "[[:digit:]", "7", IGNORE_UNSAID },
		{ "[a", "[a", IGNORE_UNSAID },
		{ "a[/]b/", "a/b", IGNORE_UNSAID },
		{ "\\#x", "#x", IGNORE_DROP },
		{ "#x", "#x", IGNORE_UNSAID },
		{ "\\!x", "!x", IGNORE_DROP },
		{ "x\\", "x\\", IGNORE_UNSAID },
		{ "x\\\\", "x\\", IGNORE_DROP },
		{ "x  ", "x", IGNORE_DROP },
		{ "x\\ ", "x ", IGNORE_DROP },
		{ "x\t", "x", IGNORE_UNSAID },
		{ "x\t", "x\t", IGNORE_DROP },
		{ "x\r\ny\r", "x", IGNORE_DROP },
		{ "x\r\ny\r", "y", IGNORE_DROP },
		{ "\xef\xbb\xbfx", "x", IGNORE_DROP },
		{ "a?c", "abc", IGNORE_DROP },
		{ "d/a?c", "d/a/c", IGNORE_UNSAID },
		{ "*", "x", IGNORE_DROP },
		{ "/", "x", IGNORE_UNSAID },
		{ "", "x", IGNORE_UNSAID },
		{ "!", "x", IGNORE_UNSAID },
		{ "f**/b", "fx/y/b", IGNORE_DROP },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (check(cases[i].rules, cases[i].path, false) !=
		    cases[i].want)
			fail_msg("'%s' and '%s'", cases[i].rules,
			    cases[i].path);
}

static void
a_slash_at_the_end_wants_a_directory(void **state)
{
	assert_int_equal(check("x/", "x", true), IGNORE_DROP);
	assert_int_equal(check("x/", "x", false), IGNORE_UNSAID);
	assert_int_equal(check("x/", "a/x", true), IGNORE_DROP);
	assert_int_equal(check("/x/", "a/x", true), IGNORE_UNSAID);
}

static void
a_nul_ends_its_line(void **state)
{
	static const char rules[] = "x\0y\nz";
	struct ignore *g = ignore_new();

	assert_int_equal(ignore_push(g, "", rules, sizeof(rules) - 1, NULL),
	    0);
	assert_int_equal(ignore_check(g, "x", false), IGNORE_DROP);
	assert_int_equal(ignore_check(g, "z", false), IGNORE_DROP);
	ignore_free(g);
}

static void
nested_files_count_below_their_directory_and_first(void **state)
{
	struct ignore *g = ignore_new();

	assert_int_equal(ignore_push(g, "", "*.o\n", 4, NULL), 0);
	assert_int_equal(ignore_push(g, "a", "!x.o\n/y\n", 8, NULL), 0);
	assert_int_equal(ignore_check(g, "a/x.o", false), IGNORE_KEEP);
	assert_int_equal(ignore_check(g, "a/b/x.o", false), IGNORE_KEEP);
	assert_int_equal(ignore_check(g, "a/y", false), IGNORE_DROP);
	assert_int_equal(ignore_check(g, "a/b/y", false), IGNORE_UNSAID);
	ignore_pop(g);
	assert_int_equal(ignore_check(g, "a/x.o", false), IGNORE_DROP);
	ignore_pop(g);
	assert_int_equal(ignore_check(g, "a/x.o", false), IGNORE_UNSAID);
	ignore_free(g);
}

static void
files_and_rules_have_bounds(void **state)
{
	size_t len = IGNORE_FILE_MAX_BYTES + 1;
	struct ignore *g = ignore_new();
	char *big = xmalloc(len);
	struct err e;

	memset(big, 'x', len);
	assert_int_equal(ignore_push(g, "a", big, len, &e), -1);
	assert_int_equal(e.code, ERR_REPO_TOOBIG);
	for (size_t i = 1; i < len; i += 2)
		big[i] = '\n';
	assert_int_equal(ignore_push(g, "", big, len - 1, &e), -1);
	assert_int_equal(e.code, ERR_REPO_TOOBIG);
	assert_int_equal(ignore_check(g, "x", false), IGNORE_UNSAID);
	ignore_free(g);
	free(big);
}

static void
no_pattern_is_exponential(void **state)
{
	char rules[1001], path[801];
	clock_t start = clock();

	for (size_t i = 0; i < sizeof(rules) - 1; i++)
		rules[i] = "*a"[i % 2];
	memcpy(rules + sizeof(rules) - 3, "*b", 3);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(check(rules, path, false), IGNORE_UNSAID);
	memcpy(rules, "/**/", 4);
	for (size_t i = 4; i + 5 < sizeof(rules); i += 5)
		memcpy(rules + i, "*a**/", 5);
	for (size_t i = 1; i < sizeof(path) - 1; i += 2)
		path[i] = '/';
	check(rules, path, false);
	assert_true(clock() - start < CLOCKS_PER_SEC);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_mean_what_git_means),
		cmocka_unit_test(a_slash_at_the_end_wants_a_directory),
		cmocka_unit_test(a_nul_ends_its_line),
		cmocka_unit_test(
		    nested_files_count_below_their_directory_and_first),
		cmocka_unit_test(files_and_rules_have_bounds),
		cmocka_unit_test(no_pattern_is_exponential),
	};

	return cmocka_run_group_tests_name("ignore", tests, NULL, NULL);
}
