#include "fcgi/cache.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/cache_room.h"
#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/digest.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/remains.h"
#include "lib/store.h"

#define STEP (256 * 1024)

/* No transfer takes longer: what is older was left by a dead process. */
#define DEAD_MS (3600 * 1000)

/* "manifests/{id}.json" and the like. */
#define NAME_SIZE 32

struct cache {
	struct store *disk;
	struct cache_room room;
	int64_t age_ms;
};

/* A manifest that is here.  Its mtime is the store's, and tells whether it is
 * still the same; its ctime is when that was asked last. */
struct held {
	char path[NAME_SIZE];
	bool live;		/* the web server sees it */
	int64_t size, modified_ms, age_ms;
};

struct cache *
cache_open(const struct conf *conf, struct err *e)
{
	struct cache *c = xcalloc(1, sizeof(*c));
	char *value = xasprintf("dir %s", conf->site_cache);

	c->age_ms = conf->site_cache_age * 1000;
	if ((c->disk = store_open_as(conf, value, e)) == NULL ||
	    cache_room_open(&c->room, c->disk, conf->site_cache,
		conf->site_cache_bytes,
		e) == -1) {
		store_free(c->disk);
		free(c);
		c = NULL;
	} else {
		mkdirat(c->room.root, "stale", 0770);
	}
	free(value);
	return c;
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	cache_room_close(&c->room);
	store_free(c->disk);
	free(c);
}

/* Give a file the time that it has in the store: so all web servers tell
 * visitors the same. */
static void
set_time(const struct cache *c, const char *key, int64_t ms)
{
	const struct timespec times[] = { { .tv_nsec = UTIME_NOW },
		{ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 } };

	utimensat(c->room.root, key, times, AT_SYMLINK_NOFOLLOW);
}

/* ---- manifests ---- */

static bool
look_at(const struct cache *c, const char *dir, const char *id, struct held *h)
{
	struct stat st;

	snprintf(h->path, sizeof(h->path), "%s/%s.json", dir, id);
	if (fstatat(c->room.root, h->path, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return false;
	h->size = st.st_size;
	h->modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 +
	    st.st_mtim.tv_nsec / 1000000;
	h->age_ms = name_now_ms() - ((int64_t)st.st_ctim.tv_sec * 1000 +
					st.st_ctim.tv_nsec / 1000000);
	return true;
}

/* The manifest that is here, live or stale. */
static bool
find_held(const struct cache *c, const char *id, struct held *h)
{
	h->live = look_at(c, "manifests", id, h);
	return h->live || look_at(c, "stale", id, h);
}

/* Was the store asked not long ago?  Well before the web server ceases to see
 * it, which it does in between requests for pages. */
static bool
is_fresh(const struct cache *c, const struct held *h)
{
	return h->live && h->age_ms >= 0 && h->age_ms < c->age_ms / 3;
}

/* It is good from now on. */
static void
renew(const struct cache *c, const char *id, const struct held *h)
{
	char live[NAME_SIZE];

	set_time(c, h->path, h->modified_ms);
	snprintf(live, sizeof(live), "manifests/%s.json", id);
	if (!h->live &&
	    renameat(c->room.root, h->path, c->room.root, live) == -1)
		log_warn("cache: %s: %s", live, strerror(errno));
}

/* Put an object of the store into the cache.  1: the cache can't take it. */
static int
copy_small(const struct cache *c, struct store *store, const char *key,
    int64_t modified_ms, struct err *e)
{
	struct buf text = BUF_INIT;
	struct err own;
	int rc = store_get(store, key, JSON_MAX_BYTES, &text, e);

	if (rc == 0) {
		cache_room_make(&c->room, (int64_t)text.len);
		rc = store_put(c->disk, key, NULL, text.data, text.len, &own);
		if (rc == 0)
			set_time(c, key, modified_ms);
		else
			log_error("cache: %s", own.msg);
		rc = rc == 0 ? 0 : 1;
	}
	buf_clear(&text);
	return rc;
}

/* Rules that come before files are there before these are seen. */
static int
fetch_manifest(const struct cache *c, struct store *store, const char *id,
    const struct store_object *o, struct err *e)
{
	char *key = manifest_key(id), *rules = manifest_rules_key(id);
	struct err own;
	int rc;

	remains_drop_cached(c->disk, id, NULL);
	rc = copy_small(c, store, rules, o->modified_ms, &own);
	if (rc == -1 && own.code == ERR_NOTFOUND)
		rc = 0;
	else if (rc == -1 && e != NULL)
		*e = own;
	if (rc == 0)
		rc = copy_small(c, store, key, o->modified_ms, e);
	free(rules);
	free(key);
	return rc;
}

/* Ask the store about a site.  1: the cache can't take its manifest. */
static int
refresh(const struct cache *c, struct store *store, const char *id,
    const struct held *h, struct err *e)
{
	char *key = manifest_key(id);
	struct store_object o;
	struct err own;
	int rc = store_head(store, key, &o, &own);

	free(key);
	if (rc == -1 && own.code == ERR_NOTFOUND) {
		remains_drop_cached(c->disk, id, NULL);
	} else if (rc == -1 && h != NULL) {
		log_warn("%s; what the cache holds is served", own.msg);
		renew(c, id, h);
		return 0;
	}
	if (rc == -1) {
		if (e != NULL)
			*e = own;
		return -1;
	}
	if (h != NULL && h->size == o.size && h->modified_ms == o.modified_ms) {
		renew(c, id, h);
		return 0;
	}
	return fetch_manifest(c, store, id, &o, e);
}

struct store *
cache_site(struct cache *c, struct store *store, const char *id,
    struct err *e)
{
	struct held h;
	bool held;
	int rc = 0;

	if (c == NULL)
		return store;
	held = find_held(c, id, &h);
	if (held && is_fresh(c, &h))
		return c->disk;
	/* While another one asks, it is as good as it was a moment ago. */
	if (!cache_room_lock(&c->room, id,
		!held || !h.live || h.age_ms > c->age_ms / 3 * 2))
		return held ? c->disk : store;
	held = find_held(c, id, &h);
	if (!held || !is_fresh(c, &h))
		rc = refresh(c, store, id, held ? &h : NULL, e);
	cache_room_unlock(&c->room, id);
	return rc == -1 ? NULL : rc == 0 ? c->disk : store;
}

/* ---- files ---- */

/* Write what r yields, and keep it if it is the file.  1: the cache can't. */
static int
copy_stream(const struct cache *c, struct store_reader *r, const char *key,
    const struct manifest_file *f, struct err *e)
{
	static char data[STEP];
	struct digest *d = digest_new();
	struct store_writer *w;
	char hex[DIGEST_HEX_BYTES];
	ssize_t n = 0;
	struct err own;
	int rc = 1;

	if ((w = store_put_open(c->disk, key, f->type, &own)) == NULL)
		goto out;
	while ((n = store_get_data(r, data, sizeof(data), e)) > 0) {
		digest_add(d, data, (size_t)n);
		if (store_put_data(w, data, (size_t)n, &own) == -1)
			goto out;
	}
	digest_end(d, hex);
	if (n == 0 && f->sha256[0] != '\0' && strcmp(hex, f->sha256) != 0)
		n = err_set(e, ERR_STORE,
		    "%s: not the bytes that the manifest tells", key);
	if (n == -1) {
		rc = -1;
		goto out;
	}
	rc = store_put_commit(w, STORE_NOW, &own) == 0 ? 0 : 1;
	w = NULL;
out:
	if (rc == 1)
		log_error("cache: %s", own.msg);
	store_put_abort(w);
	digest_free(d);
	return rc;
}

static int
fetch_file(const struct cache *c, struct store *store, const char *key,
    const struct manifest_file *f, struct err *e)
{
	struct store_object o;
	struct store_reader *r = store_get_open(store, key, 0, &o, e);
	int rc;

	if (r == NULL)
		return -1;
	cache_room_make(&c->room, f->size);
	if ((rc = copy_stream(c, r, key, f, e)) == 0)
		set_time(c, key, o.modified_ms);
	store_get_close(r);
	return rc;
}

static bool
is_here(const struct cache *c, const char *key, const struct manifest_file *f)
{
	struct store_object o;

	return store_head(c->disk, key, &o, NULL) == 0 && o.size == f->size;
}

/* 1: the cache can't take it. */
static int
bring(const struct cache *c, struct store *store, const char *key,
    const struct manifest_file *f, struct err *e)
{
	int rc = 0;

	if (is_here(c, key, f))
		return 0;
	/* One file is not to drive all others out. */
	if (f->size > c->room.max / 2)
		return 1;
	cache_room_lock(&c->room, key, true);
	if (!is_here(c, key, f))
		rc = fetch_file(c, store, key, f, e);
	cache_room_unlock(&c->room, key);
	return rc;
}

struct store_reader *
cache_read(struct cache *c, struct store *store, const char *id,
    const struct manifest_file *f, int64_t offset, struct store_object *o,
    struct err *e)
{
	char *key = manifest_file_key(id, f->path);
	struct store_reader *r = NULL;
	int rc = c == NULL ? 1 : bring(c, store, key, f, e);

	if (rc == 0)
		r = store_get_open(c->disk, key, offset, o, NULL);
	/* it may have had to make room at once */
	if (rc != -1 && r == NULL)
		r = store_get_open(store, key, offset, o, e);
	free(key);
	return r;
}

bool
cache_has(struct cache *c, struct store *store, const char *id,
    const struct manifest_file *f)
{
	char *key = manifest_file_key(id, f->path);
	bool has = c == NULL || bring(c, store, key, f, NULL) == 0;

	free(key);
	return has;
}

/* ---- in between ---- */

int
cache_chore_ms(const struct cache *c)
{
	return (int)(c->age_ms / 3);
}

void
cache_tend(struct cache *c)
{
	struct dirent *d;
	DIR *dir;
	int fd;

	if (c == NULL || !cache_room_due(&c->room, c->age_ms / 3))
		return;
	store_sweep(c->disk, DEAD_MS, NULL);
	fd = openat(c->room.root, "manifests",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		fdio_close(&fd);
		return;
	}
	while ((d = readdir(dir)) != NULL) {
		char id[ID_LENGTH + 1], stale[NAME_SIZE];
		struct held h = { .path = "" };

		if (!name_is_id(d->d_name, strcspn(d->d_name, "."), id) ||
		    strcmp(d->d_name + ID_LENGTH, ".json") != 0 ||
		    !look_at(c, "manifests", id, &h) || h.age_ms < c->age_ms)
			continue;
		snprintf(stale, sizeof(stale), "stale/%s.json", id);
		renameat(c->room.root, h.path, c->room.root, stale);
	}
	closedir(dir);
}
