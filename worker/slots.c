#include "worker/slots.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/child.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/queue.h"
#include "worker/backoff.h"
#include "worker/launch.h"
#include "worker/link.h"
#include "worker/relay.h"

/* davit-build ends itself at build_time; this much later it must have. */
#define BACKSTOP_MS (30 * 1000)

/* From SIGTERM to SIGKILL. */
#define GRACE_MS (5 * 1000)

/* Removing a container with a large overlay has taken 55 s. */
#define CLEAN_MS (120 * 1000)

#define CANCEL_LOOK_MS 500

enum phase {
	BUILDING,	/* its process runs */
	LEAVING,	/* it has told its end, and removes its container */
	CLEANING,	/* it died: what it left in Docker is removed */
	REPORTING	/* all that is missing is Redis' word */
};

enum reason {
	NOT_STOPPED,
	STOP_TIMEOUT,
	STOP_CANCEL,
	STOP_DRAIN,
	STOP_LOST	/* another worker has the id */
};

struct slot {
	char id[ID_LENGTH + 1];
	struct relay *relay;	/* NULL: adopted */
	struct child child;	/* davit-build, also for cleaning */
	enum phase phase;
	enum reason stopped;
	int64_t started;	/* name_tick_ms(), as the next two */
	int64_t deadline;	/* of the process */
	int64_t kill_at;	/* INT64_MAX: not yet told to stop */
	bool reported;		/* Redis has heard how it ended */
	struct backoff clean;
	size_t fd;		/* its first of 3 in the poll set */
};

struct slots {
	const struct conf *conf;
	struct link *link;
	struct slot *slot[SLOTS_MAX];
	size_t n;
	struct backoff pause;	/* of taking: Docker or the store is away */
	int64_t cancel_look;
	bool draining;
	bool doubt;
	int finished;		/* since the last slots_service() */
};

struct slots *
slots_new(const struct conf *conf, struct link *link)
{
	struct slots *s = xcalloc(1, sizeof(*s));

	s->conf = conf;
	s->link = link;
	s->pause = (struct backoff){ 1000, 30 * 1000, 0, 0 };
	return s;
}

static void
slot_free(struct slot *b)
{
	child_stop(&b->child, 0, NULL);
	relay_free(b->relay);
	free(b);
}

void
slots_free(struct slots *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		slot_free(s->slot[i]);
	free(s);
}

void
slots_set_conf(struct slots *s, const struct conf *conf)
{
	s->conf = conf;
}

size_t
slots_count(const struct slots *s)
{
	return s->n;
}

bool
slots_have(const struct slots *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->slot[i]->id, id) == 0)
			return true;
	return false;
}

/* Those that somebody waits for.  What has ended keeps caches and removes its
 * container beside the next builds, as many at once as these. */
static int64_t
busy(const struct slots *s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->slot[i]->phase != LEAVING || !s->slot[i]->reported;
	return n;
}

bool
slots_want(const struct slots *s)
{
	int64_t builds = s->conf->builds;

	return !s->draining && busy(s) < builds && (int64_t)s->n < 2 * builds &&
	    !backoff_waits(&s->pause);
}

bool
slots_doubt(struct slots *s)
{
	bool doubt = s->doubt;

	s->doubt = false;
	return doubt;
}

int64_t
slots_pause_end(const struct slots *s)
{
	return backoff_waits(&s->pause) ? s->pause.until : INT64_MAX;
}

static struct slot *
slot_add(struct slots *s, const char *id)
{
	struct slot *b = xcalloc(1, sizeof(*b));

	snprintf(b->id, sizeof(b->id), "%s", id);
	b->child = (struct child)CHILD_INIT;
	b->started = name_tick_ms();
	b->kill_at = INT64_MAX;
	b->clean = (struct backoff){ 1000, 30 * 1000, 0, 0 };
	s->slot[s->n++] = b;
	return b;
}

/* ---- from start to stop ---- */

void
slots_start(struct slots *s, struct deployment *d)
{
	struct slot *b = slot_add(s, d->id);
	int ends[2];
	struct err e;

	log_scope(b->id);
	b->phase = BUILDING;
	b->deadline = b->started + BACKSTOP_MS +
	    (s->conf->build_time + s->conf->fetch_time) * 1000;
	log_info("attempt %lld of %s", (long long)d->attempt,
	    d->url == NULL ? "an upload" : d->url);
	if (launch_job(&b->child, d, ends, &e) == 0)
		b->relay = relay_new(d, ends[0], ends[1],
		    (size_t)s->conf->log_bytes);
	else {
		log_error("%s; the build goes back to the queue", e.msg);
		b->phase = REPORTING;
		b->stopped = STOP_DRAIN; /* the same attempt, later */
		backoff_fail(&s->pause);
		deployment_free(d);
	}
	log_scope(NULL);
}

void
slots_adopt(struct slots *s, const char *id)
{
	if (s->n == SLOTS_MAX || slots_have(s, id))
		return;
	slot_add(s, id)->phase = CLEANING;
}

static void
stop_build(struct slot *b, enum reason why)
{
	static const char *const words[] = { [STOP_TIMEOUT] = "out of time",
		[STOP_CANCEL] = "canceled", [STOP_DRAIN] = "davitd stops",
		[STOP_LOST] = "in another hand" };

	if (b->phase != BUILDING || b->stopped != NOT_STOPPED)
		return;
	log_info("%s: the build is told to stop", words[why]);
	b->stopped = why;
	b->kill_at = name_tick_ms() + GRACE_MS;
	child_signal(&b->child, SIGTERM);
}

void
slots_drain(struct slots *s)
{
	s->draining = true;
}

void
slots_stop(struct slots *s)
{
	for (size_t i = 0; i < s->n; i++) {
		log_scope(s->slot[i]->id);
		if (s->slot[i]->phase == LEAVING)
			child_signal(&s->slot[i]->child, SIGTERM);
		stop_build(s->slot[i], STOP_DRAIN);
	}
	log_scope(NULL);
}

/* ---- how it ended ---- */

/* Back to the queue.  True when Redis has heard it. */
static bool
give_back(struct slots *s, struct slot *b, bool next_attempt)
{
	struct err e;
	int rc = queue_return(s->link->queue, s->conf->worker, b->id,
	    next_attempt, &e);

	if (!link_heard(s->link, rc, &e))
		return false;
	log_info("%s", rc == -1 ? e.msg : "back to the queue");
	return true;
}

static bool
finish(struct slots *s, struct slot *b, enum deployment_state state,
    enum err_code code, const char *message)
{
	if (!relay_finish(b->relay, s->link, s->conf->worker, state, code,
		message))
		return false;
	log_info("%s in %.1f s%s%s", deployment_state_name(state),
	    (double)(name_tick_ms() - b->started) / 1000,
	    code == ERR_NONE ? "" : ": ", code == ERR_NONE ? "" : message);
	backoff_works(&s->pause);
	s->finished++;
	return true;
}

static bool
time_is_over(struct slots *s, struct slot *b)
{
	char message[80];

	snprintf(message, sizeof(message),
	    "The build did not end within %lld s",
	    (long long)s->conf->build_time);
	return finish(s, b, STATE_FAILED, ERR_BUILD_TIMEOUT, message);
}

/* Try again what the platform could not do, a little later. */
static bool
retry(struct slots *s, struct slot *b)
{
	if (!give_back(s, b, false))
		return false;
	backoff_fail(&s->pause);
	s->doubt = true;
	log_warn("%s; the next build is taken in %.0f s",
	    relay_message(b->relay), (double)s->pause.delay / 1000);
	return true;
}

/* Tell Redis how the build ended.  True when it has heard. */
static bool
report(struct slots *s, struct slot *b)
{
	enum relay_done done;

	if (b->reported)
		return true;
	if (b->relay == NULL)
		return give_back(s, b, b->stopped == NOT_STOPPED);
	done = relay_done(b->relay);
	if (b->stopped == STOP_LOST || relay_is_lost(b->relay))
		return true;
	if (done == DONE_DEPLOYED) /* the site is live, whatever was wished */
		return finish(s, b, STATE_DEPLOYED, ERR_NONE, NULL);
	if (b->stopped == STOP_CANCEL || relay_is_canceled(b->relay))
		return finish(s, b, STATE_CANCELED, ERR_CANCELED,
		    "Canceled while it was built");
	if (b->stopped == STOP_TIMEOUT)
		return time_is_over(s, b);
	if (b->stopped == STOP_DRAIN)
		return give_back(s, b, false);
	if (done == DONE_FAILED)
		return finish(s, b, STATE_FAILED, relay_error(b->relay),
		    relay_message(b->relay));
	if (done == DONE_RETRY)
		return retry(s, b);
	return give_back(s, b, true); /* it crashed */
}

/* ---- phases ---- */

static void
build_ended(struct slot *b, int status)
{
	char how[80];
	bool told, orderly;

	relay_end(b->relay);
	told = b->stopped != NOT_STOPPED || relay_is_lost(b->relay) ||
	    relay_is_canceled(b->relay);
	orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	    (told || relay_done(b->relay) != DONE_NOT);
	b->phase = orderly ? REPORTING : CLEANING;
	if (!orderly && !told)
		log_warn("its davit-build was lost: %s",
		    child_describe(status, how, sizeof(how)));
}

static void
clean_ended(struct slot *b, int status)
{
	char how[80];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		b->phase = REPORTING;
		return;
	}
	backoff_fail(&b->clean);
	log_warn("davit-build --clean %s; again in %.0f s",
	    child_describe(status, how, sizeof(how)),
	    (double)b->clean.delay / 1000);
}

static void
start_cleaning(struct slot *b)
{
	struct err e;

	b->kill_at = name_tick_ms() + CLEAN_MS;
	if (launch_errand(&b->child, "--clean", b->id, &e) == -1) {
		log_error("%s", e.msg);
		backoff_fail(&b->clean);
	}
}

static void
service_build(struct slots *s, struct slot *b, const struct pollfd *pfd)
{
	struct err e;

	if (pfd[1].revents != 0)
		relay_read_log(b->relay);
	if (pfd[2].revents != 0 && relay_read_events(b->relay, &e) == -1) {
		log_error("%s: its davit-build is killed", e.msg);
		child_signal(&b->child, SIGKILL);
	}
	relay_pass_on(b->relay, s->link);
	if (relay_is_lost(b->relay))
		stop_build(b, STOP_LOST);
	if (name_tick_ms() >= b->deadline)
		stop_build(b, STOP_TIMEOUT);
}

/* What has told its end is not waited for: its container may take a while. */
static void
see_done(struct slot *b)
{
	enum relay_done done = relay_done(b->relay);

	if (b->stopped != NOT_STOPPED ||
	    (done != DONE_DEPLOYED && done != DONE_FAILED))
		return;
	relay_end(b->relay);
	b->phase = LEAVING;
	b->kill_at = name_tick_ms() + CLEAN_MS;
}

static void
has_left(struct slot *b, int status)
{
	bool orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	b->phase = orderly ? REPORTING : CLEANING;
}

/* One step of a slot.  True when it is free. */
static bool
service(struct slots *s, struct slot *b, const struct pollfd *pfd)
{
	int status;

	if (b->phase == BUILDING) {
		service_build(s, b, pfd);
		see_done(b);
	}
	if (b->phase == LEAVING && !b->reported && link_ready(s->link))
		b->reported = report(s, b);
	if (child_running(&b->child) && name_tick_ms() >= b->kill_at) {
		child_signal(&b->child, SIGKILL);
		b->kill_at = INT64_MAX;
	}
	if (child_running(&b->child) && pfd[0].revents != 0 &&
	    child_wait(&b->child, 0, &status, NULL) == 1) {
		if (b->phase == BUILDING)
			build_ended(b, status);
		else if (b->phase == LEAVING)
			has_left(b, status);
		else
			clean_ended(b, status);
	}
	if (b->phase == CLEANING && !child_running(&b->child)) {
		if (s->draining && b->clean.delay != 0)
			return true; /* the next davitd tries again */
		if (!backoff_waits(&b->clean))
			start_cleaning(b);
	}
	return b->phase == REPORTING && link_ready(s->link) && report(s, b);
}

static void
look_for_cancels(struct slots *s)
{
	int64_t now = name_tick_ms();

	if (now < s->cancel_look)
		return;
	s->cancel_look = now + CANCEL_LOOK_MS;
	for (size_t i = 0; i < s->n && link_ready(s->link); i++) {
		struct slot *b = s->slot[i];

		if (b->phase == BUILDING && b->stopped == NOT_STOPPED &&
		    queue_cancel_wanted(s->link->queue, b->id)) {
			log_scope(b->id);
			stop_build(b, STOP_CANCEL);
		}
	}
	log_scope(NULL);
}

int
slots_service(struct slots *s, const struct pollfd *pfd)
{
	size_t kept = 0;
	int finished;

	look_for_cancels(s);
	for (size_t i = 0; i < s->n; i++) {
		struct slot *b = s->slot[i];

		log_scope(b->id);
		if (service(s, b, pfd + b->fd))
			slot_free(b);
		else
			s->slot[kept++] = b;
	}
	log_scope(NULL);
	s->n = kept;
	finished = s->finished;
	s->finished = 0;
	return finished;
}

/* ---- what to wait for ---- */

size_t
slots_pollset(struct slots *s, struct pollfd *pfd)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct slot *b = s->slot[i];
		bool building = b->phase == BUILDING;

		b->fd = n;
		pfd[n++] = (struct pollfd){ b->child.pidfd, POLLIN, 0 };
		pfd[n++] = (struct pollfd){
			building ? relay_log_fd(b->relay) : -1, POLLIN, 0 };
		pfd[n++] = (struct pollfd){
			building ? relay_event_fd(b->relay) : -1, POLLIN, 0 };
	}
	return n;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
slot_due(const struct slots *s, const struct slot *b)
{
	int64_t redis = link_ready(s->link) ? 0 : s->link->pause.until;
	int64_t relay;

	switch (b->phase) {
	case BUILDING:
		relay = relay_due(b->relay);
		relay = relay < redis ? redis : relay;
		if (b->stopped == NOT_STOPPED)
			relay = earlier(relay, b->deadline);
		return earlier(relay, b->kill_at);
	case LEAVING:
		return b->reported ? b->kill_at : earlier(redis, b->kill_at);
	case CLEANING:
		return child_running(&b->child) ? b->kill_at : b->clean.until;
	default:
		return redis;
	}
}

int64_t
slots_due(const struct slots *s)
{
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < s->n; i++) {
		due = earlier(due, slot_due(s, s->slot[i]));
		if (s->slot[i]->phase == BUILDING)
			due = earlier(due, s->cancel_look);
	}
	return due;
}
