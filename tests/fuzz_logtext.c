/* What a terminal is sent: in pieces it says what it says whole, is UTF-8, has
 * no carriage return, and is itself left as it is. */
#include <string.h>

#include "lib/buf.h"
#include "tests/fuzz.h"
#include "worker/logtext.h"

static void
filter(const char *data, size_t size, size_t step, struct buf *out)
{
	struct logtext *t = logtext_new();

	for (size_t at = 0; at < size; at += step)
		logtext_add(t, data + at, size - at < step ? size - at : step,
		    out);
	logtext_end(t, out);
	logtext_free(t);
}

static bool
same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len &&
	    (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT, again = BUF_INIT;

	filter((const char *)data, size, size + 1, &whole);
	filter((const char *)data, size, 3, &pieces);
	must(same(&whole, &pieces));
	must(whole.len <= 3 * size);
	must(whole.len == 0 || memchr(whole.data, '\r', whole.len) == NULL);
	filter(buf_str(&whole), whole.len, 7, &again);
	must(same(&whole, &again));
	buf_clear(&whole);
	buf_clear(&pieces);
	buf_clear(&again);
	return 0;
}
