#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/digest.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/manifest.h"
#include "lib/rules.h"
#include "lib/store.h"
#include "lib/tar.h"
#include "worker/publish.h"

#define ID "abcdefghij"

struct fixture {
	char root[64];
	struct conf *conf;
	struct store *store;
	struct err e;
};

static int
begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[200];

	snprintf(f->root, sizeof(f->root), "/tmp/davit-publish.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(text, sizeof(text),
	    "store dir %s/store\noutput_files 5\noutput_bytes 100\n", f->root);
	f->conf = conf_parse(text, "test", &f->e);
	assert_non_null(f->conf);
	f->store = store_open(f->conf, &f->e);
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

/* ---- a tar in memory ---- */

static int
gather(void *arg, const void *data, size_t len, struct err *e)
{
	buf_add(arg, data, len);
	return 0;
}

static ssize_t
give(void *arg, void *data, size_t size, struct err *e)
{
	struct buf *b = arg;

	size = size < b->len ? size : b->len;
	memcpy(data, buf_str(b), size);
	buf_drop(b, size);
	return (ssize_t)size;
}

/* path, text, path, text, … NULL; a text "@target" makes a link. */
static void
make_tar(const char *const *files, struct buf *out)
{
	struct tar_writer *w = tar_writer_new(gather, out, NULL);

	for (; files[0] != NULL; files += 2) {
		const char *text = files[1];
		struct tar_entry t = { .path = files[0],
			.type = TAR_FILE,
			.size = (int64_t)strlen(text) };

		if (text[0] == '@') {
			t.type = TAR_SYMLINK;
			t.target = text + 1;
			t.size = 0;
		}
		assert_int_equal(tar_writer_entry(w, &t, NULL), 0);
		if (t.type == TAR_FILE)
			assert_int_equal(tar_writer_data(w, text, strlen(text),
					     NULL), 0);
	}
	assert_int_equal(tar_writer_close(w, NULL), 0);
	tar_writer_free(w);
}

#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct publish *
publish_files_of(struct fixture *f, const char *dir, bool source,
    const char *const *files, int *rc)
{
	static char assets[] = "assets", *immutable[] = { assets, NULL };
	const struct publish_spec spec = { .store = f->store,
		.conf = f->conf,
		.id = ID,
		.dir = dir,
		.source = source,
		.spa = true,
		.immutable = immutable };
	struct publish *p = publish_new(&spec, &f->e);
	struct buf tar = BUF_INIT;

	assert_non_null(p);
	make_tar(files, &tar);
	*rc = publish_stream(p, give, &tar, &f->e);
	buf_clear(&tar);
	return p;
}

static bool
has(struct fixture *f, const char *key)
{
	struct store_object o;

	return store_head(f->store, key, &o, NULL) == 0;
}

static void
expect_error(struct fixture *f, const char *const *files, enum err_code code)
{
	int rc;
	struct publish *p = publish_files_of(f, "", false, files, &rc);

	assert_int_equal(rc, -1);
	if (f->e.code != code)
		print_error("%s\n", f->e.msg);
	assert_int_equal(f->e.code, code);
	publish_free(p);
}

static void
note_line(void *arg, const char *file, int line, const char *what)
{
	buf_addf(arg, "%s:%d\n", file, line);
}

static void
rules_are_made_and_not_served(void **state)
{
	struct fixture *f = *state;
	struct buf said = BUF_INIT;
	int rc;
	struct publish *p = publish_files_of(f, "", false,
	    FILES("index.html", "x", "_redirects", "/a /b 302!\n/c\n",
		"a/_headers", "", "_headers", "/*\n  X: 1\n"), &rc);

	assert_int_equal(rc, 0);
	assert_int_equal(rules_count(publish_rules(p, note_line, &said)), 2);
	assert_string_equal(buf_str(&said), "_redirects:2\n");
	assert_int_equal(publish_files(p), 2);
	assert_int_equal(publish_sync(p, &f->e), 0);
	assert_true(has(f, "manifests/" ID ".rules"));
	assert_int_equal(publish_commit(p, &f->e), 0);
	assert_false(has(f, "dist/" ID "/_redirects"));
	assert_false(has(f, "dist/" ID "/_headers"));
	assert_true(has(f, "dist/" ID "/a/_headers"));
	publish_free(p);

	/* Files come before these, and web servers serve them. */
	p = publish_files_of(f, "", false, FILES("_redirects", "/a /b\n",
	    "a.html", ""), &rc);
	assert_int_equal(rules_count(publish_rules(p, note_line, &said)), 1);
	assert_int_equal(publish_sync(p, &f->e), 0);
	assert_false(has(f, "manifests/" ID ".rules"));
	publish_free(p);
	buf_clear(&said);
}

static void
a_site_is_live_once_its_manifest_is_there(void **state)
{
	struct fixture *f = *state;
	struct buf text = BUF_INIT;
	struct manifest *m;
	const struct manifest_file *file;
	int rc;
	struct publish *p = publish_files_of(f, "", false,
	    FILES("index.html", "hello", "a/b.css", ""), &rc);

	assert_int_equal(rc, 0);
	assert_int_equal(publish_sync(p, &f->e), 0);
	assert_true(has(f, "dist/" ID "/a/b.css"));
	assert_false(has(f, "manifests/" ID ".json"));
	assert_int_equal(publish_commit(p, &f->e), 0);
	assert_int_equal(store_get(f->store, "manifests/" ID ".json", 10000,
			     &text, &f->e), 0);
	m = manifest_from_text(buf_str(&text), text.len, &f->e);
	assert_non_null(m);
	assert_int_equal(manifest_count(m), 2);
	assert_true(manifest_spa(m));
	file = manifest_find(m, "index.html");
	assert_int_equal(file->size, 5);
	assert_string_equal(file->sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e"
					  "1b161e5c1fa7425e73043362938b9824");
	assert_string_equal(file->type, "text/html; charset=utf-8");
	file = manifest_find(m, "a/b.css");
	assert_string_equal(file->sha256, "e3b0c44298fc1c149afbf4c8996fb924"
					  "27ae41e4649b934ca495991b7852b855");
	assert_true(publish_has_index(p));
	manifest_free(m);
	buf_clear(&text);
	publish_free(p);
}

static void
what_an_earlier_attempt_left_is_gone(void **state)
{
	struct fixture *f = *state;
	struct publish *p;
	int rc;

	assert_int_equal(store_put(f->store, "dist/" ID "/old.html", "", "", 0,
			     &f->e), 0);
	p = publish_files_of(f, "", false, FILES("new.html", "x"), &rc);
	assert_int_equal(publish_sync(p, &f->e), 0);
	assert_false(has(f, "dist/" ID "/old.html"));
	assert_true(has(f, "dist/" ID "/new.html"));
	assert_false(publish_has_index(p));
	publish_free(p);
	assert_int_equal(publish_remove(f->store, ID, &f->e), 0);
	assert_false(has(f, "dist/" ID "/new.html"));
}

static void
only_the_directory_of_the_site_is_published(void **state)
{
	struct fixture *f = *state;
	const char *first;
	int rc;
	struct publish *p = publish_files_of(f, "web", true,
	    FILES("index.html", "no", "webb/x", "no", "web/index.html", "yes",
		"web/.env", "no", "web/l", "@../index.html"), &rc);

	assert_int_equal(rc, 0);
	assert_int_equal(publish_files(p), 1);
	assert_int_equal(publish_bytes(p), 3);
	assert_int_equal(publish_links(p, &first), 1);
	assert_string_equal(first, "l");
	assert_int_equal(publish_sync(p, &f->e), 0);
	assert_true(has(f, "dist/" ID "/index.html"));
	publish_free(p);
}

static void
hidden_and_private_files_are_left_out(void **state)
{
	assert_true(publish_leaves_out(".env", false));
	assert_true(publish_leaves_out("a/.git/config", false));
	assert_true(publish_leaves_out("a/.well-known/x", false));
	assert_false(publish_leaves_out(".well-known/x", false));
	assert_true(publish_leaves_out(".well-known/.x", false));
	assert_true(publish_leaves_out(".well-knownx/y", false));
	assert_false(publish_leaves_out("a.b/c..d", false));
	assert_false(publish_leaves_out("package.json", false));
	assert_true(publish_leaves_out("package.json", true));
	assert_true(publish_leaves_out("Dockerfile", true));
	assert_false(publish_leaves_out("api/package.json", true));
	assert_true(publish_leaves_out("a/node_modules/b.js", true));
	assert_false(publish_leaves_out("a/node_modules/b.js", false));
	assert_false(publish_leaves_out("_redirects", true));
}

static void
bounds_hold(void **state)
{
	char big[102];

	memset(big, 'x', sizeof(big));
	big[101] = '\0';
	expect_error(*state, FILES("a", big), ERR_OUTPUT_TOOBIG);
	big[60] = '\0';
	expect_error(*state, FILES("a", big, "b", big), ERR_OUTPUT_TOOBIG);
	expect_error(*state, FILES("a", "", "b", "", "c", "", "d", "", "e", "",
	    "f", ""), ERR_OUTPUT_TOOBIG);
}

static void
what_is_no_site_is_refused(void **state)
{
	expect_error(*state, FILES(".hidden", ""), ERR_OUTPUT_EMPTY);
	expect_error(*state, FILES("a", "", "a", ""), ERR_OUTPUT_UNSAFE);
	expect_error(*state, FILES("a", "", "a/b", ""), ERR_OUTPUT_UNSAFE);
	expect_error(*state, FILES("a/b/c", "", "a/b", ""), ERR_OUTPUT_UNSAFE);
	expect_error(*state, FILES("../a", ""), ERR_OUTPUT_UNSAFE);
	expect_error(*state, FILES("a", "@/etc/passwd"), ERR_OUTPUT_UNSAFE);
}

static void
links_become_what_they_lead_to(void **state)
{
	struct fixture *f = *state;
	struct buf text = BUF_INIT;
	const char *first;
	int rc;
	struct publish *p = publish_files_of(f, "", false,
	    FILES("c", "@a/../a/b", "d", "@a", "index.html", "@c", "a/b", "x"),
	    &rc);

	assert_int_equal(rc, 0);
	assert_int_equal(publish_links(p, &first), 0);
	assert_int_equal(publish_files(p), 4);
	assert_true(publish_has_index(p));
	assert_int_equal(publish_sync(p, &f->e), 0);
	assert_int_equal(store_get(f->store, "dist/" ID "/d/b", 10, &text,
			     &f->e), 0);
	assert_string_equal(buf_str(&text), "x");
	assert_true(has(f, "dist/" ID "/index.html"));
	buf_clear(&text);
	publish_free(p);
}

static void
links_that_lead_to_nothing_are_refused(void **state)
{
	struct fixture *f = *state;

	expect_error(f, FILES("a", "x", "b", "@none"), ERR_OUTPUT_UNSAFE);
	assert_non_null(strstr(f->e.msg, "b: a link to what is not in the"));
	expect_error(f, FILES("a", "x", "b", "@b"), ERR_OUTPUT_UNSAFE);
	expect_error(f, FILES("a", "x", "b", "@c", "c", "@b"),
	    ERR_OUTPUT_UNSAFE);
	expect_error(f, FILES("p/b", "x", "p/c", "@../p"), ERR_OUTPUT_UNSAFE);
	expect_error(f, FILES("q/b", "x", "c", "@."), ERR_OUTPUT_UNSAFE);
	expect_error(f, FILES("a", "x", "b", "@.env", ".env", "x"),
	    ERR_OUTPUT_UNSAFE);
	/* A directory that grows with each link is stopped by the bounds. */
	expect_error(f, FILES("r/1", "", "r/2", "", "s", "@r", "t", "@r"),
	    ERR_OUTPUT_TOOBIG);
	assert_non_null(strstr(f->e.msg, "too_many_files: "));
}

static void
encoded_forms_are_made_where_they_are_smaller(void **state)
{
	struct fixture *f = *state;
	char text[4001];
	struct buf out = BUF_INIT;
	struct manifest *m;
	const struct manifest_file *file;
	struct publish *p;
	int rc;

	f->conf->output_bytes = 100000;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	p = publish_files_of(f, "", false, FILES("a.html", text, "b.png", text,
	    "c.css", "small", "d.js", text, "d.js.gz", "its own"), &rc);
	assert_int_equal(rc, 0);
	assert_int_equal(publish_files(p), 5);
	assert_int_equal(publish_sync(p, &f->e), 0);
	assert_int_equal(publish_commit(p, &f->e), 0);
	assert_int_equal(store_get(f->store, "manifests/" ID ".json", 10000,
			     &out, &f->e), 0);
	m = manifest_from_text(buf_str(&out), out.len, &f->e);
	assert_non_null(m);
	file = manifest_find(m, "a.html");
	assert_in_range(file->encoded[MANIFEST_GZIP], 10, 100);
	assert_true(has(f, "dist/" ID "/a.html.gz"));
	file = manifest_find(m, "d.js");
	assert_true(file->encoded[MANIFEST_GZIP] == 0);
#ifdef HAVE_BROTLI
	assert_in_range(file->encoded[MANIFEST_BROTLI], 5, 100);
	assert_true(has(f, "dist/" ID "/d.js.br"));
#endif
	assert_false(has(f, "dist/" ID "/b.png.gz"));
	assert_false(has(f, "dist/" ID "/c.css.gz"));
	buf_reset(&out);
	assert_int_equal(store_get(f->store, "dist/" ID "/d.js.gz", 100, &out,
			     &f->e), 0);
	assert_string_equal(buf_str(&out), "its own");
	assert_true(manifest_is_immutable(m, "assets/x.js"));
	assert_false(manifest_is_immutable(m, "assetsx/x.js"));
	manifest_free(m);
	buf_clear(&out);
	publish_free(p);
}

static void
a_stream_that_ends_early_is_no_site(void **state)
{
	struct fixture *f = *state;
	const struct publish_spec spec = { .store = f->store,
		.conf = f->conf, .id = ID, .dir = "" };
	struct publish *p = publish_new(&spec, &f->e);
	struct buf tar = BUF_INIT;

	make_tar(FILES("a", "hello"), &tar);
	tar.len = 514;
	assert_int_equal(publish_stream(p, give, &tar, &f->e), -1);
	assert_int_equal(f->e.code, ERR_INVALID);
	buf_clear(&tar);
	publish_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(a_site_is_live_once_its_manifest_is_there),
		TEST(rules_are_made_and_not_served),
		TEST(what_an_earlier_attempt_left_is_gone),
		TEST(only_the_directory_of_the_site_is_published),
		TEST(hidden_and_private_files_are_left_out),
		TEST(bounds_hold),
		TEST(what_is_no_site_is_refused),
		TEST(links_become_what_they_lead_to),
		TEST(links_that_lead_to_nothing_are_refused),
		TEST(encoded_forms_are_made_where_they_are_smaller),
		TEST(a_stream_that_ends_early_is_no_site),
	};

	return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
