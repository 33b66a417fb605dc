#include "lib/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/rules.h"

/* The form that manifest_to_text() writes. */
#define MANIFEST_VERSION 1

static const struct {
	const char *name, *ending;
} encodings[MANIFEST_NENCODINGS] = {
	[MANIFEST_BROTLI] = { "br", ".br" },
	[MANIFEST_GZIP] = { "gzip", ".gz" },
};

/* A framework's table has one or two. */
#define IMMUTABLE_MAX 16

struct manifest {
	char id[ID_LENGTH + 1];
	bool spa, sorted;
	struct manifest_file *files;
	size_t count, room;
	int64_t bytes;
	char *immutable[IMMUTABLE_MAX];
	size_t nimmutable;
	struct rules *rules;
};

struct manifest *
manifest_new(const char *id, bool spa)
{
	struct manifest *m = xcalloc(1, sizeof(*m));

	memcpy(m->id, id, strnlen(id, ID_LENGTH));
	m->spa = spa;
	m->sorted = true;
	return m;
}

void
manifest_free(struct manifest *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->count; i++) {
		free((char *)(uintptr_t)m->files[i].path);
		free((char *)(uintptr_t)m->files[i].type);
	}
	free(m->files);
	while (m->nimmutable > 0)
		free(m->immutable[--m->nimmutable]);
	rules_free(m->rules);
	free(m);
}

void
manifest_add(struct manifest *m, const struct manifest_file *file)
{
	struct manifest_file *f;

	if (m->count == m->room) {
		m->room = m->room == 0 ? 64 : m->room * 2;
		m->files = xreallocarray(m->files, m->room, sizeof(*m->files));
	}
	f = &m->files[m->count++];
	*f = *file;
	f->path = xstrdup(file->path);
	f->type = xstrdup(file->type);
	m->bytes += file->size;
	m->sorted = false;
}

size_t
manifest_count(const struct manifest *m)
{
	return m->count;
}

int64_t
manifest_bytes(const struct manifest *m)
{
	return m->bytes;
}

bool
manifest_spa(const struct manifest *m)
{
	return m->spa;
}

void
manifest_set_rules(struct manifest *m, struct rules *rules)
{
	rules_free(m->rules);
	m->rules = rules;
}

const struct rules *
manifest_rules(const struct manifest *m)
{
	return m->rules;
}

static int
by_path(const void *a, const void *b)
{
	const struct manifest_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

const struct manifest_file *
manifest_find(struct manifest *m, const char *path)
{
	struct manifest_file wanted = { .path = path };

	if (m->count == 0)
		return NULL;
	if (!m->sorted)
		qsort(m->files, m->count, sizeof(*m->files), by_path);
	m->sorted = true;
	return bsearch(&wanted, m->files, m->count, sizeof(*m->files),
	    by_path);
}

const struct manifest_file *
manifest_at(const struct manifest *m, size_t i)
{
	return &m->files[i];
}

const char *
manifest_encoding_name(enum manifest_encoding which)
{
	return encodings[which].name;
}

const char *
manifest_encoding_ending(enum manifest_encoding which)
{
	return encodings[which].ending;
}

void
manifest_encode(struct manifest *m, const char *path,
    enum manifest_encoding which, int64_t size)
{
	const struct manifest_file *f = manifest_find(m, path);

	if (f != NULL)
		((struct manifest_file *)(uintptr_t)f)->encoded[which] = size;
}

void
manifest_add_immutable(struct manifest *m, const char *dir)
{
	if (m->nimmutable < IMMUTABLE_MAX && name_is_path(dir))
		m->immutable[m->nimmutable++] = xstrdup(dir);
}

bool
manifest_is_immutable(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->nimmutable; i++) {
		size_t len = strlen(m->immutable[i]);

		if (strncmp(path, m->immutable[i], len) == 0 &&
		    path[len] == '/')
			return true;
	}
	return false;
}

bool
manifest_answers(struct manifest *m, const char *path)
{
	static const char *const endings[] = { "", ".html", "/index.html" };
	size_t len = strlen(path);
	bool found = false;

	if (path[0] != '/')
		return false;
	if (len == 1)
		return manifest_find(m, "index.html") != NULL;
	if (path[len - 1] == '/')
		len--;
	for (size_t i = 0; i < 3 && !found; i++) {
		char *name = xasprintf("%.*s%s", (int)len - 1, path + 1,
		    endings[i]);

		found = manifest_find(m, name) != NULL;
		free(name);
	}
	return found;
}

/* ---- the text ---- */

static struct json *
encodings_of(const struct manifest_file *f)
{
	struct json *j = NULL;

	for (int i = 0; i < MANIFEST_NENCODINGS; i++)
		if (f->encoded[i] > 0) {
			if (j == NULL)
				j = json_new_object();
			json_set_int(j, encodings[i].name, f->encoded[i]);
		}
	return j;
}

static struct json *
immutable_of(const struct manifest *m)
{
	struct json *j = m->nimmutable > 0 ? json_new_array() : NULL;

	for (size_t i = 0; i < m->nimmutable; i++)
		json_append_string(j, m->immutable[i]);
	return j;
}

char *
manifest_to_text(const struct manifest *m)
{
	struct json *root = json_new_object(), *files = json_new_object();
	char *text;

	for (size_t i = 0; i < m->count; i++) {
		const struct manifest_file *f = &m->files[i];
		struct json *row = json_new_object();

		json_set_int(row, "size", f->size);
		json_set_string(row, "type", f->type);
		json_set_string(row, "sha256", f->sha256);
		json_set(row, "encodings", encodings_of(f));
		json_set(files, f->path, row);
	}
	json_set_int(root, "version", MANIFEST_VERSION);
	json_set_string(root, "id", m->id);
	json_set_bool(root, "spa", m->spa);
	json_set(root, "immutable", immutable_of(m));
	json_set(root, "files", files);
	json_set(root, "rules", rules_to_json(m->rules));
	text = json_text(root);
	json_free(root);
	return text;
}

static int
read_file(void *arg, const char *path, const struct json *row)
{
	const struct json *encoded = json_get_object(row, "encodings");
	struct manifest *m = arg;
	const char *type = json_get_string(row, "type");
	const char *sha256 = json_get_string(row, "sha256");
	struct manifest_file f = { .path = path,
		.type = type,
		.size = json_get_int(row, "size", -1) };

	if (!name_is_path(path) || type == NULL || sha256 == NULL ||
	    strlen(sha256) != sizeof(f.sha256) - 1 || f.size < 0 ||
	    f.size > INT64_MAX - m->bytes)
		return -1;
	memcpy(f.sha256, sha256, sizeof(f.sha256));
	for (int i = 0; i < MANIFEST_NENCODINGS; i++)
		f.encoded[i] = json_get_int(encoded, encodings[i].name, 0);
	manifest_add(m, &f);
	return 0;
}

static int
read_rules(struct manifest *m, const struct json *rules, struct err *e)
{
	if (rules != NULL && (m->rules = rules_from_json(rules, e)) == NULL)
		return err_within(e, "the rules in the manifest of %s", m->id);
	return 0;
}

struct manifest *
manifest_from_text(const char *text, size_t len, struct err *e)
{
	struct json *root = json_parse(text, len, e);
	const struct json *files = json_get_object(root, "files");
	const struct json *immutable = json_get_array(root, "immutable");
	const char *id = json_get_string(root, "id");
	struct manifest *m = NULL;

	if (root == NULL)
		return NULL;
	if (json_get_int(root, "version", 0) != MANIFEST_VERSION || id == NULL ||
	    strlen(id) != ID_LENGTH || files == NULL) {
		err_set(e, ERR_INVALID, "not a manifest of version %d",
		    MANIFEST_VERSION);
		goto out;
	}
	m = manifest_new(id, json_get_bool(root, "spa", false));
	for (size_t i = 0; i < json_count(immutable); i++)
		if (json_as_string(json_at(immutable, i)) != NULL)
			manifest_add_immutable(m,
			    json_as_string(json_at(immutable, i)));
	if (json_each(files, read_file, m) != 0)
		err_set(e, ERR_INVALID, "a bad file in the manifest of %s",
		    id);
	else if (read_rules(m, json_get(root, "rules"), e) == 0)
		goto out;
	manifest_free(m);
	m = NULL;
out:
	json_free(root);
	return m;
}

/* ---- keys ---- */

char *
manifest_key(const char *id)
{
	return xasprintf("manifests/%s.json", id);
}

char *
manifest_rules_key(const char *id)
{
	return xasprintf("manifests/%s.rules", id);
}

char *
manifest_file_key(const char *id, const char *path)
{
	return xasprintf("dist/%s/%s", id, path);
}
