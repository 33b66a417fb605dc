/* A path, a newline, and the .gitignore that decides on it. */
#include <stdlib.h>
#include <string.h>

#include "lib/ignore.h"
#include "tests/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	struct ignore *ig;
	char *path;

	if (end == NULL)
		return 0;
	path = fuzz_text(data, (size_t)(end - data));
	ig = ignore_new();
	if (ignore_push(ig, "", (const char *)end + 1,
		size - (size_t)(end + 1 - data), NULL) == 0) {
		ignore_check(ig, path, true);
		ignore_check(ig, path, false);
		ignore_pop(ig);
	}
	must(ignore_check(ig, path, false) == IGNORE_UNSAID);
	ignore_free(ig);
	free(path);
	return 0;
}
