/*
 * The accept loop of a FastCGI program, and the only room of libfcgi: one
 * request at a time, blocking, on the listening socket that the web server
 * hands over as descriptor 0.
 */
#ifndef DAVIT_FCGI_RESPONDER_H
#define DAVIT_FCGI_RESPONDER_H

#include <stdbool.h>

struct err;
struct reply;
struct request;

/* Answers one request. */
typedef void responder_handler(void *arg, struct request *, struct reply *);

/* Answers one that could not be read, for the reason given. */
typedef void responder_refusal(void *arg, const struct err *, struct reply *);

struct responder {
	responder_handler *handle;
	responder_refusal *refuse;	/* NULL: a JSON error */
	void *arg;
	const char *streamed;		/* a path: request_read() its bodies */
	/* Called now and then in between requests; NULL: nothing to do. */
	void (*chore)(void *arg);
	int chore_ms;
};

/* Before any library is opened: descriptors, signals, the log's name. */
int responder_init(const char *program);

/* Serve until SIGTERM or SIGUSR1.  The exit status. */
int responder_run(const struct responder *);

/* Wait for ms.  True, and at once, where this process was told to leave:
 * whoever waits for something answers now. */
bool responder_pause(int ms);

/* A descriptor that is readable from then on, to poll along with others. */
int responder_leave_fd(void);

#endif
