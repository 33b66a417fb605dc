/*
 * What a site answers to a path: pure decisions over its manifest.  In order:
 * the file itself, path.html, the directory's index.html, 200.html, the
 * nearest 404.html, index.html for a single-page application, nothing.
 */
#ifndef DAVIT_FCGI_RESOLVE_H
#define DAVIT_FCGI_RESOLVE_H

#include <stdbool.h>

struct manifest;
struct manifest_file;

enum resolve_redirect {
	REDIRECT_NONE,
	REDIRECT_ADD_SLASH,	/* to the directory of that name */
	REDIRECT_DROP_SLASH	/* to the page of that name */
};

struct resolve {
	int status;			/* 200, 308 or 404 */
	const struct manifest_file *file;	/* NULL: 308; or 404, and no
						   page for that */
	enum resolve_redirect redirect;
};

/* path: decoded, as request_init() leaves it.  accept: the header, or NULL. */
struct resolve resolve_path(struct manifest *, const char *path,
    const char *accept);

/* The Cache-Control that a file's name alone decides: for ever where it holds
 * a hash of the contents, else to be asked about each time. */
const char *resolve_cache_control(const char *path);

/* "{id}.domain", with a port, a trailing dot, in any case: the id. */
bool resolve_host(const char *host, const char *domain, char *id);

#endif
