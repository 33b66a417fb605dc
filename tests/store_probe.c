/*
 * How fast a store is, and what memory it takes:
 *
 *	bench_store CONF small COUNT BYTES	batched objects below dist/bench/
 *	bench_store CONF large BYTES		one stream, output/bench
 *	bench_store CONF read			output/bench, to its end
 *	bench_store CONF clean
 *
 * One line of "key value" pairs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"

#define STEP_BYTES 65536
#define LARGE "output/bench"

static char data[STEP_BYTES];

static int
put(struct store *s, const char *key, int64_t bytes, enum store_when when,
    struct err *e)
{
	struct store_writer *w = store_put_open(s, key, NULL, e);

	if (w == NULL)
		return -1;
	while (bytes > 0) {
		size_t n = bytes < STEP_BYTES ? (size_t)bytes : STEP_BYTES;

		if (store_put_data(w, data, n, e) == -1) {
			store_put_abort(w);
			return -1;
		}
		bytes -= (int64_t)n;
	}
	return store_put_commit(w, when, e);
}

static int
small(struct store *s, int64_t count, int64_t bytes, struct err *e)
{
	for (int64_t i = 0; i < count; i++) {
		char *key = xasprintf("dist/bench/%lld/%lld",
		    (long long)i / 100, (long long)i);
		int rc = put(s, key, bytes, STORE_BATCHED, e);

		free(key);
		if (rc == -1)
			return -1;
	}
	return store_sync(s, e);
}

static int
read_all(struct store *s, struct err *e)
{
	struct store_reader *r = store_get_open(s, LARGE, 0, NULL, e);
	ssize_t n;

	if (r == NULL)
		return -1;
	while ((n = store_get_data(r, data, sizeof(data), e)) > 0)
		continue;
	store_get_close(r);
	return (int)n;
}

static int64_t
number(const char *text)
{
	int64_t n;

	if (text == NULL || !name_to_number(text, 0, INT64_MAX, &n)) {
		fprintf(stderr, "usage: see tests/bench_store.c\n");
		exit(64);
	}
	return n;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	struct conf *c = conf_load(argc > 1 ? argv[1] : NULL, NULL);
	struct store *s;
	struct rusage usage;
	struct err e = { .code = ERR_NONE };
	int64_t start, ms;
	int rc = -1;

	if (c == NULL || (s = store_open(c, &e)) == NULL) {
		fprintf(stderr, "bench_store: %s\n", e.msg);
		return 1;
	}
	start = name_tick_ms();
	if (strcmp(what, "small") == 0 && argc == 5)
		rc = small(s, number(argv[3]), number(argv[4]), &e);
	else if (strcmp(what, "large") == 0 && argc == 4)
		rc = put(s, LARGE, number(argv[3]), STORE_NOW, &e);
	else if (strcmp(what, "read") == 0)
		rc = read_all(s, &e);
	else if (strcmp(what, "clean") == 0)
		rc = store_delete_all(s, "dist/bench/", &e) == 0
		    ? store_delete(s, LARGE, &e)
		    : -1;
	else
		number(NULL);
	ms = name_tick_ms() - start;
	getrusage(RUSAGE_SELF, &usage);
	if (rc == -1)
		fprintf(stderr, "bench_store: %s\n", e.msg);
	else
		printf("ms %lld cpu_ms %lld rss_kib %ld\n", (long long)ms,
		    (long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
			    1000 +
			(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) /
			    1000,
		    usage.ru_maxrss);
	store_free(s);
	conf_free(c);
	return rc == -1;
}
