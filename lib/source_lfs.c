#include "lib/source_parts.h"

#include <stdlib.h>

#include "lib/err.h"
#include "lib/ignore.h"
#include "lib/lfs.h"
#include "lib/mem.h"

int
source_lfs_check(struct source *s, struct item *item, struct err *e)
{
	const char *path = source_item_path(s, item);
	struct lfs_object o = { .place = NULL };
	struct buf text = BUF_INIT;

	if (item->size > LFS_POINTER_MAX_BYTES ||
	    ignore_check(s->lfs, path, false) != IGNORE_DROP)
		return 0;
	if (source_blob_read(s, &item->id, path, LFS_POINTER_MAX_BYTES, &text,
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

void
source_lfs_keep(struct item *item)
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
	const char *path = source_item_path(s, item);

	if (item->lfs->place == NULL)
		source_note(s, path, "stays a pointer: Git LFS does not "
		    "have it");
	else if (item->lfs->size > left)
		source_note(s, path, "stays a pointer: with its %lld bytes "
		    "from Git LFS the source were too large",
		    (long long)item->lfs->size);
	else {
		s->objects++;
		s->bytes += item->lfs->size - item->size;
		item->size = item->lfs->size;
		return;
	}
	source_lfs_keep(item);
}

int
source_lfs_locate(struct source *s, size_t from, struct err *e)
{
	const struct level *l = s->level;
	size_t n = 0;
	struct lfs_object **objects;
	struct err why = { .code = ERR_NONE };
	int rc;

	if (from == s->npointers)
		return 0;
	objects = xreallocarray(NULL, s->npointers - from,
	    sizeof(struct lfs_object *));
	for (size_t i = from; i < s->npointers; i++)
		if (s->items[s->pointers[i]].lfs->place == NULL)
			objects[n++] = s->items[s->pointers[i]].lfs;
	rc = lfs_locate(l->url, &s->options->wire, objects, n, &why);
	free(objects);
	if (rc == -1 && source_is_final(why.code)) {
		if (e != NULL)
			*e = why;
		return -1;
	}
	if (rc == -1)
		source_note(s, l->dir[0] == '\0' ? "." : l->dir,
		    "has %zu files that stay pointers: %s",
		    s->npointers - from, why.msg);
	for (size_t i = from; i < s->npointers; i++)
		if (rc == -1)
			source_lfs_keep(&s->items[s->pointers[i]]);
		else
			take_object(s, &s->items[s->pointers[i]]);
	s->npointers = from;
	return 0;
}
