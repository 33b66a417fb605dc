#include "tests/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/mem.h"

void
fuzz_must(bool holds, const char *what, const char *file, int line)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

char *
fuzz_text(const uint8_t *data, size_t size)
{
	return xstrndup((const char *)data, size);
}
