#include "lib/compress.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#ifdef HAVE_BROTLI
#include <brotli/encode.h>
#endif

#include "lib/buf.h"

#define GZIP_LEVEL 6
#define BROTLI_LEVEL 5

/* Of deflateInit2(): the largest window, and gzip's header around it. */
#define GZIP_WINDOW (15 + 16)
#define GZIP_MEMORY 8

bool
compress_gzip(const void *data, size_t len, struct buf *out)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data };
	int rc;

	if (len <= 1 || len > UINT32_MAX)
		return false;
	if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
		Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* out of memory */
	z.avail_in = (uInt)len;
	z.next_out = (Bytef *)buf_space(out, len);
	z.avail_out = (uInt)len - 1;
	rc = deflate(&z, Z_FINISH);
	if (rc == Z_STREAM_END)
		buf_grow(out, z.total_out);
	deflateEnd(&z);
	return rc == Z_STREAM_END;
}

#ifdef HAVE_BROTLI
bool
compress_brotli(const void *data, size_t len, struct buf *out)
{
	size_t size = len - 1;

	if (len <= 1 ||
	    !BrotliEncoderCompress(BROTLI_LEVEL, BROTLI_DEFAULT_WINDOW,
		BROTLI_MODE_TEXT, len, data, &size,
		(uint8_t *)buf_space(out, len)))
		return false;
	buf_grow(out, size);
	return true;
}
#else
bool
compress_brotli(const void *data, size_t len, struct buf *out)
{
	return false;
}
#endif
