#include "worker/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/digest.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/mem.h"

/* One repository does not drive out all others. */
#define ROOM_PART 4

#define SUFFIX ".tar"
#define TAR_END_BYTES 1024
#define DAY_S (24 * 60 * 60)

struct cache {
	const struct conf *conf;
	char repository[17];	/* hex */
};

/* Owners do not share: whoever deploys a repository chooses the commands that
 * fill its cache. */
static void
name_repository(struct cache *c, const struct deployment *job)
{
	const char *owner = job->owner == NULL ? "" : job->owner;
	struct digest *d = digest_new();
	char hex[DIGEST_HEX_BYTES];

	digest_add(d, owner, strlen(owner) + 1);
	digest_add(d, job->url, strlen(job->url) + 1);
	digest_end(d, hex);
	digest_free(d);
	snprintf(c->repository, sizeof(c->repository), "%.16s", hex);
}

struct cache *
cache_open(const struct conf *conf, const struct deployment *job)
{
	struct cache *c;

	if (strcmp(conf->cache, "none") == 0 || job->url == NULL ||
	    job->no_cache)
		return NULL;
	if (mkdir(conf->cache, 0700) == -1 && errno != EEXIST) {
		log_warn("cache %s: %s; builds keep nothing", conf->cache,
		    strerror(errno));
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->conf = conf;
	name_repository(c, job);
	return c;
}

void
cache_free(struct cache *c)
{
	free(c);
}

static char *
path_of(const struct cache *c, const char *kind, const char *key)
{
	return xasprintf("%s/%s-%s-%s" SUFFIX, c->conf->cache, c->repository,
	    kind, key);
}

/* A tar ends with two blocks of zeros; tar itself does not miss them. */
static bool
is_whole(int fd)
{
	static const char zeros[TAR_END_BYTES];
	char end[TAR_END_BYTES];
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size >= TAR_END_BYTES &&
	    pread(fd, end, sizeof(end), st.st_size - TAR_END_BYTES) ==
		TAR_END_BYTES &&
	    memcmp(end, zeros, sizeof(end)) == 0;
}

int
cache_get(struct cache *c, const char *kind, const char *key)
{
	char *path = path_of(c, kind, key);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd != -1 && !is_whole(fd)) {
		log_warn("%s is damaged, and not used", path);
		unlink(path);
		fdio_close(&fd);
	}
	if (fd != -1)
		futimens(fd, NULL);
	free(path);
	return fd;
}

bool
cache_has(struct cache *c, const char *kind)
{
	char *start = xasprintf("%s-%s-", c->repository, kind);
	DIR *dir = opendir(c->conf->cache);
	struct dirent *entry;
	bool has = false;

	while (!has && dir != NULL && (entry = readdir(dir)) != NULL)
		has = strncmp(entry->d_name, start, strlen(start)) == 0;
	if (dir != NULL)
		closedir(dir);
	free(start);
	return has;
}

void
cache_drop(struct cache *c, const char *kind, const char *key)
{
	char *path = path_of(c, kind, key);

	unlink(path);
	free(path);
}

int
cache_new(struct cache *c, struct err *e)
{
	return fdio_unnamed(c->conf->cache, e);
}

/* linkat(2) does not replace; of two builds that keep the same, either will
 * do. */
int
cache_keep(struct cache *c, int fd, const char *kind, const char *key,
    struct err *e)
{
	char *path = path_of(c, kind, key);
	char *from = xasprintf("/proc/self/fd/%d", fd);
	int rc;

	/* The name must not come to the disk before what it names. */
	fdatasync(fd);
	unlink(path);
	rc = linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
	if (rc == -1 && errno == EEXIST)
		rc = 0;
	if (rc == -1)
		err_errno(e, "keep %s", path);
	free(from);
	free(path);
	return rc;
}

int64_t
cache_room(const struct cache *c)
{
	return c->conf->cache_bytes / ROOM_PART;
}

/* ---- bounds ---- */

struct kept {
	char *name;
	int64_t bytes;
	time_t used;
};

static int
older_first(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return x->used < y->used ? -1 : x->used > y->used;
}

/* All there is, of whatever repository. */
static struct kept *
list(DIR *dir, size_t *n)
{
	struct kept *all = NULL;
	struct dirent *entry;
	struct stat st;

	*n = 0;
	while ((entry = readdir(dir)) != NULL) {
		if (strstr(entry->d_name, SUFFIX) == NULL ||
		    fstatat(dirfd(dir), entry->d_name, &st,
			AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		all = xreallocarray(all, *n + 1, sizeof(*all));
		all[(*n)++] = (struct kept){ xstrdup(entry->d_name),
			st.st_size, st.st_mtime };
	}
	if (all != NULL)
		qsort(all, *n, sizeof(*all), older_first);
	return all;
}

void
cache_trim(struct cache *c)
{
	time_t oldest = time(NULL) - c->conf->cache_days * DAY_S;
	DIR *dir = opendir(c->conf->cache);
	struct kept *all;
	int64_t sum = 0;
	size_t n;

	if (dir == NULL)
		return;
	all = list(dir, &n);
	for (size_t i = 0; i < n; i++)
		sum += all[i].bytes;
	for (size_t i = 0; i < n; i++) {
		if ((all[i].used < oldest || sum > c->conf->cache_bytes) &&
		    unlinkat(dirfd(dir), all[i].name, 0) == 0)
			sum -= all[i].bytes;
		free(all[i].name);
	}
	free(all);
	closedir(dir);
}
