/*
 * A program of davit's own choice in a build's container, such as tar.  What a
 * build has put into its PATH or environment does not reach it.
 */
#ifndef DAVIT_WORKER_HELPER_H
#define DAVIT_WORKER_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/buf.h"

struct docker;
struct docker_process;
struct err;
struct watch;

struct helper_spec {
	struct docker *docker;
	const char *container;
	struct watch *watch;
	const char *cwd;	/* NULL: /work */
	bool input;		/* it will be written to */
};

struct helper {
	struct docker_process *process;
	struct buf out;		/* what it wrote and nobody has read yet */
	struct buf words;	/* of its complaints, as much as is bearable */
	bool drop;		/* nobody reads any more */
};

/* helper_free() it in each case. */
int helper_start(struct helper *, const struct helper_spec *,
    const char *const *argv, struct err *);

/* The container's entry process in place of a program, as docker_attach() has
 * it; of the spec, what it runs in. */
int helper_attach(struct helper *, const struct helper_spec *, struct err *);
void helper_free(struct helper *);

/* The first line of what it complained of; never NULL.  Borrowed. */
const char *helper_words(struct helper *);

/* A tar_source: what it writes, as it comes. */
ssize_t helper_read(void *helper, void *, size_t, struct err *);

#endif
