/*
 * _redirects and _headers of a site: text → rules, said what is wrong line by
 * line → a form that the manifest carries → what a request meets.  Pure; the
 * work of a match is linear in the rules.
 */
#ifndef DAVIT_LIB_RULES_H
#define DAVIT_LIB_RULES_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct json;
struct rules;

/* A file is read up to here and no further; as GitLab and IPFS have it. */
#define RULES_FILE_MAX_BYTES (64 * 1024)

struct rules *rules_new(void);
void rules_free(struct rules *);

/* ---- from text ---- */

/* What rules are told of their site, and whom their reader tells. */
struct rules_site {
	/* Does it answer at path ("/a") with a file of its own? */
	bool (*exists)(void *arg, const char *path);
	/* Something is wrong with a line.  Of readers alone. */
	void (*say)(void *arg, const char *file, int line, const char *what);
	void *arg;
};

/* Add the rules of a file.  A line that is wrong is said, and left out; all
 * lines where the file is too large.  The number of those. */
int rules_read_redirects(struct rules *, const char *text, size_t len,
    const struct rules_site *);
int rules_read_headers(struct rules *, const char *text, size_t len,
    const struct rules_site *);

/* How many: redirects, and lines of headers. */
size_t rules_count(const struct rules *);

/* True if a request for a file that is there may meet one of them. */
bool rules_before_files(const struct rules *);

/* ---- in a manifest ---- */

/* NULL where there are none. */
struct json *rules_to_json(const struct rules *);

/* NULL with ERR_INVALID. */
struct rules *rules_from_json(const struct json *, struct err *);

/* ---- on requests ---- */

struct rules_pair {
	const char *name;
	const char *value;
};

struct rules_request {
	const char *path;	/* decoded; starts with "/" */
	const char *raw_query;	/* as it was sent, or NULL */
	const struct rules_pair *query;	/* decoded */
	size_t npairs;
	const struct rules_site *site;
};

struct rules_target {
	int status;	/* 200 301 302 303 307 308 404 410 451 */
	char *to;	/* 3xx: a Location; else a path of the site, or NULL:
			   no page of its own.  Owned by the caller. */
};

/* The first rule that the request meets; of the forced ones where "forced"
 * says so, which is what a file at the path asks for.  A redirect that would
 * be met again where it leads is none.  False: none. */
bool rules_match(const struct rules *, bool forced,
    const struct rules_request *, struct rules_target *);

struct rules_header {
	const char *name;	/* borrowed from the rules */
	char *value;		/* NULL: it is not to be sent */
};

/* The headers for a path, each name once, values of several blocks joined.
 * Their number; *out to be freed with rules_headers_free(). */
size_t rules_headers(const struct rules *, const char *path,
    struct rules_header **out);
void rules_headers_free(struct rules_header *, size_t);

#endif
