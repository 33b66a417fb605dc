#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/name.h"
#include "worker/logcap.h"

static char *
tail_of(const char *log, size_t len)
{
	struct logcap *c = logcap_new(64 * 1024);
	struct buf out = BUF_INIT;
	char *tail;

	logcap_add(c, log, len, &out);
	tail = logcap_tail(c);
	buf_clear(&out);
	logcap_free(c);
	return tail;
}

static void
assert_tail(const char *log, const char *wanted)
{
	char *tail = tail_of(log, strlen(log));

	assert_string_equal(tail, wanted);
	free(tail);
}

/* n bytes of numbered lines, in pieces of step, through a cap of max. */
static void
pass_through(size_t max, size_t n, size_t step, struct buf *in,
    struct buf *out)
{
	struct logcap *c = logcap_new(max);

	for (int i = 0; in->len < n; i++)
		buf_addf(in, "line %d\n", i);
	for (size_t at = 0; at < in->len; at += step)
		logcap_add(c, in->data + at,
		    in->len - at < step ? in->len - at : step, out);
	logcap_end(c, out);
	logcap_free(c);
}

static void
short_log_passes_whole_and_at_once(void **state)
{
	struct logcap *c = logcap_new(4096);
	struct buf out = BUF_INIT;

	logcap_add(c, "one\n", 4, &out);
	assert_string_equal(buf_str(&out), "one\n");
	logcap_add(c, "two\n", 4, &out);
	assert_string_equal(buf_str(&out), "one\ntwo\n");
	logcap_end(c, &out);
	assert_string_equal(buf_str(&out), "one\ntwo\n");
	buf_clear(&out);
	logcap_free(c);
}

static void
log_over_half_is_whole_in_the_end(void **state)
{
	struct buf in = BUF_INIT, out = BUF_INIT;

	pass_through(4096, 3500, 100, &in, &out);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, in.data, in.len);
	buf_clear(&in);
	buf_clear(&out);
}

static void
long_log_keeps_head_and_tail_and_says_what_is_left_out(void **state)
{
	static const size_t steps[] = { 1, 7, 1000, 5000, 1000000 };

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct buf in = BUF_INIT, out = BUF_INIT;
		unsigned long long left;
		const char *mark;
		size_t tail;

		pass_through(4096, 50000, steps[i], &in, &out);
		assert_true(out.len <= 4096);
		assert_memory_equal(out.data, in.data, 2048);
		mark = strstr(buf_str(&out), "\n[davit: ");
		assert_ptr_equal(mark, out.data + 2048);
		assert_int_equal(sscanf(mark, "\n[davit: %llu bytes left out]",
				     &left), 1);
		mark = strchr(mark + 1, '\n') + 1;
		tail = out.len - (size_t)(mark - out.data);
		assert_int_equal(2048 + left + tail, in.len);
		assert_memory_equal(mark, in.data + in.len - tail, tail);
		buf_clear(&in);
		buf_clear(&out);
	}
}

static void
tail_of_nothing_is_nothing(void **state)
{
	assert_tail("", "");
	assert_tail("\n \n", "");
}

static void
tail_has_no_colours_nor_titles(void **state)
{
	assert_tail("\033[31;1mred\033[0m and \033]0;title\007plain\n",
	    "red and plain");
	assert_tail("a\033]8;;https://x\033\\link\033]8;;\033\\b", "alinkb");
	assert_tail("cut \033[3", "cut");
}

static void
tail_shows_progress_lines_as_a_terminal_does(void **state)
{
	assert_tail("10%\r50%\r100%\r\ndone\r\n", "100%\ndone");
	assert_tail("bell\a and \001control\n", "bell and control");
}

static void
tail_is_valid_utf8_without_nul(void **state)
{
	static const char bad[] = "caf\xc3\xa9 \xff\xfe \xe2\x82 \0 end";
	char *tail = tail_of(bad, sizeof(bad) - 1);

	assert_string_equal(tail, "caf\xc3\xa9    end");
	assert_true(name_is_text(tail, strlen(tail)));
	free(tail);
}

static void
long_tail_is_cut_at_a_line(void **state)
{
	struct buf log = BUF_INIT;
	char *tail;

	for (int i = 0; i < 5000; i++)
		buf_addf(&log, "this is line %d\n", i);
	tail = tail_of(log.data, log.len);
	assert_true(strlen(tail) <= LOG_TAIL_BYTES);
	assert_true(strlen(tail) > LOG_TAIL_BYTES - 40);
	assert_memory_equal(tail, "this is line ", 13);
	assert_string_equal(tail + strlen(tail) - 17, "this is line 4999");
	free(tail);
	buf_clear(&log);
}

static void
endless_line_is_cut_between_characters(void **state)
{
	struct buf log = BUF_INIT;
	char *tail;

	for (int i = 0; i < 9000; i++)
		buf_adds(&log, "\xe2\x82\xac");
	tail = tail_of(log.data, log.len);
	assert_true(strlen(tail) <= LOG_TAIL_BYTES);
	assert_true(strlen(tail) > LOG_TAIL_BYTES - 4);
	assert_memory_equal(tail, "\xe2\x82\xac", 3);
	assert_true(name_is_text(tail, strlen(tail)));
	free(tail);
	buf_clear(&log);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_log_passes_whole_and_at_once),
		cmocka_unit_test(log_over_half_is_whole_in_the_end),
		cmocka_unit_test(
		    long_log_keeps_head_and_tail_and_says_what_is_left_out),
		cmocka_unit_test(tail_of_nothing_is_nothing),
		cmocka_unit_test(tail_has_no_colours_nor_titles),
		cmocka_unit_test(tail_shows_progress_lines_as_a_terminal_does),
		cmocka_unit_test(tail_is_valid_utf8_without_nul),
		cmocka_unit_test(long_tail_is_cut_at_a_line),
		cmocka_unit_test(endless_line_is_cut_between_characters),
	};

	return cmocka_run_group_tests_name("logcap", tests, NULL, NULL);
}
