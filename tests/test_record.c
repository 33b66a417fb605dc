#include "tests/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/record.h"
#include "lib/buf.h"
#include "lib/err.h"

#define REQUEST_ID 258
#define HEADER_BYTES 8
#define STDOUT 6

/* Write len bytes to a peer whose socket holds few of them, and read it all. */
static void
write_and_read(const void *data, size_t len, struct buf *got)
{
	int ends[2], small = 4096, status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small,
	    sizeof(small)), 0);
	if ((pid = fork()) == 0) {
		close(ends[1]);
		_exit(record_write(ends[0], REQUEST_ID, data, len) == 0 ? 0 : 1);
	}
	close(ends[0]);
	while ((n = read(ends[1], buf_space(got, 1000), 1000)) > 0)
		buf_grow(got, (size_t)n);
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
a_body_comes_in_records_of_64_kb(void **state)
{
	size_t len = 200 * 1024, at = 0, records = 0;
	unsigned char *data = malloc(len);
	struct buf got = BUF_INIT, body = BUF_INIT;

	for (size_t i = 0; i < len; i++)
		data[i] = (unsigned char)(i * 7 + i / 251);
	write_and_read(data, len, &got);
	while (at < got.len) {
		const unsigned char *h =
		    (const unsigned char *)buf_str(&got) + at;
		size_t size = (size_t)h[4] << 8 | h[5];

		assert_true(at + HEADER_BYTES + size <= got.len);
		assert_int_equal(h[0], 1);
		assert_int_equal(h[1], STDOUT);
		assert_int_equal(h[2] << 8 | h[3], REQUEST_ID);
		assert_int_equal(h[6], 0);
		buf_add(&body, h + HEADER_BYTES, size);
		at += HEADER_BYTES + size;
		records++;
	}
	assert_int_equal(records, 4);
	assert_int_equal(body.len, len);
	assert_memory_equal(body.data, data, len);
	buf_clear(&body);
	buf_clear(&got);
	free(data);
}

/* An empty record would end the answer. */
static void
nothing_is_no_record(void **state)
{
	struct buf got = BUF_INIT;

	write_and_read("", 0, &got);
	assert_int_equal(got.len, 0);
	buf_clear(&got);
}

static void
a_web_server_that_is_gone_is_told(void **state)
{
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	close(ends[1]);
	assert_int_equal(record_write(ends[0], 1, "x", 1), -1);
	close(ends[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_comes_in_records_of_64_kb),
		cmocka_unit_test(nothing_is_no_record),
		cmocka_unit_test(a_web_server_that_is_gone_is_told),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
