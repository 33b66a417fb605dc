#include "lib/tar.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"

/* Where bytes go, and what went wrong there. */
struct drain {
	tar_sink *sink;
	void *arg;
	struct err error;
	bool failed;
};

/* A pipe's worth at a time. */
#define STREAM_BLOCK (64 * 1024)

/* The owner of every file: the builder image's only user. */
#define OWNER_ID 1000

static la_ssize_t
drain_write(struct archive *a, void *arg, const void *data, size_t len)
{
	struct drain *d = arg;

	if (d->sink(d->arg, data, len, &d->error) == 0)
		return (la_ssize_t)len;
	d->failed = true;
	archive_set_error(a, EIO, "the sink failed");
	return -1;
}

/* libarchive frees all of a writer only where it may end the archive: what
 * it still writes then goes nowhere. */
static int
drain_nowhere(void *arg, const void *data, size_t len, struct err *e)
{
	return 0;
}

/* What the sink said, else what libarchive says. */
static int
drain_error(struct drain *d, struct archive *a, struct err *e)
{
	const char *words = archive_error_string(a);

	if (d->failed) {
		if (e != NULL)
			*e = d->error;
		return -1;
	}
	return err_set(e, ERR_INTERNAL, "tar: %s",
	    words == NULL ? "no reason given" : words);
}

/* ---- writing ---- */

/* libarchive converts names from the locale's encoding: from UTF-8, which
 * ours are in, to the UTF-8 of pax.  (Its option hdrcharset=BINARY would put
 * an extra header before every entry, about each of which GNU tar warns.) */
static void
use_utf8(void)
{
	static locale_t utf8;

	if (utf8 == (locale_t)0)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (utf8 != (locale_t)0)
		uselocale(utf8);
}

struct tar_writer {
	struct archive *archive;
	struct archive_entry *entry;
	struct drain drain;
};

struct tar_writer *
tar_writer_new(tar_sink *sink, void *arg, struct err *e)
{
	struct tar_writer *w = xcalloc(1, sizeof(*w));

	w->drain.sink = sink;
	w->drain.arg = arg;
	w->archive = archive_write_new();
	w->entry = archive_entry_new();
	if (w->archive == NULL || w->entry == NULL)
		abort();
	use_utf8();
	archive_write_set_format_pax_restricted(w->archive);
	archive_write_set_bytes_per_block(w->archive, STREAM_BLOCK);
	archive_write_set_bytes_in_last_block(w->archive, 1);
	if (archive_write_open(w->archive, &w->drain, NULL, drain_write,
		NULL) == ARCHIVE_OK)
		return w;
	drain_error(&w->drain, w->archive, e);
	tar_writer_free(w);
	return NULL;
}

int
tar_writer_entry(struct tar_writer *w, const struct tar_entry *t,
    struct err *e)
{
	static const unsigned int types[] = { [TAR_FILE] = AE_IFREG,
		[TAR_DIRECTORY] = AE_IFDIR,
		[TAR_SYMLINK] = AE_IFLNK };
	struct archive_entry *entry = archive_entry_clear(w->entry);

	archive_entry_set_pathname(entry, t->path);
	archive_entry_set_filetype(entry, types[t->type]);
	archive_entry_set_perm(entry,
	    t->type == TAR_FILE && !t->executable ? 0644 : 0755);
	archive_entry_set_uid(entry, OWNER_ID);
	archive_entry_set_gid(entry, OWNER_ID);
	archive_entry_set_mtime(entry, 0, 0);
	archive_entry_set_size(entry, t->type == TAR_FILE ? t->size : 0);
	if (t->type == TAR_SYMLINK)
		archive_entry_set_symlink(entry, t->target);
	if (archive_write_header(w->archive, entry) == ARCHIVE_OK)
		return 0;
	drain_error(&w->drain, w->archive, e);
	return err_within(e, "%s", t->path);
}

int
tar_writer_data(struct tar_writer *w, const void *data, size_t len,
    struct err *e)
{
	if (len == 0 ||
	    archive_write_data(w->archive, data, len) == (la_ssize_t)len)
		return 0;
	return drain_error(&w->drain, w->archive, e);
}

int
tar_writer_close(struct tar_writer *w, struct err *e)
{
	if (archive_write_close(w->archive) == ARCHIVE_OK && !w->drain.failed)
		return 0;
	return drain_error(&w->drain, w->archive, e);
}

void
tar_writer_free(struct tar_writer *w)
{
	if (w == NULL)
		return;
	w->drain.sink = drain_nowhere;
	archive_write_free(w->archive);
	archive_entry_free(w->entry);
	free(w);
}

/* ---- reading ---- */

struct tar_reader {
	struct archive *archive;
	struct tar_bounds bounds;
	tar_source *source;
	void *arg;
	struct err error;
	bool failed;
	int64_t bytes, files;
	char *path;		/* of the current entry */
	char block[STREAM_BLOCK];
};

static la_ssize_t
reader_pull(struct archive *a, void *arg, const void **data)
{
	struct tar_reader *r = arg;
	ssize_t n = r->source(r->arg, r->block, sizeof(r->block), &r->error);

	*data = r->block;
	if (n == -1) {
		r->failed = true;
		archive_set_error(a, EIO, "the source failed");
	}
	return n;
}

static int
reader_error(struct tar_reader *r, struct err *e)
{
	const char *words = archive_error_string(r->archive);

	if (r->failed) {
		if (e != NULL)
			*e = r->error;
		return -1;
	}
	return err_set(e, ERR_INVALID, "not a whole tar archive: %s",
	    words == NULL ? "no reason given" : words);
}

struct tar_reader *
tar_reader_new(tar_source *source, void *arg, const struct tar_bounds *bounds,
    struct err *e)
{
	struct tar_reader *r = xcalloc(1, sizeof(*r));

	r->bounds = *bounds;
	r->source = source;
	r->arg = arg;
	if ((r->archive = archive_read_new()) == NULL)
		abort();
	archive_read_support_format_tar(r->archive);
	archive_read_support_filter_gzip(r->archive);
	archive_read_support_filter_bzip2(r->archive);
	archive_read_support_filter_xz(r->archive);
	archive_read_support_filter_zstd(r->archive);
	archive_read_set_options(r->archive, "hdrcharset=BINARY");
	if (archive_read_open(r->archive, r, NULL, reader_pull, NULL) ==
	    ARCHIVE_OK)
		return r;
	reader_error(r, e);
	tar_reader_free(r);
	return NULL;
}

bool
tar_link_is_inside(const char *path, const char *target)
{
	long depth = 0;

	if (target[0] == '/' || target[0] == '\0' ||
	    strlen(target) > KEY_MAX_BYTES)
		return false;
	for (const char *p = path; *p != '\0'; p++)
		depth += *p == '/';
	for (const char *p = target; *p != '\0';) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			depth--;
		else if (n > 0 && !(n == 1 && p[0] == '.'))
			depth++;
		if (depth < 0)
			return false;
		p += n + (p[n] == '/');
	}
	return true;
}

/* "./a/b/" as "a/b"; the caller owns it. */
static char *
clean_path(const char *raw)
{
	size_t len;

	while (raw[0] == '.' && raw[1] == '/')
		for (raw += 2; *raw == '/';)
			raw++;
	len = strlen(raw);
	while (len > 1 && raw[len - 1] == '/')
		len--;
	return xstrndup(raw, len);
}

static int
unsafe(const char *path, const char *why, struct err *e)
{
	return err_set(e, ERR_DENIED, "%.200s: %s", path, why);
}

/* Fill in t from the archive's entry, if it is one that may be used. */
static int
reader_check(struct tar_reader *r, struct archive_entry *entry,
    struct tar_entry *t, struct err *e)
{
	memset(t, 0, sizeof(*t));
	t->path = r->path;
	t->executable = (archive_entry_perm(entry) & 0100) != 0;
	if (!name_is_path(r->path))
		return unsafe(r->path, "a path that is not allowed", e);
	if (archive_entry_hardlink(entry) != NULL)
		return unsafe(r->path, "a hard link", e);
	switch (archive_entry_filetype(entry)) {
	case AE_IFDIR:
		t->type = TAR_DIRECTORY;
		return 0;
	case AE_IFREG:
		t->type = TAR_FILE;
		t->size = archive_entry_size(entry);
		return 0;
	case AE_IFLNK:
		t->type = TAR_SYMLINK;
		t->target = archive_entry_symlink(entry);
		if (t->target == NULL ||
		    !tar_link_is_inside(r->path, t->target))
			return unsafe(r->path, "a link that leaves the tree",
			    e);
		return 0;
	default:
		return unsafe(r->path, "neither file, directory nor link", e);
	}
}

static int
reader_bounds(struct tar_reader *r, const struct tar_entry *t, struct err *e)
{
	const struct tar_bounds *b = &r->bounds;

	if (++r->files > b->files)
		return err_set(e, ERR_TOOBIG, "over %lld files",
		    (long long)b->files);
	if (b->file_bytes > 0 && t->size > b->file_bytes)
		return err_set(e, ERR_TOOBIG, "%.200s: over %lld bytes",
		    t->path, (long long)b->file_bytes);
	if (t->size < 0 || t->size > b->bytes - r->bytes)
		return err_set(e, ERR_TOOBIG, "over %lld bytes in all",
		    (long long)b->bytes);
	r->bytes += t->size;
	return 0;
}

/* libarchive takes the end of the stream, between two entries, for the end of
 * the archive, which has a mark: an archive that was cut has none. */
static int
reader_end(struct tar_reader *r, struct err *e)
{
	if (archive_filter_bytes(r->archive, 0) >
	    archive_read_header_position(r->archive))
		return 0;
	return err_set(e, ERR_INVALID,
	    "not a whole tar archive: it has no end");
}

int
tar_reader_next(struct tar_reader *r, struct tar_entry *t, struct err *e)
{
	struct archive_entry *entry;
	int rc;

	for (;;) {
		rc = archive_read_next_header(r->archive, &entry);
		if (rc == ARCHIVE_EOF)
			return reader_end(r, e);
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return reader_error(r, e);
		if (archive_entry_pathname(entry) == NULL)
			return unsafe("?", "a path that is not allowed", e);
		free(r->path);
		r->path = clean_path(archive_entry_pathname(entry));
		/* the tree's own root, as "tar -c ." begins with */
		if (archive_entry_filetype(entry) != AE_IFDIR ||
		    (r->path[0] != '\0' && strcmp(r->path, ".") != 0))
			break;
	}
	if (reader_check(r, entry, t, e) == -1 || reader_bounds(r, t, e) == -1)
		return -1;
	return 1;
}

ssize_t
tar_reader_data(struct tar_reader *r, void *buf, size_t size, struct err *e)
{
	la_ssize_t n = archive_read_data(r->archive, buf, size);

	return n >= 0 ? (ssize_t)n : reader_error(r, e);
}

void
tar_reader_free(struct tar_reader *r)
{
	if (r == NULL)
		return;
	archive_read_free(r->archive);
	free(r->path);
	free(r);
}

/* ---- compression ---- */

struct tar_zstd {
	struct archive *archive;
	struct drain drain;
};

/* libarchive compresses a bare stream as the only entry of its "raw" format.
 */
struct tar_zstd *
tar_zstd_new(tar_sink *sink, void *arg, struct err *e)
{
	struct tar_zstd *z = xcalloc(1, sizeof(*z));
	struct archive_entry *entry = archive_entry_new();

	z->drain.sink = sink;
	z->drain.arg = arg;
	z->archive = archive_write_new();
	if (z->archive == NULL || entry == NULL)
		abort();
	archive_write_set_format_raw(z->archive);
	archive_write_add_filter_zstd(z->archive);
	archive_write_set_options(z->archive, "zstd:compression-level=1");
	archive_write_set_bytes_per_block(z->archive, STREAM_BLOCK);
	archive_write_set_bytes_in_last_block(z->archive, 1);
	archive_entry_set_pathname(entry, "stream");
	archive_entry_set_filetype(entry, AE_IFREG);
	if (archive_write_open(z->archive, &z->drain, NULL, drain_write,
		NULL) != ARCHIVE_OK ||
	    archive_write_header(z->archive, entry) != ARCHIVE_OK) {
		drain_error(&z->drain, z->archive, e);
		tar_zstd_free(z);
		z = NULL;
	}
	archive_entry_free(entry);
	return z;
}

int
tar_zstd_add(struct tar_zstd *z, const void *data, size_t len, struct err *e)
{
	if (len == 0 ||
	    archive_write_data(z->archive, data, len) == (la_ssize_t)len)
		return 0;
	return drain_error(&z->drain, z->archive, e);
}

int
tar_zstd_close(struct tar_zstd *z, struct err *e)
{
	if (archive_write_close(z->archive) == ARCHIVE_OK && !z->drain.failed)
		return 0;
	return drain_error(&z->drain, z->archive, e);
}

void
tar_zstd_free(struct tar_zstd *z)
{
	if (z == NULL)
		return;
	z->drain.sink = drain_nowhere;
	archive_write_free(z->archive);
	free(z);
}
