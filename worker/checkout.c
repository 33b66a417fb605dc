#include "worker/checkout.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"
#include "worker/project.h"

#define PIECE_BYTES (64 * 1024)

/* A CA bundle of a whole system has 200 KB. */
#define CA_MAX_BYTES (4 * 1024 * 1024)

/* How deep a directory on disk is looked into: what rules ask for lies near
 * the top. */
#define LOOK_DEPTH 5

struct checkout {
	struct store_reader *reader;
};

struct checkout *
checkout_open(struct store *store, const char *id, struct err *e)
{
	struct checkout *c = xcalloc(1, sizeof(*c));
	char *key = xasprintf("output/%s.tar.zst", id);
	struct store_object o;
	struct err why;

	c->reader = store_get_open(store, key, 0, &o, &why);
	if (c->reader == NULL && why.code == ERR_NOTFOUND)
		err_set(e, ERR_INTERNAL,
		    "the store has no %s: the source is gone", key);
	else if (c->reader == NULL && e != NULL)
		*e = why;
	free(key);
	if (c->reader != NULL)
		return c;
	free(c);
	return NULL;
}

ssize_t
checkout_read(void *checkout, void *data, size_t size, struct err *e)
{
	struct checkout *c = checkout;

	return store_get_data(c->reader, data, size, e);
}

void
checkout_close(struct checkout *c)
{
	if (c == NULL)
		return;
	store_get_close(c->reader);
	free(c);
}

/* The source was checked when it was stored: what does not pass now is the
 * platform's fault. */
static int
damaged(const char *id, struct err *e)
{
	if (e == NULL || (e->code != ERR_INVALID && e->code != ERR_TOOBIG &&
			     e->code != ERR_DENIED))
		return -1;
	err_within(e, "the stored source output/%s.tar.zst", id);
	return err_recode(e, ERR_INTERNAL);
}

/* ---- looking ---- */

/* The entry's contents, up to want bytes. */
static int
read_text(struct tar_reader *r, size_t want, struct buf *text, struct err *e)
{
	while (text->len < want) {
		size_t n = want - text->len;
		ssize_t got = tar_reader_data(r, buf_space(text, n), n, e);

		if (got <= 0)
			return (int)got;
		buf_grow(text, (size_t)got);
	}
	return 0;
}

static int
look(struct tar_reader *r, struct project *p, const char *const *patterns,
    struct err *e)
{
	struct tar_entry t;
	int rc;

	while ((rc = tar_reader_next(r, &t, e)) == 1) {
		struct buf text = BUF_INIT;
		char *path;
		size_t want = t.type == TAR_FILE
		    ? project_wants(p, t.path, patterns)
		    : 0;

		if (want == 0)
			continue;
		path = xstrdup(t.path);
		if ((rc = read_text(r, want, &text, e)) == 0)
			project_add(p, path, buf_str(&text), text.len);
		buf_clear(&text);
		free(path);
		if (rc == -1)
			return -1;
	}
	return rc;
}

int
checkout_look(struct store *store, const struct conf *conf, const char *id,
    struct project *p, const char *const *patterns, struct err *e)
{
	struct tar_bounds bounds = { .bytes = conf->source_bytes,
		.files = conf->source_files };
	struct checkout *c = checkout_open(store, id, e);
	struct tar_reader *r = NULL;
	int rc = -1;

	if (c == NULL)
		return -1;
	r = tar_reader_new(checkout_read, c, &bounds, e);
	if (r != NULL)
		rc = look(r, p, patterns, e);
	if (rc == -1)
		damaged(id, e);
	tar_reader_free(r);
	checkout_close(c);
	return rc;
}

int
checkout_look_in(tar_source *source, void *arg, struct project *p,
    const char *const *patterns, struct err *e)
{
	/* Nothing of it is kept: there is nothing to be bounded. */
	struct tar_bounds bounds = { .bytes = INT64_MAX, .files = INT64_MAX };
	struct tar_reader *r = tar_reader_new(source, arg, &bounds, e);
	int rc = r == NULL ? -1 : look(r, p, patterns, e);

	tar_reader_free(r);
	return rc;
}

static int
look_at_file(FTSENT *f, const char *path, struct project *p,
    const char *const *patterns, struct err *e)
{
	size_t want = project_wants(p, path, patterns);
	struct buf text = BUF_INIT;
	ssize_t n;
	int fd;

	if (want == 0)
		return 0;
	if ((fd = open(f->fts_accpath, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) ==
	    -1)
		return err_errno(e, "open %s", f->fts_path);
	if ((n = fdio_read(fd, buf_space(&text, want), want, e)) != -1) {
		buf_grow(&text, (size_t)n);
		project_add(p, path, buf_str(&text), text.len);
	}
	fdio_close(&fd);
	buf_clear(&text);
	return n == -1 ? -1 : 0;
}

int
checkout_look_at(const char *dir, struct project *p,
    const char *const *patterns, struct err *e)
{
	char *roots[] = { (char *)(uintptr_t)dir, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	size_t skip = strlen(dir);
	FTSENT *f;
	int rc = 0;

	if (tree == NULL)
		return err_errno(e, "read %s", dir);
	while (rc == 0 && (f = fts_read(tree)) != NULL) {
		const char *path = f->fts_path + skip;

		if (f->fts_level == 0 && f->fts_info != FTS_D &&
		    f->fts_info != FTS_DP) {
			errno = f->fts_errno != 0 ? f->fts_errno : ENOTDIR;
			err_errno(e, "read %s", dir);
			rc = err_recode(e, ERR_NOTFOUND);
		}
		if (f->fts_info == FTS_D &&
		    (f->fts_level > LOOK_DEPTH ||
			strcmp(f->fts_name, "node_modules") == 0 ||
			strcmp(f->fts_name, ".git") == 0))
			fts_set(tree, f, FTS_SKIP);
		if (f->fts_info == FTS_F && f->fts_level > 0)
			rc = look_at_file(f, path + strspn(path, "/"), p,
			    patterns, e);
	}
	fts_close(tree);
	return rc;
}

/* ---- packing ---- */

static int
add_directory(struct tar_writer *w, const char *path, struct err *e)
{
	struct tar_entry t = { .path = path, .type = TAR_DIRECTORY };

	return tar_writer_entry(w, &t, e);
}

static int
add_ca(struct tar_writer *w, const char *path, struct err *e)
{
	struct tar_entry t = { .path = ".davit/ca.pem", .type = TAR_FILE };
	struct buf text = BUF_INIT;
	int rc = -1;

	if (fdio_slurp_file(path, CA_MAX_BYTES, &text, e) == -1) {
		err_within(e, "build_ca");
		err_recode(e, ERR_CONFIG);
		goto out;
	}
	t.size = (int64_t)text.len;
	if (add_directory(w, ".davit", e) == 0 &&
	    tar_writer_entry(w, &t, e) == 0 &&
	    tar_writer_data(w, text.data, text.len, e) == 0)
		rc = 0;
out:
	buf_clear(&text);
	return rc;
}

static int
copy_entry(struct tar_reader *r, struct tar_writer *w, struct tar_entry *t,
    struct err *e)
{
	char data[PIECE_BYTES];
	char *path = xasprintf("src/%s", t->path);
	ssize_t n;
	int rc;

	t->path = path;
	rc = tar_writer_entry(w, t, e);
	free(path);
	if (rc == -1 || t->type != TAR_FILE)
		return rc;
	while ((n = tar_reader_data(r, data, sizeof(data), e)) > 0)
		if (tar_writer_data(w, data, (size_t)n, e) == -1)
			return -1;
	return n == 0 ? 0 : -1;
}

static int
pack(struct tar_reader *r, struct tar_writer *w, const struct conf *conf,
    struct err *e)
{
	struct tar_entry t;
	int rc;

	if (add_directory(w, "home", e) == -1 ||
	    add_directory(w, "src", e) == -1)
		return -1;
	if (conf->build_ca[0] != '\0' && add_ca(w, conf->build_ca, e) == -1)
		return -1;
	while ((rc = tar_reader_next(r, &t, e)) == 1)
		if (copy_entry(r, w, &t, e) == -1)
			return -1;
	return rc == 0 ? tar_writer_close(w, e) : -1;
}

int
checkout_pack(struct store *store, const struct conf *conf, const char *id,
    tar_sink *sink, void *arg, struct err *e)
{
	struct tar_bounds bounds = { .bytes = conf->source_bytes,
		.files = conf->source_files };
	struct checkout *c = checkout_open(store, id, e);
	struct tar_reader *r = NULL;
	struct tar_writer *w = NULL;
	int rc = -1;

	if (c == NULL)
		return -1;
	if ((r = tar_reader_new(checkout_read, c, &bounds, e)) != NULL &&
	    (w = tar_writer_new(sink, arg, e)) != NULL)
		rc = pack(r, w, conf, e);
	if (rc == -1)
		damaged(id, e);
	tar_writer_free(w);
	tar_reader_free(r);
	checkout_close(c);
	return rc;
}
