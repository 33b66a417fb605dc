/*
 * A scripted HTTP server in a child process, on a TCP port of loopback: one
 * connection for each turn, in order.  Only to play faults that no real
 * server plays on demand.
 */
#ifndef DAVIT_TESTS_FAKE_HTTP_H
#define DAVIT_TESTS_FAKE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fake_turn {
	const char *expect;	/* the request line must begin so */
	const char *header;	/* … and its head hold this; NULL: anything */
	const char *answer;	/* bytes as they are; NULL: never answer */
	const char *then;	/* more bytes once the client has sent some */
	int repeat;		/* send answer so often; 0: once */
	int drip_ms;		/* wait so long before each byte of it */
	bool reset;		/* reset the connection once the head of the
				   request is there; the rest stays unread */
};

struct fake_http {
	pid_t pid;
	int port;
	char url[64];		/* "http://127.0.0.1:PORT" */
};

void fake_http_start(struct fake_http *, const struct fake_turn *, size_t n);

/* Ends it; the number of turns whose request was not the expected one. */
int fake_http_stop(struct fake_http *);

#endif
