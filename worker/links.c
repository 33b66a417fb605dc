#include "worker/links.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/manifest.h"
#include "lib/mem.h"

/* Each one is looked up among all files. */
#define LINKS_MAX 1000

struct one {
	char *path;
	char *target;		/* from the output's top; NULL: outside */
	bool done;
};

struct links {
	struct one v[LINKS_MAX];
	size_t n;
};

struct links *
links_new(void)
{
	return xcalloc(1, sizeof(struct links));
}

void
links_free(struct links *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].path);
		free(l->v[i].target);
	}
	free(l);
}

/* Take the last segment off. */
static bool
go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (path[0] == '\0')
		return false;
	*(slash == NULL ? path : slash) = '\0';
	return true;
}

/* Where the link leads, from the output's top; NULL: out of it, or to its
 * top.  Owned by the caller. */
static char *
normal_target(const char *path, const char *target)
{
	char *at = xmalloc(strlen(path) + strlen(target) + 2);
	bool inside = target[0] != '/';

	memcpy(at, path, strlen(path) + 1);
	go_up(at);
	while (inside && *target != '\0') {
		size_t len = strcspn(target, "/");

		if (len == 2 && strncmp(target, "..", 2) == 0)
			inside = go_up(at);
		else if (len > 0 && !(len == 1 && target[0] == '.')) {
			char *end = at + strlen(at);

			if (end != at)
				*end++ = '/';
			memcpy(end, target, len);
			end[len] = '\0';
		}
		target += len + (target[len] == '/');
	}
	if (inside && at[0] != '\0')
		return at;
	free(at);
	return NULL;
}

int
links_add(struct links *l, const char *path, const char *target,
    struct err *e)
{
	struct one *o;

	if (l->n == LINKS_MAX)
		return err_set(e, ERR_OUTPUT_TOOBIG,
		    "too_many_files: the output has over %d symbolic links",
		    LINKS_MAX);
	o = &l->v[l->n++];
	o->path = xstrdup(path);
	o->target = normal_target(path, target);
	return 0;
}

/* The rest of path below dir, from its "/" on; NULL: it is not below. */
static const char *
below(const char *dir, const char *path)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' ? path + len
								: NULL;
}

/* 1: it led to something. */
static int
follow(const struct one *o, struct manifest *m,
    int (*copy)(void *, const struct manifest_file *, const char *,
	struct err *), void *arg, struct err *e)
{
	const struct manifest_file *f = manifest_find(m, o->target);
	size_t n = manifest_count(m);
	int rc = 0;

	if (f != NULL) {
		struct manifest_file file = *f;

		return copy(arg, &file, o->path, e) == -1 ? -1 : 1;
	}
	/* A directory that holds the link has no end. */
	if (below(o->target, o->path) != NULL)
		return 0;
	for (size_t i = 0; i < n && rc != -1; i++) {
		struct manifest_file file = *manifest_at(m, i);
		const char *rest = below(o->target, file.path);
		char *to;

		if (rest == NULL)
			continue;
		to = xasprintf("%s%s", o->path, rest);
		rc = copy(arg, &file, to, e) == -1 ? -1 : 1;
		free(to);
	}
	return rc;
}

/* A link may lead to another: go on until nothing more comes of it. */
int
links_resolve(struct links *l, struct manifest *m,
    int (*copy)(void *, const struct manifest_file *, const char *,
	struct err *), void *arg, const char **first, struct err *e)
{
	size_t left = l->n, before;

	do {
		before = left;
		for (size_t i = 0; i < l->n; i++) {
			struct one *o = &l->v[i];
			int rc;

			if (o->done || o->target == NULL)
				continue;
			if ((rc = follow(o, m, copy, arg, e)) == -1)
				return -1;
			o->done = rc == 1;
			left -= (size_t)rc;
		}
	} while (left > 0 && left < before);
	*first = NULL;
	for (size_t i = l->n; i-- > 0;)
		if (!l->v[i].done)
			*first = l->v[i].path;
	return (int)left;
}
