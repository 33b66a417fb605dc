/*
 * Names that stand in git's trees, where a server may put any bytes at all.
 * Pure functions of their arguments.
 */
#ifndef DAVIT_LIB_GITNAME_H
#define DAVIT_LIB_GITNAME_H

#include <stddef.h>

struct buf;

/* Why an entry of that name must not be written anywhere, as the end of a
 * sentence ("is a name of git's own directory"); NULL where it may. */
const char *gitname_problem(const char *name);

/* The same for a symbolic link at path.  Stricter than what it resolves to by
 * its letters: a ".." may only stand at the beginning of target, since after
 * a name it leads up from wherever another link of that name leads. */
const char *gitname_link_problem(const char *path, const char *target);

/* Add text as one line of valid UTF-8 without control bytes ("?" instead),
 * at most max bytes of it, cut between characters. */
void gitname_clean(struct buf *, const char *text, size_t max);

#endif
