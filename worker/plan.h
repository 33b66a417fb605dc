/*
 * From what a checkout holds and a request says to what is run and published.
 * Pure: the same files and the same request give the same plan.
 */
#ifndef DAVIT_WORKER_PLAN_H
#define DAVIT_WORKER_PLAN_H

#include <stdbool.h>

struct buf;
struct err;
struct frameworks;
struct json;
struct project;

/* What the request overrides; NULL: detect. */
struct plan_request {
	const char *framework, *install, *build, *output, *node;
};

/* Strings are owned; lists end in NULL. */
struct plan {
	char *framework;	/* an id of the table, "static" or "script" */
	char *name;		/* for people */
	char *rule;		/* what decided, in words */
	char **matched;		/* ids of all whose rule matched */
	char *dir;		/* the site's, in the repository; "": root */
	bool container;		/* false: the source is the site */
	char *install, *build;	/* commands; NULL: none */
	char **outputs;		/* in the order in which to look; "." is all */
	bool output_given;	/* the request's or davit.json's: look for no
				   other */
	bool spa;
	char **env;		/* NAME=VALUE */
	char **immutable;
	char **caches;		/* directories that the next build may use */
	char *manager;		/* "npm", "pnpm", "yarn"; NULL: none */
	char *image;		/* variant of the builder image; NULL: any */
	int node;		/* major */
	char *node_source;	/* where that is said */
	char **why;		/* lines for the log */
};

/* node: the major that there is where nothing else is said.  NULL:
 * ERR_SERVER_FRAMEWORK, ERR_NO_PLAN, or ERR_INVALID for a request or a
 * davit.json that is wrong. */
struct plan *plan_new(const struct frameworks *, const struct project *,
    const struct plan_request *, int node, struct err *);
void plan_free(struct plan *);

/* For the record: framework, rule, install, build, output, node, … */
struct json *plan_to_json(const struct plan *);

/* For people, a line each. */
void plan_print(const struct plan *, struct buf *);

#endif
