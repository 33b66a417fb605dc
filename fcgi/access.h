/*
 * Who may do what.  With a "tokens" file in davit.conf: those who present a
 * token of it, and each may change what is theirs.  Without: clients on the
 * loopback interface, everything.
 */
#ifndef DAVIT_FCGI_ACCESS_H
#define DAVIT_FCGI_ACCESS_H

#include <stdbool.h>

struct access;
struct alias;
struct conf;
struct deployment;
struct err;
struct request;

enum access_need {
	ACCESS_STATUS,	/* one deployment's status or log: open to all
			   where conf has "public_status yes" */
	ACCESS_READ,
	ACCESS_CHANGE
};

/* conf must outlive it.  access_free() it. */
struct access *access_new(const struct conf *);
void access_free(struct access *);

/* May this request have that?  *owner: the token's name, borrowed until the
 * next call; NULL where none was needed.  -1: ERR_UNAUTHORIZED, ERR_DENIED,
 * or ERR_CONFIG where the tokens file cannot be used. */
int access_check(struct access *, const struct request *, enum access_need,
    const char **owner, struct err *);

/* May owner (of an access_check() for ACCESS_CHANGE) change that one? */
int access_owns(const struct access *, const char *owner,
    const struct deployment *, struct err *);

int access_owns_alias(const struct access *, const char *owner,
    const struct alias *, struct err *);

/* 127.0.0.0/8, ::1, and the former written as IPv6.  NULL and "" (a unix
 * socket, whose other end may be anybody) are not. */
bool access_is_loopback(const char *address);

#endif
