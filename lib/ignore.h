/*
 * .gitignore as git means it: gitignore(5), and where that is silent, what
 * git does.  Pure: rules come as text, paths as text.  Patterns are matched
 * by following all their states at once, so no pattern is exponential.
 *
 * A walk pushes each directory's file when it enters and pops it when it
 * leaves, and does not enter a directory that is ignored: as with git, no
 * rule inside it can bring anything back.
 */
#ifndef DAVIT_LIB_IGNORE_H
#define DAVIT_LIB_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct ignore;

enum ignore_verdict {
	IGNORE_UNSAID,	/* no rule matches */
	IGNORE_DROP,
	IGNORE_KEEP	/* a "!" rule matches */
};

struct ignore *ignore_new(void);
void ignore_free(struct ignore *);

/* Add the rules of a file in directory dir ("" for the root, no slash at its
 * end), which count for paths below it and over those that are there.
 * ERR_REPO_TOOBIG over IGNORE_FILE_MAX_BYTES or IGNORE_MAX_RULES; then
 * nothing is pushed. */
int ignore_push(struct ignore *, const char *dir, const char *text,
    size_t len, struct err *);

/* Forget the rules of the last push. */
void ignore_pop(struct ignore *);

/* What the last rule that matches says of path, which lies in or below the
 * directory of the last push. */
enum ignore_verdict ignore_check(const struct ignore *, const char *path,
    bool is_directory);

#endif
