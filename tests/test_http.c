#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/http.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "tests/fake_http.h"

/* One request to a server that plays one turn. */
struct outcome {
	int rc;
	struct err e;
	struct http_answer a;
};

static struct outcome
ask(struct fake_turn turn, struct http_request r)
{
	struct outcome o = { .e = { .code = ERR_NONE } };
	struct http *h = http_open(NULL, NULL);
	struct fake_http f;
	char *url;

	fake_http_start(&f, &turn, 1);
	url = xasprintf("%s/x", f.url);
	r.url = url;
	o.rc = http_perform(h, &r, &o.a, &o.e);
	http_free(h);
	free(url);
	assert_int_equal(fake_http_stop(&f), 0);
	return o;
}

static void
answer_of_any_status_is_an_answer(void **state)
{
	struct outcome o = ask((struct fake_turn){ .expect = "POST /x HTTP/1.1",
				   .answer = "HTTP/1.1 404 No\r\n"
					     "content-type: text/x\r\n"
					     "Content-Length: 4\r\n\r\nnope" },
	    (struct http_request){ .method = "POST", .body = "b",
		.body_len = 1 });

	assert_int_equal(o.rc, 0);
	assert_int_equal(o.a.status, 404);
	assert_string_equal(o.a.content_type, "text/x");
	assert_string_equal(buf_str(o.a.body), "nope");
	http_answer_clear(&o.a);
}

static void
redirect_is_told_not_followed(void **state)
{
	struct outcome o = ask((struct fake_turn){ .expect = "GET /x",
				   .answer = "HTTP/1.1 302 F\r\n"
					     "Location: http://h/ \r\n"
					     "Content-Length: 0\r\n\r\n" },
	    (struct http_request){ 0 });

	assert_int_equal(o.rc, 0);
	assert_int_equal(o.a.status, 302);
	assert_string_equal(o.a.location, "http://h/");
	http_answer_clear(&o.a);
}

static void
cut_answers_are_errors(void **state)
{
	static const char *const cut[] = { "",
		"HTTP/1.1 200 OK\r\nContent-Len",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123",
		("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "5\r\n12345\r\n") };

	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		struct outcome o = ask((struct fake_turn){ .expect = "GET /x",
					   .answer = cut[i] },
		    (struct http_request){ 0 });

		assert_int_equal(o.rc, -1);
		assert_int_equal(o.e.code, ERR_REMOTE);
		http_answer_clear(&o.a);
	}
}

static void
silence_ends_at_the_deadline(void **state)
{
	int64_t start = name_tick_ms();
	struct outcome o = ask((struct fake_turn){ .expect = "GET /x" },
	    (struct http_request){ .total_ms = 200 });

	assert_int_equal(o.rc, -1);
	assert_int_equal(o.e.code, ERR_TIMEOUT);
	assert_true(name_tick_ms() - start < 3000);
	http_answer_clear(&o.a);
}

static void
too_much_is_refused(void **state)
{
	struct outcome o = ask((struct fake_turn){ .expect = "GET /x",
				   .answer = "HTTP/1.1 200 OK\r\n\r\n"
					     "0123456789" },
	    (struct http_request){ .max_bytes = 5 });

	assert_int_equal(o.rc, -1);
	assert_int_equal(o.e.code, ERR_TOOBIG);
	http_answer_clear(&o.a);
	o = ask((struct fake_turn){ .expect = "GET /x",
		    .answer = "HTTP/1.1 200 OK\r\n",
		    .repeat = 20000 },
	    (struct http_request){ 0 });
	assert_int_equal(o.rc, -1);
	http_answer_clear(&o.a);
}

static int
refuse(void *arg, const char *data, size_t len, struct err *e)
{
	return err_set(e, ERR_REPO_UNSAFE, "no more");
}

static void
sink_stops_it_with_its_own_error(void **state)
{
	struct outcome o = ask((struct fake_turn){ .expect = "GET /x",
				   .answer = "HTTP/1.1 200 OK\r\n"
					     "Content-Length: 3\r\n\r\nabc" },
	    (struct http_request){ .sink = refuse });

	assert_int_equal(o.rc, -1);
	assert_int_equal(o.e.code, ERR_REPO_UNSAFE);
	assert_string_equal(o.e.msg, "no more");
	http_answer_clear(&o.a);
}

static bool
nobody(void *arg, const struct sockaddr *address)
{
	++*(int *)arg;
	return false;
}

static void
guard_is_asked_before_connecting(void **state)
{
	struct http *h = http_open(NULL, NULL);
	struct http_request r = { .url = "http://localhost:9/" };
	struct http_answer a;
	struct err e;
	int asked = 0;

	http_set_guard(h, nobody, &asked);
	assert_int_equal(http_perform(h, &r, &a, &e), -1);
	assert_int_equal(e.code, ERR_ADDRESS);
	assert_true(asked > 0);
	http_answer_clear(&a);
	http_free(h);
}

static void
nobody_listening_is_remote(void **state)
{
	struct http *h = http_open("unix:/nonexistent/docker.sock", NULL);
	struct http_request r = { .url = "/_ping" };
	struct http_answer a;
	struct err e;

	assert_int_equal(http_perform(h, &r, &a, &e), -1);
	assert_int_equal(e.code, ERR_REMOTE);
	http_answer_clear(&a);
	http_free(h);
}

static void
headers_are_found_whatever_their_case(void **state)
{
	struct outcome o = ask((struct fake_turn){ .expect = "GET /x",
				   .answer = "HTTP/1.1 100 Continue\r\n"
					     "ETag: early\r\n\r\n"
					     "HTTP/1.1 200 OK\r\n"
					     "etag:  \"1 2\" \r\n"
					     "X-Empty:\r\n"
					     "Content-Length: 0\r\n\r\n" },
	    (struct http_request){ 0 });
	char *etag = http_header(&o.a, "ETag");
	char *none = http_header(&o.a, "X-Empty");

	assert_int_equal(o.rc, 0);
	assert_string_equal(etag, "\"1 2\"");
	assert_string_equal(none, "");
	assert_null(http_header(&o.a, "ETa"));
	assert_null(http_header(&o.a, "Content"));
	free(etag);
	free(none);
	http_answer_clear(&o.a);
}

/* One turn after the other: the second waits, the first is done. */
static void
requests_go_on_beside_each_other(void **state)
{
	const struct fake_turn turns[] = {
		{ .expect = "PUT /a", .answer = "HTTP/1.1 200 OK\r\n"
						"Connection: close\r\n"
						"Content-Length: 1\r\n\r\na" },
		{ .expect = "PUT /b", .answer = "HTTP/1.1 200 OK\r\n"
						"Content-Length: 9\r\n\r\nb" },
	};
	struct http *h = http_open(NULL, NULL);
	struct http_call *calls[2];
	struct http_answer a;
	struct fake_http f;
	struct err e;
	char *urls[2];
	int tags[2], done = 0;

	fake_http_start(&f, turns, 2);
	assert_null(http_next(h, 10));
	for (int i = 0; i < 2; i++) {
		urls[i] = xasprintf("%s/%c", f.url, 'a' + i);
		calls[i] = http_start(h,
		    &(struct http_request){ .method = "PUT",
			.url = urls[i],
			.body = "",
			.total_ms = 5000 },
		    &tags[i]);
		free(urls[i]);
		while (done == i) {
			int *tag = http_next(h, 5000);

			assert_ptr_equal(tag, &tags[i]);
			assert_int_equal(http_finish(calls[i], &a, &e),
			    i == 0 ? 0 : -1);
			if (i == 1)
				assert_int_equal(e.code, ERR_REMOTE);
			http_answer_clear(&a);
			done++;
		}
	}
	assert_int_equal(fake_http_stop(&f), 0);
	http_free(h);
}

static void
canceled_request_is_gone(void **state)
{
	struct fake_turn turn = { .expect = "GET /x" };
	struct http *h = http_open(NULL, NULL);
	struct fake_http f;
	struct http_call *call;
	char *url;

	fake_http_start(&f, &turn, 1);
	url = xasprintf("%s/x", f.url);
	call = http_start(h, &(struct http_request){ .url = url }, h);
	assert_null(http_next(h, 100));
	http_cancel(call);
	assert_null(http_next(h, 0));
	free(url);
	http_free(h);
	assert_int_equal(fake_http_stop(&f), 0);
}

static void
hijacked_connection_is_a_raw_stream(void **state)
{
	struct fake_turn turn = { .expect = "POST /exec/1/start",
		.answer = "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nearly",
		.then = "late" };
	struct buf early = BUF_INIT, late = BUF_INIT;
	struct fake_http f;
	struct http *h;
	struct err e;
	char *endpoint;
	int fd;

	fake_http_start(&f, &turn, 1);
	endpoint = xasprintf("tcp://127.0.0.1:%d", f.port);
	h = http_open(endpoint, NULL);
	if ((fd = http_hijack(h, "/exec/1/start", "{}", -1, &early, &e)) == -1)
		fail_msg("%s", e.msg);
	assert_int_equal(fdio_write(fd, "hello", 5, NULL), 0);
	fdio_slurp(fd, 100, &late, NULL);
	buf_add(&early, late.data, late.len);
	assert_string_equal(buf_str(&early), "earlylate");
	fdio_close(&fd);
	assert_int_equal(fake_http_stop(&f), 0);
	buf_clear(&early);
	buf_clear(&late);
	free(endpoint);
	http_free(h);
}

static void
refused_hijack_quotes_the_answer(void **state)
{
	struct fake_turn turn = { .expect = "POST /x",
		.answer = "HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"m\"}" };
	struct buf early = BUF_INIT;
	struct fake_http f;
	struct http *h;
	struct err e;
	char *endpoint;

	fake_http_start(&f, &turn, 1);
	endpoint = xasprintf("tcp://127.0.0.1:%d", f.port);
	h = http_open(endpoint, NULL);
	assert_int_equal(http_hijack(h, "/x", "{}", -1, &early, &e), -1);
	assert_int_equal(e.code, ERR_NOTFOUND);
	assert_int_equal(fake_http_stop(&f), 0);
	buf_clear(&early);
	free(endpoint);
	http_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_of_any_status_is_an_answer),
		cmocka_unit_test(redirect_is_told_not_followed),
		cmocka_unit_test(cut_answers_are_errors),
		cmocka_unit_test(silence_ends_at_the_deadline),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(sink_stops_it_with_its_own_error),
		cmocka_unit_test(guard_is_asked_before_connecting),
		cmocka_unit_test(nobody_listening_is_remote),
		cmocka_unit_test(headers_are_found_whatever_their_case),
		cmocka_unit_test(requests_go_on_beside_each_other),
		cmocka_unit_test(canceled_request_is_gone),
		cmocka_unit_test(hijacked_connection_is_a_raw_stream),
		cmocka_unit_test(refused_hijack_quotes_the_answer),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
