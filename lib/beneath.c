#include "lib/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/fdio.h"

/* No room for a segment (limits.h: NAME_MAX) and its end. */
#define SEGMENT_SIZE 256

/* The first segment of *path, which is moved past it and its slashes. */
static int
next_segment(const char **path, char segment[SEGMENT_SIZE])
{
	size_t len = strcspn(*path, "/");

	if (len >= SEGMENT_SIZE) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(segment, *path, len);
	segment[len] = '\0';
	if (len == 0 || strcmp(segment, "..") == 0) {
		errno = EXDEV;
		return -1;
	}
	*path += len;
	*path += strspn(*path, "/");
	return 0;
}

int
beneath_walk(int root, const char *path, int flags, mode_t mode)
{
	char segment[SEGMENT_SIZE];
	int fd = -1, at = root;

	for (;;) {
		int next = -1;

		if (next_segment(&path, segment) == 0)
			next = *path == '\0' ?
			    openat(at, segment,
				flags | O_NOFOLLOW | O_CLOEXEC, mode) :
			    openat(at, segment, O_PATH | O_DIRECTORY |
				O_NOFOLLOW | O_CLOEXEC);
		fdio_close(&fd);
		if (next == -1 || *path == '\0')
			return next;
		fd = at = next;
	}
}

int
beneath_open(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	/* EPERM: how older sandboxes refuse calls that they don't know. */
	if (fd == -1 && (errno == ENOSYS || errno == EPERM))
		fd = beneath_walk(root, path, flags, mode);
	return fd;
}
