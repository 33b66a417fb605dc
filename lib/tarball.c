#include "lib/tarball.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/gitname.h"
#include "lib/mem.h"
#include "lib/name.h"

#define PIECE_BYTES (64 * 1024)
#define QUOTED_MAX_BYTES 200

struct name {
	const char *path;	/* once all are there; an offset until then */
	size_t at;
	bool directory;
};

struct tarball {
	const struct tarball_options *options;
	struct tarball_report *report;
	tar_source *source;
	void *arg;
	struct tar_reader *reader;
	struct tar_writer *writer;
	struct name *names;	/* of all entries, for check_names() */
	size_t nnames, cap;
	struct buf text;	/* their paths, each with its NUL */
};

static int
unsafe(const char *path, const char *why, struct err *e)
{
	struct buf quoted = BUF_INIT;

	gitname_clean(&quoted, path, QUOTED_MAX_BYTES);
	err_set(e, ERR_ARCHIVE, "%s %s", buf_str(&quoted), why);
	buf_clear(&quoted);
	return -1;
}

/* A decompressor may yield for ever from little input: time counts with each
 * piece that is asked for. */
static int
in_time(const struct tarball *t, struct err *e)
{
	if (name_tick_ms() < t->options->deadline)
		return 0;
	return err_set(e, ERR_FETCH_TIMEOUT,
	    "the archive is not unpacked in time");
}

static ssize_t
pull(void *arg, void *data, size_t size, struct err *e)
{
	struct tarball *t = arg;

	return in_time(t, e) == -1 ? -1 : t->source(t->arg, data, size, e);
}

/* ---- one entry ---- */

/* True below a directory ".git", or for a file of that name, which is how
 * submodules and worktrees have it: tar takes along what is no source. */
static bool
is_of_git(const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "/");

		if (n == 4 && memcmp(path, ".git", 4) == 0)
			return true;
		if (path[n] == '\0')
			return false;
		path += n + 1;
	}
}

static int
check_entry(const struct tar_entry *entry, struct err *e)
{
	char segment[PATH_MAX_BYTES + 1];
	const char *why = NULL;

	for (const char *p = entry->path; why == NULL; p++) {
		size_t n = strcspn(p, "/");

		memcpy(segment, p, n);
		segment[n] = '\0';
		why = gitname_problem(segment);
		if (p[n] == '\0')
			break;
		p += n;
	}
	if (why == NULL && entry->type == TAR_SYMLINK)
		why = gitname_link_problem(entry->path, entry->target);
	return why == NULL ? 0 : unsafe(entry->path, why, e);
}

static void
add_name(struct tarball *t, const struct tar_entry *entry)
{
	if (t->nnames == t->cap) {
		t->cap = t->cap == 0 ? 256 : t->cap * 2;
		t->names = xreallocarray(t->names, t->cap, sizeof(*t->names));
	}
	t->names[t->nnames++] = (struct name){ .at = t->text.len,
		.directory = entry->type == TAR_DIRECTORY };
	buf_add(&t->text, entry->path, strlen(entry->path) + 1);
}

static int
copy_data(struct tarball *t, struct err *e)
{
	char data[PIECE_BYTES];
	ssize_t n;

	while ((n = tar_reader_data(t->reader, data, sizeof(data), e)) > 0)
		if (in_time(t, e) == -1 ||
		    tar_writer_data(t->writer, data, (size_t)n, e) == -1)
			return -1;
	return n == 0 ? 0 : -1;
}

static int
copy_entry(struct tarball *t, const struct tar_entry *entry, struct err *e)
{
	if (is_of_git(entry->path)) {
		t->report->git++;
		return 0;
	}
	if (check_entry(entry, e) == -1)
		return -1;
	add_name(t, entry);
	if (entry->type != TAR_DIRECTORY) {
		t->report->files++;
		t->report->bytes += entry->size;
	}
	if (tar_writer_entry(t->writer, entry, e) == -1)
		return -1;
	return entry->type == TAR_FILE ? copy_data(t, e) : 0;
}

/* ---- all of them ---- */

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->path,
	    ((const struct name *)b)->path);
}

static const struct name *
find(const struct tarball *t, const char *path)
{
	const struct name key = { .path = path };

	return bsearch(&key, t->names, t->nnames, sizeof(key), by_path);
}

/* What lies below anything but a directory would be written elsewhere. */
static int
check_parents(const struct tarball *t, const char *path, struct err *e)
{
	char parent[PATH_MAX_BYTES + 1];
	char *slash;

	memcpy(parent, path, strlen(path) + 1);
	while ((slash = strrchr(parent, '/')) != NULL) {
		const struct name *n;

		*slash = '\0';
		if ((n = find(t, parent)) != NULL && !n->directory)
			return unsafe(path,
			    "lies below what is no directory", e);
	}
	return 0;
}

/* As in a commit, a path names one thing. */
static int
check_names(struct tarball *t, struct err *e)
{
	for (size_t i = 0; i < t->nnames; i++)
		t->names[i].path = t->text.data + t->names[i].at;
	if (t->nnames > 0)
		qsort(t->names, t->nnames, sizeof(*t->names), by_path);
	for (size_t i = 0; i < t->nnames; i++) {
		const struct name *n = &t->names[i];

		if (i > 0 && strcmp(n[-1].path, n->path) == 0 &&
		    !(n[-1].directory && n->directory))
			return unsafe(n->path, "is there twice", e);
		if (check_parents(t, n->path, e) == -1)
			return -1;
	}
	return 0;
}

/* Archives need not have entries for directories. */
static int
check_dir(const struct tarball *t, struct err *e)
{
	const char *dir = t->options->dir;
	size_t len = dir == NULL ? 0 : strlen(dir);

	if (dir == NULL)
		return 0;
	for (size_t i = 0; i < t->nnames; i++) {
		const struct name *n = &t->names[i];

		if (strncmp(n->path, dir, len) == 0 &&
		    (n->path[len] == '/' ||
			(n->path[len] == '\0' && n->directory)))
			return 0;
	}
	return err_set(e, ERR_DIR_NOTFOUND,
	    "the archive has no directory '%.200s'", dir);
}

/* The tar room's codes as those of a source. */
static int
recode(struct err *e)
{
	return e != NULL && (e->code == ERR_INVALID || e->code == ERR_DENIED)
	    ? err_recode(e, ERR_ARCHIVE)
	    : -1;
}

static int
copy(struct tarball *t, struct err *e)
{
	struct tar_entry entry;
	int rc;

	while ((rc = tar_reader_next(t->reader, &entry, e)) == 1)
		if (in_time(t, e) == -1 || copy_entry(t, &entry, e) == -1)
			return -1;
	if (rc == -1 || check_names(t, e) == -1 || check_dir(t, e) == -1)
		return -1;
	if (t->report->files == 0)
		return err_set(e, ERR_ARCHIVE, "the archive holds no file");
	return 0;
}

int
tarball_copy(tar_source *source, void *arg, struct tar_writer *writer,
    const struct tarball_options *options, struct tarball_report *report,
    struct err *e)
{
	struct tarball t = { .options = options, .report = report,
		.source = source, .arg = arg, .writer = writer };
	int rc = -1;

	memset(report, 0, sizeof(*report));
	t.reader = tar_reader_new(pull, &t, &options->bounds, e);
	if (t.reader != NULL)
		rc = copy(&t, e);
	if (rc == -1)
		recode(e);
	tar_reader_free(t.reader);
	free(t.names);
	buf_clear(&t.text);
	return rc;
}
