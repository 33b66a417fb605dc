/*
 * One request, read and checked: method, path, query, the variables that
 * stand for headers, and a body of bounded size.  Where it comes from is a
 * pair of functions, so that unit tests and fuzzers need no FastCGI.
 *
 * The path is taken from REQUEST_URI and decoded here: what PATH_INFO and
 * SCRIPT_NAME hold differs from one web server to the next.
 */
#ifndef DAVIT_FCGI_REQUEST_H
#define DAVIT_FCGI_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/bounds.h"
#include "lib/buf.h"

struct err;

/* A query: more parameters than any request here knows are noise. */
#define REQUEST_MAX_PARAMS 16

/* A REQUEST_URI, or a header's value: what web servers let pass. */
#define REQUEST_MAX_VARIABLE 8192

struct request_source {
	/* The value of a CGI variable (RFC 3875), or NULL.  Borrowed. */
	const char *(*variable)(void *arg, const char *name);
	/* Bytes of the body: the count, 0 at its end, -1: client gone. */
	ssize_t (*body)(void *arg, void *data, size_t size);
	void *arg;
	/* Bodies sent to this path are left to the handler; NULL: none. */
	const char *streamed;
};

enum request_method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_OTHER
};

struct request_param {
	char *name;
	char *value;
};

struct request {
	const struct request_source *source;
	enum request_method method;
	char *path;		/* decoded; starts with "/", holds no empty
				   segment but the last, no "." or ".." */
	char *raw_path;		/* as it was sent: for redirects */
	char *raw_query;	/* without the "?"; NULL where there was none */
	struct request_param params[REQUEST_MAX_PARAMS];
	size_t nparams;
	struct buf body;	/* empty where it is streamed */
	bool streamed;
	bool gone;		/* the client went away while sending */
};

/* Read a request to the end of its body, unless that is streamed.  On failure (ERR_INVALID,
 * ERR_NOTFOUND, ERR_TOOBIG) the body has been read as well, so that an answer
 * gets through, and method is set.  request_clear() it in each case. */
int request_init(struct request *, const struct request_source *,
    struct err *);
void request_clear(struct request *);

/* A piece of a streamed body: the count, 0 at its end, -1 with ERR_INVALID
 * where the client went away. */
ssize_t request_read(struct request *, void *, size_t, struct err *);

/* Read what is left of a streamed body, up to a bound, so that the web server
 * is done writing and passes the answer on. */
void request_drain(struct request *);

/* A variable such as "HTTP_ACCEPT"; NULL where it is missing, empty, or
 * longer than REQUEST_MAX_VARIABLE.  Borrowed. */
const char *request_variable(const struct request *, const char *name);

/* A parameter of the query, decoded; NULL where it is missing.  Borrowed. */
const char *request_param(const struct request *, const char *name);

/* A numeric one, left as it is where it is missing.  -1 with ERR_INVALID
 * that names it. */
int request_number(const struct request *, const char *name, int64_t min,
    int64_t max, int64_t *, struct err *);

/* The part of path behind prefix ("/status/"); NULL: it starts otherwise. */
const char *request_below(const struct request *, const char *prefix);

#endif
