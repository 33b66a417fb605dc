/* A path, a newline, and the rules that a request for it meets. */
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/rules.h"
#include "tests/fuzz.h"

static bool
exists(void *arg, const char *path)
{
	must(path[0] == '/');
	return strlen(path) % 2 == 0;
}

static void
say(void *arg, const char *file, int line, const char *what)
{
	must(line >= 1 && what[0] != '\0');
}

static const struct rules_site site = { exists, say, NULL };

static void
survives_manifest(const struct rules *r)
{
	struct json *j = rules_to_json(r);
	struct rules *again;

	must((j == NULL) == (rules_count(r) == 0));
	if (j == NULL)
		return;
	again = rules_from_json(j, NULL);
	must(again != NULL && rules_count(again) == rules_count(r));
	must(rules_before_files(again) == rules_before_files(r));
	rules_free(again);
	json_free(j);
}

static void
meet(const struct rules *r, const char *path)
{
	static const struct rules_pair query[] = { { "k", "v" }, { "b", "" } };
	const struct rules_request q = { .path = path,
		.raw_query = "k=v&b",
		.query = query,
		.npairs = 2,
		.site = &site };
	struct rules_target t;
	struct rules_header *headers;
	size_t n = rules_headers(r, path, &headers);

	for (size_t i = 0; i < n; i++)
		must(headers[i].name[0] != '\0');
	rules_headers_free(headers, n);
	if (!rules_match(r, false, &q, &t))
		return;
	must(t.status == 200 || t.to != NULL || t.status >= 400);
	must(t.status != 200 || t.to[0] == '/');
	free(t.to);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	struct rules *r;
	const char *text;
	char *path;
	size_t len;

	if (end == NULL)
		return 0;
	text = (const char *)end + 1;
	len = size - (size_t)(end + 1 - data);
	r = rules_new();
	rules_read_redirects(r, text, len, &site);
	rules_read_headers(r, text, len, &site);
	survives_manifest(r);
	path = fuzz_text(data, (size_t)(end - data));
	if (path[0] == '/')
		meet(r, path);
	free(path);
	rules_free(r);
	return 0;
}
