/*
 * What the S3 driver does that no other driver does: uploads in parts, batches.
 * What it makes of servers that fail is in tests/test_faults.c.
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
#include "tests/s3_answers.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define SECRET "s3cr3t/s3cr3t"

/* A server that plays turns, and a store on it. */
struct stage {
	struct fake_http server;
	char keys[32];
	struct conf *conf;
	struct store *store;
};

/* more: further lines of the configuration */
static struct stage
begin_with(const struct fake_turn *turns, size_t n, const char *more)
{
	struct stage g = { .keys = "/tmp/davit-keys-XXXXXX" };
	int fd = mkstemp(g.keys);
	struct err e;
	char *text;

	assert_int_equal(fdio_write(fd, "id\n" SECRET "\n",
			     strlen("id\n" SECRET "\n"), NULL), 0);
	close(fd);
	fake_http_start(&g.server, turns, n);
	text = xasprintf("store s3 %s/bucket\nstore_keys %s\ns3_timeout 20\n"
			 "s3_part 5M\n%s", g.server.url, g.keys, more);
	g.conf = conf_parse(text, "t", NULL);
	if ((g.store = store_open(g.conf, &e)) == NULL)
		fail_msg("%s", e.msg);
	free(text);
	return g;
}

static struct stage
begin(const struct fake_turn *turns, size_t n)
{
	return begin_with(turns, n, "");
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

/* ---- asking ---- */

static void
session_token_is_sent_and_signed(void **state)
{
	char path[] = "/tmp/davit-token-XXXXXX", *line;
	int fd = mkstemp(path);
	struct stage g;
	struct err e;

	assert_int_equal(fdio_write(fd, "t0k3n==\n", 8, NULL), 0);
	close(fd);
	line = xasprintf("s3_token %s\n", path);
	g = begin_with(TURNS(
	    { .expect = PUT_A,
		.header = "\r\nx-amz-security-token: t0k3n==\r\n",
		.answer = STORED },
	    { .expect = "DELETE ",
		.header = "SignedHeaders=host;x-amz-content-sha256;"
			  "x-amz-date;x-amz-security-token,",
		.answer = GONE }),
	    line);
	if (store_put(g.store, "dist/a", NULL, DATA, 10, &e) == -1 ||
	    store_delete(g.store, "dist/a", &e) == -1)
		fail_msg("%s", e.msg);
	end(&g);
	free(line);
	unlink(path);
}

static void
known_object_is_asked_for_by_its_tag(void **state)
{
	struct stage g = begin(TURNS(
	    { .expect = GET_A,
		.header = "\r\nIf-None-Match: \"0123\"\r\n",
		.answer = "HTTP/1.1 304 Not Modified\r\n" CLOSE "\r\n" },
	    TURN(GET_A, "HTTP/1.1 304 Not Modified\r\n" CLOSE "\r\n"),
	    TURN(GET_A, "HTTP/1.1 200 OK\r\n" CLOSE ETAG "\r\n" DATA)));
	struct store_object o;
	struct buf b = BUF_INIT;
	struct err e;

	assert_int_equal(store_get_if(g.store, "dist/a", "\"0123\"", 99, &b,
			     &o, &e), 1);
	assert_int_equal(store_get_if(g.store, "dist/a", "", 99, &b, &o, &e),
	    -1);
	assert_told(&e, ERR_STORE, "status 304");
	assert_int_equal(store_get_if(g.store, "dist/a", "", 99, &b, &o, &e),
	    -1);
	assert_told(&e, ERR_STORE, "not as long as it tells");
	assert_int_equal(b.len, 0);
	end(&g);
}

/* ---- putting ---- */

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

/* What is under way when another one fails may still be stored: it is waited
 * for, so that nothing appears after sync has said no. */
static void
failed_sync_leaves_nothing_under_way(void **state)
{
	static const char *const keys[] = { "dist/a", "dist/b" };
	struct stage g = begin(TURNS(
	    /* not before the other is begun */
	    { .expect = PUT_A,
		.answer = ERROR("403 Forbidden", "AccessDenied"),
		.drip_ms = 5 },
	    { .expect = "PUT /bucket/dist/b ",
		.answer = STORED,
		.drip_ms = 5 }));
	int64_t start = name_tick_ms(), least = 5 * (int64_t)strlen(
	    STORED ERROR("403 Forbidden", "AccessDenied"));
	struct err e;

	for (size_t i = 0; i < N(keys); i++) {
		struct store_writer *w = store_put_open(g.store, keys[i], NULL,
		    NULL);

		assert_int_equal(store_put_data(w, DATA, 10, NULL), 0);
		assert_int_equal(store_put_commit(w, STORE_BATCHED, NULL), 0);
	}
	assert_int_equal(store_sync(g.store, &e), -1);
	assert_told(&e, ERR_STORE, "PUT dist/a: AccessDenied");
	assert_true(name_tick_ms() - start >= least);
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
		cmocka_unit_test(session_token_is_sent_and_signed),
		cmocka_unit_test(known_object_is_asked_for_by_its_tag),
		cmocka_unit_test(failed_batch_fails_sync_once),
		cmocka_unit_test(failed_sync_leaves_nothing_under_way),
		cmocka_unit_test(failed_parts_abort_the_upload),
		cmocka_unit_test(lost_answer_of_complete_is_looked_up),
		cmocka_unit_test(lists_are_unescaped_and_followed),
		cmocka_unit_test(batch_delete_names_what_stays),
		cmocka_unit_test(server_without_batches_deletes_singly),
	};

	return cmocka_run_group_tests_name("s3", tests, NULL, NULL);
}
