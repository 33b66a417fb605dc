/*
 * davitd: takes ids from the queue, has davit-build build them, and tells
 * Redis how it went.  One loop around poll(2).  worker/slots has the builds,
 * worker/upkeep what takes the store's time; here are options, signals, the take, the
 * lease, and the ids that nobody has in hand.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/queue.h"
#include "lib/store.h"
#include "worker/gate.h"
#include "worker/link.h"
#include "worker/rebuild.h"
#include "worker/slots.h"
#include "worker/sweep.h"
#include "worker/upkeep.h"
#include "worker/warm.h"

/* How long a take waits in Redis at most, and how long for its answer after
 * that. */
#define TAKE_MS 5000
#define TAKE_GRACE_MS 5000

/* How often ids in this worker's list that no slot has are looked for. */
#define SWEEP_MS (30 * 1000)

/* What may follow after stop_time: ends of builds, the last words to Redis. */
#define LAST_WORDS_MS (15 * 1000)

enum {
	FD_SIGNAL,
	FD_TAKE,
	FD_WARM,
	FD_GATE,
	FD_UPKEEP,
	FD_SLOTS = FD_UPKEEP + UPKEEP_FDS
};

struct davitd {
	const char *conf_path;		/* -c; NULL: as conf_load() says */
	struct conf *conf;
	struct link link;		/* for everything but taking */
	struct queue *taker;		/* for taking alone: it waits */
	struct slots *slots;
	struct upkeep upkeep;
	struct warm warm;
	struct gate gate;
	int signals;
	bool taking;			/* a take is in flight */
	bool adopted;			/* what was left has been looked at */
	bool draining, swept;		/* swept: for the last time */
	/* name_tick_ms() */
	int64_t take_end, lease_at, sweep_at, reclaim_at, stop_at, leave_at;
};

/* ---- ids in nobody's hand ---- */

static int
adopt(void *arg, const char *id)
{
	struct davitd *d = arg;

	log_warn("%s was in hand when davitd ended", id);
	slots_adopt(d->slots, id);
	return 0;
}

struct orphan_search {
	const struct slots *slots;
	char id[ID_LENGTH + 1];		/* what was found */
};

static int
find_orphan(void *arg, const char *id)
{
	struct orphan_search *search = arg;

	if (slots_have(search->slots, id))
		return 0;
	memcpy(search->id, id, sizeof(search->id));
	return 1;
}

/* Redis moved an id into our list, but its answer never came: the connection
 * was cut, or we closed it.  Give it back as if it had not been taken. */
static void
return_orphans(struct davitd *d)
{
	struct orphan_search search = { .slots = d->slots };
	struct err e;
	int rc;

	while ((rc = queue_held(d->link.queue, d->conf->worker, find_orphan,
		    &search, &e)) == 1) {
		rc = queue_return(d->link.queue, d->conf->worker, search.id,
		    false, &e);
		if (!link_heard(&d->link, rc, &e))
			return;
		log_info("%s was taken by nobody: back to the queue",
		    search.id);
	}
	if (!link_heard(&d->link, rc, &e))
		return;
	d->sweep_at = name_tick_ms() + SWEEP_MS;
	d->swept = d->draining && slots_count(d->slots) == 0;
}

/* Take back what workers hold whose lease has run out.  After an outage all
 * have: they first get the time to renew it. */
static void
reclaim(struct davitd *d)
{
	int64_t lease = d->conf->lease_time * 1000, count = 0;
	int64_t now = name_tick_ms();
	struct err e;
	int rc;

	d->reclaim_at = d->link.back_at + 2 * lease;
	if (now < d->reclaim_at)
		return;
	d->reclaim_at = now + lease;
	rc = queue_reclaim(d->link.queue, d->conf->worker, false, &count, &e);
	if (link_heard(&d->link, rc, &e) && count > 0)
		log_warn("%lld ids of workers that are gone: back to the queue",
		    (long long)count);
}

static void
renew_lease(struct davitd *d)
{
	int64_t lease = d->conf->lease_time * 1000;
	struct err e;
	int rc = queue_lease(d->link.queue, d->conf->worker, lease, &e);

	if (link_heard(&d->link, rc, &e))
		d->lease_at = name_tick_ms() + lease / 3;
}

static void
adopt_all(struct davitd *d)
{
	struct err e;
	int rc = queue_held(d->link.queue, d->conf->worker, adopt, d, &e);

	d->adopted = link_heard(&d->link, rc, &e);
	d->sweep_at = name_tick_ms() + SWEEP_MS;
}

/* What is due, as long as Redis answers; the lease before all else. */
static void
keep_house(struct davitd *d)
{
	int64_t now = name_tick_ms();

	if (link_ready(&d->link) && now >= d->lease_at)
		renew_lease(d);
	if (link_ready(&d->link) && !d->adopted)
		adopt_all(d);
	if (link_ready(&d->link) && d->adopted &&
	    (now >= d->sweep_at ||
		(d->draining && !d->swept && slots_count(d->slots) == 0)))
		return_orphans(d);
	if (link_ready(&d->link) && !d->draining && now >= d->reclaim_at)
		reclaim(d);
}

/* ---- taking ---- */

/* Give up on the take in flight; what it may have moved is swept up. */
static void
drop_take(struct davitd *d)
{
	queue_close(d->taker);
	d->taking = false;
	d->sweep_at = 0;
}

/* The take ends before the lease does: where this process falls asleep, what
 * others get back must not be moved into its list once more. */
static void
send_take(struct davitd *d)
{
	int64_t half = d->conf->lease_time * 1000 / 2;
	int wait = half < TAKE_MS ? (int)half : TAKE_MS;
	struct err e;
	int rc = queue_take_send(d->taker, d->conf->worker, wait, &e);

	if (link_heard(&d->link, rc, &e)) {
		d->taking = true;
		d->take_end = name_tick_ms() + wait + TAKE_GRACE_MS;
	}
}

static void
start(struct davitd *d, const char *id)
{
	struct deployment *record;
	struct err e;
	int rc = queue_claim(d->link.queue, d->conf->worker, id, &record, &e);

	if (!link_heard(&d->link, rc, &e))
		d->sweep_at = 0;
	else if (rc == 1) {
		slots_start(d->slots, record);
		warm_used(&d->warm);
	} else
		log_warn("%s: %s", id,
		    rc == -1 ? e.msg : "nothing to be done for this id");
}

static void
read_take(struct davitd *d)
{
	char id[ID_LENGTH + 1];
	struct err e;
	int rc = queue_take_read(d->taker, id, &e);

	d->taking = false;
	if (!link_heard(&d->link, rc, &e))
		drop_take(d);
	else if (rc == -1)
		log_warn("%s", e.msg);
	else if (rc == 1)
		start(d, id);
}

static void
take(struct davitd *d, bool readable)
{
	if (d->taking && readable)
		read_take(d);
	else if (d->taking && (d->draining || !gate_is_open(&d->gate) ||
				  name_tick_ms() >= d->take_end))
		drop_take(d);
	if (!d->taking && d->adopted && link_ready(&d->link) &&
	    gate_is_open(&d->gate) && slots_want(d->slots))
		send_take(d);
}

static void
keep_gate(struct davitd *d)
{
	if (slots_doubt(d->slots))
		gate_doubt(&d->gate);
	if (!d->draining)
		gate_service(&d->gate, d->conf, &d->link);
}

/* ---- signals ---- */

/* The configuration again, on SIGHUP.  What names this worker and its parts
 * stays until the next start. */
static void
reload(struct davitd *d)
{
	struct err e;
	struct conf *conf = conf_load(d->conf_path, &e);

	if (conf == NULL) {
		log_error("%s; the old configuration stays", e.msg);
		return;
	}
	if (strcmp(conf->worker, d->conf->worker) != 0 ||
	    strcmp(conf->redis, d->conf->redis) != 0) {
		log_error("worker and redis take a restart; "
			  "the old configuration stays");
		conf_free(conf);
		return;
	}
	slots_set_conf(d->slots, conf);
	conf_free(d->conf);
	d->conf = conf;
	log_info("configuration read again: %lld builds at once",
	    (long long)conf->builds);
}

/* Once: take no more, wait.  Twice: do not wait. */
static void
drain(struct davitd *d)
{
	int64_t now = name_tick_ms();

	d->stop_at = d->draining ? now : now + d->conf->stop_time * 1000;
	d->leave_at = d->stop_at + LAST_WORDS_MS;
	d->draining = true;
	slots_drain(d->slots);
	warm_drain(&d->warm);
	log_info("stopping: %zu builds have %lld s to end",
	    slots_count(d->slots), (long long)(d->stop_at - now) / 1000);
}

static void
read_signals(struct davitd *d)
{
	struct signalfd_siginfo si;

	while (read(d->signals, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo == SIGHUP)
			reload(d);
		else
			drain(d);
}

static int
open_signals(struct err *e)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaction(SIGPIPE, &ignore, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if ((fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) == -1)
		return err_errno(e, "signalfd");
	return fd;
}

/* ---- the loop ---- */

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How long poll(2) may wait. */
static int
timeout(const struct davitd *d)
{
	int64_t now = name_tick_ms(), redis, due;

	redis = earlier(d->lease_at, d->sweep_at);
	redis = earlier(redis, upkeep_due(&d->upkeep));
	if (!d->draining)
		redis = earlier(redis, d->reclaim_at);
	if (!d->draining)
		redis = earlier(redis, gate_due(&d->gate));
	if (d->taking)
		redis = earlier(redis, d->take_end);
	else
		redis = earlier(redis, slots_pause_end(d->slots));
	if (!link_ready(&d->link) && redis < d->link.pause.until)
		redis = d->link.pause.until;
	due = earlier(redis, slots_due(d->slots));
	due = earlier(due, warm_due(&d->warm));
	if (d->draining && slots_count(d->slots) > 0 && now < d->stop_at)
		due = earlier(due, d->stop_at);
	else if (d->draining)
		due = earlier(due, d->leave_at);
	return due <= now ? 0 : due - now > 60000 ? 60000 : (int)(due - now);
}

static bool
has_left(const struct davitd *d)
{
	if (!d->draining)
		return false;
	if (name_tick_ms() >= d->leave_at)
		return true;
	return d->swept && slots_count(d->slots) == 0 &&
	    warm_is_over(&d->warm) && !upkeep_settles(&d->upkeep);
}

static int
loop(struct davitd *d, struct err *e)
{
	struct pollfd pfd[FD_SLOTS + SLOTS_MAX_FDS];

	while (!has_left(d)) {
		size_t n = FD_SLOTS + slots_pollset(d->slots, pfd + FD_SLOTS);

		pfd[FD_SIGNAL] = (struct pollfd){ d->signals, POLLIN, 0 };
		pfd[FD_TAKE] = (struct pollfd){
			d->taking ? queue_fd(d->taker) : -1, POLLIN, 0 };
		pfd[FD_WARM] = (struct pollfd){
			warm_fd(&d->warm), POLLIN, 0 };
		pfd[FD_GATE] = (struct pollfd){
			gate_fd(&d->gate), POLLIN, 0 };
		upkeep_pollset(&d->upkeep, pfd + FD_UPKEEP);
		if (poll(pfd, n, timeout(d)) == -1 && errno != EINTR)
			return err_errno(e, "poll");
		if (slots_service(d->slots, pfd + FD_SLOTS) > 0)
			settle_poke(&d->upkeep.settle);
		if (pfd[FD_SIGNAL].revents != 0)
			read_signals(d);
		if (d->draining && name_tick_ms() >= d->stop_at)
			slots_stop(d->slots);
		keep_house(d);
		keep_gate(d);
		take(d, pfd[FD_TAKE].revents != 0);
		upkeep_service(&d->upkeep, d->conf, &d->link, d->draining);
		warm_service(&d->warm, d->conf);
	}
	return 0;
}

static int
serve(struct davitd *d, struct err *e)
{
	int rc = -1;

	upkeep_init(&d->upkeep);
	warm_init(&d->warm);
	gate_init(&d->gate);
	if ((d->signals = open_signals(e)) == -1)
		goto out;
	d->slots = slots_new(d->conf, &d->link);
	log_info("worker %s: %lld builds at once, Redis at %s, store %s",
	    d->conf->worker, (long long)d->conf->builds, d->conf->redis,
	    d->conf->store);
	if (loop(d, e) == -1)
		goto out;
	rc = 0;
	if (d->swept)
		queue_lease(d->link.queue, d->conf->worker, 1, NULL);
	else
		rc = err_set(e, ERR_UNAVAILABLE,
		    "left with ids in hand: the next davitd, or another "
		    "worker, tries them again");
out:
	upkeep_stop(&d->upkeep);
	warm_stop(&d->warm);
	gate_stop(&d->gate);
	slots_free(d->slots);
	fdio_close(&d->signals);
	return rc;
}

/* ---- the program ---- */

static void
usage(FILE *to)
{
	fprintf(to, "usage: davitd [-nv] [-c FILE] [--rebuild | --sweep]\n"
		    "  -c FILE    the configuration, instead of %s\n"
		    "  -n         check configuration and store, and leave\n"
		    "  -v         log more\n"
		    "  --rebuild  fill Redis from the store's records, and leave\n"
		    "  --sweep    remove what nobody claims any more, and leave\n"
		    "  --version  --help\n",
	    conf_default_path());
}

/* Is it there, and may it be used in all ways that builds use it?  Root may do
 * all in a directory, and would leave there what is nobody else's. */
static int
check_store(const struct conf *conf, struct err *e)
{
	struct store *store;
	int rc;

	if (geteuid() == 0 && strncmp(conf->store, "dir ", 4) == 0)
		return 0;
	store = store_open(conf, e);
	rc = store == NULL ? -1 : store_check(store, e);
	store_free(store);
	return rc;
}

static int
check(const struct davitd *d, struct err *e)
{
	char *program = xasprintf("%s/davit-build", conf_libexecdir());
	int rc = access(program, X_OK);

	if (rc == -1)
		err_errno(e, "%s", program);
	else if ((rc = check_store(d->conf, e)) == 0)
		printf("%s: good: worker %s, %lld builds at once, store %s\n",
		    d->conf->path, d->conf->worker,
		    (long long)d->conf->builds, d->conf->store);
	free(program);
	return rc;
}

enum task { SERVE, CHECK, REBUILD, SWEEP };

/* A store that can't be used is told at once; that nothing is taken until it
 * can is the gate's concern. */
static int
start_serving(struct davitd *d, struct err *e)
{
	struct err why;

	if (check_store(d->conf, &why) == -1)
		log_error("%s", why.msg);
	return serve(d, e);
}

static int
run(struct davitd *d, enum task task, struct err *e)
{
	int rc = -1;

	if ((d->conf = conf_load(d->conf_path, e)) == NULL ||
	    link_open(&d->link, d->conf, e) == -1 ||
	    (d->taker = queue_open(d->conf, e)) == NULL)
		goto out;
	/* For davit-build. */
	if (setenv("DAVIT_CONF", d->conf->path, 1) == -1)
		rc = err_errno(e, "setenv");
	else
		rc = task == CHECK	 ? check(d, e)
		    : task == REBUILD ? rebuild(d->conf, e)
		    : task == SWEEP   ? sweep(d->conf, e)
				      : start_serving(d, e);
out:
	queue_free(d->taker);
	link_close(&d->link);
	conf_free(d->conf);
	return rc;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "help", 0, NULL, 'h' },
		{ "rebuild", 0, NULL, 'R' }, { "sweep", 0, NULL, 'S' },
		{ "version", 0, NULL, 'V' },
		{ NULL, 0, NULL, 0 } };
	struct davitd d = { .signals = -1 };
	enum task task = SERVE;
	struct err e;
	int c;

	log_init("davitd");
	umask(STORE_UMASK);
	while ((c = getopt_long(argc, argv, "c:nv", longs, NULL)) != -1)
		switch (c) {
		case 'c':
			d.conf_path = optarg;
			break;
		case 'n':
			task = CHECK;
			break;
		case 'R':
			task = REBUILD;
			break;
		case 'S':
			task = SWEEP;
			break;
		case 'v':
			log_verbose(1);
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			puts(PACKAGE_STRING);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	if (optind != argc) {
		usage(stderr);
		return 2;
	}
	if (run(&d, task, &e) == -1) {
		log_error("%s", e.msg);
		return 1;
	}
	return 0;
}
