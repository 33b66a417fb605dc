#include "worker/workspace.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "worker/list.h"
#include "worker/project.h"

/* "packages" of pnpm-workspace.yaml: a list of lines that begin with "-", or
 * one in brackets.  Quotes and comments are dropped. */
static void
add_yaml(char ***patterns, const char *text)
{
	const char *line = strncmp(text, "packages:", 9) == 0
	    ? text
	    : strstr(text, "\npackages:");
	bool first = true;

	for (; line != NULL; line = strchr(line, '\n'), first = false) {
		line += *line == '\n';
		if (first)
			line = strchr(line, ':') + 1;
		else if (strchr(" \t-#\r\n", *line) == NULL)
			return; /* the next key */
		while (*line != '\0' && *line != '\n' && *line != '#') {
			size_t len = strcspn(line, " \t\r\n\"'[],#");

			if (len > 1 || (len == 1 && *line != '-'))
				list_addn(patterns, line, len);
			line += len;
			line += strspn(line, " \t\r\"'[],");
		}
	}
}

/* "workspaces" of package.json: an array, or an object that has it. */
static void
add_json(char ***patterns, const struct json *package)
{
	const struct json *a = json_get_array(package, "workspaces");

	if (a == NULL)
		a = json_get_array(json_get_object(package, "workspaces"),
		    "packages");
	for (size_t i = 0; i < json_count(a); i++)
		if (json_as_string(json_at(a, i)) != NULL)
			list_add(patterns, json_as_string(json_at(a, i)));
}

static bool
matches(const char *pattern, const char *dir)
{
	char *trimmed;
	size_t len;
	bool found;

	if (strncmp(pattern, "./", 2) == 0)
		pattern += 2;
	for (len = strlen(pattern); len > 0 && pattern[len - 1] == '/'; len--)
		continue;
	trimmed = xstrndup(pattern, len);
	/* Without FNM_PATHNAME, a * is as good as a **. */
	found = fnmatch(trimmed, dir,
		    strstr(trimmed, "**") == NULL ? FNM_PATHNAME : 0) == 0;
	free(trimmed);
	return found;
}

/* The last pattern that matches decides; one with "!" in front shuts out. */
static bool
is_member(char *const *patterns, const char *dir)
{
	bool member = false;

	for (; patterns != NULL && *patterns != NULL; patterns++) {
		bool negated = **patterns == '!';

		if (matches(*patterns + negated, dir))
			member = !negated;
	}
	return member;
}

enum workspace
workspace_of(const struct project *p)
{
	const char *dir = project_dir(p), *text;
	struct json *package;
	char **patterns = NULL;
	enum workspace found = WORKSPACE_NONE;

	if (dir[0] == '\0')
		return WORKSPACE_NONE;
	if ((text = project_root_read(p, "pnpm-workspace.yaml")) != NULL)
		add_yaml(&patterns, text);
	if ((text = project_root_read(p, "package.json")) != NULL) {
		package = json_parse(text, strlen(text), NULL);
		add_json(&patterns, package);
		json_free(package);
	}
	if (is_member(patterns, dir))
		found = WORKSPACE_MEMBER;
	else if (patterns != NULL ||
	    project_root_read(p, "pnpm-workspace.yaml") != NULL)
		found = WORKSPACE_STRANGER;
	list_free(patterns);
	return found;
}

char *
workspace_members(const struct project *p)
{
	const char *text = project_read(p, "pnpm-workspace.yaml");
	struct buf words = BUF_INIT;
	char **patterns = NULL;

	if (text != NULL)
		add_yaml(&patterns, text);
	add_json(&patterns, project_package(p));
	if (patterns == NULL)
		return NULL;
	for (char **s = patterns; *s != NULL && words.len < 200; s++)
		buf_addf(&words, "%s%.60s", words.len > 0 ? ", " : "", *s);
	list_free(patterns);
	return buf_take(&words);
}
