#include "lib/source_parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/gitmodules.h"
#include "lib/name.h"

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
		source_note(s, path, "is left out: a submodule without a URL "
		    "in .gitmodules");
	else if (whole == NULL)
		source_note(s, path, "is left out: a submodule whose URL leads "
		    "above its host");
	else if (name_url(url, whole, strlen(whole), &why) == -1)
		source_note(s, path, "is left out: a submodule whose %s",
		    why.msg);
	else
		found = 1;
	free(whole);
	free(raw);
	return found;
}

/* The commit that a tree names, with its objects; 1 with the commit, 0 and a
 * note where it is not to be had, -1. */
static int
fetch_module(struct source *s, const char *path, const struct name_url *url,
    const git_oid *id, git_commit **commit, struct err *e)
{
	struct err why = { .code = ERR_NONE };
	char hex[OID_DIGITS + 1], want[OID_DIGITS + 1];
	int rc;

	git_oid_tostr(hex, sizeof(hex), id);
	rc = source_pack_fetch(s, url, hex, want, NULL, &why);
	if (rc == 0 && git_commit_lookup(commit, s->repository, id) < 0)
		rc = err_set(&why, ERR_FETCH_FAILED, "%s is no commit", hex);
	if (rc == 0)
		return 1;
	if (source_is_final(why.code)) {
		if (e != NULL)
			*e = why;
		return -1;
	}
	source_note(s, path, "is left out: a submodule that cannot be fetched: "
	    "%s", why.msg);
	return 0;
}

int
source_plan_module(struct source *s, const char *path, const git_oid *id,
    struct err *e)
{
	struct name_url url;
	struct level level = { .url = &url, .dir = path,
		.depth = s->level->depth + 1 };
	git_commit *commit = NULL;
	int rc;

	if (level.depth > SUBMODULES_MAX_DEPTH) {
		source_note(s, path, "is left out: a submodule over %d deep",
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
	rc = source_item_add(s, path, TAR_DIRECTORY, id, e);
	if (rc == 0)
		rc = source_plan_tree(s, &level, git_commit_tree_id(commit), e);
	git_commit_free(commit);
	return rc;
}
