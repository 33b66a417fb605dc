#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/rules.h"

static struct buf said;

/* The site of these tests has these, and nothing else. */
static bool
exists(void *arg, const char *path)
{
	static const char *const files[] = { "/", "/index.html", "/old",
		"/new/a" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strcmp(path, files[i]) == 0)
			return true;
	return false;
}

static void
say(void *arg, const char *file, int line, const char *what)
{
	buf_addf(&said, "%s:%d: %s\n", file, line, what);
}

static const struct rules_site site = { exists, say, NULL };

static int
forget(void **state)
{
	buf_clear(&said);
	return 0;
}

static struct rules *
redirects(const char *text)
{
	struct rules *r = rules_new();

	rules_read_redirects(r, text, strlen(text), &site);
	return r;
}

/* "STATUS TO", or "-": what path and query meet. */
static const char *
meet(const struct rules *r, bool forced, const char *path, const char *query)
{
	static char answer[4096];
	struct rules_pair pairs[8];
	struct rules_request q = { .path = path,
		.raw_query = query,
		.query = pairs,
		.site = &site };
	struct rules_target t;
	char *copy = xstrdup(query == NULL ? "" : query), *save = NULL;

	for (char *p = strtok_r(copy, "&", &save); p != NULL;
	     p = strtok_r(NULL, "&", &save)) {
		char *equals = strchr(p, '=');

		pairs[q.npairs].name = p;
		pairs[q.npairs++].value = equals == NULL ? "" : equals + 1;
		if (equals != NULL)
			*equals = '\0';
	}
	if (rules_match(r, forced, &q, &t)) {
		snprintf(answer, sizeof(answer), "%d %s", t.status,
		    t.to == NULL ? "NULL" : t.to);
		free(t.to);
	} else
		snprintf(answer, sizeof(answer), "-");
	free(copy);
	return answer;
}

/* One rule, one request. */
static const char *
one(const char *rule, const char *path, const char *query)
{
	struct rules *r = redirects(rule);
	const char *answer = meet(r, false, path, query);

	rules_free(r);
	return answer;
}

/* What is said of text; nothing is left of the rule. */
static const char *
complaint(const char *text)
{
	struct rules *r = redirects(text);

	assert_int_equal(rules_count(r), 0);
	rules_free(r);
	return buf_str(&said);
}

/* ---- redirects ---- */

static void
a_rule_redirects_for_good_unless_it_says_how(void **state)
{
	assert_string_equal(one("/a /b", "/a", NULL), "301 /b");
	assert_string_equal(one("/a /b 302", "/a", NULL), "302 /b");
	assert_string_equal(one("/a\t/b  307 # why\n", "/a", NULL), "307 /b");
	assert_string_equal(one("/a /b 200", "/a", NULL), "200 /b");
	assert_string_equal(one("/a /404.html 404", "/a", NULL),
	    "404 /404.html");
	assert_string_equal(one("/a 410", "/a", NULL), "410 NULL");
	assert_string_equal(one("/a https://x.test/b?c#d 308", "/a", NULL),
	    "308 https://x.test/b?c#d");
	assert_string_equal(one("/a /b", "/A", NULL), "-");
	assert_string_equal(one("/a /b", "/a/c", NULL), "-");
	assert_string_equal(buf_str(&said), "");
}

static void
a_slash_at_the_end_makes_no_difference(void **state)
{
	assert_string_equal(one("/a /b", "/a/", NULL), "301 /b");
	assert_string_equal(one("/a/ /b", "/a", NULL), "301 /b");
	assert_string_equal(one("/a/:x /b/:x", "/a/1/", NULL), "301 /b/1");
	assert_string_equal(one("/ /b", "/", NULL), "301 /b");
}

static void
a_splat_takes_the_rest(void **state)
{
	assert_string_equal(one("/a/* /b/:splat", "/a/x/y", NULL),
	    "301 /b/x/y");
	assert_string_equal(one("/a/* /b/:splat", "/a/", NULL), "301 /b/");
	assert_string_equal(one("/a/* /b/:splat", "/a", NULL), "301 /b/");
	assert_string_equal(one("/a/* /b/:splat", "/ab", NULL), "-");
	assert_string_equal(one("/a* /b/:splat", "/abc", NULL), "301 /b/bc");
	assert_string_equal(one("/* /index.html 200", "/x/y", NULL),
	    "200 /index.html");
	assert_string_equal(
	    one("/* https://x.test/:splat", "/a b/\xc3\xa9", NULL),
	    "301 https://x.test/a%20b/%C3%A9");
}

static void
a_placeholder_takes_a_segment(void **state)
{
	assert_string_equal(one("/n/:y/:m /b?y=:y&m=:m", "/n/26/11", NULL),
	    "301 /b?y=26&m=11");
	assert_string_equal(one("/n/:y/:m /b", "/n/26", NULL), "-");
	assert_string_equal(one("/n/:y /b/:yy", "/n/26", NULL), "301 /b/:yy");
	assert_string_equal(one("/n/:y/* /:y/:splat", "/n/1/2/3", NULL),
	    "301 /1/2/3");
	assert_string_equal(one("/n/:x /b?q=:x", "/n/a&b=c?d#e%", NULL),
	    "301 /b?q=a%26b=c%3Fd%23e%25");
	assert_string_equal(one("/u/:x /p/:x 200", "/u/a b", NULL),
	    "200 /p/a b");
}

static void
query_tokens_are_all_and_no_more(void **state)
{
	const char *rule = "/a id=:id lang=en /b/:id 302";

	assert_string_equal(one(rule, "/a", "id=7&lang=en"), "302 /b/7");
	assert_string_equal(one(rule, "/a", "lang=en&id=7"), "302 /b/7");
	assert_string_equal(one(rule, "/a", "lang=en"), "-");
	assert_string_equal(one(rule, "/a", "lang=de&id=7"), "-");
	assert_string_equal(one(rule, "/a", "lang=en&id=7&x=1"), "-");
	assert_string_equal(one("/a k= /b", "/a", "k"), "301 /b");
}

static void
a_query_goes_along(void **state)
{
	assert_string_equal(one("/a /b", "/a", "x=1"), "301 /b?x=1");
	assert_string_equal(one("/a /b#c", "/a", "x=1"), "301 /b?x=1#c");
	assert_string_equal(one("/a /b?y=2", "/a", "x=1"), "301 /b?y=2");
	assert_string_equal(one("/a x=1 /b", "/a", "x=1"), "301 /b");
	assert_string_equal(one("/a /b 200", "/a", "x=1"), "200 /b");
}

static void
the_first_rule_wins(void **state)
{
	struct rules *r = redirects("/n/:x /one\n"
				    "/n/a /two\n"
				    "/n/b k=1 /three\n"
				    "/m /four\n"
				    "/m /five\n"
				    "/* /old\n");

	assert_string_equal(meet(r, false, "/n/a", NULL), "301 /one");
	assert_string_equal(meet(r, false, "/m", NULL), "301 /four");
	assert_string_equal(meet(r, false, "/q", NULL), "301 /old");
	rules_free(r);
	r = redirects("/n/b k=1 /one\n/n/b /two\n/n/:x /three\n");
	assert_string_equal(meet(r, false, "/n/b", "k=1"), "301 /one");
	assert_string_equal(meet(r, false, "/n/b", "k=2"), "301 /two?k=2");
	rules_free(r);
}

static void
only_forced_rules_come_before_files(void **state)
{
	struct rules *r = redirects("/a /b\n/c /d 302\n");

	assert_false(rules_before_files(r));
	rules_free(r);
	r = redirects("/a /b\n/a /c 302!\n");
	assert_true(rules_before_files(r));
	assert_string_equal(meet(r, true, "/a", NULL), "302 /c");
	assert_string_equal(meet(r, false, "/a", NULL), "301 /b");
	rules_free(r);
}

/* ---- what is refused ---- */

static void
lines_that_are_wrong_are_told_by_number(void **state)
{
	struct rules *r = redirects("\xef\xbb\xbf# all\r\n"
				    "\r\n"
				    "/a\r\n"
				    "/b /c\r\n"
				    "/d /e 999\r\n");

	assert_int_equal(rules_count(r), 1);
	assert_string_equal(meet(r, false, "/b", NULL), "301 /c");
	assert_string_equal(buf_str(&said),
	    "_redirects:3: there is no target\n"
	    "_redirects:5: the status is none of 200 301 302 303 307 308 404 "
	    "410 451\n");
	rules_free(r);
}

static void
what_no_rule_may_do_is_refused(void **state)
{
	static const struct {
		const char *rule, *words;
	} bad[] = {
		{ "/a https://x.test/ 200", "never fetches" },
		{ "/a https://x.test/ 404", "never fetches" },
		{ "/* https://:splat/", "placeholder in the host" },
		{ "/a/:h https://:h.test/", "placeholder in the host" },
		{ "/a https:///b", "no host" },
		{ "/a //x.test/b", "neither a path" },
		{ "/a /\\x.test/", "neither a path" },
		{ "a /b", "beginning with /" },
		{ "https://x.test/a /b", "beginning with /" },
		{ "/a/../b /c", "dotted segment" },
		{ "/a/%2e%2e/b /c", "dotted segment" },
		{ "/a//b /c", "empty" },
		{ "/a /../b 200", "no path of a page" },
		{ "/*/a /b", "last of a path" },
		{ "/a* * /b", "no target" },
		{ "/:x.html /b", "whole segment" },
		{ "/:x/:x /b", "twice" },
		{ "/a k=1 k=2 /b", "twice" },
		{ "/a /b 302 Country=us", "conditions" },
		{ "/a /b 301 302", "a status was expected" },
		{ "/a% /b", "%-escape" },
		{ "/a /b%0 200", "%-escape" },
		{ "/a /b 30", "a status was expected" },
		{ "/a 200", "no target" },
		{ "/a /b\1", "control byte" },
		{ "/\xff /b", "not UTF-8" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (strstr(complaint(bad[i].rule), bad[i].words) == NULL)
			fail_msg("%s: %s", bad[i].rule, buf_str(&said));
		buf_clear(&said);
	}
}

static void
loops_are_refused(void **state)
{
	static const char *const loops[] = { "/a /a", "/a /a/", "/a/ /a?x",
		"/a /b\n/b /a", "/a /b\n/b /c 302\n/c /a", "/* /x 301!",
		"/a/* /a/b", "/* /x/:splat 301!", "/* /x" };

	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
		assert_non_null(strstr(complaint(loops[i]), "back to itself"));
		buf_clear(&said);
	}
	assert_string_equal(one("/* /old 302", "/x", NULL), "302 /old");
	assert_string_equal(one("/* /index.html 200", "/x", NULL),
	    "200 /index.html");
	assert_string_equal(one("/a /a?x=1 200", "/a", NULL), "200 /a");
	assert_string_equal(buf_str(&said), "");
}

static void
a_redirect_that_would_not_end_is_not_followed(void **state)
{
	const char *rule = "/* /new/:splat";

	assert_string_equal(one(rule, "/a", NULL), "301 /new/a");
	assert_string_equal(one(rule, "/b", NULL), "-");
}

static void
bounds_hold(void **state)
{
	struct rules *r = rules_new();
	struct buf text = BUF_INIT;

	for (int i = 0; i < 2010; i++)
		buf_addf(&text, "/r%d /t\n", i);
	assert_int_equal(rules_read_redirects(r, text.data, text.len, &site),
	    10);
	assert_int_equal(rules_count(r), 2000);
	assert_non_null(strstr(buf_str(&said), "_redirects:2001: over 2000"));
	assert_string_equal(meet(r, false, "/r1999", NULL), "301 /t");
	rules_free(r);
	buf_clear(&said);
	buf_clear(&text);

	for (int i = 0; i < 2100; i++)
		buf_addc(&text, i == 0 ? '/' : 'a');
	assert_non_null(strstr(complaint(buf_str(&text)), "over 2000 bytes"));
	buf_clear(&said);
	while (text.len <= RULES_FILE_MAX_BYTES)
		buf_adds(&text, "\n/a /b");
	assert_non_null(strstr(complaint(buf_str(&text)), "over 65536"));
	buf_clear(&text);
}

/* As many placeholders and stars as a pattern can have, against a path that
 * fits it all but for its end: seconds, were it tried in every way. */
static void
matching_is_linear(void **state)
{
	struct rules *r = rules_new();
	struct buf text = BUF_INIT, path = BUF_INIT;

	for (int rule = 0; rule < 200; rule++) {
		for (int i = 0; i < 60; i++)
			buf_addf(&text, "/:p%d", i);
		buf_addf(&text, "/end%d/* /x/:p1/:splat\n", rule);
	}
	for (int i = 0; i < 60; i++)
		buf_adds(&path, "/aaaaaaaaaaaa");
	buf_adds(&path, "/en");
	rules_read_redirects(r, text.data, text.len > 60000 ? 60000 : text.len,
	    &site);
	for (int i = 0; i < 100; i++)
		assert_string_equal(meet(r, false, buf_str(&path), NULL), "-");
	rules_free(r);
	buf_clear(&text);
	buf_clear(&path);
}

/* ---- headers ---- */

static struct rules *
headers(const char *text)
{
	struct rules *r = rules_new();

	rules_read_headers(r, text, strlen(text), &site);
	return r;
}

/* "Name=value;…" for path; "Name-;" for one that is removed. */
static const char *
wear(const struct rules *r, const char *path)
{
	static char answer[8192];
	struct rules_header *all;
	size_t n = rules_headers(r, path, &all), len = 0;

	answer[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(answer + len, sizeof(answer) - len,
		    "%s%s%s;", all[i].name, all[i].value == NULL ? "-" : "=",
		    all[i].value == NULL ? "" : all[i].value);
	rules_headers_free(all, n);
	return answer;
}

static void
all_blocks_that_match_apply(void **state)
{
	struct rules *r = headers("# of all\n"
				  "/*\n"
				  "  X-A: 1\n"
				  "  Cache-Control: public\n"
				  "\n"
				  "/a/*\n"
				  "\tX-A :  2\n"
				  "  ! cache-control\n"
				  "/a/:x\n"
				  "  Link: </:x/s>; rel=preload\n"
				  "  X-A: 3\n");

	assert_string_equal(buf_str(&said), "");
	assert_string_equal(wear(r, "/"), "X-A=1;Cache-Control=public;");
	assert_string_equal(wear(r, "/a"), "X-A=1, 2;Cache-Control-;");
	assert_string_equal(wear(r, "/A/b"),
	    "X-A=1, 2, 3;Cache-Control-;Link=</b/s>; rel=preload;");
	assert_true(rules_before_files(r));
	rules_free(r);
}

static void
headers_that_are_not_a_sites_are_refused(void **state)
{
	static const char *const bad[] = { "Content-Length: 1",
		"X-Sendfile: /etc/passwd", "x-accel-redirect: /x",
		"X-LIGHTTPD-send-file: /x", "Status: 500", "Location: /x",
		"Transfer-Encoding: chunked", "ETag: x", "Basic-Auth: a:b",
		"nothing", ": x", "A B: x", "X: \xc3\xa9", "! ", "!Status" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *text = xasprintf("/a\n  %s\n", bad[i]);
		struct rules *r = headers(text);

		if (rules_count(r) != 0 ||
		    strncmp(buf_str(&said), "_headers:2: ", 12) != 0)
			fail_msg("%s: %s", bad[i], buf_str(&said));
		rules_free(r);
		free(text);
		buf_clear(&said);
	}
}

static void
headers_of_a_bad_path_are_nobodys(void **state)
{
	struct rules *r = headers("  X: 0\n/a\n  X: 1\nhttps://b/\n  X: 2\n");

	assert_string_equal(wear(r, "/a"), "X=1;");
	assert_string_equal(buf_str(&said),
	    "_headers:1: a path has to come first\n"
	    "_headers:4: a path of this site is wanted, beginning with /\n");
	rules_free(r);
}

static void
a_joined_header_does_not_grow_for_ever(void **state)
{
	struct buf text = BUF_INIT;
	struct rules *r;

	for (int i = 0; i < 30; i++)
		buf_addf(&text, "/*\n  X: %0900d\n", i);
	r = headers(buf_str(&text));
	assert_in_range(strlen(wear(r, "/")), 900, 4100);
	rules_free(r);
	buf_clear(&text);
}

/* ---- in a manifest ---- */

static void
rules_travel_in_a_manifest(void **state)
{
	static const char text[] = "/a k=:v z= /b/:v 302!\n/c/* /d/:splat\n"
				   "/e 410\n";
	struct rules *r = redirects(text), *again;
	struct json *j;
	char *first, *second;

	rules_read_headers(r, "/*\n X: 1\n ! Y\n", 14, &site);
	j = rules_to_json(r);
	first = json_text(j);
	again = rules_from_json(j, NULL);
	json_free(j);
	assert_non_null(again);
	j = rules_to_json(again);
	second = json_text(j);
	assert_string_equal(first, second);
	assert_true(rules_before_files(again));
	assert_string_equal(meet(again, true, "/a", "z&k=9"), "302 /b/9");
	assert_string_equal(meet(again, false, "/c/d", NULL), "301 /d/d");
	assert_string_equal(meet(again, false, "/e", NULL), "410 NULL");
	assert_string_equal(wear(again, "/q"), "X=1;Y-;");
	json_free(j);
	free(first);
	free(second);
	rules_free(r);
	rules_free(again);
}

static void
damaged_ones_are_refused(void **state)
{
	static const char *const bad[] = {
		"{\"redirects\":[{}]}",
		"{\"redirects\":[{\"from\":\"a\",\"to\":\"/b\","
		"\"status\":301}]}",
		"{\"redirects\":[{\"from\":\"/a\",\"to\":\"//b\","
		"\"status\":301}]}",
		"{\"redirects\":[{\"from\":\"/a\",\"status\":200}]}",
		"{\"redirects\":[7]}",
		"{\"headers\":[{\"path\":\"/a\"}]}",
		"{\"headers\":[{\"path\":\"/a\",\"set\":[{\"name\":"
		"\"Status\",\"value\":\"1\"}]}]}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct json *j = json_parse(bad[i], strlen(bad[i]), NULL);
		struct err e;

		assert_non_null(j);
		assert_null(rules_from_json(j, &e));
		assert_int_equal(e.code, ERR_INVALID);
		json_free(j);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_redirects_for_good_unless_it_says_how),
		cmocka_unit_test(a_slash_at_the_end_makes_no_difference),
		cmocka_unit_test(a_splat_takes_the_rest),
		cmocka_unit_test(a_placeholder_takes_a_segment),
		cmocka_unit_test(query_tokens_are_all_and_no_more),
		cmocka_unit_test(a_query_goes_along),
		cmocka_unit_test(the_first_rule_wins),
		cmocka_unit_test(only_forced_rules_come_before_files),
		cmocka_unit_test_teardown(
		    lines_that_are_wrong_are_told_by_number, forget),
		cmocka_unit_test_teardown(what_no_rule_may_do_is_refused,
		    forget),
		cmocka_unit_test_teardown(loops_are_refused, forget),
		cmocka_unit_test(
		    a_redirect_that_would_not_end_is_not_followed),
		cmocka_unit_test_teardown(bounds_hold, forget),
		cmocka_unit_test_teardown(matching_is_linear, forget),
		cmocka_unit_test(all_blocks_that_match_apply),
		cmocka_unit_test_teardown(
		    headers_that_are_not_a_sites_are_refused, forget),
		cmocka_unit_test_teardown(headers_of_a_bad_path_are_nobodys,
		    forget),
		cmocka_unit_test(a_joined_header_does_not_grow_for_ever),
		cmocka_unit_test(rules_travel_in_a_manifest),
		cmocka_unit_test(damaged_ones_are_refused),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
