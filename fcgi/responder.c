#include "fcgi/responder.h"

#include <errno.h>
#include <fcntl.h>
#include <fcgiapp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/record.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/name.h"
#include "lib/store.h"

/* The web server's listening socket (FastCGI specification, 2.2). */
#define LISTENER 0

/* About what libfcgi has room for. */
#define SMALL_BYTES 8192

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

/* Of several processes that wait for a connection one alone is woken: all of
 * them for each request would be most of the work.  -1: it is not to be had. */
static int
watch(void)
{
	struct epoll_event signal = { .events = EPOLLIN,
		.data.fd = signals };
	struct epoll_event listener = { .events = EPOLLIN | EPOLLEXCLUSIVE,
		.data.fd = LISTENER };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd != -1 &&
	    epoll_ctl(fd, EPOLL_CTL_ADD, signals, &signal) == 0 &&
	    epoll_ctl(fd, EPOLL_CTL_ADD, LISTENER, &listener) == 0)
		return fd;
	log_error("epoll: %s", strerror(errno));
	if (fd != -1)
		close(fd);
	return -1;
}

/* Wait for a connection.  False: it is time to leave. */
static bool
await_request(const struct responder *r, int watched, int64_t *due)
{
	struct epoll_event events[2];
	int n;

	do {
		n = epoll_wait(watched, events, 2, do_chore(r, due));
		if (n == -1 && errno != EINTR) {
			log_error("epoll: %s", strerror(errno));
			return false;
		}
	} while (n <= 0);
	for (int i = 0; i < n; i++)
		if (events[i].data.fd == signals ||
		    !(events[i].events & EPOLLIN)) /* the web server is gone */
			return false;
	return true;
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

/* What is small goes through libfcgi's buffer, so that a whole answer is one
 * write. */
static int
sink(void *arg, const void *data, size_t len)
{
	FCGX_Request *f = arg;

	if (len <= SMALL_BYTES)
		return FCGX_PutStr(data, (int)len, f->out) == (int)len ? 0 : -1;
	if (FCGX_FFlush(f->out) == -1)
		return -1;
	return record_write(f->ipcFd, f->requestId, data, len);
}

/* The rest of the answer, and that it ends, in one write.  libfcgi would then
 * wait until the web server closes, so that what that still sends is no reason
 * to lose the answer; where its request is read to the end, nothing comes. */
static int
finish(FCGX_Request *f)
{
	int rc;

	FCGX_FClose(f->err);
	rc = FCGX_FClose(f->out);
	if (FCGX_HasSeenEOF(f->in) == EOF)
		FCGX_Detach(f);
	return rc;
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
	if (finish(f) == -1 && !request.gone)
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
	int watched = watch();
	int64_t due = 0;

	if (watched == -1)
		return 1;
	if (FCGX_InitRequest(&f, LISTENER, FCGI_FAIL_ACCEPT_ON_INTR) != 0) {
		log_error("libfcgi does not start");
		close(watched);
		return 1;
	}
	while (await_request(r, watched, &due)) {
		if (FCGX_Accept_r(&f) != 0)
			continue;
		serve(r, &f);
		FCGX_Finish_r(&f);
		/* A web server that keeps its connection would park this
		 * process on it. */
		FCGX_Free(&f, 1);
	}
	close(watched);
	return 0;
}
