/*
 * Symbolic links of an output.  They are no files that could be stored; each
 * becomes a copy of what it leads to, as long as that is in the output too.
 */
#ifndef DAVIT_WORKER_LINKS_H
#define DAVIT_WORKER_LINKS_H

struct err;
struct links;
struct manifest;
struct manifest_file;

struct links *links_new(void);
void links_free(struct links *);

/* path and target: seen from the output's top, and from the link.  -1 with
 * ERR_OUTPUT_TOOBIG where there are too many. */
int links_add(struct links *, const char *path, const char *target,
    struct err *);

/* Make copies of files, and of all files below directories, that the manifest
 * has; copy() adds to it.  The number of links that lead to nothing there, and
 * the first of them (borrowed); -1: copy() failed. */
int links_resolve(struct links *, struct manifest *,
    int (*copy)(void *arg, const struct manifest_file *, const char *to,
	struct err *), void *arg, const char **first, struct err *);

#endif
