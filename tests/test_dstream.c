#include "tests/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "worker/dstream.h"

#define HELLO "\1\0\0\0\0\0\0\5hello"
#define OOPS "\2\0\0\0\0\0\0\4oops"
#define EMPTY "\1\0\0\0\0\0\0\0"

/* What came out, as "1hello2oops". */
struct seen {
	struct buf text;
	int last;
	size_t calls;
	size_t refuse_at;
};

static int
see(void *arg, enum dstream_which which, const char *data, size_t len,
    struct err *e)
{
	struct seen *seen = arg;

	if (len == 0)
		abort();
	if (++seen->calls == seen->refuse_at)
		return err_set(e, ERR_CANCELED, "enough");
	if (seen->last != (int)which)
		buf_addc(&seen->text, (char)('0' + which));
	seen->last = (int)which;
	buf_add(&seen->text, data, len);
	return 0;
}

/* Feed in pieces of step bytes. */
static int
feed(struct dstream *s, struct seen *seen, const char *data, size_t len,
    size_t step, struct err *e)
{
	dstream_init(s);
	memset(seen, 0, sizeof(*seen));
	seen->last = -1;
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		if (dstream_feed(s, data + at, n, see, seen, e) == -1)
			return -1;
	}
	return 0;
}

static void
frames_come_apart_however_they_are_cut(void **state)
{
	static const char stream[] = HELLO EMPTY OOPS HELLO;
	struct dstream s;
	struct seen seen;
	struct err e;

	for (size_t step = 1; step < sizeof(stream); step++) {
		assert_int_equal(feed(&s, &seen, stream, sizeof(stream) - 1,
				     step, &e), 0);
		assert_string_equal(buf_str(&seen.text), "1hello2oops1hello");
		assert_true(dstream_is_whole(&s));
		buf_clear(&seen.text);
	}
}

static void
a_cut_stream_is_seen(void **state)
{
	static const char stream[] = HELLO OOPS;
	struct dstream s;
	struct seen seen;
	struct err e;

	for (size_t len = 0; len < sizeof(stream); len++) {
		bool border = len == 0 || len == 13 || len == 25;

		assert_int_equal(feed(&s, &seen, stream, len, 7, &e), 0);
		assert_int_equal(dstream_is_whole(&s), border);
		buf_clear(&seen.text);
	}
}

static void
what_is_no_frame_is_the_engines_fault(void **state)
{
	static const char *const bad[] = { "\3\0\0\0\0\0\0\1x",
		"\1\1\0\0\0\0\0\1x", "\1\0\0\1\0\0\0\1x", "HTTP/1.1 500" };
	struct dstream s;
	struct seen seen;
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(feed(&s, &seen, bad[i], 9, 9, &e), -1);
		assert_int_equal(e.code, ERR_DOCKER);
		assert_int_equal(seen.calls, 0);
	}
}

static void
the_longest_frame_needs_no_memory(void **state)
{
	static const char head[] = "\2\0\0\0\xff\xff\xff\xff";
	char piece[4096];
	struct dstream s;
	struct seen seen;
	struct err e;

	memset(piece, 'x', sizeof(piece));
	assert_int_equal(feed(&s, &seen, head, 8, 8, &e), 0);
	assert_int_equal(dstream_feed(&s, piece, sizeof(piece), see, &seen, &e),
	    0);
	assert_int_equal(s.left, UINT32_MAX - sizeof(piece));
	buf_clear(&seen.text);
}

static void
the_sinks_word_stops_it(void **state)
{
	static const char stream[] = HELLO OOPS;
	struct dstream s;
	struct seen seen = { .refuse_at = 2 };
	struct err e;

	dstream_init(&s);
	assert_int_equal(dstream_feed(&s, stream, sizeof(stream) - 1, see,
			     &seen, &e), -1);
	assert_int_equal(e.code, ERR_CANCELED);
	buf_clear(&seen.text);
}

/* Any bytes: whole and one by one, the outcome is the same. */
static void
check_seed(const struct buf *b)
{
	struct dstream s;
	struct seen whole, single;
	int rc;

	rc = feed(&s, &whole, b->data, b->len, b->len + 1, NULL);
	assert_int_equal(feed(&s, &single, b->data, b->len, 1, NULL), rc);
	assert_int_equal(whole.text.len, single.text.len);
	assert_memory_equal(buf_str(&whole.text), buf_str(&single.text),
	    whole.text.len);
	buf_clear(&whole.text);
	buf_clear(&single.text);
}

static void
every_seed_gives_the_same_whole_and_in_bytes(void **state)
{
	const char *top = getenv("top_srcdir");
	struct dirent *d;
	char path[4096];
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/tests/seeds/dstream",
	    top == NULL ? "." : top);
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir)) != NULL) {
		struct buf b = BUF_INIT;

		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/tests/seeds/dstream/%s",
		    top == NULL ? "." : top, d->d_name);
		assert_int_equal(fdio_slurp_file(path, 1 << 20, &b, NULL), 0);
		check_seed(&b);
		buf_clear(&b);
		n++;
	}
	closedir(dir);
	assert_true(n >= 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_apart_however_they_are_cut),
		cmocka_unit_test(a_cut_stream_is_seen),
		cmocka_unit_test(what_is_no_frame_is_the_engines_fault),
		cmocka_unit_test(the_longest_frame_needs_no_memory),
		cmocka_unit_test(the_sinks_word_stops_it),
		cmocka_unit_test(every_seed_gives_the_same_whole_and_in_bytes),
	};

	return cmocka_run_group_tests_name("dstream", tests, NULL, NULL);
}
