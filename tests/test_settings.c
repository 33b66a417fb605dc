#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "worker/frameworks.h"
#include "worker/list.h"
#include "worker/plan.h"
#include "worker/project.h"
#include "worker/settings.h"

/* Files of a checkout: name, text, name, text, … NULL. */
#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define VITE "{\"scripts\":{\"build\":\"x\"},\"dependencies\":{\"vite\":\"5\"}}"
#define NEXT "{\"scripts\":{\"build\":\"x\"},\"dependencies\":{\"next\":\"14\"}}"

static struct err error;

/* A table of its own: what is said decides here, not what is detected. */
static const char table_text[] =
    "framework next\n  rank meta\n  when dep next\n  output out\n"
    "  static file next.config.js\n  refuse no\n"
    "framework vite\n  when dep vite\n  output dist\n  env A=0\n";

static struct project *
project_of(const char *dir, const char *const *files)
{
	struct project *p = project_new(dir);

	for (; *files != NULL; files += 2)
		if (project_wants(p, files[0], NULL) > 0 ||
		    strcmp(files[0], "next.config.js") == 0)
			project_add(p, files[0], files[1], strlen(files[1]));
	return p;
}

static struct plan *
plan_in(const char *dir, const char *const *files,
    const struct plan_request *request)
{
	static const struct plan_request nothing;
	struct frameworks *table = frameworks_parse(table_text, "t", &error);
	struct project *p = project_of(dir, files);
	struct plan *plan;

	assert_non_null(table);
	plan = plan_new(table, p, request == NULL ? &nothing : request, 22,
	    &error);
	project_free(p);
	frameworks_free(table);
	return plan;
}

static bool
tells(const struct plan *plan, const char *words)
{
	for (char **w = plan->why; w != NULL && *w != NULL; w++)
		if (strstr(*w, words) != NULL)
			return true;
	for (char **w = plan->why; w != NULL && *w != NULL; w++)
		print_error("%s\n", *w);
	return false;
}

static void
davit_json_is_believed_like_a_request(void **state)
{
	struct plan *plan = plan_in(NULL, FILES("package.json", VITE,
	    "davit.json", "{\"install\":\"\",\"build\":\"make\",\"output\":"
	    "\"o\",\"node\":\"20\",\"spa\":true,\"env\":{\"A\":\"1\"}}",
	    "netlify.toml", "[build]\ncommand = 'no'\npublish = 'no'\n"
	    "environment = { A = '2', B = '2' }"), NULL);

	assert_non_null(plan);
	assert_string_equal(plan->framework, "vite");
	assert_null(plan->install);
	assert_string_equal(plan->build, "make");
	assert_string_equal(plan->outputs[0], "o");
	assert_null(plan->outputs[1]);
	assert_true(plan->output_given);
	assert_int_equal(plan->node, 20);
	assert_string_equal(plan->node_source, "davit.json");
	assert_true(plan->spa);
	assert_string_equal(plan->env[0], "A=0");
	assert_string_equal(plan->env[1], "A=1");
	assert_string_equal(plan->env[2], "B=2");
	assert_true(tells(plan, "build: as davit.json says"));
	plan_free(plan);
}

static void
the_request_goes_before_all_files(void **state)
{
	struct plan *plan = plan_in(NULL, FILES("package.json", VITE,
	    "davit.json", "{\"build\":\"make\",\"node\":\"20\"}"),
	    &(struct plan_request){ .build = "mine", .node = "18" });

	assert_non_null(plan);
	assert_string_equal(plan->build, "mine");
	assert_string_equal(plan->node_source, "the request");
	plan_free(plan);
}

static void
expect_refused(const char *text, const char *words)
{
	assert_null(plan_in(NULL, FILES("package.json", VITE, "davit.json",
	    text), NULL));
	assert_int_equal(error.code, ERR_INVALID);
	if (strstr(error.msg, words) == NULL)
		print_error("%s\n", error.msg);
	assert_non_null(strstr(error.msg, words));
}

static void
a_slip_in_davit_json_is_an_error(void **state)
{
	expect_refused("{\"buidl\":\"x\"}", "buidl");
	expect_refused("{\"build\":1}", "davit.json: ");
	expect_refused("{\"env\":{\"A B\":\"x\"}}", "A B");
	expect_refused("{\"env\":{\"A\":1}}", "'A'");
	expect_refused("[]", "an object is needed");
	expect_refused("{", "davit.json: ");
	expect_refused("{\"framework\":\"none\"}", "'none' is not known");
}

static void
netlify_toml_says_what_is_built(void **state)
{
	struct plan *plan = plan_in(NULL, FILES("package.json", VITE,
	    "netlify.toml",
	    "[build]\n  command = \"npm run a\"\n  publish = \"www/\"\n"
	    "[build.environment]\n  NODE_VERSION = \"20\"\n  X = 'y'\n"
	    "[context.production]\n  command = \"npm run b\"\n"
	    "[functions]\n  directory = 'f'\n"
	    "[[redirects]]\n  from = '/*'\n  to = '/index.html'\n"
	    "  status = 200\n"), NULL);

	assert_non_null(plan);
	assert_string_equal(plan->build, "npm run b");
	assert_string_equal(plan->outputs[0], "www");
	assert_string_equal(plan->outputs[1], "dist");
	assert_int_equal(plan->node, 20);
	assert_string_equal(plan->node_source, "netlify.toml");
	assert_true(list_has(plan->env, "X=y"));
	assert_true(plan->spa);
	assert_true(tells(plan, "not honoured here: functions"));
	plan_free(plan);
	plan = plan_in(NULL, FILES("package.json", VITE, "netlify.toml",
	    "[build\n"), NULL);
	assert_non_null(plan);
	assert_true(tells(plan, "netlify.toml is not understood"));
	assert_true(tells(plan, "line 1"));
	plan_free(plan);
}

static void
the_base_of_netlify_is_the_directory(void **state)
{
	static const char toml[] = "[build]\nbase = '/web/'\n"
				   "publish = 'web/out'\n";
	struct project *p = project_of(NULL, FILES("netlify.toml", toml));
	char *dir = settings_dir(p);
	struct plan *plan;

	assert_string_equal(dir, "web");
	free(dir);
	project_free(p);
	plan = plan_in("web", FILES("web/package.json", VITE, "netlify.toml",
	    toml), NULL);
	assert_non_null(plan);
	assert_string_equal(plan->dir, "web");
	assert_string_equal(plan->outputs[0], "out");
	plan_free(plan);
	plan = plan_in("docs", FILES("docs/package.json", VITE,
	    "netlify.toml", toml), NULL);
	assert_non_null(plan);
	assert_string_equal(plan->outputs[0], "dist");
	plan_free(plan);
	p = project_of(NULL, FILES("netlify.toml", "build.base = '../x'"));
	assert_null(settings_dir(p));
	project_free(p);
}

static void
vercel_json_says_what_is_built(void **state)
{
	struct plan *plan = plan_in(NULL, FILES("package.json", VITE,
	    "vercel.json", "{\"buildCommand\":\"make\",\"framework\":"
	    "\"vite\",\"installCommand\":\"\",\"outputDirectory\":\"o\","
	    "\"crons\":[],\"rewrites\":[{\"source\":\"/(.*)\","
	    "\"destination\":\"/index.html\"}],\"build\":{\"env\":{\"S\":"
	    "\"@secret\",\"T\":\"t\"}}}"), NULL);

	assert_non_null(plan);
	assert_string_equal(plan->build, "make");
	assert_null(plan->install);
	assert_string_equal(plan->outputs[0], "o");
	assert_string_equal(plan->rule, "vercel.json names it");
	assert_true(plan->spa);
	assert_true(list_has(plan->env, "T=t"));
	assert_true(tells(plan, "'S' is not honoured"));
	assert_true(tells(plan, "not honoured here: crons, rewrites"));
	plan_free(plan);
	plan = plan_in(NULL, FILES("package.json", VITE, "vercel.json",
	    "{\"framework\":\"flask\"}"), NULL);
	assert_non_null(plan);
	assert_string_equal(plan->framework, "vite");
	assert_true(tells(plan, "'flask', which is not known"));
	plan_free(plan);
}

static void
wrangler_says_where_the_site_is(void **state)
{
	struct plan *plan = plan_in(NULL, FILES("package.json", VITE,
	    "wrangler.toml", "name = 'x'\nmain = 'src/index.ts'\n"
	    "pages_build_output_dir = './o'\n[vars]\nV = 1\n"), NULL);

	assert_non_null(plan);
	assert_string_equal(plan->outputs[0], "o");
	assert_true(list_has(plan->env, "V=1"));
	assert_true(tells(plan, "not honoured here: main"));
	plan_free(plan);
	plan = plan_in(NULL, FILES("index.html", "", "wrangler.jsonc",
	    "{ // mine\n \"assets\": { \"directory\": \"./public/\","
	    "\"not_found_handling\": \"single-page-application\" } }"), NULL);
	assert_non_null(plan);
	assert_false(plan->container);
	assert_string_equal(plan->outputs[0], "public");
	assert_true(plan->spa);
	plan_free(plan);
}

/* What a plug-in of Netlify's turns into functions is no site. */
static void
other_platforms_servers_are_refused_all_the_same(void **state)
{
	static const char toml[] = "[build]\npublish = '.next'\n";
	struct plan *plan;

	assert_null(plan_in(NULL, FILES("package.json", NEXT, "netlify.toml",
	    toml), NULL));
	assert_int_equal(error.code, ERR_SERVER_FRAMEWORK);
	plan = plan_in(NULL, FILES("package.json", NEXT, "netlify.toml", toml,
	    "next.config.js", "export"), NULL);
	assert_non_null(plan);
	assert_true(list_has(plan->outputs, "out"));
	assert_false(plan->output_given);
	plan_free(plan);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(davit_json_is_believed_like_a_request),
		cmocka_unit_test(the_request_goes_before_all_files),
		cmocka_unit_test(a_slip_in_davit_json_is_an_error),
		cmocka_unit_test(netlify_toml_says_what_is_built),
		cmocka_unit_test(the_base_of_netlify_is_the_directory),
		cmocka_unit_test(vercel_json_says_what_is_built),
		cmocka_unit_test(wrangler_says_where_the_site_is),
		cmocka_unit_test(
		    other_platforms_servers_are_refused_all_the_same),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
