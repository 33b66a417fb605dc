/*
 * Servers that fail, and what each S3 driver makes of it: the right result, no
 * crash, no hang, and never an object reported as stored that is not.  What
 * comes out is a table, which doc/store-faults.md holds; DAVIT_FAULTS_TABLE
 * names a file to write it to.
 *
 * Each fault is played in a process of its own, several at a time: some take
 * seconds of waiting.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bounds.h"
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
#define WRONG "WRONG: "
#define AT_ONCE 32
#define HANG_MS 60000	/* far beyond any time-out on a busy machine */
#define LARGE_BYTES (5 * 1024 * 1024 + 1)	/* two parts */

static const char *const drivers[] = { "s3",
#ifdef HAVE_LIBS3
	"libs3",
#endif
};
#define NDRIVERS N(drivers)

enum op { PUT, BATCH, LARGE, COPY, GET, HEAD, LIST };

struct fault {
	enum op op;
	const char *name;	/* what the server does */
	const char *words;	/* that the error holds; NULL: success */
	const struct fake_turn *turns;
	size_t nturns;
	enum err_code code;	/* of the error; 0: ERR_STORE */
	bool silent;		/* a short time-out ends it; the words that
				   tell so are libcurl's */
	const char *unlike;	/* why it does not come up with libs3 */
};

/* ---- the faults ---- */

#define CUT \
	"HTTP/1.1 206 Partial\r\n" CLOSE "Content-Length: 10\r\n" \
	"Content-Range: bytes 0-9/10\r\n\r\n012"
#define CUT_CHUNKS \
	"HTTP/1.1 206 Partial\r\n" CLOSE "Transfer-Encoding: chunked\r\n" \
	"Content-Range: bytes 0-9/10\r\n\r\n3\r\n012\r\n"
#define SLOW ERROR("503 Slow Down", "SlowDown")
#define OOPS "HTTP/1.1 500 Oops\r\n" CLOSE EMPTY
#define FORBIDDEN "HTTP/1.1 403 Forbidden\r\n" CLOSE EMPTY
#define MISSING "HTTP/1.1 404 Not Found\r\n" CLOSE
#define ELSEWHERE \
	"HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:9/x\r\n" CLOSE EMPTY
#define LOWER_STORED \
	"HTTP/1.1 200 OK\r\nconnection: close\r\netag: \"0\"\r\n" \
	"content-length: 0\r\n\r\n"
#define LOWER_WHOLE \
	"HTTP/1.1 206 Partial\r\nconnection: close\r\n" \
	"content-length: 10\r\ncontent-range: bytes 0-9/10\r\n\r\n" DATA
#define LOWER_HEAD \
	"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\n"
#define OTHER_RANGE \
	"HTTP/1.1 206 Partial\r\n" CLOSE "Content-Length: 10\r\n" \
	"Content-Range: bytes 5-14/15\r\n\r\n" DATA
#define NO_RANGE \
	"HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 10\r\n\r\n" DATA
#define LIST_A "GET /bucket"
#define PAGE(more, keys) XML("200 OK", "<ListBucketResult>" more keys \
	"</ListBucketResult>")
#define MORE "<IsTruncated>true</IsTruncated>" \
	"<NextContinuationToken>t</NextContinuationToken>"
#define LAST "<IsTruncated>false</IsTruncated>"
#define KEY(name) "<Contents><Key>dist/" name "</Key><Size>1</Size>" \
	"</Contents>"
#define CUT_PAGE \
	"HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 4000\r\n\r\n" \
	"<ListBucketResult><IsTruncated>false</IsTruncated>" KEY("a")
#define BEGUN XML("200 OK", "<InitiateMultipartUploadResult><UploadId>u" \
	"</UploadId></InitiateMultipartUploadResult>")
#define PART_A "PUT /bucket/dist/a?partNumber="
#define COMPLETE_A "POST /bucket/dist/a?uploadId=u "

#define NO_COPY "it reads and writes"

#define RESET(wanted) { .expect = (wanted), .reset = true }
#define DRIP(wanted) \
	{ .expect = (wanted), .answer = STORED STORED, .drip_ms = 100 }
#define SIX(turn) turn, turn, turn, turn, turn, turn

static char many_headers[100 * 1024];

#define FAULT(what, server, wanted, ...) \
	.op = what, .name = server, .words = wanted, \
	.turns = (const struct fake_turn[]){ __VA_ARGS__ }, \
	.nturns = N(((const struct fake_turn[]){ __VA_ARGS__ }))

static const struct fault faults[] = {
	{ FAULT(PUT, "`200` without a `100 Continue` before", NULL,
	      TURN(PUT_A, STORED)) },
	{ FAULT(PUT, "`100 Continue`, then `403` with an S3 error",
	      "AccessDenied: Words & more: let the access key",
	      TURN(PUT_A, CONTINUE ERROR("403 Forbidden", "AccessDenied"))) },
	{ FAULT(PUT, "`100 Continue`, then `403` and nothing", "status 403",
	      TURN(PUT_A, CONTINUE FORBIDDEN)) },
	{ FAULT(PUT, "`100 Continue`, then `500`, then a proxy's HTML "
	          "`503`, then all is well",
	      NULL,
	      TURN(PUT_A, CONTINUE OOPS),
	      TURN(PUT_A, CONTINUE HTML("503 Unavailable")),
	      TURN(PUT_A, CONTINUE STORED)) },
	{ FAULT(PUT, "HTML `403`", "status 403",
	      TURN(PUT_A, HTML("403 Forbidden"))) },
	{ FAULT(PUT, "HTML `404`", "status 404 without an S3 error",
	      TURN(PUT_A, HTML("404 Not Found"))) },
	{ FAULT(PUT, "HTML `200`", "no ETag",
	      TURN(PUT_A, HTML("200 OK"))) },
	{ FAULT(PUT, "HTML `429`, `408`, `RequestTimeout`, then all is well",
	      NULL,
	      TURN(PUT_A, HTML("429 Too Many")),
	      TURN(PUT_A, HTML("408 Timeout")),
	      TURN(PUT_A, ERROR("400 Bad Request", "RequestTimeout")),
	      TURN(PUT_A, STORED)) },
	{ FAULT(PUT, "`503 SlowDown` three times, then all is well", NULL,
	      TURN(PUT_A, SLOW), TURN(PUT_A, SLOW), TURN(PUT_A, SLOW),
	      TURN(PUT_A, STORED)) },
	{ FAULT(PUT, "`503 SlowDown`, again and again", "overloaded",
	      SIX(TURN(PUT_A, SLOW))) },
	{ FAULT(PUT, "`503 ServiceUnavailable`, again and again: Swift with a "
	          "full disk",
	      "its disk is full",
	      SIX(TURN(PUT_A, ERROR("503 S", "ServiceUnavailable")))) },
	{ FAULT(PUT, "reset in mid-PUT twice, then all is well", NULL,
	      RESET(PUT_A), RESET(PUT_A), TURN(PUT_A, STORED)) },
	{ FAULT(PUT, "reset in mid-PUT, again and again", "dist/a",
	      SIX(RESET(PUT_A))) },
	{ FAULT(PUT, "never answers", "dist/a",
	      TURN(PUT_A, NULL), TURN(PUT_A, NULL)),
	    .silent = true },
	{ FAULT(PUT, "drips a byte in 0.1 s", "dist/a",
	      DRIP(PUT_A), DRIP(PUT_A)),
	    .silent = true },
	{ FAULT(PUT, "`301 PermanentRedirect`", "correct s3_region",
	      TURN(PUT_A, ERROR("301 Moved", "PermanentRedirect"))) },
	{ FAULT(PUT, "`307` to another place",
	      "elsewhere, at http://127.0.0.1:9/x: correct s3_region",
	      TURN(PUT_A, ELSEWHERE)) },
	{ FAULT(PUT, "`RequestTimeTooSkewed`", "set this machine's clock",
	      TURN(PUT_A, ERROR("403 F", "RequestTimeTooSkewed"))) },
	{ FAULT(PUT, "`SignatureDoesNotMatch`",
	      "the second line of store_keys",
	      TURN(PUT_A, ERROR("403 F", "SignatureDoesNotMatch"))) },
	{ FAULT(PUT, "`InvalidAccessKeyId`",
	      "see the first line of store_keys",
	      TURN(PUT_A, ERROR("403 F", "InvalidAccessKeyId"))) },
	{ FAULT(PUT, "`NoSuchBucket`", "make the bucket",
	      TURN(PUT_A, ERROR("404 N", "NoSuchBucket"))) },
	{ FAULT(PUT, "`AuthorizationHeaderMalformed`",
	      "s3_region to the bucket's region (it is in eu-north-7)",
	      TURN(PUT_A, ERROR("400 B", "AuthorizationHeaderMalformed"))) },
	{ FAULT(PUT, "`ExpiredToken`", "s3_token",
	      TURN(PUT_A, ERROR("400 B", "ExpiredToken"))) },
	{ FAULT(PUT, "`InsufficientStorage`", "disk is full",
	      TURN(PUT_A, ERROR("507 I", "InsufficientStorage"))) },
	{ FAULT(PUT, "HTML `507`", "disk is full",
	      TURN(PUT_A, HTML("507 Insufficient Storage"))) },
	{ FAULT(PUT, "lower-case header names", NULL,
	      TURN(PUT_A, LOWER_STORED)) },
	{ FAULT(BATCH, "`403` for a batched put", "PUT dist/a: AccessDenied",
	      TURN(PUT_A, ERROR("403 Forbidden", "AccessDenied"))) },
	{ FAULT(LARGE, "`200` with an `<Error>` for CompleteMultipartUpload",
	      "AccessDenied",
	      TURN("POST /bucket/dist/a?uploads= ", BEGUN),
	      TURN(PART_A, STORED), TURN(PART_A, STORED),
	      TURN(COMPLETE_A, ERROR("200 OK", "AccessDenied")),
	      TURN("DELETE /bucket/dist/a?uploadId=u ", GONE)),
	    .unlike = "one PUT for all" },
	{ FAULT(COPY, "`200` with an `<Error>` for a copy", "AccessDenied",
	      TURN(PUT_A, ERROR("200 OK", "AccessDenied"))),
	    .unlike = NO_COPY },
	{ FAULT(COPY, "`404 NoSuchKey` for a copy", "NoSuchKey",
	      TURN(PUT_A, ERROR("404 Not Found", "NoSuchKey"))),
	    .code = ERR_NOTFOUND, .unlike = NO_COPY },
	{ FAULT(COPY, "`400 InvalidRequest` for a copy: over 5 GB", NULL,
	      TURN(PUT_A, ERROR("400 Bad Request", "InvalidRequest")),
	      TURN("GET /bucket/dist/b ", WHOLE), TURN(PUT_A, STORED)),
	    .unlike = NO_COPY },
	{ FAULT(GET, "closed after 3 of 10 bytes, then a chunked "
	          "cut, then all is well",
	      NULL,
	      TURN(GET_A, CUT), TURN(GET_A, CUT_CHUNKS), TURN(GET_A, WHOLE)) },
	{ FAULT(GET, "closed after 3 of 10 bytes, again and again",
	      "dist/a",
	      SIX(TURN(GET_A, CUT))) },
	{ FAULT(GET, "chunks cut, again and again", "dist/a",
	      SIX(TURN(GET_A, CUT_CHUNKS))) },
	{ FAULT(GET, "no length of any kind", "not the range",
	      TURN(GET_A, "HTTP/1.1 200 OK\r\n" CLOSE "\r\n" DATA)) },
	{ FAULT(GET, "another range", "not the range",
	      TURN(GET_A, OTHER_RANGE)) },
	{ FAULT(GET, "all in place of the range", NULL,
	      TURN(GET_A, NO_RANGE)) },
	{ FAULT(GET, "300 metadata headers", NULL,
	      TURN(GET_A, many_headers)) },
	{ FAULT(GET, "lower-case header names", NULL,
	      TURN(GET_A, LOWER_WHOLE)) },
	{ FAULT(GET, "HTML `503`, then all is well", NULL,
	      TURN(GET_A, HTML("503 Unavailable")), TURN(GET_A, WHOLE)) },
	{ FAULT(GET, "HTML `404`", "status 404 without an S3 error",
	      TURN(GET_A, HTML("404 Not Found"))) },
	{ FAULT(GET, "`404` and nothing", "status 404 without an S3 error",
	      TURN(GET_A, MISSING EMPTY)) },
	{ FAULT(GET, "`307` to another place", "elsewhere, at",
	      TURN(GET_A, ELSEWHERE)) },
	{ FAULT(GET, "never answers", "dist/a",
	      TURN(GET_A, NULL), TURN(GET_A, NULL)),
	    .silent = true },
	{ FAULT(GET, "`NoSuchKey`", "NoSuchKey",
	      TURN(GET_A, ERROR("404 Not Found", "NoSuchKey"))),
	    .code = ERR_NOTFOUND },
	{ FAULT(GET, "`NoSuchBucket`", "make the bucket",
	      TURN(GET_A, ERROR("404 Not Found", "NoSuchBucket"))) },
	{ FAULT(HEAD, "`403`, which has no words", "SignatureDoesNotMatch",
	      TURN(HEAD_A, "HTTP/1.1 403 Forbidden\r\n" CLOSE "\r\n"),
	      TURN(GET_A, ERROR("403 Forbidden", "SignatureDoesNotMatch"))) },
	{ FAULT(HEAD, "`404`, and `NoSuchKey` to a GET", "NoSuchKey",
	      TURN(HEAD_A, MISSING "\r\n"), TURN(GET_A,
		  ERROR("404 Not Found", "NoSuchKey"))),
	    .code = ERR_NOTFOUND },
	{ FAULT(HEAD, "`404` of a proxy, which has no words",
	      "status 404 without an S3 error",
	      TURN(HEAD_A, MISSING "\r\n"), TURN(GET_A, MISSING EMPTY)) },
	{ FAULT(HEAD, "no length", "no length",
	      TURN(HEAD_A, "HTTP/1.1 200 OK\r\n" CLOSE "\r\n")) },
	{ FAULT(HEAD, "lower-case header names", NULL,
	      TURN(HEAD_A, LOWER_HEAD)) },
	{ FAULT(LIST, "keys that are none, and escapes, over two pages", NULL,
	      TURN(LIST_A, PAGE(MORE, KEY("a&amp;") KEY("b//c"))),
	      TURN(LIST_A, PAGE(LAST, KEY("c&#x64;")))) },
	{ FAULT(LIST, "HTML `200`", "without an S3 error",
	      TURN(LIST_A, HTML("200 OK"))) },
	{ FAULT(LIST, "a page that is cut, then all is well", NULL,
	      TURN(LIST_A, CUT_PAGE),
	      TURN(LIST_A, PAGE(LAST, KEY("a&amp;") KEY("cd")))) },
	{ FAULT(LIST, "a page that leads back to itself",
	      "leads back to itself",
	      TURN(LIST_A, PAGE(MORE, KEY("a"))),
	      TURN(LIST_A, PAGE(MORE, KEY("a")))) },
};

/* ---- one fault ---- */

static struct conf *
configure(const struct fault *f, const char *driver, const char *url,
    char *keys)
{
	int fd = mkstemp(keys);
	struct conf *c;
	char *text;

	if (fd == -1 || fdio_write(fd, "id\n" SECRET "\n",
			    strlen("id\n" SECRET "\n"), NULL) == -1)
		return NULL;
	close(fd);
	text = xasprintf("store %s %s/bucket\nstore_keys %s\ns3_timeout %d\n"
			 "s3_part 5M\nscratch /tmp\n", driver, url, keys,
	    f->silent ? 1 : 20);
	c = conf_parse(text, "t", NULL);
	free(text);
	return c;
}

static int
join(void *arg, const char *key, const struct store_object *o)
{
	buf_addf(arg, "%s:%lld ", key, (long long)o->size);
	return 0;
}

static int
put_batched(struct store *s, struct err *e)
{
	struct store_writer *w = store_put_open(s, "dist/a", NULL, e);

	if (w == NULL || store_put_data(w, DATA, 10, e) == -1)
		return 0; /* that is not when it should fail */
	if (store_put_commit(w, STORE_BATCHED, e) == -1)
		return 0;
	return store_sync(s, e);
}

static int
run(struct store *s, enum op op, struct buf *got, struct err *e)
{
	struct store_object o = { .size = -1 };
	char *large;
	int rc = -1;

	switch (op) {
	case PUT:
		return store_put(s, "dist/a", "text/plain", DATA, 10, e);
	case BATCH:
		return put_batched(s, e);
	case LARGE:
		large = xcalloc(LARGE_BYTES, 1);
		rc = store_put(s, "dist/a", NULL, large, LARGE_BYTES, e);
		free(large);
		break;
	case COPY:
		return store_copy(s, "dist/b", "dist/a", e);
	case GET:
		return store_get(s, "dist/a", 1 << 20, got, e);
	case HEAD:
		rc = store_head(s, "dist/a", &o, e);
		buf_addf(got, "%lld", (long long)o.size);
		break;
	case LIST:
		return store_list(s, "dist/", join, got, e);
	}
	return rc;
}

/* What came back must be right where it is told to be. */
static bool
is_right(enum op op, const char *got)
{
	if (op == GET)
		return strcmp(got, DATA) == 0;
	if (op == HEAD)
		return strcmp(got, "10") == 0;
	if (op == LIST)
		return strcmp(got, "dist/a&:1 dist/cd:1 ") == 0;
	return true;
}

static bool
leaks(const char *msg)
{
	return strstr(msg, SECRET) != NULL || strstr(msg, "5167") != NULL ||
	    strstr(msg, "Signature=") != NULL;
}

/* The outcome, in words for the table. */
static void
tell(struct buf *out, const struct fault *f, int rc, const char *got,
    const struct err *e)
{
	static const char *const well[] = { "stored", "stored", "stored",
		"copied, by reading and writing", "read whole", "found", "listed" };
	enum err_code code = f->code == ERR_NONE ? ERR_STORE : f->code;

	if (rc == 0)
		buf_addf(out, "%s%s",
		    f->words == NULL && is_right(f->op, got) ? "" : WRONG,
		    well[f->op]);
	else if (f->words == NULL || strstr(e->msg, f->words) == NULL ||
	    e->code != code || leaks(e->msg))
		buf_addf(out, WRONG "%s: %s", err_name(e->code), e->msg);
	else if (strcmp(f->words, "dist/a") == 0)
		buf_adds(out, "error: no whole answer");
	else
		buf_addf(out, "error: “%s”", f->words);
	if (f->nturns > 1 && f->op <= GET &&
	    f->unlike == NULL)
		buf_addf(out, ", after %zu attempts", f->nturns);
}

static void
play(struct buf *out, const struct fault *f, const char *driver)
{
	char keys[] = "/tmp/davit-keys-XXXXXX";
	int64_t start = name_tick_ms();
	struct err e = { .code = ERR_NONE };
	struct buf got = BUF_INIT;
	struct fake_http server;
	struct conf *c;
	struct store *s;
	int rc;

	if (f->unlike != NULL && strcmp(driver, "libs3") == 0) {
		buf_addf(out, "does not come up: %s", f->unlike);
		return;
	}
	fake_http_start(&server, f->turns, f->nturns);
	c = configure(f, driver, server.url, keys);
	if ((s = store_open(c, &e)) == NULL) {
		buf_adds(out, e.msg);
		return;
	}
	rc = run(s, f->op, &got, &e);
	tell(out, f, rc, buf_str(&got), &e);
	if (name_tick_ms() - start > HANG_MS)
		buf_adds(out, ", " WRONG "it hangs");
	store_free(s);
	conf_free(c);
	buf_clear(&got);
	unlink(keys);
	if (fake_http_stop(&server) != 0)
		buf_adds(out, ", " WRONG "it asks for something else");
}

/* ---- all of them ---- */

struct player {
	pid_t pid;
	int fd;		/* where its outcome is read */
};

static struct player
start_player(const struct fault *f, const char *driver)
{
	struct buf out = BUF_INIT;
	struct player p;
	int fds[2], rc;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	assert_int_not_equal(p.pid = fork(), -1);
	p.fd = fds[0];
	if (p.pid == 0) {
		close(fds[0]);
		play(&out, f, driver);
		rc = fdio_write(fds[1], out.data, out.len, NULL);
		buf_clear(&out);
		exit(rc == 0 ? 0 : 1);
	}
	close(fds[1]);
	return p;
}

/* Its outcome, owned. */
static char *
end_player(struct player *p)
{
	struct buf out = BUF_INIT;
	int status = -1;

	fdio_slurp(p->fd, CONF_MAX_BYTES, &out, NULL);
	fdio_close(&p->fd);
	waitpid(p->pid, &status, 0);
	if (status != 0)
		buf_addf(&out, ", " WRONG "it ends with %d", status);
	return buf_take(&out);
}

static void
play_all(char *outcomes[N(faults)][NDRIVERS])
{
	struct player players[AT_ONCE];
	size_t n = N(faults) * NDRIVERS;

	for (size_t i = 0; i < n + AT_ONCE; i++) {
		struct player *p = &players[i % AT_ONCE];
		size_t done = i - AT_ONCE;

		if (i >= AT_ONCE)
			outcomes[done / NDRIVERS][done % NDRIVERS] =
			    end_player(p);
		if (i < n)
			*p = start_player(&faults[i / NDRIVERS],
			    drivers[i % NDRIVERS]);
	}
}

static const char *
verb(enum op op)
{
	static const char *const verbs[] = { "PUT", "PUT", "POST", "PUT",
		"GET", "HEAD", "list" };

	return verbs[op];
}

static void
add_table(struct buf *table, char *outcomes[N(faults)][NDRIVERS])
{
	buf_adds(table, "| | the server | `store s3` | `store libs3` |\n"
			"|---|---|---|---|\n");
	for (size_t i = 0; i < N(faults); i++) {
		buf_addf(table, "| %s | %s |", verb(faults[i].op),
		    faults[i].name);
		for (size_t d = 0; d < NDRIVERS; d++)
			buf_addf(table, " %s |", outcomes[i][d]);
		buf_addc(table, '\n');
	}
}

/* What the document says; without libs3 there is a column less to compare. */
static void
compare_with_document(const char *table)
{
	const char *top = getenv("top_srcdir");
	char *path = xasprintf("%s/doc/store-faults.md",
	    top == NULL ? "." : top);
	struct buf text = BUF_INIT;

	assert_int_equal(fdio_slurp_file(path, CONF_MAX_BYTES, &text, NULL),
	    0);
	if (NDRIVERS == 2 && strstr(buf_str(&text), table) == NULL)
		fail_msg("%s does not hold this table: %s", path, table);
	free(path);
	buf_clear(&text);
}

static char *outcomes[N(faults)][NDRIVERS];

static int
play_faults(void **state)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "HTTP/1.1 206 Partial\r\n" CLOSE);
	for (int i = 0; i < 300; i++)
		buf_addf(&b, "x-amz-meta-name-%d: %0200d\r\n", i, i);
	buf_adds(&b,
	    "Content-Length: 10\r\nContent-Range: bytes 0-9/10\r\n\r\n" DATA);
	memcpy(many_headers, buf_str(&b), b.len + 1);
	buf_clear(&b);
	play_all(outcomes);
	return 0;
}

static int
forget(void **state)
{
	for (size_t i = 0; i < N(faults); i++)
		for (size_t d = 0; d < NDRIVERS; d++)
			free(outcomes[i][d]);
	return 0;
}

/* Success where it is due, and nowhere else; the words are the cure's. */
static void
each_driver_gets_each_fault_right(void **state)
{
	int wrong = 0;

	for (size_t i = 0; i < N(faults); i++)
		for (size_t d = 0; d < NDRIVERS; d++) {
			if (strstr(outcomes[i][d], WRONG) == NULL)
				continue;
			print_message("%s: %s, %s: %s\n", drivers[d],
			    verb(faults[i].op), faults[i].name,
			    outcomes[i][d]);
			wrong++;
		}
	assert_int_equal(wrong, 0);
}

static void
the_table_is_the_documents(void **state)
{
	const char *path = getenv("DAVIT_FAULTS_TABLE");
	struct buf table = BUF_INIT;
	FILE *f;

	add_table(&table, outcomes);
	if (path != NULL && (f = fopen(path, "w")) != NULL) {
		fputs(buf_str(&table), f);
		fclose(f);
	}
	compare_with_document(buf_str(&table));
	buf_clear(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_driver_gets_each_fault_right),
		cmocka_unit_test(the_table_is_the_documents),
	};

	return cmocka_run_group_tests_name("faults", tests, play_faults,
	    forget);
}
