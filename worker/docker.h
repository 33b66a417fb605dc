/*
 * The Docker Engine, by its HTTP API: a container to build in, and processes
 * in it.  What goes wrong here is the platform's fault and never the build's:
 * ERR_DOCKER, with the engine's own words.
 */
#ifndef DAVIT_WORKER_DOCKER_H
#define DAVIT_WORKER_DOCKER_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/dstream.h"

struct conf;
struct docker;
struct docker_process;
struct err;
struct watch;

/* Find the engine and agree on a version of its API.  endpoint is the
 * "docker" of davit.conf. */
struct docker *docker_open(const char *endpoint, struct err *);

/* What has stopped by this watch waits for no call any more, but for the
 * short while that removing a container takes: ERR_CANCELED. */
void docker_set_watch(struct docker *, struct watch *);
void docker_free(struct docker *);

/* Make the network of that name, where containers do not reach each other, if
 * it is missing; "bridge" is taken as it is.  1: it was made, and no firewall
 * rule knows it (worker/image/ensure-network); 0: it was there; -1. */
int docker_ensure_network(struct docker *, const char *name, struct err *);

/* 1: the network is there, and *id, owned by the caller, names this very one;
 * 0: it is not; -1. */
int docker_find_network(struct docker *, const char *name, char **id,
    struct err *);

/* 1: the image is there, and *id, owned by the caller, is its very own name;
 * 0: it is not; -1. */
int docker_has_image(struct docker *, const char *image, char **id,
    struct err *);

struct docker_spec {
	const struct conf *conf;
	const char *image;
	const char *id;		/* the deployment's; NULL: of a spare one */
	int64_t attempt;
};

/* A container with a work directory of its user's at /work, which waits for a
 * tar to unpack there (docker_attach()) and idles then.  Its id, owned by the
 * caller, or NULL. */
char *docker_create(struct docker *, const struct docker_spec *,
    struct err *);
int docker_start(struct docker *, const char *container, struct err *);

/* A spare one is started ahead, of an image and by a configuration, and waits
 * for a build.  Making sees that one runs, and removes this worker's others;
 * taking gives it to the deployment: its name, or NULL where there is none. */
int docker_make_spare(struct docker *, const struct docker_spec *,
    struct err *);
char *docker_take_spare(struct docker *, const struct docker_spec *);

/* Remove this worker's, but for the one of that name (or NULL). */
int docker_remove_spares(struct docker *, const char *worker,
    const char *keep, struct err *);

/* Kill it, and learn whether a lack of memory had killed something in it. */
int docker_kill(struct docker *, const char *container, bool *oom,
    struct err *);

/* Remove it, running or not; one that is not there is fine. */
int docker_remove(struct docker *, const char *container, struct err *);

/* Remove each container that this worker has made for the deployment. */
int docker_remove_all(struct docker *, const char *worker, const char *id,
    struct err *);

/* Call fn with the deployment's id of each container that this worker has made
 * for one, until it returns other than 0; give that. */
int docker_each_id(struct docker *, const char *worker,
    int (*fn)(void *arg, const char *id), void *arg, struct err *);

/* ---- processes ---- */

struct docker_command {
	const char *const *argv;	/* NULL-terminated */
	char *const *env;		/* NAME=VALUE, on top of the image's */
	const char *cwd;		/* NULL: /work */
	bool input;			/* it reads what is written to it */
};

/* Start it, attached.  What it writes goes to the sink, as it comes, from
 * within the calls below. */
struct docker_process *docker_exec(struct docker *, const char *container,
    const struct docker_command *, struct watch *, dstream_sink *, void *arg,
    struct err *);

/* The container's entry process, once: what is written to it is unpacked at
 * /work.  Then it writes tar's exit status, as a line, and goes on. */
struct docker_process *docker_attach(struct docker *, const char *container,
    struct watch *, dstream_sink *, void *arg, struct err *);

void docker_process_free(struct docker_process *);

/* Give it all of this; -1 also where it no longer reads (ERR_REMOTE). */
int docker_process_write(struct docker_process *, const void *, size_t,
    struct err *);

/* It has read everything. */
int docker_process_end(struct docker_process *, struct err *);

/* Wait for the next piece of what it writes: 1 after the sink had it, 0 at
 * the end, -1. */
int docker_process_step(struct docker_process *, struct err *);

/* To its end; *status is its exit status. */
int docker_process_finish(struct docker_process *, int *status,
    struct err *);

#endif
