/*
 * A tar archive from a stranger, re-written as davit stores sources: the same
 * bounds and rules as for a commit's tree, and an output that is the same
 * whatever the input's format.  Only davit-fetch, which may do nothing else,
 * reads such archives.
 */
#ifndef DAVIT_LIB_TARBALL_H
#define DAVIT_LIB_TARBALL_H

#include <stdint.h>

#include "lib/tar.h"

struct err;

struct tarball_options {
	const char *dir;	/* must be a directory of it; NULL: the root */
	struct tar_bounds bounds;
	int64_t deadline;	/* of name_tick_ms() */
};

struct tarball_report {
	int64_t files, bytes;
	int64_t git;		/* entries of .git directories, left out */
};

/* Copy what the source yields to the writer, which is not closed.  -1:
 * ERR_ARCHIVE for what is no archive, is cut, or holds an unsafe entry;
 * ERR_TOOBIG; ERR_DIR_NOTFOUND; ERR_FETCH_TIMEOUT; or what source and writer
 * said. */
int tarball_copy(tar_source *, void *arg, struct tar_writer *,
    const struct tarball_options *, struct tarball_report *, struct err *);

#endif
