/*
 * aliases/{name}.json: a name that points at a deployment, and those that it
 * pointed at before.  A name is a label below the domain ("blog") or a whole
 * host of somebody's own ("www.example.org").
 */
#ifndef DAVIT_LIB_ALIAS_H
#define DAVIT_LIB_ALIAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/bounds.h"

struct deployment;
struct err;
struct json;
struct store;

/* What it pointed at before, the newest first. */
#define ALIAS_MAX_PAST 50

struct alias_past {
	char id[ID_LENGTH + 1];
	int64_t left;	/* when it stopped to; ms since the epoch */
};

struct alias {
	char name[ALIAS_MAX_BYTES + 1];
	char id[ID_LENGTH + 1];
	char *owner;	/* the token's name; NULL: loopback */
	int64_t moved;	/* ms since the epoch */
	struct alias_past past[ALIAS_MAX_PAST];
	size_t npast;
};

/* Fold text to the name that it stands for: a label, or a host that is not
 * below domain (NULL: any).  False: it is neither. */
bool alias_name(const char *text, size_t len, const char *domain,
    char name[ALIAS_MAX_BYTES + 1]);

/* The same for a Host header, with port and dot at its end: "blog.domain" is
 * "blog". */
bool alias_of_host(const char *host, const char *domain,
    char name[ALIAS_MAX_BYTES + 1]);

/* ERR_NOTFOUND where there is none.  alias_free() it. */
struct alias *alias_load(struct store *, const char *name, struct err *);
void alias_free(struct alias *);

/* A name that nothing has yet. */
struct alias *alias_new(const char *name, const char *owner);

/* Who changes an alias holds it from before it is loaded, so that nothing of
 * its history is lost; until *held, a descriptor, is closed. */
int alias_hold(struct store *, int *held, struct err *);

/* Point it at id, and store that: all who load it from then on see it.  Where
 * id turns out not to be live, it is moved back, and ERR_CONFLICT.  Where the
 * store is a directory, live/{name} is a link to dist/{id}, for web servers
 * that look no further, unless its rules come before files. */
int alias_move(struct store *, struct alias *, const char *id, int64_t now,
    struct err *);

/* Point it at d, which is live now, as d->alias asks: made where there is
 * none.  -1 with ERR_DENIED where it is somebody else's, with ERR_CONFLICT
 * where it points at a newer deployment of the same ref already, was moved on
 * from d, or hides a deployment.  It can be done again. */
int alias_advance(struct store *, const struct deployment *d, int64_t now,
    struct err *);

/* id is not live any more: what points at it goes back to what it pointed at
 * before and is live, or is deleted. */
int alias_leave(struct store *, const char *id, struct err *);

int alias_delete(struct store *, const char *name, struct err *);

/* Call fn with each, until it returns other than 0; give that. */
int alias_each(struct store *, int (*fn)(void *arg, const struct alias *),
    void *arg, struct err *);

/* 1 with the name of one that points at id; 0: none does; -1. */
int alias_find(struct store *, const char *id,
    char name[ALIAS_MAX_BYTES + 1], struct err *);

/* "aliases/{name}.json"; owned by the caller. */
char *alias_key(const char *name);

/* As it is stored and shown.  Owned by the caller. */
struct json *alias_to_json(const struct alias *);

#endif
