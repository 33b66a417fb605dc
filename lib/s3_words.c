#include "lib/s3.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/xml.h"

/* A table of codes, because a code is all that tells who can mend it. */
static const struct {
	const char *code;
	const char *cure;
} cures[] = {
	{ "SignatureDoesNotMatch",
	    "the second line of store_keys is not this access key's secret" },
	{ "InvalidAccessKeyId",
	    "the server knows no such access key: see the first line of "
	    "store_keys" },
	{ "InvalidToken", "renew the file that s3_token names" },
	{ "ExpiredToken", "renew the file that s3_token names" },
	{ "AccessDenied",
	    "let the access key of store_keys list the bucket, and read, "
	    "write and delete in it" },
	{ "AllAccessDisabled", "the bucket has been closed by its owner" },
	{ "NoSuchBucket", "make the bucket, or correct its name in 'store'" },
	{ "InvalidBucketName", "correct the bucket's name in 'store'" },
	{ "PermanentRedirect",
	    "the bucket is elsewhere: correct s3_region and 'store'" },
	{ "TemporaryRedirect",
	    "the bucket is elsewhere: correct s3_region and 'store'" },
	{ "AuthorizationHeaderMalformed",
	    "set s3_region to the bucket's region" },
	{ "AuthorizationQueryParametersError",
	    "set s3_region to the bucket's region" },
	{ "RequestTimeTooSkewed",
	    "set this machine's clock: it and the server's differ by too "
	    "much" },
	{ "RequestExpired",
	    "set this machine's clock: it and the server's differ by too "
	    "much" },
	{ "QuotaExceeded", "the store is full: make room, or raise its quota" },
	{ "InsufficientStorage", "the server's disk is full: make room there" },
	{ "XMinioStorageFull", "the server's disk is full: make room there" },
	{ "EntityTooLarge", "the server takes no object of that size" },
	{ "NotImplemented", "the server lacks this operation" },
	{ "MethodNotAllowed", "is this address that of an S3 server?" },
	{ "SlowDown", "the server is overloaded; try again later" },
	/* Swift's word for a disk without room, too */
	{ "ServiceUnavailable",
	    "the server is overloaded, or its disk is full: look there, try "
	    "again later" },
	{ "InternalError", "a fault of the server; try again later" },
};

/* A server that drips slower than this is as good as dead: nothing else ends
 * an answer that never stalls for long enough.  Small ones get two s3_timeouts
 * in all. */
#define DRIP_BYTES_PER_S (64 * 1024)

/* An attempt waits between half of and all of 0.2, 0.4, 0.8, … s: 6 s in all
 * for what fails at once.  What timed out has cost enough for one more. */
#define ATTEMPTS 6
#define ATTEMPTS_TIMEOUT 2
#define DELAY_MS 200

/* Codes that pass, whatever status they come with. */
static const char *const passing[] = { "RequestTimeout", "SlowDown",
	"InternalError", "ServiceUnavailable", "BadDigest", "IncompleteBody",
	"XAmzContentSHA256Mismatch", "OperationAborted" };

static struct xml
document(const struct http_answer *a)
{
	if (a->body == NULL)
		return (struct xml){ "", 0 };
	return (struct xml){ buf_str(a->body), a->body->len };
}

/* The code of an S3 error; owned; NULL where the answer holds none. */
static char *
error_code(const struct http_answer *a)
{
	struct xml x = document(a);
	char *code;

	if (!xml_is_root(x, "Error"))
		return NULL;
	code = xml_value(x, "Code");
	if (code == NULL || (code[0] != '\0' && strlen(code) <= 64))
		return code;
	free(code);
	return NULL;
}

/* May the same request succeed when it is sent again? */
static bool
is_passing(const struct http_answer *a)
{
	char *code = error_code(a);
	bool yes = false;

	for (size_t i = 0; code != NULL && !yes &&
	     i < sizeof(passing) / sizeof(passing[0]); i++)
		yes = strcmp(code, passing[i]) == 0;
	free(code);
	return yes || a->status == 408 || a->status == 429 ||
	    a->status == 500 || a->status == 502 || a->status == 503 ||
	    a->status == 504;
}

static const char *
cure_of(const char *code, long status)
{
	for (size_t i = 0; i < sizeof(cures) / sizeof(cures[0]); i++)
		if (strcmp(code, cures[i].code) == 0)
			return cures[i].cure;
	return status == 507 ? "the server's disk is full: make room there"
			     : NULL;
}

/* Answers to HEAD, and those of proxies, hold no S3 error.  A 404 without one
 * is no proof that an object is gone: each server tells NoSuchKey to a GET. */
static int
explain_status(const struct http_answer *a, struct err *e)
{
	long n = a->status;

	if (n >= 300 && n < 400)
		return err_set(e, ERR_STORE,
		    "status %ld: the bucket is elsewhere%s%.*s: correct "
		    "s3_region and 'store'", n,
		    a->location == NULL ? "" : ", at ", HTTP_QUOTE_MAX_BYTES,
		    a->location == NULL ? "" : a->location);
	if (n == 403)
		return err_set(e, ERR_STORE,
		    "status 403: the keys of store_keys are wrong, or may not "
		    "do this in the bucket");
	if (n == 507)
		return err_set(e, ERR_STORE,
		    "status 507: the server's disk is full: make room there");
	return err_set(e, ERR_STORE,
	    "status %ld without an S3 error: is this address that of an S3 "
	    "server, and is it healthy?", n);
}

/* Missing rights are told from other failures, as a directory's are. */
static int
note_refusal(const struct http_answer *a, struct err *e)
{
	if (e != NULL && a->status == 403)
		e->sys = EACCES;
	return -1;
}

int
s3_explain(const struct http_answer *a, struct err *e)
{
	struct xml x = document(a);
	char *code = error_code(a), *message, *region;
	const char *cure;
	size_t len;

	if (code == NULL) {
		explain_status(a, e);
		return note_refusal(a, e);
	}
	message = xml_value(x, "Message");
	region = xml_value(x, "Region");
	cure = cure_of(code, a->status);
	len = message == NULL ? 0 : strnlen(message, HTTP_QUOTE_MAX_BYTES);
	if (len > 0 && message[len - 1] == '.')
		len--;
	err_set(e, ERR_STORE, "%s: %.*s%s%s%s%.64s%s", code,
	    (int)len, message == NULL ? "" : message,
	    cure == NULL ? "" : ": ", cure == NULL ? "" : cure,
	    region == NULL ? "" : " (it is in ",
	    region == NULL ? "" : region, region == NULL ? "" : ")");
	if (strcmp(code, "NoSuchKey") == 0 || strcmp(code, "NoSuchUpload") == 0)
		err_recode(e, ERR_NOTFOUND);
	free(code);
	free(message);
	free(region);
	return note_refusal(a, e);
}

/* ---- attempts ---- */

/* Half of the delay, and a random part of the other half, so that many who
 * failed together do not come back together. */
int64_t
s3_delay_ms(int attempts)
{
	int64_t half = (DELAY_MS << (attempts - 1)) / 2;
	uint16_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == -1)
		random = 0;
	return half + half * random / UINT16_MAX;
}

int
s3_patience_ms(int64_t bytes, int stall_ms)
{
	return 2 * stall_ms + (int)(bytes / DRIP_BYTES_PER_S) * 1000;
}

/* No whole answer came; say so for S3. */
static bool
judge_broken(const struct http_answer *a, int attempts, struct err *e)
{
	enum err_code code = e->code;

	err_recode(e, ERR_STORE);
	if (a->untrusted) {
		err_within(e, "its certificate is not trusted (store_ca "
			      "names the CA)");
		return false;
	}
	if (code == ERR_TIMEOUT)
		return attempts < ATTEMPTS_TIMEOUT;
	return code != ERR_TOOBIG && attempts < ATTEMPTS;
}

bool
s3_judge(int *rc, const struct http_answer *a, const char *root, int attempts,
    struct err *e)
{
	if (*rc == -1)
		return judge_broken(a, attempts, e);
	if (a->status >= 200 && a->status < 300 &&
	    (root == NULL || xml_is_root(document(a), root)))
		return false;
	*rc = s3_explain(a, e);
	return is_passing(a) && attempts < ATTEMPTS;
}
