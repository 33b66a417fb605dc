/*
 * The container of one build: made, filled with the source, told to run
 * commands, asked for what they wrote, and removed.
 */
#ifndef DAVIT_WORKER_BOX_H
#define DAVIT_WORKER_BOX_H

#include "lib/err.h"
#include "lib/tar.h"
#include "worker/docker.h"
#include "worker/helper.h"
#include "worker/watch.h"

struct box;
struct buildlog;
struct conf;
struct deployment;
struct json;
struct plan;
struct store;
struct watch;

struct box_spec {
	const struct conf *conf;
	const struct deployment *job;
	const struct json *env;	/* the request's; NULL: none */
	const struct plan *plan;
	struct watch *watch;
	struct buildlog *log;
};

/* Start an empty one; containers that an earlier attempt has left are
 * removed.  What spec points to must outlive it. */
struct box *box_open(const struct box_spec *, struct err *);

/* Remove the container, and all that ran in it.  -1: it may be there still. */
int box_close(struct box *);

/* Its image, by id.  Borrowed. */
const char *box_image(const struct box *);

/* Start a helper in /work; helper_free() it in each case. */
int box_helper(struct box *, struct helper *, const char *const *argv,
    bool input, struct err *);

/* The source of the deployment from the store. */
int box_fill(struct box *, struct store *, struct err *);

/* Run the command that builds, in the site's directory, with its output in the
 * log.  A status other than 0 is ERR_BUILD, or ERR_BUILD_OOM or ERR_BUILD_DISK
 * where that was the reason. */
int box_build(struct box *, const char *command, struct err *);

/* The same for the one that installs, with ERR_INSTALL: where a lock file of
 * npm turns out not to fit its package.json, it is tried once without. */
int box_install(struct box *, const char *command, struct err *);

/* Begin to read the output: which of the plan's directories there is, owned by
 * the caller.  NULL: ERR_OUTPUT_MISSING. */
char *box_output(struct box *, struct err *);

/* After box_output(): a tar of its files goes through take, which reads it by
 * the source that it is given. */
int box_read(struct box *,
    int (*take)(void *arg, tar_source *, void *source_arg, struct err *),
    void *arg, struct err *);

#endif
