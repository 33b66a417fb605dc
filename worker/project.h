/*
 * What planning knows of a checkout: which of the files that rules ask for
 * are there, and what the small ones say.  No file is opened here; the
 * contents are handed in, from a tar or from a directory.
 */
#ifndef DAVIT_WORKER_PROJECT_H
#define DAVIT_WORKER_PROJECT_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

struct json;
struct project;

/* dir: where in the repository the site is; NULL or "": at its root. */
struct project *project_new(const char *dir);
void project_free(struct project *);

/* How many bytes of the repository's file at path are wanted; 0: it is of no
 * interest.  patterns: what rules ask for (fnmatch(3), relative to dir), on
 * top of what each project is asked for. */
size_t project_wants(const struct project *, const char *path,
    const char *const *patterns);

/* It is there.  text is copied; comments of JavaScript are dropped, so that
 * what is commented out does not count. */
void project_add(struct project *, const char *path, const char *text,
    size_t len);

/* The dir, without a "/" at its end; "" for the root. */
const char *project_dir(const struct project *);

/* ---- asking, relative to dir ---- */

/* The name of the first file that the pattern matches, or NULL. */
const char *project_file(const struct project *, const char *pattern);

/* The name of the first file that the pattern matches and whose text the
 * expression matches, or NULL; *group gets the first group's text (owned by
 * the caller), where group is not NULL. */
const char *project_text(const struct project *, const char *pattern,
    const regex_t *, char **group);

/* The text of a file by name, or NULL. */
const char *project_read(const struct project *, const char *name);

/* The same, of the repository's root where dir is elsewhere. */
const char *project_root_file(const struct project *, const char *pattern);
const char *project_root_read(const struct project *, const char *name);

/* package.json, or NULL; project_broken() tells that one is there and is not
 * understood, and why. */
const struct json *project_package(const struct project *);
const char *project_broken(const struct project *);

/* In "dependencies" or "devDependencies". */
bool project_depends(const struct project *, const char *name);

/* The text of a script, or NULL; and the name of the first whose text the
 * expression matches. */
const char *project_script(const struct project *, const char *name);
const char *project_script_like(const struct project *, const regex_t *,
    char **group);

#endif
