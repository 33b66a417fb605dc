/*
 * What nobody claims any more is removed: what records say is not needed, and
 * what is older than an hour and of an id that neither Redis nor the store has
 * a record of.  What davit has not made is left alone: other names, other
 * labels, other keys.
 *
 *	output/{id}…		without a record, or older than keep_source
 *	dist/{id}/		without a record and a manifest
 *	logs/{id}.txt		without a record
 *	probe/{random}, parts of uploads
 *	{scratch}/fetch-…	of fetches that died
 *	containers		of this worker, of ids that it does not hold
 *
 * What has ended and was deleted, or is live and should not be, is settled
 * once more; what the store has a record of and Redis has not is put back;
 * what is older than keep_deployments is deleted.
 */
#ifndef DAVIT_WORKER_SWEEP_H
#define DAVIT_WORKER_SWEEP_H

struct conf;
struct err;

/* One round, bounded.  A Redis that has not been filled decides nothing. */
int sweep(const struct conf *, struct err *);

/* Its parts on this machine. */
int sweep_containers(const struct conf *, struct err *);
void sweep_scratch(const struct conf *);

#endif
