/*
 * Which bucket, where, and with which keys: what davit.conf says of an S3
 * server, the same for each driver.
 */
#ifndef DAVIT_LIB_S3_PLACE_H
#define DAVIT_LIB_S3_PLACE_H

#include <stdbool.h>

struct conf;
struct err;

struct s3_place {
	char *origin;	/* "https://host[:port]" */
	char *host;	/* as the Host header and the signature have it */
	char *base;	/* path before the key: "/bucket/" or "/" */
	char *bucket;
	char *name;	/* "host[:port]/bucket", for people */
	char *id, *secret, *token, *region;	/* token: NULL for none */
	bool secure;	/* by TLS, which guards bodies as well */
};

/* where: "https://host[:port]/bucket".  ERR_CONFIG names what is wrong;
 * s3_place_clear() in each case. */
int s3_place_init(struct s3_place *, const struct conf *, const char *where,
    struct err *);
void s3_place_clear(struct s3_place *);

/* Free a secret, or what holds one; NULL is fine. */
void s3_place_forget(char *);

#endif
