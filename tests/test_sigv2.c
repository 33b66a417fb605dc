/* Against S3's manual of 2006, "Signing and Authenticating REST Requests": the
 * one of its examples that signs x-amz-date, as we do. */
#include "tests/unit.h"

#include <string.h>

#include "lib/buf.h"
#include "lib/sigv2.h"

#define ID "0PN5J17HBGZHT7JJ3X82"
#define SECRET "uV3F3YluFJax1cknvbcGwgjvx4QpvB+leU8dUj2o"

static void
assert_signs(const struct sigv2_request *r, const char *wanted)
{
	struct buf b = BUF_INIT;

	sigv2_sign(&b, ID, SECRET, r);
	assert_string_equal(buf_str(&b), wanted);
	assert_null(strstr(buf_str(&b), SECRET));
	buf_clear(&b);
}

static void
example_of_the_manual(void **state)
{
	assert_signs(&(struct sigv2_request){ .method = "DELETE",
			 .type = "",
			 .date = "Tue, 27 Mar 2007 21:20:26 +0000",
			 .bucket = "johnsmith",
			 .path = "/photos/puppy.jpg" },
	    "AWS " ID ":k3nL7gH3+PadhTEVn5Ip83xlYzk=");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_of_the_manual),
	};

	return cmocka_run_group_tests_name("sigv2", tests, NULL, NULL);
}
