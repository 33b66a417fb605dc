#include "fcgi/responder.h"

#include <errno.h>
#include <fcntl.h>
#include <fcgiapp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/name.h"
#include "lib/store.h"

/* The web server's listening socket (FastCGI specification, 2.2). */
#define LISTENER 0

/* libfcgi takes lengths as int. */
#define WRITE_STEP (1024 * 1024)

static int signals = -1;

static void
leave_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGINT);
}

/*
 * libfcgi's own handlers interrupt its writes, which it then takes for done,
 * and lose a signal that comes between its test and accept(2).  So the
 * signals stay blocked for good, and come as readable bytes in between
 * requests.
 */
int
responder_init(const char *program)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	sigset_t set;
	struct err e;

	log_init(program);
	if (getsockname(LISTENER, (struct sockaddr *)&address, &len) == -1) {
		fprintf(stderr,
		    "%s: started by a web server as a FastCGI responder; "
		    "see davit.fcgi(8)\n",
		    program);
		return -1;
	}
	umask(STORE_UMASK);
	leave_signals(&set);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals == -1) {
		log_error("signalfd: %s", strerror(errno));
		return -1;
	}
	/* Several processes may share the socket: another one may have taken
	 * the connection between poll(2) and accept(2). */
	if (fdio_nonblock(LISTENER, &e) == -1) {
		log_error("descriptor 0: %s", e.msg);
		return -1;
	}
	if (FCGX_Init() != 0) {
		log_error("libfcgi does not start");
		return -1;
	}
	return 0;
}

bool
responder_pause(int ms)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

int
responder_leave_fd(void)
{
	return signals;
}

/* Do the chore where it is due.  How long poll(2) may wait for the next. */
static int
do_chore(const struct responder *r, int64_t *due)
{
	int64_t now = name_tick_ms();

	if (r->chore == NULL)
		return -1;
	if (now >= *due) {
		r->chore(r->arg);
		*due = name_tick_ms() + r->chore_ms;
		return r->chore_ms;
	}
	return (int)(*due - now);
}

/* Wait for a connection.  False: it is time to leave. */
static bool
await_request(const struct responder *r, int64_t *due)
{
	struct pollfd p[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = LISTENER, .events = POLLIN },
	};

	for (;;) {
		if (poll(p, 2, do_chore(r, due)) == -1) {
			if (errno == EINTR)
				continue;
			log_error("poll: %s", strerror(errno));
			return false;
		}
		if (p[0].revents != 0)
			return false;
		if (p[1].revents & POLLIN)
			return true;
		if (p[1].revents != 0) /* the web server is gone */
			return false;
	}
}

static const char *
variable(void *arg, const char *name)
{
	FCGX_Request *f = arg;

	return FCGX_GetParam(name, f->envp);
}

static ssize_t
body(void *arg, void *data, size_t size)
{
	FCGX_Request *f = arg;
	int n = FCGX_GetStr(data, (int)size, f->in);

	if (n == 0 && FCGX_GetError(f->in) != 0)
		return -1;
	return n;
}

static int
sink(void *arg, const void *data, size_t len)
{
	FCGX_Request *f = arg;
	const char *p = data;

	while (len > 0) {
		int step = len > WRITE_STEP ? WRITE_STEP : (int)len;

		if (FCGX_PutStr(p, step, f->out) != step)
			return -1;
		p += step;
		len -= (size_t)step;
	}
	return 0;
}

static void
serve(const struct responder *r, FCGX_Request *f)
{
	const struct request_source source = { variable, body, f,
		r->streamed };
	struct request request;
	struct reply reply;
	struct err e;
	int rc;

	rc = request_init(&request, &source, &e);
	reply_init(&reply, sink, f, request.method == METHOD_HEAD);
	if (rc == 0)
		r->handle(r->arg, &request, &reply);
	else if (!request.gone && r->refuse != NULL)
		r->refuse(r->arg, &e, &reply);
	else if (!request.gone)
		reply_error(&reply, &e, NULL);
	request_drain(&request);
	if (!request.gone && FCGX_FFlush(f->out) == -1)
		reply.gone = true;
	if (reply.gone)
		log_debug("the client left before its answer");
	reply_clear(&reply);
	request_clear(&request);
	log_scope(NULL);
}

int
responder_run(const struct responder *r)
{
	FCGX_Request f;
	int64_t due = 0;

	if (FCGX_InitRequest(&f, LISTENER, FCGI_FAIL_ACCEPT_ON_INTR) != 0) {
		log_error("libfcgi does not start");
		return 1;
	}
	while (await_request(r, &due)) {
		if (FCGX_Accept_r(&f) != 0)
			continue;
		serve(r, &f);
		FCGX_Finish_r(&f);
		/* A web server that keeps its connection would park this
		 * process on it. */
		FCGX_Free(&f, 1);
	}
	return 0;
}
