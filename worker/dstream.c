#include "worker/dstream.h"

#include <string.h>

#include "lib/err.h"

void
dstream_init(struct dstream *s)
{
	memset(s, 0, sizeof(*s));
}

static uint32_t
frame_length(const unsigned char *p)
{
	return (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 |
	    (uint32_t)p[6] << 8 | p[7];
}

static int
check_header(const unsigned char *p, struct err *e)
{
	if (p[0] <= DSTREAM_STDERR && p[1] == 0 && p[2] == 0 && p[3] == 0)
		return 0;
	return err_set(e, ERR_DOCKER,
	    "the engine sent no frame: header %02x%02x%02x%02x", p[0], p[1],
	    p[2], p[3]);
}

/* Move up to len bytes into the header; give how many. */
static size_t
take_header(struct dstream *s, const char *data, size_t len)
{
	size_t want = DSTREAM_HEADER_BYTES - s->nheader;
	size_t n = len < want ? len : want;

	memcpy(s->header + s->nheader, data, n);
	s->nheader += n;
	return n;
}

int
dstream_feed(struct dstream *s, const char *data, size_t len,
    dstream_sink *sink, void *arg, struct err *e)
{
	while (len > 0) {
		size_t n;

		if (s->nheader < DSTREAM_HEADER_BYTES) {
			n = take_header(s, data, len);
			if (s->nheader == DSTREAM_HEADER_BYTES) {
				if (check_header(s->header, e) == -1)
					return -1;
				s->left = frame_length(s->header);
			}
		} else {
			n = len < s->left ? len : s->left;
			if (sink(arg, (enum dstream_which)s->header[0], data, n,
				e) == -1)
				return -1;
			s->left -= (uint32_t)n;
		}
		data += n;
		len -= n;
		if (s->nheader == DSTREAM_HEADER_BYTES && s->left == 0)
			s->nheader = 0;
	}
	return 0;
}

bool
dstream_is_whole(const struct dstream *s)
{
	return s->nheader == 0;
}
