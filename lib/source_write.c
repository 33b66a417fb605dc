#include "lib/source_parts.h"

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/lfs.h"

static int
write_link(const struct source *s, struct tar_entry *t, const git_oid *id,
    struct tar_writer *w, struct err *e)
{
	struct buf target = BUF_INIT;
	int rc;

	rc = source_blob_read(s, id, t->path, KEY_MAX_BYTES, &target, e);
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
		return source_damaged(e);
	if ((int64_t)git_odb_object_size(object) != t->size)
		source_entry_error(e, ERR_FETCH_FAILED, t->path,
		    "changed its size");
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
		struct tar_entry t = { .path = source_item_path(s, item),
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
