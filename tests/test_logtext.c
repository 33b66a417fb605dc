#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "worker/logtext.h"

#define BAD "\xef\xbf\xbd"

/* In pieces of step bytes, to its end. */
static char *
text_of(const char *log, size_t len, size_t step)
{
	struct logtext *t = logtext_new();
	struct buf out = BUF_INIT;

	for (size_t at = 0; at < len; at += step)
		logtext_add(t, log + at, len - at < step ? len - at : step,
		    &out);
	logtext_end(t, &out);
	logtext_free(t);
	buf_addc(&out, '\0');
	return buf_take(&out);
}

static void
assert_text(const char *log, const char *wanted)
{
	size_t len = strlen(log);

	for (size_t step = 1; step <= len; step++) {
		char *text = text_of(log, len, step);

		assert_string_equal(text, wanted);
		free(text);
	}
}

static void
lines_pass_as_they_are(void **state)
{
	assert_text("one\ntwo\n\nthree", "one\ntwo\n\nthree");
	assert_text("\x1b[31mred\x1b[0m\n", "\x1b[31mred\x1b[0m\n");
	assert_text("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2\n",
	    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2\n");
}

static void
carriage_return_and_newline_end_a_line(void **state)
{
	assert_text("one\r\ntwo\r\r\nthree\r\n", "one\ntwo\nthree\n");
}

static void
progress_leaves_its_last_state(void **state)
{
	assert_text("a\n10%\r50%\r100%\nb\n", "a\n100%\nb\n");
	assert_text("\r10%\r\x1b[K20%\r\n", "\x1b[K20%\n");
	assert_text("10%\r20%", "20%");
	assert_text("10%\r20%\r", "20%");
}

static void
bad_bytes_are_replaced(void **state)
{
	assert_text("a\xff\n", "a" BAD "\n");
	assert_text("\x80" "a\n", BAD "a\n");
	assert_text("\xc3\n", BAD "\n");
	assert_text("\xe2\x82", BAD);
	assert_text("\xe2\x82\xe2\x82\xac", BAD "\xe2\x82\xac");
	assert_text("\xc0\xaf", BAD BAD);		/* overlong */
	assert_text("\xe0\x9f\xbf", BAD BAD BAD);
	assert_text("\xed\xa0\x80", BAD BAD BAD);	/* a surrogate */
	assert_text("\xf4\x90\x80\x80", BAD BAD BAD BAD);
	assert_text("\xf5\xc3\xa9", BAD "\xc3\xa9");
}

static void
line_that_has_begun_can_be_flushed(void **state)
{
	struct logtext *t = logtext_new();
	struct buf out = BUF_INIT;

	logtext_add(t, "wait", 4, &out);
	assert_true(logtext_waits(t));
	assert_int_equal(out.len, 0);
	logtext_flush(t, &out);
	assert_string_equal(buf_str(&out), "wait");
	assert_false(logtext_waits(t));
	logtext_add(t, "ed\n", 3, &out);
	assert_string_equal(buf_str(&out), "waited\n");
	logtext_free(t);
	buf_clear(&out);
}

static void
what_was_flushed_is_drawn_over_on_a_new_line(void **state)
{
	struct logtext *t = logtext_new();
	struct buf out = BUF_INIT;

	logtext_add(t, "10%", 3, &out);
	logtext_flush(t, &out);
	logtext_add(t, "\r", 1, &out);
	assert_false(logtext_waits(t));
	logtext_add(t, "20%", 3, &out);
	assert_false(logtext_waits(t));
	logtext_add(t, "\r30%\n", 5, &out);
	assert_string_equal(buf_str(&out), "10%\n30%\n");
	logtext_free(t);
	buf_clear(&out);
}

static void
endless_line_is_not_kept(void **state)
{
	struct logtext *t = logtext_new();
	struct buf out = BUF_INIT;
	char piece[1000];

	memset(piece, 'x', sizeof(piece));
	for (int i = 0; i < 1000; i++)
		logtext_add(t, piece, sizeof(piece), &out);
	assert_true(out.len > 900 * 1000);
	logtext_end(t, &out);
	assert_int_equal(out.len, 1000 * 1000);
	logtext_free(t);
	buf_clear(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_pass_as_they_are),
		cmocka_unit_test(carriage_return_and_newline_end_a_line),
		cmocka_unit_test(progress_leaves_its_last_state),
		cmocka_unit_test(bad_bytes_are_replaced),
		cmocka_unit_test(line_that_has_begun_can_be_flushed),
		cmocka_unit_test(what_was_flushed_is_drawn_over_on_a_new_line),
		cmocka_unit_test(endless_line_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
