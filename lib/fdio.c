#include "lib/fdio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"

/* How much fdio_slurp asks for at a time. */
#define SLURP_STEP (64 * 1024)

static void
await(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	poll(&p, 1, -1);
}

int
fdio_write(int fd, const void *data, size_t n, struct err *e)
{
	const char *p = data;

	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w == -1 && errno == EAGAIN)
			await(fd, POLLOUT);
		else if (w == -1 && errno != EINTR)
			return err_errno(e, "write");
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
	return 0;
}

ssize_t
fdio_read(int fd, void *data, size_t n, struct err *e)
{
	char *p = data;
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, p + got, n - got);

		if (r == 0)
			break;
		if (r == -1 && errno == EAGAIN)
			await(fd, POLLIN);
		else if (r == -1 && errno != EINTR)
			return err_errno(e, "read");
		if (r > 0)
			got += (size_t)r;
	}
	return (ssize_t)got;
}

int
fdio_slurp(int fd, size_t max, struct buf *out, struct err *e)
{
	size_t start = out->len;

	for (;;) {
		ssize_t n = fdio_read(fd, buf_space(out, SLURP_STEP),
		    SLURP_STEP, e);

		if (n == -1)
			return -1;
		buf_grow(out, (size_t)n);
		if (out->len - start > max)
			return err_set(e, ERR_TOOBIG, "over %zu bytes", max);
		if (n < SLURP_STEP)
			return 0;
	}
}

int
fdio_slurp_file(const char *path, size_t max, struct buf *out, struct err *e)
{
	int fd, rc;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		err_errno(e, "open %s", path);
		return errno == ENOENT ? err_recode(e, ERR_NOTFOUND) : -1;
	}
	if ((rc = fdio_slurp(fd, max, out, e)) == -1)
		err_within(e, "%s", path);
	fdio_close(&fd);
	return rc;
}

void
fdio_close(int *fd)
{
	int saved = errno;

	if (*fd != -1)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int
fdio_nonblock(int fd, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return err_errno(e, "fcntl");
	return 0;
}

int
fdio_unnamed(const char *dir, struct err *e)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd == -1)
		return err_errno(e, "unnamed file in %s", dir);
	return fd;
}

/* Empty the directory behind dirfd, which is closed.  Depth is bounded by the
 * descriptors that the process may open. */
static int
empty_directory(int dirfd)
{
	struct dirent *d;
	DIR *dir;
	int rc = 0;

	if ((dir = fdopendir(dirfd)) == NULL) {
		close(dirfd);
		return -1;
	}
	while ((d = readdir(dir)) != NULL) {
		int fd;

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd, d->d_name, 0) == 0 || errno == ENOENT)
			continue;
		fd = openat(dirfd, d->d_name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd == -1 || empty_directory(fd) == -1 ||
		    unlinkat(dirfd, d->d_name, AT_REMOVEDIR) == -1)
			rc = -1;
	}
	closedir(dir);
	return rc;
}

int
fdio_remove_tree(const char *path, struct err *e)
{
	int fd;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1 || empty_directory(fd) == -1 || rmdir(path) == -1)
		return err_errno(e, "remove %s", path);
	return 0;
}
