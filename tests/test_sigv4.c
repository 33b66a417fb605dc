/* Against AWS's published test suite and the examples of S3's manual. */
#include "tests/unit.h"

#include <string.h>

#include "lib/buf.h"
#include "lib/sigv4.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define N(array) (sizeof(array) / sizeof((array)[0]))

/* 2015-08-30 12:36:00 and 2013-05-24 00:00:00 UTC */
#define SUITE_TIME 1440938160
#define MANUAL_TIME 1369353600

static const struct sigv4_keys suite = { "AKIDEXAMPLE",
	"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service" };
static const struct sigv4_keys manual = { "AKIAIOSFODNN7EXAMPLE",
	"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3" };

/* The last 64 bytes of what sigv4_sign() adds are the signature. */
static void
assert_signature(const struct sigv4_keys *k, const struct sigv4_request *r,
    const char *wanted)
{
	struct buf b = BUF_INIT;

	sigv4_sign(&b, k, r);
	assert_true(b.len > 64);
	assert_string_equal(buf_str(&b) + b.len - 64, wanted);
	buf_clear(&b);
}

static void
suite_signs(const char *method, const char *path,
    const struct sigv4_pair *query, size_t nquery, const char *wanted)
{
	static const struct sigv4_pair headers[] = {
		{ "x-amz-date", "20150830T123600Z" },
		{ "host", "example.amazonaws.com" },
	};
	struct buf encoded = BUF_INIT, sorted = BUF_INIT;

	sigv4_path(&encoded, path);
	sigv4_query(&sorted, query, nquery);
	assert_signature(&suite,
	    &(struct sigv4_request){ .method = method,
		.path = buf_str(&encoded),
		.query = buf_str(&sorted),
		.headers = headers,
		.nheaders = N(headers),
		.payload = EMPTY,
		.time = SUITE_TIME },
	    wanted);
	buf_clear(&encoded);
	buf_clear(&sorted);
}

static void
vanilla_requests_of_the_suite(void **state)
{
	suite_signs("GET", "/", NULL, 0,
	    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	suite_signs("POST", "/", NULL, 0,
	    "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

static void
paths_of_the_suite_are_encoded(void **state)
{
	suite_signs("GET", "/\xe1\x88\xb4", NULL, 0,
	    "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
	suite_signs("GET", "/example space/", NULL, 0,
	    "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741");
	suite_signs("GET",
	    "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz",
	    NULL, 0,
	    "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f");
}

static void
queries_of_the_suite_are_sorted_and_encoded(void **state)
{
	static const struct sigv4_pair order[] = { { "Param2", "value2" },
		{ "Param1", "value1" } };
	static const struct sigv4_pair utf8[] = { { "\xe1\x88\xb4", "bar" } };

	suite_signs("GET", "/", order, 2,
	    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
	suite_signs("GET", "/", utf8, 1,
	    "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04");
}

static void
header_values_of_the_suite_are_collapsed(void **state)
{
	static const struct sigv4_pair headers[] = {
		{ "host", "example.amazonaws.com" },
		{ "my-header1", " value1 " },
		{ "my-header2", " \"a   b   c\"" },
		{ "x-amz-date", "20150830T123600Z" },
	};

	assert_signature(&suite,
	    &(struct sigv4_request){ .method = "GET",
		.path = "/",
		.query = "",
		.headers = headers,
		.nheaders = N(headers),
		.payload = EMPTY,
		.time = SUITE_TIME },
	    "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

/* host, x-amz-content-sha256 and x-amz-date, and one more. */
static void
manual_signs(const char *method, const char *path, const char *query,
    const char *payload, const struct sigv4_pair *more, size_t nmore,
    const char *wanted)
{
	struct sigv4_pair headers[8] = {
		{ "host", "examplebucket.s3.amazonaws.com" },
		{ "x-amz-content-sha256", payload },
		{ "x-amz-date", "20130524T000000Z" },
	};

	for (size_t i = 0; i < nmore; i++)
		headers[3 + i] = more[i];
	assert_signature(&manual,
	    &(struct sigv4_request){ .method = method,
		.path = path,
		.query = query,
		.headers = headers,
		.nheaders = 3 + nmore,
		.payload = payload,
		.time = MANUAL_TIME },
	    wanted);
}

static void
examples_of_the_s3_manual(void **state)
{
	static const struct sigv4_pair range[] = { { "range", "bytes=0-9" } };
	static const struct sigv4_pair put[] = {
		{ "date", "Fri, 24 May 2013 00:00:00 GMT" },
		{ "x-amz-storage-class", "REDUCED_REDUNDANCY" },
	};
	struct buf path = BUF_INIT;
	char hash[SIGV4_HASH_SIZE];

	manual_signs("GET", "/test.txt", "", EMPTY, range, N(range),
	    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	sigv4_hash("Welcome to Amazon S3.", 21, hash);
	sigv4_path(&path, "/test$file.text");
	manual_signs("PUT", buf_str(&path), "", hash, put, N(put),
	    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	manual_signs("GET", "/", "lifecycle=", EMPTY, NULL, 0,
	    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	manual_signs("GET", "/", "max-keys=2&prefix=J", EMPTY, NULL, 0,
	    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
	buf_clear(&path);
}

static void
authorization_names_scope_and_headers(void **state)
{
	static const struct sigv4_pair host[] = { { "host", "h" } };
	struct buf b = BUF_INIT;

	sigv4_sign(&b, &manual,
	    &(struct sigv4_request){ .method = "GET",
		.path = "/",
		.query = "",
		.headers = host,
		.nheaders = 1,
		.payload = SIGV4_UNSIGNED,
		.time = MANUAL_TIME });
	assert_memory_equal(buf_str(&b),
	    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
	    "us-east-1/s3/aws4_request,SignedHeaders=host,Signature=",
	    113);
	assert_null(strstr(buf_str(&b), manual.secret));
	buf_clear(&b);
}

/* "Authenticating Requests: Using Query Parameters". */
static void
example_of_a_signed_query(void **state)
{
	static const struct sigv4_pair host[] = { { "host",
	    "examplebucket.s3.amazonaws.com" } };
	struct buf b = BUF_INIT;

	sigv4_presign(&b, &manual,
	    &(struct sigv4_request){ .method = "GET",
		.path = "/test.txt",
		.headers = host,
		.nheaders = 1,
		.time = MANUAL_TIME },
	    NULL, 86400);
	assert_string_equal(buf_str(&b),
	    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
	    "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
	    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
	    "&X-Amz-SignedHeaders=host&X-Amz-Signature="
	    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
	buf_clear(&b);
}

/* The suite's "post-sts-header-before": the token is one of the headers. */
static void
session_token_of_the_suite_is_signed(void **state)
{
	static const struct sigv4_pair headers[] = {
		{ "host", "example.amazonaws.com" },
		{ "x-amz-date", "20150830T123600Z" },
		{ "x-amz-security-token",
		    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HI"
		    "Z8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwt"
		    "hAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKs"
		    "burEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVX"
		    "AkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FD"
		    "rypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
		},
	};

	assert_signature(&suite,
	    &(struct sigv4_request){ .method = "POST",
		.path = "/",
		.query = "",
		.headers = headers,
		.nheaders = N(headers),
		.payload = EMPTY,
		.time = SUITE_TIME },
	    "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
}

static void
queries_sort_by_encoded_name_then_value(void **state)
{
	static const struct sigv4_pair pairs[] = { { "uploads", "" },
		{ "a-b", "2" }, { "a", "z+ /" }, { "a", "=&" } };
	struct buf b = BUF_INIT;

	sigv4_query(&b, pairs, N(pairs));
	assert_string_equal(buf_str(&b),
	    "a=%3D%26&a=z%2B%20%2F&a-b=2&uploads=");
	buf_clear(&b);
}

static void
paths_keep_what_servers_would_squash(void **state)
{
	struct buf b = BUF_INIT;

	sigv4_path(&b, "/a b/./+%/\xc3\xa4//~");
	assert_string_equal(buf_str(&b), "/a%20b/./%2B%25/%C3%A4//~");
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vanilla_requests_of_the_suite),
		cmocka_unit_test(paths_of_the_suite_are_encoded),
		cmocka_unit_test(queries_of_the_suite_are_sorted_and_encoded),
		cmocka_unit_test(header_values_of_the_suite_are_collapsed),
		cmocka_unit_test(examples_of_the_s3_manual),
		cmocka_unit_test(authorization_names_scope_and_headers),
		cmocka_unit_test(example_of_a_signed_query),
		cmocka_unit_test(session_token_of_the_suite_is_signed),
		cmocka_unit_test(queries_sort_by_encoded_name_then_value),
		cmocka_unit_test(paths_keep_what_servers_would_squash),
	};

	return cmocka_run_group_tests_name("sigv4", tests, NULL, NULL);
}
