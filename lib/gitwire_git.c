#include "lib/gitwire_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/gitproto.h"
#include "lib/mem.h"

#define READ_STEP (64 * 1024)

static int
send_all(const struct wire *w, int fd, const struct buf *b, struct err *e)
{
	size_t sent = 0;

	while (sent < b->len) {
		ssize_t n;

		if (gitwire_await(w, fd, POLLOUT, STALL_MS, e) == -1)
			return -1;
		n = send(fd, b->data + sent, b->len - sent, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return gitwire_gone(w, errno, e);
		if (n > 0)
			sent += (size_t)n;
	}
	return 0;
}

/* Feed what comes until gitproto wants to say something, or is done. */
static int
receive(const struct wire *w, int fd, struct err *e)
{
	char data[READ_STEP];
	int64_t got = 0;

	while (gitproto_step(w->proto) == GITPROTO_READ) {
		ssize_t n;

		if (gitwire_await(w, fd, POLLIN, STALL_MS, e) == -1)
			return -1;
		n = recv(fd, data, sizeof(data), 0);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n == -1)
			return gitwire_gone(w, errno, e);
		if (n == 0)
			return gitproto_end(w->proto, e);
		if ((got += n) > w->options->max_bytes)
			return err_set(e, ERR_REPO_TOOBIG,
			    "%s sends over %lld bytes", w->url.host,
			    (long long)w->options->max_bytes);
		if (gitproto_feed(w->proto, data, (size_t)n, e) == -1)
			return -1;
	}
	return 0;
}

int
gitwire_over_git(struct wire *w, struct err *e)
{
	struct buf out = BUF_INIT;
	char *path = xstrdup(w->url.path);
	int fd = -1, rc = -1;

	if (!name_percent_decode(path) || !name_is_text(path, strlen(path)) ||
	    strpbrk(path, "\n\t") != NULL) {
		err_set(e, ERR_INVALID, "url: a bad escape in its path");
		goto out;
	}
	if ((fd = gitwire_connect(w, e)) == -1)
		goto out;
	gitproto_hello(path, w->url.host, w->url.port, &out);
	for (;;) {
		if (send_all(w, fd, &out, e) == -1 || receive(w, fd, e) == -1)
			goto out;
		if (gitproto_step(w->proto) == GITPROTO_DONE)
			break;
		buf_reset(&out);
		gitproto_request(w->proto, &out);
	}
	rc = 0;
out:
	fdio_close(&fd);
	buf_clear(&out);
	free(path);
	return rc;
}
