#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/manifest.h"

static void
add(struct manifest *m, const char *path, int64_t size)
{
	struct manifest_file f = { .path = path,
		.type = manifest_type_of(path),
		.size = size };

	memset(f.sha256, 'a', sizeof(f.sha256) - 1);
	f.sha256[sizeof(f.sha256) - 1] = '\0';
	manifest_add(m, &f);
}

static void
what_is_written_is_found_again(void **state)
{
	struct manifest *m = manifest_new("abcdefghij", true), *n;
	char *text, path[32];

	for (int i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "assets/%d.js", i);
		add(m, path, i);
	}
	add(m, "index.html", 10);
	text = manifest_to_text(m);
	n = manifest_from_text(text, strlen(text), NULL);
	assert_non_null(n);
	assert_int_equal(manifest_count(n), 501);
	assert_int_equal(manifest_bytes(n), 499 * 500 / 2 + 10);
	assert_true(manifest_spa(n));
	assert_int_equal(manifest_find(n, "assets/77.js")->size, 77);
	assert_string_equal(manifest_find(n, "index.html")->type,
	    "text/html; charset=utf-8");
	assert_null(manifest_find(n, "assets"));
	assert_null(manifest_find(n, ""));
	manifest_free(m);
	manifest_free(n);
	free(text);
}

static void
hostile_text_is_refused(void **state)
{
#define HEAD "{\"version\":1,\"id\":\"abcdefghij\",\"spa\":false,\"files\":"
#define SHA \
	"0123456789012345678901234567890123456789012345678901234567890123"
	static const char *const bad[] = { "", "{}", "[]", HEAD "[]}",
		HEAD "{\"../x\":{\"size\":1,\"type\":\"a/b\",\"sha256\":\"" SHA
		     "\"}}}",
		HEAD "{\"x\":{\"size\":-1,\"type\":\"a/b\",\"sha256\":\"" SHA
		     "\"}}}",
		HEAD "{\"x\":{\"size\":1,\"sha256\":\"" SHA "\"}}}",
		HEAD "{\"x\":{\"size\":1,\"type\":\"a/b\",\"sha256\":\"0\"}}}",
		HEAD "{\"x\":null}}" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (manifest_from_text(bad[i], strlen(bad[i]), NULL) != NULL)
			fail_msg("accepted: %s", bad[i]);
}

static void
types_by_extension(void **state)
{
	static const char *const cases[][2] = {
		{ "index.html", "text/html; charset=utf-8" },
		{ "a/B.JS", "text/javascript; charset=utf-8" },
		{ "x.woff2", "font/woff2" },
		{ "x.7z", "application/x-7z-compressed" },
		{ "x.zip", "application/zip" },
		{ "x.svg", "image/svg+xml; charset=utf-8" },
		{ "x.wasm", "application/wasm" },
		{ "x.webmanifest", "application/manifest+json" },
		{ "x.webm", "video/webm" },
		{ "a.js/README", "application/octet-stream" },
		{ "x.unknown", "application/octet-stream" },
		{ "x.", "application/octet-stream" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(manifest_type_of(cases[i][0]),
		    cases[i][1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_found_again),
		cmocka_unit_test(hostile_text_is_refused),
		cmocka_unit_test(types_by_extension),
	};

	return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
