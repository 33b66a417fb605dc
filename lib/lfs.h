/*
 * Git LFS: files that a commit holds as pointers, and a server of its own
 * keeps.  The batch API tells where each is; both it and those places are
 * hostile, and reached under the rules of gitwire.
 */
#ifndef DAVIT_LIB_LFS_H
#define DAVIT_LIB_LFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct gitwire_options;
struct json;
struct name_url;

#define LFS_POINTER_MAX_BYTES 1024
#define LFS_OID_DIGITS 64

struct lfs_object {
	char oid[LFS_OID_DIGITS + 1];	/* SHA-256 of the contents */
	int64_t size;
	struct json *place;	/* where it is; NULL until lfs_locate() */
};

/* Takes the contents as they come. */
typedef int lfs_sink(void *arg, const char *data, size_t len, struct err *);

/* The lines of a .gitattributes that concern LFS, as lines of a .gitignore:
 * what they match is kept by LFS. */
void lfs_patterns(const char *text, size_t len, struct buf *out);

/* True for a pointer; fills in oid and size. */
bool lfs_pointer(const char *text, size_t len, struct lfs_object *);
void lfs_clear(struct lfs_object *);

/* Ask the repository's server for the places of n objects.  What it does not
 * have keeps place NULL. */
int lfs_locate(const struct name_url *, const struct gitwire_options *,
    struct lfs_object **, size_t n, struct err *);

/* Get one that was located; -1 unless its bytes are of that size and hash. */
int lfs_get(const struct lfs_object *, const struct gitwire_options *,
    lfs_sink *, void *arg, struct err *);

#endif
