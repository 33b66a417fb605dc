/*
 * The parts of lib/gitwire, and what they share; for them alone.
 *
 *	gitwire.c		which way; who may be talked to, and how long
 *	gitwire_http.c		smart HTTP, over lib/http
 *	gitwire_socket.c	a connection to a checked address
 *	gitwire_talk.c		the conversation over a stream
 *	gitwire_git.c		git://
 *	gitwire_ssh.c		ssh://, over lib/ssh
 */
#ifndef DAVIT_LIB_GITWIRE_PARTS_H
#define DAVIT_LIB_GITWIRE_PARTS_H

#include "lib/gitwire.h"

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/name.h"

/* Longer silence is a dead peer; the deadline of the whole may come first. */
#define STALL_MS 30000
#define CONNECT_MS 10000

struct sockaddr;

struct wire {
	struct name_url url;	/* changes where a server redirects */
	struct gitproto *proto;
	const struct gitwire_options *options;

	/* What came was no git, which matters only if it should have been. */
	bool proto_failed;
	struct err proto_error;
};

int gitwire_over_http(struct wire *, struct err *);
int gitwire_over_git(struct wire *, struct err *);
int gitwire_over_ssh(struct wire *, struct err *);

/* A connection that carries bytes both ways. */
struct stream {
	int (*write)(void *, const void *, size_t, struct err *);
	ssize_t (*read)(void *, void *, size_t, struct err *);	/* 0: end */
	void *arg;
};

/* The whole conversation; the server begins. */
int gitwire_talk(struct wire *, const struct stream *, struct err *);

/* The URL's path as the host's git is to see it, which is never an option:
 * the caller's, or NULL. */
char *gitwire_path(const struct wire *, struct err *);

/* True if that address may be connected to; arg is the wire. */
bool gitwire_guard(void *arg, const struct sockaddr *);

/* Wherever this came by redirects, the login goes only where it belongs. */
bool gitwire_has_login(const struct wire *);

/* Milliseconds that are left, at most those; -1 at the deadline. */
int gitwire_time_left(const struct wire *, int most, struct err *);

/* Wait until fd is ready, at most that long: 0, or -1 at the deadline. */
int gitwire_await(const struct wire *, int fd, short events, int most,
    struct err *);

/* A connection to the first address that answers, and was checked; does not
 * block. */
int gitwire_connect(const struct wire *, struct err *);

/* All give -1. */
int gitwire_timed_out(const struct wire *, struct err *);
int gitwire_private_address(const struct wire *, struct err *);
int gitwire_no_such_host(const struct wire *, struct err *);
int gitwire_gone(const struct wire *, int sys, struct err *);

#endif
