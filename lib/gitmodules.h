/*
 * The file .gitmodules, as far as a fetch needs it: where the submodule at a
 * path comes from.  Pure functions of hostile text.
 */
#ifndef DAVIT_LIB_GITMODULES_H
#define DAVIT_LIB_GITMODULES_H

#include <stddef.h>

struct err;

/* The url of the entry whose path that is; the caller owns it.  NULL where
 * there is none, or it is over URL_MAX_BYTES. */
char *gitmodules_url(const char *text, size_t len, const char *path);

/* "../lib.git" as seen from the repository at base (a URL without query): the
 * caller owns it.  What is not relative stays as it is.  NULL where it leads
 * above the host's root. */
char *gitmodules_resolve(const char *base, const char *url);

#endif
