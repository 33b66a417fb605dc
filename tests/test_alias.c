#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alias.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_a_label_or_a_host_elsewhere),
		cmocka_unit_test(a_host_names_an_alias),
		cmocka_unit_test_setup_teardown(it_moves_and_remembers, begin,
		    end),
		cmocka_unit_test_setup_teardown(each_is_told, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_one_is_told, begin,
		    end),
	};

	return cmocka_run_group_tests_name("alias", tests, NULL, NULL);
}
