/*
 * The table of frameworks: how each is recognised, built and published.  It
 * is data, in a file that an operator can read and extend (the file itself
 * tells its format); rules are matched against a struct project.
 */
#ifndef DAVIT_WORKER_FRAMEWORKS_H
#define DAVIT_WORKER_FRAMEWORKS_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;
struct project;
struct frameworks;
struct framework_rules;

/* The higher one wins: a bundler loses to what is built upon it. */
enum framework_rank {
	FRAMEWORK_CONFIG,	/* known by a file alone */
	FRAMEWORK_BUNDLER,
	FRAMEWORK_SSG,		/* static site generator */
	FRAMEWORK_META		/* brings bundler and server along */
};

/* Lists end in NULL; strings that were not given are NULL. */
struct framework {
	char *id;
	char *name;
	enum framework_rank rank;
	char **scripts;		/* of package.json, the preferred one first */
	char *build;		/* a program of the project's packages */
	char *command;		/* the same, of the image */
	char *image;		/* the variant of it that has that */
	char **outputs;
	char **immutable;	/* directories of hashed names */
	char **caches;		/* directories that the next build may use */
	char **env;		/* NAME=VALUE */
	bool spa;
	char *refuse;		/* how to make it static */
	struct framework_rules *rules;
};

/* Read the table; name stands in messages.  NULL: ERR_CONFIG
 * "name:line: …". */
struct frameworks *frameworks_parse(const char *text, const char *name,
    struct err *);

/* The operator's own, of conf_sysconfdir() and perhaps missing, and then the
 * file "frameworks" of conf_pkgdatadir(), without the ids that he has. */
struct frameworks *frameworks_load(struct err *);
void frameworks_free(struct frameworks *);

size_t frameworks_count(const struct frameworks *);
const struct framework *frameworks_at(const struct frameworks *, size_t);
const struct framework *frameworks_find(const struct frameworks *,
    const char *id);

/* The file patterns that any rule looks at, for project_wants(). */
const char *const *frameworks_patterns(const struct frameworks *);

/* True where all "when" lines hold; why gets what did, in words. */
bool framework_matches(const struct framework *, const struct project *,
    struct buf *why);

/* False where it needs a server as it is set up here; why gets the reason. */
bool framework_is_static(const struct framework *, const struct project *,
    struct buf *why);

/* The output directory that the project's own configuration names, as it is
 * written there.  Owned by the caller; NULL where none. */
char *framework_output(const struct framework *, const struct project *);

#endif
