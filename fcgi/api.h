/* What the handlers of api.fcgi share. */
#ifndef DAVIT_FCGI_API_H
#define DAVIT_FCGI_API_H

#include "lib/bounds.h"

struct deployment;
struct err;
struct parts;
struct reply;
struct request;

/* One request on its way: what a handler is given. */
struct call {
	struct parts *parts;
	const struct request *request;
	struct reply *reply;
	char id[ID_LENGTH + 1];	/* where the route has one */
	char name[ALIAS_MAX_BYTES + 1];	/* an alias's, likewise */
	const char *owner;	/* see access_check() */
};

/* The record of c->id, from Redis or else the store.  ERR_NOTFOUND only where
 * both say so.  deployment_free() it. */
struct deployment *call_record(struct call *, struct err *);

int post_redeploy(struct call *, struct err *);
int delete_deployment(struct call *, struct err *);

/* /aliases and what is below. */
int get_aliases(struct call *, struct err *);
int get_alias(struct call *, struct err *);
int put_alias(struct call *, struct err *);
int delete_alias(struct call *, struct err *);

#endif
