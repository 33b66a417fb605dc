#include "lib/source_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/gitname.h"
#include "lib/mem.h"

#define QUOTED_MAX_BYTES 200

/* ---- errors ---- */

const char *
source_git_words(void)
{
	const git_error *g = git_error_last();

	return g == NULL || g->message == NULL ? "no reason given"
					       : g->message;
}

int
source_damaged(struct err *e)
{
	return err_set(e, ERR_FETCH_FAILED, "the pack is damaged: %.200s",
	    source_git_words());
}

int
source_entry_error(struct err *e, enum err_code code, const char *path,
    const char *why)
{
	struct buf quoted = BUF_INIT;

	gitname_clean(&quoted, path, QUOTED_MAX_BYTES);
	err_set(e, code, "%s %s", buf_str(&quoted), why);
	buf_clear(&quoted);
	return -1;
}

int
source_too_many(const struct source *s, struct err *e)
{
	return err_set(e, ERR_REPO_TOOBIG, "the commit has over %lld files",
	    (long long)s->options->source_files);
}

bool
source_is_final(enum err_code code)
{
	return code == ERR_FETCH_TIMEOUT || code == ERR_REPO_TOOBIG ||
	    code == ERR_INTERNAL;
}

/* ---- entries and notes ---- */

int
source_item_add(struct source *s, const char *path, enum tar_type type,
    const git_oid *id, struct err *e)
{
	struct item *item;

	if ((int64_t)s->nitems >= s->options->source_files)
		return source_too_many(s, e);
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

const char *
source_item_path(const struct source *s, const struct item *item)
{
	return s->names.data + item->path;
}

void
source_note(struct source *s, const char *path, const char *fmt, ...)
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

/* ---- blobs ---- */

int
source_blob_size(const struct source *s, const git_oid *id, const char *path,
    int64_t *size, struct err *e)
{
	git_object_t type;
	size_t len;

	if (git_odb_read_header(&len, &type, s->odb, id) < 0 && s->limited)
		return source_entry_error(e, ERR_REPO_TOOBIG, path,
		    "is larger than all files may be");
	if (git_odb_read_header(&len, &type, s->odb, id) < 0 ||
	    type != GIT_OBJECT_BLOB)
		return source_entry_error(e, ERR_FETCH_FAILED, path,
		    "is not in the pack");
	*size = len > INT64_MAX ? INT64_MAX : (int64_t)len;
	return 0;
}

int
source_blob_read(const struct source *s, const git_oid *id, const char *path,
    size_t max, struct buf *out, struct err *e)
{
	git_odb_object *object = NULL;
	int64_t size;

	if (source_blob_size(s, id, path, &size, e) == -1)
		return -1;
	if (size > (int64_t)max)
		return source_entry_error(e, ERR_REPO_TOOBIG, path,
		    "is too large");
	if (git_odb_read(&object, s->odb, id) < 0)
		return source_damaged(e);
	buf_add(out, git_odb_object_data(object), git_odb_object_size(object));
	git_odb_object_free(object);
	return 0;
}
