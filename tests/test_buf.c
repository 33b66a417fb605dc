#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

static void
grows_and_stays_a_string(void **state)
{
	struct buf b = BUF_INIT;
	size_t total = 0;

	assert_string_equal(buf_str(&b), "");
	for (int i = 0; i < 1000; i++) {
		buf_addf(&b, "%d,", i);
		buf_addc(&b, ' ');
	}
	total = b.len;
	assert_int_equal(strlen(buf_str(&b)), total);
	buf_clear(&b);
}

static void
drops_from_the_front(void **state)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "hello world");
	buf_drop(&b, 6);
	assert_string_equal(buf_str(&b), "world");
	buf_drop(&b, 5);
	buf_drop(&b, 0);
	assert_string_equal(buf_str(&b), "");
	buf_clear(&b);
}

static void
keeps_nul_bytes(void **state)
{
	struct buf b = BUF_INIT;

	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
	buf_clear(&b);
}

static void
taken_contents_are_the_callers(void **state)
{
	struct buf b = BUF_INIT;
	char *s;

	s = buf_take(&b);
	assert_string_equal(s, "");
	free(s);
	buf_adds(&b, "x");
	s = buf_take(&b);
	assert_string_equal(s, "x");
	assert_int_equal(b.len, 0);
	free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_a_string),
		cmocka_unit_test(drops_from_the_front),
		cmocka_unit_test(keeps_nul_bytes),
		cmocka_unit_test(taken_contents_are_the_callers),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
