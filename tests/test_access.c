#include "tests/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/access.h"
#include "fcgi/request.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "tests/fake_request.h"

/* echo -n alpha | sha256sum, and beta. */
#define ALPHA "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8"
#define BETA "f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753"

static char path[] = "/tmp/davit-tokens.XXXXXX";

static void
write_tokens(const char *text, mode_t mode)
{
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

/* Check one request; the error's code. */
static enum err_code
check(struct access *a, const struct fake_request *given,
    enum access_need need, const char **owner)
{
	struct fake_request fake = *given;
	const struct request_source source = FAKE_SOURCE(&fake);
	struct request r;
	struct err e = { ERR_NONE, 0, "" };

	assert_int_equal(request_init(&r, &source, &e), 0);
	access_check(a, &r, need, owner, &e);
	request_clear(&r);
	return e.code;
}

static enum err_code
present(struct access *a, const char *authorization, const char **owner)
{
	struct fake_request fake = { { "REQUEST_URI", "/", "REMOTE_ADDR",
					 "127.0.0.1", "HTTP_AUTHORIZATION",
					 authorization, NULL },
		"", 0, 0 };

	return check(a, &fake, ACCESS_CHANGE, owner);
}

static void
loopback_is_known(void **state)
{
	assert_true(access_is_loopback("127.0.0.1"));
	assert_true(access_is_loopback("127.255.0.9"));
	assert_true(access_is_loopback("::1"));
	assert_true(access_is_loopback("::ffff:127.0.0.1"));
	assert_false(access_is_loopback("128.0.0.1"));
	assert_false(access_is_loopback("10.0.0.127"));
	assert_false(access_is_loopback("::ffff:10.0.0.1"));
	assert_false(access_is_loopback("::2"));
	assert_false(access_is_loopback("::127.0.0.1"));
	assert_false(access_is_loopback("127.1"));
	assert_false(access_is_loopback("127.0.0.1.evil.org"));
	assert_false(access_is_loopback(""));
	assert_false(access_is_loopback(NULL));
}

static void
without_tokens_only_the_machine_itself_is_served(void **state)
{
	struct conf conf = { 0 };
	struct access *a = access_new(&conf);
	struct fake_request here = { { "REQUEST_URI", "/", "REMOTE_ADDR",
					 "::1", NULL }, "", 0, 0 };
	struct fake_request away = { { "REQUEST_URI", "/", "REMOTE_ADDR",
					 "10.1.2.3", NULL }, "", 0, 0 };
	struct fake_request proxied = { { "REQUEST_URI", "/", "REMOTE_ADDR",
					    "::1", "HTTP_X_FORWARDED_FOR",
					    "10.1.2.3", NULL }, "", 0, 0 };
	struct fake_request browsed = { { "REQUEST_URI", "/", "REMOTE_ADDR",
					    "::1", "HTTP_ORIGIN",
					    "http://evil.org", NULL },
		"", 0, 0 };
	const char *owner;

	assert_int_equal(check(a, &here, ACCESS_CHANGE, &owner), ERR_NONE);
	assert_null(owner);
	assert_int_equal(check(a, &away, ACCESS_CHANGE, &owner), ERR_DENIED);
	assert_int_equal(check(a, &away, ACCESS_STATUS, &owner), ERR_DENIED);
	assert_int_equal(check(a, &proxied, ACCESS_READ, &owner), ERR_DENIED);
	assert_int_equal(check(a, &browsed, ACCESS_CHANGE, &owner),
	    ERR_DENIED);
	conf.public_status = true;
	assert_int_equal(check(a, &away, ACCESS_STATUS, &owner), ERR_NONE);
	assert_int_equal(check(a, &away, ACCESS_READ, &owner), ERR_DENIED);
	access_free(a);
}

static void
tokens_are_recognized(void **state)
{
	struct conf conf = { .tokens = path };
	struct access *a = access_new(&conf);
	const char *owner;

	write_tokens("# people\n\n alice\t" ALPHA "  # her laptop\n"
		     "bob " BETA "\n", 0640);
	assert_int_equal(present(a, "Bearer alpha", &owner), ERR_NONE);
	assert_string_equal(owner, "alice");
	assert_int_equal(present(a, "bearer  beta", &owner), ERR_NONE);
	assert_string_equal(owner, "bob");
	assert_int_equal(present(a, NULL, &owner), ERR_UNAUTHORIZED);
	assert_int_equal(present(a, "Bearer ", &owner), ERR_UNAUTHORIZED);
	assert_int_equal(present(a, "Bearer gamma", &owner),
	    ERR_UNAUTHORIZED);
	assert_int_equal(present(a, "Basic alpha", &owner), ERR_UNAUTHORIZED);
	/* neither the sum itself nor the name opens anything */
	assert_int_equal(present(a, "Bearer " ALPHA, &owner),
	    ERR_UNAUTHORIZED);
	assert_int_equal(present(a, "Bearer alice", &owner),
	    ERR_UNAUTHORIZED);
	access_free(a);
}

static void
tokens_file_is_read_again_when_it_changes(void **state)
{
	struct conf conf = { .tokens = path };
	struct access *a = access_new(&conf);
	const char *owner;

	write_tokens("alice " ALPHA "\n", 0600);
	assert_int_equal(present(a, "Bearer alpha", &owner), ERR_NONE);
	write_tokens("alice " BETA "\n", 0600);
	assert_int_equal(present(a, "Bearer alpha", &owner),
	    ERR_UNAUTHORIZED);
	assert_int_equal(present(a, "Bearer beta", &owner), ERR_NONE);
	unlink(path);
	assert_int_equal(present(a, "Bearer beta", &owner), ERR_CONFIG);
	access_free(a);
}

static void
unfit_tokens_files_let_nobody_in(void **state)
{
	static const char *const bad[] = { "alice\n", "alice abc\n",
		"alice " ALPHA "0\n", "alice " ALPHA " more\n", ALPHA "\n",
		"al/ice " ALPHA "\n", "alice " BETA "\nbob x" };
	struct conf conf = { .tokens = path };
	struct access *a = access_new(&conf);
	const char *owner;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_tokens(bad[i], 0600);
		assert_int_equal(present(a, "Bearer alpha", &owner),
		    ERR_CONFIG);
		assert_int_equal(present(a, "Bearer beta", &owner),
		    ERR_CONFIG);
	}
	write_tokens("alice " ALPHA "\n", 0604);
	assert_int_equal(present(a, "Bearer alpha", &owner), ERR_CONFIG);
	write_tokens("alice " ALPHA "\n", 0602);
	assert_int_equal(present(a, "Bearer alpha", &owner), ERR_CONFIG);
	write_tokens("", 0600);
	assert_int_equal(present(a, "Bearer alpha", &owner),
	    ERR_UNAUTHORIZED);
	access_free(a);
}

static void
each_may_change_their_own(void **state)
{
	struct conf conf = { .tokens = path };
	struct access *a = access_new(&conf);
	char alice[] = "alice";
	struct deployment d = { .owner = alice };
	struct err e;

	assert_int_equal(access_owns(a, "alice", &d, &e), 0);
	assert_int_equal(access_owns(a, "bob", &d, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(access_owns(a, NULL, &d, &e), -1);
	d.owner = NULL;
	assert_int_equal(access_owns(a, "alice", &d, &e), -1);
	conf.tokens = NULL;
	assert_int_equal(access_owns(a, NULL, &d, &e), 0);
	access_free(a);
}

static int
make_file(void **state)
{
	int fd = mkstemp(path);

	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

static int
remove_file(void **state)
{
	unlink(path);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_is_known),
		cmocka_unit_test(
		    without_tokens_only_the_machine_itself_is_served),
		cmocka_unit_test(tokens_are_recognized),
		cmocka_unit_test(tokens_file_is_read_again_when_it_changes),
		cmocka_unit_test(unfit_tokens_files_let_nobody_in),
		cmocka_unit_test(each_may_change_their_own),
	};

	return cmocka_run_group_tests_name("access", tests, make_file,
	    remove_file);
}
