#include "tests/unit.h"

#include <string.h>

#include "fcgi/stamps.h"
#include "lib/buf.h"

#define FIRST "2023-11-14T22:13:20.000Z "
#define SECOND "2023-11-14T22:13:21.500Z "

static const char usual[] = "0 1700000000000;8 1700000001500;";

static void
assert_stamped(const char *index, const char *text, int64_t offset,
    char before, const char *wanted)
{
	struct buf out = BUF_INIT;

	stamps_add(index, text, strlen(text), offset, before, &out);
	assert_string_equal(buf_str(&out), wanted);
	buf_clear(&out);
}

static void
each_line_has_its_time(void **state)
{
	assert_stamped(usual, "one\ntwo\nthree\nfour", 0, '\n',
	    FIRST "one\n" FIRST "two\n" SECOND "three\n" SECOND "four");
	assert_stamped(usual, "", 0, '\n', "");
	assert_stamped(usual, "\n\n", 8, '\n', SECOND "\n" SECOND "\n");
}

static void
part_that_begins_within_a_line_has_none_before_it(void **state)
{
	assert_stamped(usual, "wo\nthree\n", 5, 't', "wo\n" SECOND "three\n");
	assert_stamped(usual, "three\n", 8, '\n', SECOND "three\n");
}

static void
line_that_came_in_pieces_has_the_time_of_its_first(void **state)
{
	assert_stamped("0 1700000000000;2 1700000001500;", "one\ntwo\n", 0,
	    '\n', FIRST "one\n" SECOND "two\n");
}

static void
damaged_index_is_believed_as_far_as_it_reads(void **state)
{
	assert_stamped("0 1700000000000;4 x;", "one\ntwo\n", 0, '\n',
	    FIRST "one\n" FIRST "two\n");
	assert_stamped("5 1700000000000;", "one\n", 0, '\n', FIRST "one\n");
	assert_stamped("", "one\n", 0, '\n', "one\n");
	assert_stamped("0 9223372036854775807;", "one\n", 0, '\n',
	    "1970-01-01T00:00:00.807Z one\n");
	assert_stamped("0 99999999999999999999999", "one\n", 0, '\n',
	    "one\n");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_has_its_time),
		cmocka_unit_test(
		    part_that_begins_within_a_line_has_none_before_it),
		cmocka_unit_test(
		    line_that_came_in_pieces_has_the_time_of_its_first),
		cmocka_unit_test(damaged_index_is_believed_as_far_as_it_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
