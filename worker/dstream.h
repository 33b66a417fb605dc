/*
 * Docker's framed streams: what a process without a terminal writes comes as
 * frames of an 8-byte header (stream, three zeros, length in network order)
 * and that many bytes.  Pure and incremental: the bytes may come in any
 * pieces, and nothing is kept but the header that is being read.
 */
#ifndef DAVIT_WORKER_DSTREAM_H
#define DAVIT_WORKER_DSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum dstream_which { DSTREAM_STDIN, DSTREAM_STDOUT, DSTREAM_STDERR };

#define DSTREAM_HEADER_BYTES 8

struct dstream {
	unsigned char header[DSTREAM_HEADER_BYTES];
	size_t nheader;		/* bytes of it that are there */
	uint32_t left;		/* of the frame's contents */
};

/* Called with each piece of contents; never with none.  -1 stops. */
typedef int dstream_sink(void *arg, enum dstream_which, const char *data,
    size_t len, struct err *);

void dstream_init(struct dstream *);

/* Take the next bytes.  -1: ERR_DOCKER for what is no frame, or what the sink
 * said; the stream is of no use afterwards. */
int dstream_feed(struct dstream *, const char *data, size_t len,
    dstream_sink *, void *arg, struct err *);

/* True where the last frame came whole: a stream that ends elsewhere was cut.
 */
bool dstream_is_whole(const struct dstream *);

#endif
