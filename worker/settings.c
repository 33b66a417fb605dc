#include "worker/settings.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/toml.h"
#include "worker/list.h"
#include "worker/project.h"

/* One file that is read. */
struct reading {
	struct settings *settings;
	const struct project *project;
	const struct source *source;
	const struct json *root;
};

/* How the files differ.  known: what is used or does no harm; the other keys
 * are told. */
struct source {
	const char *file;
	bool toml;
	const char *(*dir)(const struct json *root);
	void (*read)(struct reading *);
	const char *const *known;
};

void
settings_say(struct settings *s, enum setting which, const char *value,
    const char *source)
{
	if (value == NULL || s->v[which].value != NULL ||
	    strlen(value) > COMMAND_MAX_BYTES)
		return;
	s->v[which].value = xstrdup(value);
	s->v[which].source = source;
}

void
settings_clear(struct settings *s)
{
	for (int i = 0; i < NSETTINGS; i++)
		free(s->v[i].value);
	list_free(s->env);
	list_free(s->why);
	memset(s, 0, sizeof(*s));
}

/* ---- what files have in common ---- */

static void
say(struct reading *r, enum setting which, const char *value)
{
	settings_say(r->settings, which, value, r->source->file);
}

static bool
has_env(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env != NULL && *env != NULL; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return true;
	return false;
}

static int
add_env(void *arg, const char *name, const struct json *value)
{
	struct reading *r = arg;
	const char *text = json_as_string(value);
	char *other = NULL;

	if (text == NULL && !json_is_object(value))
		text = other = json_text(value);
	if (text == NULL || !name_is_env(name) || text[0] == '@' ||
	    strlen(text) > COMMAND_MAX_BYTES ||
	    list_count(r->settings->env) >= ENV_MAX_COUNT)
		list_addf(&r->settings->why, "warning: %s: the variable "
		    "'%.60s' is not honoured", r->source->file, name);
	else if (strcmp(name, "NODE_VERSION") == 0)
		say(r, SET_NODE, text);
	else if (!has_env(r->settings->env, name))
		list_addf(&r->settings->env, "%s=%s", name, text);
	free(other);
	return 0;
}

struct telling {
	const struct source *source;
	struct buf words;
};

static int
tell_unknown(void *arg, const char *key, const struct json *value)
{
	struct telling *t = arg;

	for (const char *const *k = t->source->known; *k != NULL; k++)
		if (strcmp(*k, key) == 0)
			return 0;
	if (t->words.len < COMMAND_MAX_BYTES)
		buf_addf(&t->words, "%s%.60s", t->words.len > 0 ? ", " : "",
		    key);
	return 0;
}

static void
tell_unknowns(struct reading *r)
{
	struct telling t = { .source = r->source };

	json_each(r->root, tell_unknown, &t);
	if (t.words.len > 0)
		list_addf(&r->settings->why, "warning: %s: not honoured here: "
		    "%s", r->source->file, buf_str(&t.words));
	buf_clear(&t.words);
}

static bool
is_index(const char *to)
{
	return to != NULL && (strcmp(to, "/index.html") == 0 ||
				 strcmp(to, "/") == 0);
}

/* ---- davit.json ---- */

static const char *
dir_of_davit(const struct json *root)
{
	return json_get_string(root, "dir");
}

static void
read_davit(struct reading *r)
{
	static const char *const names[NSETTINGS] = { "framework", "install",
		"build", "output", "node" };

	for (int i = 0; i < NSETTINGS; i++)
		say(r, (enum setting)i, json_get_string(r->root, names[i]));
	json_each(json_get_object(r->root, "env"), add_env, r);
	r->settings->spa |= json_get_bool(r->root, "spa", false);
}

static int
check_env(void *e, const char *name, const struct json *value)
{
	if (name_is_env(name) && json_as_string(value) != NULL)
		return 0;
	return err_set(e, ERR_INVALID, "env: '%.60s': a name and a string are "
	    "needed", name);
}

/* It is ours, and so a slip in it is told as in a request. */
static int
check_davit(const struct json *root, struct err *e)
{
	static const char *const known[] = { "framework", "install", "build",
		"output", "node", "dir", "env", "spa", NULL };
	const struct json *env;
	const char *text;
	bool spa;

	if (!json_is_object(root))
		return err_set(e, ERR_INVALID, "an object is needed");
	if (json_only(root, known, e) == -1 ||
	    json_want_bool(root, "spa", &spa, e) == -1 ||
	    json_want_object(root, "env", &env, e) == -1)
		return -1;
	for (int i = 0; i < 6; i++)
		if (json_want_string(root, known[i], false,
			COMMAND_MAX_BYTES, &text, e) == -1)
			return -1;
	return json_each(env, check_env, e);
}

/* ---- netlify.toml ---- */

static const char *
dir_of_netlify(const struct json *root)
{
	return json_get_string(json_get_object(root, "build"), "base");
}

/* "publish" is seen from "base", but many repeat it. */
static const char *
publish_of(const struct reading *r, const struct json *in)
{
	const char *dir = project_dir(r->project);
	const char *text = json_get_string(in, "publish");
	size_t len = strlen(dir);

	if (text == NULL)
		return NULL;
	text += strspn(text, "/");
	return len > 0 && strncmp(text, dir, len) == 0 && text[len] == '/'
	    ? text + len + 1
	    : text;
}

static void
read_netlify_build(struct reading *r, const struct json *in)
{
	static const char *const lost[] = { "functions", "edge_functions" };

	say(r, SET_BUILD, json_get_string(in, "command"));
	say(r, SET_OUTPUT, publish_of(r, in));
	json_each(json_get_object(in, "environment"), add_env, r);
	for (size_t i = 0; i < 2; i++)
		if (json_get(in, lost[i]) != NULL)
			list_addf(&r->settings->why, "warning: netlify.toml: "
			    "not honoured here: build.%s", lost[i]);
}

/* The usual rule of single-page applications: all there is to index.html. */
static void
find_fallback(struct reading *r)
{
	const struct json *rules = json_get_array(r->root, "redirects");

	for (size_t i = 0; i < json_count(rules); i++) {
		const struct json *rule = json_at(rules, i);
		const char *from = json_get_string(rule, "from");

		if (from != NULL && strcmp(from, "/*") == 0 &&
		    json_get_int(rule, "status", 301) == 200 &&
		    is_index(json_get_string(rule, "to")))
			r->settings->spa = true;
	}
}

static void
read_netlify(struct reading *r)
{
	const struct json *production;

	production = json_get_object(json_get_object(r->root, "context"),
	    "production");
	read_netlify_build(r, production);
	read_netlify_build(r, json_get_object(r->root, "build"));
	find_fallback(r);
}

static const char *const netlify_known[] = { "build", "context", "dev",
	"template", NULL };

/* ---- vercel.json ---- */

/* Its names of frameworks, where the table has others. */
static const char *
framework_of_vercel(const char *slug)
{
	static const struct {
		const char *slug, *id;
	} names[] = { { "nextjs", "next" }, { "nuxtjs", "nuxt" },
		{ "docusaurus-2", "docusaurus" },
		{ "docusaurus", "docusaurus-1" }, { "vue", "vue-cli" },
		{ "preact", "preact-cli" }, { "umijs", "umi" },
		{ "svelte", "svelte" }, { "sveltekit-1", "sveltekit" },
		{ "redwoodjs", "redwood" }, { "blitzjs", "next" },
		{ "sanity-v3", "sanity" }, { "storybook", "storybook" },
		{ "ionic-react", "create-react-app" },
		{ "solidstart-1", "solidstart" } };

	for (size_t i = 0; slug != NULL && i < sizeof(names) / sizeof(*names);
	     i++)
		if (strcmp(names[i].slug, slug) == 0)
			return names[i].id;
	return slug;
}

/* A rule for all paths: "/(.*)", "/:path*", "/((?!api/).*)". */
static void
find_rewrite(struct reading *r)
{
	const struct json *rules = json_get_array(r->root, "rewrites");

	for (size_t i = 0; i < json_count(rules); i++) {
		const struct json *rule = json_at(rules, i);
		const char *from = json_get_string(rule, "source");

		if (from != NULL && strpbrk(from, "*") != NULL &&
		    (strncmp(from, "/(", 2) == 0 ||
			strncmp(from, "/:", 2) == 0) &&
		    is_index(json_get_string(rule, "destination")))
			r->settings->spa = true;
	}
}

static void
read_vercel(struct reading *r)
{
	const struct json *build = json_get_object(r->root, "build");

	say(r, SET_FRAMEWORK,
	    framework_of_vercel(json_get_string(r->root, "framework")));
	say(r, SET_INSTALL, json_get_string(r->root, "installCommand"));
	say(r, SET_BUILD, json_get_string(r->root, "buildCommand"));
	say(r, SET_OUTPUT, json_get_string(r->root, "outputDirectory"));
	json_each(json_get_object(build, "env"), add_env, r);
	find_rewrite(r);
}

static const char *const vercel_known[] = { "$schema", "version", "name",
	"public", "github", "git", "devCommand", "ignoreCommand", "regions",
	"alias", "scope", "cleanUrls", "framework", "installCommand",
	"buildCommand", "outputDirectory", "build", NULL };

/* ---- wrangler.toml ---- */

static void
read_wrangler(struct reading *r)
{
	const struct json *assets = json_get_object(r->root, "assets");
	const char *missing = json_get_string(assets, "not_found_handling");

	say(r, SET_OUTPUT, json_get_string(r->root, "pages_build_output_dir"));
	say(r, SET_OUTPUT, json_get_string(assets, "directory"));
	say(r, SET_OUTPUT, json_get_string(json_get_object(r->root, "site"),
	    "bucket"));
	say(r, SET_BUILD, json_get_string(json_get_object(r->root, "build"),
	    "command"));
	json_each(json_get_object(r->root, "vars"), add_env, r);
	if (missing != NULL &&
	    strcmp(missing, "single-page-application") == 0)
		r->settings->spa = true;
}

static const char *const wrangler_known[] = { "$schema", "name",
	"compatibility_date", "compatibility_flags", "account_id",
	"workers_dev", "preview_urls", "observability", "placement",
	"send_metrics", "dev", "minify", "upload_source_maps", "env",
	"logpush", "build", "assets", "site", "vars",
	"pages_build_output_dir", NULL };

/* ---- the whole ---- */

static const char *const davit_known[] = { NULL };

static const struct source sources[] = {
	{ "davit.json", false, dir_of_davit, read_davit, davit_known },
	{ "netlify.toml", true, dir_of_netlify, read_netlify, netlify_known },
	{ "vercel.json", false, NULL, read_vercel, vercel_known },
	{ "wrangler.toml", true, NULL, read_wrangler, wrangler_known },
	{ "wrangler.json", false, NULL, read_wrangler, wrangler_known },
	{ "wrangler.jsonc", false, NULL, read_wrangler, wrangler_known },
};
#define NSOURCES (sizeof(sources) / sizeof(sources[0]))
#define IS_DAVIT(source) ((source) == &sources[0])

static struct json *
parse(const struct source *source, const char *text, struct err *e)
{
	return source->toml ? toml_parse(text, strlen(text), e)
			    : json_parse(text, strlen(text), e);
}

/* "./web/" as "web".  Owned by the caller; NULL: no directory below. */
static char *
dir_in(const struct source *source, const struct json *root)
{
	const char *text = source->dir == NULL ? NULL : source->dir(root);
	size_t len;
	char *dir;

	if (text == NULL)
		return NULL;
	if (strncmp(text, "./", 2) == 0)
		text++;
	text += strspn(text, "/");
	for (len = strlen(text); len > 0 && text[len - 1] == '/'; len--)
		continue;
	dir = xstrndup(text, len);
	if (name_is_path(dir))
		return dir;
	free(dir);
	return NULL;
}

char *
settings_dir(const struct project *p)
{
	char *dir = NULL;

	for (size_t i = 0; i < NSOURCES && dir == NULL; i++) {
		const char *text = project_root_read(p, sources[i].file);
		struct json *root = text == NULL
		    ? NULL
		    : parse(&sources[i], text, NULL);

		dir = dir_in(&sources[i], root);
		json_free(root);
	}
	return dir;
}

/* The file beside the site; or the one at the root, where that says that the
 * site is here. */
static struct json *
open_source(const struct project *p, const struct source *source,
    struct err *e)
{
	const char *text = project_read(p, source->file);
	struct json *root;
	char *dir;
	bool here;

	if (text != NULL)
		return parse(source, text, e);
	text = project_root_read(p, source->file);
	if (text == NULL || (root = parse(source, text, e)) == NULL)
		return NULL;
	dir = dir_in(source, root);
	here = dir != NULL && strcmp(dir, project_dir(p)) == 0;
	free(dir);
	if (here)
		return root;
	json_free(root);
	return NULL;
}

static int
read_source(struct settings *s, const struct project *p,
    const struct source *source, struct err *e)
{
	struct err why = { .code = ERR_NONE };
	struct json *root = open_source(p, source, &why);
	struct reading r = { s, p, source, root };
	int rc = 0;

	if (root != NULL && IS_DAVIT(source))
		rc = check_davit(root, &why);
	if (IS_DAVIT(source) && why.code != ERR_NONE) {
		rc = err_set(e, why.code, "%s: %.400s", source->file, why.msg);
	} else if (why.code != ERR_NONE)
		list_addf(&s->why, "warning: %s is not understood, and not "
		    "used: %s", source->file, why.msg);
	else if (root != NULL) {
		list_addf(&s->why, "%s is there, and used", source->file);
		source->read(&r);
		if (!IS_DAVIT(source))
			tell_unknowns(&r);
	}
	json_free(root);
	return rc;
}

int
settings_read(struct settings *s, const struct project *p, struct err *e)
{
	for (size_t i = 0; i < NSOURCES; i++)
		if (read_source(s, p, &sources[i], e) == -1)
			return -1;
	return 0;
}
