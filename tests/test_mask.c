#include "tests/unit.h"

#include <string.h>

#include "lib/buf.h"
#include "worker/mask.h"

/* Feed text in pieces of step bytes past the words. */
static void
expect(const char *const *words, const char *text, const char *wanted)
{
	size_t len = strlen(text);

	for (size_t step = 1; step <= len; step++) {
		struct mask *m = mask_new();
		struct buf out = BUF_INIT;

		for (const char *const *w = words; *w != NULL; w++)
			mask_add(m, *w);
		for (size_t at = 0; at < len; at += step)
			mask_feed(m, text + at,
			    len - at < step ? len - at : step, &out);
		mask_flush(m, &out);
		assert_string_equal(buf_str(&out), wanted);
		buf_clear(&out);
		mask_free(m);
	}
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
words_are_hidden_however_they_are_cut(void **state)
{
	expect(WORDS("secret"), "a secret, no: secretsecret!",
	    "a ***, no: ******!");
	expect(WORDS("secret"), "secre secretsecre", "secre ***secre");
	expect(WORDS("aaaaab"), "aaaaaaab", "aa***");
}

static void
the_longest_word_is_hidden_whole(void **state)
{
	expect(WORDS("secret", "secret-token"), "secret-token secret-t",
	    "*** ***-t");
	expect(WORDS("secret-token", "token-two!"), "secret-token-two!",
	    "***-two!");
}

static void
short_words_are_let_through(void **state)
{
	expect(WORDS("true", ""), "it is true", "it is true");
	expect(WORDS("abcdef"), "abcdef", "***");
}

static void
each_line_of_a_key_is_hidden(void **state)
{
	expect(WORDS("-----BEGIN\r\nMIIEow\n--\n"), "say MIIEow, -----BEGIN --",
	    "say ***, *** --");
}

static void
what_may_be_a_word_is_held_back(void **state)
{
	struct mask *m = mask_new();
	struct buf out = BUF_INIT;

	mask_add(m, "secret");
	mask_feed(m, "see", 3, &out);
	assert_string_equal(buf_str(&out), "see");
	mask_feed(m, " sec", 4, &out);
	assert_string_equal(buf_str(&out), "see ");
	mask_flush(m, &out);
	assert_string_equal(buf_str(&out), "see sec");
	buf_clear(&out);
	mask_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_hidden_however_they_are_cut),
		cmocka_unit_test(the_longest_word_is_hidden_whole),
		cmocka_unit_test(short_words_are_let_through),
		cmocka_unit_test(each_line_of_a_key_is_hidden),
		cmocka_unit_test(what_may_be_a_word_is_held_back),
	};

	return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
