#include "worker/siblings.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/compress.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"

/* Below it, a packet is sent all the same. */
#define FILE_MIN_BYTES 1024

/* Of one file, and of all: two seconds of a CPU at most, and as much memory
 * until they are stored. */
#define FILE_MAX_BYTES (16 * 1024 * 1024)
#define ALL_MAX_BYTES (32 * 1024 * 1024)

static bool (*const forms[MANIFEST_NENCODINGS])(const void *, size_t,
    struct buf *) = {
	[MANIFEST_BROTLI] = compress_brotli,
	[MANIFEST_GZIP] = compress_gzip,
};

struct sibling {
	char *path;		/* of the file itself */
	const char *type;	/* static */
	struct buf text[MANIFEST_NENCODINGS];	/* empty: not smaller */
};

struct siblings {
	struct sibling *v;
	size_t n, room;
	int64_t bytes;		/* that were compressed */
};

struct siblings *
siblings_new(void)
{
	return xcalloc(1, sizeof(struct siblings));
}

void
siblings_free(struct siblings *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++) {
		for (int k = 0; k < MANIFEST_NENCODINGS; k++)
			buf_clear(&s->v[i].text[k]);
		free(s->v[i].path);
	}
	free(s->v);
	free(s);
}

/* Text in the wide sense; pictures, archives and woff2 are compressed as they
 * are. */
static bool
is_compressible(const char *type)
{
	static const char *const types[] = { "application/javascript",
		"application/json", "application/manifest+json",
		"application/wasm", "application/xml", "application/rtf",
		"application/vnd.ms-fontobject", "font/ttf", "font/otf",
		"image/bmp", "image/svg+xml", "image/vnd.microsoft.icon",
		"image/x-icon" };
	size_t len = strcspn(type, ";");

	if (strncmp(type, "text/", 5) == 0 ||
	    (len > 5 && (strncmp(type + len - 4, "+xml", 4) == 0 ||
			    strncmp(type + len - 5, "+json", 5) == 0)))
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strlen(types[i]) == len &&
		    strncmp(types[i], type, len) == 0)
			return true;
	return false;
}

bool
siblings_want(const struct siblings *s, const char *type, int64_t size)
{
	return size >= FILE_MIN_BYTES && size <= FILE_MAX_BYTES &&
	    size <= ALL_MAX_BYTES - s->bytes && is_compressible(type);
}

void
siblings_add(struct siblings *s, const char *path, const char *type,
    const struct buf *data)
{
	struct sibling *b;

	if (s->n == s->room) {
		s->room = s->room == 0 ? 64 : s->room * 2;
		s->v = xreallocarray(s->v, s->room, sizeof(*s->v));
	}
	b = memset(&s->v[s->n++], 0, sizeof(*b));
	b->path = xstrdup(path);
	b->type = type;
	s->bytes += (int64_t)data->len;
	for (int k = 0; k < MANIFEST_NENCODINGS; k++) {
		struct buf text = BUF_INIT;

		/* Kept in what it takes, not in the room that it was given. */
		if (forms[k](data->data, data->len, &text))
			buf_add(&b->text[k], text.data, text.len);
		buf_clear(&text);
	}
}

static int
put(struct store *store, const char *key, const char *type,
    const struct buf *text, struct err *e)
{
	struct store_writer *w = store_put_open(store, key, type, e);

	if (w == NULL)
		return -1;
	if (store_put_data(w, text->data, text->len, e) == -1) {
		store_put_abort(w);
		return -1;
	}
	return store_put_commit(w, STORE_BATCHED, e);
}

int
siblings_put(struct siblings *s, struct store *store, const char *id,
    struct manifest *m, bool (*taken)(void *, const char *), void *arg,
    struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < s->n * MANIFEST_NENCODINGS && rc == 0; i++) {
		enum manifest_encoding k = i % MANIFEST_NENCODINGS;
		const struct sibling *b = &s->v[i / MANIFEST_NENCODINGS];
		char *path, *key;

		if (b->text[k].len == 0)
			continue;
		path = xasprintf("%s%s", b->path,
		    manifest_encoding_ending(k));
		key = manifest_file_key(id, path);
		if (name_is_path(path) && !taken(arg, path) &&
		    (rc = put(store, key, b->type, &b->text[k], e)) == 0)
			manifest_encode(m, b->path, k,
			    (int64_t)b->text[k].len);
		free(key);
		free(path);
	}
	return rc;
}
