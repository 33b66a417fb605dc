#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/toml.h"

static const char sample[] =
    "# of a site\n"
    "title = \"a \\\"b\\\" \\u00e9\" # it is\r\n"
    "[build]\n"
    "  command = 'npm run build'\n"
    "  publish=\"dist\"\n"
    "  \"odd key\".x = 1_000\n"
    "  environment = { NODE_VERSION = \"20\", CI = true }\n"
    "[[redirects]]\n"
    "from = \"/*\"\n"
    "status = 200\n"
    "[redirects.headers]\n"
    "X = '''\n"
    "two\n"
    "lines'''\n"
    "[[redirects]]\n"
    "from = \"/b\"\n"
    "when = 1979-05-27T07:32:00Z\n"
    "list = [ 1, -2,\n"
    "  # a comment\n"
    "  [ \"x\" ], ]\n"
    "[context.production.environment]\n"
    "long = \"\"\"a \\\n"
    "   b\"\"\"\n"
    "pi = 3.14\n";

static struct json *
parse(const char *text)
{
	return toml_parse(text, strlen(text), NULL);
}

static void
what_it_says_comes_as_json(void **state)
{
	struct json *j = parse(sample);
	char *text;

	assert_non_null(j);
	text = json_text(j);
	assert_string_equal(text,
	    "{\"title\":\"a \\\"b\\\" \xc3\xa9\",\"build\":{"
	    "\"command\":\"npm run build\",\"publish\":\"dist\","
	    "\"odd key\":{\"x\":1000},"
	    "\"environment\":{\"NODE_VERSION\":\"20\",\"CI\":true}},"
	    "\"redirects\":[{\"from\":\"/*\",\"status\":200,"
	    "\"headers\":{\"X\":\"two\\nlines\"}},{\"from\":\"/b\","
	    "\"when\":\"1979-05-27T07:32:00Z\",\"list\":[1,-2,[\"x\"]]}],"
	    "\"context\":{\"production\":{\"environment\":{"
	    "\"long\":\"a b\",\"pi\":\"3.14\"}}}}");
	free(text);
	json_free(j);
	j = parse("");
	assert_non_null(j);
	json_free(j);
}

static void
expect_error(const char *text, const char *words)
{
	struct err e;

	assert_null(toml_parse(text, strlen(text), &e));
	assert_int_equal(e.code, ERR_INVALID);
	if (strstr(e.msg, words) == NULL)
		print_error("'%s': %s\n", text, e.msg);
	assert_non_null(strstr(e.msg, words));
}

static void
what_is_wrong_is_told_by_its_line(void **state)
{
	expect_error("a = 1\nb\n", "line 2: '=' is needed");
	expect_error("a = b", "line 1: a value is needed");
	expect_error("a =", "a value is needed");
	expect_error("a = 1\na = 2", "line 2: 'a' is there twice");
	expect_error("a = 'x", "does not end");
	expect_error("a = 'x\n'", "does not end");
	expect_error("a = \"\\x\"", "a bad escape");
	expect_error("a = \"\\u0000\"", "no character");
	expect_error("a = \"\\ud800\"", "no character");
	expect_error("a = \"\\u12\"", "hex digits");
	expect_error("a = 1 2", "behind its end");
	expect_error("a = [1 2]", "',' or ']'");
	expect_error("a = { b = 1", "',' or '}'");
	expect_error("a = 1\n[a.b]", "'a' is no table");
	expect_error("a = [1]\n[a.b]", "'a' is no table");
	expect_error("[a]\n[[a]]", "no array of tables");
	expect_error("[a", "']' is needed");
	expect_error("[]", "a key is needed");
	expect_error("= 1", "a key is needed");
	expect_error("a = '\x01'", "not text");
	expect_error("a = '\xff'", "not text");
	assert_null(toml_parse("a = 1\0b = 2", 11, NULL));
}

static char *
repeat(const char *text, size_t n)
{
	size_t len = strlen(text);
	char *all = xmalloc(n * len + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(all + i * len, text, len);
	all[n * len] = '\0';
	return all;
}

static void
nesting_is_bounded(void **state)
{
	char *arrays = repeat("[", 100000), *keys = repeat("a.", 100000);
	char *tables = repeat("{a=", 100000);
	char *text = xasprintf("a = %s", arrays);

	expect_error(text, "too deeply");
	free(text);
	text = xasprintf("a = %s", tables);
	expect_error(text, "too deeply");
	expect_error(keys, "too deeply");
	free(text);
	free(arrays);
	free(keys);
	free(tables);
}

/* Each text that is cut short or has a byte changed ends in a value or an
 * error. */
static void
any_text_has_an_end(void **state)
{
	static const char odd[] = "\"'[]{}=#.,\\\n\xff";
	size_t len = strlen(sample);

	for (size_t i = 0; i <= len; i++) {
		char *text = xstrndup(sample, len);

		json_free(toml_parse(text, i, NULL));
		for (size_t k = 0; i < len && k < sizeof(odd); k++) {
			text[i] = odd[k];
			json_free(toml_parse(text, len, NULL));
		}
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_says_comes_as_json),
		cmocka_unit_test(what_is_wrong_is_told_by_its_line),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(any_text_has_an_end),
	};

	return cmocka_run_group_tests_name("toml", tests, NULL, NULL);
}
