/*
 * queue_probe WAITING ROUNDS - with so many ids waiting, what do a submission,
 * a look at the last one's place, and a take cost?  Prints the medians in µs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/conf.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/queue.h"

enum { SUBMIT, POSITION, TAKE, NSTEPS };

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
must(int rc, const struct err *e)
{
	if (rc != -1)
		return;
	fprintf(stderr, "queue_probe: %s\n", e->msg);
	exit(1);
}

static struct deployment *
waiting(void)
{
	struct deployment *d = deployment_new();

	name_new_id(d->id);
	d->state = STATE_QUEUED;
	d->created = d->updated = name_now_ms();
	d->url = xstrdup("https://git.example.org/site.git");
	return d;
}

static void
fill(struct queue *q, long count)
{
	struct err e;

	while (count-- > 0) {
		struct deployment *d = waiting();

		must(queue_submit(q, d, &e), &e);
		deployment_free(d);
	}
}

static void
measure(struct queue *q, int64_t us[NSTEPS])
{
	struct deployment *d = waiting();
	char id[ID_LENGTH + 1];
	int64_t place, at[NSTEPS + 1];
	struct err e;

	at[SUBMIT] = now_us();
	must(queue_submit(q, d, &e), &e);
	at[POSITION] = now_us();
	must(queue_position(q, d->id, &place, &e), &e);
	at[TAKE] = now_us();
	must(queue_take(q, "probe", 0, id, &e), &e);
	at[NSTEPS] = now_us();
	for (int i = 0; i < NSTEPS; i++)
		us[i] = at[i + 1] - at[i];
	deployment_free(d);
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	static const char *const names[] = { "submit", "position", "take" };
	long count = argc < 3 ? 10 : strtol(argv[1], NULL, 10);
	size_t rounds = argc < 3 ? 100 : strtoul(argv[2], NULL, 10);
	int64_t *us[NSTEPS], one[NSTEPS];
	struct conf *conf;
	struct queue *q;
	struct err e;

	if ((conf = conf_load(NULL, &e)) == NULL ||
	    (q = queue_open(conf, &e)) == NULL)
		must(-1, &e);
	for (int i = 0; i < NSTEPS; i++)
		us[i] = xcalloc(rounds + 1, sizeof(*us[i]));
	fill(q, count);
	for (size_t n = 0; n < rounds; n++) {
		measure(q, one);
		for (int i = 0; i < NSTEPS; i++)
			us[i][n] = one[i];
	}
	for (int i = 0; i < NSTEPS; i++) {
		qsort(us[i], rounds, sizeof(*us[i]), by_value);
		printf("%s %lld\n", names[i], (long long)us[i][rounds / 2]);
		free(us[i]);
	}
	queue_free(q);
	conf_free(conf);
	return 0;
}
