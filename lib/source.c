#include "lib/source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/gitmodules.h"
#include "lib/gitname.h"
#include "lib/gitproto.h"
#include "lib/ignore.h"
#include "lib/lfs.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/tar.h"

#define MiB ((size_t)1 << 20)

/* libgit2 maps the pack through windows; small ones cost no time and spare
 * memory. */
#define WINDOW_BYTES (1 * MiB)
#define WINDOWS_BYTES (64 * MiB)
#define CACHE_BYTES (8 * MiB)

/* Where a server knows no shallow fetch, old versions come along. */
#define OBJECTS_PER_FILE 8
#define OBJECTS_MIN 100000

/* A tree can name one subtree many times; entries that are left out are only
 * counted, but that must end as well. */
#define VISITS_PER_FILE 8
#define VISITS_MIN 10000

#define SUBJECT_MAX_BYTES 200
#define QUOTED_MAX_BYTES 200
#define PACK_HEAD_BYTES 12
#define OID_DIGITS 40

/* What of the pack came so far. */
struct intake {
	git_indexer *indexer;
	git_indexer_progress progress;
	int64_t bytes, max_bytes, max_objects;
	uint8_t head[PACK_HEAD_BYTES];
};

struct item {
	git_oid id;
	uint32_t path;		/* offset into names */
	uint8_t type;		/* enum tar_type */
	bool executable;
	int64_t size;
	struct lfs_object *lfs;	/* whose pointer the blob is; NULL: it is all */
};

/* The repository whose tree is being planned: the one that was asked for, or
 * a submodule. */
struct level {
	const struct name_url *url;
	const char *dir;	/* where its root is; "" for the first */
	struct buf modules;	/* its .gitmodules */
	int depth;
};

struct source {
	const struct source_options *options;
	git_odb *odb;
	git_repository *repository;
	char commit[OID_DIGITS + 1];
	char *ref;
	struct buf subject;

	struct item *items;
	size_t nitems, cap;
	struct buf names;	/* their paths, each with its NUL */
	int64_t files, bytes, visits;
	int64_t received;	/* bytes of packs */
	bool limited;		/* too large blobs are not in them */
	int submodules;
	struct level *level;
	char *notes[SOURCE_NOTES];
	size_t nnotes;

	size_t *pointers;	/* items that are pointers of Git LFS */
	size_t npointers;
	struct ignore *rules;	/* of .gitignore files */
	struct ignore *lfs;	/* of .gitattributes, as far as LFS goes */
	struct ignore *own;	/* of .davitignore, which come first */
	int64_t ignored;
	char *ignored_names[SOURCE_NAMES];
	size_t nignored_names;
};

/* ---- errors ---- */

static const char *
git_words(void)
{
	const git_error *g = git_error_last();

	return g == NULL || g->message == NULL ? "no reason given"
					       : g->message;
}

static int
damaged(struct err *e)
{
	return err_set(e, ERR_FETCH_FAILED, "the pack is damaged: %.200s",
	    git_words());
}

static int
entry_error(struct err *e, enum err_code code, const char *path,
    const char *why)
{
	struct buf quoted = BUF_INIT;

	gitname_clean(&quoted, path, QUOTED_MAX_BYTES);
	err_set(e, code, "%s %s", buf_str(&quoted), why);
	buf_clear(&quoted);
	return -1;
}

static int
too_many(const struct source *s, struct err *e)
{
	return err_set(e, ERR_REPO_TOOBIG, "the commit has over %lld files",
	    (long long)s->options->source_files);
}

/* ---- the pack ---- */

static uint32_t
big_endian(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

/* The pack's first bytes say how many objects it will claim memory for. */
static int
check_head(const struct intake *in, struct err *e)
{
	if (memcmp(in->head, "PACK", 4) != 0)
		return err_set(e, ERR_FETCH_FAILED,
		    "the server sent no pack");
	if (big_endian(in->head + 8) > in->max_objects)
		return err_set(e, ERR_REPO_TOOBIG,
		    "the pack has over %lld objects",
		    (long long)in->max_objects);
	return 0;
}

static int
intake_sink(void *arg, const void *data, size_t len, struct err *e)
{
	struct intake *in = arg;
	bool headless = in->bytes < PACK_HEAD_BYTES;

	for (size_t i = 0; headless && i < len &&
	     in->bytes + (int64_t)i < PACK_HEAD_BYTES; i++)
		in->head[in->bytes + (int64_t)i] = ((const uint8_t *)data)[i];
	in->bytes += (int64_t)len;
	if (in->bytes > in->max_bytes)
		return err_set(e, ERR_REPO_TOOBIG,
		    "the pack has over %lld bytes", (long long)in->max_bytes);
	if (headless && in->bytes >= PACK_HEAD_BYTES &&
	    check_head(in, e) == -1)
		return -1;
	if (git_indexer_append(in->indexer, data, len, &in->progress) < 0)
		return damaged(e);
	return 0;
}

/* Open the one pack that the indexer has written. */
static int
open_pack(struct source *s, const char *name, struct err *e)
{
	char *index = xasprintf("%s/pack-%s.idx", s->options->scratch, name);
	git_odb_backend *backend = NULL;
	int rc = -1;

	if (git_odb_backend_one_pack(&backend, index) < 0 ||
	    git_odb_add_backend(s->odb, backend, 1) < 0)
		err_set(e, ERR_INTERNAL, "open the pack: %.200s", git_words());
	else
		rc = 0;
	free(index);
	return rc;
}

/* Run the conversation; the pack is in scratch and open after it. */
static int
fetch_pack(struct source *s, const struct name_url *url,
    struct gitproto *proto, struct intake *in, struct err *e)
{
	const struct source_options *o = s->options;

	in->max_bytes = o->pack_bytes - s->received;
	in->max_objects = OBJECTS_MIN + OBJECTS_PER_FILE * o->source_files;
	if (git_indexer_new(&in->indexer, o->scratch, 0, NULL, NULL) < 0)
		return err_set(e, ERR_INTERNAL, "start the indexer: %.200s",
		    git_words());
	/* Limits of blobs count their size less one. */
	gitproto_limit_blobs(proto, o->source_bytes + 1);
	if (gitwire_fetch(url, proto, &o->wire, e) == -1)
		return -1;
	s->limited = s->limited || gitproto_is_limited(proto);
	if (git_indexer_commit(in->indexer, &in->progress) < 0)
		return damaged(e);
	s->received += in->bytes;
	return open_pack(s, git_indexer_name(in->indexer), e);
}

/* ---- the commit ---- */

/* Follow what was asked for, which may be a tag, to its commit. */
static git_commit *
find_commit(struct source *s, const char *want, struct err *e)
{
	git_object *object = NULL, *commit = NULL;
	git_oid id;

	if (git_oid_fromstr(&id, want) < 0 ||
	    git_object_lookup(&object, s->repository, &id, GIT_OBJECT_ANY) < 0)
		err_set(e, ERR_FETCH_FAILED,
		    "the server did not send what was asked for: %.200s",
		    git_words());
	else if (git_object_peel(&commit, object, GIT_OBJECT_COMMIT) < 0)
		err_set(e, ERR_REF_NOTFOUND, "'%.200s' leads to no commit",
		    s->options->ref == NULL ? "HEAD" : s->options->ref);
	git_object_free(object);
	return (git_commit *)commit;
}

/* ---- the plan ---- */

static int
add_item(struct source *s, const char *path, enum tar_type type,
    const git_oid *id, struct err *e)
{
	struct item *item;

	if ((int64_t)s->nitems >= s->options->source_files)
		return too_many(s, e);
	if (s->names.len > UINT32_MAX - PATH_MAX_BYTES - 1)
		return err_set(e, ERR_REPO_TOOBIG, "4 GiB of file names");
	if (s->nitems == s->cap) {
		s->cap = s->cap == 0 ? 256 : s->cap * 2;
		s->items = xreallocarray(s->items, s->cap, sizeof(*s->items));
	}
	item = &s->items[s->nitems++];
	memset(item, 0, sizeof(*item));
	git_oid_cpy(&item->id, id);
	item->path = (uint32_t)s->names.len;
	item->type = (uint8_t)type;
	buf_add(&s->names, path, strlen(path) + 1);
	return 0;
}

static const char *
item_path(const struct source *s, const struct item *item)
{
	return s->names.data + item->path;
}

/* Size of a blob, which need not be unpacked for it. */
static int
blob_size(const struct source *s, const git_oid *id, const char *path,
    int64_t *size, struct err *e)
{
	git_object_t type;
	size_t len;

	if (git_odb_read_header(&len, &type, s->odb, id) < 0 && s->limited)
		return entry_error(e, ERR_REPO_TOOBIG, path,
		    "is larger than all files may be");
	if (git_odb_read_header(&len, &type, s->odb, id) < 0 ||
	    type != GIT_OBJECT_BLOB)
		return entry_error(e, ERR_FETCH_FAILED, path,
		    "is not in the pack");
	*size = len > INT64_MAX ? INT64_MAX : (int64_t)len;
	return 0;
}

/* A blob of at most max bytes into out, whole. */
static int
blob_read(const struct source *s, const git_oid *id, const char *path,
    size_t max, struct buf *out, struct err *e)
{
	git_odb_object *object = NULL;
	int64_t size;

	if (blob_size(s, id, path, &size, e) == -1)
		return -1;
	if (size > (int64_t)max)
		return entry_error(e, ERR_REPO_TOOBIG, path, "is too large");
	if (git_odb_read(&object, s->odb, id) < 0)
		return damaged(e);
	buf_add(out, git_odb_object_data(object), git_odb_object_size(object));
	git_odb_object_free(object);
	return 0;
}

static int
check_link(const struct source *s, const git_oid *id, const char *path,
    struct err *e)
{
	struct buf target = BUF_INIT;
	const char *why = NULL;
	int rc;

	if ((rc = blob_read(s, id, path, KEY_MAX_BYTES, &target, e)) == 0) {
		why = strlen(buf_str(&target)) != target.len
		    ? "is a link with a NUL in its target"
		    : gitname_link_problem(path, buf_str(&target));
		if (why != NULL)
			rc = entry_error(e, ERR_REPO_UNSAFE, path, why);
	}
	buf_clear(&target);
	return rc;
}

/* Where .gitattributes says so, the blob may be a pointer. */
static int
check_pointer(struct source *s, struct item *item, struct err *e)
{
	const char *path = item_path(s, item);
	struct lfs_object o = { .place = NULL };
	struct buf text = BUF_INIT;

	if (item->size > LFS_POINTER_MAX_BYTES ||
	    ignore_check(s->lfs, path, false) != IGNORE_DROP)
		return 0;
	if (blob_read(s, &item->id, path, LFS_POINTER_MAX_BYTES, &text,
		e) == -1)
		return -1;
	if (lfs_pointer(buf_str(&text), text.len, &o)) {
		item->lfs = xcalloc(1, sizeof(o));
		*item->lfs = o;
		s->pointers = xreallocarray(s->pointers, s->npointers + 1,
		    sizeof(*s->pointers));
		s->pointers[s->npointers++] = (size_t)(item - s->items);
	}
	buf_clear(&text);
	return 0;
}

static int
plan_file(struct source *s, const char *path, unsigned int mode,
    const git_oid *id, struct err *e)
{
	int64_t size;

	if (S_ISLNK(mode) && check_link(s, id, path, e) == -1)
		return -1;
	if (blob_size(s, id, path, &size, e) == -1)
		return -1;
	if (size > s->options->source_bytes - s->bytes)
		return err_set(e, ERR_REPO_TOOBIG,
		    "the commit's files have over %lld bytes",
		    (long long)s->options->source_bytes);
	if (add_item(s, path, S_ISLNK(mode) ? TAR_SYMLINK : TAR_FILE, id,
		e) == -1)
		return -1;
	s->items[s->nitems - 1].size = size;
	s->items[s->nitems - 1].executable = (mode & 0100) != 0;
	s->bytes += size;
	s->files++;
	return S_ISLNK(mode)
	    ? 0
	    : check_pointer(s, &s->items[s->nitems - 1], e);
}

static void
count_ignored(struct source *s, const char *path)
{
	struct buf name = BUF_INIT;

	s->ignored++;
	if (s->nignored_names == SOURCE_NAMES)
		return;
	gitname_clean(&name, path, PATH_MAX_BYTES);
	s->ignored_names[s->nignored_names++] = buf_take(&name);
}

static bool
is_ignored(const struct source *s, const char *path, bool directory)
{
	enum ignore_verdict verdict = ignore_check(s->own, path, directory);

	if (verdict == IGNORE_UNSAID && !s->options->keep_ignored)
		verdict = ignore_check(s->rules, path, directory);
	return verdict == IGNORE_DROP;
}

/* The rules of a file of that name in the tree, if it is there and a file:
 * like git, a link is not followed. */
static int
push_rules(struct source *s, struct ignore *rules, const git_tree *tree,
    const char *name, const char *dir, bool *pushed, struct err *e)
{
	const git_tree_entry *entry = git_tree_entry_byname(tree, name);
	struct buf text = BUF_INIT, patterns = BUF_INIT;
	char *path;
	int rc;

	*pushed = false;
	if (entry == NULL || !S_ISREG(git_tree_entry_filemode_raw(entry)))
		return 0;
	path = xasprintf("%s%s%s", dir, dir[0] == '\0' ? "" : "/", name);
	rc = blob_read(s, git_tree_entry_id(entry), path,
	    IGNORE_FILE_MAX_BYTES, &text, e);
	if (rc == 0 && rules == s->lfs)
		lfs_patterns(buf_str(&text), text.len, &patterns);
	if (rc == 0)
		rc = rules == s->lfs
		    ? ignore_push(rules, dir, buf_str(&patterns), patterns.len,
			  e)
		    : ignore_push(rules, dir, buf_str(&text), text.len, e);
	buf_clear(&patterns);
	*pushed = rc == 0;
	buf_clear(&text);
	free(path);
	return rc;
}

static int
read_modules(struct source *s, const git_tree *tree, struct err *e)
{
	const git_tree_entry *entry = git_tree_entry_byname(tree,
	    ".gitmodules");

	if (entry == NULL || !S_ISREG(git_tree_entry_filemode_raw(entry)))
		return 0;
	return blob_read(s, git_tree_entry_id(entry), ".gitmodules",
	    IGNORE_FILE_MAX_BYTES, &s->level->modules, e);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two entries of one name, a link and a directory, would be a way out of the
 * tree for whoever unpacks it.  Git sorts "a" and "a/" apart, and a server
 * need not sort at all. */
static int
check_twins(const git_tree *tree, const char *dir, struct err *e)
{
	size_t n = git_tree_entrycount(tree);
	const char **names;
	int rc = 0;

	if (n < 2)
		return 0;
	names = xreallocarray(NULL, n, sizeof(*names));
	for (size_t i = 0; i < n; i++)
		names[i] = git_tree_entry_name(
		    git_tree_entry_byindex(tree, i));
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 1; i < n && rc == 0; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			rc = entry_error(e, ERR_REPO_UNSAFE, names[i],
			    "is there twice in one directory");
	free(names);
	return rc == -1 && dir[0] != '\0' ? err_within(e, "in %.200s", dir)
					  : rc;
}

static int plan_tree(struct source *, const git_oid *, const char *dir,
    bool dropped, struct err *);

static int locate_pointers(struct source *, size_t from, struct err *);

/* A repository's tree, from its root on; its .gitignore and .gitattributes
 * files are its own. */
static int
plan_level(struct source *s, struct level *level, const git_oid *tree,
    struct err *e)
{
	struct ignore *rules = s->rules, *lfs = s->lfs;
	struct level *above = s->level;
	size_t pointers = s->npointers;
	int rc;

	s->level = level;
	s->rules = ignore_new();
	s->lfs = ignore_new();
	rc = plan_tree(s, tree, level->dir, false, e);
	if (rc == 0)
		rc = locate_pointers(s, pointers, e);
	ignore_free(s->rules);
	ignore_free(s->lfs);
	s->rules = rules;
	s->lfs = lfs;
	s->level = above;
	buf_clear(&level->modules);
	return rc;
}

/* ---- submodules ---- */

static void __attribute__((format(printf, 3, 4)))
add_note(struct source *s, const char *path, const char *fmt, ...)
{
	struct buf note = BUF_INIT;
	char words[sizeof(((struct err *)NULL)->msg)];
	va_list ap;

	if (s->nnotes == SOURCE_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	gitname_clean(&note, path, QUOTED_MAX_BYTES);
	buf_addc(&note, ' ');
	gitname_clean(&note, words, sizeof(words));
	s->notes[s->nnotes++] = buf_take(&note);
}

/* The URL of the submodule at path; 1, or 0 and a note where it has none that
 * can be fetched. */
static int
find_module(struct source *s, const char *path, struct name_url *url)
{
	const struct level *l = s->level;
	const char *inside = path + strlen(l->dir) + (l->dir[0] != '\0');
	char *raw = gitmodules_url(buf_str(&l->modules), l->modules.len,
	    inside);
	char *whole = raw == NULL ? NULL : gitmodules_resolve(l->url->text,
	    raw);
	struct err why;
	int found = 0;

	if (raw == NULL)
		add_note(s, path, "is left out: a submodule without a URL in "
		    ".gitmodules");
	else if (whole == NULL)
		add_note(s, path, "is left out: a submodule whose URL leads "
		    "above its host");
	else if (name_url(url, whole, strlen(whole), &why) == -1)
		add_note(s, path, "is left out: a submodule whose %s",
		    why.msg);
	else
		found = 1;
	free(whole);
	free(raw);
	return found;
}

/* True for an end of the whole fetch, not of one submodule. */
static bool
is_final(enum err_code code)
{
	return code == ERR_FETCH_TIMEOUT || code == ERR_REPO_TOOBIG ||
	    code == ERR_INTERNAL;
}

/* The commit that a tree names, with its objects; 1 with the commit, 0 and a
 * note where it is not to be had, -1. */
static int
fetch_module(struct source *s, const char *path, const struct name_url *url,
    const git_oid *id, git_commit **commit, struct err *e)
{
	struct intake in = { .indexer = NULL };
	struct gitproto *proto;
	struct err why = { .code = ERR_NONE };
	char hex[OID_DIGITS + 1];
	int rc;

	git_oid_tostr(hex, sizeof(hex), id);
	proto = gitproto_new(hex, intake_sink, &in);
	rc = fetch_pack(s, url, proto, &in, &why);
	if (rc == 0 && git_commit_lookup(commit, s->repository, id) < 0)
		rc = err_set(&why, ERR_FETCH_FAILED, "%s is no commit", hex);
	git_indexer_free(in.indexer);
	gitproto_free(proto);
	if (rc == 0)
		return 1;
	if (is_final(why.code)) {
		if (e != NULL)
			*e = why;
		return -1;
	}
	add_note(s, path, "is left out: a submodule that cannot be fetched: "
	    "%s", why.msg);
	return 0;
}

static int
plan_submodule(struct source *s, const char *path, const git_oid *id,
    struct err *e)
{
	struct name_url url;
	struct level level = { .url = &url, .dir = path,
		.depth = s->level->depth + 1 };
	git_commit *commit = NULL;
	int rc;

	if (level.depth > SUBMODULES_MAX_DEPTH) {
		add_note(s, path, "is left out: a submodule over %d deep",
		    SUBMODULES_MAX_DEPTH);
		return 0;
	}
	if (!find_module(s, path, &url))
		return 0;
	if (++s->submodules > SUBMODULES_MAX)
		return err_set(e, ERR_REPO_TOOBIG,
		    "the commit has over %d submodules", SUBMODULES_MAX);
	rc = fetch_module(s, path, &url, id, &commit, e);
	if (rc != 1)
		return rc;
	rc = add_item(s, path, TAR_DIRECTORY, id, e);
	if (rc == 0)
		rc = plan_level(s, &level, git_commit_tree_id(commit), e);
	git_commit_free(commit);
	return rc;
}

/* ---- Git LFS ---- */

/* The pointer stays a file of its own. */
static void
keep_pointer(struct item *item)
{
	lfs_clear(item->lfs);
	free(item->lfs);
	item->lfs = NULL;
}

/* Take what has a place into the plan, in the pointer's stead. */
static void
take_object(struct source *s, struct item *item)
{
	int64_t left = s->options->source_bytes - s->bytes + item->size;
	const char *path = item_path(s, item);

	if (item->lfs->place == NULL)
		add_note(s, path, "stays a pointer: Git LFS does not have it");
	else if (item->lfs->size > left)
		add_note(s, path, "stays a pointer: with its %lld bytes from "
		    "Git LFS the source were too large",
		    (long long)item->lfs->size);
	else {
		s->bytes += item->lfs->size - item->size;
		item->size = item->lfs->size;
		return;
	}
	keep_pointer(item);
}

/* The pointers of this level, from the given one on: all of them in a few
 * requests.  Without LFS a site may still build. */
static int
locate_pointers(struct source *s, size_t from, struct err *e)
{
	const struct level *l = s->level;
	size_t n = 0;
	struct lfs_object **objects;
	struct err why = { .code = ERR_NONE };
	int rc;

	if (from == s->npointers)
		return 0;
	objects = xreallocarray(NULL, s->npointers - from, sizeof(*objects));
	for (size_t i = from; i < s->npointers; i++)
		if (s->items[s->pointers[i]].lfs->place == NULL)
			objects[n++] = s->items[s->pointers[i]].lfs;
	rc = lfs_locate(l->url, &s->options->wire, objects, n, &why);
	free(objects);
	if (rc == -1 && is_final(why.code)) {
		if (e != NULL)
			*e = why;
		return -1;
	}
	if (rc == -1)
		add_note(s, l->dir[0] == '\0' ? "." : l->dir,
		    "has %zu files that stay pointers: %s",
		    s->npointers - from, why.msg);
	for (size_t i = from; i < s->npointers; i++)
		if (rc == -1)
			keep_pointer(&s->items[s->pointers[i]]);
		else
			take_object(s, &s->items[s->pointers[i]]);
	s->npointers = from;
	return 0;
}

/* ---- trees ---- */

/* A directory is an entry of its own, unless nothing in it is kept. */
static int
plan_directory(struct source *s, const char *path, const git_oid *id,
    bool dropped, struct err *e)
{
	size_t before = s->nitems, names = s->names.len;

	if (dropped)
		return plan_tree(s, id, path, true, e);
	if (add_item(s, path, TAR_DIRECTORY, id, e) == -1 ||
	    plan_tree(s, id, path, false, e) == -1)
		return -1;
	if (s->nitems == before + 1) {
		s->nitems = before;
		s->names.len = names;
	}
	return 0;
}

static int
plan_entry(struct source *s, const git_tree_entry *entry, const char *path,
    bool dropped, struct err *e)
{
	unsigned int mode = (unsigned int)git_tree_entry_filemode_raw(entry);
	const git_oid *id = git_tree_entry_id(entry);

	if (mode == GIT_FILEMODE_COMMIT)
		return dropped || is_ignored(s, path, true)
		    ? 0
		    : plan_submodule(s, path, id, e);
	if ((!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode)) ||
	    (mode & 07000) != 0)
		return entry_error(e, ERR_REPO_UNSAFE, path,
		    "is neither file, directory nor link");
	dropped = dropped || is_ignored(s, path, S_ISDIR(mode));
	if (S_ISDIR(mode))
		return plan_directory(s, path, id, dropped, e);
	if (!dropped)
		return plan_file(s, path, mode, id, e);
	count_ignored(s, path);
	return 0;
}

/* The entries of a tree that was looked up. */
static int
plan_entries(struct source *s, const git_tree *tree, const char *dir,
    bool dropped, struct err *e)
{
	char path[PATH_MAX_BYTES + 1];

	for (size_t i = 0; i < git_tree_entrycount(tree); i++) {
		const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
		const char *name = git_tree_entry_name(entry), *why;
		int n = snprintf(path, sizeof(path), "%s%s%s", dir,
		    dir[0] == '\0' ? "" : "/", name);

		if (++s->visits > VISITS_MIN +
			VISITS_PER_FILE * s->options->source_files)
			return too_many(s, e);
		why = gitname_problem(name);
		if (why == NULL &&
		    ((size_t)n >= sizeof(path) || !name_is_path(path)))
			why = "has too long a path";
		if (why != NULL)
			return entry_error(e, ERR_REPO_UNSAFE, path, why);
		if (plan_entry(s, entry, path, dropped, e) == -1)
			return -1;
	}
	return 0;
}

/* Take a tree into the plan, or only count its files where dropped.  Its
 * depth is bounded by that of a path. */
static int
plan_tree(struct source *s, const git_oid *id, const char *dir, bool dropped,
    struct err *e)
{
	git_tree *tree = NULL;
	bool rules = false, own = false, attributes = false;
	int rc = -1;

	if (git_tree_lookup(&tree, s->repository, id) < 0)
		return damaged(e);
	if (check_twins(tree, dir, e) == -1)
		goto out;
	if (!dropped && push_rules(s, s->rules, tree, ".gitignore", dir,
		&rules, e) == -1)
		goto out;
	if (!dropped && push_rules(s, s->lfs, tree, ".gitattributes", dir,
		&attributes, e) == -1)
		goto out;
	if (dir[0] == '\0' && push_rules(s, s->own, tree, ".davitignore", dir,
		&own, e) == -1)
		goto out;
	if (strcmp(dir, s->level->dir) == 0 &&
	    read_modules(s, tree, e) == -1)
		goto out;
	rc = plan_entries(s, tree, dir, dropped, e);
	if (attributes)
		ignore_pop(s->lfs);
	if (rules)
		ignore_pop(s->rules);
out:
	git_tree_free(tree);
	return rc;
}

/* The wanted directory is in the plan, not only in the commit. */
static int
check_dir(const struct source *s, struct err *e)
{
	const char *dir = s->options->dir;

	if (dir == NULL)
		return 0;
	for (size_t i = 0; i < s->nitems; i++)
		if (s->items[i].type == TAR_DIRECTORY &&
		    strcmp(item_path(s, &s->items[i]), dir) == 0)
			return 0;
	return err_set(e, ERR_DIR_NOTFOUND,
	    "the commit has no directory '%.200s' with files to deploy", dir);
}

static int
plan(struct source *s, const struct name_url *url, const char *want,
    struct err *e)
{
	struct level level = { .url = url, .dir = "" };
	git_commit *commit;
	const char *subject;
	int rc;

	if ((commit = find_commit(s, want, e)) == NULL)
		return -1;
	git_oid_tostr(s->commit, sizeof(s->commit), git_commit_id(commit));
	subject = git_commit_summary(commit);
	gitname_clean(&s->subject, subject == NULL ? "" : subject,
	    SUBJECT_MAX_BYTES);
	s->own = ignore_new();
	rc = plan_level(s, &level, git_commit_tree_id(commit), e);
	git_commit_free(commit);
	if (rc == -1 || check_dir(s, e) == -1)
		return -1;
	if (s->files == 0)
		return err_set(e, ERR_REPO_EMPTY, "the commit has no file%s",
		    s->ignored > 0 ? " that is not ignored" : "");
	return 0;
}

/* ---- the whole ---- */

static int
start_libgit2(struct source *s, struct err *e)
{
	if (git_libgit2_init() < 0)
		return err_set(e, ERR_INTERNAL, "libgit2: %.200s",
		    git_words());
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, WINDOW_BYTES);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, WINDOWS_BYTES);
	git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)CACHE_BYTES);
	/* The indexer hashes every object as it comes. */
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	if (git_odb_new(&s->odb) < 0 ||
	    git_repository_wrap_odb(&s->repository, s->odb) < 0)
		return err_set(e, ERR_INTERNAL, "libgit2: %.200s",
		    git_words());
	return 0;
}

struct source *
source_fetch(const struct name_url *url, const struct source_options *o,
    struct err *e)
{
	struct intake in = { .indexer = NULL };
	struct gitproto *proto = gitproto_new(o->ref, intake_sink, &in);
	struct source *s = xcalloc(1, sizeof(*s));
	int rc = -1;

	s->options = o;
	if (start_libgit2(s, e) == -1 ||
	    fetch_pack(s, url, proto, &in, e) == -1 ||
	    plan(s, url, gitproto_want(proto), e) == -1)
		goto out;
	s->ref = xstrdup_null(gitproto_ref(proto));
	rc = 0;
out:
	git_indexer_free(in.indexer);
	gitproto_free(proto);
	if (rc == 0)
		return s;
	source_free(s);
	return NULL;
}

void
source_free(struct source *s)
{
	if (s == NULL)
		return;
	ignore_free(s->rules);
	ignore_free(s->own);
	for (size_t i = 0; i < s->nignored_names; i++)
		free(s->ignored_names[i]);
	for (size_t i = 0; i < s->nnotes; i++)
		free(s->notes[i]);
	for (size_t i = 0; i < s->nitems; i++)
		if (s->items[i].lfs != NULL)
			keep_pointer(&s->items[i]);
	free(s->items);
	free(s->pointers);
	free(s->ref);
	buf_clear(&s->names);
	buf_clear(&s->subject);
	git_repository_free(s->repository);
	git_odb_free(s->odb);
	free(s);
	git_libgit2_shutdown();
}

void
source_report(const struct source *s, struct source_report *r)
{
	memset(r, 0, sizeof(*r));
	r->commit = s->commit;
	r->ref = s->ref;
	r->subject = buf_str(&s->subject);
	r->files = s->files;
	r->bytes = s->bytes;
	r->ignored = s->ignored;
	r->nnames = s->nignored_names;
	for (size_t i = 0; i < r->nnames; i++)
		r->names[i] = s->ignored_names[i];
	r->nnotes = s->nnotes;
	for (size_t i = 0; i < r->nnotes; i++)
		r->notes[i] = s->notes[i];
}

static int
write_link(const struct source *s, struct tar_entry *t, const git_oid *id,
    struct tar_writer *w, struct err *e)
{
	struct buf target = BUF_INIT;
	int rc;

	rc = blob_read(s, id, t->path, KEY_MAX_BYTES, &target, e);
	t->target = buf_str(&target);
	if (rc == 0)
		rc = tar_writer_entry(w, t, e);
	buf_clear(&target);
	return rc;
}

static int
write_data(void *arg, const char *data, size_t len, struct err *e)
{
	return tar_writer_data(arg, data, len, e);
}

static int
write_object(const struct source *s, const struct tar_entry *t,
    const struct lfs_object *o, struct tar_writer *w, struct err *e)
{
	if (tar_writer_entry(w, t, e) == -1)
		return -1;
	if (lfs_get(o, &s->options->wire, write_data, w, e) == 0)
		return 0;
	return err_within(e, "%.200s", t->path);
}

static int
write_file(const struct source *s, const struct tar_entry *t,
    const git_oid *id, struct tar_writer *w, struct err *e)
{
	git_odb_object *object = NULL;
	int rc = -1;

	if (git_odb_read(&object, s->odb, id) < 0)
		return damaged(e);
	if ((int64_t)git_odb_object_size(object) != t->size)
		entry_error(e, ERR_FETCH_FAILED, t->path, "changed its size");
	else if (tar_writer_entry(w, t, e) == 0)
		rc = tar_writer_data(w, git_odb_object_data(object),
		    git_odb_object_size(object), e);
	git_odb_object_free(object);
	return rc;
}

int
source_write(struct source *s, struct tar_writer *w, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < s->nitems && rc == 0; i++) {
		const struct item *item = &s->items[i];
		struct tar_entry t = { .path = item_path(s, item),
			.type = (enum tar_type)item->type, .size = item->size,
			.executable = item->executable };

		if (t.type == TAR_DIRECTORY)
			rc = tar_writer_entry(w, &t, e);
		else if (item->lfs != NULL)
			rc = write_object(s, &t, item->lfs, w, e);
		else if (t.type == TAR_SYMLINK)
			rc = write_link(s, &t, &item->id, w, e);
		else
			rc = write_file(s, &t, &item->id, w, e);
	}
	return rc;
}
