/*
 * What a deployment has in the store besides its record: source, site, log.
 * Removing what is not there succeeds; what was begun can be done again.
 */
#ifndef DAVIT_LIB_REMAINS_H
#define DAVIT_LIB_REMAINS_H

struct err;
struct store;

/* 1: it has a manifest; 0; -1. */
int remains_is_live(struct store *, const char *id, struct err *);

/* The manifest, and what goes with it: no visitor sees the site from then on,
 * on any server. */
int remains_hide_site(struct store *, const char *id, struct err *);

/* The same, and then the files. */
int remains_drop_site(struct store *, const char *id, struct err *);

/* The same of what a site_cache has, also of manifests that have to be asked
 * about: in stale/. */
int remains_drop_cached(struct store *disk, const char *id, struct err *);

int remains_drop_source(struct store *, const char *id, struct err *);
int remains_drop_log(struct store *, const char *id, struct err *);

/* "logs/{id}.txt", and with the times of its lines "logs/{id}.times".  Owned by
 * the caller. */
char *remains_log_key(const char *id);
char *remains_times_key(const char *id);

#endif
