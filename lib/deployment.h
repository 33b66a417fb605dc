/*
 * The record of a deployment: what was asked for, where it stands, what came
 * of it.  It has three forms: this struct, the flat fields of a Redis hash,
 * and JSON (the durable copy in the store, and what GET /status shows).
 *
 * State changes go through lib/queue, which checks the state that is left.
 */
#ifndef DAVIT_LIB_DEPLOYMENT_H
#define DAVIT_LIB_DEPLOYMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bounds.h"
#include "lib/credentials.h"
#include "lib/err.h"

struct json;
struct conf;

enum deployment_state {
	STATE_FETCHING,
	STATE_QUEUED,
	STATE_BUILDING,
	STATE_PUBLISHING,
	STATE_DEPLOYED,
	STATE_FAILED,
	STATE_CANCELED
};

/* In the order in which they happen. */
enum deployment_stage {
	STAGE_FETCH,
	STAGE_QUEUE,
	STAGE_PREPARE,	/* plan, container, source into it */
	STAGE_INSTALL,
	STAGE_BUILD,
	STAGE_PUBLISH,
	NSTAGES
};

struct deployment_times {
	int64_t started, ended;	/* ms since the epoch; 0: not yet */
	bool failed;
};

/* Strings are owned; NULL where unknown. */
struct deployment {
	char id[ID_LENGTH + 1];
	enum deployment_state state;
	int64_t created, updated;	/* ms since the epoch */
	int64_t attempt;		/* 1 for the first */
	int64_t deleted;		/* ms since the epoch; 0: it is not */
	bool expired;			/* by keep_deployments, not by a user */
	char *owner;			/* the token's name; NULL: loopback */

	/* what was asked for */
	char *url, *ref, *dir;
	char *install, *build, *output, *framework, *node;
	char *alias;			/* to be moved to it once it is live */
	struct json *env;		/* object of strings, or NULL; never
					   shown */
	bool no_cache;			/* "cache": false was given */
	struct login login;		/* at the git host; in none of the
					   record's other forms */
	bool has_ignored_keep;		/* "ignored" was given: */
	bool ignored_keep;		/* "keep", else "drop" */

	/* what came of it */
	char *commit, *commit_ref, *subject;
	struct json *plan;		/* object, or NULL */
	struct json *ignored;		/* {"count", "names"} or NULL */
	struct json *notes;		/* sentences about the source; array of
					   strings, or NULL */
	int64_t source_bytes, source_files;
	char *source_from;		/* id whose source was used again; NULL */
	bool reusable;			/* the source may be: see reuse.h; in none
					   of the record's other forms */
	int64_t bytes, files;		/* of the site */
	int64_t log_bytes;
	enum err_code error;		/* ERR_NONE where none */
	char *message;			/* the sentence */
	char *error_tail;		/* the log's last lines */
	struct deployment_times stages[NSTAGES];
};

struct deployment *deployment_new(void);
void deployment_free(struct deployment *);

const char *deployment_state_name(enum deployment_state);
bool deployment_state_by_name(const char *, enum deployment_state *);
bool deployment_is_final(enum deployment_state);
const char *deployment_stage_name(enum deployment_stage);

/* Check a request body against the API and take its fields into a new record
 * without an id, created now.  NULL with ERR_INVALID that names the field. */
struct deployment *deployment_from_request(const struct json *, struct err *);

/* The same for what goes along with an archive: url, ref and env are not of
 * it. */
struct deployment *deployment_from_archive_request(const struct json *,
    struct err *);

/* Take "env" of that object, where it is there, by the same rules. */
int deployment_take_env(struct deployment *, const struct json *,
    struct err *);

/* The durable form; everything but env.  _from_json(_to_json(d)) is d; env is
 * taken where the caller has put it in (a job for davit-build). */
struct json *deployment_to_json(const struct deployment *);
struct deployment *deployment_from_json(const struct json *, struct err *);

/* What GET /status/{id} answers: the durable form, and site, log and hints in
 * the API's shape.  position: in the queue, from 1; 0: not in it. */
struct json *deployment_view(const struct deployment *, const struct conf *,
    int64_t position);

/* Flat fields of the Redis hash: name, value, name, value, … NULL.  Values
 * are text; numbers in decimal; plan, env, ignored and notes as JSON; stage times as
 * "build.started", "build.ended", "build.failed".  Free with
 * deployment_fields_free(). */
char **deployment_to_fields(const struct deployment *);
struct deployment *deployment_from_fields(const char *const *fields,
    struct err *);
void deployment_fields_free(char **);

#endif
