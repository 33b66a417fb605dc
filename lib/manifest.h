/*
 * manifests/{id}.json: path → size, type, sha256, and what site.fcgi needs to
 * answer for the rest.  It is written last: a site is live if and only if its
 * manifest exists.
 */
#ifndef DAVIT_LIB_MANIFEST_H
#define DAVIT_LIB_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct manifest;
struct rules;

enum manifest_encoding { MANIFEST_BROTLI, MANIFEST_GZIP, MANIFEST_NENCODINGS };

struct manifest_file {
	const char *path;	/* borrowed; relative to dist/{id}/ */
	const char *type;	/* media type, as sent */
	int64_t size;
	char sha256[65];	/* hex */
	int64_t encoded[MANIFEST_NENCODINGS];	/* bytes of path.br and
						   path.gz; 0: none */
};

struct manifest *manifest_new(const char *id, bool spa);
void manifest_free(struct manifest *);

/* Add a file; path and type are copied. */
void manifest_add(struct manifest *, const struct manifest_file *);

/* "br", as HTTP calls it; ".br", behind the path of the file. */
const char *manifest_encoding_name(enum manifest_encoding);
const char *manifest_encoding_ending(enum manifest_encoding);

/* There is an encoded form of a file that was added. */
void manifest_encode(struct manifest *, const char *path,
    enum manifest_encoding, int64_t size);

/* A directory whose files have a hash in their names, relative to the site. */
void manifest_add_immutable(struct manifest *, const char *dir);
bool manifest_is_immutable(const struct manifest *, const char *path);

size_t manifest_count(const struct manifest *);
int64_t manifest_bytes(const struct manifest *);
bool manifest_spa(const struct manifest *);

/* Its rules: the manifest's from then on; NULL where it has none. */
void manifest_set_rules(struct manifest *, struct rules *);
const struct rules *manifest_rules(const struct manifest *);

/* The file at path, or NULL.  Borrowed.  O(log n). */
const struct manifest_file *manifest_find(struct manifest *, const char *path);

/* One of manifest_count() files, in no order.  Borrowed. */
const struct manifest_file *manifest_at(const struct manifest *, size_t);

/* Does a request for path ("/docs/a") get a file, or the way to one: by its
 * name, as path.html, as an index.html below?  O(log n). */
bool manifest_answers(struct manifest *, const char *path);

/* Owned by the caller. */
char *manifest_to_text(const struct manifest *);
struct manifest *manifest_from_text(const char *, size_t len, struct err *);

/* "manifests/{id}.json"; "manifests/{id}.rules", which is there where web
 * servers must not serve files themselves, since rules come before them; and
 * "dist/{id}/path".  Owned by the caller. */
char *manifest_key(const char *id);
char *manifest_rules_key(const char *id);
char *manifest_file_key(const char *id, const char *path);

/* The media type of a path by its extension, with charset where it is text;
 * "application/octet-stream" where unknown. */
const char *manifest_type_of(const char *path);

#endif
