#include "worker/plan.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "worker/frameworks.h"
#include "worker/list.h"
#include "worker/manager.h"
#include "worker/nodeversion.h"
#include "worker/project.h"
#include "worker/settings.h"

/* Where a build of unknown kind may put its site; "public" comes last, since
 * it more often is a source. */
#define USUAL_OUTPUTS "dist build out _site www output public"

/* What many tools agree upon. */
#define USUAL_CACHES ".cache node_modules/.cache"

#define REQUEST "the request"

struct planning {
	const struct frameworks *table;
	const struct project *project;
	struct settings settings;
	const struct framework *chosen;
	struct manager manager;
	struct plan *plan;
};

static const char *
said(const struct planning *g, enum setting which)
{
	return g->settings.v[which].value;
}

/* It is said, and not to be empty. */
static bool
given(const struct planning *g, enum setting which)
{
	const char *s = said(g, which);

	return s != NULL && s[0] != '\0';
}

/* It is said to davit.  What is said to another platform is meant well, and
 * may be about a server there. */
static bool
firm(const struct planning *g, enum setting which)
{
	const char *source = g->settings.v[which].source;

	return given(g, which) && (strcmp(source, REQUEST) == 0 ||
				      strcmp(source, "davit.json") == 0);
}

static const char *
by(const struct planning *g, enum setting which)
{
	return g->settings.v[which].source;
}

/* ---- what it is ---- */

static int
no_such_framework(const struct planning *g, struct err *e)
{
	struct buf all = BUF_INIT;

	for (size_t i = 0; i < frameworks_count(g->table); i++)
		buf_addf(&all, " %s", frameworks_at(g->table, i)->id);
	err_set(e, ERR_INVALID, "framework: '%.60s' is not known; known are "
				"static%s", said(g, SET_FRAMEWORK),
	    buf_str(&all));
	buf_clear(&all);
	return -1;
}

/* Look at each rule; the highest rank wins, and within it the first. */
static void
detect(struct planning *g)
{
	struct plan *plan = g->plan;

	for (size_t i = 0; i < frameworks_count(g->table); i++) {
		const struct framework *f = frameworks_at(g->table, i);
		struct buf why = BUF_INIT;

		if (framework_matches(f, g->project, &why)) {
			list_addf(&plan->why, "%s matches: %s", f->name,
			    buf_str(&why));
			list_add(&plan->matched, f->id);
			if (g->chosen == NULL || f->rank > g->chosen->rank) {
				g->chosen = f;
				free(plan->rule);
				plan->rule = buf_take(&why);
			}
		}
		buf_clear(&why);
	}
}

static int
choose_framework(struct planning *g, struct err *e)
{
	const char *asked = said(g, SET_FRAMEWORK);

	if (!given(g, SET_FRAMEWORK)) {
		detect(g);
		return 0;
	}
	g->plan->rule = xasprintf("%s names it", by(g, SET_FRAMEWORK));
	if (strcmp(asked, "static") == 0)
		return 0;
	g->chosen = frameworks_find(g->table, asked);
	if (g->chosen != NULL)
		return 0;
	if (firm(g, SET_FRAMEWORK))
		return no_such_framework(g, e);
	list_addf(&g->plan->why, "warning: %s names the framework '%.60s', "
	    "which is not known", by(g, SET_FRAMEWORK), asked);
	free(g->plan->rule);
	g->plan->rule = NULL;
	detect(g);
	return 0;
}

/* A server's build is refused before its install is waited for; where the
 * request names the output, it is believed. */
static int
check_static(struct planning *g, struct err *e)
{
	struct buf why = BUF_INIT;
	int rc = 0;

	if (framework_is_static(g->chosen, g->project, &why))
		goto out;
	list_addf(&g->plan->why, "%s needs a server as it is set up: %s",
	    g->chosen->name, buf_str(&why));
	if (firm(g, SET_OUTPUT))
		list_addf(&g->plan->why,
		    "%s names the output: it is built all the same",
		    by(g, SET_OUTPUT));
	else
		rc = err_set(e, ERR_SERVER_FRAMEWORK,
		    "%s, as it is set up here, needs a server. %s",
		    g->chosen->name, g->chosen->refuse);
out:
	buf_clear(&why);
	return rc;
}

/* ---- how it is built ---- */

/* The script of package.json that builds it: the first preferred one that is
 * there; else "build", if what it runs is the framework's own command. */
static const char *
build_script(const struct planning *g)
{
	const struct framework *f = g->chosen;
	const char *text = project_script(g->project, "build");

	if (f == NULL || f->scripts == NULL)
		return text != NULL ? "build" : NULL;
	for (char **s = f->scripts; *s != NULL; s++)
		if (project_script(g->project, *s) != NULL)
			return *s;
	return text != NULL && f->build != NULL &&
		strstr(text, f->build) != NULL
	    ? "build"
	    : NULL;
}

/* Scripts that npm runs by itself after an install. */
static bool
has_install_scripts(const struct project *p)
{
	static const char *const names[] = { "preinstall", "install",
		"postinstall", "prepare" };

	for (size_t i = 0; i < 4; i++)
		if (project_script(p, names[i]) != NULL)
			return true;
	return false;
}

static bool
needs_install(const struct project *p)
{
	static const char *const fields[] = { "dependencies",
		"devDependencies", "optionalDependencies", "peerDependencies",
		"workspaces" };
	const struct json *package = project_package(p);

	for (size_t i = 0; i < 5; i++) {
		const struct json *field = json_get(package, fields[i]);
		char *text = field == NULL ? NULL : json_text(field);
		bool any = text != NULL && strcmp(text, "{}") != 0 &&
		    strcmp(text, "[]") != 0;

		free(text);
		if (any)
			return true;
	}
	return has_install_scripts(p);
}

static void
set_install(struct planning *g)
{
	struct plan *plan = g->plan;

	if (said(g, SET_INSTALL) != NULL) {
		plan->install = given(g, SET_INSTALL)
		    ? xstrdup(said(g, SET_INSTALL))
		    : NULL;
		list_addf(&plan->why, "install: as %s says",
		    by(g, SET_INSTALL));
	} else if (project_package(g->project) == NULL)
		list_add(&plan->why, "install: nothing, there is no "
				     "package.json");
	else if (!needs_install(g->project))
		list_add(&plan->why, "install: nothing, package.json has no "
				     "dependencies");
	else
		plan->install = manager_install(&g->manager);
}

static void
set_build(struct planning *g)
{
	const struct framework *f = g->chosen;
	struct plan *plan = g->plan;
	const char *script = build_script(g);

	if (said(g, SET_BUILD) != NULL) {
		plan->build = given(g, SET_BUILD)
		    ? xstrdup(said(g, SET_BUILD))
		    : NULL;
		list_addf(&plan->why, "build: as %s says", by(g, SET_BUILD));
	} else if (script != NULL) {
		plan->build = manager_run(&g->manager, script);
		list_addf(&plan->why, "build: script '%s' of package.json",
		    script);
	} else if (f != NULL && f->build != NULL) {
		plan->build = manager_exec(&g->manager, f->build);
		list_addf(&plan->why, "build: %s's own command, for there is "
				      "no script for it", f->name);
	} else if (f != NULL && f->command != NULL) {
		plan->build = xstrdup(f->command);
		list_addf(&plan->why, "build: %s's own command", f->name);
	}
}

/* ---- where the site comes out ---- */

/* A directory as people write it, "./dist/" or "../dist" seen from a source
 * directory below, as a path from the site's directory.  NULL for what cannot
 * be one. */
static char *
normal_directory(const char *text)
{
	size_t len;
	char *s;

	for (;;) {
		if (strncmp(text, "./", 2) == 0)
			text += 2;
		else if (strncmp(text, "../", 3) == 0)
			text += 3;
		else
			break;
	}
	len = strlen(text);
	while (len > 0 && text[len - 1] == '/')
		len--;
	s = xstrndup(text, len);
	if (len == 0 || strcmp(s, ".") == 0) {
		free(s);
		return xstrdup(".");
	}
	if (name_is_path(s))
		return s;
	free(s);
	return NULL;
}

static void
add_output(struct plan *plan, const char *text)
{
	char *dir = normal_directory(text);

	if (dir != NULL && !list_has(plan->outputs, dir))
		list_add(&plan->outputs, dir);
	free(dir);
}

static void
add_outputs(struct plan *plan, char *const *list)
{
	for (; list != NULL && *list != NULL; list++)
		add_output(plan, *list);
}

static int
set_given_output(struct planning *g, struct err *e)
{
	add_output(g->plan, said(g, SET_OUTPUT));
	g->plan->output_given = firm(g, SET_OUTPUT);
	list_addf(&g->plan->why, "output: as %s says", by(g, SET_OUTPUT));
	if (g->plan->outputs != NULL || !g->plan->output_given)
		return 0;
	return err_set(e, ERR_INVALID,
	    "output, as %s says: a directory inside the repository is needed",
	    by(g, SET_OUTPUT));
}

/* What the framework's configuration says.  A "." there is a
 * misunderstanding, while a request's is believed. */
static void
add_own_output(struct planning *g)
{
	char *text = framework_output(g->chosen, g->project);
	char *dir = text == NULL ? NULL : normal_directory(text);

	if (dir != NULL && strcmp(dir, ".") != 0) {
		list_addf(&g->plan->why,
		    "output: '%s', as the project's configuration says", dir);
		add_output(g->plan, dir);
	}
	free(dir);
	free(text);
}

static int
set_outputs(struct planning *g, struct err *e)
{
	const struct framework *f = g->chosen;
	struct plan *plan = g->plan;
	char **usual = NULL;

	if (given(g, SET_OUTPUT) && set_given_output(g, e) == -1)
		return -1;
	if (plan->output_given)
		return 0;
	if (f != NULL) {
		add_own_output(g);
		add_outputs(plan, f->outputs);
		return 0;
	}
	list_add_words(&usual, USUAL_OUTPUTS);
	add_outputs(plan, usual);
	list_free(usual);
	if (project_file(g->project, "index.html") != NULL)
		add_output(plan, ".");
	return 0;
}

/* ---- which Node ---- */

/* Take what is said as a version, as a range, or as "the best there is".
 * False where it is none of these, which is told. */
static bool
set_node(struct planning *g, const char *text, const char *source,
    int preferred)
{
	struct plan *plan = g->plan;
	const char *how = "";

	if (text == NULL || text[0] == '\0')
		return false;
	if (nodeversion_is_open(text)) {
		plan->node = preferred;
		how = ", which leaves it open";
	} else if ((plan->node = nodeversion_in_range(text, preferred)) == 0)
		plan->node = nodeversion_of(text);
	if (plan->node == 0) {
		list_addf(&plan->why, "warning: node: '%.40s', as %s says, is "
		    "not understood", text, source);
		return false;
	}
	plan->node_source = xasprintf("%s%s", source, how);
	return true;
}

static const char *
near_file(const struct planning *g, const char *name)
{
	const char *text = project_read(g->project, name);

	return text != NULL ? text : project_root_read(g->project, name);
}

static bool
set_node_of_tools(struct planning *g, int preferred)
{
	const char *text = near_file(g, ".tool-versions");
	char *version = text == NULL ? NULL : nodeversion_in_tools(text);
	bool set = set_node(g, version, ".tool-versions", preferred);

	free(version);
	return set;
}

static void
choose_node(struct planning *g, int preferred)
{
	const struct json *package = project_package(g->project);
	const struct json *volta = json_get_object(package, "volta");
	const struct json *engines = json_get_object(package, "engines");

	if (set_node(g, said(g, SET_NODE), by(g, SET_NODE), preferred) ||
	    set_node(g, near_file(g, ".nvmrc"), ".nvmrc", preferred) ||
	    set_node(g, near_file(g, ".node-version"), ".node-version",
		preferred) ||
	    set_node_of_tools(g, preferred) ||
	    set_node(g, json_get_string(volta, "node"),
		"volta in package.json", preferred) ||
	    set_node(g, json_get_string(engines, "node"),
		"engines in package.json", preferred))
		return;
	g->plan->node = preferred;
	g->plan->node_source = xstrdup("the default");
}

/* ---- the whole ---- */

/* A site that is there already.  False where nothing looks like one. */
static bool
plan_source(struct planning *g)
{
	struct plan *plan = g->plan;
	bool named = given(g, SET_FRAMEWORK);
	const char *where;

	if (given(g, SET_OUTPUT))
		where = said(g, SET_OUTPUT);
	else if (project_file(g->project, "index.html") != NULL)
		where = ".";
	else if (project_file(g->project, "public/index.html") != NULL)
		where = "public";
	else if (named)
		where = ".";
	else
		return false;
	if (plan->rule == NULL)
		plan->rule = given(g, SET_OUTPUT)
		    ? xasprintf("there is nothing to build, and %s names the "
				"output '%s'", by(g, SET_OUTPUT), where)
		    : xasprintf("there is nothing to build, and an "
				"index.html in '%s'", where);
	add_output(plan, where);
	plan->output_given = true;
	plan->spa = g->settings.spa;
	plan->framework = xstrdup("static");
	plan->name = xstrdup("static files");
	list_add(&plan->why, "the files are published as they are");
	if (project_package(g->project) != NULL)
		list_add(&plan->why, "package.json is there, but neither a "
				     "script 'build' nor a framework");
	return plan->outputs != NULL;
}

static void
name_it(struct planning *g)
{
	const struct framework *f = g->chosen;
	struct plan *plan = g->plan;

	plan->container = true;
	plan->framework = xstrdup(f != NULL ? f->id : "script");
	plan->name = xstrdup(f != NULL ? f->name : "a build command");
	plan->spa = (f != NULL && f->spa) || g->settings.spa;
	if (f != NULL) {
		list_add_list(&plan->env, f->env);
		list_add_list(&plan->immutable, f->immutable);
		list_add_list(&plan->caches, f->caches);
		plan->image = xstrdup_null(f->image);
	}
	list_add_words(&plan->caches, USUAL_CACHES);
	list_add_list(&plan->env, g->settings.env);
	if (plan->rule == NULL)
		plan->rule = given(g, SET_BUILD)
		    ? xasprintf("%s names a build command", by(g, SET_BUILD))
		    : xstrdup("package.json has a script 'build'");
	if (project_package(g->project) != NULL) {
		manager_choose(&g->manager, g->project, &plan->why);
		plan->manager = xstrdup(g->manager.name);
	} else
		g->manager.name = "npm";
}

static int
no_plan(const struct planning *g, struct err *e)
{
	const char *broken = project_broken(g->project);
	char *members = workspace_members(g->project);

	if (members != NULL)
		err_set(e, ERR_NO_PLAN,
		    "this is a workspace of several packages (%s); name the "
		    "directory of the site as 'dir'", members);
	free(members);
	if (members != NULL)
		return -1;
	if (broken != NULL)
		return err_set(e, ERR_NO_PLAN,
		    "package.json is not understood: %s", broken);
	if (project_package(g->project) != NULL)
		return err_set(e, ERR_NO_PLAN,
		    "package.json has neither a script 'build' nor a "
		    "framework that is known, and there is no index.html");
	return err_set(e, ERR_NO_PLAN,
	    "there is neither a package.json nor an index.html, nor the "
	    "configuration of a generator that is known");
}

static int
make_plan(struct planning *g, int node, struct err *e)
{
	bool as_it_is = given(g, SET_FRAMEWORK) &&
	    strcmp(said(g, SET_FRAMEWORK), "static") == 0;

	g->plan->dir = xstrdup(project_dir(g->project));
	if (settings_read(&g->settings, g->project, e) == -1)
		return -1;
	list_add_list(&g->plan->why, g->settings.why);
	if (choose_framework(g, e) == -1)
		return -1;
	if (g->chosen != NULL && check_static(g, e) == -1)
		return -1;
	if (as_it_is && !given(g, SET_BUILD))
		return plan_source(g) ? 0 : no_plan(g, e);
	if (g->chosen == NULL && !given(g, SET_BUILD) &&
	    !given(g, SET_INSTALL) &&
	    project_script(g->project, "build") == NULL)
		return project_broken(g->project) == NULL && plan_source(g)
		    ? 0
		    : no_plan(g, e);
	name_it(g);
	set_install(g);
	set_build(g);
	choose_node(g, node);
	return set_outputs(g, e);
}

static void
take_request(struct settings *s, const struct plan_request *r)
{
	const char *const values[NSETTINGS] = { r->framework, r->install,
		r->build, r->output, r->node };

	for (int i = 0; i < NSETTINGS; i++)
		settings_say(s, (enum setting)i, values[i], REQUEST);
}

struct plan *
plan_new(const struct frameworks *table, const struct project *project,
    const struct plan_request *request, int node, struct err *e)
{
	struct plan *plan = xcalloc(1, sizeof(*plan));
	struct planning g = { .table = table, .project = project,
		.plan = plan };
	int rc;

	take_request(&g.settings, request);
	rc = make_plan(&g, node, e);
	settings_clear(&g.settings);
	if (rc == 0)
		return plan;
	plan_free(plan);
	return NULL;
}

void
plan_free(struct plan *plan)
{
	if (plan == NULL)
		return;
	free(plan->framework);
	free(plan->name);
	free(plan->rule);
	free(plan->install);
	free(plan->build);
	free(plan->manager);
	free(plan->image);
	free(plan->node_source);
	free(plan->dir);
	list_free(plan->matched);
	list_free(plan->outputs);
	list_free(plan->env);
	list_free(plan->immutable);
	list_free(plan->caches);
	list_free(plan->why);
	free(plan);
}
