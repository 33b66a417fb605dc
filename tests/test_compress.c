#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/buf.h"
#include "lib/compress.h"

static void
gzip_gives_back_what_it_was_given(void **state)
{
	char text[5000], back[5000];
	struct buf out = BUF_INIT, again = BUF_INIT;
	z_stream z = { 0 };

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "davit lowers a repository to the web\n"[i % 37];
	assert_true(compress_gzip(text, sizeof(text), &out));
	assert_true(out.len < 200);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (Bytef *)out.data;
	z.avail_in = (uInt)out.len;
	z.next_out = (Bytef *)back;
	z.avail_out = sizeof(back);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, sizeof(text));
	assert_memory_equal(text, back, sizeof(text));
	inflateEnd(&z);
	assert_true(compress_gzip(text, sizeof(text), &again));
	assert_int_equal(out.len, again.len);
	assert_memory_equal(out.data, again.data, out.len);
	buf_clear(&out);
	buf_clear(&again);
}

/* What no code makes smaller. */
static void
what_would_not_be_smaller_is_left(void **state)
{
	unsigned char noise[2000];
	unsigned int seed = 1;
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >>
		    23);
	assert_false(compress_gzip(noise, sizeof(noise), &out));
	assert_false(compress_brotli(noise, sizeof(noise), &out));
	assert_false(compress_gzip("", 0, &out));
	assert_false(compress_brotli("x", 1, &out));
	assert_int_equal(out.len, 0);
	buf_clear(&out);
}

static void
brotli_is_smaller_than_gzip(void **state)
{
	char text[5000];
	struct buf br = BUF_INIT, gz = BUF_INIT;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "<p class=\"a\">a site of files</p>\n"[i % 33];
	assert_true(compress_gzip(text, sizeof(text), &gz));
#ifdef HAVE_BROTLI
	assert_true(compress_brotli(text, sizeof(text), &br));
	assert_true(br.len < gz.len);
#else
	assert_false(compress_brotli(text, sizeof(text), &br));
#endif
	buf_clear(&br);
	buf_clear(&gz);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_gives_back_what_it_was_given),
		cmocka_unit_test(what_would_not_be_smaller_is_left),
		cmocka_unit_test(brotli_is_smaller_than_gzip),
	};

	return cmocka_run_group_tests_name("compress", tests, NULL, NULL);
}
