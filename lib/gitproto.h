/*
 * Git's smart protocol, as far as one shallow fetch needs it: version 2, and
 * version 0 where the server knows no better.  Pure: bytes of the server are
 * fed in, requests come out, and whoever owns the connection carries both.
 *
 *	gitproto_feed(the advertisement), gitproto_end()
 *	while (gitproto_step() == GITPROTO_ASK)
 *		gitproto_request(), send it, gitproto_feed(the answer), ...
 *
 * Everything that comes in is hostile: lines, references and progress are
 * bounded, words of the server are cleaned before they enter a message.
 */
#ifndef DAVIT_LIB_GITPROTO_H
#define DAVIT_LIB_GITPROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct gitproto;

/* Takes the pack's bytes as they come; -1 with *e set ends the fetch. */
typedef int gitproto_sink(void *arg, const void *data, size_t len,
    struct err *);

enum gitproto_step {
	GITPROTO_READ,	/* the server has not said all yet */
	GITPROTO_ASK,	/* send what gitproto_request() gives */
	GITPROTO_DONE	/* the pack is here, and its end was said; or the
			   references, where they are all that is wanted */
};

/* ref: NULL for the default branch, a branch, a tag, a full "refs/..." name,
 * or 40 hex digits of a commit; copied.  gitproto_free() it. */
struct gitproto *gitproto_new(const char *ref, gitproto_sink *, void *arg);
void gitproto_free(struct gitproto *);

/* Ask for no blob over that many bytes, of a server that can leave them out. */
void gitproto_limit_blobs(struct gitproto *, int64_t bytes);

/* Ask for no pack: done once it is known what would be asked for. */
void gitproto_only_refs(struct gitproto *);

/* Begin again before any advertisement, for a server that redirected. */
void gitproto_restart(struct gitproto *);

/* Bytes of the server, in pieces of any size.  ERR_REPO_NOTFOUND,
 * ERR_REF_NOTFOUND, ERR_REPO_EMPTY, ERR_REPO_TOOBIG, ERR_FETCH_FAILED, or
 * what the sink said. */
int gitproto_feed(struct gitproto *, const void *, size_t, struct err *);

/* The server has closed, or its HTTP answer is at its end: -1 with
 * ERR_FETCH_FAILED unless it had said all. */
int gitproto_end(struct gitproto *, struct err *);

enum gitproto_step gitproto_step(const struct gitproto *);

/* Add the next request. */
void gitproto_request(struct gitproto *, struct buf *);

/* 2 or 0; known after the advertisement. */
int gitproto_version(const struct gitproto *);

/* True if blobs over the limit were not asked for. */
bool gitproto_is_limited(const struct gitproto *);

/* What was asked for: 40 hex digits of a commit or of a tag that leads to
 * one (that commit itself, where references alone were asked for); and the
 * branch or tag it came from, without "refs/heads/" or "refs/tags/" (NULL for
 * a commit id).  Known once the pack comes. */
const char *gitproto_want(const struct gitproto *);
const char *gitproto_ref(const struct gitproto *);

/* The line that opens a connection of git://. */
void gitproto_hello(const char *path, const char *host, uint16_t port,
    struct buf *);

#endif
