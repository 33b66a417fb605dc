/* Compression of what web servers send, whole and in memory: gzip by zlib and
 * brotli by libbrotlienc, which no other file includes. */
#ifndef DAVIT_LIB_COMPRESS_H
#define DAVIT_LIB_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Some 30 MB/s each: within a tenth of the best size at a tenth of its time.
 * The same bytes give the same bytes.  False, and nothing in the buffer, where
 * it would not be smaller; brotli also where davit is built without it. */
bool compress_gzip(const void *, size_t, struct buf *);
bool compress_brotli(const void *, size_t, struct buf *);

#endif
