/*
 * The parts of worker/box, and what they share; for them alone.
 *
 *	box.c		made, filled, told to run commands, and removed
 *	box_output.c	asked for what they wrote
 */
#ifndef DAVIT_WORKER_BOX_PARTS_H
#define DAVIT_WORKER_BOX_PARTS_H

#include "worker/box.h"

struct box {
	struct box_spec spec;
	struct docker *docker;
	char *container;
	char *image;		/* its id */
	char *dir;		/* the site's, in the container */
	char **env;		/* of commands */
	struct helper output;	/* reads the output */
	bool waits;		/* it has been started, and not told to go */
};

/* One of davit's own helpers, in the site's directory. */
int box_begin_helper(struct box *, struct helper *, const char *const *argv,
    bool input, struct err *);

/* Start the reader of the output, which then waits to be told to go.  A failure
 * tells when the output is wanted. */
void box_prepare_output(struct box *);

#endif
