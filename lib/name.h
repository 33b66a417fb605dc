/*
 * Names from outside, checked before anything else sees them: ids, URLs,
 * refs, paths, keys, numbers.  Pure functions of their arguments.
 */
#ifndef DAVIT_LIB_NAME_H
#define DAVIT_LIB_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/bounds.h"

struct err;

/* A fresh id from getrandom(2): ID_LENGTH of [a-z0-9], and a NUL. */
void name_new_id(char id[ID_LENGTH + 1]);

/* Fold text of len bytes to lower case into id where it is one; DNS folds
 * case, so /status/ABC and /status/abc are one deployment. */
bool name_is_id(const char *text, size_t len, char id[ID_LENGTH + 1]);

/* A decimal number, or a size such as 512M or 2G (powers of 1024; K M G).
 * False for anything else, or out of [min, max]. */
bool name_to_number(const char *text, int64_t min, int64_t max, int64_t *out);
bool name_to_size(const char *text, int64_t min, int64_t max, int64_t *out);

/* The parts of a repository's URL; pointers into storage of its own. */
struct name_url {
	char text[URL_MAX_BYTES + 1];	/* whole and normal: lower-case scheme
					   and host, no fragment */
	char scheme[8];			/* "http", "https", "git", "ssh" */
	char user[65];			/* of ssh, "git" where not named; "" */
	char host[256];			/* without the brackets of IPv6 */
	char path[URL_MAX_BYTES + 1];	/* from "/" on, as it was sent */
	bool relative;			/* to the user's home, without that
					   "/": user@host:path, which is ssh */
	uint16_t port;			/* the scheme's own where not named */
};

/* Split a repository URL (RFC 3986), or what git takes for ssh.  ERR_INVALID
 * with a sentence for other schemes, no host, control bytes, spaces, a
 * password, a user other than of ssh, a query, or over-long ones.  len is
 * given since JSON strings may hold NUL. */
int name_url(struct name_url *, const char *text, size_t len, struct err *);

/* The whole as a URL, also where the text is user@host:path.  Owned by the
 * caller. */
char *name_url_long(const struct name_url *);

/* Take "user:secret@" off a URL before anything else sees it; bare is the URL
 * without.  All are owned by the caller; user and secret are NULL where there
 * were none.  ERR_INVALID for a bad escape or byte, and where the scheme is
 * not https, which alone keeps a secret.  A user of ssh stays. */
int name_url_login(const char *text, char **bare, char **user, char **secret,
    struct err *);

/* Printable, without ":" in a user: what HTTP's basic authentication takes.
 */
bool name_is_login(const char *user, const char *secret);

/* A branch, tag or commit id by the rules of git check-ref-format(1): no
 * "..", no control byte, no leading "-" or "/", … */
bool name_is_ref(const char *);

/* 40 hex digits. */
bool name_is_commit(const char *);

/* A relative path that stays inside: segments not empty, ".", ".." or over
 * 255 bytes, no NUL, no control byte, no backslash, at most PATH_MAX_BYTES
 * and PATH_MAX_DEPTH, valid UTF-8.  "" is not one. */
bool name_is_path(const char *);

/* The same with KEY_MAX_BYTES: an object key. */
bool name_is_key(const char *);

/* A name of the environment: [A-Za-z_][A-Za-z0-9_]*, at most 128. */
bool name_is_env(const char *);

/* The length of the UTF-8 sequence at s, by RFC 3629; 0 for a bad one. */
size_t name_utf8_length(const unsigned char *s, size_t len);

/* Valid UTF-8 without control bytes but for tab and newline. */
bool name_is_text(const char *, size_t len);

/* Decode %HH of a URL's path (RFC 3986, 2.1) in place.  False for a bad
 * escape or one that gives NUL. */
bool name_percent_decode(char *);

/* Milliseconds since the epoch. */
int64_t name_now_ms(void);

/* Milliseconds of CLOCK_MONOTONIC: for deadlines. */
int64_t name_tick_ms(void);

#endif
