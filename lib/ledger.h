/*
 * The durable copies of records, deployments/{id}.json in the store.  One is
 * written before a deployment is queued, so that a Redis that has lost
 * everything can be filled again, and one when it has ended.
 */
#ifndef DAVIT_LIB_LEDGER_H
#define DAVIT_LIB_LEDGER_H

struct deployment;
struct err;
struct store;

/* With its environment as long as it has not ended: it is built again from
 * here.  After that nothing keeps it. */
int ledger_put(struct store *, const struct deployment *, struct err *);

/* NULL with ERR_NOTFOUND, or ERR_INTERNAL for one that cannot be read.
 * deployment_free() it. */
struct deployment *ledger_get(struct store *, const char *id, struct err *);

/* Does its record tell when the deployment was deleted?  1; 0, also where
 * there is none; -1. */
int ledger_is_deleted(struct store *, const char *id, struct err *);

/* Deleting what is not there succeeds. */
int ledger_delete(struct store *, const char *id, struct err *);

/* The ids of all records, in no particular order, until fn returns other than
 * 0, which is given back. */
int ledger_each(struct store *, int (*fn)(void *arg, const char *id),
    void *arg, struct err *);

#endif
