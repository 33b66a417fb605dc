#include "tests/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/cache_room.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/store.h"

#define ROOM_BYTES (10 * 4096)

struct fixture {
	char root[32];
	struct conf *conf;
	struct store *disk;
	struct cache_room room;
};

static void
open_room(const struct fixture *f, struct cache_room *r)
{
	struct err e;

	if (cache_room_open(r, f->disk, f->root, ROOM_BYTES, &e) == -1)
		fail_msg("%s", e.msg);
}

static int
set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char *text;

	strcpy(f->root, "/tmp/davit-room-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	text = xasprintf("store dir %s\n", f->root);
	f->conf = conf_parse(text, "t", NULL);
	free(text);
	f->disk = store_open(f->conf, NULL);
	open_room(f, &f->room);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	cache_room_close(&f->room);
	store_free(f->disk);
	conf_free(f->conf);
	assert_int_equal(fdio_remove_tree(f->root, NULL), 0);
	free(f);
	return 0;
}

/* A file of one block that was read so many seconds ago. */
static void
put(const struct fixture *f, const char *key, int age)
{
	struct timespec times[2];

	cache_room_make(&f->room, 100);
	assert_int_equal(store_put(f->disk, key, NULL, "x", 1, NULL), 0);
	clock_gettime(CLOCK_REALTIME, &times[0]);
	/* what was read after it came counts by that */
	times[0].tv_sec += 1000 - age;
	times[1] = times[0];
	assert_int_equal(utimensat(f->room.root, key, times, 0), 0);
}

static bool
has(const struct fixture *f, const char *key)
{
	return store_head(f->disk, key, NULL, NULL) == 0;
}

static void
what_was_used_longest_ago_goes_first(void **state)
{
	struct fixture *f = *state;
	char key[32];

	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "dist/a/%d", i);
		put(f, key, 100 + i); /* the last is the oldest */
	}
	assert_true(has(f, "dist/a/9"));
	cache_room_make(&f->room, 4096);
	assert_false(has(f, "dist/a/9"));
	assert_true(has(f, "dist/a/0"));
	assert_true(has(f, "dist/a/7"));
}

/* Without its rules, a site's files would be served that they forbid. */
static void
rules_stay_whatever_comes(void **state)
{
	struct fixture *f = *state;

	put(f, "manifests/a.rules", 900);
	put(f, "manifests/a.json", 800);
	put(f, "dist/a/1", 700);
	cache_room_make(&f->room, ROOM_BYTES);
	assert_true(has(f, "manifests/a.rules"));
	assert_false(has(f, "manifests/a.json"));
	assert_false(has(f, "dist/a/1"));
}

static void
bytes_are_counted_among_all(void **state)
{
	struct fixture *f = *state;
	struct cache_room other;

	put(f, "dist/a/1", 100);
	cache_room_make(&f->room, ROOM_BYTES / 2);
	open_room(f, &other);
	assert_true(has(f, "dist/a/1"));
	cache_room_make(&other, ROOM_BYTES / 2);
	cache_room_make(&other, ROOM_BYTES);
	assert_false(has(f, "dist/a/1"));
	cache_room_close(&other);
}

static void
one_at_a_time_has_the_lock_of_a_name(void **state)
{
	struct fixture *f = *state;
	struct cache_room other;

	open_room(f, &other);
	assert_true(cache_room_lock(&f->room, "a", false));
	assert_false(cache_room_lock(&other, "a", false));
	assert_true(cache_room_lock(&other, "b", false));
	cache_room_unlock(&f->room, "a");
	assert_true(cache_room_lock(&other, "a", false));
	cache_room_close(&other);
}

static void
locks_end_with_their_process(void **state)
{
	struct fixture *f = *state;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct cache_room own;

		open_room(f, &own);
		cache_room_lock(&own, "a", true);
		_exit(cache_room_lock(&f->room, "a", false) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(cache_room_lock(&f->room, "a", false));
}

static void
tending_is_due_once_for_all(void **state)
{
	struct fixture *f = *state;
	struct cache_room other;

	open_room(f, &other);
	assert_true(cache_room_due(&f->room, 60000));
	assert_false(cache_room_due(&other, 60000));
	assert_false(cache_room_due(&f->room, 60000));
	assert_true(cache_room_due(&other, 0));
	cache_room_close(&other);
}

/* Whatever the file holds, or lacks, costs no more than the bound. */
static void
cut_state_counts_from_nothing(void **state)
{
	struct fixture *f = *state;

	put(f, "dist/a/1", 100);
	assert_int_equal(ftruncate(f->room.state, 3), 0);
	assert_true(cache_room_due(&f->room, 60000));
	cache_room_make(&f->room, 1);
	assert_true(has(f, "dist/a/1"));
}

#define ROOM_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM_TEST(what_was_used_longest_ago_goes_first),
		ROOM_TEST(rules_stay_whatever_comes),
		ROOM_TEST(bytes_are_counted_among_all),
		ROOM_TEST(one_at_a_time_has_the_lock_of_a_name),
		ROOM_TEST(locks_end_with_their_process),
		ROOM_TEST(tending_is_due_once_for_all),
		ROOM_TEST(cut_state_counts_from_nothing),
	};

	return cmocka_run_group_tests_name("cache_room", tests, NULL, NULL);
}
