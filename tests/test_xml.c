#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/xml.h"

static struct xml
xml_of(const char *text)
{
	return (struct xml){ text, strlen(text) };
}

static void
assert_value(const char *text, const char *name, const char *wanted)
{
	char *got = xml_value(xml_of(text), name);

	if (wanted == NULL) {
		assert_null(got);
	} else {
		assert_non_null(got);
		assert_string_equal(got, wanted);
	}
	free(got);
}

static void
elements_are_found_in_order(void **state)
{
	struct xml x = xml_of("<R><C><K>a</K></C>\n<C x=\"1\"><K>b</K></C>"
			      "<C/><CC>no</CC></R>"), one;

	assert_true(xml_next(&x, "C", &one));
	assert_int_equal(one.len, strlen("<K>a</K>"));
	assert_true(xml_next(&x, "C", &one));
	assert_memory_equal(one.text, "<K>b</K>", one.len);
	assert_true(xml_next(&x, "C", &one));
	assert_int_equal(one.len, 0);
	assert_false(xml_next(&x, "C", &one));
}

static void
entities_become_what_they_mean(void **state)
{
	assert_value("<K>&lt;&gt;&amp;&quot;&apos;</K>", "K", "<>&\"'");
	assert_value("<K>&#65;&#x42;&#xe4;&#x20AC;&#x1F600;</K>", "K",
	    "AB\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_value("<K>&amp;amp;</K>", "K", "&amp;");
	assert_value("<K></K>", "K", "");
	assert_value("<K/>", "K", "");
}

static void
what_is_no_text_is_no_value(void **state)
{
	static const char *const bad[] = { "<K>&nbsp;</K>", "<K>&#0;</K>",
		"<K>&#xd800;</K>", "<K>&#x110000;</K>", "<K>&#;</K>",
		"<K>&#x;</K>", "<K>&#-1;</K>", "<K>&amp</K>", "<K>&</K>",
		"<K><a/></K>", "<K>open", "<K", "<", "", "<KK>x</KK>",
		"<K>x</KK>" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_value(bad[i], "K", NULL);
}

/* Memory ends where the document does. */
static void
nothing_is_read_behind_the_end(void **state)
{
	static const char whole[] =
	    "<?xml version=\"1.0\"?><R a=\"b\"><K>&#x41;x</K></R>";

	for (size_t len = 0; len < sizeof(whole); len++) {
		char *copy = malloc(len == 0 ? 1 : len);
		struct xml x = { copy, len }, one;

		memcpy(copy, whole, len);
		xml_is_root(x, "R");
		free(xml_value(x, "K"));
		while (xml_next(&x, "R", &one))
			continue;
		free(copy);
	}
}

static void
root_is_the_outermost_element(void **state)
{
	assert_true(xml_is_root(xml_of("<Error><Code/></Error>"), "Error"));
	assert_true(xml_is_root(xml_of(" \n<?xml?><!-- x -->\n<R>"), "R"));
	assert_false(xml_is_root(xml_of("<html><Error/></html>"), "Error"));
	assert_false(xml_is_root(xml_of("<Errors>"), "Error"));
	assert_false(xml_is_root(xml_of("Error"), "Error"));
	assert_false(xml_is_root(xml_of(""), "Error"));
}

static void
escaped_text_comes_back(void **state)
{
	static const char text[] = "a&b<c>\"d\"'e'\r\t\xc3\xa4";
	struct buf b = BUF_INIT;

	buf_adds(&b, "<K>");
	xml_escape(&b, text);
	buf_adds(&b, "</K>");
	assert_null(strchr(buf_str(&b) + 3, '"'));
	assert_value(buf_str(&b), "K", text);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_are_found_in_order),
		cmocka_unit_test(entities_become_what_they_mean),
		cmocka_unit_test(what_is_no_text_is_no_value),
		cmocka_unit_test(nothing_is_read_behind_the_end),
		cmocka_unit_test(root_is_the_outermost_element),
		cmocka_unit_test(escaped_text_comes_back),
	};

	return cmocka_run_group_tests_name("xml", tests, NULL, NULL);
}
