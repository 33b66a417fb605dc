#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/store.h"

/* One directory and one open store for each test. */
struct fixture {
	char root[64];
	struct conf *conf;
	struct store *store;
};

static int
set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char *text;
	struct err e;

	strcpy(f->root, "/tmp/davit-store-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	text = xasprintf("store dir %s\n", f->root);
	f->conf = conf_parse(text, "t", &e);
	f->store = store_open(f->conf, &e);
	free(text);
	if (f->store == NULL)
		fail_msg("%s", e.msg);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	store_free(f->store);
	conf_free(f->conf);
	assert_int_equal(fdio_remove_tree(f->root, NULL), 0);
	free(f);
	return 0;
}

static void
put(struct store *s, const char *key, const char *text)
{
	struct err e;

	if (store_put(s, key, "text/plain", text, strlen(text), &e) == -1)
		fail_msg("%s", e.msg);
}

static void
assert_holds(struct store *s, const char *key, const char *text)
{
	struct buf b = BUF_INIT;
	struct err e;

	if (store_get(s, key, 1 << 20, &b, &e) == -1)
		fail_msg("%s", e.msg);
	assert_string_equal(buf_str(&b), text);
	buf_clear(&b);
}

static enum err_code
get_code(struct store *s, const char *key)
{
	struct buf b = BUF_INIT;
	struct err e = { .code = ERR_NONE };

	store_get(s, key, 1 << 20, &b, &e);
	buf_clear(&b);
	return e.code;
}

static int
count_keys(void *arg, const char *key, const struct store_object *o)
{
	++*(int *)arg;
	return 0;
}

static int
keys_below(struct store *s, const char *prefix)
{
	int n = 0;

	assert_int_equal(store_list(s, prefix, count_keys, &n, NULL), 0);
	return n;
}

static int
files_in_tmp(const struct fixture *f)
{
	char *path = xasprintf("ls -A %s/tmp | wc -l", f->root);
	FILE *p = popen(path, "r");
	int n = -1;

	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	free(path);
	return n;
}

static void
puts_gets_and_overwrites(void **state)
{
	struct fixture *f = *state;
	struct store_object o;

	put(f->store, "dist/a b/+%.html", "one");
	assert_holds(f->store, "dist/a b/+%.html", "one");
	put(f->store, "dist/a b/+%.html", "two!");
	assert_holds(f->store, "dist/a b/+%.html", "two!");
	assert_int_equal(store_head(f->store, "dist/a b/+%.html", &o, NULL),
	    0);
	assert_int_equal(o.size, 4);
	assert_int_equal(get_code(f->store, "dist/none"), ERR_NOTFOUND);
	assert_int_equal(get_code(f->store, "dist"), ERR_NOTFOUND);
	assert_int_equal(get_code(f->store, "dist/a b/+%.html/x"),
	    ERR_NOTFOUND);
	assert_int_equal(store_check(f->store, NULL), 0);
	assert_int_equal(files_in_tmp(f), 0);
}

static void
keys_do_not_escape(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "../x", "/etc/passwd", "a/../../x",
		"", "a//b", "a/", "./a" };
	char *link = xasprintf("%s/dist", f->root);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(get_code(f->store, bad[i]), ERR_INVALID);
		assert_int_equal(store_put(f->store, bad[i], NULL, "x", 1,
				     NULL), -1);
	}
	assert_int_equal(symlink("/etc", link), 0);
	assert_int_equal(get_code(f->store, "dist/passwd"), ERR_NOTFOUND);
	assert_int_equal(store_put(f->store, "dist/x", NULL, "x", 1, NULL),
	    -1);
	assert_int_equal(access("/etc/x", F_OK), -1);
	free(link);
}

static void
interrupted_put_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_writer *w = store_put_open(f->store, "output/a", NULL,
	    NULL);

	assert_int_equal(store_put_data(w, "part", 4, NULL), 0);
	assert_int_equal(get_code(f->store, "output/a"), ERR_NOTFOUND);
	store_put_abort(w);
	assert_int_equal(get_code(f->store, "output/a"), ERR_NOTFOUND);
	assert_int_equal(files_in_tmp(f), 0);
}

static void
batched_puts_are_seen_after_sync(void **state)
{
	struct fixture *f = *state;
	char key[40];

	for (int i = 0; i < 300; i++) {
		struct store_writer *w;

		snprintf(key, sizeof(key), "dist/s/%d/%d", i % 7, i);
		w = store_put_open(f->store, key, NULL, NULL);
		assert_int_equal(store_put_data(w, key, strlen(key), NULL),
		    0);
		assert_int_equal(store_put_commit(w, STORE_BATCHED, NULL), 0);
	}
	assert_int_equal(keys_below(f->store, "dist/"), 0);
	assert_int_equal(store_sync(f->store, NULL), 0);
	assert_int_equal(keys_below(f->store, "dist/"), 300);
	assert_holds(f->store, "dist/s/6/6", "dist/s/6/6");
	assert_int_equal(files_in_tmp(f), 0);
}

static void
deleting_prunes_and_spares_the_rest(void **state)
{
	struct fixture *f = *state;

	put(f->store, "dist/a/x/1", "1");
	put(f->store, "dist/a/2", "2");
	put(f->store, "dist/ab/3", "3");
	assert_int_equal(store_delete(f->store, "dist/a/none", NULL), 0);
	assert_int_equal(store_delete(f->store, "dist/a/x/1", NULL), 0);
	assert_int_equal(keys_below(f->store, "dist/"), 2);
	assert_int_equal(store_delete_all(f->store, "dist/a/", NULL), 0);
	assert_int_equal(store_delete_all(f->store, "dist/none/", NULL), 0);
	assert_int_equal(keys_below(f->store, "dist/"), 1);
	assert_int_equal(store_delete_all(f->store, "", NULL), -1);
	assert_int_equal(store_delete_all(f->store, "dist/ab", NULL), -1);
	assert_int_equal(store_delete_all(f->store, "dist/../", NULL), -1);
	assert_holds(f->store, "dist/ab/3", "3");
}

static void
reads_begin_at_an_offset(void **state)
{
	struct fixture *f = *state;
	struct store_reader *r;
	struct store_object o;
	char data[20];

	put(f->store, "logs/a", "0123456789");
	r = store_get_open(f->store, "logs/a", 7, &o, NULL);
	assert_int_equal(o.size, 10);
	assert_int_equal(store_get_data(r, data, sizeof(data), NULL), 3);
	assert_memory_equal(data, "789", 3);
	assert_int_equal(store_get_data(r, data, sizeof(data), NULL), 0);
	store_get_close(r);
	r = store_get_open(f->store, "logs/a", 99, &o, NULL);
	assert_int_equal(store_get_data(r, data, sizeof(data), NULL), 0);
	store_get_close(r);
}

static void
cut_file_is_an_error_not_an_end(void **state)
{
	struct fixture *f = *state;
	struct store_reader *r;
	char *path = xasprintf("%s/output/a", f->root), data[20];

	put(f->store, "output/a", "0123456789");
	r = store_get_open(f->store, "output/a", 0, NULL, NULL);
	assert_int_equal(truncate(path, 4), 0);
	assert_int_equal(store_get_data(r, data, sizeof(data), NULL), -1);
	store_get_close(r);
	free(path);
}

static void
sweep_takes_old_parts_only(void **state)
{
	struct fixture *f = *state;
	struct store_writer *w = store_put_open(f->store, "output/a", NULL,
	    NULL);

	assert_int_equal(store_sweep(f->store, 60000, NULL), 0);
	assert_int_equal(files_in_tmp(f), 1);
	assert_int_equal(store_sweep(f->store, -2000, NULL), 0);
	assert_int_equal(files_in_tmp(f), 0);
	store_put_abort(w);
}

static void
unwritable_root_is_the_stores_error(void **state)
{
	struct conf *c = conf_parse("store dir /proc/davit", "t", NULL);
	struct err e;

	assert_null(store_open(c, &e));
	assert_int_equal(e.code, ERR_STORE);
	conf_free(c);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(puts_gets_and_overwrites),
		STORE_TEST(keys_do_not_escape),
		STORE_TEST(interrupted_put_leaves_nothing),
		STORE_TEST(batched_puts_are_seen_after_sync),
		STORE_TEST(deleting_prunes_and_spares_the_rest),
		STORE_TEST(reads_begin_at_an_offset),
		STORE_TEST(cut_file_is_an_error_not_an_end),
		STORE_TEST(sweep_takes_old_parts_only),
		cmocka_unit_test(unwritable_root_is_the_stores_error),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
