#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/tar.h"

static const struct tar_bounds wide = { .bytes = 1 << 20, .files = 100 };

static int
into_buf(void *arg, const void *data, size_t len, struct err *e)
{
	buf_add(arg, data, len);
	return 0;
}

struct cursor {
	const struct buf *buf;
	size_t at;
};

static ssize_t
from_buf(void *arg, void *data, size_t size, struct err *e)
{
	struct cursor *c = arg;
	size_t n = c->buf->len - c->at;

	n = n < size ? n : size;
	n = n < 1000 ? n : 1000; /* small pieces */
	memcpy(data, c->buf->data + c->at, n);
	c->at += n;
	return (ssize_t)n;
}

static void
add(struct tar_writer *w, const char *path, enum tar_type type,
    const char *text)
{
	struct tar_entry t = { .path = path,
		.target = type == TAR_SYMLINK ? text : NULL,
		.type = type,
		.size = type == TAR_FILE ? (int64_t)strlen(text) : 0 };
	struct err e;

	if (tar_writer_entry(w, &t, &e) == -1 ||
	    (type == TAR_FILE &&
		tar_writer_data(w, text, strlen(text), &e) == -1))
		fail_msg("%s", e.msg);
}

/* The code that reading the archive whole ends with. */
static enum err_code
read_all(const struct buf *archive, const struct tar_bounds *bounds)
{
	struct cursor c = { archive, 0 };
	struct tar_reader *r;
	struct tar_entry t;
	struct err e = { .code = ERR_NONE };
	char data[100];
	ssize_t n = 0;
	int rc = -1;

	if ((r = tar_reader_new(from_buf, &c, bounds, &e)) == NULL)
		return e.code;
	while (n >= 0 && (rc = tar_reader_next(r, &t, &e)) == 1)
		while ((n = tar_reader_data(r, data, sizeof(data), &e)) > 0)
			continue;
	tar_reader_free(r);
	return rc == 0 ? ERR_NONE : e.code;
}

static enum err_code
read_one(const char *path, enum tar_type type, const char *text)
{
	struct buf out = BUF_INIT;
	struct tar_writer *w = tar_writer_new(into_buf, &out, NULL);
	enum err_code code;

	add(w, path, type, text);
	assert_int_equal(tar_writer_close(w, NULL), 0);
	tar_writer_free(w);
	code = read_all(&out, &wide);
	buf_clear(&out);
	return code;
}

static void
entries_come_back_through_zstd(void **state)
{
	struct buf plain = BUF_INIT, packed = BUF_INIT;
	struct tar_writer *w = tar_writer_new(into_buf, &plain, NULL);
	struct tar_zstd *z = tar_zstd_new(into_buf, &packed, NULL);
	struct cursor c = { &packed, 0 };
	struct tar_reader *r;
	struct tar_entry t;
	char data[10];

	add(w, "a", TAR_DIRECTORY, "");
	add(w, "a/b.txt", TAR_FILE, "hello");
	add(w, "a/l", TAR_SYMLINK, "b.txt");
	assert_int_equal(tar_writer_close(w, NULL), 0);
	tar_writer_free(w);
	assert_int_equal(tar_zstd_add(z, plain.data, plain.len, NULL), 0);
	assert_int_equal(tar_zstd_close(z, NULL), 0);
	tar_zstd_free(z);
	assert_true(packed.len < plain.len);

	r = tar_reader_new(from_buf, &c, &wide, NULL);
	assert_int_equal(tar_reader_next(r, &t, NULL), 1);
	assert_int_equal(t.type, TAR_DIRECTORY);
	assert_string_equal(t.path, "a");
	assert_int_equal(tar_reader_next(r, &t, NULL), 1);
	assert_int_equal(t.size, 5);
	assert_int_equal(tar_reader_data(r, data, sizeof(data), NULL), 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(tar_reader_next(r, &t, NULL), 1);
	assert_string_equal(t.target, "b.txt");
	assert_int_equal(tar_reader_next(r, &t, NULL), 0);
	tar_reader_free(r);
	buf_clear(&plain);
	buf_clear(&packed);
}

static void
hostile_entries_are_refused(void **state)
{
	assert_int_equal(read_one("ok", TAR_FILE, "x"), ERR_NONE);
	assert_int_equal(read_one("../x", TAR_FILE, "x"), ERR_DENIED);
	assert_int_equal(read_one("/etc/x", TAR_FILE, "x"), ERR_DENIED);
	assert_int_equal(read_one("a/../../x", TAR_FILE, "x"), ERR_DENIED);
	assert_int_equal(read_one("a\\b", TAR_FILE, "x"), ERR_DENIED);
	assert_int_equal(read_one("a\nb", TAR_FILE, "x"), ERR_DENIED);
	assert_int_equal(read_one("l", TAR_SYMLINK, "/etc"), ERR_DENIED);
	assert_int_equal(read_one("a/l", TAR_SYMLINK, "../../x"), ERR_DENIED);
	assert_int_equal(read_one("a/l", TAR_SYMLINK, "../x"), ERR_NONE);
}

static void
bounds_hold_before_contents(void **state)
{
	struct buf out = BUF_INIT;
	struct tar_writer *w = tar_writer_new(into_buf, &out, NULL);
	struct tar_bounds b = wide;

	add(w, "a", TAR_FILE, "0123456789");
	add(w, "b", TAR_FILE, "0123456789");
	assert_int_equal(tar_writer_close(w, NULL), 0);
	tar_writer_free(w);
	assert_int_equal(read_all(&out, &b), ERR_NONE);
	b.bytes = 19;
	assert_int_equal(read_all(&out, &b), ERR_TOOBIG);
	b = wide;
	b.files = 1;
	assert_int_equal(read_all(&out, &b), ERR_TOOBIG);
	b = wide;
	b.file_bytes = 9;
	assert_int_equal(read_all(&out, &b), ERR_TOOBIG);
	buf_clear(&out);
}

static void
cut_and_foreign_streams_are_errors(void **state)
{
	struct buf out = BUF_INIT;
	struct tar_writer *w = tar_writer_new(into_buf, &out, NULL);

	add(w, "a", TAR_FILE, "0123456789");
	assert_int_equal(tar_writer_close(w, NULL), 0);
	tar_writer_free(w);
	out.len = 1024; /* behind the only entry, before the end's mark */
	assert_int_equal(read_all(&out, &wide), ERR_INVALID);
	out.len = 515; /* in the middle of the contents */
	assert_int_equal(read_all(&out, &wide), ERR_INVALID);
	memset(out.data, 'x', out.len);
	assert_int_equal(read_all(&out, &wide), ERR_INVALID);
	buf_clear(&out);
}

static int
refuse(void *arg, const void *data, size_t len, struct err *e)
{
	return err_set(e, ERR_STORE, "full");
}

static void
abandoned_writers_leave_nothing(void **state)
{
	struct buf out = BUF_INIT;
	struct tar_entry t = { .path = "a", .type = TAR_FILE, .size = 1 << 20 };
	static char block[1 << 20];
	struct tar_writer *w = tar_writer_new(into_buf, &out, NULL);
	struct tar_zstd *z = tar_zstd_new(into_buf, &out, NULL);
	struct err e;

	assert_int_equal(tar_writer_entry(w, &t, NULL), 0);
	assert_int_equal(tar_writer_data(w, "x", 1, NULL), 0);
	tar_writer_free(w);
	assert_int_equal(tar_zstd_add(z, block, sizeof(block), NULL), 0);
	tar_zstd_free(z);
	assert_int_equal(out.len, 0);

	w = tar_writer_new(refuse, NULL, NULL);
	assert_int_equal(tar_writer_entry(w, &t, NULL), 0);
	assert_int_equal(tar_writer_data(w, block, sizeof(block), &e), -1);
	assert_int_equal(e.code, ERR_STORE);
	assert_int_equal(tar_writer_close(w, &e), -1);
	tar_writer_free(w);
	buf_clear(&out);
}

static void
links_are_measured_from_where_they_stand(void **state)
{
	assert_true(tar_link_is_inside("a/b/l", "../../c"));
	assert_false(tar_link_is_inside("a/b/l", "../../../c"));
	assert_false(tar_link_is_inside("l", ".."));
	assert_false(tar_link_is_inside("l", "a/../../b"));
	assert_false(tar_link_is_inside("l", ""));
	assert_true(tar_link_is_inside("l", "./a//b"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_come_back_through_zstd),
		cmocka_unit_test(hostile_entries_are_refused),
		cmocka_unit_test(bounds_hold_before_contents),
		cmocka_unit_test(cut_and_foreign_streams_are_errors),
		cmocka_unit_test(abandoned_writers_leave_nothing),
		cmocka_unit_test(links_are_measured_from_where_they_stand),
	};

	return cmocka_run_group_tests_name("tar", tests, NULL, NULL);
}
