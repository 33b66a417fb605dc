#include "worker/events.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/crash.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "worker/watch.h"

/* An answer is {"go": true}; more than this is none. */
#define ANSWER_MAX_BYTES 4096

struct events {
	int fd;			/* -1: by hand */
	struct watch *watch;
	enum deployment_state state;
	struct buf in;
};

struct events *
events_open(int fd)
{
	struct events *ev = xcalloc(1, sizeof(*ev));
	socklen_t len = sizeof(int);
	int type;

	ev->fd = -1;
	ev->state = STATE_QUEUED;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0) {
		ev->fd = fd;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	return ev;
}

void
events_free(struct events *ev)
{
	if (ev == NULL)
		return;
	fdio_close(&ev->fd);
	buf_clear(&ev->in);
	free(ev);
}

void
events_set_watch(struct events *ev, struct watch *watch)
{
	ev->watch = watch;
}

static int
lost(struct err *e)
{
	return err_set(e, ERR_CANCELED, "davitd is gone");
}

/* 1: go, 0: stop. */
static int
read_answer(struct events *ev, struct err *e)
{
	struct json *j;
	char *end;
	bool go;

	while ((end = memchr(buf_str(&ev->in), '\n', ev->in.len)) == NULL) {
		ssize_t n;

		if (ev->in.len > ANSWER_MAX_BYTES)
			return err_set(e, ERR_CANCELED, "davitd babbles");
		if (watch_wait(ev->watch, ev->fd, POLLIN, -1, e) == -1)
			return -1;
		n = read(ev->fd, buf_space(&ev->in, 512), 512);
		if (n == 0 || (n == -1 && errno != EINTR && errno != EAGAIN))
			return lost(e);
		buf_grow(&ev->in, n > 0 ? (size_t)n : 0);
	}
	j = json_parse(ev->in.data, (size_t)(end - ev->in.data), NULL);
	go = json_get_bool(j, "go", false);
	json_free(j);
	buf_drop(&ev->in, (size_t)(end + 1 - ev->in.data));
	return go ? 1 : 0;
}

/* Takes j over. */
static int
tell(struct events *ev, struct json *j, struct err *e)
{
	char *text = json_text(j);
	char *line = xasprintf("%s\n", text);
	int rc = 1;

	CRASH_POINT("an event");
	if (ev->fd == -1)
		log_info("%s", text);
	else if (fdio_write(ev->fd, line, strlen(line), NULL) == -1)
		rc = lost(e);
	else
		rc = read_answer(ev, e);
	CRASH_POINT("after an event");
	json_free(j);
	free(line);
	free(text);
	if (rc == 0)
		return err_set(e, ERR_CANCELED, "the build is to stop");
	return rc == 1 ? 0 : -1;
}

/* A sentence may quote what is no text, or have been cut within a letter; a
 * line of JSON must not. */
static void
set_sentence(struct json *j, const char *key, const char *sentence)
{
	char *text = xstrdup(sentence);

	if (!name_is_text(text, strlen(text)))
		for (char *p = text; *p != '\0'; p++)
			if ((unsigned char)*p < 0x20 ||
			    (unsigned char)*p >= 0x7f)
				*p = '?';
	json_set_string(j, key, text);
	free(text);
}

int
events_stage(struct events *ev, enum deployment_state state,
    enum deployment_stage stage, struct err *e)
{
	struct json *j = json_new_object();

	if (state != ev->state)
		json_set_string(j, "state", deployment_state_name(state));
	ev->state = state;
	json_set_string(j, "stage", deployment_stage_name(stage));
	return tell(ev, j, e);
}

int
events_plan(struct events *ev, const struct json *plan, struct err *e)
{
	struct json *j = json_new_object();

	json_set(j, "plan", json_copy(plan));
	return tell(ev, j, e);
}

int
events_commit(struct events *ev, struct err *e)
{
	struct json *j = json_new_object();

	json_set_bool(j, "commit", true);
	return tell(ev, j, e);
}

void
events_deployed(struct events *ev, int64_t files, int64_t bytes,
    const char *note)
{
	struct json *j = json_new_object();

	json_set_string(j, "done", "deployed");
	json_set_int(j, "files", files);
	json_set_int(j, "bytes", bytes);
	if (note != NULL)
		set_sentence(j, "note", note);
	tell(ev, j, NULL);
}

void
events_failed(struct events *ev, const struct err *why)
{
	struct json *j = json_new_object();

	json_set_string(j, "done", "failed");
	json_set_string(j, "error", err_name(why->code));
	set_sentence(j, "message", why->msg);
	tell(ev, j, NULL);
}

void
events_retry(struct events *ev, const struct err *why)
{
	struct json *j = json_new_object();

	json_set_string(j, "done", "retry");
	set_sentence(j, "message", why->msg);
	tell(ev, j, NULL);
}
