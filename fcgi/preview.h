/*
 * "plan_only": fetch a commit, have davit-build tell how it would be built,
 * and keep nothing of it.
 */
#ifndef DAVIT_FCGI_PREVIEW_H
#define DAVIT_FCGI_PREVIEW_H

struct conf;
struct deployment;
struct err;
struct json;

/* body: the request's, of which d was made; d gets what the fetch tells.  The
 * plan, owned by the caller; NULL with an error of fetching or of planning. */
struct json *preview_plan(const struct conf *, struct deployment *d,
    const struct json *body, struct err *);

#endif
