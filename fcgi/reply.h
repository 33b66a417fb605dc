/*
 * One answer, in the CGI form that every web server here takes: "Status:" and
 * headers, an empty line, the body.  Which status an error has is decided in
 * one place, reply_status().
 */
#ifndef DAVIT_FCGI_REPLY_H
#define DAVIT_FCGI_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

struct json;

/* Takes bytes of the answer; -1: the client is gone. */
typedef int reply_sink(void *arg, const void *data, size_t len);

struct reply {
	reply_sink *sink;
	void *arg;
	struct buf head;	/* headers until they are sent */
	bool bodiless;		/* HEAD: headers alone */
	bool started;
	bool gone;		/* the client is; the rest goes nowhere */
};

/* The sink, its argument, and whether a HEAD is answered.  reply_clear() it.
 */
void reply_init(struct reply *, reply_sink *, void *, bool);
void reply_clear(struct reply *);

/* Add a header; before the answer starts.  A value that holds a control byte
 * adds none: nothing from outside forges a header. */
void reply_header(struct reply *, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Take back those of one name. */
void reply_unset(struct reply *, const char *name);

/* Take back the headers that were added: the answer became another one. */
void reply_forget(struct reply *);

/* Send status line and headers, and, in pieces, a body of length bytes. */
void reply_start(struct reply *, int status, const char *type, int64_t length);
int reply_data(struct reply *, const void *, size_t);

/* A whole answer; the kinds that the handlers give. */
void reply_body(struct reply *, int status, const char *type, const void *,
    size_t);
void reply_json(struct reply *, int status, const struct json *);
void reply_not_modified(struct reply *);

/* {"success": false, …} with the status that the code has.  id may be NULL.
 */
void reply_error(struct reply *, const struct err *, const char *id);

/* ERR_METHOD, with the Allow header that it must have. */
void reply_method(struct reply *, const char *allow);

/* Which status means that code. */
int reply_status(enum err_code);

#endif
