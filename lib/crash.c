#include "lib/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#ifdef DAVIT_CRASH_POINTS

/* What no program of ours ends with. */
#define STATUS 66

/* As the file names it.  An errand of a program is another one, which has its
 * option for a name: "davit-build--ready" may come at any time between the
 * points of a build. */
static bool
is_me(const char *name)
{
	char args[256] = "", me[320];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, args, sizeof(args) - 1);
	const char *first = args + strlen(args) + 1;

	if (fd != -1)
		close(fd);
	if (n == -1 || first >= args + n || strncmp(first, "--", 2) != 0)
		first = "";
	snprintf(me, sizeof(me), "%s%s", program_invocation_short_name, first);
	return strcmp(name, me) == 0;
}

/* Count down; true at the end.  Processes of one program count together. */
static bool
counts(int fd, const char *path)
{
	char text[64] = "", name[32];
	int left;

	if (read(fd, text, sizeof(text) - 1) == -1 ||
	    sscanf(text, "%31s %d", name, &left) != 2 ||
	    !is_me(name))
		return false;
	if (left <= 1)
		return unlink(path) == 0;
	if (ftruncate(fd, 0) == -1 || lseek(fd, 0, SEEK_SET) == -1 ||
	    dprintf(fd, "%s %d\n", name, left - 1) < 0)
		abort();
	return false;
}

void
crash_point(const char *where)
{
	const char *path = getenv("DAVIT_CRASH");
	int saved = errno, fd;

	if (path == NULL)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd != -1 && flock(fd, LOCK_EX) == 0 &&
	    counts(fd, path)) {
		dprintf(STDERR_FILENO, "%s: dies at: %s\n",
		    program_invocation_short_name, where);
		_exit(STATUS);
	}
	if (fd != -1)
		close(fd);
	errno = saved;
}

#endif
