/*
 * What visitors have asked for of sites in a store that is far, on this
 * machine's disk.  It is laid out as "store dir" lays it out, so that the web
 * server serves what is there itself, and is shared by all site.fcgi:
 *
 *	dist/{id}/path		files, whole, as the manifest has them
 *	manifests/{id}.json	of sites that were live site_cache_age ago
 *	stale/{id}.json		of those that have to be asked about first
 *	state			locks and counters, see fcgi/cache_room.h
 *
 * Every function takes NULL for no cache: then the store itself is asked.
 */
#ifndef DAVIT_FCGI_CACHE_H
#define DAVIT_FCGI_CACHE_H

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct conf;
struct err;
struct manifest_file;
struct store;
struct store_object;
struct store_reader;

/* The one that conf's "cache" names. */
struct cache *cache_open(const struct conf *, struct err *);
void cache_free(struct cache *);

/* Where the site's manifest is up to date: in the cache, or the store itself
 * where that can't be written.  NULL: ERR_NOTFOUND for a site that is not
 * live, and has been forgotten here; ERR_STORE where the store does not answer
 * and nothing is here. */
struct store *cache_site(struct cache *, struct store *, const char *id,
    struct err *);

/* Open a file, or an encoded form of one, whose sha256 is "", as
 * store_get_open() does.  The first who asks fetches it whole,
 * and the others wait for that. */
struct store_reader *cache_read(struct cache *, struct store *, const char *id,
    const struct manifest_file *, int64_t offset, struct store_object *,
    struct err *);

/* Is it on disk, be it from now on? */
bool cache_has(struct cache *, struct store *, const char *id,
    const struct manifest_file *);

/* To be called every so many ms: makes sites stale that were not asked about,
 * and removes what dead processes left. */
void cache_tend(struct cache *);
int cache_chore_ms(const struct cache *);

#endif
