/*
 * Operations on one bucket of an S3 server: addressed, signed, tried again
 * where that may help, and told in words where it does not.  Many can be under
 * way at once; they go on while the caller is in one of the functions here.
 */
#ifndef DAVIT_LIB_S3_H
#define DAVIT_LIB_S3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/http.h"
#include "lib/sigv4.h"

struct conf;
struct err;
struct s3;
struct s3_call;

struct s3_op {
	const char *method;
	const char *key;		/* NULL: the bucket itself */
	const char *source;		/* the key that a PUT copies; NULL */
	const struct sigv4_pair *query;
	size_t nquery;
	const char *headers[4];		/* "Name: value", not signed */
	const void *body;		/* stays until the call has ended */
	size_t body_len;
	int64_t max_bytes;		/* of the answer; 0: a small one */
	const char *root;		/* the element that tells success: some
					   servers answer 200 with an <Error> */
	bool slow;			/* the server may think for minutes */
};

/* where: "https://host[:port]/bucket".  ERR_CONFIG names what is wrong. */
struct s3 *s3_open(const struct conf *, const char *where, struct err *);
void s3_free(struct s3 *);

/* Start an operation; it waits for its turn where s3_connections are under
 * way. */
struct s3_call *s3_start(struct s3 *, const struct s3_op *);

/* Let all go on for wait_ms, or until one is done. */
void s3_step(struct s3 *, int wait_ms);
bool s3_is_done(const struct s3_call *);

/* Wait for its end, free the call.  -1 for any status but 2xx: ERR_NOTFOUND
 * where there is no such key or upload, else ERR_STORE.  http_answer_clear()
 * in each case. */
int s3_finish(struct s3_call *, struct http_answer *, struct err *);
void s3_cancel(struct s3_call *);

/* A URL for a GET of the key without keys, for so many seconds; owned. */
char *s3_url(const struct s3 *, const char *key, int seconds);

/* Start and finish. */
int s3_perform(struct s3 *, const struct s3_op *, struct http_answer *,
    struct err *);

/* ---- lib/s3_words.c ---- */

/* Say what an answer that is no success means, and what cures it; gives -1.
 * Never quotes more than code and message, for answers repeat signatures. */
int s3_explain(const struct http_answer *, struct err *);

/* An attempt, the attempts-th, ended so: *rc and e by http.h, and become what
 * the caller is told.  root: as of struct s3_op.  True: another attempt may
 * help, in s3_delay_ms(); it is to be signed anew. */
bool s3_judge(int *rc, const struct http_answer *, const char *root,
    int attempts, struct err *);
int64_t s3_delay_ms(int attempts);

/* All the time that an attempt gets which moves so many bytes. */
int s3_patience_ms(int64_t bytes, int stall_ms);

#endif
