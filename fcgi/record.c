#include "fcgi/record.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* FastCGI specification, 8. */
#define PROTOCOL 1
#define STDOUT 6

/* Step over what has been written. */
static bool
advance(struct iovec *iov, int n, size_t written)
{
	bool left = false;

	for (int i = 0; i < n; i++) {
		size_t step = written < iov[i].iov_len ? written
						       : iov[i].iov_len;

		iov[i].iov_base = (char *)iov[i].iov_base + step;
		iov[i].iov_len -= step;
		written -= step;
		left = left || iov[i].iov_len > 0;
	}
	return left;
}

static int
write_one(int fd, int request_id, const char *data, size_t len)
{
	unsigned char header[] = { PROTOCOL, STDOUT,
		(unsigned char)(request_id >> 8), (unsigned char)request_id,
		(unsigned char)(len >> 8), (unsigned char)len, 0, 0 };
	struct iovec iov[] = { { header, sizeof(header) },
		{ (void *)(uintptr_t)data, len } };
	ssize_t n;

	do {
		n = writev(fd, iov, 2);
		if (n == -1 && errno != EINTR)
			return -1;
	} while (advance(iov, 2, n == -1 ? 0 : (size_t)n));
	return 0;
}

int
record_write(int fd, int request_id, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		size_t step = len > RECORD_MAX_BYTES ? RECORD_MAX_BYTES : len;

		if (write_one(fd, request_id, p, step) == -1)
			return -1;
		p += step;
		len -= step;
	}
	return 0;
}
