/* Which package manager a project uses, and its commands.  Pure. */
#ifndef DAVIT_WORKER_MANAGER_H
#define DAVIT_WORKER_MANAGER_H

#include <stdbool.h>

#include "lib/bounds.h"
#include "worker/workspace.h"

struct project;

struct manager {
	const char *name;	/* "npm", "pnpm" or "yarn"; static */
	const char *lock;	/* its lock file; NULL: none; static */
	bool berry;		/* yarn 2 or later */
	enum workspace workspace;
	char root[3 * PATH_MAX_DEPTH + 1];	/* the way to the repository's
						   root: "../.."; "": here */
};

/* By "packageManager" of package.json, else by lock file, else npm; of a
 * workspace's member, by those of the root.  Lines that tell why are added to
 * the list. */
void manager_choose(struct manager *, const struct project *, char ***why);

/* Commands for a shell, owned by the caller: installing what the lock file
 * says; running a script of package.json; running a program of its packages
 * with arguments. */
char *manager_install(const struct manager *);
char *manager_run(const struct manager *, const char *script);
char *manager_exec(const struct manager *, const char *command);

#endif
