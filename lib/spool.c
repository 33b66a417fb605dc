#include "lib/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/digest.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"

/* Most files of a site are smaller, and many wait at once. */
#define MEMORY_BYTES (256 * 1024)

struct spool {
	char *dir;
	struct buf memory;	/* while there is no file */
	int fd;
	int64_t size;
	struct digest *digest;
	char hex[DIGEST_HEX_BYTES];
};

struct spool *
spool_new(const char *dir)
{
	struct spool *s = xcalloc(1, sizeof(*s));

	s->dir = xstrdup(dir);
	s->fd = -1;
	s->digest = digest_new();
	return s;
}

void
spool_free(struct spool *s)
{
	if (s == NULL)
		return;
	fdio_close(&s->fd);
	buf_clear(&s->memory);
	digest_free(s->digest);
	free(s->dir);
	free(s);
}

static int
open_file(struct spool *s, struct err *e)
{
	if ((s->fd = fdio_unnamed(s->dir, e)) == -1 ||
	    fdio_write(s->fd, buf_str(&s->memory), s->memory.len, e) == -1)
		return -1;
	buf_clear(&s->memory);
	return 0;
}

int
spool_add(struct spool *s, const void *data, size_t len, struct err *e)
{
	digest_add(s->digest, data, len);
	s->size += (int64_t)len;
	if (s->fd == -1 && len <= MEMORY_BYTES - s->memory.len) {
		buf_add(&s->memory, data, len);
		return 0;
	}
	if ((s->fd == -1 && open_file(s, e) == -1) ||
	    fdio_write(s->fd, data, len, e) == -1) {
		err_recode(e, ERR_STORE);
		return err_within(e, "scratch");
	}
	return 0;
}

void
spool_end(struct spool *s)
{
	digest_end(s->digest, s->hex);
}

int64_t
spool_size(const struct spool *s)
{
	return s->size;
}

const char *
spool_hash(const struct spool *s)
{
	return s->hex;
}

ssize_t
spool_read(const struct spool *s, int64_t from, void *data, size_t n,
    struct err *e)
{
	ssize_t got;

	if (from < 0 || from >= s->size)
		return 0;
	if ((int64_t)n > s->size - from)
		n = (size_t)(s->size - from);
	if (s->fd == -1) {
		memcpy(data, s->memory.data + from, n);
		return (ssize_t)n;
	}
	while ((got = pread(s->fd, data, n, (off_t)from)) == -1 &&
	    errno == EINTR)
		continue;
	if (got == -1)
		err_errno(e, "read the unnamed file in %s", s->dir);
	return got;
}
