/*
 * The store of a configuration as a program, for bench/s3.sh and for tests of
 * what it costs:
 *
 *	store_probe CONF tree PREFIX	the files that standard input names, one
 *					a line, as batched objects
 *	store_probe CONF put KEY	standard input as one stream
 *	store_probe CONF get KEY	one stream to standard output
 *	store_probe CONF clean PREFIX
 *
 * Then, on standard error, "cpu_ms N rss_kib N": what it took at most.
 * (getrusage(2) would tell what the shell took that became this program.)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/store.h"

#define STEP_BYTES 65536

static char data[STEP_BYTES];

static int
put_from(struct store *s, const char *key, int fd, enum store_when when,
    struct err *e)
{
	struct store_writer *w = store_put_open(s, key, NULL, e);
	ssize_t n;

	if (w == NULL)
		return -1;
	while ((n = read(fd, data, sizeof(data))) > 0 &&
	    store_put_data(w, data, (size_t)n, e) == 0)
		continue;
	if (n == 0)
		return store_put_commit(w, when, e);
	if (n == -1)
		err_errno(e, "read");
	store_put_abort(w);
	return -1;
}

static int
put(struct store *s, const char *key, struct err *e)
{
	return put_from(s, key, STDIN_FILENO, STORE_NOW, e);
}

static int
put_file(struct store *s, const char *prefix, const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
	char *key;

	if (fd == -1)
		return err_errno(e, "open %s", path);
	key = xasprintf("%s%s", prefix, path);
	rc = put_from(s, key, fd, STORE_BATCHED, e);
	free(key);
	close(fd);
	return rc;
}

static int
tree(struct store *s, const char *prefix, struct err *e)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (put_file(s, prefix, line, e) == -1)
			return -1;
	}
	return store_sync(s, e);
}

static int
get(struct store *s, const char *key, struct err *e)
{
	struct store_reader *r = store_get_open(s, key, 0, NULL, e);
	ssize_t n;

	if (r == NULL)
		return -1;
	while ((n = store_get_data(r, data, sizeof(data), e)) > 0 &&
	    fdio_write(STDOUT_FILENO, data, (size_t)n, e) == 0)
		continue;
	store_get_close(r);
	return n == 0 ? 0 : -1;
}

static const struct {
	const char *word;
	int (*fn)(struct store *, const char *, struct err *);
} verbs[] = { { "tree", tree }, { "put", put }, { "get", get },
	{ "clean", store_delete_all } };

static int
run(struct store *s, char **argv, struct err *e)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[2], verbs[i].word) == 0)
			return verbs[i].fn(s, argv[3], e);
	return err_set(e, ERR_INVALID, "%s: tree, put, get or clean", argv[2]);
}

static long
peak_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	if (f != NULL)
		fclose(f);
	return kib;
}

static void
tell_cost(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	fprintf(stderr, "cpu_ms %lld rss_kib %ld\n",
	    (long long)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
		(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000,
	    peak_kib());
}

int
main(int argc, char **argv)
{
	struct conf *c = NULL;
	struct store *s = NULL;
	struct err e = { .code = ERR_NONE };
	int rc = -1;

	if (argc != 4) {
		fprintf(stderr, "usage: store_probe CONF VERB KEY\n");
		return 64;
	}
	if ((c = conf_load(argv[1], &e)) != NULL &&
	    (s = store_open(c, &e)) != NULL)
		rc = run(s, argv, &e);
	if (rc == -1)
		fprintf(stderr, "store_probe: %s\n", e.msg);
	else
		tell_cost();
	store_free(s);
	conf_free(c);
	return rc == -1;
}
