#include "tests/unit.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/resolve.h"
#include "lib/bounds.h"
#include "lib/manifest.h"
#include "lib/rules.h"

static const char page[] = "text/html,application/xhtml+xml,*/*;q=0.8";

/* A site of these paths; the list ends with NULL. */
static struct manifest *
site(int spa, ...)
{
	struct manifest *m = manifest_new("abcdefghij", spa != 0);
	struct manifest_file f = { 0 };
	va_list ap;

	f.type = "text/html";
	va_start(ap, spa);
	while ((f.path = va_arg(ap, const char *)) != NULL)
		manifest_add(m, &f);
	va_end(ap);
	return m;
}

static struct resolve
resolve(struct manifest *m, const char *path, const char *accept)
{
	const struct rules_request q = { .path = path };

	return resolve_path(m, &q, accept);
}

static void
expect_for(struct manifest *m, const char *path, const char *accept,
    int status, const char *file)
{
	struct resolve r = resolve(m, path, accept);

	if (r.status != status)
		fail_msg("%s: %d, not %d", path, r.status, status);
	if (file == NULL)
		assert_null(r.file);
	else {
		assert_non_null(r.file);
		assert_string_equal(r.file->path, file);
	}
	assert_int_equal(r.redirect != REDIRECT_NONE, status == 308);
}

static void
expect(struct manifest *m, const char *path, int status, const char *file)
{
	expect_for(m, path, page, status, file);
}

static void
the_file_itself_comes_first(void **state)
{
	struct manifest *m = site(false, "a", "a.html", "a/index.html",
	    "index.html", "b c.txt", NULL);

	expect(m, "/", 200, "index.html");
	expect(m, "/a", 200, "a");
	expect(m, "/a/", 200, "a/index.html");
	expect(m, "/b c.txt", 200, "b c.txt");
	expect(m, "/A", 404, NULL);
	manifest_free(m);
}

/* The clean path to which a file's name leads; NULL: it stays. */
static void
expect_clean(struct manifest *m, const char *path, const char *clean)
{
	struct resolve r = resolve(m, path, page);

	assert_int_equal(r.status, clean == NULL ? 200 : 308);
	assert_int_equal(r.redirect,
	    clean == NULL ? REDIRECT_NONE : REDIRECT_CLEAN);
	if (clean != NULL)
		assert_string_equal(r.location, clean);
	free(r.location);
}

static void
names_of_pages_lead_to_their_clean_paths(void **state)
{
	struct manifest *m = site(false, "index.html", "about.html",
	    "docs/index.html", "a", "a.html", "b/.html", "c.htm", NULL);

	expect_clean(m, "/index.html", "/");
	expect_clean(m, "/docs/index.html", "/docs/");
	expect_clean(m, "/about.html", "/about");
	expect_clean(m, "/a.html", NULL);
	expect_clean(m, "/c.htm", NULL);
	expect(m, "/none.html", 404, NULL);
	expect(m, "/b/.html", 404, NULL);
	manifest_free(m);
}

static void
pages_need_no_ending(void **state)
{
	struct manifest *m = site(false, "about.html", "docs/index.html",
	    "docs/a.html", "both.html", "both/index.html", NULL);

	expect(m, "/about", 200, "about.html");
	expect(m, "/docs/a", 200, "docs/a.html");
	expect(m, "/both", 200, "both.html");
	expect(m, "/both/", 200, "both/index.html");
	manifest_free(m);
}

static void
slashes_are_put_right(void **state)
{
	struct manifest *m = site(false, "about.html", "docs/index.html",
	    NULL);

	expect(m, "/docs", 308, NULL);
	assert_int_equal(resolve(m, "/docs", page).redirect,
	    REDIRECT_ADD_SLASH);
	expect(m, "/about/", 308, NULL);
	assert_int_equal(resolve(m, "/about/", page).redirect,
	    REDIRECT_DROP_SLASH);
	expect(m, "/", 404, NULL);
	manifest_free(m);
}

static void
nearest_404_page_answers(void **state)
{
	struct manifest *m = site(true, "index.html", "404.html",
	    "blog/404.html", "blog/a/index.html", NULL);

	expect(m, "/none", 404, "404.html");
	expect(m, "/none/deep/er", 404, "404.html");
	expect(m, "/blog/none", 404, "blog/404.html");
	expect(m, "/blog/a/none.png", 404, "blog/404.html");
	expect(m, "/blog/b/c/", 404, "blog/404.html");
	expect(m, "/blogs", 404, "404.html");
	manifest_free(m);
}

static void
page_200_wins_over_404(void **state)
{
	struct manifest *m = site(false, "index.html", "200.html", "404.html",
	    NULL);

	expect(m, "/app/route", 200, "200.html");
	expect(m, "/app/missing.js", 404, "404.html");
	expect_for(m, "/app/data", "application/json", 404, "404.html");
	manifest_free(m);
}

static void
single_page_application_takes_its_routes(void **state)
{
	struct manifest *m = site(true, "index.html", "assets/a.js", NULL);

	expect(m, "/users/7", 200, "index.html");
	expect(m, "/users/7/", 200, "index.html");
	expect(m, "/old.html", 200, "index.html");
	expect(m, "/assets/a.js", 200, "assets/a.js");
	expect_for(m, "/users/7", NULL, 200, "index.html");
	expect_for(m, "/users/7", "*/*", 200, "index.html");
	expect_for(m, "/users/7", "image/png, TEXT/HTML;q=0.5", 200,
	    "index.html");
	manifest_free(m);
}

static void
what_is_no_page_is_never_the_application(void **state)
{
	struct manifest *m = site(true, "index.html", NULL);

	expect(m, "/assets/gone.js", 404, NULL);
	expect(m, "/logo.png", 404, NULL);
	expect_for(m, "/api/users", "application/json", 404, NULL);
	expect_for(m, "/api/users", "text/htmlx, x/text/html", 404, NULL);
	expect_for(m, "/api/users", "", 404, NULL);
	manifest_free(m);
	m = site(false, "index.html", NULL);
	expect(m, "/users/7", 404, NULL);
	manifest_free(m);
}

static void
dotfiles_are_never_shown(void **state)
{
	struct manifest *m = site(true, "index.html", ".env", ".git/config",
	    "a/.htpasswd", ".well-known/security.txt",
	    ".well-known/.secret", "a/.well-known/x", ".wellknown", NULL);

	expect(m, "/.env", 404, NULL);
	expect(m, "/.git/config", 404, NULL);
	expect(m, "/a/.htpasswd", 404, NULL);
	expect(m, "/a/.well-known/x", 404, NULL);
	expect(m, "/.wellknown", 404, NULL);
	expect(m, "/.well-known/.secret", 404, NULL);
	expect(m, "/.well-known/security.txt", 200,
	    ".well-known/security.txt");
	manifest_free(m);
}

static void
hashed_names_are_kept_for_ever(void **state)
{
	static const char *const names[] = { "assets/index-BxY3_k9Q.js",
		"static/js/main.8f3a2b1c.js", "main.8f3a2b1c.chunk.css",
		"x.0123abcd.js.map", "_next/static/x/_buildManifest.js",
		"_astro/a.css", "_nuxt/entry.js", "_app/immutable/start.js" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(resolve_cache_control(names[i]), "immutable") ==
		    NULL)
			fail_msg("%s", names[i]);
}

static void
other_names_are_asked_about_each_time(void **state)
{
	static const char *const names[] = { "index.html", "app.js",
		"jquery-3.7.1.min.js", "some-component.js", "logo.svg",
		"page-12345678.html", "_next/static/x.html", "sw.js",
		"_astro/sw.js", "service-worker.js", "manifest.json",
		"app-12345678.webmanifest", "robots.txt",
		"sitemap-20240101.xml", "a-12345678", "a-1234567.js",
		"a-12345678/b.js", "a-abcdefgh.js" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(resolve_cache_control(names[i]), "immutable") !=
		    NULL)
			fail_msg("%s", names[i]);
}

static void
host_names_the_site(void **state)
{
	char id[ID_LENGTH + 1] = "";

	assert_true(resolve_host("abcdefghi1.davit.test", "davit.test", id));
	assert_string_equal(id, "abcdefghi1");
	assert_true(resolve_host("ABCDEFGHI2.Davit.Test:8080", "davit.test",
	    id));
	assert_string_equal(id, "abcdefghi2");
	assert_true(resolve_host("abcdefghi3.davit.test.:80", "davit.test",
	    id));
	assert_string_equal(id, "abcdefghi3");
}

static void
other_hosts_name_none(void **state)
{
	static const char *const hosts[] = { "", ".", ":80", "davit.test",
		"abcdefghi.davit.test", "abcdefghij1.davit.test",
		"a.abcdefghij.davit.test", "abcdefghij.davit.test.evil.org",
		"abcdefghij.davit.tesT..", "abcdefghij-davit.test",
		"abcdef/hij.davit.test", "abcdefghij.davitXtest", "[::1]",
		"abcdefghij" };
	char id[ID_LENGTH + 1];

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (resolve_host(hosts[i], "davit.test", id))
			fail_msg("%s", hosts[i]);
}

/* ---- rules ---- */

static bool
exists(void *manifest, const char *path)
{
	return manifest_answers(manifest, path);
}

static void
add_rules(struct manifest *m, const char *text)
{
	const struct rules_site of = { exists, NULL, m };
	struct rules *r = rules_new();

	assert_int_equal(rules_read_redirects(r, text, strlen(text), &of), 0);
	manifest_set_rules(m, r);
}

static void
expect_location(struct manifest *m, const char *path, int status,
    const char *location)
{
	struct resolve r = resolve(m, path, page);

	assert_int_equal(r.status, status);
	assert_int_equal(r.redirect, REDIRECT_RULE);
	assert_string_equal(r.location, location);
	free(r.location);
}

static void
rules_come_after_files_unless_forced(void **state)
{
	struct manifest *m = site(false, "index.html", "a.html", "b.html",
	    "docs/index.html", "200.html", NULL);

	add_rules(m, "/a /x\n/b /y 302!\n/docs /z\n/c /w 307\n");
	expect(m, "/a", 200, "a.html");
	expect_location(m, "/b", 302, "/y");
	expect(m, "/docs/", 200, "docs/index.html");
	expect_location(m, "/c", 307, "/w");
	expect(m, "/d", 200, "200.html");
	manifest_free(m);
}

static void
forced_rules_to_names_of_pages_lead_nowhere_else(void **state)
{
	struct manifest *m = site(false, "home.html", "b.html", NULL);

	add_rules(m, "/home /home.html 301!\n");
	expect_location(m, "/home", 301, "/home.html");
	expect_clean(m, "/home.html", NULL);
	expect_clean(m, "/b.html", "/b");
	manifest_free(m);
}

static void
rules_show_pages_in_place_of_others(void **state)
{
	struct manifest *m = site(false, "index.html", "app/index.html",
	    "help.html", "gone.html", ".secret", NULL);

	add_rules(m, "/app/* /app 200\n/h /help 200\n/old/* /gone.html 410\n"
		     "/no 451\n/s /.secret 200\n/q /missing 200\n"
		     "/* /index.html 200\n");
	expect(m, "/app/x/y", 200, "app/index.html");
	expect(m, "/h", 200, "help.html");
	expect(m, "/old/x", 410, "gone.html");
	expect(m, "/no", 451, NULL);
	expect(m, "/s", 404, NULL);
	expect(m, "/q", 404, NULL);
	expect(m, "/z.js", 200, "index.html");
	expect(m, "/.env", 404, NULL);
	manifest_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_itself_comes_first),
		cmocka_unit_test(names_of_pages_lead_to_their_clean_paths),
		cmocka_unit_test(pages_need_no_ending),
		cmocka_unit_test(slashes_are_put_right),
		cmocka_unit_test(nearest_404_page_answers),
		cmocka_unit_test(page_200_wins_over_404),
		cmocka_unit_test(single_page_application_takes_its_routes),
		cmocka_unit_test(what_is_no_page_is_never_the_application),
		cmocka_unit_test(dotfiles_are_never_shown),
		cmocka_unit_test(rules_come_after_files_unless_forced),
		cmocka_unit_test(
		    forced_rules_to_names_of_pages_lead_nowhere_else),
		cmocka_unit_test(rules_show_pages_in_place_of_others),
		cmocka_unit_test(hashed_names_are_kept_for_ever),
		cmocka_unit_test(other_names_are_asked_about_each_time),
		cmocka_unit_test(host_names_the_site),
		cmocka_unit_test(other_hosts_name_none),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
