#include "lib/gitwire_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/gitproto.h"

struct socket {
	const struct wire *wire;
	int fd;
};

static int
socket_write(void *arg, const void *data, size_t len, struct err *e)
{
	const struct socket *s = arg;
	const char *at = data;

	while (len > 0) {
		ssize_t n;

		if (gitwire_await(s->wire, s->fd, POLLOUT, STALL_MS, e) == -1)
			return -1;
		n = send(s->fd, at, len, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return gitwire_gone(s->wire, errno, e);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static ssize_t
socket_read(void *arg, void *data, size_t size, struct err *e)
{
	const struct socket *s = arg;

	for (;;) {
		ssize_t n;

		if (gitwire_await(s->wire, s->fd, POLLIN, STALL_MS, e) == -1)
			return -1;
		if ((n = recv(s->fd, data, size, 0)) >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return gitwire_gone(s->wire, errno, e);
	}
}

int
gitwire_over_git(struct wire *w, struct err *e)
{
	struct socket s = { .wire = w, .fd = -1 };
	const struct stream stream = { socket_write, socket_read, &s };
	struct buf hello = BUF_INIT;
	char *path;
	int rc = -1;

	if ((path = gitwire_path(w, e)) == NULL ||
	    (s.fd = gitwire_connect(w, e)) == -1)
		goto out;
	gitproto_hello(path, w->url.host, w->url.port, &hello);
	rc = socket_write(&s, hello.data, hello.len, e);
	if (rc == 0)
		rc = gitwire_talk(w, &stream, e);
out:
	fdio_close(&s.fd);
	buf_clear(&hello);
	free(path);
	return rc;
}
