#include "lib/source_parts.h"

#include <stdlib.h>
#include <string.h>

#include <git2/sys/repository.h>

#include "lib/err.h"
#include "lib/gitname.h"
#include "lib/ignore.h"
#include "lib/mem.h"

#define MiB ((size_t)1 << 20)

/* libgit2 maps the pack through windows; small and few ones cost no time, and
 * what is mapped counts as our memory, whatever the repository's size. */
#define WINDOW_BYTES (1 * MiB)
#define WINDOWS_BYTES (16 * MiB)
#define CACHE_BYTES (8 * MiB)

#define SUBJECT_MAX_BYTES 200

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
		    source_git_words());
	else if (git_object_peel(&commit, object, GIT_OBJECT_COMMIT) < 0)
		err_set(e, ERR_REF_NOTFOUND, "'%.200s' leads to no commit",
		    s->options->ref == NULL ? "HEAD" : s->options->ref);
	git_object_free(object);
	return (git_commit *)commit;
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
		    strcmp(source_item_path(s, &s->items[i]), dir) == 0)
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
	rc = source_plan_tree(s, &level, git_commit_tree_id(commit), e);
	git_commit_free(commit);
	if (rc == -1 || check_dir(s, e) == -1)
		return -1;
	if (s->files == 0)
		return err_set(e, ERR_REPO_EMPTY, "the commit has no file%s",
		    s->ignored > 0 ? " that is not ignored" : "");
	return 0;
}

static int
start_libgit2(struct source *s, struct err *e)
{
	if (git_libgit2_init() < 0)
		return err_set(e, ERR_INTERNAL, "libgit2: %.200s",
		    source_git_words());
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, WINDOW_BYTES);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, WINDOWS_BYTES);
	git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)CACHE_BYTES);
	/* The indexer hashes every object as it comes. */
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	if (git_odb_new(&s->odb) < 0 ||
	    git_repository_wrap_odb(&s->repository, s->odb) < 0)
		return err_set(e, ERR_INTERNAL, "libgit2: %.200s",
		    source_git_words());
	return 0;
}

struct source *
source_fetch(const struct name_url *url, const struct source_options *o,
    struct err *e)
{
	struct source *s = xcalloc(1, sizeof(*s));
	char want[OID_DIGITS + 1];

	s->options = o;
	if (start_libgit2(s, e) == 0 &&
	    source_pack_fetch(s, url, o->ref, want, &s->ref, e) == 0 &&
	    plan(s, url, want, e) == 0)
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
			source_lfs_keep(&s->items[i]);
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
	r->elsewhere = s->submodules + s->objects;
	r->ignored = s->ignored;
	r->nnames = s->nignored_names;
	for (size_t i = 0; i < r->nnames; i++)
		r->names[i] = s->ignored_names[i];
	r->nnotes = s->nnotes;
	for (size_t i = 0; i < r->nnotes; i++)
		r->notes[i] = s->notes[i];
}
