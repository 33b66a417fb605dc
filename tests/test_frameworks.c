#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "worker/frameworks.h"
#include "worker/project.h"

#define ENTRY \
	"framework thing\n" \
	"	name    The Thing\n" \
	"	rank    ssg\n" \
	"	when    dep thing | file thing.config.*\n" \
	"	when    !dep other\n" \
	"	static  text thing.config.* output: *'export'\n" \
	"	refuse  Export it.\n" \
	"	output  out dist\n" \
	"	output-in text thing.config.* dir: *'([^']+)\n"

static void
expect_error(const char *text, const char *words)
{
	struct err e;

	assert_null(frameworks_parse(text, "table", &e));
	assert_int_equal(e.code, ERR_CONFIG);
	if (strstr(e.msg, words) == NULL)
		print_error("%s\n", e.msg);
	assert_non_null(strstr(e.msg, words));
}

static void
mistakes_are_told_with_their_line(void **state)
{
	expect_error("# x\nname X\n", "table:2: name: it belongs to no");
	expect_error("framework a\n	color red\n", "table:2: color: no");
	expect_error("framework a\n	rank best\n", "table:2: rank: 'meta'");
	expect_error("framework a\n	spa maybe\n", "table:2: spa: 'yes'");
	expect_error("framework a\n	when dep\n", "table:2: a name is");
	expect_error("framework a\n	when deb x\n", "table:2: 'dep', 'f");
	expect_error("framework a\n	when text x\n", "an expression is");
	expect_error("framework a\n	when text x (\n", "table:2: (: ");
	expect_error("framework a\n	name\n", "table:2: name: a value");
	expect_error("framework a\n	output o\n", "no 'when' line");
	expect_error("framework a\n	when dep x\n", "no 'output' line");
	expect_error("framework a\n	when dep x\n	output o\n"
		     "	static dep y\n", "no 'refuse' line");
	expect_error(ENTRY ENTRY, "table:10: framework thing: it is there");
	expect_error("framework\n", "an id is needed");
}

static void
an_entry_has_all_that_is_written(void **state)
{
	struct frameworks *t = frameworks_parse(ENTRY, "table", NULL);
	const struct framework *f;

	assert_non_null(t);
	assert_int_equal(frameworks_count(t), 1);
	assert_null(frameworks_find(t, "other"));
	f = frameworks_find(t, "thing");
	assert_non_null(f);
	assert_string_equal(f->name, "The Thing");
	assert_int_equal(f->rank, FRAMEWORK_SSG);
	assert_string_equal(f->outputs[0], "out");
	assert_string_equal(f->outputs[1], "dist");
	assert_null(f->outputs[2]);
	assert_false(f->spa);
	assert_string_equal(frameworks_patterns(t)[0], "thing.config.*");
	frameworks_free(t);
}

static bool
matches(const struct framework *f, const char *package, const char *config,
    char **output, bool *fixed)
{
	struct project *p = project_new(NULL);
	struct buf why = BUF_INIT;
	bool found;

	if (package != NULL)
		project_add(p, "package.json", package, strlen(package));
	if (config != NULL)
		project_add(p, "thing.config.mjs", config, strlen(config));
	found = framework_matches(f, p, &why);
	assert_true(!found || why.len > 0);
	*fixed = framework_is_static(f, p, &why);
	*output = framework_output(f, p);
	buf_clear(&why);
	project_free(p);
	return found;
}

static void
lines_all_hold_and_alternatives_suffice(void **state)
{
	struct frameworks *t = frameworks_parse(ENTRY, "table", NULL);
	const struct framework *f = frameworks_at(t, 0);
	bool fixed;
	char *output;

	assert_false(matches(f, NULL, NULL, &output, &fixed));
	assert_false(fixed);
	assert_true(matches(f, "{\"dependencies\":{\"thing\":\"1\"}}", NULL,
	    &output, &fixed));
	assert_false(fixed);
	assert_true(matches(f, "{\"devDependencies\":{\"thing\":\"1\"}}",
	    "// output: 'export'", &output, &fixed));
	assert_false(fixed);
	assert_true(matches(f, NULL, "x = { output: 'export', dir: 'www' }",
	    &output, &fixed));
	assert_true(fixed);
	assert_string_equal(output, "www");
	free(output);
	assert_false(matches(f, "{\"dependencies\":{\"other\":\"1\"}}", "",
	    &output, &fixed));
	frameworks_free(t);
}

static void
the_installed_table_is_whole(void **state)
{
	const char *top = getenv("top_srcdir");
	struct frameworks *t;
	struct buf dir = BUF_INIT;
	struct err e;

	buf_addf(&dir, "%s/worker", top == NULL ? "." : top);
	setenv("DAVIT_PKGDATADIR", buf_str(&dir), 1);
	buf_clear(&dir);
	t = frameworks_load(&e);
	if (t == NULL)
		print_error("%s\n", e.msg);
	assert_non_null(t);
	assert_true(frameworks_count(t) >= 60);
	frameworks_free(t);
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

static void
the_operators_entries_come_first_and_replace_ours(void **state)
{
	static const char text[] = "framework own-vite\n"
				   "rank bundler\nwhen dep vite\noutput o\n"
				   "framework astro\n"
				   "when dep x\noutput mine\ncache a b/c\n";
	char dir[] = "/tmp/davit-frameworks.XXXXXX";
	struct frameworks *t, *ours = frameworks_load(NULL);
	char *path;
	struct err e;
	size_t n = 0;

	assert_non_null(mkdtemp(dir));
	setenv("DAVIT_SYSCONFDIR", dir, 1);
	path = xasprintf("%s/frameworks", dir);
	write_file(path, text);
	assert_non_null(t = frameworks_load(&e));
	assert_string_equal(frameworks_at(t, 0)->id, "own-vite");
	assert_string_equal(frameworks_find(t, "astro")->outputs[0], "mine");
	assert_string_equal(frameworks_find(t, "astro")->caches[1], "b/c");
	assert_int_equal(frameworks_count(t), frameworks_count(ours) + 1);
	while (frameworks_patterns(t)[n] != NULL)
		n++;
	assert_true(n > 10);
	frameworks_free(t);

	write_file(path, "x y\n");
	assert_null(frameworks_load(&e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, path));
	assert_non_null(strstr(e.msg, ":1: x: no such key"));
	unlink(path);
	rmdir(dir);
	unsetenv("DAVIT_SYSCONFDIR");
	frameworks_free(ours);
	free(path);
}

/* A text as long as is looked at, and as bad for a matcher as one can be. */
static void
a_hostile_configuration_costs_little(void **state)
{
	struct frameworks *t = frameworks_load(NULL);
	struct project *p = project_new(NULL);
	struct buf text = BUF_INIT, why = BUF_INIT;
	int64_t began = name_tick_ms();

	while (text.len < 32 * 1024)
		buf_adds(&text, "output: prerender: { outDir: ");
	project_add(p, "vite.config.ts", buf_str(&text), text.len);
	project_add(p, "next.config.js", buf_str(&text), text.len);
	for (size_t i = 0; i < frameworks_count(t); i++) {
		const struct framework *f = frameworks_at(t, i);

		framework_matches(f, p, &why);
		framework_is_static(f, p, &why);
		free(framework_output(f, p));
	}
	assert_true(name_tick_ms() - began < 5000);
	buf_clear(&text);
	buf_clear(&why);
	project_free(p);
	frameworks_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_told_with_their_line),
		cmocka_unit_test(an_entry_has_all_that_is_written),
		cmocka_unit_test(lines_all_hold_and_alternatives_suffice),
		cmocka_unit_test(the_installed_table_is_whole),
		cmocka_unit_test(
		    the_operators_entries_come_first_and_replace_ours),
		cmocka_unit_test(a_hostile_configuration_costs_little),
	};

	return cmocka_run_group_tests_name("frameworks", tests, NULL, NULL);
}
