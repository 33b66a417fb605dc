#include "worker/relay.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/queue.h"
#include "worker/link.h"
#include "worker/logcap.h"
#include "worker/logtext.h"

/* Log bytes go to Redis when they are this old or this many. */
#define LOG_AGE_MS 100
#define LOG_BATCH_BYTES ((size_t)32 * 1024)

/* A line that has begun is not passed on before: it may be drawn over. */
#define LINE_AGE_MS 500

/* So many may wait while Redis is away. */
#define LOG_WAITING_BYTES ((size_t)256 * 1024)

/* An event; the longest is a plan. */
#define EVENT_MAX_BYTES ((size_t)256 * 1024)

/* What is left in a pipe and a socket comes with fewer reads than these; a
 * stranger who keeps the other end open gets no more. */
#define END_READS_MAX 128

struct relay {
	struct deployment *d;
	int log_fd, event_fd;		/* -1: at its end */
	struct logtext *text;
	struct logcap *cap;
	struct buf log;			/* not yet in Redis */
	int64_t log_offset;		/* where it belongs */
	int64_t log_due;		/* name_tick_ms() */
	int64_t line_due;		/* of a line that has begun */
	struct buf in;			/* events; the first is not answered */
	struct json *done;		/* the last one */
	int stage;			/* -1: none yet */
	bool lost, canceled;
};

struct relay *
relay_new(struct deployment *d, int log_fd, int event_fd, size_t log_bytes)
{
	struct relay *r = xcalloc(1, sizeof(*r));

	r->d = d;
	r->log_fd = log_fd;
	r->event_fd = event_fd;
	r->text = logtext_new();
	r->cap = logcap_new(log_bytes);
	r->log_due = INT64_MAX;
	r->line_due = INT64_MAX;
	r->stage = -1;
	return r;
}

void
relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	deployment_free(r->d);
	fdio_close(&r->log_fd);
	fdio_close(&r->event_fd);
	logtext_free(r->text);
	logcap_free(r->cap);
	buf_clear(&r->log);
	buf_clear(&r->in);
	json_free(r->done);
	free(r);
}

const struct deployment *
relay_record(const struct relay *r)
{
	return r->d;
}

bool
relay_is_lost(const struct relay *r)
{
	return r->lost;
}

bool
relay_is_canceled(const struct relay *r)
{
	return r->canceled;
}

/* ---- reading ---- */

static bool
event_waits(const struct relay *r)
{
	return memchr(buf_str(&r->in), '\n', r->in.len) != NULL;
}

int
relay_log_fd(const struct relay *r)
{
	return r->log.len < LOG_WAITING_BYTES ? r->log_fd : -1;
}

int
relay_event_fd(const struct relay *r)
{
	return event_waits(r) ? -1 : r->event_fd;
}

/* Read once into buf: the count, 0 where nothing is there now.  At the end of
 * file, or where the other side has gone, *fd is closed. */
static size_t
read_some(int *fd, char *data, size_t size)
{
	ssize_t n = read(*fd, data, size);

	if (n > 0)
		return (size_t)n;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		fdio_close(fd);
	return 0;
}

/* What the filter lets through: into the log, as far as that has room. */
static void
take_text(struct relay *r, struct buf *text)
{
	logcap_add(r->cap, buf_str(text), text->len, &r->log);
	buf_clear(text);
	if (r->lost)
		buf_reset(&r->log);
	if (r->log.len > 0 && r->log_due == INT64_MAX)
		r->log_due = name_tick_ms() + LOG_AGE_MS;
	if (r->log.len >= LOG_BATCH_BYTES)
		r->log_due = 0;
	if (!logtext_waits(r->text))
		r->line_due = INT64_MAX;
	else if (r->line_due == INT64_MAX)
		r->line_due = name_tick_ms() + LINE_AGE_MS;
}

static bool
read_log(struct relay *r)
{
	char data[LOG_BATCH_BYTES];
	size_t n = read_some(&r->log_fd, data, sizeof(data));
	struct buf text = BUF_INIT;

	logtext_add(r->text, data, n, &text);
	take_text(r, &text);
	return n > 0;
}

static void
flush_line(struct relay *r)
{
	struct buf text = BUF_INIT;

	logtext_flush(r->text, &text);
	take_text(r, &text);
}

static void
end_log(struct relay *r)
{
	struct buf text = BUF_INIT;

	logtext_end(r->text, &text);
	take_text(r, &text);
	logcap_end(r->cap, &r->log);
}

void
relay_read_log(struct relay *r)
{
	read_log(r);
}

int
relay_read_events(struct relay *r, struct err *e)
{
	size_t n = read_some(&r->event_fd, buf_space(&r->in, 4096), 4096);

	buf_grow(&r->in, n);
	if (r->in.len > EVENT_MAX_BYTES && !event_waits(r))
		return err_set(e, ERR_INVALID, "an event of over %zu bytes",
		    EVENT_MAX_BYTES);
	return 0;
}

int64_t
relay_due(const struct relay *r)
{
	if (event_waits(r))
		return 0;
	return r->log_due < r->line_due ? r->log_due : r->line_due;
}

/* ---- the log ---- */

static void
forget_log(struct relay *r)
{
	r->lost = true;
	r->log_due = INT64_MAX;
	buf_reset(&r->log);
}

/* Append all that waits.  False: Redis is away. */
static bool
append_log(struct relay *r, struct link *l)
{
	while (r->log.len > 0 && !r->lost) {
		size_t n = r->log.len < LOG_WAITING_BYTES ? r->log.len
							  : LOG_WAITING_BYTES;
		struct err e;
		int rc = queue_log_append(l->queue, r->d->id, r->d->attempt,
		    r->log_offset, r->log.data, n, &e);

		if (!link_heard(l, rc, &e))
			return false;
		if (rc == -1) {
			forget_log(r);
			break;
		}
		buf_drop(&r->log, n);
		r->log_offset += (int64_t)n;
	}
	r->log_due = INT64_MAX;
	return true;
}

/* ---- events ---- */

/* Names and values for a Redis hash. */
struct fields {
	char *v[24];
	size_t n;
};

/* At the end there is always a NULL. */
static void __attribute__((format(printf, 3, 4)))
add_field(struct fields *f, const char *name, const char *fmt, ...)
{
	va_list ap;
	char *value;

	va_start(ap, fmt);
	if (f->n + 2 >= sizeof(f->v) / sizeof(f->v[0]) ||
	    vasprintf(&value, fmt, ap) == -1)
		abort();
	va_end(ap);
	f->v[f->n++] = xstrdup(name);
	f->v[f->n++] = value;
}

static const char *const *
fields_list(const struct fields *f)
{
	return (const char *const *)f->v;
}

static void
fields_clear(struct fields *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i]);
}

static int
stage_by_name(const char *name)
{
	for (int i = 0; name != NULL && i < NSTAGES; i++)
		if (strcmp(deployment_stage_name((enum deployment_stage)i),
			name) == 0)
			return i;
	return -1;
}

static void
add_stage_time(struct fields *f, int stage, const char *what)
{
	char name[32];

	snprintf(name, sizeof(name), "%s.%s",
	    deployment_stage_name((enum deployment_stage)stage), what);
	add_field(f, name, "%lld", (long long)name_now_ms());
}

/* The record as the event changes it: what the fields say, and *state. */
static void
event_to_fields(const struct relay *r, const struct json *event,
    enum deployment_state *state, int *stage, struct fields *f)
{
	const struct json *plan = json_get_object(event, "plan");
	const char *name = json_get_string(event, "state");
	enum deployment_state named;

	*state = r->d->state;
	*stage = stage_by_name(json_get_string(event, "stage"));
	if (name != NULL && deployment_state_by_name(name, &named) &&
	    !deployment_is_final(named))
		*state = named;
	if (*stage != -1 && *stage != r->stage) {
		if (r->stage != -1)
			add_stage_time(f, r->stage, "ended");
		add_stage_time(f, *stage, "started");
	}
	if (plan != NULL) {
		char *text = json_text(plan);

		add_field(f, "plan", "%s", text);
		free(text);
	}
}

/* Change the record.  False: Redis is away. */
static bool
pass_on_event(struct relay *r, struct link *l, const struct json *event)
{
	struct fields f = { .n = 0 };
	enum deployment_state state;
	struct err e;
	int stage, rc;
	bool commit = json_get_bool(event, "commit", false);

	event_to_fields(r, event, &state, &stage, &f);
	rc = queue_change(l->queue, r->d->id, r->d->attempt, state,
	    fields_list(&f), &e);
	fields_clear(&f);
	if (!link_heard(l, rc, &e))
		return false;
	if (rc == -1) {
		log_warn("%s; its build here stops", e.msg);
		forget_log(r);
		return true;
	}
	if (stage != -1 && stage != r->stage)
		log_info("%s", deployment_stage_name((enum deployment_stage)
			     stage));
	r->d->state = state;
	r->stage = stage != -1 ? stage : r->stage;
	if (commit && queue_cancel_wanted(l->queue, r->d->id))
		r->canceled = true;
	return true;
}

static void
answer(struct relay *r, bool go)
{
	const char *line = go ? "{\"go\": true}\n" : "{\"go\": false}\n";

	/* The build waits for it, so there is room; or it has gone. */
	if (r->event_fd != -1 &&
	    send(r->event_fd, line, strlen(line),
		MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		log_debug("the build does not listen");
}

/* Take the event over where it is the last one. */
static bool
keep_done(struct relay *r, struct json *event)
{
	if (json_get_string(event, "done") == NULL)
		return false;
	json_free(r->done);
	r->done = event;
	return true;
}

/* The first event that waits.  False: Redis is away, it still waits. */
static bool
serve_event(struct relay *r, struct link *l)
{
	size_t len = (size_t)((char *)memchr(r->in.data, '\n', r->in.len) -
	    r->in.data);
	struct json *event;
	struct err e;
	bool heard = true;

	if ((event = json_parse(r->in.data, len, &e)) == NULL)
		log_warn("an event of its build: %s", e.msg);
	else if (!keep_done(r, event)) {
		heard = r->lost || pass_on_event(r, l, event);
		json_free(event);
	}
	if (!heard)
		return false;
	buf_drop(&r->in, len + 1);
	answer(r, !r->lost && !r->canceled);
	return true;
}

void
relay_pass_on(struct relay *r, struct link *l)
{
	if (r->line_due <= name_tick_ms())
		flush_line(r);
	if (!link_ready(l))
		return;
	if (r->log_due <= name_tick_ms() && !append_log(r, l))
		return;
	while (event_waits(r))
		if (!serve_event(r, l))
			return;
}

/* ---- the end ---- */

/* Events that nobody waits on any more, but for the last word. */
static void
take_last_word(struct relay *r)
{
	char *end;

	while ((end = memchr(buf_str(&r->in), '\n', r->in.len)) != NULL) {
		size_t len = (size_t)(end - r->in.data);
		struct json *event = json_parse(r->in.data, len, NULL);

		if (!keep_done(r, event))
			json_free(event);
		buf_drop(&r->in, len + 1);
	}
}

void
relay_end(struct relay *r)
{
	int reads = 0;

	while (r->log_fd != -1 && reads++ < END_READS_MAX && read_log(r))
		continue;
	while (r->event_fd != -1 && reads++ < 2 * END_READS_MAX &&
	    r->in.len <= EVENT_MAX_BYTES)
		relay_read_events(r, NULL);
	take_last_word(r);
	fdio_close(&r->log_fd);
	fdio_close(&r->event_fd);
	end_log(r);
}

enum relay_done
relay_done(const struct relay *r)
{
	const char *how = json_get_string(r->done, "done");

	if (how == NULL)
		return DONE_NOT;
	if (strcmp(how, "deployed") == 0)
		return DONE_DEPLOYED;
	return strcmp(how, "retry") == 0 ? DONE_RETRY : DONE_FAILED;
}

enum err_code
relay_error(const struct relay *r)
{
	const char *name = json_get_string(r->done, "error");
	enum err_code code = name == NULL ? ERR_NONE : err_by_name(name);

	return code == ERR_NONE ? ERR_INTERNAL : code;
}

const char *
relay_message(const struct relay *r)
{
	const char *message = json_get_string(r->done, "message");

	return message == NULL ? "it gave no reason" : message;
}

static void
add_error(struct relay *r, struct fields *f, enum err_code code,
    const char *message)
{
	char *tail = logcap_tail(r->cap);

	add_field(f, "error", "%s", err_name(code));
	add_field(f, "message", "%s", message);
	if (tail[0] != '\0')
		add_field(f, "error_tail", "%s", tail);
	free(tail);
}

/* What went wrong with a deployment that is live all the same. */
static void
add_note(struct relay *r, struct fields *f)
{
	const char *note = json_get_string(r->done, "note");
	struct json *notes;
	char *text;

	if (note == NULL)
		return;
	notes = r->d->notes == NULL ? json_new_array() : json_copy(r->d->notes);
	json_append_string(notes, note);
	text = json_text(notes);
	add_field(f, "notes", "%s", text);
	free(text);
	json_free(notes);
}

bool
relay_finish(struct relay *r, struct link *l, const char *worker,
    enum deployment_state state, enum err_code code, const char *message)
{
	struct fields f = { .n = 0 };
	struct err e;
	bool heard;
	int rc;

	if (!append_log(r, l))
		return false;
	if (state == STATE_DEPLOYED) {
		add_field(&f, "files", "%lld",
		    (long long)json_get_int(r->done, "files", 0));
		add_field(&f, "bytes", "%lld",
		    (long long)json_get_int(r->done, "bytes", 0));
		add_note(r, &f);
	} else
		add_error(r, &f, code, message);
	rc = queue_finish(l->queue, worker, r->d->id, r->d->attempt, state,
	    fields_list(&f), &e);
	fields_clear(&f);
	heard = link_heard(l, rc, &e);
	if (heard && rc == -1)
		log_warn("%s; what this build has made of it is not told",
		    e.msg);
	return heard;
}
