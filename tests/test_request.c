#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/condition.h"
#include "fcgi/request.h"
#include "lib/err.h"
#include "tests/fake_request.h"

/* Read a GET of that URI; the error's code. */
static enum err_code
read_uri(const char *uri, struct request *r)
{
	static struct fake_request fake;
	static const struct request_source source = FAKE_SOURCE(&fake);
	struct err e = { ERR_NONE, 0, "" };

	memset(&fake, 0, sizeof(fake));
	fake.variables[0] = "REQUEST_METHOD";
	fake.variables[1] = "GET";
	fake.variables[2] = "REQUEST_URI";
	fake.variables[3] = uri;
	return request_init(r, &source, &e) == 0 ? ERR_NONE : e.code;
}

static void
expect_path(const char *uri, const char *path)
{
	struct request r;

	assert_int_equal(read_uri(uri, &r), ERR_NONE);
	assert_string_equal(r.path, path);
	request_clear(&r);
}

static void
expect_refused(const char *uri, enum err_code code)
{
	struct request r;
	enum err_code got = read_uri(uri, &r);

	if (got != code)
		fail_msg("%s: %s", uri, err_name(got));
	request_clear(&r);
}

static void
paths_are_decoded(void **state)
{
	expect_path("/", "/");
	expect_path("/status/abc?x=1", "/status/abc");
	expect_path("/a%20b/%c3%a9.txt", "/a b/\xc3\xa9.txt");
	expect_path("/docs/", "/docs/");
	expect_path("/a+b", "/a+b");
	expect_path("/a%3Fb%23c", "/a?b#c");
	expect_path("/%2541", "/%41");
}

static void
hostile_paths_are_refused(void **state)
{
	expect_refused("/..", ERR_INVALID);
	expect_refused("/a/../b", ERR_INVALID);
	expect_refused("/a/%2e%2E/b", ERR_INVALID);
	expect_refused("/a/.", ERR_INVALID);
	expect_refused("//evil.org", ERR_INVALID);
	expect_refused("/a//b", ERR_INVALID);
	expect_refused("/a//", ERR_INVALID);
	expect_refused("//", ERR_INVALID);
	expect_refused("/a%00b", ERR_INVALID);
	expect_refused("/a%0ab", ERR_INVALID);
	expect_refused("/a%5cb", ERR_INVALID);
	expect_refused("/a%", ERR_INVALID);
	expect_refused("/a%4", ERR_INVALID);
	expect_refused("/a%zz", ERR_INVALID);
	expect_refused("/%ff", ERR_INVALID);
	expect_refused("", ERR_INVALID);
	expect_refused(NULL, ERR_INVALID);
	expect_refused("*", ERR_INVALID);
	expect_refused("http://host/", ERR_INVALID);
	expect_refused("/a%2fb", ERR_NOTFOUND);
	expect_refused("/..%2F..%2Fetc/passwd", ERR_NOTFOUND);
}

static void
long_ones_are_refused(void **state)
{
	char uri[REQUEST_MAX_VARIABLE + 3];

	memset(uri, 'a', sizeof(uri));
	uri[0] = '/';
	uri[sizeof(uri) - 1] = '\0';
	expect_refused(uri, ERR_INVALID);
	uri[300] = '\0';
	expect_refused(uri, ERR_INVALID);
	uri[200] = '/';
	expect_path(uri, uri);
}

static void
query_is_decoded(void **state)
{
	struct request r;
	struct err e;
	int64_t n = 7;

	assert_int_equal(
	    read_uri("/log/x?offset=12&&a%26b=c+d%3d&empty=&bare", &r),
	    ERR_NONE);
	assert_int_equal(r.nparams, 4);
	assert_string_equal(request_param(&r, "a&b"), "c d=");
	assert_string_equal(request_param(&r, "empty"), "");
	assert_string_equal(request_param(&r, "bare"), "");
	assert_null(request_param(&r, "off"));
	assert_int_equal(request_number(&r, "offset", 0, 100, &n, &e), 0);
	assert_int_equal(n, 12);
	assert_int_equal(request_number(&r, "none", 0, 100, &n, &e), 0);
	assert_int_equal(n, 12);
	assert_int_equal(request_number(&r, "offset", 0, 11, &n, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(request_number(&r, "empty", 0, 11, &n, &e), -1);
	request_clear(&r);
}

static void
hostile_queries_are_refused(void **state)
{
	char many[200] = "/?";

	expect_refused("/?a=%00", ERR_INVALID);
	expect_refused("/?%0d%0aX=1", ERR_INVALID);
	expect_refused("/?a=%f", ERR_INVALID);
	for (int i = 0; i <= REQUEST_MAX_PARAMS; i++)
		strcat(many, "a=b&");
	expect_refused(many, ERR_INVALID);
}

/* POST len bytes; the error's code. */
static enum err_code
read_bytes(size_t len, int broken, struct request *r)
{
	static struct fake_request fake;
	static const struct request_source source = FAKE_SOURCE(&fake);
	struct err e = { ERR_NONE, 0, "" };
	char *bytes = calloc(1, len + 1);
	int rc;

	memset(&fake, 0, sizeof(fake));
	fake.variables[0] = "REQUEST_METHOD";
	fake.variables[1] = "POST";
	fake.variables[2] = "REQUEST_URI";
	fake.variables[3] = "/get/url";
	fake.body = bytes;
	fake.len = len;
	fake.broken = broken;
	rc = request_init(r, &source, &e);
	if (rc == 0)
		assert_memory_equal(r->body.data, bytes, len);
	assert_int_equal(fake.len, 0);
	free(bytes);
	return rc == 0 ? ERR_NONE : e.code;
}

static void
body_is_read_to_its_bound(void **state)
{
	struct request r;

	assert_int_equal(read_bytes(BODY_MAX_BYTES, 0, &r), ERR_NONE);
	assert_int_equal(r.body.len, BODY_MAX_BYTES);
	request_clear(&r);
	assert_int_equal(read_bytes(BODY_MAX_BYTES + 1, 0, &r), ERR_TOOBIG);
	assert_true(r.body.len <= BODY_MAX_BYTES);
	assert_int_equal(r.method, METHOD_POST);
	request_clear(&r);
	/* read whole all the same, or the answer does not get through */
	assert_int_equal(read_bytes(3000000, 0, &r), ERR_TOOBIG);
	request_clear(&r);
	assert_int_equal(read_bytes(100, 1, &r), ERR_INVALID);
	assert_true(r.gone);
	request_clear(&r);
}

static void
streamed_body_is_the_handlers(void **state)
{
	struct fake_request fake = { { "REQUEST_METHOD", "PUT", "REQUEST_URI",
		"/get/tar?dir=a" }, "0123456789", 10, 1 };
	const struct request_source source = { fake_variable, fake_body,
		&fake, "/get/tar" };
	struct request r;
	struct err e;
	char data[8];

	assert_int_equal(request_init(&r, &source, &e), 0);
	assert_int_equal(r.method, METHOD_PUT);
	assert_true(r.streamed);
	assert_int_equal(fake.len, 10);
	assert_string_equal(request_param(&r, "dir"), "a");
	assert_int_equal(request_read(&r, data, 8, &e), 8);
	assert_int_equal(request_read(&r, data, 8, &e), 2);
	assert_int_equal(request_read(&r, data, 8, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_true(r.gone);
	request_drain(&r);
	request_clear(&r);
}

static void
etags_are_compared(void **state)
{
	char etag[CONDITION_ETAG_SIZE], big[CONDITION_ETAG_SIZE];

	condition_etag_of(etag, "abc", 3);
	assert_string_equal(etag, "\"ba7816bf8f01cfea414140de5dae2223\"");
	assert_true(condition_has(etag, etag));
	assert_true(condition_has("*", etag));
	assert_true(condition_has("\"x\", W/\"ba7816bf8f01cfea414140de5dae2223"
				  "\"", etag));
	assert_true(condition_has("\"ba7816bf8f01cfea414140de5dae2223-gzip\"",
	    etag));
	assert_false(condition_has(NULL, etag));
	assert_false(condition_has("", etag));
	assert_false(condition_has("\"ba7816bf\"", etag));
	assert_false(condition_has("ba7816bf8f01cfea414140de5dae2223", etag));
	assert_false(condition_has("\"ba7816bf8f01cfea414140de5dae2223", etag));
	condition_etag_of(big, "abd", 3);
	assert_false(condition_has(big, etag));
}

static void
expect_range(const char *range, enum condition_range kind, int from, int to)
{
	int64_t a = -1, b = -1;

	if (condition_range(range, NULL, "\"e\"", 100, &a, &b) != kind)
		fail_msg("%s", range == NULL ? "none" : range);
	if (kind == RANGE_PART) {
		assert_int_equal(a, from);
		assert_int_equal(b, to);
	}
}

static void
ranges_are_understood(void **state)
{
	int64_t a, b;

	expect_range("bytes=0-0", RANGE_PART, 0, 1);
	expect_range("bytes=10-19", RANGE_PART, 10, 20);
	expect_range("bytes=90-", RANGE_PART, 90, 100);
	expect_range("bytes=-10", RANGE_PART, 90, 100);
	expect_range("bytes=-1000", RANGE_PART, 0, 100);
	expect_range("bytes=99-9223372036854775807", RANGE_PART, 99, 100);
	expect_range("bytes=100-", RANGE_BEYOND, 0, 0);
	expect_range("bytes=-0", RANGE_BEYOND, 0, 0);
	expect_range(NULL, RANGE_ALL, 0, 0);
	expect_range("bytes=", RANGE_ALL, 0, 0);
	expect_range("bytes=-", RANGE_ALL, 0, 0);
	expect_range("bytes=5-4", RANGE_ALL, 0, 0);
	expect_range("bytes=0-1,3-4", RANGE_ALL, 0, 0);
	expect_range("bytes=+1-2", RANGE_ALL, 0, 0);
	expect_range("bytes=1-2x", RANGE_ALL, 0, 0);
	expect_range("bytes=99999999999999999999-", RANGE_ALL, 0, 0);
	expect_range("lines=1-2", RANGE_ALL, 0, 0);
	assert_int_equal(condition_range("bytes=0-0", "\"e\"", "\"e\"", 1, &a,
	    &b), RANGE_PART);
	assert_int_equal(condition_range("bytes=0-0", "\"f\"", "\"e\"", 1, &a,
	    &b), RANGE_ALL);
	assert_int_equal(condition_range("bytes=0-", NULL, "\"e\"", 0, &a, &b),
	    RANGE_BEYOND);
}

static void
encodings_are_chosen(void **state)
{
	static const char *const taken[] = { "br", "gzip, br", "BR;q=0.1",
		"br ; q=1", "gzip;q=0,br", " br", "br;q=0.01", "br;x=1" };
	static const char *const refused[] = { "", "brx", "xbr", "gzip",
		"br;q=0", "br; q=0.0", "br ;q=0.000 , gzip", "*" };
	char etag[CONDITION_ETAG_SIZE];

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (!condition_takes(taken[i], "br"))
			fail_msg("'%s'", taken[i]);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (condition_takes(refused[i], "br"))
			fail_msg("'%s'", refused[i]);
	assert_false(condition_takes(NULL, "br"));
	condition_etag_of(etag, "abc", 3);
	condition_etag_form(etag, "gzip");
	assert_string_equal(etag,
	    "\"ba7816bf8f01cfea414140de5dae2223-gzip\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_decoded),
		cmocka_unit_test(hostile_paths_are_refused),
		cmocka_unit_test(long_ones_are_refused),
		cmocka_unit_test(query_is_decoded),
		cmocka_unit_test(hostile_queries_are_refused),
		cmocka_unit_test(body_is_read_to_its_bound),
		cmocka_unit_test(streamed_body_is_the_handlers),
		cmocka_unit_test(etags_are_compared),
		cmocka_unit_test(ranges_are_understood),
		cmocka_unit_test(encodings_are_chosen),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
