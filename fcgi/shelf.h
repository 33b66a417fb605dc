/*
 * The manifests that were looked into last, parsed.  The store is asked at
 * each request whether a site is still there, and still the same.
 */
#ifndef DAVIT_FCGI_SHELF_H
#define DAVIT_FCGI_SHELF_H

struct err;
struct manifest;
struct shelf;
struct store;

struct shelf *shelf_new(void);
void shelf_free(struct shelf *);

/* The manifest of a site; borrowed until the next call.  NULL: ERR_NOTFOUND
 * where it is not live, ERR_STORE, or ERR_INTERNAL for a damaged one. */
struct manifest *shelf_manifest(struct shelf *, struct store *, const char *id,
    struct err *);

#endif
