#include "worker/launch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/mem.h"

int
launch_build(struct child *c, const char *option, const char *id,
    const int fds[4], struct err *e)
{
	char *path = xasprintf("%s/davit-build", conf_libexecdir());
	const char *const argv[] = { path, option, id, NULL };
	struct child_spec spec = { .path = path,
		.argv = argv,
		.env = (const char *const *)environ,
		.fds = { fds[0], fds[1], fds[2], fds[3] },
		.nfds = 4,
		.die_with_parent = true };
	int rc = child_start(c, &spec, e);

	free(path);
	return rc;
}

int
launch_errand(struct child *c, const char *option, const char *id,
    struct err *e)
{
	return launch_build(c, option, id,
	    (int[]){ -1, -1, STDERR_FILENO, -1 }, e);
}

/* The job as JSON in memory: the environment in it may hold secrets, and is
 * on no disk. */
static int
job_fd(const struct deployment *d, struct err *e)
{
	struct json *job = deployment_to_json(d);
	char *text;
	int fd;

	json_set(job, "env", json_copy(d->env));
	text = json_text(job);
	json_free(job);
	if ((fd = memfd_create("job", MFD_CLOEXEC)) == -1)
		err_errno(e, "memfd_create");
	else if (fdio_write(fd, text, strlen(text), e) == -1 ||
	    lseek(fd, 0, SEEK_SET) == -1)
		fdio_close(&fd);
	explicit_bzero(text, strlen(text)); /* the environment is secret */
	free(text);
	return fd;
}

int
launch_job(struct child *c, const struct deployment *d, int ends[2],
    struct err *e)
{
	int job = -1, log[2] = { -1, -1 }, event[2] = { -1, -1 }, rc = -1;

	if ((job = job_fd(d, e)) == -1 || child_pipe(log, e) == -1 ||
	    child_socketpair(event, e) == -1 ||
	    fdio_nonblock(log[0], e) == -1 || fdio_nonblock(event[0], e) == -1)
		goto out;
	rc = launch_build(c, NULL, NULL,
	    (int[]){ job, log[1], STDERR_FILENO, event[1] }, e);
	if (rc == 0) {
		ends[0] = log[0];
		ends[1] = event[0];
		log[0] = event[0] = -1;
	}
out:
	fdio_close(&job);
	for (int i = 0; i < 2; i++) {
		fdio_close(&log[i]);
		fdio_close(&event[i]);
	}
	return rc;
}
