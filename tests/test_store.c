#include "tests/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/http.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/s3.h"
#include "lib/store.h"
#include "lib/xml.h"

/*
 * One suite for each driver.  Alone it runs on a directory of its own; where
 * DAVIT_TEST_STORE names a file of configuration lines, on the store that they
 * name.  That bucket is made, and left empty.  DAVIT_TEST_ONLY is a pattern of
 * tests; DAVIT_TEST_LIGHT makes the heavy ones lighter.
 */

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define LARGE_BYTES (200 * 1024 * 1024)
#define LIGHT_BYTES (20 * 1024 * 1024)
#define MANY_KEYS 3000	/* over pages of 1,000 */
#define LIGHT_KEYS 1100

/* One empty, open store for each test. */
struct fixture {
	char root[64];		/* of the directory driver, else "" */
	struct conf *conf;
	struct store *store;
};

static bool
is_light(void)
{
	return getenv("DAVIT_TEST_LIGHT") != NULL;
}

static bool
is_dir(const struct fixture *f)
{
	return f->root[0] != '\0';
}

/* libs3 begins nothing that it does not end. */
static bool
has_parts(const struct fixture *f)
{
	return strncmp(f->conf->store, "libs3 ", strlen("libs3 ")) != 0;
}

static struct conf *
read_conf(const char *path)
{
	struct err e;
	struct conf *c = conf_load(path, &e);

	if (c == NULL)
		fail_msg("%s", e.msg);
	return c;
}

/* An operation on the bucket itself, beside the driver. */
static void
ask_bucket(const struct conf *c, const struct s3_op *op, struct http_answer *a)
{
	struct conf own = *c;
	struct err e;
	struct s3 *s;

	own.s3_signature = (char[]){ "v4" }; /* it knows no other */
	s = s3_open(&own, strchr(c->store, ' ') + 1, &e);
	if (s == NULL)
		fail_msg("%s", e.msg);
	if (s3_perform(s, op, a, &e) == -1 &&
	    strstr(e.msg, "BucketAlreadyOwnedByYou") == NULL)
		fail_msg("%s", e.msg);
	s3_free(s);
}

static void
empty(struct store *s)
{
	static const char *const prefixes[] = { "deployments/", "dist/",
		"logs/", "manifests/", "output/", "probe/" };
	struct err e;

	for (size_t i = 0; i < N(prefixes); i++)
		if (store_delete_all(s, prefixes[i], &e) == -1)
			fail_msg("%s", e.msg);
}

static int
set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	const char *path = getenv("DAVIT_TEST_STORE");
	char *text;
	struct err e;

	if (path == NULL) {
		strcpy(f->root, "/tmp/davit-store-XXXXXX");
		assert_non_null(mkdtemp(f->root));
		text = xasprintf("store dir %s\ns3_part 5M\n", f->root);
		f->conf = conf_parse(text, "t", &e);
		free(text);
	} else {
		f->conf = read_conf(path);
	}
	f->store = store_open(f->conf, &e);
	if (f->store == NULL)
		fail_msg("%s", e.msg);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	if (!is_dir(f))
		empty(f->store);
	store_free(f->store);
	conf_free(f->conf);
	if (is_dir(f))
		assert_int_equal(fdio_remove_tree(f->root, NULL), 0);
	free(f);
	return 0;
}

/* The bucket must be there before the first test. */
static int
make_bucket(void **state)
{
	const char *path = getenv("DAVIT_TEST_STORE");
	struct http_answer a;
	struct conf *c;

	if (path == NULL)
		return 0;
	c = read_conf(path);
	ask_bucket(c, &(struct s3_op){ .method = "PUT" }, &a);
	http_answer_clear(&a);
	conf_free(c);
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

/* What writers have begun and not ended. */
static int
unfinished(const struct fixture *f)
{
	const struct sigv4_pair query = { "uploads", "" };
	struct http_answer a;
	struct xml x, one;
	int n = 0;

	if (is_dir(f))
		return files_in_tmp(f);
	ask_bucket(f->conf,
	    &(struct s3_op){ .method = "GET", .query = &query, .nquery = 1 },
	    &a);
	x = (struct xml){ buf_str(a.body), a.body->len };
	while (xml_next(&x, "Upload", &one))
		n++;
	http_answer_clear(&a);
	return n;
}

/* ---- streams ---- */

/* Bytes that tell where they are: a pattern as long as a prime, so that no
 * piece of any round size begins like another one. */
static void
fill(unsigned char *data, size_t len, uint64_t at)
{
	static unsigned char pattern[65521];

	for (uint64_t i = 0; pattern[1] == 0 && i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)((i * 2654435761u) >> 13);
	while (len > 0) {
		size_t from = at % sizeof(pattern);
		size_t n = sizeof(pattern) - from;

		n = n < len ? n : len;
		memcpy(data, pattern + from, n);
		data += n;
		at += n;
		len -= n;
	}
}

static struct store_writer *
begin_stream(struct store *s, const char *key, size_t size)
{
	static unsigned char data[100000];
	struct err e;
	struct store_writer *w = store_put_open(s, key, "text/plain", &e);

	if (w == NULL)
		fail_msg("%s", e.msg);
	for (size_t at = 0; at < size;) {
		size_t n = size - at < sizeof(data) ? size - at : sizeof(data);

		fill(data, n, at);
		if (store_put_data(w, data, n, &e) == -1)
			fail_msg("%s", e.msg);
		at += n;
	}
	return w;
}

static void
commit(struct store_writer *w, enum store_when when)
{
	struct err e;

	if (store_put_commit(w, when, &e) == -1)
		fail_msg("%s", e.msg);
}

static void
assert_streams_back(struct store *s, const char *key, size_t size, size_t from)
{
	static unsigned char data[70000], wanted[70000];
	struct store_object o;
	struct err e;
	struct store_reader *r = store_get_open(s, key, (int64_t)from, &o, &e);
	size_t at = from;
	ssize_t n;

	if (r == NULL)
		fail_msg("%s", e.msg);
	assert_int_equal(o.size, size);
	while ((n = store_get_data(r, data, sizeof(data), &e)) > 0) {
		fill(wanted, (size_t)n, at);
		assert_memory_equal(data, wanted, (size_t)n);
		at += (size_t)n;
	}
	if (n == -1)
		fail_msg("%s", e.msg);
	assert_int_equal(at, size);
	store_get_close(r);
}

static void
streams_of_all_sizes_come_back(void **state)
{
	struct fixture *f = *state;
	size_t part = (size_t)f->conf->s3_part;
	const size_t sizes[] = { 0, 1, part - 1, part, part + 1, 2 * part,
		is_light() ? LIGHT_BYTES : LARGE_BYTES };

	for (size_t i = 0; i < N(sizes); i++) {
		commit(begin_stream(f->store, "output/a", sizes[i]),
		    i % 2 == 0 ? STORE_NOW : STORE_BATCHED);
		assert_int_equal(store_sync(f->store, NULL), 0);
		assert_streams_back(f->store, "output/a", sizes[i], 0);
		assert_streams_back(f->store, "output/a", sizes[i],
		    sizes[i] > 2 * part ? sizes[i] - part - 1
					: sizes[i] / 3 * 2);
		assert_int_equal(unfinished(f), 0);
	}
}

static void
writers_beside_each_other_do_not_mix(void **state)
{
	struct fixture *f = *state;
	size_t part = (size_t)f->conf->s3_part;
	struct store_writer *a, *b, *c;

	a = begin_stream(f->store, "output/a", 2 * part + 7);
	b = begin_stream(f->store, "output/b", part + 9);
	c = begin_stream(f->store, "output/a", part * 3);
	put(f->store, "output/d", "d");
	commit(b, STORE_NOW);
	commit(a, STORE_NOW);
	assert_streams_back(f->store, "output/a", 2 * part + 7, 0);
	assert_streams_back(f->store, "output/b", part + 9, 0);
	commit(c, STORE_NOW);
	assert_streams_back(f->store, "output/a", part * 3, 0);
	assert_holds(f->store, "output/d", "d");
	assert_int_equal(unfinished(f), 0);
}

/* ---- keys ---- */

static const char *const awkward[] = { "a b", "a+b", "a%b", "a%20b", "a%2Fb",
	"\xc3\xa4\xc3\xb6", "\xe2\x82\xac.html", "\xf0\x9f\x98\x80", "a&b", "a<b>",
	"a\"b'", "a?b=c", "a#b", "a:b;c@d", "a$b,c!(d)*", "~a_b-c.d", "[a]{b}|^`",
	"a/.b/..c", " a ", "a=b" };

/* key: "dist/s/" and one of them. */
static int
count_awkward(void *arg, const char *key, const struct store_object *o)
{
	int *seen = arg;

	for (size_t i = 0; i < N(awkward); i++)
		if (strcmp(key + strlen("dist/s/"), awkward[i]) == 0 &&
		    o->size == (int64_t)strlen(awkward[i]))
			seen[i]++;
	return 0;
}

static void
awkward_keys_are_kept_exactly(void **state)
{
	struct fixture *f = *state;
	int seen[N(awkward)] = { 0 };

	for (size_t i = 0; i < N(awkward); i++) {
		char *key = xasprintf("dist/s/%s", awkward[i]);

		put(f->store, key, awkward[i]);
		free(key);
	}
	for (size_t i = 0; i < N(awkward); i++) {
		char *key = xasprintf("dist/s/%s", awkward[i]);

		assert_holds(f->store, key, awkward[i]);
		free(key);
	}
	assert_int_equal(store_list(f->store, "dist/s/", count_awkward, seen,
			     NULL), 0);
	for (size_t i = 0; i < N(awkward); i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(store_delete(f->store, "dist/s/a+b", NULL), 0);
	assert_holds(f->store, "dist/s/a b", "a b");
	assert_int_equal(keys_below(f->store, "dist/s/"), N(awkward) - 1);
}

static void
keys_may_have_a_thousand_bytes(void **state)
{
	struct fixture *f = *state;
	struct buf key = BUF_INIT;

	buf_adds(&key, "dist");
	for (int i = 0; i < 6; i++)
		buf_addf(&key, "/%0165d", i);
	put(f->store, buf_str(&key), "long");
	assert_holds(f->store, buf_str(&key), "long");
	while (key.len <= KEY_MAX_BYTES)
		buf_addc(&key, 'x');
	assert_int_equal(get_code(f->store, buf_str(&key)), ERR_INVALID);
	buf_clear(&key);
}

static void
thousands_of_keys_are_listed_once(void **state)
{
	struct fixture *f = *state;
	int n = is_light() ? LIGHT_KEYS : MANY_KEYS;
	char key[40];

	for (int i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "dist/s/%d/%d", i % 10, i);
		commit(begin_stream(f->store, key, 1), STORE_BATCHED);
	}
	assert_int_equal(store_sync(f->store, NULL), 0);
	assert_int_equal(keys_below(f->store, "dist/"), n);
	assert_int_equal(keys_below(f->store, "dist/s/7/"), n / 10);
	assert_int_equal(store_delete_all(f->store, "dist/s/", NULL), 0);
	assert_int_equal(keys_below(f->store, "dist/"), 0);
}

static int
stop_at_two(void *arg, const char *key, const struct store_object *o)
{
	return ++*(int *)arg == 2 ? 7 : 0;
}

static void
lists_stop_where_told(void **state)
{
	struct fixture *f = *state;
	int n = 0;

	put(f->store, "logs/a", "1");
	put(f->store, "logs/b", "2");
	put(f->store, "logs/c", "3");
	assert_int_equal(store_list(f->store, "logs/", stop_at_two, &n, NULL),
	    7);
	assert_int_equal(n, 2);
}

/* ---- objects ---- */

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
	assert_in_range(o.modified_ms, name_now_ms() - 60000,
	    name_now_ms() + 60000);
	assert_int_equal(get_code(f->store, "dist/none"), ERR_NOTFOUND);
	assert_int_equal(get_code(f->store, "dist"), ERR_NOTFOUND);
	assert_int_equal(get_code(f->store, "dist/a b/+%.html/x"),
	    ERR_NOTFOUND);
	assert_int_equal(store_check(f->store, NULL), 0);
	assert_int_equal(unfinished(f), 0);
}

static void
known_objects_are_not_read_again(void **state)
{
	struct fixture *f = *state;
	struct store_object first, o;
	struct buf b = BUF_INIT;
	struct err e;

	put(f->store, "manifests/a", "one");
	assert_int_equal(store_get_if(f->store, "manifests/a", "", 9, &b,
			     &first, NULL), 0);
	assert_string_equal(buf_str(&b), "one");
	assert_string_not_equal(first.tag, "");
	assert_int_equal(first.size, 3);
	buf_clear(&b);
	assert_int_equal(store_get_if(f->store, "manifests/a", first.tag, 9,
			     &b, &o, NULL), 1);
	assert_int_equal(b.len, 0);
	assert_int_equal(store_head(f->store, "manifests/a", &o, NULL), 0);
	assert_string_equal(o.tag, first.tag);

	put(f->store, "manifests/a", "two");
	assert_int_equal(store_get_if(f->store, "manifests/a", first.tag, 9,
			     &b, &o, NULL), 0);
	assert_string_equal(buf_str(&b), "two");
	assert_string_not_equal(o.tag, first.tag);
	assert_int_equal(store_get_if(f->store, "manifests/a", "", 2, &b, &o,
			     NULL), -1);
	assert_int_equal(store_get_if(f->store, "manifests/b", o.tag, 9, &b,
			     &o, &e), -1);
	assert_int_equal(e.code, ERR_NOTFOUND);
	buf_clear(&b);
}

/* ---- URLs ---- */

/* The status of a GET without keys. */
static long
status_of(const char *url, char *text, size_t size)
{
	struct err e;
	struct http *h = http_open(NULL, &e);
	struct http_answer a;
	long status;

	if (http_perform(h, &(struct http_request){ .url = url }, &a, &e) == -1)
		fail_msg("%s", e.msg);
	status = a.status;
	snprintf(text, size, "%s", a.body == NULL ? "" : buf_str(a.body));
	http_answer_clear(&a);
	http_free(h);
	return status;
}

static bool
is_s3(const struct fixture *f)
{
	return strncmp(f->conf->store, "s3 ", 3) == 0;
}

static void
urls_are_of_s3_alone(const struct fixture *f)
{
	struct err e;

	assert_null(store_url(f->store, "output/a", 60, &e));
	assert_int_equal(e.code, ERR_STORE);
	assert_non_null(strstr(e.msg, "'store s3' has"));
}

static void
urls_work_without_keys(void **state)
{
	struct fixture *f = *state;
	char text[1024], *url;

	if (!is_s3(f)) {
		urls_are_of_s3_alone(f);
		return;
	}
	put(f->store, "output/a+b c", "bytes");
	put(f->store, "output/a+b d", "other");
	url = store_url(f->store, "output/a+b c", 60, NULL);
	assert_int_equal(status_of(url, text, sizeof(text)), 200);
	assert_string_equal(text, "bytes");
	assert_null(strstr(url, "testing")); /* the secret */

	/* neither for another object nor for longer, nor without */
	strchr(url, '?')[-1] = 'd';
	assert_int_equal(status_of(url, text, sizeof(text)), 403);
	strchr(url, '?')[-1] = 'c';
	memcpy(strstr(url, "Expires=60"), "Expires=90", 10);
	assert_int_equal(status_of(url, text, sizeof(text)), 403);
	url[strcspn(url, "?")] = '\0';
	assert_int_not_equal(status_of(url, text, sizeof(text)), 200);
	free(url);
}

static void
urls_expire(void **state)
{
	struct fixture *f = *state;
	int64_t end = name_tick_ms() + 30000;
	char text[1024], *url;
	long status;

	assert_null(store_url(f->store, "output/a", 0, NULL));
	assert_null(store_url(f->store, "output/a", STORE_URL_MAX_S + 1, NULL));
	if (!is_s3(f))
		return;
	put(f->store, "output/a", "bytes");
	url = store_url(f->store, "output/a", 1, NULL);
	while ((status = status_of(url, text, sizeof(text))) == 200 &&
	    name_tick_ms() < end)
		poll(NULL, 0, 100);
	assert_int_equal(status, 403);
	assert_non_null(strstr(text, "expired"));
	free(url);
}

/* ---- copies ---- */

static void
copy(struct store *s, const char *from, const char *to)
{
	struct err e;

	if (store_copy(s, from, to, &e) == -1)
		fail_msg("%s", e.msg);
}

static void
copies_stand_by_themselves(void **state)
{
	struct fixture *f = *state;
	const char *from = "output/a b/+%.tar", *to = "output/\xc3\xa4/c d";

	put(f->store, from, "one");
	copy(f->store, from, to);
	copy(f->store, from, to);	/* the two are one already */
	copy(f->store, to, to);
	assert_holds(f->store, to, "one");
	put(f->store, from, "two");
	assert_holds(f->store, to, "one");
	copy(f->store, from, to);
	assert_int_equal(store_delete(f->store, from, NULL), 0);
	assert_holds(f->store, to, "two");
	assert_int_equal(keys_below(f->store, "output/"), 1);
	assert_int_equal(unfinished(f), 0);
}

static void
copies_are_whole_and_of_now(void **state)
{
	struct fixture *f = *state;
	size_t size = 2 * (size_t)f->conf->s3_part + 1;
	const struct timespec old[] = { { 1000, 0 }, { 1000, 0 } };
	struct store_object o;
	char *path;

	commit(begin_stream(f->store, "output/a", size), STORE_NOW);
	if (is_dir(f)) {
		path = xasprintf("%s/output/a", f->root);
		assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
		free(path);
	}
	copy(f->store, "output/a", "output/b");
	assert_streams_back(f->store, "output/b", size, 0);
	assert_int_equal(store_head(f->store, "output/b", &o, NULL), 0);
	assert_in_range(o.modified_ms, name_now_ms() - 60000,
	    name_now_ms() + 60000);
}

static void
copies_of_nothing_change_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e;

	put(f->store, "output/b", "b");
	assert_int_equal(store_copy(f->store, "output/a", "output/b", &e), -1);
	assert_int_equal(e.code, ERR_NOTFOUND);
	assert_int_equal(store_copy(f->store, "output/a", "output/a", &e), -1);
	assert_int_equal(e.code, ERR_NOTFOUND);
	assert_int_equal(store_copy(f->store, "output", "output/b", &e), -1);
	assert_int_equal(e.code, ERR_NOTFOUND);
	assert_int_equal(store_copy(f->store, "output/b", "../b", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(store_copy(f->store, "/etc/passwd", "output/b", &e),
	    -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_holds(f->store, "output/b", "b");
	assert_int_equal(unfinished(f), 0);
}

static void
set_mode(const struct fixture *f, const char *path, mode_t mode)
{
	char *whole = xasprintf("%s/%s", f->root, path);

	assert_int_equal(chmod(whole, mode), 0);
	free(whole);
}

/* fs.protected_hardlinks refuses one to another's file that one may not
 * write. */
static void
copies_where_links_are_refused(void **state)
{
	struct fixture *f = *state;

	if (!is_dir(f) || geteuid() != 0)
		return;
	put(f->store, "output/a", "a");
	set_mode(f, "", 0755);
	set_mode(f, "tmp", 0777);
	set_mode(f, "output", 0777);
	set_mode(f, "output/a", 0444);
	assert_int_equal(seteuid(65534), 0);
	copy(f->store, "output/a", "output/b");
	assert_int_equal(seteuid(0), 0);
	assert_holds(f->store, "output/b", "a");
	assert_int_equal(unfinished(f), 0);
}

static void
keys_do_not_escape(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "../x", "/etc/passwd", "a/../../x",
		"", "a//b", "a/", "./a" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(get_code(f->store, bad[i]), ERR_INVALID);
		assert_int_equal(store_put(f->store, bad[i], NULL, "x", 1,
				     NULL), -1);
	}
}

static void
links_are_not_followed(void **state)
{
	struct fixture *f = *state;
	char *link;

	if (!is_dir(f))
		return;
	link = xasprintf("%s/dist", f->root);
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
	size_t part = (size_t)f->conf->s3_part;
	const size_t sizes[] = { 4, part, part + 1, 3 * part };

	for (size_t i = 0; i < N(sizes); i++) {
		struct store_writer *w = begin_stream(f->store, "output/a",
		    sizes[i]);

		assert_int_equal(get_code(f->store, "output/a"), ERR_NOTFOUND);
		store_put_abort(w);
		assert_int_equal(get_code(f->store, "output/a"), ERR_NOTFOUND);
		assert_int_equal(unfinished(f), 0);
	}
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
	if (is_dir(f))
		assert_int_equal(keys_below(f->store, "dist/"), 0);
	assert_int_equal(store_sync(f->store, NULL), 0);
	assert_int_equal(keys_below(f->store, "dist/"), 300);
	assert_holds(f->store, "dist/s/6/6", "dist/s/6/6");
	assert_int_equal(unfinished(f), 0);
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

/* Somebody who was asleep while the id was given to another. */
static void
revoked_attempt_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct store *late, *next;
	struct store_writer *w, *batched;
	char path[200];

	if (!is_dir(f))
		return;
	late = store_open(f->conf, NULL);
	next = store_open(f->conf, NULL);
	assert_int_equal(store_enter(late, "aaaaaaaaaa", 1, NULL), 0);
	w = store_put_open(late, "manifests/a", NULL, NULL);
	batched = store_put_open(late, "dist/b/c/1", NULL, NULL);
	store_put_data(w, "late", 4, NULL);
	store_put_data(batched, "late", 4, NULL);
	assert_int_equal(store_put_commit(batched, STORE_BATCHED, NULL), 0);

	assert_int_equal(store_enter(next, "aaaaaaaaaa", 2, NULL), 0);
	assert_int_equal(store_revoke(next, "aaaaaaaaaa", 2, NULL), 0);
	put(next, "dist/a/1", "next");
	assert_int_equal(store_put_commit(w, STORE_NOW, NULL), -1);
	assert_int_equal(store_sync(late, NULL), -1);
	assert_int_equal(store_copy(late, "dist/a/1", "dist/a/3", NULL), -1);
	assert_null(store_put_open(late, "dist/a/2", NULL, NULL));
	assert_int_equal(store_delete_all(late, "dist/a/", NULL), -1);
	assert_int_equal(keys_below(f->store, "manifests/"), 0);
	assert_holds(f->store, "dist/a/1", "next");
	snprintf(path, sizeof(path), "%s/dist/b", f->root);
	assert_int_equal(access(path, F_OK), -1);

	/* Revoking is about lower attempts of that id, and of no other. */
	assert_int_equal(store_revoke(late, "aaaaaaaaaa", 2, NULL), 0);
	assert_int_equal(store_revoke(late, "bbbbbbbbbb", 9, NULL), 0);
	assert_int_equal(store_delete_all(next, "dist/a/", NULL), 0);
	assert_int_equal(keys_below(f->store, "dist/"), 0);
	store_free(late);
	store_free(next);
	assert_int_equal(unfinished(f), 0);
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
	char *path, data[20];

	if (!is_dir(f))
		return;
	path = xasprintf("%s/output/a", f->root);
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
	struct store_writer *w = begin_stream(f->store, "output/a",
	    (size_t)f->conf->s3_part + 1);

	assert_int_equal(store_sweep(f->store, 60000, NULL), 0);
	assert_int_equal(unfinished(f), has_parts(f) ? 1 : 0);
	assert_int_equal(store_sweep(f->store, -2000, NULL), 0);
	assert_int_equal(unfinished(f), 0);
	store_put_abort(w);
}

static void
sweep_takes_old_directories_of_ours(void **state)
{
	struct fixture *f = *state;
	static const char *const made[] = { "tmp/aaaaaaaaaa",
		"tmp/bbbbbbbbbb.1", "tmp/mine", "tmp/cccccccccc.x" };
	struct stat st;
	char *path;

	if (!is_dir(f))
		return;
	for (size_t i = 0; i < 4; i++) {
		path = xasprintf("%s/%s", f->root, made[i]);
		assert_int_equal(mkdir(path, 0755), 0);
		free(path);
	}
	assert_int_equal(store_sweep(f->store, 60000, NULL), 0);
	assert_int_equal(store_sweep(f->store, -2000, NULL), 0);
	for (size_t i = 0; i < 4; i++) {
		path = xasprintf("%s/%s", f->root, made[i]);
		assert_int_equal(stat(path, &st), i < 2 ? -1 : 0);
		free(path);
	}
}

static int
add_name(void *arg, const char *name, const struct store_object *o)
{
	assert_true(o->modified_ms > 0);
	buf_addf(arg, "%s ", name);
	return 0;
}

static void
names_come_once(void **state)
{
	struct fixture *f = *state;
	struct buf names = BUF_INIT;

	put(f->store, "dist/a/x", "1");
	put(f->store, "dist/a/y/z", "1");
	put(f->store, "dist/b/x", "1");
	assert_int_equal(store_list_names(f->store, "dist/", add_name, &names,
			     NULL), 0);
	if (strcmp(buf_str(&names), "a b ") != 0)
		assert_string_equal(buf_str(&names), "b a ");
	buf_reset(&names);
	assert_int_equal(store_list_names(f->store, "none/", add_name, &names,
			     NULL), 0);
	assert_int_equal(names.len, 0);
	buf_clear(&names);
}

/* What opening a store by that configuration says. */
static void
told(const char *text, enum err_code code, const char *words)
{
	struct conf *c = conf_parse(text, "f.conf", NULL);
	struct err e;

	assert_non_null(c);
	assert_null(store_open(c, &e));
	assert_int_equal(e.code, code);
	if (strstr(e.msg, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, e.msg);
	conf_free(c);
}

static void
bad_configuration_is_told(void **state)
{
	told("store dir /proc/davit", ERR_STORE, "/proc/davit");
	told("store dir relative", ERR_CONFIG,
	    "f.conf: store: 'dir /PATH' is needed");
	told("store ftp x", ERR_CONFIG, "'dir /PATH', 's3 URL' or 'libs3");
	told("store s3 https://h/bucket\ns3_signature v2", ERR_CONFIG,
	    "f.conf: s3_signature: v2 is for");
#ifdef HAVE_LIBS3
	told("store libs3 https://h", ERR_CONFIG,
	    "f.conf: store: 'libs3 https://HOST[:PORT]/BUCKET'");
	told("store libs3 https://h/bucket", ERR_CONFIG, "store_keys: a file");
#else
	told("store libs3 https://h/bucket", ERR_CONFIG, "without libs3");
#endif
	told("store s3 gopher://h/bucket", ERR_CONFIG,
	    "f.conf: store: 's3 https://HOST[:PORT]/BUCKET'");
	told("store s3 https://h", ERR_CONFIG, "BUCKET");
	told("store s3 https://h/b/c", ERR_CONFIG, "BUCKET");
	told("store s3 https://u:p@h/bucket", ERR_CONFIG, "BUCKET");
	told("store s3 https://h/bucket", ERR_CONFIG, "store_keys: a file");
	told("store s3 https://h/bucket\nstore_keys /nonexistent", ERR_CONFIG,
	    "store_keys: open /nonexistent");
}

static void
told_of_keys(const char *keys, mode_t mode, const char *words)
{
	char path[] = "/tmp/davit-keys-XXXXXX", *text;
	int fd = mkstemp(path);

	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(fdio_write(fd, keys, strlen(keys), NULL), 0);
	close(fd);
	text = xasprintf("store s3 https://h/bucket\nstore_keys %s", path);
	told(text, ERR_CONFIG, words);
	free(text);
	unlink(path);
}

static void
bad_key_files_are_told(void **state)
{
	told_of_keys("id\nsecret\n", 0644, "chmod 640");
	told_of_keys("id\nsecret\n", 0660, "chmod 640");
	told_of_keys("id\n", 0600, "line 2 of");
	told_of_keys("", 0600, "line 1 of");
	told_of_keys("aws_key = id\n", 0600, "holds blanks");
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(puts_gets_and_overwrites),
		STORE_TEST(streams_of_all_sizes_come_back),
		STORE_TEST(writers_beside_each_other_do_not_mix),
		STORE_TEST(known_objects_are_not_read_again),
		STORE_TEST(urls_work_without_keys),
		STORE_TEST(urls_expire),
		STORE_TEST(copies_stand_by_themselves),
		STORE_TEST(copies_are_whole_and_of_now),
		STORE_TEST(copies_of_nothing_change_nothing),
		STORE_TEST(copies_where_links_are_refused),
		STORE_TEST(keys_do_not_escape),
		STORE_TEST(links_are_not_followed),
		STORE_TEST(awkward_keys_are_kept_exactly),
		STORE_TEST(keys_may_have_a_thousand_bytes),
		STORE_TEST(thousands_of_keys_are_listed_once),
		STORE_TEST(lists_stop_where_told),
		STORE_TEST(interrupted_put_leaves_nothing),
		STORE_TEST(batched_puts_are_seen_after_sync),
		STORE_TEST(revoked_attempt_changes_nothing),
		STORE_TEST(deleting_prunes_and_spares_the_rest),
		STORE_TEST(reads_begin_at_an_offset),
		STORE_TEST(cut_file_is_an_error_not_an_end),
		STORE_TEST(sweep_takes_old_parts_only),
		STORE_TEST(sweep_takes_old_directories_of_ours),
		STORE_TEST(names_come_once),
		cmocka_unit_test(bad_configuration_is_told),
		cmocka_unit_test(bad_key_files_are_told),
	};

	cmocka_set_test_filter(getenv("DAVIT_TEST_ONLY"));
	return cmocka_run_group_tests_name("store", tests, make_bucket, NULL);
}
