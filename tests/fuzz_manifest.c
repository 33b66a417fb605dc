/* A path, a newline, and the manifest of a site that is asked for it. */
#include <stdlib.h>
#include <string.h>

#include "fcgi/resolve.h"
#include "lib/manifest.h"
#include "lib/rules.h"
#include "tests/fuzz.h"

static void
survives_text(const struct manifest *m)
{
	char *text = manifest_to_text(m), *twice;
	struct manifest *again;

	again = manifest_from_text(text, strlen(text), NULL);
	must(again != NULL && manifest_count(again) == manifest_count(m));
	twice = manifest_to_text(again);
	must(strcmp(text, twice) == 0);
	manifest_free(again);
	free(text);
	free(twice);
}

static void
answer(struct manifest *m, const char *path)
{
	const struct rules_request q = { .path = path };
	struct resolve r = resolve_path(m, &q, "text/html");

	must(r.status == 200 || r.status / 100 == 3 || r.status >= 404);
	must(r.status != 200 || r.file != NULL);
	if (r.file != NULL)
		must(manifest_find(m, r.file->path) == r.file);
	free(r.location);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	struct manifest *m;
	char *path;

	if (end == NULL)
		return 0;
	m = manifest_from_text((const char *)end + 1,
	    size - (size_t)(end + 1 - data), NULL);
	if (m == NULL)
		return 0;
	survives_text(m);
	path = fuzz_text(data, (size_t)(end - data));
	if (path[0] == '/')
		answer(m, path);
	free(path);
	manifest_free(m);
	return 0;
}
