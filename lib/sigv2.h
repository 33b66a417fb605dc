/*
 * S3's first way to sign, for servers that know no other: an HMAC of SHA-1
 * over a few lines, which leaves the query and the body unguarded.  Pure.
 */
#ifndef DAVIT_LIB_SIGV2_H
#define DAVIT_LIB_SIGV2_H

struct buf;

struct sigv2_request {
	const char *method;
	const char *type;	/* the Content-Type that is sent; "": none */
	const char *date;	/* that of x-amz-date */
	const char *token;	/* that of x-amz-security-token; NULL: none */
	const char *bucket;
	const char *path;	/* below the bucket, encoded, from "/" on */
};

/* Add the value of the Authorization header. */
void sigv2_sign(struct buf *, const char *id, const char *secret,
    const struct sigv2_request *);

#endif
