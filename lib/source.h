/*
 * One commit of a repository, from its URL to a tar stream: the pack goes
 * straight from the wire into libgit2's indexer, and the commit's tree is
 * walked in the object database; no working tree is ever written.  Nothing
 * but davit-fetch is linked with this room.
 *
 * source_fetch() plans all before a byte is streamed: every name, mode, link
 * and limit is checked by then, so what is wrong with a repository is told
 * instead of half a stream.  Submodules are fetched along; one that cannot be
 * is left out with a note.
 */
#ifndef DAVIT_LIB_SOURCE_H
#define DAVIT_LIB_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/gitwire.h"

struct err;
struct name_url;
struct source;
struct tar_writer;

/* Names of ignored files that are told; of more, only the count. */
#define SOURCE_NAMES 20

/* Notes that are told. */
#define SOURCE_NOTES 20

struct source_options {
	const char *ref;	/* NULL: the default branch */
	const char *dir;	/* must be a directory of it; NULL: the root */
	bool keep_ignored;	/* .gitignore counts for nothing */
	const char *scratch;	/* directory for the pack */
	int64_t pack_bytes;
	int64_t source_bytes;	/* of all files */
	int64_t source_files;	/* entries of any kind */
	struct gitwire_options wire;
};

/* Borrowed from the source; strings are valid UTF-8 of one line. */
struct source_report {
	const char *commit;	/* 40 hex digits */
	const char *ref;	/* branch or tag; NULL for a commit id */
	const char *subject;
	int64_t files, bytes;
	int64_t elsewhere;	/* submodules and files of Git LFS: what the
				   repository itself does not have */
	int64_t ignored;	/* files that were left out */
	const char *names[SOURCE_NAMES];	/* the first of them */
	size_t nnames;
	const char *notes[SOURCE_NOTES];	/* what else is not as one may
						   expect, in sentences */
	size_t nnotes;
};

/* Fetch and plan.  NULL with a code of fetching; source_free() it.  The
 * options must outlive it. */
struct source *source_fetch(const struct name_url *,
    const struct source_options *, struct err *);
void source_free(struct source *);

void source_report(const struct source *, struct source_report *);

/* Write all entries in tree order; the writer is not closed. */
int source_write(struct source *, struct tar_writer *, struct err *);

#endif
