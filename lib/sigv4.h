/*
 * AWS Signature Version 4 as S3 wants it.  Pure: strings in, strings out.
 * What is signed is what is sent: the caller takes path and query from here.
 */
#ifndef DAVIT_LIB_SIGV4_H
#define DAVIT_LIB_SIGV4_H

#include <stddef.h>
#include <stdint.h>

struct buf;

#define SIGV4_HASH_SIZE 65	/* hex of a SHA-256, and a NUL */
#define SIGV4_DATE_SIZE 17	/* "20130524T000000Z", and a NUL */

/* In place of a body's hash, where TLS guards the body. */
#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"

struct sigv4_pair {
	const char *name, *value;
};

struct sigv4_keys {
	const char *id, *secret, *region, *service;
};

struct sigv4_request {
	const char *method;
	const char *path;	/* by sigv4_path() */
	const char *query;	/* by sigv4_query(); "" for none */
	const struct sigv4_pair *headers;	/* the ones to sign, names in
						   lower case; with "host" */
	size_t nheaders;
	const char *payload;	/* by sigv4_hash(), or SIGV4_UNSIGNED */
	int64_t time;		/* seconds since the epoch */
};

/* Add a path, each byte but A-Za-z0-9-._~/ encoded, once. */
void sigv4_path(struct buf *, const char *);

/* Add "a=1&b=", encoded and in the order that is signed. */
void sigv4_query(struct buf *, const struct sigv4_pair *, size_t n);

void sigv4_hash(const void *, size_t, char hex[SIGV4_HASH_SIZE]);
void sigv4_date(int64_t time, char date[SIGV4_DATE_SIZE]);

/* Add the value of the Authorization header. */
void sigv4_sign(struct buf *, const struct sigv4_keys *,
    const struct sigv4_request *);

/* Add the query that lets whoever holds it do without keys what the request is
 * to do, for so many seconds.  Only the "host" of its headers is signed; its
 * query and payload are not looked at.  token: the session's, or NULL. */
void sigv4_presign(struct buf *, const struct sigv4_keys *,
    const struct sigv4_request *, const char *token, int expires_s);

#endif
