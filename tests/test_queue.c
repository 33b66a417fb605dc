/* lib/queue against a redis-server of its own, on a unix socket. */
#include "tests/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/child.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/queue.h"
#include "lib/resp.h"

#define DEADLINE_MS 10000

static char dir[] = "/tmp/davit-queue.XXXXXX";
static struct child server = CHILD_INIT;
static struct conf *conf;
static struct queue *q;
static struct resp *raw;	/* to look behind the queue's back */

/* ---- the server ---- */

static void
start_server(void)
{
	const char *const argv[] = { "redis-server", "--port", "0",
		"--unixsocket", "redis.sock", "--save", "", "--appendonly",
		"yes", "--appendfsync", "always", "--requirepass", "sesame",
		NULL };
	struct child_spec spec = { .path = "/usr/bin/redis-server",
		.argv = argv, .fds = { -1, -1, -1 }, .nfds = 3, .cwd = dir,
		.die_with_parent = true };
	int64_t end = name_tick_ms() + DEADLINE_MS;
	struct err e;

	if (child_start(&server, &spec, &e) == -1)
		fail_msg("%s", e.msg);
	while (queue_check(q, &e) == -1) {
		if (name_tick_ms() > end)
			fail_msg("%s", e.msg);
		usleep(10 * 1000);
	}
}

static int
set_up(void **state)
{
	char *text;
	FILE *f;

	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		return -1;
	if ((f = fopen("password", "w")) == NULL || fputs("sesame\n", f) < 0 ||
	    fclose(f) != 0)
		return -1;
	text = xasprintf("redis unix:%s/redis.sock\nredis_password "
			 "%s/password\n", dir, dir);
	conf = conf_parse(text, "t", NULL);
	free(text);
	q = queue_open(conf, NULL);
	raw = resp_open(conf->redis, conf->redis_password, NULL);
	start_server();
	return 0;
}

static int
tear_down(void **state)
{
	queue_free(q);
	resp_free(raw);
	conf_free(conf);
	child_stop(&server, 5000, NULL);
	return chdir("/") == -1 || fdio_remove_tree(dir, NULL) == -1 ? -1 : 0;
}

static struct resp_reply *command(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* One command, its words separated by blanks, as any client sends it. */
static struct resp_reply *
command(const char *fmt, ...)
{
	struct resp_words w = RESP_WORDS_INIT;
	struct resp_reply *r;
	char line[256], *rest = line, *word;
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	while ((word = strsep(&rest, " ")) != NULL)
		resp_add(&w, word);
	if ((r = resp_run(raw, &w, &e)) == NULL)
		fail_msg("%s: %s", line, e.msg);
	return r;
}

#define run(...) resp_reply_free(command(__VA_ARGS__))

static int64_t
number(const char *line)
{
	struct resp_reply *r = command("%s", line);
	int64_t n = -1;

	assert_true(resp_number(r, &n));
	resp_reply_free(r);
	return n;
}

static int
empty(void **state)
{
	run("FLUSHALL");
	return 0;
}

/* ---- records ---- */

static struct deployment *
new_record(const char *id)
{
	struct deployment *d = deployment_new();

	snprintf(d->id, sizeof(d->id), "%s", id);
	d->created = name_now_ms();
	d->url = xstrdup("https://git.example.org/a");
	d->env = json_parse("{\"A\":\"b\"}", 9, NULL);
	return d;
}

static void
submit(const char *id, int64_t created)
{
	struct deployment *d = new_record(id);
	struct err e;

	if (created != 0)
		d->created = created;
	if (queue_submit(q, d, &e) == -1)
		fail_msg("%s", e.msg);
	deployment_free(d);
}

static void
assert_state(const char *id, enum deployment_state state, int attempt)
{
	struct deployment *d = queue_record(q, id, NULL);

	assert_non_null(d);
	assert_string_equal(deployment_state_name(d->state),
	    deployment_state_name(state));
	assert_int_equal(d->attempt, attempt);
	deployment_free(d);
}

static void
take(const char *worker, const char *wanted)
{
	char id[ID_LENGTH + 1] = "";
	struct err e;
	int rc = queue_take(q, worker, 0, id, &e);

	if (rc == -1)
		fail_msg("%s", e.msg);
	assert_int_equal(rc, wanted == NULL ? 0 : 1);
	if (wanted != NULL)
		assert_string_equal(id, wanted);
}

static int
claim(const char *worker, const char *id)
{
	struct deployment *d;
	struct err e;
	int rc = queue_claim(q, worker, id, &d, &e);

	if (rc == -1)
		fail_msg("%s", e.msg);
	assert_int_equal(d != NULL, rc);
	deployment_free(d);
	return rc;
}

static void
take_and_claim(const char *worker, const char *id)
{
	take(worker, id);
	assert_int_equal(claim(worker, id), 1);
}

static void
assert_code(int rc, const struct err *e, enum err_code code)
{
	assert_int_equal(rc, -1);
	assert_string_equal(err_name(e->code), err_name(code));
}

/* ---- tests ---- */

static void
first_in_is_first_out(void **state)
{
	int64_t n;

	submit("aaaaaaaaaa", 0);
	submit("bbbbbbbbbb", 0);
	submit("cccccccccc", 0);
	queue_length(q, &n, NULL);
	assert_int_equal(n, 3);
	queue_position(q, "aaaaaaaaaa", &n, NULL);
	assert_int_equal(n, 1);
	queue_position(q, "cccccccccc", &n, NULL);
	assert_int_equal(n, 3);
	take("w", "aaaaaaaaaa");
	queue_position(q, "aaaaaaaaaa", &n, NULL);
	assert_int_equal(n, 0);
	queue_position(q, "cccccccccc", &n, NULL);
	assert_int_equal(n, 2);
	take("w", "bbbbbbbbbb");
	take("w", "cccccccccc");
	take("w", NULL);
}

/* Its place, counted by hand. */
static int64_t
counted(const char *id)
{
	struct resp_reply *r = command("LRANGE build-queue 0 -1");
	size_t n = resp_count(r), i = 0;

	while (i < n && strcmp(resp_string(resp_at(r, i), NULL), id) != 0)
		i++;
	resp_reply_free(r);
	return (int64_t)(n - i);
}

static void
place_is_right_whatever_was_pushed_or_canceled_since(void **state)
{
	char id[ID_LENGTH + 1];
	int64_t n;

	for (int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "place%05d", i);
		submit(id, 0);
		if (i % 10 == 0)	/* another producer */
			run("LPUSH build-queue other%05d", i);
	}
	for (int i = 100; i < 180; i += 2) {
		snprintf(id, sizeof(id), "place%05d", i);
		assert_int_equal(queue_cancel(q, id, NULL), 1);
	}
	take("w", "place00000");
	for (int i = 1; i < 200; i++) {
		snprintf(id, sizeof(id), "place%05d", i);
		queue_position(q, id, &n, NULL);
		assert_int_equal(n, counted(id));
	}
	run("DEL davit:pushed");
	queue_position(q, "place00199", &n, NULL);
	assert_int_equal(n, counted("place00199"));
}

static void
take_waits_for_an_id(void **state)
{
	int64_t start = name_tick_ms();
	char id[ID_LENGTH + 1];

	assert_int_equal(queue_take(q, "w", 200, id, NULL), 0);
	assert_true(name_tick_ms() - start >= 190);
	assert_int_equal(queue_take_send(q, "w", 5000, NULL), 0);
	run("HSET davit:deployment:aaaaaaaaaa state queued");
	run("LPUSH build-queue aaaaaaaaaa");
	assert_int_equal(queue_take_read(q, id, NULL), 1);
	assert_string_equal(id, "aaaaaaaaaa");
}

static void
submitted_record_comes_back(void **state)
{
	struct deployment *d;
	struct err e;

	submit("aaaaaaaaaa", 5);
	d = queue_record(q, "aaaaaaaaaa", NULL);
	assert_int_equal(d->state, STATE_QUEUED);
	assert_int_equal(d->created, 5);
	assert_true(d->stages[STAGE_QUEUE].started > 0);
	assert_string_equal(json_get_string(d->env, "A"), "b");
	assert_code(queue_submit(q, d, &e), &e, ERR_CONFLICT);
	deployment_free(d);
	assert_int_equal(number("LLEN build-queue"), 1);
	assert_null(queue_record(q, "zzzzzzzzzz", &e));
	assert_int_equal(e.code, ERR_NOTFOUND);
}

static int
add_id(void *arg, const struct deployment *d)
{
	buf_addf(arg, "%c", d->id[0]);
	return 0;
}

static void
list_is_newest_first_and_paged(void **state)
{
	struct buf ids = BUF_INIT;

	submit("aaaaaaaaaa", 1000);
	submit("bbbbbbbbbb", 2000);
	submit("cccccccccc", 3000);
	run("DEL davit:deployment:bbbbbbbbbb");
	assert_int_equal(queue_list(q, 0, 10, add_id, &ids, NULL), 0);
	assert_string_equal(buf_str(&ids), "ca");
	buf_reset(&ids);
	assert_int_equal(queue_list(q, 0, 1, add_id, &ids, NULL), 0);
	assert_string_equal(buf_str(&ids), "c");
	buf_reset(&ids);
	assert_int_equal(queue_list(q, 3000, 10, add_id, &ids, NULL), 0);
	assert_string_equal(buf_str(&ids), "a");
	buf_clear(&ids);
}

static void
build_goes_through_its_states(void **state)
{
	static const char *const prepare[] = { "prepare.started", "7", NULL };
	static const char *const result[] = { "files", "3", "bytes", "9",
		NULL };
	struct deployment *d;
	char id[ID_LENGTH + 1];

	submit("aaaaaaaaaa", 0);
	take_and_claim("w", "aaaaaaaaaa");
	assert_int_equal(queue_change(q, "aaaaaaaaaa", 1, STATE_BUILDING,
			     prepare, NULL), 0);
	d = queue_record(q, "aaaaaaaaaa", NULL);
	assert_int_equal(d->state, STATE_BUILDING);
	assert_true(d->stages[STAGE_QUEUE].ended > 0);
	assert_int_equal(d->stages[STAGE_PREPARE].started, 7);
	deployment_free(d);

	assert_int_equal(queue_finish(q, "w", "aaaaaaaaaa", 1, STATE_DEPLOYED,
			     result, NULL), 0);
	d = queue_record(q, "aaaaaaaaaa", NULL);
	assert_int_equal(d->state, STATE_DEPLOYED);
	assert_int_equal(d->files, 3);
	assert_null(d->env);
	assert_true(d->stages[STAGE_PREPARE].ended > 0);
	assert_false(d->stages[STAGE_PREPARE].failed);
	deployment_free(d);
	assert_int_equal(number("LLEN davit:taken:w"), 0);
	assert_int_equal(queue_settle_next(q, id, NULL), 1);
	assert_string_equal(id, "aaaaaaaaaa");
}

static void
final_state_never_changes(void **state)
{
	struct err e;

	submit("aaaaaaaaaa", 0);
	take_and_claim("w", "aaaaaaaaaa");
	assert_int_equal(queue_finish(q, "w", "aaaaaaaaaa", 1, STATE_FAILED,
			     NULL, NULL), 0);
	assert_code(queue_change(q, "aaaaaaaaaa", 1, STATE_BUILDING, NULL,
			&e), &e, ERR_CONFLICT);
	assert_code(queue_finish(q, "w", "aaaaaaaaaa", 1, STATE_DEPLOYED, NULL,
			&e), &e, ERR_CONFLICT);
	assert_code(queue_log_append(q, "aaaaaaaaaa", 1, 0, "x", 1, &e), &e,
	    ERR_CONFLICT);
	assert_code(queue_cancel(q, "aaaaaaaaaa", &e), &e, ERR_CONFLICT);
	/* Its answer may have been lost: the same end once more is fine. */
	assert_int_equal(queue_finish(q, "w", "aaaaaaaaaa", 1, STATE_FAILED,
			     NULL, &e), 0);
	assert_state("aaaaaaaaaa", STATE_FAILED, 1);
}

static void
stale_attempt_has_no_say(void **state)
{
	struct err e;

	submit("aaaaaaaaaa", 0);
	take_and_claim("w", "aaaaaaaaaa");
	assert_int_equal(queue_return(q, "w", "aaaaaaaaaa", true, NULL), 0);
	assert_state("aaaaaaaaaa", STATE_QUEUED, 2);
	assert_code(queue_change(q, "aaaaaaaaaa", 1, STATE_BUILDING, NULL,
			&e), &e, ERR_CONFLICT);
	assert_code(queue_finish(q, "w", "aaaaaaaaaa", 1, STATE_DEPLOYED, NULL,
			&e), &e, ERR_CONFLICT);
	assert_code(queue_return(q, "w", "aaaaaaaaaa", true, &e), &e,
	    ERR_CONFLICT);
	assert_state("aaaaaaaaaa", STATE_QUEUED, 2);
	assert_code(queue_change(q, "nosuchdepl", 1, STATE_BUILDING, NULL,
			&e), &e, ERR_CONFLICT);
}

static void
returned_id_is_next_and_as_new(void **state)
{
	static const char *const times[] = { "prepare.started", "7", "plan",
		"{}", NULL };
	struct deployment *d;

	submit("aaaaaaaaaa", 0);
	submit("bbbbbbbbbb", 0);
	take_and_claim("w", "aaaaaaaaaa");
	queue_change(q, "aaaaaaaaaa", 1, STATE_BUILDING, times, NULL);
	assert_int_equal(queue_return(q, "w", "aaaaaaaaaa", false, NULL), 0);
	d = queue_record(q, "aaaaaaaaaa", NULL);
	assert_int_equal(d->state, STATE_QUEUED);
	assert_int_equal(d->attempt, 1);
	assert_int_equal(d->stages[STAGE_PREPARE].started, 0);
	assert_int_equal(d->stages[STAGE_QUEUE].ended, 0);
	assert_null(d->plan);
	deployment_free(d);
	take_and_claim("w", "aaaaaaaaaa");
}

static void
third_death_is_the_end(void **state)
{
	struct deployment *d;

	submit("aaaaaaaaaa", 0);
	for (int i = 1; i <= ATTEMPTS_MAX; i++) {
		assert_state("aaaaaaaaaa", STATE_QUEUED, i);
		take_and_claim("w", "aaaaaaaaaa");
		assert_int_equal(queue_return(q, "w", "aaaaaaaaaa", true,
				     NULL), 0);
	}
	d = queue_record(q, "aaaaaaaaaa", NULL);
	assert_int_equal(d->state, STATE_FAILED);
	assert_int_equal(d->error, ERR_WORKER_LOST);
	assert_non_null(d->message);
	assert_null(d->env);
	deployment_free(d);
	assert_int_equal(number("SCARD davit:settling"), 1);
	assert_int_equal(number("LLEN davit:taken:w"), 0);
	assert_int_equal(number("LLEN build-queue"), 0);
}

static void
id_that_came_twice_is_built_once(void **state)
{
	submit("aaaaaaaaaa", 0);
	run("LPUSH build-queue aaaaaaaaaa");
	run("LPUSH build-queue aaaaaaaaaa");
	take_and_claim("w", "aaaaaaaaaa");
	take("w", "aaaaaaaaaa");
	assert_int_equal(claim("w", "aaaaaaaaaa"), 0);
	assert_int_equal(number("LLEN davit:taken:w"), 1);
	take("v", "aaaaaaaaaa");
	assert_int_equal(claim("v", "aaaaaaaaaa"), 0);
	assert_int_equal(number("LLEN davit:taken:v"), 0);
	assert_int_equal(queue_change(q, "aaaaaaaaaa", 1, STATE_BUILDING, NULL,
			     NULL), 0);
}

static void
strangers_in_the_queue_are_dropped(void **state)
{
	char id[ID_LENGTH + 1];
	struct err e;

	run("LPUSH build-queue Not-An-Id");
	assert_code(queue_take(q, "w", 0, id, &e), &e, ERR_INVALID);
	assert_int_equal(number("LLEN davit:taken:w"), 0);
	run("LPUSH build-queue norecord00");
	take("w", "norecord00");
	assert_int_equal(claim("w", "norecord00"), 0);
	assert_int_equal(number("LLEN davit:taken:w"), 0);
	run("SADD davit:settling junk");
	assert_code(queue_settle_next(q, id, &e), &e, ERR_INVALID);
	assert_int_equal(queue_settle_next(q, id, &e), 0);
}

static void
foreign_record_is_completed_by_the_claim(void **state)
{
	run("HSET davit:deployment:aaaaaaaaaa state queued url x");
	run("LPUSH build-queue aaaaaaaaaa");
	take_and_claim("w", "aaaaaaaaaa");
	assert_int_equal(queue_change(q, "aaaaaaaaaa", 1, STATE_BUILDING, NULL,
			     NULL), 0);
	assert_state("aaaaaaaaaa", STATE_BUILDING, 1);
}

static void
dead_workers_ids_are_reclaimed(void **state)
{
	int64_t n;

	submit("aaaaaaaaaa", 0);
	submit("bbbbbbbbbb", 0);
	submit("cccccccccc", 0);
	queue_lease(q, "dead", 1, NULL);
	queue_lease(q, "live", 60000, NULL);
	queue_lease(q, "me", 60000, NULL);
	take_and_claim("dead", "aaaaaaaaaa");
	take_and_claim("live", "bbbbbbbbbb");
	take_and_claim("me", "cccccccccc");
	while (number("EXISTS davit:lease:dead") == 1)
		usleep(1000);
	assert_int_equal(queue_reclaim(q, "me", false, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_state("aaaaaaaaaa", STATE_QUEUED, 2);
	assert_int_equal(number("LLEN davit:taken:live"), 1);
	assert_int_equal(number("LLEN davit:taken:me"), 1);
	assert_int_equal(number("SISMEMBER davit:workers dead"), 0);
	assert_int_equal(queue_reclaim(q, "me", true, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_state("cccccccccc", STATE_QUEUED, 2);
}

static int
count_id(void *arg, const char *id)
{
	++*(int *)arg;
	return 0;
}

static void
held_ids_are_told(void **state)
{
	int n = 0;

	submit("aaaaaaaaaa", 0);
	submit("bbbbbbbbbb", 0);
	take("w", "aaaaaaaaaa");
	take("w", "bbbbbbbbbb");
	assert_int_equal(queue_held(q, "w", count_id, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(queue_held(q, "other", count_id, &n, NULL), 0);
	assert_int_equal(n, 2);
}

static void
log_grows_and_is_read_by_offset(void **state)
{
	struct buf log = BUF_INIT;
	struct deployment *d;
	int64_t total;

	submit("aaaaaaaaaa", 0);
	take_and_claim("w", "aaaaaaaaaa");
	queue_log_append(q, "aaaaaaaaaa", 1, 0, "one\0\n", 5, NULL);
	queue_log_append(q, "aaaaaaaaaa", 1, 5, "two\n", 4, NULL);
	/* What came already is not added again. */
	queue_log_append(q, "aaaaaaaaaa", 1, 5, "two\n", 4, NULL);
	queue_log_append(q, "aaaaaaaaaa", 1, 5, "two\nthree\n", 10, NULL);
	assert_int_equal(queue_log_read(q, "aaaaaaaaaa", 0, 100, &log, &total,
			     NULL), 0);
	assert_int_equal(total, 15);
	assert_int_equal(log.len, 15);
	assert_memory_equal(log.data, "one\0\ntwo\nthree\n", 15);
	buf_reset(&log);
	queue_log_read(q, "aaaaaaaaaa", 5, 4, &log, &total, NULL);
	assert_string_equal(buf_str(&log), "two\n");
	buf_reset(&log);
	queue_log_read(q, "aaaaaaaaaa", 0, 0, &log, &total, NULL);
	queue_log_read(q, "aaaaaaaaaa", 99, 5, &log, &total, NULL);
	assert_int_equal(log.len, 0);
	assert_int_equal(total, 15);
	d = queue_record(q, "aaaaaaaaaa", NULL);
	assert_int_equal(d->log_bytes, 15);
	deployment_free(d);
	queue_log_read(q, "nosuchdepl", 0, 5, &log, &total, NULL);
	assert_int_equal(total, 0);
	buf_clear(&log);
}

static void
claim_begins_with_an_empty_log(void **state)
{
	struct buf log = BUF_INIT;
	int64_t total;

	submit("aaaaaaaaaa", 0);
	take_and_claim("w", "aaaaaaaaaa");
	queue_log_append(q, "aaaaaaaaaa", 1, 0, "old", 3, NULL);
	queue_return(q, "w", "aaaaaaaaaa", true, NULL);
	take_and_claim("w", "aaaaaaaaaa");
	queue_log_read(q, "aaaaaaaaaa", 0, 5, &log, &total, NULL);
	assert_int_equal(total, 0);
	buf_clear(&log);
}

static void
parts_of_a_log_have_their_times(void **state)
{
	struct buf times = BUF_INIT;
	long long first, second;
	int64_t before = name_now_ms();

	submit("aaaaaaaaaa", 0);
	take_and_claim("w", "aaaaaaaaaa");
	queue_log_append(q, "aaaaaaaaaa", 1, 0, "one\n", 4, NULL);
	/* Within a step of the first, and nothing new: no times of their own.
	 */
	queue_log_append(q, "aaaaaaaaaa", 1, 4, "two\n", 4, NULL);
	usleep((LOG_TIMES_STEP_MS + 20) * 1000);
	queue_log_append(q, "aaaaaaaaaa", 1, 4, "two\n", 4, NULL);
	queue_log_append(q, "aaaaaaaaaa", 1, 8, "three\n", 6, NULL);
	assert_int_equal(queue_log_times(q, "aaaaaaaaaa", &times, NULL), 0);
	assert_int_equal(sscanf(buf_str(&times), "0 %lld;8 %lld;", &first,
			     &second), 2);
	assert_true(first >= before && second >= first + LOG_TIMES_STEP_MS);
	assert_true(second <= name_now_ms());
	buf_reset(&times);
	assert_int_equal(queue_log_times(q, "zzzzzzzzzz", &times, NULL), 0);
	assert_int_equal(times.len, 0);
	buf_clear(&times);
}

static void
settled_id_leaves_no_log(void **state)
{
	char id[ID_LENGTH + 1];

	submit("aaaaaaaaaa", 0);
	take_and_claim("w", "aaaaaaaaaa");
	queue_log_append(q, "aaaaaaaaaa", 1, 0, "x", 1, NULL);
	assert_int_equal(number("EXISTS davit:log-times:aaaaaaaaaa"), 1);
	queue_finish(q, "w", "aaaaaaaaaa", 1, STATE_DEPLOYED, NULL, NULL);
	assert_int_equal(queue_settle_done(q, "aaaaaaaaaa", 0, NULL), 0);
	assert_int_equal(queue_settle_next(q, id, NULL), 0);
	assert_int_equal(number("EXISTS davit:log:aaaaaaaaaa"), 0);
	assert_int_equal(number("EXISTS davit:log-times:aaaaaaaaaa"), 0);
	assert_state("aaaaaaaaaa", STATE_DEPLOYED, 1);
}

static void
deleted_id_is_due_until_that_is_done(void **state)
{
	char id[ID_LENGTH + 1];
	struct deployment *d;
	struct err e;

	assert_code(queue_delete(q, "aaaaaaaaaa", false, &e), &e,
	    ERR_NOTFOUND);
	submit("aaaaaaaaaa", 0);
	assert_code(queue_delete(q, "aaaaaaaaaa", false, &e), &e,
	    ERR_CONFLICT);
	queue_cancel(q, "aaaaaaaaaa", NULL);
	assert_int_equal(queue_delete(q, "aaaaaaaaaa", true, NULL), 0);
	assert_int_equal(number("ZCARD davit:deployments"), 0);
	/* what was read before it was deleted */
	assert_int_equal(queue_settle_done(q, "aaaaaaaaaa", 0, NULL), 0);
	assert_int_equal(queue_settle_next(q, id, NULL), 1);
	d = queue_record(q, id, NULL);
	assert_true(d->deleted > 0 && d->expired);
	assert_int_equal(d->state, STATE_CANCELED);
	assert_int_equal(queue_settle_done(q, id, d->deleted, NULL), 0);
	assert_int_equal(queue_settle_next(q, id, NULL), 0);
	/* another worker read it before it was deleted, and put back copies
	 * after they were removed */
	assert_int_equal(queue_settle_done(q, id, 0, NULL), 0);
	assert_int_equal(queue_settle_next(q, id, NULL), 1);
	assert_int_equal(queue_settle_done(q, id, d->deleted, NULL), 0);
	assert_int_equal(queue_settle_next(q, id, NULL), 0);
	/* twice is once; a Redis that has lost it does not list it again */
	assert_int_equal(queue_delete(q, id, false, NULL), 0);
	run("FLUSHALL");
	assert_int_equal(queue_restore(q, d, NULL), 1);
	assert_int_equal(number("ZCARD davit:deployments"), 0);
	assert_int_equal(queue_settle_next(q, id, NULL), 1);
	deployment_free(d);
}

static void
cancel_of_a_waiting_one_is_at_once(void **state)
{
	struct deployment *d;
	struct err e;

	submit("aaaaaaaaaa", 0);
	assert_int_equal(queue_cancel(q, "aaaaaaaaaa", NULL), 1);
	assert_int_equal(number("LLEN build-queue"), 0);
	d = queue_record(q, "aaaaaaaaaa", NULL);
	assert_int_equal(d->state, STATE_CANCELED);
	assert_int_equal(d->error, ERR_CANCELED);
	deployment_free(d);
	assert_int_equal(number("SCARD davit:settling"), 1);
	assert_code(queue_cancel(q, "nosuchdepl", &e), &e, ERR_NOTFOUND);
}

static void
cancel_of_a_taken_one_is_a_wish(void **state)
{
	submit("aaaaaaaaaa", 0);
	take_and_claim("w", "aaaaaaaaaa");
	assert_false(queue_cancel_wanted(q, "aaaaaaaaaa"));
	assert_int_equal(queue_cancel(q, "aaaaaaaaaa", NULL), 0);
	assert_true(queue_cancel_wanted(q, "aaaaaaaaaa"));
	queue_finish(q, "w", "aaaaaaaaaa", 1, STATE_CANCELED, NULL, NULL);
	assert_false(queue_cancel_wanted(q, "aaaaaaaaaa"));
}

static void
replica_and_full_memory_are_outages(void **state)
{
	struct err e;

	submit("aaaaaaaaaa", 0);
	take_and_claim("w", "aaaaaaaaaa");
	run("CONFIG SET maxmemory 1");
	assert_code(queue_finish(q, "w", "aaaaaaaaaa", 1, STATE_DEPLOYED, NULL,
			&e), &e, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "OOM"));
	run("CONFIG SET maxmemory 0");
	assert_state("aaaaaaaaaa", STATE_QUEUED, 1);
	assert_int_equal(number("LLEN davit:taken:w"), 1);

	run("REPLICAOF 127.0.0.1 1");
	assert_code(queue_check(q, &e), &e, ERR_UNAVAILABLE);
	assert_code(queue_change(q, "aaaaaaaaaa", 1, STATE_BUILDING, NULL,
			&e), &e, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "READONLY"));
	run("REPLICAOF NO ONE");
	assert_int_equal(queue_finish(q, "w", "aaaaaaaaaa", 1, STATE_DEPLOYED,
			     NULL, NULL), 0);
}

static void
wrong_type_is_no_crash(void **state)
{
	struct buf log = BUF_INIT;
	int64_t n;
	struct err e;

	run("SET build-queue x");
	run("LPUSH davit:log:aaaaaaaaaa x");
	run("SET davit:deployment:aaaaaaaaaa x");
	assert_code(queue_length(q, &n, &e), &e, ERR_INTERNAL);
	assert_code(queue_log_read(q, "aaaaaaaaaa", 0, 5, &log, &n, &e), &e,
	    ERR_INTERNAL);
	assert_null(queue_record(q, "aaaaaaaaaa", &e));
	assert_int_equal(e.code, ERR_INTERNAL);
}

static void
wrong_password_is_told_without_it(void **state)
{
	char *text = xasprintf("redis unix:%s/redis.sock\nredis_password "
			       "%s/wrong\n", dir, dir);
	struct conf *other = conf_parse(text, "t", NULL);
	struct queue *o = queue_open(other, NULL);
	struct err e;
	FILE *f = fopen("wrong", "w");

	assert_non_null(f);
	assert_true(fputs("open-says-me", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_code(queue_check(o, &e), &e, ERR_UNAVAILABLE);
	assert_null(strstr(e.msg, "open-says-me"));
	assert_int_equal(unlink("wrong"), 0);
	assert_code(queue_check(o, &e), &e, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "/wrong"));
	queue_free(o);
	conf_free(other);
	free(text);
}

static void
killed_server_is_an_outage_and_no_more(void **state)
{
	struct err e;
	int status;

	submit("aaaaaaaaaa", 0);
	child_signal(&server, SIGKILL);
	assert_int_equal(child_wait(&server, DEADLINE_MS, &status, NULL), 1);
	assert_code(queue_check(q, &e), &e, ERR_UNAVAILABLE);
	assert_null(queue_record(q, "aaaaaaaaaa", &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	start_server();
	assert_state("aaaaaaaaaa", STATE_QUEUED, 1);
	assert_int_equal(number("LLEN build-queue"), 1);
}

static void
bad_address_is_refused(void **state)
{
	static const char *const bad[] = { "", "unix:relative", "host", ":1",
		"host:0", "host:99999", "host:x" };
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(resp_open(bad[i], NULL, &e));
		assert_int_equal(e.code, ERR_CONFIG);
	}
}

#define REDIS_TEST(f) cmocka_unit_test_setup(f, empty)

static void
lost_record_is_restored_once(void **state)
{
	struct deployment *d = deployment_new(), *back;
	struct err e;

	memcpy(d->id, "aaaaaaaaaa", sizeof(d->id));
	d->state = STATE_BUILDING;
	d->created = 7;
	assert_int_equal(queue_is_filled(q, &e), 0);
	assert_int_equal(queue_knows(q, d->id, &e), 1); /* who can tell? */
	assert_int_equal(queue_restore(q, d, &e), 1);
	assert_int_equal(queue_restore(q, d, &e), 0);
	back = queue_record(q, d->id, &e);
	assert_int_equal(back->state, STATE_QUEUED);
	assert_int_equal(back->attempt, 2);
	deployment_free(back);
	assert_int_equal(number("LLEN build-queue"), 1);

	memcpy(d->id, "bbbbbbbbbb", sizeof(d->id));
	d->state = STATE_FAILED;
	assert_int_equal(queue_restore(q, d, &e), 1);
	back = queue_record(q, d->id, &e);
	assert_int_equal(back->state, STATE_FAILED);
	assert_int_equal(back->attempt, 1);
	deployment_free(back);
	assert_int_equal(number("LLEN build-queue"), 1);
	assert_int_equal(queue_set_filled(q, &e), 0);
	assert_int_equal(queue_is_filled(q, &e), 1);
	assert_int_equal(queue_knows(q, d->id, &e), 1);
	assert_int_equal(queue_knows(q, "cccccccccc", &e), 0);
	deployment_free(d);
}

static void
source_is_known_for_its_time(void **state)
{
	char id[ID_LENGTH + 1] = "";
	struct err e;

	assert_int_equal(queue_find_source(q, "0a", id, &e), 0);
	assert_int_equal(queue_keep_source(q, "0a", "aaaaaaaaaa", 60000, &e),
	    0);
	assert_int_equal(queue_keep_source(q, "0a", "bbbbbbbbbb", 60000, &e),
	    0);
	assert_int_equal(queue_find_source(q, "0a", id, &e), 1);
	assert_string_equal(id, "bbbbbbbbbb");
	assert_in_range(number("PTTL davit:source:0a"), 1, 60000);
	assert_int_equal(queue_find_source(q, "0b", id, &e), 0);
	number("DEL davit:source:0a");
	number("RPUSH davit:source:0a x");
	assert_int_equal(queue_find_source(q, "0a", id, &e), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		REDIS_TEST(first_in_is_first_out),
		REDIS_TEST(
		    place_is_right_whatever_was_pushed_or_canceled_since),
		REDIS_TEST(take_waits_for_an_id),
		REDIS_TEST(submitted_record_comes_back),
		REDIS_TEST(lost_record_is_restored_once),
		REDIS_TEST(list_is_newest_first_and_paged),
		REDIS_TEST(build_goes_through_its_states),
		REDIS_TEST(final_state_never_changes),
		REDIS_TEST(stale_attempt_has_no_say),
		REDIS_TEST(returned_id_is_next_and_as_new),
		REDIS_TEST(third_death_is_the_end),
		REDIS_TEST(id_that_came_twice_is_built_once),
		REDIS_TEST(strangers_in_the_queue_are_dropped),
		REDIS_TEST(foreign_record_is_completed_by_the_claim),
		REDIS_TEST(dead_workers_ids_are_reclaimed),
		REDIS_TEST(held_ids_are_told),
		REDIS_TEST(source_is_known_for_its_time),
		REDIS_TEST(log_grows_and_is_read_by_offset),
		REDIS_TEST(claim_begins_with_an_empty_log),
		REDIS_TEST(parts_of_a_log_have_their_times),
		REDIS_TEST(settled_id_leaves_no_log),
		REDIS_TEST(deleted_id_is_due_until_that_is_done),
		REDIS_TEST(cancel_of_a_waiting_one_is_at_once),
		REDIS_TEST(cancel_of_a_taken_one_is_a_wish),
		REDIS_TEST(replica_and_full_memory_are_outages),
		REDIS_TEST(wrong_type_is_no_crash),
		REDIS_TEST(wrong_password_is_told_without_it),
		REDIS_TEST(killed_server_is_an_outage_and_no_more),
		REDIS_TEST(bad_address_is_refused),
	};

	return cmocka_run_group_tests_name("queue", tests, set_up, tear_down);
}
