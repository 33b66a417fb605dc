/* What lib/rules.c matches and lib/rules_read.c fills: theirs alone. */
#ifndef DAVIT_LIB_RULES_TABLE_H
#define DAVIT_LIB_RULES_TABLE_H

#include "lib/rules.h"

struct err;

/* Above this many, a site is a program. */
#define RULES_MAX 2000

/* Query tokens of one rule; a request has no more parameters. */
#define RULES_MAX_TOKENS 16

struct rules_redirect {
	char *from;	/* decoded; without a slash at its end */
	char *to;	/* 3xx: as written; else decoded, or NULL */
	int status;
	bool forced;
	bool pattern;	/* a splat or placeholders, in path or query */
	struct rules_pair *tokens;	/* values may be ":name" */
	size_t ntokens;
	int line;	/* 0: from a manifest */
};

struct rules_change {
	char *name;
	char *value;	/* NULL: remove it */
};

struct rules_block {
	char *path;
	struct rules_change *changes;
	size_t nchanges;
};

struct rules {
	struct rules_redirect *redirects;
	size_t nredirects;
	struct rules_block *blocks;
	size_t nblocks;
	size_t nchanges;	/* in all blocks */
	bool forced;		/* one of the redirects is */
	size_t *plain;		/* those that are no pattern, by path */
	size_t *patterns;	/* the others, in order */
	size_t nplain, npatterns;
};

/* The length of the placeholder's name that s begins with; 0: it is none. */
size_t rules_placeholder(const char *s);

/* Check and add one; what is wrong is said in err.  Strings are copied. */
int rules_add_redirect(struct rules *, const struct rules_redirect *,
    struct err *);
int rules_add_block(struct rules *, const char *path, struct err *);
/* To the last block.  value NULL: remove. */
int rules_add_change(struct rules *, const char *name, const char *value,
    struct err *);

/* After the last redirect: build what a match looks into. */
void rules_index(struct rules *);

/* Take out the redirects that are marked by their status being 0. */
void rules_compact(struct rules *);

/* The index of the redirect that rules_match() would take. */
bool rules_find(const struct rules *, bool forced,
    const struct rules_request *, size_t *index, struct rules_target *);

#endif
