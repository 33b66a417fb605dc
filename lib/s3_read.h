/*
 * Reading from S3, whichever driver asks.
 *
 * A read is a row of ranged GETs of a few MiB each, tied together by If-Match:
 * each is tried again on its own when it breaks, memory is bounded however
 * slow the reader is, and no connection waits open for a reader meanwhile.
 * Where the driver can, one piece comes while the last one is read.
 */
#ifndef DAVIT_LIB_S3_READ_H
#define DAVIT_LIB_S3_READ_H

#include <stdint.h>
#include <sys/types.h>

struct err;
struct http_answer;
struct store_object;

/* How a driver asks. */
struct s3_source {
	/* n bytes from there on; etag: of the object, or NULL for any.  The
	 * answer is cleared by the caller in each case. */
	int (*piece)(void *state, const char *key, int64_t from, int64_t n,
	    const char *etag, struct http_answer *, struct err *);
	int (*head)(void *state, const char *key, struct store_object *,
	    struct err *);
	/* The same as piece, begun and ended; all NULL where it can't be. */
	void *(*start)(void *state, const char *key, int64_t from, int64_t n,
	    const char *etag);
	int (*finish)(void *call, struct http_answer *, struct err *);
	void (*cancel)(void *call);
	void (*step)(void *state);	/* never waits */
};

/* The three that a driver's table wants; state stays the caller's. */
void *s3_read_open(const struct s3_source *, void *state, const char *key,
    int64_t offset, struct store_object *, struct err *);
ssize_t s3_read_data(void *reader, void *, size_t, struct err *);
void s3_read_close(void *reader);

/* Size, time and tag by the answer to a HEAD; and by that to a GET, which must
 * hold as many bytes as it tells. */
int s3_read_head(const struct http_answer *, const char *key,
    struct store_object *, struct err *);
int s3_read_whole(const struct http_answer *, const char *key,
    struct store_object *, struct err *);

/* A time by strptime(3)'s format, UTC; 0 for none. */
int64_t s3_time_ms(const char *text, const char *format);

#endif
