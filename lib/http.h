/*
 * HTTP by libcurl, which no other file includes but lib/libs3_wrap.c, between
 * libs3 and it: requests over TCP, TLS or a unix socket, one at a time or
 * several side by side, answers streamed or in memory.  TLS peers are always
 * verified; redirects are the caller's to follow.
 */
#ifndef DAVIT_LIB_HTTP_H
#define DAVIT_LIB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct buf;
struct http;		/* a client: keeps its connections */
struct http_call;	/* a request under way beside others */
struct sockaddr;

/* Called with each piece of the body of the answer; other than 0 stops the
 * transfer, with the error that it has set, if any. */
typedef int http_sink(void *arg, const char *data, size_t len, struct err *);

/* Called before a connection to that address is made; false refuses it. */
typedef bool http_guard(void *arg, const struct sockaddr *);

struct http_request {
	const char *method;		/* NULL: GET */
	const char *url;		/* or only the path for a unix socket */
	const char *const *headers;	/* "Name: value", NULL-terminated */
	const void *body;		/* NULL: none */
	size_t body_len;
	const char *user, *secret;	/* basic authentication; NULL: none */
	int64_t max_bytes;		/* of the answer's body; 0: unbounded */
	int connect_ms, stall_ms, total_ms;	/* 0: 10 s, 60 s, none; stall:
						   no byte either way */
	http_sink *sink;		/* NULL: into the answer's body */
	void *sink_arg;
	bool sink_success;		/* give it only bodies of status 2xx */
	bool sink_errors;		/* give bodies of status >= 400 to the
					   sink as well */
};

struct http_answer {
	long status;
	struct buf *body;	/* where there is no sink, or status >= 400 */
	char *content_type;	/* "" where there was none */
	char *location;		/* of a redirect; NULL */
	struct buf *head;	/* status line and headers, for http_header() */
	bool untrusted;		/* the peer's certificate was refused */
};

/* endpoint: "unix:/path" for a unix socket (URLs are then paths), NULL for
 * URLs.  NULL on failure; http_free() it. */
struct http *http_open(const char *endpoint, struct err *);
void http_free(struct http *);

/* Only addresses that guard allows are connected to, names included: the
 * address that was checked is the one that is used. */
void http_set_guard(struct http *, http_guard *, void *arg);

/* CA bundle in place of the system's; "" or NULL: the system's. */
void http_set_ca(struct http *, const char *path);

/* One request to its end.  -1: no whole answer came (ERR_REMOTE, ERR_TIMEOUT,
 * ERR_TOOBIG, ERR_ADDRESS, ERR_NOTFOUND for a name that does not resolve, or
 * what the sink said); an answer of any status is 0.  Redirects are not
 * followed.  http_answer_clear() in each case. */
int http_perform(struct http *, const struct http_request *,
    struct http_answer *, struct err *);
void http_answer_clear(struct http_answer *);

/* The value of a header, whatever the case of its name; owned by the caller.
 * NULL where there is none. */
char *http_header(const struct http_answer *, const char *name);

/* Start a request beside those under way, over kept connections.  What the
 * request points to stays until it has ended, but for url and headers.  Each
 * call is ended by one of http_finish() and http_cancel(). */
struct http_call *http_start(struct http *, const struct http_request *,
    void *tag);

/* Let what was started go on for at most wait_ms, or until one call is done.
 * The tag of one that is, which is to be finished then, or NULL. */
void *http_next(struct http *, int wait_ms);

/* The answer of a call that is done, as http_perform() gives it. */
int http_finish(struct http_call *, struct http_answer *, struct err *);
void http_cancel(struct http_call *);

/* What a CURLcode means, for lib/libs3_wrap.c, whose transfers are not ours;
 * words: libcurl's own, or "".  Gives -1. */
int http_explain(int code, const char *words, struct err *);
bool http_is_untrusted(int code);

/* Send a request that turns the connection into a raw stream (the Docker
 * Engine's attach and exec); accepts 101 and 200.  The descriptor, owned by
 * the caller, or -1.  What came after the headers already is put into early.
 * Waiting ends with ERR_CANCELED once wake can be read; -1: nothing wakes. */
int http_hijack(struct http *, const char *path, const char *json, int wake,
    struct buf *early, struct err *);

#endif
