#include "worker/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "worker/launch.h"
#include "worker/link.h"
#include "worker/ready.h"

#define LOOK_MS 1000

/* What is told is told again before it is forgotten. */
#define TELL_MS (10 * 1000)
#define TOLD_MS (3 * TELL_MS)

#define PROBE_GRACE_MS 1000

/* What has answered is asked again, so that work is not taken in vain: with S3
 * four requests, else a few milliseconds. */
#define PROBE_MS (20 * 1000)

/* What has not answered by then does not.  The probe ends itself, unless its
 * file system hangs: then it is not waited for. */
#define PROBE_SECONDS "30"
#define PROBE_MAX_MS (35 * 1000)

void
gate_init(struct gate *g)
{
	g->probe = (struct child)CHILD_INIT;
	g->pause = (struct backoff){ 500, 10 * 1000, 0, 0 };
	g->doubted = true;
	g->away = g->reason = NULL;
	g->look_at = g->tell_at = g->probe_at = 0;
}

bool
gate_is_open(const struct gate *g)
{
	return g->reason == NULL && !g->doubted;
}

void
gate_doubt(struct gate *g)
{
	g->doubted = true;
}

/* ---- the store and the engine ---- */

static void
start_probe(struct gate *g)
{
	struct err e;

	g->probe_end = name_tick_ms() + PROBE_MAX_MS;
	if (launch_errand(&g->probe, "--ready=" PROBE_SECONDS, NULL, &e) ==
	    -1) {
		log_error("%s", e.msg);
		backoff_fail(&g->pause);
	}
}

static void
reap_probe(struct gate *g)
{
	int status;

	if (child_wait(&g->probe, 0, &status, NULL) != 1) {
		if (name_tick_ms() >= g->probe_end) {
			g->probe_end = INT64_MAX;
			g->away = "store";
			g->look_at = 0;
		}
		return;
	}
	g->doubted = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	g->away = NULL;
	g->look_at = 0;
	if (!g->doubted) {
		g->probe_at = name_tick_ms() + PROBE_MS;
		backoff_works(&g->pause);
		return;
	}
	backoff_fail(&g->pause);
	g->away = "docker";
	if (WIFEXITED(status) && WEXITSTATUS(status) == READY_NO_STORE)
		g->away = "store";
	if (WIFEXITED(status) && WEXITSTATUS(status) == READY_NO_NETWORK)
		g->away = "network";
}

/* ---- this machine ---- */

/* What the kernel takes to be had without swapping; -1: it does not tell. */
static int64_t
free_memory(void)
{
	static const char name[] = "MemAvailable:";
	char line[128];
	int64_t kib = -1;
	FILE *f = fopen("/proc/meminfo", "re");

	while (kib == -1 && f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, sizeof(name) - 1) == 0)
			kib = strtoll(line + sizeof(name) - 1, NULL, 10);
	if (f != NULL)
		fclose(f);
	return kib == -1 ? -1 : kib * 1024;
}

static int64_t
free_disk(const char *directory)
{
	struct statvfs v;

	return statvfs(directory, &v) == -1
	    ? -1
	    : (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

/* A directory that is not there, or no store in one, is no lack of room. */
static bool
is_short_of_disk(const struct conf *conf)
{
	const char *store = strncmp(conf->store, "dir ", 4) == 0
	    ? conf->store + 4 + strspn(conf->store + 4, " \t")
	    : conf->scratch;
	int64_t scratch_left = free_disk(conf->scratch);
	int64_t store_left = free_disk(store);

	return (scratch_left != -1 && scratch_left < conf->disk_floor) ||
	    (store_left != -1 && store_left < conf->disk_floor);
}

static const char *
shortage(const struct conf *conf)
{
	int64_t memory = free_memory();

	if (memory != -1 && memory < conf->memory_floor)
		return "memory";
	return is_short_of_disk(conf) ? "disk" : NULL;
}

/* ---- both ---- */

static void
tell(struct gate *g, const char *worker, struct link *l)
{
	struct err e;
	int rc = queue_waiting_for(l->queue, worker, g->reason, TOLD_MS, &e);

	if (link_heard(l, rc, &e))
		g->tell_at = name_tick_ms() +
		    (g->reason == NULL ? INT64_MAX / 2 : TELL_MS);
}

static void
look(struct gate *g, const struct conf *conf)
{
	const char *reason = shortage(conf);

	g->look_at = name_tick_ms() + LOOK_MS;
	if (reason == NULL)
		reason = g->away;
	if (reason == g->reason)
		return;
	if (reason != NULL)
		log_warn("no build is started: waiting for %s", reason);
	else
		log_info("builds are started again");
	g->reason = reason;
	g->tell_at = 0;
}

/* When the next probe is due.  While one is on its way to those who have
 * answered last time, the gate stays open. */
static int64_t
probe_due(const struct gate *g)
{
	return g->doubted || backoff_waits(&g->pause) ? g->pause.until
						      : g->probe_at;
}

void
gate_service(struct gate *g, const struct conf *conf, struct link *l)
{
	if (child_running(&g->probe))
		reap_probe(g);
	if (!child_running(&g->probe) && name_tick_ms() >= probe_due(g))
		start_probe(g);
	if (name_tick_ms() >= g->look_at)
		look(g, conf);
	if (name_tick_ms() >= g->tell_at && link_ready(l))
		tell(g, conf->worker, l);
}

int
gate_fd(const struct gate *g)
{
	return g->probe.pidfd;
}

int64_t
gate_due(const struct gate *g)
{
	int64_t due = g->look_at < g->tell_at ? g->look_at : g->tell_at;

	if (child_running(&g->probe))
		return g->probe_end < due ? g->probe_end : due;
	return probe_due(g) < due ? probe_due(g) : due;
}

void
gate_stop(struct gate *g)
{
	child_stop(&g->probe, PROBE_GRACE_MS, NULL);
}
