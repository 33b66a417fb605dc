#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/reply.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"

/* What the client has got, and when it leaves. */
struct client {
	struct buf got;
	int patience;	/* writes; -1: for ever */
};

static int
take(void *arg, const void *data, size_t len)
{
	struct client *c = arg;

	if (c->patience == 0)
		return -1;
	c->patience--;
	buf_add(&c->got, data, len);
	return 0;
}

static void
hush(enum log_level level, const char *line)
{
}

/* The answer to an error, owned by the caller. */
static char *
answer(enum err_code code, const char *message, const char *id, bool head)
{
	struct client c = { BUF_INIT, -1 };
	struct reply r;
	struct err e;

	reply_init(&r, take, &c, head);
	err_set(&e, code, "%s", message);
	if (code == ERR_METHOD)
		reply_method(&r, "GET, HEAD");
	else
		reply_error(&r, &e, id);
	reply_clear(&r);
	return buf_take(&c.got);
}

static bool
has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

static void
errors_are_json_with_a_hint(void **state)
{
	char *a = answer(ERR_INVALID, "ref: \"a\nb\" is none", "abcdefghij",
	    false);
	const char *body = strstr(a, "\r\n\r\n") + 4;
	struct json *j = json_parse(body, strlen(body), NULL);

	assert_non_null(j);
	assert_int_equal(strncmp(a, "Status: 400 Bad Request\r\n", 25), 0);
	assert_true(has(a, "\r\nContent-Type: application/json\r\n"));
	assert_true(has(a, "\r\nX-Content-Type-Options: nosniff\r\n"));
	assert_true(has(a, "\r\nCache-Control: no-store\r\n"));
	assert_false(json_get_bool(j, "success", true));
	assert_string_equal(json_get_string(j, "error"), "bad_request");
	assert_string_equal(json_get_string(j, "message"),
	    "ref: \"a\nb\" is none");
	assert_string_equal(json_get_string(j, "hint"), err_hint(ERR_INVALID));
	assert_string_equal(json_get_string(j, "id"), "abcdefghij");
	json_free(j);
	free(a);
}

static void
expect_header(enum err_code code, const char *status, const char *header)
{
	char *a = answer(code, "m", NULL, false);

	if (!has(a, status) || (header != NULL && !has(a, header)))
		fail_msg("%s: %s", err_name(code), a);
	assert_false(has(a, "\"id\""));
	free(a);
}

static void
each_status_brings_its_header(void **state)
{
	expect_header(ERR_UNAUTHORIZED, "Status: 401 ",
	    "\r\nWWW-Authenticate: Bearer");
	expect_header(ERR_METHOD, "Status: 405 ", "\r\nAllow: GET, HEAD\r\n");
	expect_header(ERR_UNAVAILABLE, "Status: 503 ", "\r\nRetry-After: ");
	expect_header(ERR_STORE, "Status: 503 ", "\r\nRetry-After: ");
	expect_header(ERR_CONFIG, "Status: 503 ", "\r\nRetry-After: ");
	expect_header(ERR_DENIED, "Status: 403 ", NULL);
	expect_header(ERR_ADDRESS, "Status: 403 ", NULL);
	expect_header(ERR_NOTFOUND, "Status: 404 ", NULL);
	expect_header(ERR_CONFLICT, "Status: 409 ", NULL);
	expect_header(ERR_TOOBIG, "Status: 413 ", NULL);
	expect_header(ERR_REPO_PRIVATE, "Status: 422 ", NULL);
	expect_header(ERR_FETCH_FAILED, "Status: 502 ", NULL);
	expect_header(ERR_FETCH_TIMEOUT, "Status: 504 ", NULL);
	expect_header(ERR_INTERNAL, "Status: 500 ", NULL);
}

static void
inside_of_the_platform_is_not_told(void **state)
{
	char *a = answer(ERR_INTERNAL, "open /etc/davit/keys: no", NULL, false);

	assert_false(has(a, "/etc"));
	free(a);
	a = answer(ERR_CONFIG, "/etc/davit/tokens:3: bad", NULL, false);
	assert_false(has(a, "/etc"));
	free(a);
}

static void
head_has_no_body(void **state)
{
	char *whole = answer(ERR_NOTFOUND, "m", NULL, false);
	char *head = answer(ERR_NOTFOUND, "m", NULL, true);
	size_t len = strlen(head);

	assert_string_equal(head + len - 4, "\r\n\r\n");
	assert_int_equal(strncmp(head, whole, len), 0);
	assert_true(strlen(whole) > len);
	free(whole);
	free(head);
}

static void
headers_cannot_be_forged(void **state)
{
	struct client c = { BUF_INIT, -1 };
	struct reply r;

	reply_init(&r, take, &c, false);
	reply_header(&r, "Location", "/a\r\nSet-Cookie: x=1");
	reply_header(&r, "X-One", "%s", "1");
	reply_body(&r, 200, "text/plain", "hi", 2);
	reply_clear(&r);
	assert_false(has(buf_str(&c.got), "Set-Cookie"));
	assert_true(has(buf_str(&c.got), "\r\nX-One: 1\r\n"));
	assert_true(has(buf_str(&c.got), "\r\nContent-Length: 2\r\n"));
	assert_true(has(buf_str(&c.got), "\r\n\r\nhi"));
	buf_clear(&c.got);
}

static void
headers_can_be_taken_back(void **state)
{
	struct client c = { BUF_INIT, -1 };
	struct reply r;

	reply_init(&r, take, &c, false);
	reply_header(&r, "ETag", "\"x\"");
	reply_forget(&r);
	reply_not_modified(&r);
	reply_clear(&r);
	assert_false(has(buf_str(&c.got), "ETag"));
	assert_false(has(buf_str(&c.got), "Content-Length"));
	assert_true(has(buf_str(&c.got), "Status: 304 Not Modified\r\n"));
	buf_clear(&c.got);
}

static void
nothing_is_sent_to_who_has_left(void **state)
{
	struct client c = { BUF_INIT, 2 };
	struct reply r;

	reply_init(&r, take, &c, false);
	reply_start(&r, 200, "text/plain", 6);
	assert_int_equal(reply_data(&r, "ab", 2), 0);
	assert_int_equal(reply_data(&r, "cd", 2), -1);
	c.patience = -1;
	assert_int_equal(reply_data(&r, "ef", 2), -1);
	assert_true(r.gone);
	assert_false(has(buf_str(&c.got), "ef"));
	reply_clear(&r);
	buf_clear(&c.got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_json_with_a_hint),
		cmocka_unit_test(each_status_brings_its_header),
		cmocka_unit_test(inside_of_the_platform_is_not_told),
		cmocka_unit_test(head_has_no_body),
		cmocka_unit_test(headers_cannot_be_forged),
		cmocka_unit_test(headers_can_be_taken_back),
		cmocka_unit_test(nothing_is_sent_to_who_has_left),
	};

	log_handler(hush);
	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
