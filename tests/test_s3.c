/*
 * What the S3 driver makes of servers that fail: the right result, no hang,
 * and never an object reported as stored that is not.
 */
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"
#include "tests/fake_http.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define SECRET "s3cr3t/s3cr3t"

#define CLOSE "Connection: close\r\n"
#define ETAG "ETag: \"0123\"\r\n"
#define EMPTY "Content-Length: 0\r\n\r\n"
#define STORED "HTTP/1.1 200 OK\r\n" CLOSE ETAG EMPTY
#define GONE "HTTP/1.1 204 No Content\r\n" CLOSE "\r\n"
#define XML(status, body) \
	"HTTP/1.1 " status "\r\n" CLOSE "Content-Type: application/xml\r\n\r\n" \
	"<?xml version=\"1.0\"?>\n" body
/* Servers repeat what was signed; none of it may get into a message. */
#define ERROR(status, code) \
	XML(status, "<Error><Code>" code "</Code><Message>Words &amp; more" \
	"</Message><AWSAccessKeyId>id</AWSAccessKeyId><SignatureProvided>" \
	"5167</SignatureProvided><Region>eu-north-7</Region></Error>")
#define HTML(status) \
	"HTTP/1.1 " status "\r\n" CLOSE "Content-Type: text/html\r\n\r\n" \
	"<html><body><h1>Sorry</h1></body></html>"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define DATA "0123456789"
#define WHOLE \
	"HTTP/1.1 206 Partial\r\n" CLOSE ETAG "Content-Length: 10\r\n" \
	"Content-Range: bytes 0-9/10\r\n\r\n" DATA
#define PUT_A "PUT /bucket/dist/a HTTP/1.1"
#define GET_A "GET /bucket/dist/a HTTP/1.1"
#define HEAD_A "HEAD /bucket/dist/a HTTP/1.1"

/* A server that plays turns, and a store on it. */
struct stage {
	struct fake_http server;
	char keys[32];
	struct conf *conf;
	struct store *store;
};

static struct stage
begin(const struct fake_turn *turns, size_t n)
{
	struct stage g = { .keys = "/tmp/davit-keys-XXXXXX" };
	int fd = mkstemp(g.keys);
	struct err e;
	char *text;

	assert_int_equal(fdio_write(fd, "id\n" SECRET "\n",
			     strlen("id\n" SECRET "\n"), NULL), 0);
	close(fd);
	fake_http_start(&g.server, turns, n);
	text = xasprintf("store s3 %s/bucket\nstore_keys %s\ns3_timeout 1\n"
			 "s3_part 5M\n", g.server.url, g.keys);
	g.conf = conf_parse(text, "t", NULL);
	if ((g.store = store_open(g.conf, &e)) == NULL)
		fail_msg("%s", e.msg);
	free(text);
	return g;
}

/* Every turn must have been played, and no more asked for. */
static void
end(struct stage *g)
{
	store_free(g->store);
	conf_free(g->conf);
	unlink(g->keys);
	assert_int_equal(fake_http_stop(&g->server), 0);
}

static void
assert_told(const struct err *e, enum err_code code, const char *words)
{
	assert_int_equal(e->code, code);
	if (strstr(e->msg, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, e->msg);
	if (strstr(e->msg, SECRET) != NULL || strstr(e->msg, "5167") != NULL ||
	    strstr(e->msg, "Signature=") != NULL)
		fail_msg("a secret is in '%s'", e->msg);
}

/* words: of the error; NULL: it succeeds. */
static void
put(const struct fake_turn *turns, size_t n, const char *words)
{
	struct stage g = begin(turns, n);
	struct err e = { .code = ERR_NONE };
	int rc = store_put(g.store, "dist/a", "text/plain", DATA, 10, &e);

	if (words != NULL) {
		assert_int_equal(rc, -1);
		assert_told(&e, ERR_STORE, words);
	} else if (rc == -1) {
		fail_msg("%s", e.msg);
	}
	end(&g);
}

static void
get(const struct fake_turn *turns, size_t n, enum err_code code,
    const char *words)
{
	struct stage g = begin(turns, n);
	struct err e = { .code = ERR_NONE };
	struct buf b = BUF_INIT;
	int rc = store_get(g.store, "dist/a", 1 << 20, &b, &e);

	if (words != NULL) {
		assert_int_equal(rc, -1);
		assert_told(&e, code, words);
	} else if (rc == -1) {
		fail_msg("%s", e.msg);
	} else {
		assert_string_equal(buf_str(&b), DATA);
	}
	buf_clear(&b);
	end(&g);
}

#define TURN(wanted, ...) { .expect = wanted, .answer = __VA_ARGS__ }
#define TURNS(...) \
	(const struct fake_turn[]){ __VA_ARGS__ }, \
	    N(((const struct fake_turn[]){ __VA_ARGS__ }))

/* ---- putting ---- */

static void
status_after_100_continue_counts(void **state)
{
	put(TURNS(TURN(PUT_A,
		CONTINUE ERROR("403 Forbidden", "AccessDenied"))),
	    "AccessDenied: Words & more: let the access key");
	put(TURNS(TURN(PUT_A,
		CONTINUE "HTTP/1.1 403 Forbidden\r\n" CLOSE EMPTY)),
	    "status 403");
	put(TURNS(TURN(PUT_A, CONTINUE "HTTP/1.1 500 Oops\r\n" CLOSE EMPTY),
		TURN(PUT_A, CONTINUE HTML("503 Unavailable")),
		TURN(PUT_A, CONTINUE STORED)),
	    NULL);
}

static void
html_is_neither_success_nor_words(void **state)
{
	put(TURNS(TURN(PUT_A, HTML("403 Forbidden"))), "status 403");
	put(TURNS(TURN(PUT_A, HTML("404 Not Found"))),
	    "status 404 without an S3 error");
	put(TURNS(TURN(PUT_A, HTML("200 OK"))), "no ETag");
	get(TURNS(TURN(GET_A, HTML("404 Not Found"))), ERR_STORE,
	    "status 404 without an S3 error");
}

static void
reset_in_mid_put_is_tried_again(void **state)
{
	const struct fake_turn reset = { .expect = PUT_A, .reset = true };

	put(TURNS(reset, reset, TURN(PUT_A, STORED)), NULL);
	put(TURNS(reset, reset, reset, reset, reset, reset), "PUT dist/a");
}

static void
overload_is_waited_for(void **state)
{
	static const char slow[] = ERROR("503 Slow Down", "SlowDown");

	put(TURNS(TURN(PUT_A, slow), TURN(PUT_A, slow), TURN(PUT_A, slow),
		TURN(PUT_A, STORED)),
	    NULL);
	put(TURNS(TURN(PUT_A, HTML("429 Too Many")),
		TURN(PUT_A, HTML("408 Timeout")),
		TURN(PUT_A, ERROR("400 Bad Request", "RequestTimeout")),
		TURN(PUT_A, STORED)),
	    NULL);
	put(TURNS(TURN(PUT_A, slow), TURN(PUT_A, slow), TURN(PUT_A, slow),
		TURN(PUT_A, slow), TURN(PUT_A, slow), TURN(PUT_A, slow)),
	    "overloaded");
}

static void
refusals_are_told_once_with_their_cure(void **state)
{
	static const struct {
		const char *answer, *words;
	} cases[] = {
		{ ERROR("403 F", "SignatureDoesNotMatch"), "second line of" },
		{ ERROR("403 F", "InvalidAccessKeyId"), "first line of" },
		{ ERROR("403 F", "RequestTimeTooSkewed"), "machine's clock" },
		{ ERROR("404 N", "NoSuchBucket"), "make the bucket" },
		{ ERROR("400 B", "AuthorizationHeaderMalformed"),
		    "s3_region to the bucket's region (it is in eu-north-7)" },
		{ ERROR("400 B", "ExpiredToken"), "s3_token" },
		{ ERROR("507 I", "InsufficientStorage"), "disk is full" },
		{ HTML("507 Insufficient Storage"), "disk is full" },
		{ ERROR("501 N", "NotImplemented"), "lacks" },
	};

	for (size_t i = 0; i < N(cases); i++)
		put(TURNS(TURN(PUT_A, cases[i].answer)), cases[i].words);
}

static void
redirects_are_told_not_followed(void **state)
{
	put(TURNS(TURN(PUT_A, ERROR("301 Moved", "PermanentRedirect"))),
	    "correct s3_region");
	put(TURNS(TURN(PUT_A,
		"HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:9/x\r\n" CLOSE
		    EMPTY)),
	    "elsewhere, at http://127.0.0.1:9/x: correct s3_region");
}

static void
silence_ends_in_time(void **state)
{
	int64_t start = name_tick_ms();

	put(TURNS(TURN(PUT_A, NULL), TURN(PUT_A, NULL)), "PUT dist/a");
	assert_true(name_tick_ms() - start < 10000);
}

static void
dripping_ends_in_time(void **state)
{
	const struct fake_turn drip = { .expect = PUT_A, .answer = STORED STORED,
		.drip_ms = 100 };
	int64_t start = name_tick_ms();

	put(TURNS(drip, drip), "PUT dist/a");
	assert_true(name_tick_ms() - start < 10000);
}

static void
failed_batch_fails_sync_once(void **state)
{
	struct stage g = begin(TURNS(
	    TURN(PUT_A, ERROR("403 Forbidden", "AccessDenied"))));
	struct store_writer *w = store_put_open(g.store, "dist/a", NULL, NULL);
	struct err e;

	assert_int_equal(store_put_data(w, DATA, 10, NULL), 0);
	assert_int_equal(store_put_commit(w, STORE_BATCHED, NULL), 0);
	assert_int_equal(store_sync(g.store, &e), -1);
	assert_told(&e, ERR_STORE, "PUT dist/a: AccessDenied");
	assert_int_equal(store_sync(g.store, NULL), 0);
	end(&g);
}

/* ---- multipart ---- */

#define BEGIN_A "POST /bucket/dist/a?uploads= "
#define PART_A "PUT /bucket/dist/a?partNumber="
#define COMPLETE_A "POST /bucket/dist/a?uploadId=u%26%201 "
#define ABORT_A "DELETE /bucket/dist/a?uploadId=u%26%201 "
#define BEGUN XML("200 OK", "<InitiateMultipartUploadResult><UploadId>" \
	"u&amp; 1</UploadId></InitiateMultipartUploadResult>")
#define COMPLETED XML("200 OK", "<CompleteMultipartUploadResult>" \
	"<ETag>x</ETag></CompleteMultipartUploadResult>")

static void
put_parts(const struct fake_turn *turns, size_t n, const char *words)
{
	size_t len = 5 * 1024 * 1024 + 1;
	struct stage g = begin(turns, n);
	char *data = xcalloc(len, 1);
	struct err e = { .code = ERR_NONE };
	int rc = store_put(g.store, "dist/a", NULL, data, len, &e);

	free(data);
	if (words != NULL) {
		assert_int_equal(rc, -1);
		assert_told(&e, ERR_STORE, words);
	} else if (rc == -1) {
		fail_msg("%s", e.msg);
	}
	end(&g);
}

static void
error_in_a_200_of_complete_is_one(void **state)
{
	put_parts(TURNS(TURN(BEGIN_A, BEGUN), TURN(PART_A, STORED),
		      TURN(PART_A, STORED),
		      TURN(COMPLETE_A, ERROR("200 OK", "InternalError")),
		      TURN(COMPLETE_A, COMPLETED)),
	    NULL);
	put_parts(TURNS(TURN(BEGIN_A, BEGUN), TURN(PART_A, STORED),
		      TURN(PART_A, STORED),
		      TURN(COMPLETE_A, ERROR("200 OK", "AccessDenied")),
		      TURN(ABORT_A, GONE)),
	    "AccessDenied");
}

static void
failed_parts_abort_the_upload(void **state)
{
	put_parts(TURNS(TURN(BEGIN_A, BEGUN),
		      TURN(PART_A, ERROR("403 Forbidden", "AccessDenied")),
		      TURN(PART_A, STORED), TURN(ABORT_A, GONE)),
	    "AccessDenied");
	put_parts(TURNS(TURN(BEGIN_A, HTML("200 OK"))),
	    "status 200 without an S3 error");
}

static void
lost_answer_of_complete_is_looked_up(void **state)
{
#define LOST { .expect = COMPLETE_A, .reset = true }
#define NO_UPLOAD TURN(COMPLETE_A, ERROR("404 Not Found", "NoSuchUpload"))
	put_parts(TURNS(TURN(BEGIN_A, BEGUN), TURN(PART_A, STORED),
		      TURN(PART_A, STORED), LOST, NO_UPLOAD,
		      TURN(HEAD_A,
			  "HTTP/1.1 200 OK\r\n" CLOSE "ETag: \"9-2\"\r\n"
			  "Content-Length: 5242881\r\n\r\n")),
	    NULL);
	put_parts(TURNS(TURN(BEGIN_A, BEGUN), TURN(PART_A, STORED),
		      TURN(PART_A, STORED), LOST, NO_UPLOAD,
		      TURN(HEAD_A,
			  "HTTP/1.1 200 OK\r\n" CLOSE "ETag: \"9-2\"\r\n"
			  "Content-Length: 1\r\n\r\n"),
		      TURN(ABORT_A, GONE)),
	    "NoSuchUpload");
}

/* ---- getting ---- */

static void
cut_answers_are_fetched_again(void **state)
{
#define CUT \
	"HTTP/1.1 206 Partial\r\n" CLOSE "Content-Length: 10\r\n" \
	"Content-Range: bytes 0-9/10\r\n\r\n012"
#define CUT_CHUNKS \
	"HTTP/1.1 206 Partial\r\n" CLOSE "Transfer-Encoding: chunked\r\n" \
	"Content-Range: bytes 0-9/10\r\n\r\n3\r\n012\r\n"
	get(TURNS(TURN(GET_A, CUT), TURN(GET_A, CUT_CHUNKS),
		TURN(GET_A, WHOLE)),
	    ERR_NONE, NULL);
	get(TURNS(TURN(GET_A, CUT), TURN(GET_A, CUT), TURN(GET_A, CUT),
		TURN(GET_A, CUT), TURN(GET_A, CUT), TURN(GET_A, CUT)),
	    ERR_STORE, "GET dist/a");
}

static void
answers_must_be_what_was_asked_for(void **state)
{
	/* no length of any kind: a cut would not be seen */
	get(TURNS(TURN(GET_A, "HTTP/1.1 200 OK\r\n" CLOSE "\r\n" DATA)),
	    ERR_STORE, "not the range");
	get(TURNS(TURN(GET_A,
		"HTTP/1.1 206 Partial\r\n" CLOSE
		"Content-Range: bytes 0-9/10\r\n\r\n01234")),
	    ERR_STORE, "not the range");
	get(TURNS(TURN(GET_A,
		"HTTP/1.1 206 Partial\r\n" CLOSE "Content-Length: 10\r\n"
		"Content-Range: bytes 5-14/15\r\n\r\n" DATA)),
	    ERR_STORE, "not the range");
	get(TURNS(TURN(GET_A,
		"HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 10\r\n\r\n" DATA)),
	    ERR_NONE, NULL);
}

static void
missing_key_is_not_a_missing_bucket(void **state)
{
	get(TURNS(TURN(GET_A, ERROR("404 Not Found", "NoSuchKey"))),
	    ERR_NOTFOUND, "NoSuchKey");
	get(TURNS(TURN(GET_A, ERROR("404 Not Found", "NoSuchBucket"))),
	    ERR_STORE, "make the bucket");
}

static void
hundreds_of_metadata_headers_do_no_harm(void **state)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "HTTP/1.1 206 Partial\r\n" CLOSE);
	for (int i = 0; i < 300; i++)
		buf_addf(&b, "x-amz-meta-name-%d: %0200d\r\n", i, i);
	buf_adds(&b,
	    "Content-Length: 10\r\nContent-Range: bytes 0-9/10\r\n\r\n" DATA);
	get(TURNS(TURN(GET_A, buf_str(&b))), ERR_NONE, NULL);
	buf_clear(&b);
}

static void
header_names_may_be_lower_case(void **state)
{
	put(TURNS(TURN(PUT_A,
		"HTTP/1.1 200 OK\r\nconnection: close\r\netag: \"0\"\r\n"
		"content-length: 0\r\n\r\n")),
	    NULL);
	get(TURNS(TURN(GET_A,
		"HTTP/1.1 206 Partial\r\nconnection: close\r\n"
		"content-length: 10\r\ncontent-range: bytes 0-9/10\r\n\r\n"
		DATA)),
	    ERR_NONE, NULL);
}

static void
head_asks_for_words(void **state)
{
	struct stage g = begin(TURNS(
	    TURN(HEAD_A, "HTTP/1.1 403 Forbidden\r\n" CLOSE "\r\n"),
	    TURN(GET_A, ERROR("403 Forbidden", "SignatureDoesNotMatch"))));
	struct err e;

	assert_int_equal(store_head(g.store, "dist/a", NULL, &e), -1);
	assert_told(&e, ERR_STORE, "SignatureDoesNotMatch");
	end(&g);
	g = begin(TURNS(
	    TURN(HEAD_A, "HTTP/1.1 404 Not Found\r\n" CLOSE "\r\n")));
	assert_int_equal(store_head(g.store, "dist/a", NULL, &e), -1);
	assert_told(&e, ERR_NOTFOUND, "HEAD dist/a: no object");
	end(&g);
}

/* ---- listing and deleting ---- */

#define LIST "GET /bucket?list-type=2&prefix=dist%2F HTTP"
#define LIST_ON "GET /bucket?continuation-token=t%2B%2F%3D&list-type=2"
#define PAGE(more, keys) XML("200 OK", "<ListBucketResult>" more keys \
	"</ListBucketResult>")
#define MORE "<IsTruncated>true</IsTruncated>" \
	"<NextContinuationToken>t+/=</NextContinuationToken>"
#define KEY(name) "<Contents><Key>dist/" name "</Key><Size>1</Size>" \
	"</Contents>"

static int
join(void *arg, const char *key, const struct store_object *o)
{
	buf_addf(arg, "%s:%lld ", key, (long long)o->size);
	return 0;
}

static void
lists_are_unescaped_and_followed(void **state)
{
	struct stage g = begin(TURNS(
	    TURN(LIST, PAGE(MORE, KEY("a&amp;&#x62;") KEY("bad//key"))),
	    TURN(LIST_ON, PAGE("", KEY("c")))));
	struct buf b = BUF_INIT;
	struct err e;

	if (store_list(g.store, "dist/", join, &b, &e) == -1)
		fail_msg("%s", e.msg);
	assert_string_equal(buf_str(&b), "dist/a&b:1 dist/c:1 ");
	buf_clear(&b);
	end(&g);
}

static void
lists_that_are_none_are_errors(void **state)
{
	struct stage g = begin(TURNS(TURN(LIST, HTML("200 OK"))));
	struct buf b = BUF_INIT;
	struct err e;

	assert_int_equal(store_list(g.store, "dist/", join, &b, &e), -1);
	assert_told(&e, ERR_STORE, "without an S3 error");
	end(&g);
	g = begin(TURNS(TURN(LIST, PAGE(MORE, "")),
	    TURN(LIST_ON, PAGE(MORE, ""))));
	assert_int_equal(store_list(g.store, "dist/", join, &b, &e), -1);
	assert_told(&e, ERR_STORE, "leads back to itself");
	buf_clear(&b);
	end(&g);
}

static void
batch_delete_names_what_stays(void **state)
{
	struct stage g = begin(TURNS(TURN(LIST, PAGE("", KEY("a"))),
	    TURN("POST /bucket?delete= ",
		XML("200 OK", "<DeleteResult><Error><Key>dist/a</Key>"
			      "<Code>AccessDenied</Code></Error>"
			      "</DeleteResult>"))));
	struct err e;

	assert_int_equal(store_delete_all(g.store, "dist/", &e), -1);
	assert_told(&e, ERR_STORE, "delete dist/a: AccessDenied");
	end(&g);
}

static void
server_without_batches_deletes_singly(void **state)
{
	struct stage g = begin(TURNS(
	    TURN(LIST, PAGE("", KEY("a") KEY("b"))),
	    TURN("POST /bucket?delete= ", ERROR("501 No", "NotImplemented")),
	    TURN("DELETE /bucket/dist/", GONE),
	    TURN("DELETE /bucket/dist/", GONE)));
	struct err e;

	if (store_delete_all(g.store, "dist/", &e) == -1)
		fail_msg("%s", e.msg);
	end(&g);
}

static void
check(const struct fake_turn *turns, size_t n, const char *words)
{
	struct stage g = begin(turns, n);
	struct err e = { .code = ERR_NONE };

	assert_int_equal(store_check(g.store, &e), words == NULL ? 0 : -1);
	if (words != NULL)
		assert_told(&e, ERR_STORE, words);
	end(&g);
}

static void
all_missing_rights_are_named(void **state)
{
	static const char denied[] = ERROR("403 No", "AccessDenied");
	static const char none[] = ERROR("404 No", "NoSuchKey");

	check(TURNS(TURN("PUT /bucket/probe/", denied),
		  TURN("GET /bucket/probe/", none), TURN("GET /bucket?", denied),
		  TURN("DELETE /bucket/probe/", GONE)),
	    "the store can't be written, listed: PUT probe/");
	check(TURNS(TURN("PUT /bucket/probe/", STORED),
		  TURN("GET /bucket/probe/", denied), TURN("GET /bucket?", PAGE("", "")),
		  TURN("DELETE /bucket/probe/", denied)),
	    "the store can't be read, deleted from: GET probe/");
	check(TURNS(TURN("PUT /bucket/probe/", ERROR("404 No", "NoSuchBucket"))),
	    "the store can't be written: PUT probe/");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_missing_rights_are_named),
		cmocka_unit_test(status_after_100_continue_counts),
		cmocka_unit_test(html_is_neither_success_nor_words),
		cmocka_unit_test(reset_in_mid_put_is_tried_again),
		cmocka_unit_test(overload_is_waited_for),
		cmocka_unit_test(refusals_are_told_once_with_their_cure),
		cmocka_unit_test(redirects_are_told_not_followed),
		cmocka_unit_test(silence_ends_in_time),
		cmocka_unit_test(dripping_ends_in_time),
		cmocka_unit_test(failed_batch_fails_sync_once),
		cmocka_unit_test(error_in_a_200_of_complete_is_one),
		cmocka_unit_test(failed_parts_abort_the_upload),
		cmocka_unit_test(lost_answer_of_complete_is_looked_up),
		cmocka_unit_test(cut_answers_are_fetched_again),
		cmocka_unit_test(answers_must_be_what_was_asked_for),
		cmocka_unit_test(missing_key_is_not_a_missing_bucket),
		cmocka_unit_test(hundreds_of_metadata_headers_do_no_harm),
		cmocka_unit_test(header_names_may_be_lower_case),
		cmocka_unit_test(head_asks_for_words),
		cmocka_unit_test(lists_are_unescaped_and_followed),
		cmocka_unit_test(lists_that_are_none_are_errors),
		cmocka_unit_test(batch_delete_names_what_stays),
		cmocka_unit_test(server_without_batches_deletes_singly),
	};

	return cmocka_run_group_tests_name("s3", tests, NULL, NULL);
}
