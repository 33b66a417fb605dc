/*
 * Operations on one bucket by libs3, which no other file includes: started
 * side by side, tried again where that may help, and told in the words of
 * lib/s3.h where it does not.
 */
#ifndef DAVIT_LIB_LIBS3_CALL_H
#define DAVIT_LIB_LIBS3_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/http.h"
#include "lib/store.h"

struct conf;
struct err;
struct libs3;
struct libs3_call;
struct spool;

/* Keys that a list has found. */
struct libs3_page {
	struct libs3_entry {
		char *key;
		struct store_object object;
	} *entries;
	size_t n;
	bool more;	/* keys behind the last one */
};

enum libs3_kind { LIBS3_PUT, LIBS3_GET, LIBS3_HEAD, LIBS3_DELETE, LIBS3_LIST };

struct libs3_op {
	enum libs3_kind kind;
	const char *key;	/* of a list: the prefix */
	const char *type;	/* of a put: its media type */
	struct spool *body;	/* … and what it puts; ended, the caller's */
	int64_t from, n;	/* of a get: the range, n > 0 */
	const char *etag;	/* … and what it must match; NULL: any */
	const char *marker;	/* of a list: what it goes on after; NULL */
	struct libs3_page *page; /* … and where it puts what it found */
};

/* where: "https://host[:port]/bucket".  ERR_CONFIG names what is wrong. */
struct libs3 *libs3_open(const struct conf *, const char *where, struct err *);

/* Calls that are under way are given up. */
void libs3_free(struct libs3 *);

/* Start one; it waits for its turn where s3_connections are under way. */
struct libs3_call *libs3_start(struct libs3 *, const struct libs3_op *);

/* Let all go on for wait_ms, or until one is done. */
void libs3_step(struct libs3 *, int wait_ms);
bool libs3_is_done(const struct libs3_call *);

/* As s3_finish(): wait for its end, free the call.  The body of a get is the
 * answer's.  http_answer_clear() in each case. */
int libs3_finish(struct libs3_call *, struct http_answer *, struct err *);

/* Start and finish. */
int libs3_perform(struct libs3 *, const struct libs3_op *,
    struct http_answer *, struct err *);

void libs3_page_clear(struct libs3_page *);

#endif
