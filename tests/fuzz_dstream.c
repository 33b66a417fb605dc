/* Frames of the Docker Engine: in one piece they say what they say in many.
 */
#include <string.h>

#include "lib/buf.h"
#include "tests/fuzz.h"
#include "worker/dstream.h"

static int
take(void *arg, enum dstream_which which, const char *data, size_t len,
    struct err *e)
{
	struct buf *out = arg;

	must(len > 0 && which <= DSTREAM_STDERR);
	buf_add(out, data, len);
	return 0;
}

static int
feed(const uint8_t *data, size_t size, size_t step, struct buf *out)
{
	struct dstream s;

	dstream_init(&s);
	for (size_t at = 0; at < size; at += step)
		if (dstream_feed(&s, (const char *)data + at,
			size - at < step ? size - at : step, take, out,
			NULL) == -1)
			return -1;
	return dstream_is_whole(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	int a = feed(data, size, size == 0 ? 1 : size, &whole);
	int b = feed(data, size, 3, &pieces);

	must(a == b && whole.len == pieces.len);
	must(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0);
	buf_clear(&whole);
	buf_clear(&pieces);
	return 0;
}
