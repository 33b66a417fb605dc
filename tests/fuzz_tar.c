/* Tar streams, as a container or a person sends them. */
#include <string.h>

#include "lib/name.h"
#include "lib/tar.h"
#include "tests/fuzz.h"

#define BYTES_MAX (1 << 20)
#define FILES_MAX 100

struct input {
	const uint8_t *data;
	size_t left;
};

static ssize_t
give(void *arg, void *buf, size_t size, struct err *e)
{
	struct input *in = arg;
	size_t n = in->left < size ? in->left : size;

	memcpy(buf, in->data, n);
	in->data += n;
	in->left -= n;
	return (ssize_t)n;
}

static void
look_at(const struct tar_entry *t)
{
	must(name_is_path(t->path));
	must(t->size >= 0);
	must((t->type == TAR_SYMLINK) == (t->target != NULL));
	if (t->type == TAR_SYMLINK)
		must(tar_link_is_inside(t->path, t->target));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tar_bounds bounds = { BYTES_MAX, 0, FILES_MAX };
	struct input in = { data, size };
	struct tar_reader *r = tar_reader_new(give, &in, &bounds, NULL);
	int64_t bytes = 0, entries = 0;
	struct tar_entry entry;
	char chunk[4096];
	ssize_t n;

	if (r == NULL)
		return 0;
	while (tar_reader_next(r, &entry, NULL) == 1) {
		look_at(&entry);
		must(++entries <= FILES_MAX);
		while ((n = tar_reader_data(r, chunk, sizeof(chunk),
			    NULL)) > 0)
			must((bytes += n) <= BYTES_MAX);
	}
	tar_reader_free(r);
	return 0;
}
