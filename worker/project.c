#include "worker/project.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"

/* Of a lock file, its head tells the version.  Expressions are matched against
 * configurations, which costs the square of their length at worst: longer ones
 * are looked at in part. */
#define HEAD_BYTES 4096
#define CONFIG_MAX_BYTES (32 * 1024)

/* What a repository says of its own build. */
#define SETTINGS_MAX_BYTES (64 * 1024)

/* Patterns with a * may match what a hostile repository has many of. */
#define MAX_FILES 64

struct file {
	char *name;		/* relative to dir, or to the root */
	char *text;
	bool at_root;		/* of the repository, where dir is elsewhere */
};

struct project {
	char *dir;		/* "" or ends in "/" */
	char *name;		/* the same without it */
	struct file *files;
	size_t nfiles;
	struct json *package;
	struct err broken;	/* why package.json is not understood */
};

/* What each project is asked for. */
static const struct {
	const char *name;
	size_t bytes;
	bool at_root;	/* there too */
} asked[] = {
	{ "package.json", PLAN_FILE_MAX_BYTES, true },
	{ "package-lock.json", HEAD_BYTES, true },
	{ "npm-shrinkwrap.json", HEAD_BYTES, true },
	{ "pnpm-lock.yaml", HEAD_BYTES, true },
	{ "pnpm-workspace.yaml", HEAD_BYTES, true },
	{ "yarn.lock", HEAD_BYTES, true },
	{ ".yarnrc.yml", HEAD_BYTES, true },
	{ "bun.lock", HEAD_BYTES, true },
	{ "bun.lockb", HEAD_BYTES, true },
	{ ".nvmrc", HEAD_BYTES, true },
	{ ".node-version", HEAD_BYTES, true },
	{ ".tool-versions", HEAD_BYTES, true },
	{ "davit.json", SETTINGS_MAX_BYTES, true },
	{ "netlify.toml", SETTINGS_MAX_BYTES, true },
	{ "vercel.json", SETTINGS_MAX_BYTES, false },
	{ "wrangler.toml", SETTINGS_MAX_BYTES, false },
	{ "wrangler.json", SETTINGS_MAX_BYTES, false },
	{ "wrangler.jsonc", SETTINGS_MAX_BYTES, false },
	{ "index.html", HEAD_BYTES, false },
	{ "public/index.html", HEAD_BYTES, false },
};
#define NASKED (sizeof(asked) / sizeof(asked[0]))

struct project *
project_new(const char *dir)
{
	struct project *p = xcalloc(1, sizeof(*p));

	p->dir = dir == NULL || dir[0] == '\0' ? xstrdup("")
					       : xasprintf("%s/", dir);
	p->name = xstrdup(dir == NULL ? "" : dir);
	return p;
}

void
project_free(struct project *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->nfiles; i++) {
		free(p->files[i].name);
		free(p->files[i].text);
	}
	free(p->files);
	json_free(p->package);
	free(p->dir);
	free(p->name);
	free(p);
}

/* ---- gathering ---- */

/* The path relative to dir; to the root with *at_root set where it is
 * elsewhere. */
static const char *
relative(const struct project *p, const char *path, bool *at_root)
{
	size_t len = strlen(p->dir);

	*at_root = strncmp(path, p->dir, len) != 0;
	return *at_root ? path : path + len;
}

static bool
matches(const char *pattern, const char *name)
{
	return fnmatch(pattern, name, FNM_PATHNAME | FNM_PERIOD) == 0;
}

size_t
project_wants(const struct project *p, const char *path,
    const char *const *patterns)
{
	bool at_root;
	const char *name = relative(p, path, &at_root);

	if (p->nfiles == MAX_FILES)
		return 0;
	for (size_t i = 0; i < NASKED; i++)
		if (strcmp(asked[i].name, name) == 0 &&
		    (!at_root || asked[i].at_root))
			return asked[i].bytes;
	for (; !at_root && patterns != NULL && *patterns != NULL; patterns++)
		if (matches(*patterns, name))
			return CONFIG_MAX_BYTES;
	return 0;
}

static bool
is_script(const char *name)
{
	static const char *const endings[] = { ".js", ".mjs", ".cjs", ".ts",
		".mts", ".cts", ".jsonc" };
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && i < 7; i++)
		if (strcmp(dot, endings[i]) == 0)
			return true;
	return false;
}

/* The end of the string literal that starts at s; a line's end also ends what
 * is none. */
static const char *
skip_string(const char *s)
{
	char quote = *s++;

	while (*s != '\0' && *s != quote && (*s != '\n' || quote == '`'))
		s += s[0] == '\\' && s[1] != '\0' ? 2 : 1;
	return *s == '\0' ? s : s + 1;
}

/* Blank out comments in place.  A regular expression that holds a quote or
 * two slashes is misread; what follows on its line may be lost. */
static void
drop_comments(char *s)
{
	char *end;

	while (*s != '\0') {
		if (*s == '"' || *s == '\'' || *s == '`') {
			s = (char *)(uintptr_t)skip_string(s);
			continue;
		}
		if (s[0] == '/' && s[1] == '/')
			end = s + strcspn(s, "\n");
		else if (s[0] == '/' && s[1] == '*')
			end = (end = strstr(s + 2, "*/")) == NULL
			    ? s + strlen(s)
			    : end + 2;
		else {
			s++;
			continue;
		}
		memset(s, ' ', (size_t)(end - s));
		s = end;
	}
}

static void
read_package(struct project *p, const char *text)
{
	/* Editors of Windows put a byte order mark there. */
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	p->package = json_parse(text, strlen(text), &p->broken);
	if (p->package != NULL && !json_is_object(p->package)) {
		json_free(p->package);
		p->package = NULL;
		err_set(&p->broken, ERR_INVALID, "it is not an object");
	}
}

void
project_add(struct project *p, const char *path, const char *text, size_t len)
{
	struct file *f;
	bool at_root;
	const char *name = relative(p, path, &at_root);

	if (p->nfiles == MAX_FILES)
		return;
	p->files = xreallocarray(p->files, p->nfiles + 1, sizeof(*f));
	f = &p->files[p->nfiles++];
	f->name = xstrdup(name);
	f->text = xstrndup(text, len);
	f->at_root = at_root;
	if (is_script(name))
		drop_comments(f->text);
	if (!at_root && strcmp(name, "package.json") == 0 &&
	    p->package == NULL)
		read_package(p, f->text);
}

/* ---- asking ---- */

const char *
project_dir(const struct project *p)
{
	return p->name;
}

static const struct file *
find(const struct project *p, const char *pattern, bool at_root)
{
	for (size_t i = 0; i < p->nfiles; i++)
		if (p->files[i].at_root == at_root &&
		    matches(pattern, p->files[i].name))
			return &p->files[i];
	return NULL;
}

const char *
project_file(const struct project *p, const char *pattern)
{
	const struct file *f = find(p, pattern, false);

	return f == NULL ? NULL : f->name;
}

const char *
project_read(const struct project *p, const char *name)
{
	const struct file *f = find(p, name, false);

	return f == NULL ? NULL : f->text;
}

const char *
project_root_file(const struct project *p, const char *pattern)
{
	const struct file *f = find(p, pattern, p->dir[0] != '\0');

	return f == NULL ? NULL : f->name;
}

const char *
project_root_read(const struct project *p, const char *name)
{
	const struct file *f = find(p, name, p->dir[0] != '\0');

	return f == NULL ? NULL : f->text;
}

static bool
text_matches(const char *text, const regex_t *re, char **group)
{
	regmatch_t m[2];

	if (regexec(re, text, 2, m, 0) != 0)
		return false;
	if (group != NULL)
		*group = m[1].rm_so == -1
		    ? NULL
		    : xstrndup(text + m[1].rm_so,
			  (size_t)(m[1].rm_eo - m[1].rm_so));
	return true;
}

const char *
project_text(const struct project *p, const char *pattern, const regex_t *re,
    char **group)
{
	for (size_t i = 0; i < p->nfiles; i++) {
		const struct file *f = &p->files[i];

		if (!f->at_root && matches(pattern, f->name) &&
		    text_matches(f->text, re, group))
			return f->name;
	}
	return NULL;
}

const struct json *
project_package(const struct project *p)
{
	return p->package;
}

const char *
project_broken(const struct project *p)
{
	return p->broken.code == ERR_NONE ? NULL : p->broken.msg;
}

bool
project_depends(const struct project *p, const char *name)
{
	const struct json *deps, *dev;

	deps = json_get_object(p->package, "dependencies");
	dev = json_get_object(p->package, "devDependencies");
	return json_get(deps, name) != NULL || json_get(dev, name) != NULL;
}

const char *
project_script(const struct project *p, const char *name)
{
	return json_get_string(json_get_object(p->package, "scripts"), name);
}

struct search {
	const regex_t *re;
	char **group;
	const char *name;
};

static int
try_script(void *arg, const char *name, const struct json *value)
{
	struct search *s = arg;
	const char *text = json_as_string(value);

	if (text == NULL || strlen(text) > COMMAND_MAX_BYTES ||
	    !text_matches(text, s->re, s->group))
		return 0;
	s->name = name;
	return 1;
}

const char *
project_script_like(const struct project *p, const regex_t *re, char **group)
{
	struct search s = { re, group, NULL };

	json_each(json_get_object(p->package, "scripts"), try_script, &s);
	return s.name;
}
