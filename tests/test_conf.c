#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/err.h"

static void
defaults_hold_without_a_line(void **state)
{
	struct conf *c = conf_parse("", "t", NULL);

	assert_non_null(c);
	assert_string_equal(c->site_scheme, "https");
	assert_int_equal(c->builds, 2);
	assert_int_equal(c->build_cpus, 2000);
	assert_null(c->tokens);
	assert_null(c->store_keys);
	assert_string_equal(c->s3_region, "us-east-1");
	assert_string_equal(c->s3_style, "path");
	assert_int_equal(c->s3_part, 8 << 20);
	assert_int_equal(c->s3_connections, 16);
	assert_false(c->public_status);
	assert_true(strlen(c->worker) > 0);
	conf_free(c);
}

static void
values_comments_and_blanks(void **state)
{
	struct conf *c = conf_parse("# all of it\n"
				    "  domain\texample.org   # here\r\n"
				    "\n"
				    "store dir /srv/a b\n"
				    "build_memory 1G\nbuild_disk 512M\n"
				    "build_cpus 1.5\n"
				    "public_status yes\n"
				    "ignored keep",
	    "t", NULL);
	char *site;

	assert_non_null(c);
	assert_string_equal(c->domain, "example.org");
	assert_string_equal(c->store, "dir /srv/a b");
	assert_true(c->build_memory == (int64_t)1 << 30);
	assert_int_equal(c->build_cpus, 1500);
	assert_true(c->public_status);
	assert_true(c->ignored_keep);
	site = conf_site_url(c, "abcdefghij");
	assert_string_equal(site, "https://abcdefghij.example.org/");
	free(site);
	conf_free(c);
}

/* A bad line is told with file, line and key. */
static void
told(const char *text, const char *words)
{
	struct err e;

	assert_null(conf_parse(text, "f.conf", &e));
	assert_int_equal(e.code, ERR_CONFIG);
	if (strstr(e.msg, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, e.msg);
}

static void
errors_name_file_line_and_key(void **state)
{
	told("\nbuild_tme 5\n", "f.conf:2: build_tme: no such key");
	told("builds", "f.conf:1: builds: a value is needed");
	told("builds 0", "f.conf:1: builds: a number from 1 to 64");
	told("builds 2x", "builds: a number");
	told("source_bytes 5T", "source_bytes: a size");
	told("build_cpus nan", "build_cpus");
	told("build_cpus 0.01", "build_cpus");
	told("public_status true", "public_status: 'yes' or 'no'");
	told("domain Example.org", "domain: a lower-case host name");
	told("redis localhost", "redis: 'unix:/PATH' or 'HOST:PORT'");
	told("docker 1.2.3.4:5", "docker: 'unix:/PATH' or 'tcp://HOST:PORT'");
	told("s3_style host", "s3_style: 'path' or 'virtual'");
	told("s3_region a/b", "s3_region: a region's name");
	told("s3_part 4M", "s3_part: a size");
	told("s3_connections 0", "s3_connections: a number from 1 to 256");
	told("build_memory 1G\nbuild_disk 1G", "build_disk: it counts");
	told("site_scheme gopher", "site_scheme");
	told("worker a b", "worker");
}

static void
missing_file_is_told(void **state)
{
	struct err e;

	assert_null(conf_load("/nonexistent/davit.conf", &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "/nonexistent/davit.conf"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_hold_without_a_line),
		cmocka_unit_test(values_comments_and_blanks),
		cmocka_unit_test(errors_name_file_line_and_key),
		cmocka_unit_test(missing_file_is_told),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
