#include "worker/build.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alias.h"
#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/rules.h"
#include "lib/store.h"
#include "worker/backoff.h"
#include "worker/box.h"
#include "worker/buildlog.h"
#include "worker/cache.h"
#include "worker/checkout.h"
#include "worker/events.h"
#include "worker/keep.h"
#include "worker/plan.h"
#include "worker/planner.h"
#include "worker/project.h"
#include "worker/publish.h"
#include "worker/watch.h"

struct build {
	const struct build_job *job;
	struct buildlog *log;
	struct store *store;
	struct plan *plan;
	struct deployment placed;	/* the job's, with the plan's dir; owns
					   nothing */
	struct box_spec spec;
	struct box *box;
	struct keep *keep;	/* what builds leave for each other */
	struct publish *publish;
	int64_t files, bytes;	/* of what is live */
	bool live;
	char *note;		/* what its alias has met; NULL: nothing */
	bool patient;		/* it has waited for the store, in vain */
	int64_t began;		/* of the stage that is timed */
};

/* ---- what an earlier attempt has left ---- */

/* 1: it had got as far as the manifest, and only its last word was lost. */
static int
is_live(struct build *b, struct err *e)
{
	char *key = manifest_key(b->job->record->id);
	struct buf text = BUF_INIT;
	struct manifest *m;
	struct err why;
	int rc;

	rc = store_get(b->store, key, JSON_MAX_BYTES, &text, &why);
	if (rc == 0) {
		m = manifest_from_text(buf_str(&text), text.len, &why);
		if (m != NULL) {
			b->files = (int64_t)manifest_count(m);
			b->bytes = manifest_bytes(m);
			b->live = true;
		}
		rc = m == NULL ? -1 : 1;
		manifest_free(m);
	} else if (why.code == ERR_NOTFOUND)
		rc = 0;
	if (rc == -1 && e != NULL)
		*e = why;
	buf_clear(&text);
	free(key);
	return rc;
}

/* ---- planning ---- */

static int
look(void *build, struct project *p, const char *const *patterns,
    struct err *e)
{
	struct build *b = build;

	return checkout_look(b->store, b->job->conf, b->job->record->id, p,
	    patterns, e);
}

static int
make_plan(struct build *b, struct err *e)
{
	const struct deployment *r = b->job->record;
	const struct plan_request request = { .framework = r->framework,
		.install = r->install,
		.build = r->build,
		.output = r->output,
		.node = r->node };

	b->plan = planner_plan(look, b, r->dir, &request,
	    planner_node(b->job->conf->image), e);
	if (b->plan == NULL)
		return -1;
	b->placed = *r;
	b->placed.dir = b->plan->dir;
	return 0;
}

/* What became of the source on its way: it may be why a build fails. */
static void
tell_source(struct build *b)
{
	const struct deployment *r = b->job->record;
	const struct json *names = json_get_array(r->ignored, "names");
	int64_t count = json_get_int(r->ignored, "count", 0);

	for (size_t i = 0; i < json_count(r->notes); i++)
		buildlog_say(b->log, "note: %s",
		    json_as_string(json_at(r->notes, i)));
	if (count == 0)
		return;
	buildlog_say(b->log, "note: %lld committed files match .gitignore "
	    "and are left out (\"ignored\": \"keep\" keeps them):",
	    (long long)count);
	for (size_t i = 0; i < json_count(names); i++)
		buildlog_say(b->log, "  %s", json_as_string(json_at(names, i)));
}

static int
tell_plan(struct build *b, struct err *e)
{
	struct json *j = plan_to_json(b->plan);
	struct buf text = BUF_INIT;
	int rc;

	plan_print(b->plan, &text);
	buildlog_say(b->log, "%s", buf_str(&text));
	buf_clear(&text);
	rc = events_plan(b->job->events, j, e);
	json_free(j);
	return rc;
}

/* ---- stages ---- */

/* For DAVIT_DEBUG: where the time goes. */
static void
lap(struct build *b, const char *what)
{
	int64_t now = name_tick_ms();

	log_debug("%s: %lld ms", what, (long long)(now - b->began));
	b->began = now;
}

static int
open_box(struct build *b, struct err *e)
{
	b->spec = (struct box_spec){ .conf = b->job->conf,
		.job = &b->placed,
		.env = b->job->env,
		.plan = b->plan,
		.watch = b->job->watch,
		.log = b->log };

	if ((b->box = box_open(&b->spec, e)) == NULL)
		return -1;
	lap(b, "container");
	if (box_fill(b->box, b->store, e) == -1)
		return -1;
	lap(b, "source into it");
	return 0;
}

static int
prepare(struct build *b, struct err *e)
{
	if (make_plan(b, e) == -1)
		return -1;
	tell_source(b);
	if (tell_plan(b, e) == -1)
		return -1;
	lap(b, "plan");
	return b->plan->container ? open_box(b, e) : 0;
}

/* Packages that an earlier build has installed are not installed again. */
static int
install(struct build *b, struct err *e)
{
	struct cache *cache = cache_open(b->job->conf, b->job->record);
	int rc;

	b->keep = keep_new(&b->spec, b->box, cache);
	if ((rc = keep_restore(b->keep, e)) == -1)
		return -1;
	lap(b, "what was kept");
	return rc == 1 ? 0 : box_install(b->box, b->plan->install, e);
}

static int
install_and_build(struct build *b, struct err *e)
{
	struct events *events = b->job->events;

	if (b->plan->install != NULL) {
		if (events_stage(events, STATE_BUILDING, STAGE_INSTALL, e) ==
			-1 ||
		    install(b, e) == -1)
			return -1;
		lap(b, "install");
	}
	if (b->plan->build != NULL) {
		if (events_stage(events, STATE_BUILDING, STAGE_BUILD, e) ==
			-1 ||
		    box_build(b->box, b->plan->build, e) == -1)
			return -1;
		lap(b, "build");
	}
	return 0;
}

/* ---- publishing ---- */

static int
take_stream(void *publish, tar_source *source, void *arg, struct err *e)
{
	return publish_stream(publish, source, arg, e);
}

/* dir: of the stream; "." or "" for all of it. */
static int
start_publish(struct build *b, const char *dir, bool source, struct err *e)
{
	struct publish_spec spec = { .store = b->store,
		.conf = b->job->conf,
		.id = b->job->record->id,
		.dir = strcmp(dir, ".") == 0 ? "" : dir,
		.source = source,
		.spa = b->plan->spa,
		.immutable = b->plan->immutable };

	b->publish = publish_new(&spec, e);
	return b->publish == NULL ? -1 : 0;
}

static int
publish_output(struct build *b, struct err *e)
{
	char *dir = box_output(b->box, e);
	int rc = -1;

	if (dir == NULL)
		return -1;
	buildlog_say(b->log, "publishing %s",
	    strcmp(dir, ".") == 0 ? "the whole directory" : dir);
	/* The stream begins in dir: all of it is the site. */
	if (start_publish(b, "", strcmp(dir, ".") == 0, e) == 0)
		rc = box_read(b->box, take_stream, b->publish, e);
	free(dir);
	return rc;
}

/* Where in the repository the site is: the plan's dir, and the output in it. */
static char *
source_directory(const struct build *b)
{
	const char *dir = b->plan->dir, *out = b->plan->outputs[0];

	if (strcmp(out, ".") == 0)
		out = "";
	if (dir[0] == '\0')
		return xstrdup(out);
	return out[0] == '\0' ? xstrdup(dir) : xasprintf("%s/%s", dir, out);
}

/* There is nothing to run, and so no container. */
static int
publish_source(struct build *b, struct err *e)
{
	char *dir = source_directory(b);
	struct checkout *c = NULL;
	int rc = -1;

	if (start_publish(b, dir, true, e) == 0 &&
	    (c = checkout_open(b->store, b->job->record->id, e)) != NULL)
		rc = publish_stream(b->publish, checkout_read, c, e);
	checkout_close(c);
	free(dir);
	return rc;
}

static void
tell_output(struct build *b)
{
	const char *link;
	int64_t links = publish_links(b->publish, &link);

	buildlog_say(b->log, "%lld files, %lld bytes",
	    (long long)publish_files(b->publish),
	    (long long)publish_bytes(b->publish));
	if (links > 0)
		buildlog_say(b->log, "warning: %lld symbolic links are not "
		    "published, the first is %s", (long long)links, link);
	if (!publish_has_index(b->publish))
		buildlog_say(b->log, "warning: there is no index.html at the "
		    "top: / answers 404.  Is 'output' the right directory?");
}

static void
tell_rule(void *log, const char *file, int line, const char *what)
{
	buildlog_say(log, "warning: %s:%d: %s; the line is not used", file,
	    line, what);
}

static void
make_rules(struct build *b)
{
	const struct rules *rules = publish_rules(b->publish, tell_rule,
	    b->log);

	if (rules != NULL)
		buildlog_say(b->log, "%zu rules of _redirects and _headers%s",
		    rules_count(rules), rules_before_files(rules)
			? "; they come before files"
			: "");
}

static int
upload(struct build *b, struct err *e)
{
	publish_free(b->publish);
	b->publish = NULL;
	if (b->plan->container ? publish_output(b, e) == -1
			       : publish_source(b, e) == -1)
		return -1;
	make_rules(b);
	lap(b, "output");
	return publish_sync(b->publish, e);
}

static int
commit(struct build *b, struct err *e)
{
	return publish_commit(b->publish, e);
}

/* What was built is not thrown away because the store is full or away for a
 * while. */
static int
patiently(struct build *b, int (*step)(struct build *, struct err *),
    struct err *e)
{
	int64_t end = name_tick_ms() + b->job->conf->store_time * 1000;
	struct backoff pause = { 1000, 15 * 1000, 0, 0 };

	while (step(b, e) == -1) {
		if (e->code != ERR_STORE)
			return -1;
		backoff_fail(&pause);
		if (pause.until >= end) {
			b->patient = true;
			return -1;
		}
		buildlog_say(b->log, "warning: %s; trying again in %lld s",
		    e->msg, (long long)pause.delay / 1000);
		if (watch_wait(b->job->watch, -1, 0, (int)pause.delay, e) ==
			-1)
			return -1;
	}
	return 0;
}

static int
publish(struct build *b, struct err *e)
{
	struct events *events = b->job->events;

	if (events_stage(events, STATE_PUBLISHING, STAGE_PUBLISH, e) == -1 ||
	    patiently(b, upload, e) == -1)
		return -1;
	tell_output(b);
	lap(b, "sync");
	if (events_commit(events, e) == -1 || patiently(b, commit, e) == -1)
		return -1;
	lap(b, "commit");
	b->files = publish_files(b->publish);
	b->bytes = publish_bytes(b->publish);
	b->live = true;
	return 0;
}

/* The site is live, whatever becomes of its alias.  A build that ends between
 * the two is repeated, and comes here again. */
static void
move_alias(struct build *b)
{
	const struct deployment *r = b->job->record;
	struct err e;

	if (r->alias == NULL)
		return;
	if (alias_advance(b->store, r, name_now_ms(), &e) == 0) {
		buildlog_say(b->log, "alias %s points here now", r->alias);
		return;
	}
	b->note = xasprintf("alias %s was not moved: %s", r->alias, e.msg);
	buildlog_say(b->log, "warning: %s", b->note);
}

/* ---- the whole ---- */

static int
hide_value(void *log, const char *name, const struct json *value)
{
	const char *text = json_as_string(value);

	if (text != NULL)
		buildlog_hide(log, text);
	return 0;
}

/* Once davitd has let this attempt go on, no earlier one may change the site
 * any more, wherever it sleeps; and a later one finds this one's area. */
static int
take_over(struct build *b, struct err *e)
{
	const struct deployment *r = b->job->record;

	if ((b->store = store_open(b->job->conf, e)) == NULL ||
	    store_enter(b->store, r->id, r->attempt, e) == -1 ||
	    events_stage(b->job->events, STATE_BUILDING, STAGE_PREPARE, e) ==
		-1)
		return -1;
	return store_revoke(b->store, r->id, r->attempt, e);
}

static int
run(struct build *b, struct err *e)
{
	int rc;

	b->began = name_tick_ms();
	if (take_over(b, e) == -1 || (rc = is_live(b, e)) == -1)
		return -1;
	if (rc == 0) {
		watch_deadline(b->job->watch, b->job->conf->build_time * 1000);
		if (prepare(b, e) == -1 ||
		    (b->plan->container && install_and_build(b, e) == -1) ||
		    publish(b, e) == -1)
			return -1;
	}
	move_alias(b);
	return 0;
}

/* What is left of the site is removed by the next attempt, or when the end is
 * settled: here the id may be another's by now. */
static void
clean_up(struct build *b)
{
	publish_free(b->publish);
	store_free(b->store);
}

/* Away for a while, and nobody's fault who waits for the build. */
static bool
may_pass(enum err_code code)
{
	return code == ERR_DOCKER || code == ERR_STORE ||
	    code == ERR_UNAVAILABLE;
}

static int
close_box(struct build *b)
{
	int rc = box_close(b->box);

	b->box = NULL;
	lap(b, "container removed");
	return rc;
}

/* Whoever waits for a site does not wait for its container's end as well.  But
 * the next attempt may not meet it. */
static int
tell_end(struct build *b, bool may_retry, const struct err *why)
{
	struct events *events = b->job->events;
	int rc = 0;

	if (why->code == ERR_NONE) {
		events_deployed(events, b->files, b->bytes, b->note);
		if (b->keep != NULL)
			keep_save(b->keep);
		lap(b, "kept");
	} else if (may_retry) {
		rc = close_box(b);
		events_retry(events, why);
	} else if (why->code != ERR_CANCELED)
		events_failed(events, why);
	else
		log_info("%s", why->msg);
	return b->box == NULL ? rc : close_box(b);
}

int
build_run(const struct build_job *job)
{
	struct build b = { .job = job };
	struct err e = { .code = ERR_NONE };
	bool may_retry;
	int rc;

	b.log = buildlog_new(job->log_fd, job->watch);
	json_each(job->env, hide_value, b.log);
	rc = run(&b, &e);
	/* The end is told without a deadline. */
	watch_deadline(job->watch, 0);
	may_retry = may_pass(e.code) && !b.patient;
	if (rc == -1 && e.code != ERR_CANCELED && !may_retry)
		buildlog_say(b.log, "error: %s", e.msg);
	if (rc == 0)
		e.code = ERR_NONE;
	clean_up(&b);
	rc = tell_end(&b, may_retry, &e);
	keep_free(b.keep);
	plan_free(b.plan);
	free(b.note);
	buildlog_free(b.log);
	return rc;
}
