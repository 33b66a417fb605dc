/* The collected source, output/{id}.tar.zst in the store, read as a stream:
 * to look at, to publish as it is, or to give to a container. */
#ifndef DAVIT_WORKER_CHECKOUT_H
#define DAVIT_WORKER_CHECKOUT_H

#include "lib/tar.h"

struct checkout;
struct conf;
struct err;
struct project;
struct store;

/* checkout_read() is a tar_source for it. */
struct checkout *checkout_open(struct store *, const char *id, struct err *);
ssize_t checkout_read(void *checkout, void *, size_t, struct err *);
void checkout_close(struct checkout *);

/* Tell the project what it wants to know; patterns as in project_wants(). */
int checkout_look(struct store *, const struct conf *, const char *id,
    struct project *, const char *const *patterns, struct err *);

/* The same for a tar from elsewhere, and for a directory on disk. */
int checkout_look_in(tar_source *source, void *arg, struct project *,
    const char *const *patterns, struct err *);
int checkout_look_at(const char *dir, struct project *,
    const char *const *patterns, struct err *);

/* A tar of a build's work directory: the source below src/, an empty home/,
 * and conf's build_ca, where there is one, as .davit/ca.pem. */
int checkout_pack(struct store *, const struct conf *, const char *id,
    tar_sink *, void *arg, struct err *);

#endif
