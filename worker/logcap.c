#include "worker/logcap.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/name.h"

/* "\n[davit: N bytes left out]\n", with the longest N. */
#define MARK_MAX_BYTES 48

/* Escape sequences and progress lines take room that the tail won't show. */
#define RAW_TAIL_BYTES (8 * LOG_TAIL_BYTES)

/* The last bytes of a stream. */
struct ring {
	char *data;
	size_t size;
	size_t len;	/* how many are in */
	size_t next;	/* where the next one goes */
};

struct logcap {
	size_t head_left;	/* bytes that may still be passed on */
	struct ring end;	/* of what came after the head */
	struct ring tail;	/* of everything, for logcap_tail() */
	uint64_t left_out;
};

static void
ring_init(struct ring *r, size_t size)
{
	memset(r, 0, sizeof(*r));
	r->size = size;
}

static void
ring_add(struct ring *r, const char *data, size_t n)
{
	if (r->data == NULL && n > 0)
		r->data = xmalloc(r->size); /* most logs never need it */
	if (n > r->size) {
		data += n - r->size;
		n = r->size;
	}
	while (n > 0) {
		size_t room = r->size - r->next, part = n < room ? n : room;

		memcpy(r->data + r->next, data, part);
		r->next = (r->next + part) % r->size;
		r->len += part;
		data += part;
		n -= part;
	}
	if (r->len > r->size)
		r->len = r->size;
}

static void
ring_copy(const struct ring *r, struct buf *out)
{
	size_t start = r->len < r->size ? 0 : r->next;

	if (r->len == 0)
		return;
	buf_add(out, r->data + start, r->len - start);
	buf_add(out, r->data, start);
}

struct logcap *
logcap_new(size_t max)
{
	struct logcap *c = xcalloc(1, sizeof(*c));
	size_t half = max / 2;

	c->head_left = half;
	ring_init(&c->end, half > 2 * MARK_MAX_BYTES ? half - MARK_MAX_BYTES
						      : MARK_MAX_BYTES);
	ring_init(&c->tail, RAW_TAIL_BYTES);
	return c;
}

void
logcap_free(struct logcap *c)
{
	if (c == NULL)
		return;
	free(c->end.data);
	free(c->tail.data);
	free(c);
}

/* Inside a character of UTF-8? */
static bool
continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* How much of what comes belongs to the head: whole characters, and nothing
 * after the first that has no room. */
static size_t
take_head(struct logcap *c, const char *p, size_t n)
{
	size_t head = c->head_left;

	if (n <= head) {
		c->head_left -= n;
		return n;
	}
	for (int i = 0; i < 3 && head > 0 && continues(p[head]); i++)
		head--;
	c->head_left = 0;
	return head;
}

void
logcap_add(struct logcap *c, const void *data, size_t n, struct buf *out)
{
	const char *p = data;
	size_t head = take_head(c, p, n);
	size_t room = c->end.size - c->end.len;

	ring_add(&c->tail, p, n);
	buf_add(out, p, head);
	p += head;
	n -= head;
	if (n > room)
		c->left_out += n - room;
	ring_add(&c->end, p, n);
}

void
logcap_end(struct logcap *c, struct buf *out)
{
	struct buf end = BUF_INIT;
	size_t cut = 0;

	ring_copy(&c->end, &end);
	if (c->left_out > 0) {
		while (cut < 3 && cut < end.len && continues(end.data[cut]))
			cut++;
		buf_addf(out, "\n[davit: %llu bytes left out]\n",
		    (unsigned long long)c->left_out + cut);
	}
	buf_add(out, buf_str(&end) + cut, end.len - cut);
	buf_clear(&end);
	c->end.len = c->end.next = 0;
	c->left_out = 0;
}

/* ---- plain text of a terminal's stream ---- */

/* The length of the escape sequence at p: ESC [ … final, ESC ] … BEL or ST,
 * ESC and one more. */
static size_t
escape_length(const char *p, size_t n)
{
	size_t i = 2;

	if (n < 2)
		return n;
	if (p[1] == '[') {
		while (i < n && (p[i] < 0x40 || p[i] > 0x7e))
			i++;
		return i < n ? i + 1 : n;
	}
	if (p[1] == ']') {
		while (i < n && p[i] != '\a' && p[i] != '\033')
			i++;
		if (i < n && p[i] == '\033' && i + 1 < n && p[i + 1] == '\\')
			i++;
		return i < n ? i + 1 : n;
	}
	return 2;
}

/* The length of the valid UTF-8 character at p; 0: there is none. */
static size_t
utf8_length(const char *p, size_t n)
{
	for (size_t len = 1; len <= 4 && len <= n; len++)
		if (name_is_text(p, len))
			return len;
	return 0;
}

/* A lone carriage return starts the line again, as on a terminal. */
static void
restart_line(struct buf *text)
{
	while (text->len > 0 && text->data[text->len - 1] != '\n')
		text->len--;
}

static void
to_plain_text(const char *p, size_t n, struct buf *text)
{
	while (n > 0) {
		size_t len = 1;

		if (*p == '\033')
			len = escape_length(p, n);
		else if (*p == '\r' && n > 1 && p[1] != '\n')
			restart_line(text);
		else if ((len = utf8_length(p, n)) > 0)
			buf_add(text, p, len);
		else
			len = 1; /* a control byte, or half a character */
		p += len;
		n -= len;
	}
}

/* Where the last whole lines of at most max bytes start; a line that is
 * longer is cut, between two characters. */
static const char *
last_lines(const char *text, size_t len, size_t max)
{
	const char *start = text + (len > max ? len - max : 0), *line;

	if (start == text || start[-1] == '\n')
		return start;
	if ((line = strchr(start, '\n')) != NULL && line[1] != '\0')
		return line + 1;
	while (((unsigned char)*start & 0xc0) == 0x80)
		start++;
	return start;
}

char *
logcap_tail(const struct logcap *c)
{
	struct buf raw = BUF_INIT, text = BUF_INIT;
	char *tail;

	ring_copy(&c->tail, &raw);
	to_plain_text(buf_str(&raw), raw.len, &text);
	while (text.len > 0 && strchr("\n\t ", text.data[text.len - 1]) != NULL)
		text.len--;
	if (text.data != NULL)
		text.data[text.len] = '\0';
	tail = xstrdup(last_lines(buf_str(&text), text.len, LOG_TAIL_BYTES));
	buf_clear(&raw);
	buf_clear(&text);
	return tail;
}
