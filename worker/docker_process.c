#include "worker/docker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "worker/docker_call.h"
#include "worker/watch.h"

#define PIECE_BYTES (64 * 1024)

/* A process that has left something behind with its output open ends no
 * stream: when nothing has come for so long, the engine is asked. */
#define QUIET_MS 2000

/* The engine is asked whether a process whose stream has ended has ended as
 * well: mostly it has within 2 ms, so the pauses grow up to this. */
#define ASK_MOST_MS 32

struct docker_process {
	struct docker *docker;
	struct watch *watch;
	char *path;		/* where the engine tells of it */
	bool entry;		/* it is a container's entry process */
	int fd;
	bool ended;
	struct dstream stream;
	dstream_sink *sink;
	void *arg;
};

static struct json *
exec_config(const struct docker_command *c)
{
	struct json *j = json_new_object(), *argv = json_new_array(),
		    *env = json_new_array();

	for (const char *const *a = c->argv; *a != NULL; a++)
		json_append_string(argv, *a);
	for (char *const *v = c->env; v != NULL && *v != NULL; v++)
		json_append_string(env, *v);
	json_set(j, "Cmd", argv);
	json_set(j, "Env", env);
	json_set_string(j, "WorkingDir", c->cwd == NULL ? "/work" : c->cwd);
	json_set_bool(j, "AttachStdin", c->input);
	json_set_bool(j, "AttachStdout", true);
	json_set_bool(j, "AttachStderr", true);
	json_set_bool(j, "Tty", false);
	return j;
}

/* The id of a new process, owned by the caller. */
static char *
create(struct docker *d, const char *container, const struct docker_command *c,
    struct err *e)
{
	struct json *answer = NULL;
	struct docker_call call = { .what = "create a process",
		.method = "POST",
		.path = xasprintf("/containers/%s/exec", container),
		.body = exec_config(c),
		.answer = &answer };
	char *id;

	if (docker_call(d, &call, e) == -1)
		return NULL;
	id = xstrdup_null(json_get_string(answer, "Id"));
	json_free(answer);
	if (id == NULL)
		err_set(e, ERR_DOCKER,
		    "the container engine created a process without an id");
	return id;
}

static struct docker_process *
new_process(struct docker *d, struct watch *watch, dstream_sink *sink,
    void *arg)
{
	struct docker_process *p = xcalloc(1, sizeof(*p));

	p->docker = d;
	p->watch = watch;
	p->sink = sink;
	p->arg = arg;
	p->fd = -1;
	dstream_init(&p->stream);
	return p;
}

static int
attach(struct docker_process *p, const struct docker_call *c, struct err *e)
{
	struct buf early = BUF_INIT;
	int rc = -1;

	p->fd = docker_call_stream(p->docker, c, &early, e);
	if (p->fd != -1 && fdio_nonblock(p->fd, e) == 0)
		rc = dstream_feed(&p->stream, early.data, early.len, p->sink,
		    p->arg, e);
	buf_clear(&early);
	return rc;
}

struct docker_process *
docker_exec(struct docker *d, const char *container,
    const struct docker_command *c, struct watch *watch, dstream_sink *sink,
    void *arg, struct err *e)
{
	struct docker_call start = { .what = "start a process" };
	char *id = create(d, container, c, e);
	struct docker_process *p;

	if (id == NULL)
		return NULL;
	p = new_process(d, watch, sink, arg);
	p->path = xasprintf("/exec/%s/json", id);
	start.path = xasprintf("/exec/%s/start", id);
	start.body = json_new_object();
	json_set_bool(start.body, "Detach", false);
	json_set_bool(start.body, "Tty", false);
	free(id);
	if (attach(p, &start, e) == 0)
		return p;
	docker_process_free(p);
	return NULL;
}

struct docker_process *
docker_attach(struct docker *d, const char *container, struct watch *watch,
    dstream_sink *sink, void *arg, struct err *e)
{
	struct docker_call start = { .what = "attach to the container",
		.path = xasprintf("/containers/%s/attach?stream=1&stdin=1"
				  "&stdout=1&stderr=1", container),
		.body = json_new_object() };
	struct docker_process *p = new_process(d, watch, sink, arg);

	p->path = xasprintf("/containers/%s/json", container);
	p->entry = true;
	if (attach(p, &start, e) == 0)
		return p;
	docker_process_free(p);
	return NULL;
}

void
docker_process_free(struct docker_process *p)
{
	if (p == NULL)
		return;
	fdio_close(&p->fd);
	free(p->path);
	free(p);
}

/* ---- its output ---- */

/* Take what is there; at the end of the stream *p is told so. */
static int
receive(struct docker_process *p, struct err *e)
{
	char data[PIECE_BYTES];
	ssize_t n = read(p->fd, data, sizeof(data));

	if (n > 0)
		return dstream_feed(&p->stream, data, (size_t)n, p->sink,
		    p->arg, e);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* A reset is how an end looks when input was left unread.  Whether the
	 * engine is still there is seen when it is asked for the status. */
	if ((n == 0 || errno == ECONNRESET) && dstream_is_whole(&p->stream)) {
		p->ended = true;
		return 0;
	}
	return err_set(e, ERR_DOCKER,
	    "the container engine cut the connection to a process");
}

/* 1: it has ended, and *status is its exit status; 0: it runs; -1. */
static int
has_ended(struct docker_process *p, int *status, struct err *e)
{
	struct json *answer = NULL;
	struct docker_call look = { .what = "look at a process",
		.method = "GET",
		.path = xstrdup(p->path),
		.answer = &answer };
	const struct json *state;
	bool running;

	if (docker_call(p->docker, &look, e) == -1)
		return -1;
	state = p->entry ? json_get_object(answer, "State") : answer;
	running = json_get_bool(state, "Running", true);
	*status = (int)json_get_int(state, "ExitCode", -1);
	json_free(answer);
	return !running && *status != -1;
}

int
docker_process_step(struct docker_process *p, struct err *e)
{
	int rc, status, ended = 0;

	if (p->ended)
		return 0;
	while ((rc = watch_wait(p->watch, p->fd, POLLIN, QUIET_MS, e)) == 0) {
		if (ended == 1) {
			p->ended = true;
			return 0;
		}
		if ((ended = has_ended(p, &status, e)) == -1)
			return -1;
	}
	if (rc == -1 || receive(p, e) == -1)
		return -1;
	return p->ended ? 0 : 1;
}

int
docker_process_finish(struct docker_process *p, int *status, struct err *e)
{
	int rc, pause = 1;

	while ((rc = docker_process_step(p, e)) == 1)
		continue;
	while (rc == 0 && (rc = has_ended(p, status, e)) == 0) {
		if ((rc = watch_wait(p->watch, -1, 0, pause, e)) == -1)
			return -1;
		if (pause < ASK_MOST_MS)
			pause *= 2;
	}
	return rc == 1 ? 0 : -1;
}

/* ---- its input ---- */

int
docker_process_write(struct docker_process *p, const void *data, size_t len,
    struct err *e)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(p->fd, at, len, MSG_NOSIGNAL);

		if (n > 0) {
			at += n;
			len -= (size_t)n;
			continue;
		}
		if (p->ended || (errno != EAGAIN && errno != EINTR))
			return err_set(e, ERR_REMOTE,
			    "the process has stopped reading");
		/* What it writes has to be taken meanwhile, or both wait. */
		if (watch_wait(p->watch, p->fd, POLLIN | POLLOUT, -1, e) ==
			-1 ||
		    receive(p, e) == -1)
			return -1;
	}
	return 0;
}

int
docker_process_end(struct docker_process *p, struct err *e)
{
	if (shutdown(p->fd, SHUT_WR) == -1 && errno != ENOTCONN)
		return err_errno(e, "end a process's input");
	return 0;
}
