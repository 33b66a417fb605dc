/*
 * What a responder keeps from one request to the next: its configuration and
 * its connections.  A store or Redis that is away is no reason not to start:
 * each request tries again, and says so.
 */
#ifndef DAVIT_FCGI_PARTS_H
#define DAVIT_FCGI_PARTS_H

struct access;
struct conf;
struct err;
struct queue;
struct store;

struct parts {
	struct conf *conf;
	struct access *access;
	struct queue *queue;
	struct store *store;	/* by parts_store() */
};

/* Load davit.conf.  -1, and logged, where it cannot be used. */
int parts_open(struct parts *);
void parts_close(struct parts *);

/* The store, opened if it is not yet.  NULL on failure. */
struct store *parts_store(struct parts *, struct err *);

#endif
