#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/json.h"

static struct json *
parse(const char *text)
{
	return json_parse(text, strlen(text), NULL);
}

static void
what_is_written_is_read_back(void **state)
{
	struct json *j = json_new_object(), *a = json_new_array(), *k;
	char *text;

	json_set_string(j, "s", "a\"\n\xc3\xa9/");
	json_set_int(j, "n", INT64_MAX);
	json_set_bool(j, "b", true);
	json_set_string(j, "none", NULL);
	json_append_string(a, "x");
	json_set(j, "a", a);
	text = json_text(j);
	assert_string_equal(text,
	    "{\"s\":\"a\\\"\\n\xc3\xa9/\",\"n\":9223372036854775807,"
	    "\"b\":true,\"a\":[\"x\"]}");
	k = parse(text);
	assert_string_equal(json_get_string(k, "s"), "a\"\n\xc3\xa9/");
	assert_true(json_get_int(k, "n", 0) == INT64_MAX);
	assert_true(json_get_bool(k, "b", false));
	assert_int_equal(json_count(json_get_array(k, "a")), 1);
	assert_null(json_at(json_get_array(k, "a"), 1));
	assert_int_equal(json_count(k), 0);
	assert_null(json_at(k, 0));
	assert_null(json_at(NULL, 0));
	assert_null(json_get_string(k, "n"));
	assert_null(json_get_object(k, "a"));
	free(text);
	json_free(j);
	json_free(k);
}

static void
every_character_is_read(void **state)
{
	static const char text[] = "\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80"
				   "\xe2\x82\xac\xef\xbf\xbf\xf0\x90\x80\x80"
				   "\xf0\x9f\x9a\xa2\xf4\x8f\xbf\xbf\\\\\xc3\xa9\"";
	struct json *j = parse(text);
	char *again;

	assert_non_null(j);
	again = json_text(j);
	assert_string_equal(again, text);
	free(again);
	json_free(j);
}

static void
bad_text_is_refused(void **state)
{
	static const char *const bad[] = { "", " ", "{", "{}x", "{} {}",
		 "[1,]", "nul", "{\"a\":01}", "\"\xff\"", "null",
		"{\"a\" 1}", "// x\n{}", "\"\xed\xa0\x80\"", "\"\\\xc3\xa9\"",
		"\xc3\xa9", "\"\xc3" };
	char deep[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i]) != NULL)
			fail_msg("accepted: %s", bad[i]);
	memset(deep, '[', 100);
	memset(deep + 100, ']', 99);
	deep[199] = '\0';
	assert_null(parse(deep));
	assert_null(json_parse("{}\0", 3, NULL));
}

static void
checked_fields_name_themselves(void **state)
{
	struct json *j = parse("{\"url\":7,\"nul\":\"a\\u0000b\",\"ok\":\"v\"}");
	static const char *const known[] = { "url", "nul", NULL };
	struct err e;
	const char *s;

	assert_int_equal(json_want_string(j, "url", true, 9, &s, &e), -1);
	assert_string_equal(e.msg, "url: a string is needed");
	assert_int_equal(json_want_string(j, "nul", true, 9, &s, &e), -1);
	assert_string_equal(e.msg, "nul: it holds a NUL");
	assert_int_equal(json_want_string(j, "gone", true, 9, &s, &e), -1);
	assert_string_equal(e.msg, "gone: it is missing");
	assert_int_equal(json_want_string(j, "gone", false, 9, &s, &e), 0);
	assert_null(s);
	assert_int_equal(json_want_string(j, "ok", true, 1, &s, &e), 0);
	assert_string_equal(s, "v");
	assert_int_equal(json_want_string(j, "ok", true, 0, &s, &e), -1);
	assert_int_equal(json_only(j, known, &e), -1);
	assert_string_equal(e.msg, "ok: no such field");
	assert_null(json_get_string(j, "nul"));
	json_free(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(every_character_is_read),
		cmocka_unit_test(bad_text_is_refused),
		cmocka_unit_test(checked_fields_name_themselves),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
