#include "worker/logtext.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

/* No progress is longer; what is, is passed on in pieces. */
#define LINE_MAX_BYTES ((size_t)64 * 1024)

#define REPLACEMENT "\xef\xbf\xbd"

struct logtext {
	struct buf line;	/* what of it has not been passed on */
	bool begun;		/* a part of it has been */
	bool redrawn;		/* it has been drawn over: only its end counts */
	bool returned;		/* a carriage return came last */
	char sequence[4];	/* of a character that is not all there */
	size_t have, want;	/* bytes of it */
};

struct logtext *
logtext_new(void)
{
	return xcalloc(1, sizeof(struct logtext));
}

void
logtext_free(struct logtext *t)
{
	if (t == NULL)
		return;
	buf_clear(&t->line);
	free(t);
}

/* ---- lines ---- */

static void
pass_on(struct logtext *t, struct buf *out)
{
	if (t->line.len > 0)
		buf_add(out, t->line.data, t->line.len);
	buf_reset(&t->line);
}

static void
end_line(struct logtext *t, struct buf *out)
{
	pass_on(t, out);
	buf_addc(out, '\n');
	t->begun = t->redrawn = t->returned = false;
}

/* What has been passed on already can't be drawn over: it is left as a line of
 * its own. */
static void
draw_over(struct logtext *t, struct buf *out)
{
	if (t->begun)
		end_line(t, out);
	buf_reset(&t->line);
	t->redrawn = true;
	t->returned = false;
}

/* Whole characters, none of which ends a line. */
static void
put(struct logtext *t, const char *data, size_t n, struct buf *out)
{
	if (t->returned)
		draw_over(t, out);
	buf_add(&t->line, data, n);
	if (t->line.len < LINE_MAX_BYTES)
		return;
	pass_on(t, out);
	t->begun = true;
}

/* ---- characters ---- */

/* How many bytes the sequence has that begins with this one; 0: none does. */
static size_t
sequence_length(unsigned char c)
{
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

/* May c be the second byte, after first?  No overlong forms, no surrogates,
 * nothing over U+10FFFF. */
static bool
may_be_second(unsigned char first, unsigned char c)
{
	unsigned char min = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char max = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	return c >= min && c <= max;
}

static bool
continues(const struct logtext *t, unsigned char c)
{
	if (t->have == 1)
		return may_be_second((unsigned char)t->sequence[0], c);
	return (c & 0xc0) == 0x80;
}

static void
put_replacement(struct logtext *t, struct buf *out)
{
	t->have = t->want = 0;
	put(t, REPLACEMENT, sizeof(REPLACEMENT) - 1, out);
}

/* A byte over 0x7f; or of any kind, inside a sequence.  False: it is still to
 * be looked at, now outside of one. */
static bool
take_byte(struct logtext *t, char byte, struct buf *out)
{
	unsigned char c = (unsigned char)byte;

	if (t->want == 0) {
		if ((t->want = sequence_length(c)) == 0) {
			put_replacement(t, out);
			return true;
		}
	} else if (!continues(t, c)) {
		put_replacement(t, out);
		return false;
	}
	t->sequence[t->have++] = byte;
	if (t->have == t->want) {
		t->have = t->want = 0;
		put(t, t->sequence, sequence_length(
			(unsigned char)t->sequence[0]), out);
	}
	return true;
}

static bool
is_plain(char c)
{
	return (unsigned char)c < 0x80 && c != '\n' && c != '\r';
}

void
logtext_add(struct logtext *t, const void *data, size_t n, struct buf *out)
{
	const char *p = data, *end = p + n;

	while (p < end) {
		const char *start = p;

		if (t->want > 0) {
			p += take_byte(t, *p, out);
			continue;
		}
		while (p < end && is_plain(*p))
			p++;
		if (p > start)
			put(t, start, (size_t)(p - start), out);
		else if (*p == '\n') {
			end_line(t, out);
			p++;
		} else if (*p == '\r') {
			t->returned = true;
			p++;
		} else
			p += take_byte(t, *p, out);
	}
}

/* ---- what is held ---- */

bool
logtext_waits(const struct logtext *t)
{
	return t->line.len > 0 && !t->redrawn && !t->returned;
}

void
logtext_flush(struct logtext *t, struct buf *out)
{
	if (!logtext_waits(t))
		return;
	pass_on(t, out);
	t->begun = true;
}

void
logtext_end(struct logtext *t, struct buf *out)
{
	if (t->want > 0)
		put_replacement(t, out);
	pass_on(t, out);
	t->begun = t->redrawn = t->returned = false;
}
