#include "worker/publish.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/digest.h"
#include "lib/err.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/rules.h"
#include "lib/store.h"
#include "worker/links.h"
#include "worker/siblings.h"

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
	struct siblings *siblings;
	void *seen;		/* a tree of tsearch(3) */
	bool has_index;
	struct links *links;
	int lost;		/* links that lead to nothing, and one */
	const char *first_lost;
	struct buf redirects, headers;	/* as they were in the stream */
	bool has_redirects, has_headers;
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
	char *prefix = xasprintf("dist/%s/", id), *rules;
	int rc = store_delete_all(store, prefix, e);

	rules = manifest_rules_key(id);
	if (rc == 0)
		rc = store_delete(store, rules, e);
	free(rules);
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
	p->siblings = siblings_new();
	p->links = links_new();
	for (char *const *d = spec->immutable; d != NULL && *d != NULL; d++)
		manifest_add_immutable(p->manifest, *d);
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
	siblings_free(p->siblings);
	links_free(p->links);
	buf_clear(&p->redirects);
	buf_clear(&p->headers);
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

/* whole gets what passes, too, where it is not NULL. */
static int
copy(struct publish *p, struct tar_reader *r, struct store_writer *w,
    struct buf *whole, struct err *e)
{
	char data[PIECE_BYTES];
	ssize_t n;

	while ((n = tar_reader_data(r, data, sizeof(data), e)) > 0) {
		digest_add(p->digest, data, (size_t)n);
		if (whole != NULL)
			buf_add(whole, data, (size_t)n);
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
	bool sibling = siblings_want(p->siblings, file.type, size);
	struct buf whole = BUF_INIT;
	int rc = -1;

	if (w == NULL)
		goto out;
	if (copy(p, r, w, sibling ? &whole : NULL, e) == -1) {
		store_put_abort(w);
		goto out;
	}
	digest_end(p->digest, file.sha256);
	if ((rc = store_put_commit(w, STORE_BATCHED, e)) == 0) {
		manifest_add(p->manifest, &file);
		if (sibling)
			siblings_add(p->siblings, path, file.type, &whole);
	}
out:
	buf_clear(&whole);
	free(key);
	return rc;
}

static int
check_bounds(const struct publish *p, const char *path, int64_t size,
    struct err *e)
{
	const struct conf *c = p->conf;

	if (publish_files(p) >= c->output_files)
		return err_set(e, ERR_OUTPUT_TOOBIG,
		    "too_many_files: the output has over %lld, %.200s is the "
		    "first beyond", (long long)c->output_files, path);
	if (size > c->output_bytes)
		return err_set(e, ERR_OUTPUT_TOOBIG,
		    "file_too_large: %.200s has %lld bytes, and an output "
		    "%lld at most", path, (long long)size,
		    (long long)c->output_bytes);
	if (size > c->output_bytes - publish_bytes(p))
		return err_set(e, ERR_OUTPUT_TOOBIG,
		    "the output has over %lld bytes, with %.200s",
		    (long long)c->output_bytes, path);
	return 0;
}

/* A byte over the bound is kept, so that the reader says that it is. */
static int
keep(struct tar_reader *r, struct buf *text, struct err *e)
{
	char data[PIECE_BYTES];
	ssize_t n;

	while ((n = tar_reader_data(r, data, sizeof(data), e)) > 0) {
		size_t room = RULES_FILE_MAX_BYTES + 1 - text->len;

		buf_add(text, data, (size_t)n < room ? (size_t)n : room);
	}
	return n == 0 ? 0 : -1;
}

/* 1: it was one of the two files that are orders, not contents. */
static int
take_rules(struct publish *p, struct tar_reader *r, const char *path,
    struct err *e)
{
	bool redirects = strcmp(path, "_redirects") == 0;

	if (!redirects && strcmp(path, "_headers") != 0)
		return 0;
	if (redirects)
		p->has_redirects = true;
	else
		p->has_headers = true;
	return keep(r, redirects ? &p->redirects : &p->headers, e) == -1 ? -1
									 : 1;
}

static int
take_entry(struct publish *p, struct tar_reader *r, const struct tar_entry *t,
    struct err *e)
{
	size_t len = strlen(p->dir);
	const char *path = t->path + len;
	int rc;

	if (strncmp(t->path, p->dir, len) != 0 || t->type == TAR_DIRECTORY ||
	    publish_leaves_out(path, p->source))
		return 0;
	if (t->type == TAR_SYMLINK)
		return links_add(p->links, path, t->target, e);
	if (check_bounds(p, path, t->size, e) == -1 || note_path(p, path, e) == -1)
		return -1;
	if ((rc = take_rules(p, r, path, e)) != 0)
		return rc == 1 ? 0 : -1;
	if (strcmp(path, "index.html") == 0)
		p->has_index = true;
	return store_file(p, r, path, t->size, e);
}

/* What the reader says of a stream, as the error of an output. */
static int
output_error(struct err *e)
{
	char words[sizeof(e->msg)];

	if (e == NULL)
		return -1;
	memcpy(words, e->msg, sizeof(words));
	if (e->code == ERR_TOOBIG)
		return err_set(e, ERR_OUTPUT_TOOBIG,
		    "too_many_files or file_too_large: %.300s", words);
	return e->code == ERR_DENIED ? err_recode(e, ERR_OUTPUT_UNSAFE) : -1;
}

/* ---- links ---- */

static int
copy_object(struct publish *p, const struct manifest_file *file,
    struct store_reader *r, const char *key, struct err *e)
{
	struct store_writer *w = store_put_open(p->store, key, file->type, e);
	char data[PIECE_BYTES];
	ssize_t n;

	if (w == NULL)
		return -1;
	while ((n = store_get_data(r, data, sizeof(data), e)) > 0)
		if (store_put_data(w, data, (size_t)n, e) == -1)
			break;
	if (n != 0) {
		store_put_abort(w);
		return -1;
	}
	return store_put_commit(w, STORE_BATCHED, e);
}

/* What was stored may become readable only with the next sync. */
static struct store_reader *
open_object(struct publish *p, const char *key, struct err *e)
{
	struct store_object o;
	struct store_reader *r = store_get_open(p->store, key, 0, &o, e);

	if (r == NULL && e->code == ERR_NOTFOUND &&
	    store_sync(p->store, e) == 0)
		r = store_get_open(p->store, key, 0, &o, e);
	return r;
}

static int
copy_file(void *publish, const struct manifest_file *from, const char *to,
    struct err *e)
{
	struct publish *p = publish;
	struct manifest_file file = *from;
	struct store_reader *r;
	char *source, *key;
	int rc = -1;

	/* What a directory's link would make of it. */
	if (!name_is_path(to) || publish_leaves_out(to, p->source))
		return 0;
	if (check_bounds(p, to, file.size, e) == -1 ||
	    note_path(p, to, e) == -1)
		return -1;
	source = manifest_file_key(p->id, from->path);
	key = manifest_file_key(p->id, to);
	file.path = to;
	file.type = manifest_type_of(to);
	if ((r = open_object(p, source, e)) != NULL &&
	    (rc = copy_object(p, &file, r, key, e)) == 0)
		manifest_add(p->manifest, &file);
	if (strcmp(to, "index.html") == 0)
		p->has_index = true;
	store_get_close(r);
	free(source);
	free(key);
	return rc;
}

/* A checkout may well have links to what is no part of the site; a build that
 * makes them has not made what it should. */
static int
resolve_links(struct publish *p, struct err *e)
{
	p->lost = links_resolve(p->links, p->manifest, copy_file, p,
	    &p->first_lost, e);
	if (p->lost > 0 && !p->source)
		return err_set(e, ERR_OUTPUT_UNSAFE,
		    "%.200s: a link to what is not in the output",
		    p->first_lost);
	return p->lost == -1 ? -1 : 0;
}

/* The site has a file or a directory of that path. */
static bool
is_taken(void *publish, const char *path)
{
	struct publish *p = publish;
	size_t len = strlen(path) + 1;
	struct seen *s = xmalloc(sizeof(*s) + len);
	bool found;

	memcpy(s->path, path, len);
	found = tfind(s, &p->seen, by_path) != NULL;
	free(s);
	return found;
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
	if (rc == -1) {
		output_error(e);
		goto out;
	}
	if ((rc = resolve_links(p, e)) == -1)
		goto out;
	if (manifest_count(p->manifest) == 0)
		rc = err_set(e, ERR_OUTPUT_EMPTY,
		    "there is no file to publish");
	else
		rc = siblings_put(p->siblings, p->store, p->id, p->manifest,
		    is_taken, p, e);
out:
	tar_reader_free(r);
	return rc;
}

/* ---- rules ---- */

struct listener {
	struct manifest *manifest;
	void (*say)(void *arg, const char *file, int line, const char *what);
	void *arg;
};

static bool
exists(void *listener, const char *path)
{
	return manifest_answers(((struct listener *)listener)->manifest, path);
}

static void
pass_on(void *listener, const char *file, int line, const char *what)
{
	struct listener *l = listener;

	l->say(l->arg, file, line, what);
}

const struct rules *
publish_rules(struct publish *p,
    void (*say)(void *arg, const char *file, int line, const char *what),
    void *arg)
{
	struct listener l = { p->manifest, say, arg };
	const struct rules_site site = { exists, pass_on, &l };
	struct rules *rules;

	if (!p->has_redirects && !p->has_headers)
		return NULL;
	rules = rules_new();
	rules_read_redirects(rules, buf_str(&p->redirects), p->redirects.len,
	    &site);
	rules_read_headers(rules, buf_str(&p->headers), p->headers.len, &site);
	manifest_set_rules(p->manifest, rules);
	return rules;
}

/* Web servers look whether it is there; before the manifest is. */
static int
mark_rules(struct publish *p, struct err *e)
{
	const struct rules *rules = manifest_rules(p->manifest);
	char *key;
	int rc;

	if (rules == NULL || !rules_before_files(rules))
		return 0;
	key = manifest_rules_key(p->id);
	rc = store_put(p->store, key, "text/plain", "", 0, e);
	free(key);
	return rc;
}

int
publish_sync(struct publish *p, struct err *e)
{
	return mark_rules(p, e) == -1 ? -1 : store_sync(p->store, e);
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
	*first = p->first_lost;
	return p->lost;
}
