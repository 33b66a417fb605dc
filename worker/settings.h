/*
 * What a repository itself says of its build: in davit.json, or in the files
 * that it has for other platforms.  What is said first counts: the request,
 * davit.json, netlify.toml, vercel.json, wrangler.toml.  Pure.
 */
#ifndef DAVIT_WORKER_SETTINGS_H
#define DAVIT_WORKER_SETTINGS_H

#include <stdbool.h>

struct err;
struct project;

enum setting {
	SET_FRAMEWORK,
	SET_INSTALL,
	SET_BUILD,
	SET_OUTPUT,
	SET_NODE,
	NSETTINGS
};

/* All zeros is empty. */
struct settings {
	struct {
		char *value;		/* NULL: not said; "": nothing is run */
		const char *source;	/* "the request", "netlify.toml" */
	} v[NSETTINGS];
	char **env;			/* NAME=VALUE, in order of weight */
	bool spa;			/* all that is missing is index.html */
	char **why;			/* lines for the log */
};

/* Say it, unless it is said already.  source is static. */
void settings_say(struct settings *, enum setting, const char *value,
    const char *source);

/* Add what the project's files say.  -1 with ERR_INVALID for a davit.json
 * that is wrong; other files are told and passed over. */
int settings_read(struct settings *, const struct project *, struct err *);
void settings_clear(struct settings *);

/* The directory that a file at the root says the site is in.  Owned by the
 * caller; NULL: none. */
char *settings_dir(const struct project *);

#endif
