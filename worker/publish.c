#include "worker/publish.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/conf.h"
#include "lib/digest.h"
#include "lib/err.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/store.h"

#define PIECE_BYTES (64 * 1024)

/* Entries that are not published, directories and dotfiles, cost time too. */
#define ENTRIES_PER_FILE 8

_Static_assert(sizeof(((struct manifest_file *)0)->sha256) ==
	DIGEST_HEX_BYTES, "a manifest holds a digest");

/* A path that was seen, as a file or as a directory above one. */
struct seen {
	bool is_dir;
	char path[];
};

struct publish {
	struct store *store;
	const struct conf *conf;
	char *id, *dir;		/* dir: "" or ends in "/" */
	bool source;
	struct manifest *manifest;
	struct digest *digest;
	void *seen;		/* a tree of tsearch(3) */
	bool has_index;
	int64_t links;
	char *first_link;
};

/* ---- what belongs to a site ---- */

bool
publish_leaves_out(const char *path, bool source)
{
	/* What tools read, at the top of a checkout. */
	static const char *const tools[] = { "package.json",
		"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml",
		"pnpm-workspace.yaml", "yarn.lock", "bun.lock", "bun.lockb",
		"Dockerfile", "docker-compose.yml", "docker-compose.yaml",
		"compose.yml", "compose.yaml", "Makefile", "netlify.toml",
		"vercel.json", "wrangler.toml", "firebase.json" };
	static const char well_known[] = ".well-known";
	bool top = true;

	for (size_t i = 0; source && i < sizeof(tools) / sizeof(tools[0]); i++)
		if (strcmp(path, tools[i]) == 0)
			return true;
	for (const char *p = path; *p != '\0'; top = false) {
		size_t len = strcspn(p, "/");

		if (p[0] == '.' && !(top && len == sizeof(well_known) - 1 &&
				      memcmp(p, well_known, len) == 0))
			return true;
		if (source && len == 12 && memcmp(p, "node_modules", 12) == 0)
			return true;
		p += len + (p[len] == '/');
	}
	return false;
}

/* ---- begin and end ---- */

int
publish_remove(struct store *store, const char *id, struct err *e)
{
	char *prefix = xasprintf("dist/%s/", id);
	int rc = store_delete_all(store, prefix, e);

	free(prefix);
	return rc;
}

struct publish *
publish_new(const struct publish_spec *spec, struct err *e)
{
	struct publish *p;

	if (publish_remove(spec->store, spec->id, e) == -1)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->store = spec->store;
	p->conf = spec->conf;
	p->id = xstrdup(spec->id);
	p->dir = xasprintf("%s%s", spec->dir,
	    spec->dir[0] == '\0' ? "" : "/");
	p->source = spec->source;
	p->manifest = manifest_new(spec->id, spec->spa);
	p->digest = digest_new();
	return p;
}

void
publish_free(struct publish *p)
{
	if (p == NULL)
		return;
	tdestroy(p->seen, free);
	manifest_free(p->manifest);
	digest_free(p->digest);
	free(p->first_link);
	free(p->dir);
	free(p->id);
	free(p);
}

/* ---- paths ---- */

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const struct seen *)a)->path,
	    ((const struct seen *)b)->path);
}

/* Note the first len bytes of path.  False where they were the other kind of
 * thing before, or a file twice. */
static bool
note(struct publish *p, const char *path, size_t len, bool is_dir)
{
	struct seen *s = xmalloc(sizeof(*s) + len + 1), **found;

	s->is_dir = is_dir;
	memcpy(s->path, path, len);
	s->path[len] = '\0';
	if ((found = tsearch(s, &p->seen, by_path)) == NULL)
		abort(); /* out of memory */
	if (*found == s)
		return true;
	free(s);
	return is_dir && (*found)->is_dir;
}

/* A tar may hold "a" and "a/b", or "a" twice; a directory cannot, and which
 * one would be served is anybody's guess. */
static int
note_path(struct publish *p, const char *path, struct err *e)
{
	for (const char *s = strchr(path, '/'); s != NULL;
	     s = strchr(s + 1, '/'))
		if (!note(p, path, (size_t)(s - path), true))
			return err_set(e, ERR_OUTPUT_UNSAFE,
			    "%.200s: a file and a directory at once", path);
	if (!note(p, path, strlen(path), false))
		return err_set(e, ERR_OUTPUT_UNSAFE,
		    "%.200s: it is there twice", path);
	return 0;
}

/* ---- files ---- */

static int
copy(struct publish *p, struct tar_reader *r, struct store_writer *w,
    struct err *e)
{
	char data[PIECE_BYTES];
	ssize_t n;

	while ((n = tar_reader_data(r, data, sizeof(data), e)) > 0) {
		digest_add(p->digest, data, (size_t)n);
		if (store_put_data(w, data, (size_t)n, e) == -1)
			return -1;
	}
	return n == 0 ? 0 : -1;
}

static int
store_file(struct publish *p, struct tar_reader *r, const char *path,
    int64_t size, struct err *e)
{
	struct manifest_file file = { .path = path,
		.type = manifest_type_of(path),
		.size = size };
	char *key = manifest_file_key(p->id, path);
	struct store_writer *w = store_put_open(p->store, key, file.type, e);
	int rc = -1;

	if (w == NULL)
		goto out;
	if (copy(p, r, w, e) == -1) {
		store_put_abort(w);
		goto out;
	}
	digest_end(p->digest, file.sha256);
	if ((rc = store_put_commit(w, STORE_BATCHED, e)) == 0)
		manifest_add(p->manifest, &file);
out:
	free(key);
	return rc;
}

static int
check_bounds(const struct publish *p, int64_t size, struct err *e)
{
	const struct conf *c = p->conf;

	if (publish_files(p) >= c->output_files)
		return err_set(e, ERR_OUTPUT_TOOBIG,
		    "the output has over %lld files",
		    (long long)c->output_files);
	if (size > c->output_bytes - publish_bytes(p))
		return err_set(e, ERR_OUTPUT_TOOBIG,
		    "the output has over %lld bytes",
		    (long long)c->output_bytes);
	return 0;
}

/* A container's tar follows links, so that one here comes from a checkout. */
static void
leave_out_link(struct publish *p, const char *path)
{
	if (p->links++ == 0)
		p->first_link = xstrdup(path);
}

static int
take_entry(struct publish *p, struct tar_reader *r, const struct tar_entry *t,
    struct err *e)
{
	size_t len = strlen(p->dir);
	const char *path = t->path + len;

	if (strncmp(t->path, p->dir, len) != 0 || t->type == TAR_DIRECTORY ||
	    publish_leaves_out(path, p->source))
		return 0;
	if (t->type == TAR_SYMLINK) {
		leave_out_link(p, path);
		return 0;
	}
	if (check_bounds(p, t->size, e) == -1 || note_path(p, path, e) == -1)
		return -1;
	if (strcmp(path, "index.html") == 0)
		p->has_index = true;
	return store_file(p, r, path, t->size, e);
}

/* What the reader says of a stream, as the error of an output. */
static int
output_error(struct err *e)
{
	if (e == NULL)
		return -1;
	if (e->code == ERR_TOOBIG)
		return err_set(e, ERR_OUTPUT_TOOBIG,
		    "the output has too many files or bytes");
	return e->code == ERR_DENIED ? err_recode(e, ERR_OUTPUT_UNSAFE) : -1;
}

int
publish_stream(struct publish *p, tar_source *source, void *arg,
    struct err *e)
{
	const struct conf *c = p->conf;
	struct tar_bounds bounds = {
		.bytes = p->source ? c->source_bytes : c->output_bytes,
		.files = p->source ? c->source_files
				   : c->output_files * ENTRIES_PER_FILE
	};
	struct tar_reader *r = tar_reader_new(source, arg, &bounds, e);
	struct tar_entry t;
	int rc = -1;

	if (r == NULL)
		goto out;
	while ((rc = tar_reader_next(r, &t, e)) == 1)
		if ((rc = take_entry(p, r, &t, e)) == -1)
			goto out;
	if (rc == -1)
		output_error(e);
	else if (manifest_count(p->manifest) == 0)
		rc = err_set(e, ERR_OUTPUT_EMPTY,
		    "there is no file to publish");
out:
	tar_reader_free(r);
	return rc;
}

int
publish_sync(struct publish *p, struct err *e)
{
	return store_sync(p->store, e);
}

int
publish_commit(struct publish *p, struct err *e)
{
	char *key = manifest_key(p->id), *text = manifest_to_text(p->manifest);
	int rc = store_put(p->store, key, "application/json", text,
	    strlen(text), e);

	free(key);
	free(text);
	return rc;
}

int64_t
publish_files(const struct publish *p)
{
	return (int64_t)manifest_count(p->manifest);
}

int64_t
publish_bytes(const struct publish *p)
{
	return manifest_bytes(p->manifest);
}

bool
publish_has_index(const struct publish *p)
{
	return p->has_index;
}

int64_t
publish_links(const struct publish *p, const char **first)
{
	*first = p->first_link;
	return p->links;
}
