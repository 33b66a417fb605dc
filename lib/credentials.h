/*
 * The operator's credentials for git hosts: a file of lines
 *
 *	HOST|URL-PREFIX USER SECRET
 *	ssh://[USER@]HOST[:PORT][/PATH] KEY-FILE KNOWN-HOSTS-FILE
 *
 * A host alone means https; a prefix ends between two segments of a path.  The
 * longest that fits a repository's URL is used.
 */
#ifndef DAVIT_LIB_CREDENTIALS_H
#define DAVIT_LIB_CREDENTIALS_H

#include <stdbool.h>

struct err;
struct name_url;

/* A login and the beginning of URLs that it is for; all owned, NULL where
 * there is none. */
struct login {
	char *user, *secret;		/* for https, or else */
	char *key, *known_hosts;	/* for ssh: what both files hold */
	char *scope;
};

/* True if there is one of either kind. */
bool login_is_set(const struct login *);

/* True if the URL lies in that scope, which is written as in the file. */
bool login_fits(const char *scope, const struct name_url *);

/* What the file has for that URL; none leaves *login empty.  -1 with
 * ERR_CONFIG where the file, or one that it names, cannot be read, is open to
 * others, or has a line that is none. */
int credentials_find(const char *file, const struct name_url *,
    struct login *, struct err *);

/* Forget it, and what it was. */
void login_clear(struct login *);

#endif
