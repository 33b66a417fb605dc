#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "worker/frameworks.h"
#include "worker/list.h"
#include "worker/nodeversion.h"
#include "worker/plan.h"
#include "worker/project.h"

/* Files of a checkout: name, text, name, text, … NULL. */
#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define DEPS(deps) "{\"dependencies\":{" deps "}}"
#define BUILT(deps) \
	"{\"scripts\":{\"build\":\"x\"},\"devDependencies\":{" deps "}}"
#define PACKED(text) FILES("package.json", text)

static struct frameworks *table;
static struct err error;

static struct plan *
plan_in(const char *dir, const char *const *files,
    const struct plan_request *request)
{
	static const struct plan_request nothing;
	struct project *p = project_new(dir);
	struct plan *plan;

	for (; *files != NULL; files += 2)
		if (project_wants(p, files[0], frameworks_patterns(table)) > 0)
			project_add(p, files[0], files[1], strlen(files[1]));
	memset(&error, 0, sizeof(error));
	plan = plan_new(table, p, request == NULL ? &nothing : request, 22,
	    &error);
	project_free(p);
	return plan;
}

static struct plan *
plan_of(const char *const *files)
{
	return plan_in(NULL, files, NULL);
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* One line of expectation: framework, build command, first output. */
static void
expect(const char *const *files, const char *framework, const char *build,
    const char *output)
{
	struct plan *plan = plan_of(files);

	if (plan == NULL)
		print_error("%s: %s\n", framework, error.msg);
	assert_non_null(plan);
	if (!same(plan->framework, framework) || !same(plan->build, build) ||
	    !same(plan->outputs[0], output))
		print_error("wanted %s, %s, %s; got %s, %s, %s\n", framework,
		    build, output, plan->framework, plan->build,
		    plan->outputs[0]);
	assert_true(same(plan->framework, framework));
	assert_true(same(plan->build, build));
	assert_true(same(plan->outputs[0], output));
	plan_free(plan);
}

static void
expect_error(const char *const *files, enum err_code code, const char *words)
{
	assert_null(plan_of(files));
	assert_int_equal(error.code, code);
	if (strstr(error.msg, words) == NULL)
		print_error("%s\n", error.msg);
	assert_non_null(strstr(error.msg, words));
}

static void
common_frameworks_are_known_by_their_package(void **state)
{
	expect(PACKED(DEPS("\"vite\":\"5\"")), "vite",
	    "npx --no -- vite build", "dist");
	expect(PACKED(BUILT("\"react-scripts\":\"5\"")), "create-react-app",
	    "npm run build", "build");
	expect(PACKED(BUILT("\"@vue/cli-service\":\"5\"")), "vue-cli",
	    "npm run build", "dist");
	expect(PACKED(BUILT("\"astro\":\"4\",\"vite\":\"5\"")), "astro",
	    "npm run build", "dist");
	expect(PACKED(BUILT("\"gatsby\":\"5\"")), "gatsby", "npm run build",
	    "public");
	expect(PACKED(DEPS("\"@11ty/eleventy\":\"3\"")), "eleventy",
	    "npx --no -- eleventy", "_site");
	expect(PACKED(BUILT("\"@docusaurus/core\":\"3\"")), "docusaurus",
	    "npm run build", "build");
	expect(PACKED(DEPS("\"@angular/cli\":\"17\"")), "angular",
	    "npx --no -- ng build", "dist/*/browser");
	expect(FILES("hugo.toml", "title = 'x'"), "hugo",
	    "hugo --gc --minify", "public");
	expect(FILES("config.toml", "base_url = 'x'"), "zola", "zola build",
	    "public");
}

static void
a_bundler_loses_to_what_is_built_upon_it(void **state)
{
	expect(PACKED(BUILT("\"vite\":\"5\",\"@sveltejs/kit\":\"2\","
			     "\"@sveltejs/adapter-static\":\"3\"")),
	    "sveltekit", "npm run build", "build");
	expect(PACKED("{\"scripts\":{\"docs:build\":\"vitepress build docs\","
		       "\"build\":\"tsc\"},\"devDependencies\":"
		       "{\"vite\":\"5\",\"vitepress\":\"1\"}}"),
	    "vitepress", "npm run docs:build", "docs/.vitepress/dist");
	expect(PACKED(BUILT("\"vite\":\"5\",\"storybook\":\"8\"")), "vite",
	    "npm run build", "dist");
}

static void
servers_are_refused_with_what_to_do(void **state)
{
	static const char next[] = BUILT("\"next\":\"14\"");

	expect_error(PACKED(next), ERR_SERVER_FRAMEWORK, "output: 'export'");
	expect_error(FILES("package.json", next, "next.config.js",
	    "module.exports = { // output: 'export'\n }"),
	    ERR_SERVER_FRAMEWORK, "Next.js");
	expect_error(FILES("package.json", next, "next.config.js",
	    "module.exports = { output: 'standalone', a: 'export' }"),
	    ERR_SERVER_FRAMEWORK, "Next.js");
	expect_error(PACKED(BUILT("\"nuxt\":\"3\"")), ERR_SERVER_FRAMEWORK,
	    "nuxt generate");
	expect_error(PACKED(BUILT("\"@remix-run/react\":\"2\"")),
	    ERR_SERVER_FRAMEWORK, "ssr: false");
	expect_error(PACKED(BUILT("\"@sveltejs/kit\":\"2\"")),
	    ERR_SERVER_FRAMEWORK, "adapter-static");
	expect_error(FILES("package.json", BUILT("\"astro\":\"4\""),
	    "astro.config.mjs", "export default { output: 'server' }"),
	    ERR_SERVER_FRAMEWORK, "output: 'static'");
	expect_error(PACKED(DEPS("\"express\":\"4\"")), ERR_SERVER_FRAMEWORK,
	    "no server");
}

static void
their_static_kinds_are_built(void **state)
{
	static const char next[] = BUILT("\"next\":\"14\"");

	expect(FILES("package.json", next, "next.config.mjs",
	    "const c = {\n  output: 'export',\n}"), "next", "npm run build",
	    "out");
	expect(FILES("package.json", next, "next.config.ts",
	    "const c = { output: \"export\", distDir: 'build' }"), "next",
	    "npm run build", "build");
	expect(FILES("package.json", next, "next.config.js",
	    "output: process.env.CI ? 'export' : undefined"), "next",
	    "npm run build", "out");
	expect(PACKED("{\"scripts\":{\"generate\":\"nuxt generate\",\"build\":"
		       "\"nuxt build\"},\"dependencies\":{\"nuxt\":\"3\"}}"),
	    "nuxt", "npm run generate", ".output/public");
	expect(PACKED("{\"scripts\":{\"build\":\"nuxt generate\"},"
		       "\"dependencies\":{\"nuxt\":\"3\"}}"),
	    "nuxt", "npm run build", ".output/public");
	expect(FILES("package.json", BUILT("\"@react-router/dev\":\"7\""),
	    "react-router.config.ts", "export default { ssr: false }"),
	    "react-router", "npm run build", "build/client");
}

static void
the_projects_own_output_goes_first(void **state)
{
	static const char vite[] = BUILT("\"vite\":\"5\"");

	expect(FILES("package.json", vite, "vite.config.ts",
	    "root: 'src', build: { outDir: '../www/' }"), "vite",
	    "npm run build", "www");
	expect(FILES("package.json", vite, "vite.config.ts",
	    "outDir: '/etc/passwd'"), "vite", "npm run build", "dist");
	expect(FILES("package.json", vite, "vite.config.ts",
	    "outDir: '../..'"), "vite", "npm run build", "dist");
	expect(PACKED("{\"scripts\":{\"build\":\"vite build --outDir=o\"},"
		       "\"dependencies\":{\"vite\":\"5\"}}"),
	    "vite", "npm run build", "o");
}

static void
plain_files_need_no_container(void **state)
{
	struct plan *plan;

	expect(FILES("index.html", ""), "static", NULL, ".");
	expect(FILES("public/index.html", "", "README.md", ""), "static", NULL,
	    "public");
	expect(FILES("index.html", "", "package.json",
	    "{\"scripts\":{\"test\":\"x\"}}"), "static", NULL, ".");
	plan = plan_of(FILES("index.html", ""));
	assert_false(plan->container);
	assert_false(plan->spa);
	plan_free(plan);
	plan = plan_in(NULL, FILES("README.md", ""),
	    &(struct plan_request){ .framework = "static" });
	assert_non_null(plan);
	assert_string_equal(plan->outputs[0], ".");
	plan_free(plan);
}

static void
what_nobody_knows_is_told(void **state)
{
	expect_error(FILES("README.md", "x"), ERR_NO_PLAN, "neither a package");
	expect_error(PACKED("{}"), ERR_NO_PLAN, "a script 'build'");
	expect_error(PACKED("{\"scripts\":"), ERR_NO_PLAN, "not understood");
	expect_error(FILES("index.html", "", "package.json", "[1]"),
	    ERR_NO_PLAN, "not an object");
	assert_null(plan_in(NULL, FILES("index.html", ""),
	    &(struct plan_request){ .framework = "no; such" }));
	assert_int_equal(error.code, ERR_INVALID);
}

static void
any_build_script_will_do(void **state)
{
	struct plan *plan = plan_of(FILES("package.json", BUILT(""),
	    "index.html", ""));

	assert_string_equal(plan->framework, "script");
	assert_null(plan->install);
	assert_true(list_has(plan->outputs, "dist"));
	assert_true(list_has(plan->outputs, "public"));
	assert_string_equal(plan->outputs[list_count(plan->outputs) - 1], ".");
	plan_free(plan);
}

static void
the_requests_word_is_the_last(void **state)
{
	const struct plan_request request = { .install = "make deps",
		.build = "make", .output = "./o/", .node = "20" };
	const struct plan_request none = { .install = "", .output = "www" };
	struct plan *plan;

	plan = plan_in(NULL, PACKED(BUILT("\"next\":\"14\"")), &request);
	assert_non_null(plan);
	assert_string_equal(plan->framework, "next");
	assert_string_equal(plan->install, "make deps");
	assert_string_equal(plan->build, "make");
	assert_string_equal(plan->outputs[0], "o");
	assert_null(plan->outputs[1]);
	assert_int_equal(plan->node, 20);
	plan_free(plan);
	plan = plan_in(NULL, PACKED(BUILT("\"vite\":\"5\"")), &none);
	assert_null(plan->install);
	assert_string_equal(plan->build, "npm run build");
	plan_free(plan);
	plan = plan_in(NULL, FILES("README.md", ""), &request);
	assert_string_equal(plan->framework, "script");
	plan_free(plan);
	plan = plan_in(NULL, FILES("index.html", "", "astro.config.mjs", ""),
	    &(struct plan_request){ .framework = "vite" });
	assert_string_equal(plan->framework, "vite");
	plan_free(plan);
}

static void
expect_manager(const char *dir, const char *const *files, const char *install,
    const char *build)
{
	struct plan *plan = plan_in(dir, files, NULL);

	assert_non_null(plan);
	assert_string_equal(plan->install, install);
	assert_string_equal(plan->build, build);
	plan_free(plan);
}

static void
the_package_manager_is_the_projects(void **state)
{
	static const char p[] = DEPS("\"vite\":\"5\"");
	static const char asked[] = "{\"packageManager\":\"yarn@4.1.0\","
				    "\"scripts\":{\"build\":\"x\"},"
				    "\"dependencies\":{\"vite\":\"5\"}}";

	expect_manager(NULL, FILES("package.json", p), "npm install",
	    "npx --no -- vite build");
	expect_manager(NULL, FILES("package.json", p, "package-lock.json", ""),
	    "npm ci", "npx --no -- vite build");
	expect_manager(NULL, FILES("package.json", p, "pnpm-lock.yaml", "",
	    "package-lock.json", ""), "pnpm install --frozen-lockfile",
	    "pnpm exec vite build");
	expect_manager(NULL, FILES("package.json", p, "yarn.lock",
	    "# yarn lockfile v1\n"), "yarn install --frozen-lockfile",
	    "yarn run vite build");
	expect_manager(NULL, FILES("package.json", p, "yarn.lock",
	    "# x\n\n__metadata:\n  version: 8\n"), "yarn install --immutable",
	    "yarn run vite build");
	expect_manager(NULL, FILES("package.json", asked, "package-lock.json",
	    ""), "yarn install --no-immutable", "yarn run build");
	expect_manager(NULL, FILES("package.json", p, "bun.lockb", ""),
	    "npm install", "npx --no -- vite build");
}

static void
a_workspace_has_its_lock_file_at_the_root(void **state)
{
	static const char p[] = DEPS("\"vite\":\"5\"");

	expect_manager("web/site", FILES("web/site/package.json", p,
	    "pnpm-workspace.yaml", "packages:\n- web/*\n",
	    "pnpm-lock.yaml", ""),
	    "pnpm install --frozen-lockfile", "pnpm exec vite build");
	expect_manager("site", FILES("site/package.json", p, "package.json",
	    "{\"workspaces\":[\"site\"]}", "package-lock.json", ""),
	    "npm ci --prefix ..", "npx --no -- vite build");
	expect_manager("a/b", FILES("a/b/package.json", p, "package.json",
	    "{\"packageManager\":\"pnpm@9.0.0\",\"workspaces\":"
	    "{\"packages\":[\"a/**\"]}}"),
	    "pnpm install --no-frozen-lockfile", "pnpm exec vite build");
	expect_manager("site", FILES("site/package.json", p, "package.json",
	    "{}", "pnpm-lock.yaml", ""), "npm install",
	    "npx --no -- vite build");
}

static void
what_is_no_member_has_nothing_of_the_workspace(void **state)
{
	static const char p[] = DEPS("\"vite\":\"5\"");

	expect_manager("docs", FILES("docs/package.json", p, "package.json",
	    "{\"workspaces\":[\"packages/*\"]}", "package-lock.json", ""),
	    "npm install", "npx --no -- vite build");
	expect_manager("docs", FILES("docs/package.json", p,
	    "docs/pnpm-lock.yaml", "", "pnpm-workspace.yaml",
	    "catalog:\n  a: 1\npackages:\n  - 'apps/*' # all\n  - \"!docs\"\n"
	    "other:\n  - docs\n"),
	    "pnpm install --frozen-lockfile --ignore-workspace",
	    "pnpm exec vite build");
	expect_manager("apps/a", FILES("apps/a/package.json", p,
	    "pnpm-lock.yaml", "", "pnpm-workspace.yaml",
	    "packages: [ 'apps/*' ]"),
	    "pnpm install --frozen-lockfile", "pnpm exec vite build");
	expect_error(FILES("package.json", "{\"workspaces\":[\"apps/*\"]}",
	    "apps/a/package.json", p), ERR_NO_PLAN,
	    "(apps/*); name the directory");
}

static void
no_lint_warning_fails_create_react_app(void **state)
{
	struct plan *plan = plan_of(PACKED(DEPS("\"react-scripts\":\"5\"")));

	assert_true(list_has(plan->env, "CI=false"));
	assert_true(plan->spa);
	plan_free(plan);
}

static void
node_is_the_one_that_is_asked_for(void **state)
{
	struct plan *plan = plan_of(PACKED("{\"scripts\":{\"build\":\"x\"},"
	    "\"engines\":{\"node\":\">=18 <21\"}}"));

	assert_int_equal(plan->node, 20);
	assert_string_equal(plan->node_source, "engines in package.json");
	plan_free(plan);
	plan = plan_of(FILES("package.json", BUILT(""), ".nvmrc",
	    "v18.17.0\n"));
	assert_int_equal(plan->node, 18);
	assert_string_equal(plan->node_source, ".nvmrc");
	plan_free(plan);
	plan = plan_of(FILES("package.json", BUILT(""), ".tool-versions",
	    "# mine\nruby 3.2\nnodejs 20.11.0\n"));
	assert_int_equal(plan->node, 20);
	assert_string_equal(plan->node_source, ".tool-versions");
	plan_free(plan);
	plan = plan_of(FILES("package.json", BUILT(""), ".nvmrc", "lts/*"));
	assert_int_equal(plan->node, 22);
	assert_string_equal(plan->node_source, ".nvmrc, which leaves it open");
	plan_free(plan);
	plan = plan_of(FILES("package.json", "{\"scripts\":{\"build\":\"x\"},"
	    "\"engines\":{\"node\":\"8.x\"}}", ".nvmrc", "none"));
	assert_int_equal(plan->node, 8);
	assert_true(list_has(plan->why, "warning: node: 'none', as .nvmrc "
	    "says, is not understood"));
	plan_free(plan);
	assert_int_equal(nodeversion_of("lts/iron"), 20);
	assert_int_equal(nodeversion_of("lts/*"), 0);
	assert_int_equal(nodeversion_of("node"), 0);
	assert_int_equal(nodeversion_of("22.1"), 22);
	assert_int_equal(nodeversion_of("99999999999"), 0);
	assert_int_equal(nodeversion_in_range("*", 22), 22);
	assert_int_equal(nodeversion_in_range(">=18", 22), 22);
	assert_int_equal(nodeversion_in_range("^18 || ^20", 22), 20);
	assert_int_equal(nodeversion_in_range("^18.1.0||>=24", 22), 24);
	assert_int_equal(nodeversion_in_range("18.x", 22), 18);
	assert_int_equal(nodeversion_in_range("18 - 20", 22), 20);
	assert_int_equal(nodeversion_in_range("<22.0.0", 22), 20);
	assert_int_equal(nodeversion_in_range(">= 16.0 < 19", 22), 18);
	assert_int_equal(nodeversion_in_range("8.x", 22), 0);
	assert_int_equal(nodeversion_in_range("|| |", 22), 22);
}

static void
the_nearest_version_is_tried_first(void **state)
{
	assert_int_equal(nodeversion_near(16, 0), 18);
	assert_int_equal(nodeversion_near(16, 3), 24);
	assert_int_equal(nodeversion_near(16, 4), 0);
	assert_int_equal(nodeversion_near(21, 0), 22);
	assert_int_equal(nodeversion_near(21, 1), 20);
	assert_int_equal(nodeversion_near(26, 0), 24);
}

static void
a_plan_tells_all_of_itself(void **state)
{
	struct plan *plan = plan_of(PACKED(DEPS("\"vite\":\"5\"")));
	struct json *j = plan_to_json(plan);
	struct buf text = BUF_INIT;

	assert_string_equal(json_get_string(j, "framework"), "vite");
	assert_string_equal(json_get_string(j, "rule"),
	    "package.json depends on vite");
	assert_int_equal(json_count(json_get_array(j, "matched")), 1);
	assert_string_equal(json_get_string(j, "install"), "npm install");
	assert_string_equal(json_get_string(j, "output"), "dist");
	assert_string_equal(json_get_string(j, "node"), "22");
	assert_true(json_get_bool(j, "spa", false));
	plan_print(plan, &text);
	assert_non_null(strstr(buf_str(&text), "package.json depends on vite"));
	buf_clear(&text);
	json_free(j);
	plan_free(plan);
}

static int
load(void **state)
{
	const char *top = getenv("top_srcdir");
	char dir[4096];

	snprintf(dir, sizeof(dir), "%s/worker", top == NULL ? "." : top);
	setenv("DAVIT_PKGDATADIR", dir, 1);
	table = frameworks_load(&error);
	return table == NULL ? -1 : 0;
}

static int
unload(void **state)
{
	frameworks_free(table);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(common_frameworks_are_known_by_their_package),
		cmocka_unit_test(a_bundler_loses_to_what_is_built_upon_it),
		cmocka_unit_test(servers_are_refused_with_what_to_do),
		cmocka_unit_test(their_static_kinds_are_built),
		cmocka_unit_test(the_projects_own_output_goes_first),
		cmocka_unit_test(plain_files_need_no_container),
		cmocka_unit_test(what_nobody_knows_is_told),
		cmocka_unit_test(any_build_script_will_do),
		cmocka_unit_test(the_requests_word_is_the_last),
		cmocka_unit_test(the_package_manager_is_the_projects),
		cmocka_unit_test(a_workspace_has_its_lock_file_at_the_root),
		cmocka_unit_test(
		    what_is_no_member_has_nothing_of_the_workspace),
		cmocka_unit_test(no_lint_warning_fails_create_react_app),
		cmocka_unit_test(node_is_the_one_that_is_asked_for),
		cmocka_unit_test(the_nearest_version_is_tried_first),
		cmocka_unit_test(a_plan_tells_all_of_itself),
	};

	return cmocka_run_group_tests_name("plan", tests, load, unload);
}
