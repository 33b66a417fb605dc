/* What dead processes have left on this machine. */
#include "worker/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/child.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/queue.h"
#include "worker/launch.h"

/* A fetch takes an hour at most (fetch_time). */
#define SCRATCH_MS ((int64_t)2 * 60 * 60 * 1000)

/* "fetch-XXXXXX", of mkdtemp(3) in lib/ingest. */
#define SCRATCH_NAME "fetch-"
#define SCRATCH_RANDOM 6

/* Removing a container with a large overlay has taken 55 s. */
#define ENGINE_MS (120 * 1000)
#define GRACE_MS 2000

/* A build keeps its caches after it has told its end. */
#define LEAVING_MS (10 * 60 * 1000)

/* A worker's containers, a line each. */
#define LIST_MAX_BYTES ((size_t)256 * 1024)

/* ---- scratch ---- */

static bool
is_left(int dirfd, const char *name)
{
	struct stat st;

	return strncmp(name, SCRATCH_NAME, strlen(SCRATCH_NAME)) == 0 &&
	    strlen(name) == strlen(SCRATCH_NAME) + SCRATCH_RANDOM &&
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode) &&
	    name_now_ms() - (int64_t)st.st_mtim.tv_sec * 1000 >= SCRATCH_MS;
}

void
sweep_scratch(const struct conf *conf)
{
	DIR *dir = opendir(conf->scratch);
	struct dirent *d;

	if (dir == NULL)
		return; /* nothing was fetched here yet */
	while ((d = readdir(dir)) != NULL) {
		char *path;
		struct err e;

		if (!is_left(dirfd(dir), d->d_name))
			continue;
		path = xasprintf("%s/%s", conf->scratch, d->d_name);
		if (fdio_remove_tree(path, &e) == -1)
			log_warn("%s", e.msg);
		else
			log_info("swept: %s", path);
		free(path);
	}
	closedir(dir);
}

/* ---- containers ---- */

/* davit-build with an option, and what it says; out: NULL where nothing is
 * listened to.  It alone knows the engine. */
static int
run_build(const char *option, const char *id, struct buf *out, struct err *e)
{
	struct child child = CHILD_INIT;
	int ends[2] = { -1, -1 }, status, rc = -1;
	char how[80];

	if (out != NULL && child_pipe(ends, e) == -1)
		goto out;
	if (launch_build(&child, option, id,
		(int[]){ -1, ends[1], STDERR_FILENO, -1 }, e) == -1)
		goto out;
	fdio_close(&ends[1]);
	if (out != NULL &&
	    fdio_slurp(ends[0], LIST_MAX_BYTES, out, e) == -1)
		goto out;
	if ((rc = child_wait(&child, ENGINE_MS, &status, e)) == 1)
		rc = WIFEXITED(status) && WEXITSTATUS(status) == 0
		    ? 0
		    : err_set(e, ERR_DOCKER, "davit-build %s %s", option,
			  child_describe(status, how, sizeof(how)));
	else if (rc == 0)
		rc = err_set(e, ERR_DOCKER, "davit-build %s took too long",
		    option);
out:
	child_stop(&child, GRACE_MS, NULL);
	fdio_close(&ends[0]);
	fdio_close(&ends[1]);
	return rc;
}

static int
is_it(void *arg, const char *id)
{
	return strcmp(arg, id) == 0;
}

/* 1: the build has told its end a short while ago, and may still keep what it
 * has cached; 0; -1. */
static int
is_leaving(struct queue *q, const char *id, struct err *e)
{
	struct deployment *d = queue_record(q, id, e);
	int rc = d != NULL && name_now_ms() - d->updated < LEAVING_MS;

	if (d == NULL && e->code != ERR_NOTFOUND && e->code != ERR_INVALID)
		rc = -1;
	deployment_free(d);
	return rc;
}

/* Containers are listed before ids are asked for: an id is held before it has
 * a container, and until its build has told its end. */
static int
clean(const struct conf *conf, struct queue *q, char *list, struct err *e)
{
	char *id;
	int rc = 0;

	while (rc == 0 && (id = strsep(&list, "\n")) != NULL) {
		char folded[ID_LENGTH + 1];

		if (!name_is_id(id, strlen(id), folded) ||
		    (rc = queue_held(q, conf->worker, is_it, folded, e)) != 0 ||
		    (rc = is_leaving(q, folded, e)) != 0) {
			rc = rc == -1 ? -1 : 0;
			continue;
		}
		if ((rc = run_build("--clean", folded, NULL, e)) == 0)
			log_info("swept: a container of %s, which is not in "
				 "hand", folded);
	}
	return rc;
}

int
sweep_containers(const struct conf *conf, struct err *e)
{
	struct queue *q = queue_open(conf, e);
	struct buf list = BUF_INIT;
	int rc = q == NULL ? -1 : run_build("--containers", NULL, &list, e);

	if (rc == 0)
		rc = clean(conf, q, list.data, e);
	buf_clear(&list);
	queue_free(q);
	return rc;
}
