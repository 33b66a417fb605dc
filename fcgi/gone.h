/*
 * Deployments that were deleted, as their durable records tell: those who come
 * for them get 410, not 404.  Anybody may ask for any id: what was found is
 * kept for a while, and only so many records are asked for in a second.
 */
#ifndef DAVIT_FCGI_GONE_H
#define DAVIT_FCGI_GONE_H

#include <stdbool.h>

struct gone;
struct store;

struct gone *gone_new(void);
void gone_free(struct gone *);

/* False as well where too many ask, or the store does not answer. */
bool gone_is(struct gone *, struct store *, const char *id);

#endif
