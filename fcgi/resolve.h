/*
 * What a site answers to a path: pure decisions over its manifest.  In order:
 * a forced rule, the file itself, path.html, the directory's index.html, a
 * rule, 200.html, the nearest 404.html, index.html for a single-page
 * application, nothing.
 */
#ifndef DAVIT_FCGI_RESOLVE_H
#define DAVIT_FCGI_RESOLVE_H

#include <stdbool.h>

struct manifest;
struct manifest_file;
struct rules_request;

enum resolve_redirect {
	REDIRECT_NONE,
	REDIRECT_ADD_SLASH,	/* to the directory of that name */
	REDIRECT_DROP_SLASH,	/* to the page of that name */
	REDIRECT_CLEAN,		/* to the page's clean path */
	REDIRECT_RULE		/* to where a rule says */
};

struct resolve {
	int status;			/* 200, 3xx, 404, 410 or 451 */
	const struct manifest_file *file;	/* NULL: 3xx; or no page for
						   that status */
	enum resolve_redirect redirect;
	char *location;			/* of a rule, or a clean path, which
					   is not encoded; owned by the
					   caller */
};

/* The request's path is decoded, as request_init() leaves it; its site is not
 * looked at.  accept: the header, or NULL. */
struct resolve resolve_path(struct manifest *, const struct rules_request *,
    const char *accept);

/* The Cache-Control that a file's name alone decides: for ever where it holds
 * a hash of the contents, else to be asked about each time. */
const char *resolve_cache_control(const char *path);
bool resolve_is_hashed(const char *path);

/* Is it a page, or what others look for by name ("robots.txt")?  Those change
 * in place, wherever they lie. */
bool resolve_is_found_by_name(const char *path);

/* "{id}.domain", with a port, a trailing dot, in any case: the id. */
bool resolve_host(const char *host, const char *domain, char *id);

#endif
