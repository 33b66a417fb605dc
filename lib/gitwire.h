/*
 * Carries gitproto's conversation over http, https, git:// or ssh, within a
 * deadline, to addresses that may be connected to.
 */
#ifndef DAVIT_LIB_GITWIRE_H
#define DAVIT_LIB_GITWIRE_H

#include <stdint.h>

struct err;
struct gitproto;
struct name_url;

struct gitwire_options {
	const char *allow_hosts;	/* see address.h; "" for none */
	const char *user, *secret;	/* a login for https; NULL: none */
	const char *key, *known_hosts;	/* one for ssh; NULL: none */
	const char *scope;		/* what it is for: login_fits() */
	const char *ca;			/* CA bundle; "": the system's */
	int64_t deadline;		/* of name_tick_ms() */
	int64_t max_bytes;		/* of one answer */
};

/* Run the conversation to its end: on 0 the pack went into gitproto's sink.
 * On -1 the code is one of those of fetching. */
int gitwire_fetch(const struct name_url *, struct gitproto *,
    const struct gitwire_options *, struct err *);

#endif
