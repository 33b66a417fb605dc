#include "lib/source_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/gitname.h"
#include "lib/ignore.h"
#include "lib/lfs.h"
#include "lib/mem.h"
#include "lib/name.h"

/* A tree can name one subtree many times; entries that are left out are only
 * counted, but that must end as well. */
#define VISITS_PER_FILE 8
#define VISITS_MIN 10000

static int plan_tree(struct source *, const git_oid *, const char *dir,
    bool dropped, struct err *);

/* ---- what is left out ---- */

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
	rc = source_blob_read(s, git_tree_entry_id(entry), path,
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

/* ---- entries ---- */

static int
check_link(const struct source *s, const git_oid *id, const char *path,
    struct err *e)
{
	struct buf target = BUF_INIT;
	const char *why = NULL;
	int rc;

	rc = source_blob_read(s, id, path, KEY_MAX_BYTES, &target, e);
	if (rc == 0) {
		why = strlen(buf_str(&target)) != target.len
		    ? "is a link with a NUL in its target"
		    : gitname_link_problem(path, buf_str(&target));
		if (why != NULL)
			rc = source_entry_error(e, ERR_REPO_UNSAFE, path, why);
	}
	buf_clear(&target);
	return rc;
}

static int
plan_file(struct source *s, const char *path, unsigned int mode,
    const git_oid *id, struct err *e)
{
	int64_t size;

	if (S_ISLNK(mode) && check_link(s, id, path, e) == -1)
		return -1;
	if (source_blob_size(s, id, path, &size, e) == -1)
		return -1;
	if (size > s->options->source_bytes - s->bytes)
		return err_set(e, ERR_REPO_TOOBIG,
		    "the commit's files have over %lld bytes",
		    (long long)s->options->source_bytes);
	if (source_item_add(s, path, S_ISLNK(mode) ? TAR_SYMLINK : TAR_FILE, id,
		e) == -1)
		return -1;
	s->items[s->nitems - 1].size = size;
	s->items[s->nitems - 1].executable = (mode & 0100) != 0;
	s->bytes += size;
	s->files++;
	return S_ISLNK(mode)
	    ? 0
	    : source_lfs_check(s, &s->items[s->nitems - 1], e);
}

/* A directory is an entry of its own, unless nothing in it is kept. */
static int
plan_directory(struct source *s, const char *path, const git_oid *id,
    bool dropped, struct err *e)
{
	size_t before = s->nitems, names = s->names.len;

	if (dropped)
		return plan_tree(s, id, path, true, e);
	if (source_item_add(s, path, TAR_DIRECTORY, id, e) == -1 ||
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
		    : source_plan_module(s, path, id, e);
	if ((!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode)) ||
	    (mode & 07000) != 0)
		return source_entry_error(e, ERR_REPO_UNSAFE, path,
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
			return source_too_many(s, e);
		why = gitname_problem(name);
		if (why == NULL &&
		    ((size_t)n >= sizeof(path) || !name_is_path(path)))
			why = "has too long a path";
		if (why != NULL)
			return source_entry_error(e, ERR_REPO_UNSAFE, path,
			    why);
		if (plan_entry(s, entry, path, dropped, e) == -1)
			return -1;
	}
	return 0;
}

/* ---- trees ---- */

static int
read_modules(struct source *s, const git_tree *tree, struct err *e)
{
	const git_tree_entry *entry = git_tree_entry_byname(tree,
	    ".gitmodules");

	if (entry == NULL || !S_ISREG(git_tree_entry_filemode_raw(entry)))
		return 0;
	return source_blob_read(s, git_tree_entry_id(entry), ".gitmodules",
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
			rc = source_entry_error(e, ERR_REPO_UNSAFE, names[i],
			    "is there twice in one directory");
	free(names);
	return rc == -1 && dir[0] != '\0' ? err_within(e, "in %.200s", dir)
					  : rc;
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
		return source_damaged(e);
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

int
source_plan_tree(struct source *s, struct level *level, const git_oid *tree,
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
		rc = source_lfs_locate(s, pointers, e);
	ignore_free(s->rules);
	ignore_free(s->lfs);
	s->rules = rules;
	s->lfs = lfs;
	s->level = above;
	buf_clear(&level->modules);
	return rc;
}
