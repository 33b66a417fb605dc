#include "worker/manager.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "worker/list.h"
#include "worker/project.h"

/* In the order in which they are believed where several are there: npm's is
 * the one that is left behind by accident. */
static const struct {
	const char *lock, *manager;
} locks[] = {
	{ "pnpm-lock.yaml", "pnpm" },
	{ "yarn.lock", "yarn" },
	{ "bun.lock", "bun" },
	{ "bun.lockb", "bun" },
	{ "npm-shrinkwrap.json", "npm" },
	{ "package-lock.json", "npm" },
};
#define NLOCKS (sizeof(locks) / sizeof(locks[0]))

static const char *const known[] = { "npm", "pnpm", "yarn", "bun" };
#define NKNOWN (sizeof(known) / sizeof(known[0]))

/* A member's lock file is at the repository's root; a project that merely lies
 * below another one has nothing to do with it. */
static bool
has_lock(const struct manager *m, const struct project *p, const char *lock)
{
	return project_file(p, lock) != NULL ||
	    (m->workspace == WORKSPACE_MEMBER &&
		project_root_file(p, lock) != NULL);
}

/* The first lock file of the manager, or of any where it is NULL. */
static const char *
find_lock(const struct manager *m, const struct project *p,
    const char *manager, size_t *at)
{
	for (size_t i = 0; i < NLOCKS; i++)
		if ((manager == NULL ||
			strcmp(locks[i].manager, manager) == 0) &&
		    has_lock(m, p, locks[i].lock)) {
			*at = i;
			return locks[i].lock;
		}
	return NULL;
}

/* The manager that "packageManager" ("pnpm@9.1.0+sha…") names, or NULL.
 * version is not the whole of it: enough for its major. */
static const char *
named_by(const struct json *package, char version[8])
{
	const char *s = json_get_string(package, "packageManager");

	for (size_t i = 0; s != NULL && i < NKNOWN; i++) {
		size_t len = strlen(known[i]);

		if (strncmp(s, known[i], len) == 0 && s[len] == '@') {
			snprintf(version, 8, "%.7s", s + len + 1);
			return known[i];
		}
	}
	return NULL;
}

static const char *
asked_for(const struct manager *m, const struct project *p, char version[8])
{
	const char *name = named_by(project_package(p), version);
	const char *text = project_root_read(p, "package.json");
	struct json *package;

	if (name != NULL || m->workspace != WORKSPACE_MEMBER || text == NULL)
		return name;
	package = json_parse(text, strlen(text), NULL);
	name = named_by(package, version);
	json_free(package);
	return name;
}

/* Yarn 2 and later write another lock file, and have a file of their own. */
static bool
is_berry(const struct project *p, const char *version)
{
	const char *lock = project_read(p, "yarn.lock");

	if (lock == NULL)
		lock = project_root_read(p, "yarn.lock");
	if (lock != NULL && lock[0] != '\0')
		return strstr(lock, "__metadata:") != NULL;
	if (version[0] != '\0')
		return version[0] != '1' && version[0] != '0';
	return project_file(p, ".yarnrc.yml") != NULL ||
	    project_root_file(p, ".yarnrc.yml") != NULL;
}

static void
tell_of_others(const struct manager *m, const struct project *p, char ***why)
{
	for (size_t i = 0; i < NLOCKS; i++)
		if (strcmp(locks[i].manager, m->name) != 0 &&
		    has_lock(m, p, locks[i].lock))
			list_addf(why, "warning: %s is there too and is not "
				       "used; remove the one that is stale",
			    locks[i].lock);
}

static void
find_workspace(struct manager *m, const struct project *p, char ***why)
{
	char *up = m->root;

	m->workspace = workspace_of(p);
	if (m->workspace == WORKSPACE_NONE)
		return;
	for (const char *s = project_dir(p); s != NULL; s = strchr(s + 1, '/'))
		up = stpncpy(up, up == m->root ? ".." : "/..",
		    (size_t)(m->root + sizeof(m->root) - 1 - up));
	list_addf(why, m->workspace == WORKSPACE_MEMBER
		? "workspace: '%s' is a member of the root's, and what that "
		  "locks is installed"
		: "workspace: '%s' is no member of the root's, and installed "
		  "by itself", project_dir(p));
}

void
manager_choose(struct manager *m, const struct project *p, char ***why)
{
	char version[8] = "";
	const char *asked;
	size_t at = 0;

	memset(m, 0, sizeof(*m));
	find_workspace(m, p, why);
	asked = asked_for(m, p, version);
	m->lock = find_lock(m, p, asked, &at);
	m->name = asked != NULL ? asked
	    : m->lock != NULL	? locks[at].manager
				: "npm";
	if (asked != NULL)
		list_addf(why, "package manager: %s, as package.json's "
			       "\"packageManager\" says", m->name);
	else
		list_addf(why, "package manager: %s, %s%s", m->name,
		    m->lock != NULL ? "for there is a " : "by default",
		    m->lock != NULL ? m->lock : "");
	tell_of_others(m, p, why);
	if (strcmp(m->name, "bun") == 0) {
		list_add(why, "warning: the builder image has no bun; npm "
			      "installs instead, and not what bun's lock file "
			      "says");
		m->name = "npm";
		m->lock = NULL;
	}
	m->berry = strcmp(m->name, "yarn") == 0 && is_berry(p, version);
}

/* pnpm and yarn find a workspace's root by themselves; npm would leave out
 * what the root itself depends on. */
char *
manager_install(const struct manager *m)
{
	bool locked = m->lock != NULL;

	if (strcmp(m->name, "pnpm") == 0)
		return xasprintf("pnpm install --%sfrozen-lockfile%s",
		    locked ? "" : "no-",
		    m->workspace == WORKSPACE_STRANGER ? " --ignore-workspace"
						       : "");
	if (strcmp(m->name, "yarn") != 0)
		return xasprintf("npm %s%s%s", locked ? "ci" : "install",
		    m->workspace == WORKSPACE_MEMBER ? " --prefix " : "",
		    m->workspace == WORKSPACE_MEMBER ? m->root : "");
	if (m->berry)
		return xstrdup(locked ? "yarn install --immutable"
				      : "yarn install --no-immutable");
	return xstrdup(locked ? "yarn install --frozen-lockfile"
			      : "yarn install");
}

char *
manager_run(const struct manager *m, const char *script)
{
	return xasprintf("%s run %s", m->name, script);
}

char *
manager_exec(const struct manager *m, const char *command)
{
	/* --no: what is not installed must not be fetched in passing. */
	return xasprintf("%s %s",
	    strcmp(m->name, "npm") == 0	   ? "npx --no --"
	    : strcmp(m->name, "pnpm") == 0 ? "pnpm exec"
					   : "yarn run",
	    command);
}
