#include "tests/unit.h"

#include <errno.h>
#include <string.h>

#include "lib/err.h"

static void
words_go_in_front(void **state)
{
	struct err e;

	assert_int_equal(err_set(&e, ERR_REMOTE, "put %s: 503", "x"), -1);
	assert_int_equal(err_within(&e, "publish %s", "7f3a"), -1);
	assert_string_equal(e.msg, "publish 7f3a: put x: 503");
	assert_int_equal(e.code, ERR_REMOTE);
}

static void
errno_is_told(void **state)
{
	struct err e;

	errno = ENOENT;
	err_errno(&e, "open %s", "f");
	assert_int_equal(e.sys, ENOENT);
	assert_string_equal(e.msg, "open f: No such file or directory");
}

static void
long_message_is_cut_not_overrun(void **state)
{
	char big[2000];
	struct err e;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	err_set(&e, ERR_INVALID, "%s", big);
	err_within(&e, "%s", big);
	errno = EIO;
	err_errno(&e, "%s", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
}

static void
nobody_needs_to_care(void **state)
{
	assert_int_equal(err_set(NULL, ERR_INVALID, "x"), -1);
	assert_int_equal(err_errno(NULL, "x"), -1);
	assert_int_equal(err_within(NULL, "x"), -1);
}

static void
every_code_has_a_name_and_a_hint(void **state)
{
	for (int i = ERR_NONE + 1; i < ERR_NCODES; i++) {
		assert_int_equal(err_by_name(err_name(i)), i);
		assert_true(strlen(err_hint(i)) > 10);
	}
	assert_int_equal(err_by_name("no such"), ERR_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_go_in_front),
		cmocka_unit_test(errno_is_told),
		cmocka_unit_test(long_message_is_cut_not_overrun),
		cmocka_unit_test(nobody_needs_to_care),
		cmocka_unit_test(every_code_has_a_name_and_a_hint),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
