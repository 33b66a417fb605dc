#include "lib/gitwire_parts.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/fdio.h"

int
gitwire_await(const struct wire *w, int fd, short events, int most,
    struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int left, n;

	do {
		if ((left = gitwire_time_left(w, most, e)) == -1)
			return -1;
	} while ((n = poll(&p, 1, left)) == -1 && errno == EINTR);
	if (n == 0)
		return gitwire_timed_out(w, e);
	return n == -1 ? err_errno(e, "poll") : 0;
}

int
gitwire_gone(const struct wire *w, int sys, struct err *e)
{
	return err_set(e, ERR_FETCH_FAILED, "%s: %s", w->url.host,
	    strerror(sys));
}

/* A connection to the one address that was checked. */
static int
connect_one(const struct wire *w, const struct addrinfo *ai, struct err *e)
{
	socklen_t len = sizeof(int);
	int fd, sys = 0;

	if (!gitwire_guard((void *)(uintptr_t)w, ai->ai_addr))
		return gitwire_private_address(w, e);
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return err_errno(e, "socket");
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return fd;
	sys = errno;
	if (sys == EINPROGRESS) {
		if (gitwire_await(w, fd, POLLOUT, CONNECT_MS, e) == -1)
			goto fail;
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len);
	}
	if (sys == 0)
		return fd;
	gitwire_gone(w, sys, e);
fail:
	fdio_close(&fd);
	return -1;
}

int
gitwire_connect(const struct wire *w, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all;
	char port[8];
	int rc, fd = -1;

	snprintf(port, sizeof(port), "%u", (unsigned int)w->url.port);
	rc = getaddrinfo(w->url.host, port, &hints, &all);
	if (rc == EAI_NONAME || rc == EAI_NODATA || rc == EAI_FAIL)
		return gitwire_no_such_host(w, e);
	if (rc != 0)
		return err_set(e, ERR_FETCH_FAILED, "%s: %s", w->url.host,
		    gai_strerror(rc));
	for (struct addrinfo *ai = all; ai != NULL && fd == -1;
	     ai = ai->ai_next)
		fd = connect_one(w, ai, e);
	freeaddrinfo(all);
	return fd;
}
