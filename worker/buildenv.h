/* The environment that a build's commands see. */
#ifndef DAVIT_WORKER_BUILDENV_H
#define DAVIT_WORKER_BUILDENV_H

struct conf;
struct deployment;
struct json;
struct plan;

/* Lines of NAME=VALUE, each name once, ending in NULL: davit's, the plan's on
 * top of them, and the request's (an object of strings, or NULL) on top of
 * all. */
char **buildenv_new(const struct conf *, const struct deployment *,
    const struct json *request, const struct plan *);

/* They may hold secrets, which are wiped. */
void buildenv_free(char **);

#endif
