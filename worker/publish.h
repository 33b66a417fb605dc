/*
 * A directory of files, as a tar stream, into the store as a site: dist/{id}/,
 * and last the manifest, which makes it live.
 */
#ifndef DAVIT_WORKER_PUBLISH_H
#define DAVIT_WORKER_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/tar.h"

struct conf;
struct err;
struct publish;
struct rules;
struct store;

struct publish_spec {
	struct store *store;
	const struct conf *conf;	/* bounds of the output */
	const char *id;
	const char *dir;	/* of the stream; what is elsewhere is left
				   out.  "" is all of it */
	bool source;		/* a checkout: leave out what is no site */
	bool spa;
	char *const *immutable;	/* directories; ends in NULL; NULL: none */
};

/* What dist/{id}/ holds is removed: nothing of an earlier attempt may stay. */
struct publish *publish_new(const struct publish_spec *, struct err *);
void publish_free(struct publish *);

/* Store every file of the stream.  ERR_OUTPUT_TOOBIG, ERR_OUTPUT_UNSAFE,
 * ERR_OUTPUT_EMPTY; ERR_INVALID for a stream that is no tar or ends early; or
 * what the store or the source says. */
int publish_stream(struct publish *, tar_source *, void *arg, struct err *);

/* After the stream: make rules of the _redirects and _headers that it had,
 * which are not served.  What is wrong with a line is said.  Borrowed; NULL:
 * there were none. */
const struct rules *publish_rules(struct publish *,
    void (*say)(void *arg, const char *file, int line, const char *what),
    void *arg);

/* What was stored is durable; it can be seen by no one yet. */
int publish_sync(struct publish *, struct err *);

/* The manifest: from here on the site is live. */
int publish_commit(struct publish *, struct err *);

/* Remove dist/{id}/. */
int publish_remove(struct store *, const char *id, struct err *);

int64_t publish_files(const struct publish *);
int64_t publish_bytes(const struct publish *);

/* There is an index.html at the top; how many links of a checkout lead to what
 * is not published, and the first (borrowed). */
bool publish_has_index(const struct publish *);
int64_t publish_links(const struct publish *, const char **first);

/* True for a path of a site that is not published: dotfiles, but for
 * .well-known; and of a checkout also what only its build is for. */
bool publish_leaves_out(const char *path, bool source);

#endif
