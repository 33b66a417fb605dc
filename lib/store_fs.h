/* What lib/store_fs.c and lib/store_fs_tree.c share, and nobody else sees. */
#ifndef DAVIT_LIB_STORE_FS_H
#define DAVIT_LIB_STORE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/store_driver.h"

#define FS_TMP "tmp"

/* The web server's user (submit, site) and the worker's share a store through
 * the group of its root; nobody else gets past the root's mode. */
#define FS_ROOT_MODE 02770
#define FS_DIR_MODE 0775
#define FS_FILE_MODE 0664

/* A put that waits for sync. */
struct pending {
	char *tmp, *key;
};

struct fs {
	int root;
	char *area;	/* where parts are written: "tmp", or an attempt's */
	struct pending *pending;
	size_t npending;
};

/* By errno.  ERR_NOTFOUND for ENOENT, else ERR_STORE. */
int fs_errno(struct err *, const char *what, const char *key);

/* The same where what is missing is the store's fault, too. */
int fs_failed(struct err *, const char *what, const char *key);

/* open(2) of a key beneath the root. */
int fs_open_beneath(const struct fs *, const char *key, int flags);

/* The directory of a key, made where missing, and the key's last segment. */
int fs_open_parent(const struct fs *, const char *key, bool make,
    const char **base);

/* Of an open file.  ERR_NOTFOUND for what is no regular one. */
int fs_stat_object(int fd, const char *key, struct store_object *,
    struct err *);

/* ---- in lib/store_fs_tree.c: whole directories ---- */

int fs_delete_all(void *, const char *prefix, struct err *);
int fs_enter(void *, const char *id, int64_t attempt, struct err *);
int fs_revoke(void *, const char *id, int64_t below, struct err *);
int fs_list(void *, const char *prefix,
    int (*fn)(void *, const char *, const struct store_object *), void *arg,
    struct err *);
int fs_list_names(void *, const char *prefix,
    int (*fn)(void *, const char *, const struct store_object *), void *arg,
    struct err *);
int fs_sweep(void *, int64_t age_ms, struct err *);

#endif
