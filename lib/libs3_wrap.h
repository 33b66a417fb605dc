/*
 * What stands between libs3 and libcurl.  The build makes a copy of libs3.a
 * whose calls of libcurl come here instead (lib/libs3.syms); doc/adr/0005 says
 * why.  libs3 makes up its requests as ever, but each is signed anew and sent
 * with our time-outs, to peers whose certificates are verified, and what became
 * of it is told by status and length.
 */
#ifndef DAVIT_LIB_LIBS3_WRAP_H
#define DAVIT_LIB_LIBS3_WRAP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/http.h"
#include "lib/sigv4.h"

struct s3_place;

/* Where requests go, the same for many. */
struct libs3_peer {
	const struct s3_place *place;
	const char *ca;		/* CA bundle; "": the system's */
	bool v2;		/* signed the old way */
	int stall_ms;
};

/* What libs3 does not know of a request, and what came of it. */
struct libs3_request {
	const struct libs3_peer *peer;
	const char *payload;	/* SHA-256 of the body, in hex */
	int64_t body_len;
	int64_t max_bytes;	/* of the answer's body */
	bool keep_body;		/* of an answer that is a success, too */

	/* as http_perform() gives it; http_answer_clear() it */
	bool sent;		/* else libs3 refused to make it */
	int rc;
	struct http_answer answer;
	struct err e;
};

/* The request that libs3 makes next; it stays until its end.  NULL after: any
 * that was not announced is refused. */
void libs3_wrap_next(struct libs3_request *);

#endif
