#include "worker/manager.h"

#include <stddef.h>
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

/* A directory of a workspace has its lock file at the repository's root; a
 * project that merely lies below another one has nothing to do with it. */
static bool
root_is_workspace(const struct project *p)
{
	const char *package = project_root_read(p, "package.json");

	return project_root_file(p, "pnpm-workspace.yaml") != NULL ||
	    (package != NULL && strstr(package, "\"workspaces\"") != NULL);
}

static bool
has_lock(const struct project *p, const char *lock)
{
	return project_file(p, lock) != NULL ||
	    (root_is_workspace(p) && project_root_file(p, lock) != NULL);
}

/* The first lock file of the manager, or of any where it is NULL. */
static const char *
find_lock(const struct project *p, const char *manager, size_t *at)
{
	for (size_t i = 0; i < NLOCKS; i++)
		if ((manager == NULL ||
			strcmp(locks[i].manager, manager) == 0) &&
		    has_lock(p, locks[i].lock)) {
			*at = i;
			return locks[i].lock;
		}
	return NULL;
}

/* The manager that "packageManager" ("pnpm@9.1.0+sha…") names, or NULL. */
static const char *
asked_for(const struct project *p, const char **version)
{
	const char *s = json_get_string(project_package(p), "packageManager");

	for (size_t i = 0; s != NULL && i < NKNOWN; i++) {
		size_t len = strlen(known[i]);

		if (strncmp(s, known[i], len) == 0 && s[len] == '@') {
			*version = s + len + 1;
			return known[i];
		}
	}
	return NULL;
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
	if (version != NULL && version[0] != '\0')
		return version[0] != '1' && version[0] != '0';
	return project_file(p, ".yarnrc.yml") != NULL ||
	    project_root_file(p, ".yarnrc.yml") != NULL;
}

static void
tell_of_others(const struct manager *m, const struct project *p, char ***why)
{
	for (size_t i = 0; i < NLOCKS; i++)
		if (strcmp(locks[i].manager, m->name) != 0 &&
		    has_lock(p, locks[i].lock))
			list_addf(why, "warning: %s is there too and is not "
				       "used; remove the one that is stale",
			    locks[i].lock);
}

void
manager_choose(struct manager *m, const struct project *p, char ***why)
{
	const char *version = NULL, *asked = asked_for(p, &version);
	size_t at = 0;

	memset(m, 0, sizeof(*m));
	m->lock = find_lock(p, asked, &at);
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

char *
manager_install(const struct manager *m)
{
	bool locked = m->lock != NULL;

	if (strcmp(m->name, "pnpm") == 0)
		return xstrdup(locked ? "pnpm install --frozen-lockfile"
				      : "pnpm install --no-frozen-lockfile");
	if (strcmp(m->name, "yarn") != 0)
		return xstrdup(locked ? "npm ci" : "npm install");
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
