#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alias.h"
#include "lib/deployment.h"
#include "lib/ledger.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/remains.h"
#include "lib/store.h"

struct fixture {
	char root[64];
	struct conf *conf;
	struct store *store;
};

static int
begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[200];

	snprintf(f->root, sizeof(f->root), "/tmp/davit-alias.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(text, sizeof(text), "store dir %s/store\n", f->root);
	f->conf = conf_parse(text, "test", NULL);
	assert_non_null(f->conf);
	f->store = store_open(f->conf, NULL);
	assert_non_null(f->store);
	*state = f;
	return 0;
}

static int
end(void **state)
{
	struct fixture *f = *state;

	store_free(f->store);
	conf_free(f->conf);
	fdio_remove_tree(f->root, NULL);
	free(f);
	return 0;
}

/* Sites of these letters, ten times each. */
static void
make_live(const struct fixture *f, const char *letters)
{
	char key[] = "manifests/??????????.json";

	for (; *letters != '\0'; letters++) {
		memset(key + strlen("manifests/"), *letters, ID_LENGTH);
		assert_int_equal(store_put(f->store, key, "", "{}", 2, NULL),
		    0);
	}
}

static void
make_dead(const struct fixture *f, const char *id)
{
	assert_int_equal(remains_hide_site(f->store, id, NULL), 0);
}

static const char *
named(const char *text)
{
	static char name[ALIAS_MAX_BYTES + 1];

	return alias_name(text, strlen(text), "davit.test", name) ? name : "-";
}

static const char *
hosted(const char *host)
{
	static char name[ALIAS_MAX_BYTES + 1];

	return alias_of_host(host, "davit.test", name) ? name : "-";
}

static void
a_name_is_a_label_or_a_host_elsewhere(void **state)
{
	char longest[300];

	assert_string_equal(named("blog"), "blog");
	assert_string_equal(named("My-Blog2"), "my-blog2");
	assert_string_equal(named("www.Example.org"), "www.example.org");
	assert_string_equal(named("blog.davit.test"), "-");
	assert_string_equal(named("davit.test"), "-");
	assert_string_equal(named("mydavit.test"), "mydavit.test");
	for (size_t i = 0; i < 10; i++) {
		static const char *const bad[] = { "", ".", "a.", ".a", "a..b",
			"-a", "a-", "a_b", "a/b", "\xc3\xa9" };

		assert_string_equal(named(bad[i]), "-");
	}
	memset(longest, 'a', sizeof(longest));
	longest[63] = '\0';
	assert_string_equal(named(longest), longest);
	longest[63] = 'a';
	longest[64] = '\0';
	assert_string_equal(named(longest), "-");
	for (size_t i = 0; i < sizeof(longest); i += 2)
		memcpy(longest + i, "a.", 2);
	longest[299] = '\0';
	assert_string_equal(named(longest), "-");
	assert_false(alias_name("a\0b", 3, "davit.test", longest));
}

static void
a_host_names_an_alias(void **state)
{
	assert_string_equal(hosted("Blog.Davit.Test.:8080"), "blog");
	assert_string_equal(hosted("www.example.org:80"), "www.example.org");
	assert_string_equal(hosted("davit.test"), "-");
	assert_string_equal(hosted("a.b.davit.test"), "-");
	assert_string_equal(hosted("localhost"), "-");
	assert_string_equal(hosted("../x.davit.test"), "-");
	assert_string_equal(hosted(""), "-");
	assert_string_equal(hosted(".davit.test"), "-");
	assert_string_equal(hosted("[::1]:80"), "-");
}

static void
it_moves_and_remembers(void **state)
{
	struct fixture *f = *state;
	struct alias *a = alias_new("blog", "alice");
	struct err e;

	make_live(f, "ab");
	assert_null(alias_load(f->store, "blog", &e));
	assert_int_equal(e.code, ERR_NOTFOUND);
	assert_int_equal(alias_move(f->store, a, "aaaaaaaaaa", 1000, &e), 0);
	assert_int_equal(alias_move(f->store, a, "bbbbbbbbbb", 2000, &e), 0);
	assert_int_equal(alias_move(f->store, a, "bbbbbbbbbb", 3000, &e), 0);
	alias_free(a);

	a = alias_load(f->store, "blog", &e);
	assert_non_null(a);
	assert_string_equal(a->id, "bbbbbbbbbb");
	assert_string_equal(a->owner, "alice");
	assert_int_equal(a->moved, 3000);
	assert_int_equal(a->npast, 1);
	assert_string_equal(a->past[0].id, "aaaaaaaaaa");
	assert_int_equal(a->past[0].left, 2000);
	for (int64_t i = 0; i < 200; i++)
		assert_int_equal(alias_move(f->store, a,
		    i % 2 == 0 ? "aaaaaaaaaa" : "bbbbbbbbbb", 4000 + i, &e),
		    0);
	alias_free(a);
	a = alias_load(f->store, "blog", &e);
	assert_int_equal(a->npast, ALIAS_MAX_PAST);
	assert_int_equal(a->past[0].left, 4199);
	alias_free(a);
	assert_int_equal(alias_delete(f->store, "blog", &e), 0);
	assert_null(alias_load(f->store, "blog", &e));
}

static int
count(void *arg, const struct alias *a)
{
	++*(int *)arg;
	return 0;
}

static void
each_is_told(void **state)
{
	static const char *const names[] = { "a", "b", "www.example.org" };
	struct fixture *f = *state;
	int n = 0;

	assert_int_equal(alias_each(f->store, count, &n, NULL), 0);
	assert_int_equal(n, 0);
	make_live(f, "a");
	for (size_t i = 0; i < 3; i++) {
		struct alias *a = alias_new(names[i], NULL);

		assert_int_equal(alias_move(f->store, a, "aaaaaaaaaa", 1,
				     NULL), 0);
		alias_free(a);
	}
	assert_int_equal(alias_each(f->store, count, &n, NULL), 0);
	assert_int_equal(n, 3);
}

static void
a_damaged_one_is_told(void **state)
{
	static const char *const bad[] = { "{", "{}", "{\"id\":\"../../x\"}",
		"{\"id\":\"aaaaaaaaaa\",\"history\":[{}]}" };
	struct fixture *f = *state;
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(store_put(f->store, "aliases/x.json", "",
				     bad[i], strlen(bad[i]), &e), 0);
		assert_null(alias_load(f->store, "x", &e));
		assert_int_equal(e.code, ERR_INTERNAL);
	}
}

static void
expect_link(const struct fixture *f, const char *target)
{
	char path[128], at[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/store/live/blog", f->root);
	n = readlink(path, at, sizeof(at) - 1);
	at[n == -1 ? 0 : n] = '\0';
	assert_string_equal(at, target);
}

static void
a_link_goes_with_it(void **state)
{
	struct fixture *f = *state;
	struct alias *a = alias_new("blog", NULL);

	make_live(f, "abc");
	store_put(f->store, "manifests/cccccccccc.rules", "text/plain", "", 0,
	    NULL);
	assert_int_equal(alias_move(f->store, a, "aaaaaaaaaa", 1, NULL), 0);
	expect_link(f, "../dist/aaaaaaaaaa");
	assert_int_equal(alias_move(f->store, a, "bbbbbbbbbb", 2, NULL), 0);
	expect_link(f, "../dist/bbbbbbbbbb");
	/* its rules come before files: web servers must not look */
	assert_int_equal(alias_move(f->store, a, "cccccccccc", 3, NULL), 0);
	expect_link(f, "");
	assert_int_equal(alias_move(f->store, a, "aaaaaaaaaa", 4, NULL), 0);
	assert_int_equal(alias_delete(f->store, "blog", NULL), 0);
	expect_link(f, "");
	alias_free(a);
}

static void
expect_at(const struct fixture *f, const char *id, size_t npast)
{
	struct alias *a = alias_load(f->store, "blog", NULL);

	assert_non_null(a);
	assert_string_equal(a->id, id);
	assert_int_equal(a->npast, npast);
	alias_free(a);
}

/* As where a deployment is deleted just then, on a store without a lock. */
static void
it_goes_back_from_what_is_not_live(void **state)
{
	struct fixture *f = *state;
	struct alias *a = alias_new("blog", NULL);
	struct err e;

	assert_int_equal(alias_move(f->store, a, "aaaaaaaaaa", 1, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_null(alias_load(f->store, "blog", &e));
	assert_int_equal(e.code, ERR_NOTFOUND);

	make_live(f, "ab");
	alias_free(a);
	a = alias_new("blog", NULL);
	assert_int_equal(alias_move(f->store, a, "aaaaaaaaaa", 1, &e), 0);
	assert_int_equal(alias_move(f->store, a, "bbbbbbbbbb", 2, &e), 0);
	assert_int_equal(alias_move(f->store, a, "cccccccccc", 3, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	expect_at(f, "bbbbbbbbbb", 1);
	expect_link(f, "../dist/bbbbbbbbbb");
	alias_free(a);
}

static void
it_leaves_what_has_ended_otherwise(void **state)
{
	struct fixture *f = *state;
	static const char *const ids[] = { "aaaaaaaaaa", "bbbbbbbbbb",
		"cccccccccc" };
	struct alias *a = alias_new("blog", "alice");
	struct err e;

	make_live(f, "abc");
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(alias_move(f->store, a, ids[i], 1, &e), 0);
	alias_free(a);
	assert_int_equal(alias_leave(f->store, "bbbbbbbbbb", &e), 0);
	expect_at(f, "cccccccccc", 2);

	/* past what was deleted meanwhile */
	make_dead(f, "bbbbbbbbbb");
	make_dead(f, "cccccccccc");
	assert_int_equal(alias_leave(f->store, "cccccccccc", &e), 0);
	expect_at(f, "aaaaaaaaaa", 0);
	expect_link(f, "../dist/aaaaaaaaaa");
	assert_int_equal(alias_leave(f->store, "cccccccccc", &e), 0);
	expect_at(f, "aaaaaaaaaa", 0);

	make_dead(f, "aaaaaaaaaa");
	assert_int_equal(alias_leave(f->store, "aaaaaaaaaa", &e), 0);
	assert_null(alias_load(f->store, "blog", &e));
	assert_int_equal(e.code, ERR_NOTFOUND);
	expect_link(f, "");
}

/* A record of that ref, as it is in the store, and live. */
static struct deployment *
deployed(const struct fixture *f, const char *id, const char *ref,
    int64_t created, const char *owner)
{
	struct deployment *d = deployment_new();

	memcpy(d->id, id, sizeof(d->id));
	d->url = strdup("https://x.test/a");
	d->ref = strdup(ref);
	d->created = created;
	d->owner = owner == NULL ? NULL : strdup(owner);
	d->alias = strdup("blog");
	assert_int_equal(ledger_put(f->store, d, NULL), 0);
	make_live(f, (const char[]){ id[0], '\0' });
	return d;
}

static void
expect_advance(const struct fixture *f, struct deployment *d,
    enum err_code code, const char *id)
{
	struct err e = { .code = ERR_NONE };
	struct alias *a;

	assert_int_equal(alias_advance(f->store, d, 9, &e),
	    code == ERR_NONE ? 0 : -1);
	if (code != ERR_NONE)
		assert_int_equal(e.code, code);
	a = alias_load(f->store, "blog", NULL);
	assert_non_null(a);
	assert_string_equal(a->id, id);
	alias_free(a);
	deployment_free(d);
}

static void
it_advances_and_never_goes_back(void **state)
{
	struct fixture *f = *state;

	expect_advance(f, deployed(f, "aaaaaaaaaa", "main", 5, "alice"),
	    ERR_NONE, "aaaaaaaaaa");
	expect_advance(f, deployed(f, "bbbbbbbbbb", "main", 4, "alice"),
	    ERR_CONFLICT, "aaaaaaaaaa");
	expect_advance(f, deployed(f, "cccccccccc", "main", 6, "alice"),
	    ERR_NONE, "cccccccccc");
	/* the same once more, as after a crash */
	expect_advance(f, deployed(f, "cccccccccc", "main", 6, "alice"),
	    ERR_NONE, "cccccccccc");
	/* of another ref age says nothing */
	expect_advance(f, deployed(f, "dddddddddd", "next", 1, "alice"),
	    ERR_NONE, "dddddddddd");
	expect_advance(f, deployed(f, "eeeeeeeeee", "next", 9, "bob"),
	    ERR_DENIED, "dddddddddd");
}

/* davitd died after the alias was moved and before it could tell Redis; then
 * somebody has moved the alias on, and the build is repeated. */
static void
a_build_that_is_repeated_takes_it_from_nobody(void **state)
{
	struct fixture *f = *state;
	struct deployment *d;
	struct alias *a;

	make_live(f, "a");
	a = alias_new("blog", "alice");
	assert_int_equal(alias_move(f->store, a, "aaaaaaaaaa", 1, NULL), 0);
	expect_advance(f, deployed(f, "bbbbbbbbbb", "main", 5, "alice"),
	    ERR_NONE, "bbbbbbbbbb");
	alias_free(a);
	a = alias_load(f->store, "blog", NULL);
	assert_int_equal(alias_move(f->store, a, "aaaaaaaaaa", 10, NULL), 0);
	expect_advance(f, deployed(f, "bbbbbbbbbb", "main", 5, "alice"),
	    ERR_CONFLICT, "aaaaaaaaaa");

	/* it has slept since, and was ended elsewhere */
	d = deployed(f, "cccccccccc", "main", 6, "alice");
	make_dead(f, "cccccccccc");
	expect_advance(f, d, ERR_CONFLICT, "aaaaaaaaaa");
	alias_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_a_label_or_a_host_elsewhere),
		cmocka_unit_test(a_host_names_an_alias),
		cmocka_unit_test_setup_teardown(it_moves_and_remembers, begin,
		    end),
		cmocka_unit_test_setup_teardown(a_link_goes_with_it, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    it_advances_and_never_goes_back, begin, end),
		cmocka_unit_test_setup_teardown(
		    a_build_that_is_repeated_takes_it_from_nobody, begin, end),
		cmocka_unit_test_setup_teardown(
		    it_goes_back_from_what_is_not_live, begin, end),
		cmocka_unit_test_setup_teardown(
		    it_leaves_what_has_ended_otherwise, begin, end),
		cmocka_unit_test_setup_teardown(each_is_told, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_one_is_told, begin,
		    end),
	};

	return cmocka_run_group_tests_name("alias", tests, NULL, NULL);
}
