/* Monorepos: is the site's directory a member of the workspace that the
 * repository's root declares?  Pure. */
#ifndef DAVIT_WORKER_WORKSPACE_H
#define DAVIT_WORKER_WORKSPACE_H

#include <stdbool.h>

struct project;

enum workspace {
	WORKSPACE_NONE,		/* the site is at the root, or there is none */
	WORKSPACE_MEMBER,	/* what the root installs is the site's too */
	WORKSPACE_STRANGER	/* it lies below one and is none of it */
};

enum workspace workspace_of(const struct project *);

/* The patterns of members that the directory of the site declares itself, in
 * words.  Owned by the caller; NULL: it is no workspace's root. */
char *workspace_members(const struct project *);

#endif
