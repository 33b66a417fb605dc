#include "fcgi/cache_room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"

#define STATE "state"
#define STATE_MODE 0660

/* What a file takes up at least. */
#define BLOCK_BYTES 4096

/* The bytes of the file that are locked: for the counters, and for names from
 * FIRST_NAME on, one each by its hash.  Two names of one hash wait for each
 * other, and no more. */
#define COUNTERS 0
#define FIRST_NAME 1024

struct counters {
	int64_t bytes;
	int64_t tended_ms;	/* since the epoch */
};

int
cache_room_open(struct cache_room *r, struct store *disk, const char *path,
    int64_t max, struct err *e)
{
	*r = (struct cache_room){ disk, -1, -1, max };
	r->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->root != -1)
		r->state = openat(r->root, STATE,
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, STATE_MODE);
	if (r->state != -1)
		return 0;
	err_errno(e, "open %s/" STATE, path);
	cache_room_close(r);
	return -1;
}

void
cache_room_close(struct cache_room *r)
{
	fdio_close(&r->state);
	fdio_close(&r->root);
}

/* ---- locks ---- */

static bool
set_lock(const struct cache_room *r, short type, off_t at, bool wait)
{
	struct flock l = { .l_type = type,
		.l_whence = SEEK_SET,
		.l_start = at,
		.l_len = 1 };
	int rc;

	do
		rc = fcntl(r->state, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l);
	while (rc == -1 && errno == EINTR);
	return rc == 0;
}

/* FNV-1a, cut to what an offset may be. */
static off_t
place(const char *name)
{
	uint64_t h = 14695981039346656037u;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 1099511628211u;
	return FIRST_NAME + (off_t)(h >> 2);
}

bool
cache_room_lock(const struct cache_room *r, const char *name, bool wait)
{
	return set_lock(r, F_WRLCK, place(name), wait);
}

void
cache_room_unlock(const struct cache_room *r, const char *name)
{
	set_lock(r, F_UNLCK, place(name), false);
}

/* ---- counters ---- */

/* A file that is new, or short, counts nothing so far. */
static struct counters
take_counters(const struct cache_room *r)
{
	struct counters c = { 0, 0 };

	set_lock(r, F_WRLCK, COUNTERS, true);
	if (pread(r->state, &c, sizeof(c), 0) != sizeof(c))
		c = (struct counters){ 0, 0 };
	return c;
}

static void
give_counters(const struct cache_room *r, const struct counters *c)
{
	if (pwrite(r->state, c, sizeof(*c), 0) != sizeof(*c))
		log_warn("cache: counters: %s", strerror(errno));
	set_lock(r, F_UNLCK, COUNTERS, false);
}

bool
cache_room_due(const struct cache_room *r, int64_t every_ms)
{
	struct counters c = take_counters(r);
	int64_t now = name_now_ms();
	/* clocks are set back as well */
	bool due = now - c.tended_ms >= every_ms || now < c.tended_ms;

	if (due)
		c.tended_ms = now;
	give_counters(r, &c);
	return due;
}

/* ---- room ---- */

struct item {
	char *key;
	int64_t bytes;
	struct timespec used;
};

struct items {
	const struct cache_room *room;
	struct item *item;
	size_t n, cap;
	int64_t bytes;
};

static int64_t
blocks(int64_t bytes)
{
	return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

static bool
is_before(struct timespec a, struct timespec b)
{
	return a.tv_sec < b.tv_sec ||
	    (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

/* Used when it was read, as far as the disk notes that, or came. */
static int
add_item(void *arg, const char *key, const struct store_object *o)
{
	struct items *all = arg;
	struct stat st;

	if (fstatat(all->room->root, key, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	if (all->n == all->cap) {
		all->cap = all->cap == 0 ? 256 : all->cap * 2;
		all->item = xreallocarray(all->item, all->cap,
		    sizeof(*all->item));
	}
	all->item[all->n++] = (struct item){ xstrdup(key), blocks(o->size),
		is_before(st.st_atim, st.st_ctim) ? st.st_ctim : st.st_atim };
	all->bytes += blocks(o->size);
	return 0;
}

static int
by_use(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return is_before(x->used, y->used) ? -1 : is_before(y->used, x->used);
}

/* Where a site's rules go, the web server serves what they forbid. */
static bool
may_go(const char *key)
{
	const char *end = strrchr(key, '.');

	return strncmp(key, "manifests/", 10) != 0 || end == NULL ||
	    strcmp(end, ".rules") != 0;
}

/* Delete the oldest until at most so many bytes are left; how many are. */
static int64_t
shrink(const struct cache_room *r, int64_t bytes)
{
	static const char *const prefixes[] = { "dist/", "manifests/",
		"stale/" };
	struct items all = { .room = r };
	size_t i, gone = 0;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		store_list(r->disk, prefixes[i], add_item, &all, NULL);
	if (all.n > 0)
		qsort(all.item, all.n, sizeof(*all.item), by_use);
	for (i = 0; i < all.n; i++) {
		if (all.bytes > bytes && may_go(all.item[i].key) &&
		    store_delete(r->disk, all.item[i].key, NULL) == 0) {
			all.bytes -= all.item[i].bytes;
			gone++;
		}
		free(all.item[i].key);
	}
	free(all.item);
	log_debug("cache: %zu of %zu files gone", gone, all.n);
	return all.bytes;
}

void
cache_room_make(const struct cache_room *r, int64_t bytes)
{
	struct counters c = take_counters(r);

	/* Well below the bound, so that this is seldom. */
	if (c.bytes + blocks(bytes) > r->max)
		c.bytes = shrink(r, r->max / 10 * 9 - blocks(bytes));
	c.bytes += blocks(bytes);
	give_counters(r, &c);
}
