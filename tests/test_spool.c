#include "tests/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/spool.h"

#define STEP 60000	/* no divisor of anything */
#define LARGE_BYTES (40 * STEP)

struct fixture {
	char dir[32];
	struct spool *spool;
};

static int
set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/davit-spool-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->spool = spool_new(f->dir);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	spool_free(f->spool);
	assert_int_equal(rmdir(f->dir), 0); /* or something is in it */
	free(f);
	return 0;
}

static unsigned char
byte_at(int64_t at)
{
	return (unsigned char)(at * 2654435761u >> 13);
}

static void
add(struct spool *s, int64_t bytes)
{
	static unsigned char data[STEP];

	for (int64_t at = 0; at < bytes;) {
		int64_t n = bytes - at < STEP ? bytes - at : STEP;
		struct err e;

		for (int64_t i = 0; i < n; i++)
			data[i] = byte_at(at + i);
		if (spool_add(s, data, (size_t)n, &e) == -1)
			fail_msg("%s", e.msg);
		at += n;
	}
}

static void
assert_reads(const struct spool *s, int64_t from, ssize_t wanted)
{
	static unsigned char data[STEP];
	ssize_t n = spool_read(s, from, data, sizeof(data), NULL);

	assert_int_equal(n, wanted);
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(data[i], byte_at(from + i));
}

static int
descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
few_bytes_stay_in_memory(void **state)
{
	struct spool *s = ((struct fixture *)*state)->spool;
	int before = descriptors();

	add(s, 3);
	spool_end(s);
	assert_int_equal(spool_size(s), 3);
	assert_reads(s, 0, 3);
	assert_reads(s, 2, 1);
	assert_reads(s, 3, 0);
	assert_reads(s, -1, 0);
	assert_int_equal(descriptors(), before);
}

static void
nothing_has_a_hash_too(void **state)
{
	struct spool *s = ((struct fixture *)*state)->spool;

	spool_end(s);
	assert_int_equal(spool_size(s), 0);
	assert_reads(s, 0, 0);
	assert_string_equal(spool_hash(s), "e3b0c44298fc1c149afbf4c8996fb924"
					   "27ae41e4649b934ca495991b7852b855");
}

/* The file that the spool has opened last. */
static int
newest_descriptor(void)
{
	int fd = dup(STDIN_FILENO);

	assert_int_not_equal(fd, -1);
	close(fd);
	return fd - 1;
}

static void
a_file_that_cannot_be_read_is_told(void **state)
{
	struct fixture *f = *state;
	int blind = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct err e = { .code = ERR_NONE };
	char data[8];

	add(f->spool, LARGE_BYTES);
	assert_int_not_equal(dup2(blind, newest_descriptor()), -1);
	close(blind);
	assert_int_equal(spool_read(f->spool, 0, data, sizeof(data), &e), -1);
	assert_non_null(strstr(e.msg, "read the unnamed file in"));
}

/* The fixture's end sees that the directory is empty; so it is before. */
static void
many_bytes_are_in_a_file_without_a_name(void **state)
{
	struct fixture *f = *state;
	int before = descriptors();

	add(f->spool, LARGE_BYTES);
	assert_int_equal(descriptors(), before + 1);
	assert_int_equal(rmdir(f->dir), 0);
	spool_end(f->spool);
	assert_int_equal(spool_size(f->spool), LARGE_BYTES);
	for (int again = 0; again < 2; again++)
		for (int64_t at = 0; at < LARGE_BYTES; at += STEP)
			assert_reads(f->spool, at, STEP);
	assert_reads(f->spool, LARGE_BYTES - 7, 7);
	assert_int_equal(mkdir(f->dir, 0700), 0);
}

/* A limit of this process plays the disk that is full. */
static void
full_disk_is_told_with_its_place(void **state)
{
	struct fixture *f = *state;
	static const char data[STEP];
	struct rlimit old, small;
	struct err e = { .code = ERR_NONE };
	int rc = 0;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 10 * STEP;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 20 && rc == 0; i++)
		rc = spool_add(f->spool, data, STEP, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, ERR_STORE);
	assert_non_null(strstr(e.msg, "scratch: "));
}

static void
directory_that_is_not_there_is_told(void **state)
{
	struct spool *s = spool_new("/nonexistent/davit");
	static const char data[10 * STEP];
	struct err e = { .code = ERR_NONE };

	assert_int_equal(spool_add(s, data, sizeof(data), &e), -1);
	assert_int_equal(e.code, ERR_STORE);
	assert_non_null(strstr(e.msg, "/nonexistent/davit"));
	spool_free(s);
}

#define SPOOL_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(few_bytes_stay_in_memory),
		SPOOL_TEST(nothing_has_a_hash_too),
		SPOOL_TEST(a_file_that_cannot_be_read_is_told),
		SPOOL_TEST(many_bytes_are_in_a_file_without_a_name),
		SPOOL_TEST(full_disk_is_told_with_its_place),
		cmocka_unit_test(directory_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
