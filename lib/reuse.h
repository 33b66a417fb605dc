/*
 * One commit, fetched once: a source that is stored already is copied for the
 * next deployment of the same URL, ref, directory, options and owner, once
 * the git host has said, to the login of this very request, that it is still
 * the same commit.  Every deployment has a source of its own; nobody counts
 * references.
 *
 * Only what is all in the one repository is used again.  The right to read
 * its references proves nothing about submodules or Git LFS, and a source
 * with notes may be a better one next time.
 */
#ifndef DAVIT_LIB_REUSE_H
#define DAVIT_LIB_REUSE_H

struct conf;
struct deployment;
struct err;
struct queue;
struct store;

/* As ingest_fetch(), or by a copy: then source_from is set.  What stands in
 * the way of a copy is no error: it is fetched. */
int reuse_or_fetch(const struct conf *, struct store *, struct queue *,
    struct deployment *, struct err *);

/* The source of d, which is stored and queued, may be used again. */
void reuse_offer(const struct conf *, struct queue *,
    const struct deployment *);

#endif
