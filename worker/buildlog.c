#include "worker/buildlog.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "worker/mask.h"
#include "worker/watch.h"

/* What is remembered: reasons are seldom followed by more than this. */
#define TAIL_BYTES (16 * 1024)

/* A pipe that poll(2) calls writable takes this much without blocking
 * (PIPE_BUF). */
#define PIECE_BYTES 4096

struct buildlog {
	int fd;
	struct watch *watch;
	struct mask *mask;
	struct buf tail;
	bool in_line;		/* the last byte was no newline */
};

struct buildlog *
buildlog_new(int fd, struct watch *watch)
{
	struct buildlog *l = xcalloc(1, sizeof(*l));

	l->fd = fd;
	l->watch = watch;
	l->mask = mask_new();
	return l;
}

void
buildlog_free(struct buildlog *l)
{
	if (l == NULL)
		return;
	mask_free(l->mask);
	buf_clear(&l->tail);
	free(l);
}

void
buildlog_hide(struct buildlog *l, const char *value)
{
	mask_add(l->mask, value);
}

static void
remember(struct buildlog *l, const char *data, size_t len)
{
	if (len > TAIL_BYTES) {
		data += len - TAIL_BYTES;
		len = TAIL_BYTES;
	}
	if (l->tail.len + len > TAIL_BYTES)
		buf_drop(&l->tail, l->tail.len + len - TAIL_BYTES);
	buf_add(&l->tail, data, len);
}

static void
emit(struct buildlog *l, const struct buf *out)
{
	size_t at = 0;

	if (out->len == 0)
		return;
	remember(l, out->data, out->len);
	l->in_line = out->data[out->len - 1] != '\n';
	while (at < out->len) {
		size_t n = out->len - at;
		ssize_t w;

		if (watch_wait(l->watch, l->fd, POLLOUT, -1, NULL) == -1)
			return;
		w = write(l->fd, out->data + at,
		    n < PIECE_BYTES ? n : PIECE_BYTES);
		if (w == -1 && errno != EINTR && errno != EAGAIN) {
			watch_stop(l->watch);
			return;
		}
		at += w > 0 ? (size_t)w : 0;
	}
}

void
buildlog_add(struct buildlog *l, const char *data, size_t len)
{
	struct buf out = BUF_INIT;

	mask_feed(l->mask, data, len, &out);
	emit(l, &out);
	buf_clear(&out);
}

static void
flush(struct buildlog *l)
{
	struct buf out = BUF_INIT;

	mask_flush(l->mask, &out);
	emit(l, &out);
	buf_clear(&out);
}

void
buildlog_say(struct buildlog *l, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		text = xstrdup("?");
	va_end(ap);
	flush(l);
	if (l->in_line)
		buildlog_add(l, "\n", 1);
	buildlog_add(l, text, strlen(text));
	buildlog_add(l, "\n", 1);
	flush(l);
	free(text);
}

void
buildlog_mark(struct buildlog *l)
{
	flush(l);
	buf_reset(&l->tail);
}

const char *
buildlog_tail(struct buildlog *l)
{
	flush(l);
	return buf_str(&l->tail);
}
