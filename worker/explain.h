/* davit-build --plan: how a checkout would be built, and why, for people or
 * as JSON for programs. */
#ifndef DAVIT_WORKER_EXPLAIN_H
#define DAVIT_WORKER_EXPLAIN_H

#include <stdbool.h>

struct explain_spec {
	const char *from;	/* a directory; "-": a tar on standard input */
	const char *request;	/* file with a request's body; NULL: none */
	const char *image;	/* of builders; NULL: none is known */
	bool json;
};

/* Print it.  The exit status. */
int explain(const struct explain_spec *);

#endif
