/*
 * The parts of lib/source, and what they share; for them alone.
 *
 *	source.c		one commit: from its URL to a plan
 *	source_pack.c		from the wire into the object database
 *	source_tree.c		trees into the plan: names, modes, links, rules
 *	source_modules.c	a submodule, as a tree in its parent's
 *	source_lfs.c		pointers of Git LFS, and what they stand for
 *	source_plan.c		the plan's entries and notes; blobs
 *	source_write.c		the plan as a tar stream
 */
#ifndef DAVIT_LIB_SOURCE_PARTS_H
#define DAVIT_LIB_SOURCE_PARTS_H

#include "lib/source.h"

#include <git2.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/tar.h"

#define OID_DIGITS 40

struct gitproto;
struct ignore;
struct lfs_object;

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
	int64_t objects;	/* that came from Git LFS */
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

/* ---- source_pack.c ---- */

/* Fetch that ref, or the default branch, into the object database.  want is
 * what came, as of gitproto_want(); *branch (NULL: not wanted) that of
 * gitproto_ref(), and the caller's. */
int source_pack_fetch(struct source *, const struct name_url *,
    const char *ref, char want[OID_DIGITS + 1], char **branch, struct err *);

/* ---- source_tree.c ---- */

/* A repository's tree into the plan, from its root on; its .gitignore and
 * .gitattributes files are its own. */
int source_plan_tree(struct source *, struct level *, const git_oid *tree,
    struct err *);

/* ---- source_modules.c ---- */

/* The submodule at path, or a note why it is left out. */
int source_plan_module(struct source *, const char *path, const git_oid *,
    struct err *);

/* ---- source_lfs.c ---- */

/* Where .gitattributes says so, the blob may be a pointer. */
int source_lfs_check(struct source *, struct item *, struct err *);

/* The pointers of this level, from the given one on: all of them in a few
 * requests.  Without LFS a site may still build. */
int source_lfs_locate(struct source *, size_t from, struct err *);

/* The pointer stays a file of its own. */
void source_lfs_keep(struct item *);

/* ---- source_plan.c ---- */

int source_item_add(struct source *, const char *path, enum tar_type,
    const git_oid *, struct err *);
const char *source_item_path(const struct source *, const struct item *);

/* One of the sentences that tell what is not as expected. */
void __attribute__((format(printf, 3, 4)))
source_note(struct source *, const char *path, const char *fmt, ...);

/* Size of a blob, which need not be unpacked for it. */
int source_blob_size(const struct source *, const git_oid *,
    const char *path, int64_t *size, struct err *);

/* Add a blob of at most max bytes, whole. */
int source_blob_read(const struct source *, const git_oid *,
    const char *path, size_t max, struct buf *, struct err *);

/* All give -1. */
int source_damaged(struct err *);
int source_too_many(const struct source *, struct err *);
int source_entry_error(struct err *, enum err_code, const char *path,
    const char *why);

/* libgit2's reason. */
const char *source_git_words(void);

/* True for an end of the whole fetch, not of one submodule. */
bool source_is_final(enum err_code);

#endif
