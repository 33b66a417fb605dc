#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"

static bool
url(const char *text, struct name_url *u)
{
	struct err e;

	return name_url(u, text, strlen(text), &e) == 0;
}

static void
ids_are_fresh_and_fold_case(void **state)
{
	char a[ID_LENGTH + 1], b[ID_LENGTH + 1], c[ID_LENGTH + 1];

	name_new_id(a);
	name_new_id(b);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(a), ID_LENGTH);
	assert_true(name_is_id(a, ID_LENGTH, c));
	assert_true(name_is_id("ABCDEFGHI9", 10, c));
	assert_string_equal(c, "abcdefghi9");
	assert_false(name_is_id("../../etc/", 10, c));
	assert_false(name_is_id("abc\0efghij", 10, c));
	assert_false(name_is_id("abcdefghi", 9, c));
	assert_false(name_is_id("abcdefghijk", 11, c));
}

static void
sizes_have_units(void **state)
{
	int64_t n;

	assert_true(name_to_size("512M", 0, INT64_MAX, &n));
	assert_int_equal(n, 512 << 20);
	assert_true(name_to_size("2G", 0, INT64_MAX, &n));
	assert_true(n == (int64_t)2 << 30);
	assert_false(name_to_size("9999999999G", 0, INT64_MAX, &n));
	assert_false(name_to_size("", 0, INT64_MAX, &n));
	assert_false(name_to_size("M", 0, INT64_MAX, &n));
	assert_false(name_to_size("12x", 0, INT64_MAX, &n));
	assert_false(name_to_size("-1K", 0, INT64_MAX, &n));
	assert_false(name_to_number("12 ", 0, 100, &n));
	assert_false(name_to_number(" 12", 0, 100, &n));
	assert_false(name_to_number("101", 0, 100, &n));
	assert_false(name_to_number("99999999999999999999", 0, 100, &n));
}

static void
url_is_split_and_made_normal(void **state)
{
	struct name_url u;

	assert_true(url("HTTPS://GitHub.com/A/b.git/", &u));
	assert_string_equal(u.text, "https://github.com/A/b.git");
	assert_string_equal(u.path, "/A/b.git");
	assert_int_equal(u.port, 443);
	assert_true(url("http://[::1]:8080/r", &u));
	assert_string_equal(u.host, "::1");
	assert_string_equal(u.text, "http://[::1]:8080/r");
	assert_true(url("git://h:9418/r#frag", &u));
	assert_string_equal(u.text, "git://h/r");
}

static void
ssh_has_a_user_and_two_spellings(void **state)
{
	struct name_url u;
	char *whole;

	assert_true(url("SSH://GitHub.com/A/b.git", &u));
	assert_string_equal(u.text, "ssh://git@github.com/A/b.git");
	assert_int_equal(u.port, 22);
	assert_true(url("ssh://me@[::1]:2222/~me/r/", &u));
	assert_string_equal(u.text, "ssh://me@[::1]:2222/~me/r");
	assert_string_equal(u.user, "me");
	assert_false(u.relative);
	assert_true(url("git@GitHub.com:A/b.git", &u));
	assert_string_equal(u.text, "git@github.com:A/b.git");
	assert_string_equal(u.path, "/A/b.git");
	assert_string_equal(u.scheme, "ssh");
	assert_true(u.relative);
	whole = name_url_long(&u);
	assert_string_equal(whole, "ssh://git@github.com/A/b.git");
	free(whole);
	assert_true(url("me@h:/srv/r", &u));
	assert_string_equal(u.text, "ssh://me@h/srv/r");
	assert_false(u.relative);
}

static void
other_urls_are_refused(void **state)
{
	static const char *const bad[] = { "", "file:///etc", "/etc/passwd",
		"ext::sh -c x", "https://", "https:///r", "-oProxyCommand=x",
		"ssh://u:p@h/r", "ssh://-u@h/r", "ssh://@h/r", "git@h:",
		"git@h:/", "git@-h:r", "h:r", "git@[::1:r", "git@h:r?x",
		"u:p@h:r", "git@h:a b", "https://u:p@h/r", "https://h",
		"https://h/", "https://h:0/r", "https://h:99999/r",
		"https://h:/r", "https://h:x/r", "https://[::1/r",
		"https://h r/x", "https://h/r?x=1", "https://h/\nr",
		"https://h\\@g/r", "https://-h/r", "https://h%2f/r",
		"https://\xc3\xa9/r", "javascript://h/r" };
	struct name_url u;
	char *big = xmalloc(10001);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (url(bad[i], &u))
			fail_msg("accepted: %s", bad[i]);
	assert_int_equal(name_url(&u, "https://h/a\0b", 13, NULL), -1);
	memset(big, 'a', 10000);
	memcpy(big, "https://h/", 10);
	big[10000] = '\0';
	assert_false(url(big, &u));
	free(big);
}

static void
expect_login(const char *text, const char *bare, const char *user,
    const char *secret)
{
	char *b, *u, *s;

	assert_int_equal(name_url_login(text, &b, &u, &s, NULL), 0);
	assert_string_equal(b, bare);
	if (user == NULL)
		assert_null(u);
	else {
		assert_string_equal(u, user);
		assert_string_equal(s, secret);
	}
	free(b);
	free(u);
	free(s);
}

static void
login_is_taken_off_a_url(void **state)
{
	static const char *const bad[] = { "http://u:p@h/r", "git://u@h/r",
		"https://@h/r", "https://:p@h/r", "https://u%zz@h/r",
		"https://u:%00@h/r", "https://u:a%0ab@h/r",
		"https://u%3av:p@h/r" };
	char *b, *u, *s;
	struct err e;

	expect_login("https://h/r@1", "https://h/r@1", NULL, NULL);
	expect_login("https://u:p@h/r", "https://h/r", "u", "p");
	expect_login("https://token@h:1/r", "https://h:1/r", "token", "");
	expect_login("https://a%40b:c%3Ad:e@h/r", "https://h/r", "a@b",
	    "c:d:e");
	/* what is left is for name_url() to refuse */
	expect_login("https://u:p@q@h/r", "https://q@h/r", "u", "p");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(name_url_login(bad[i], &b, &u, &s, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		free(b);
		free(u);
		free(s);
	}
}

static void
refs_follow_check_ref_format(void **state)
{
	assert_true(name_is_ref("main"));
	assert_true(name_is_ref("feature/x-1.2"));
	assert_true(name_is_ref("refs/pull/7/head"));
	assert_true(name_is_ref("\xc3\xa9t\xc3\xa9"));
	assert_false(name_is_ref("-x"));
	assert_false(name_is_ref("/x"));
	assert_false(name_is_ref("x/"));
	assert_false(name_is_ref("a//b"));
	assert_false(name_is_ref("a..b"));
	assert_false(name_is_ref("a.lock"));
	assert_false(name_is_ref("a.lock/b"));
	assert_false(name_is_ref(".a"));
	assert_false(name_is_ref("a b"));
	assert_false(name_is_ref("a:b"));
	assert_false(name_is_ref("a@{1}"));
	assert_false(name_is_ref("@"));
	assert_false(name_is_ref("a\x7f"));
	assert_false(name_is_ref(""));
}

static void
paths_stay_inside(void **state)
{
	char deep[400];
	size_t n = 0;

	assert_true(name_is_path("a/b c/d+e%.html"));
	assert_true(name_is_path("..a/b.."));
	assert_true(name_is_path("\xe6\x96\x87.html"));
	assert_false(name_is_path(""));
	assert_false(name_is_path("/a"));
	assert_false(name_is_path("a/"));
	assert_false(name_is_path("a//b"));
	assert_false(name_is_path("a/../b"));
	assert_false(name_is_path(".."));
	assert_false(name_is_path("./a"));
	assert_false(name_is_path("a\\b"));
	assert_false(name_is_path("a\nb"));
	assert_false(name_is_path("a\xff"));
	assert_false(name_is_path("\xed\xa0\x80")); /* a surrogate */
	assert_false(name_is_path("\xc0\xaf"));	    /* an over-long slash */
	while (n < sizeof(deep) - 3)
		n += (size_t)sprintf(deep + n, "a/");
	deep[n - 1] = '\0';
	assert_false(name_is_path(deep));
}

static void
percent_escapes_are_decoded_once(void **state)
{
	char a[] = "/a%20b%2525", b[] = "/a%00", c[] = "/a%2", d[] = "/%zz";

	assert_true(name_percent_decode(a));
	assert_string_equal(a, "/a b%25");
	assert_false(name_percent_decode(b));
	assert_false(name_percent_decode(c));
	assert_false(name_percent_decode(d));
}

static void
environment_names(void **state)
{
	assert_true(name_is_env("VITE_API_URL"));
	assert_false(name_is_env("1A"));
	assert_false(name_is_env("A=B"));
	assert_false(name_is_env("A B"));
	assert_false(name_is_env(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_fresh_and_fold_case),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(url_is_split_and_made_normal),
		cmocka_unit_test(ssh_has_a_user_and_two_spellings),
		cmocka_unit_test(other_urls_are_refused),
		cmocka_unit_test(login_is_taken_off_a_url),
		cmocka_unit_test(refs_follow_check_ref_format),
		cmocka_unit_test(paths_stay_inside),
		cmocka_unit_test(percent_escapes_are_decoded_once),
		cmocka_unit_test(environment_names),
	};

	return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
