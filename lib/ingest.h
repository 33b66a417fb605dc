/*
 * From a URL or an archive to output/{id}.tar.zst: run davit-fetch, compress
 * what it streams, put it into the store.  Shared by submit and davit-build.  On any
 * failure nothing is left: no object, no process, no scratch directory.
 */
#ifndef DAVIT_LIB_INGEST_H
#define DAVIT_LIB_INGEST_H

#include "lib/tar.h"

struct conf;
struct deployment;
struct err;
struct store;

/* Fetch d->url (d->ref, d->dir) and fill in commit, commit_ref, subject,
 * ignored, notes, source_bytes, source_files, reusable and the fetch stage's
 * times.  The code is one of those of fetching, ERR_STORE, or ERR_INTERNAL.
 * The message for fetch failures starts with "Failed to clone repository: ". */
int ingest_fetch(const struct conf *, struct store *, struct deployment *,
    struct err *);

/* The same for an archive, as the source yields it: plain, or compressed as
 * tar_reader_new() knows.  Of d, dir counts, and source_bytes, source_files,
 * notes and the stage's times are filled in.  ERR_ARCHIVE, ERR_TOOBIG,
 * ERR_DIR_NOTFOUND, ERR_FETCH_TIMEOUT, ERR_STORE, ERR_INTERNAL, or what the
 * source said. */
int ingest_archive(const struct conf *, struct store *, struct deployment *,
    tar_source *, void *arg, struct err *);

/* Fill in commit and commit_ref of d->url (d->ref) as they are now, by its list
 * of references alone; what else of the source was known is forgotten.  The
 * codes and the message are those of ingest_fetch(). */
int ingest_resolve(const struct conf *, struct deployment *, struct err *);

/* From now on, once this descriptor is readable, a fetch has 4 s left and then
 * fails with ERR_UNAVAILABLE: for a process that was told to leave. */
void ingest_leave_on(int fd);

/* "output/{id}.tar.zst".  Owned by the caller. */
char *ingest_key(const char *id);

#endif
