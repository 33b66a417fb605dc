#include "worker/mask.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

struct word {
	char *text;
	size_t len;
};

struct mask {
	struct word *words;
	size_t n;
	bool starts[256];	/* a word begins with this byte */
	struct buf held;
};

struct mask *
mask_new(void)
{
	return xcalloc(1, sizeof(struct mask));
}

void
mask_free(struct mask *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++) {
		explicit_bzero(m->words[i].text, m->words[i].len);
		free(m->words[i].text);
	}
	free(m->words);
	buf_clear(&m->held);
	free(m);
}

static void
add_word(struct mask *m, const char *text, size_t len)
{
	if (len < MASK_MIN_BYTES)
		return;
	m->words = xreallocarray(m->words, m->n + 1, sizeof(*m->words));
	m->words[m->n].text = xstrndup(text, len);
	m->words[m->n++].len = len;
	m->starts[(unsigned char)text[0]] = true;
}

void
mask_add(struct mask *m, const char *value)
{
	add_word(m, value, strlen(value));
	if (strchr(value, '\n') == NULL)
		return;
	while (*value != '\0') {
		size_t len = strcspn(value, "\r\n");

		add_word(m, value, len);
		value += len;
		value += strspn(value, "\r\n");
	}
}

/* The length of the longest word that the text starts with; *more: with more
 * text it may be another one. */
static size_t
match(const struct mask *m, const char *text, size_t len, bool *more)
{
	size_t longest = 0;

	*more = false;
	for (size_t i = 0; i < m->n; i++) {
		const struct word *w = &m->words[i];
		size_t n = len < w->len ? len : w->len;

		if (memcmp(text, w->text, n) != 0)
			continue;
		if (n < w->len)
			*more = true;
		else if (n > longest)
			longest = n;
	}
	return longest;
}

/* Give out what is held; all of it, or up to what may yet become a word. */
static void
release(struct mask *m, bool all, struct buf *out)
{
	const char *data = m->held.data;
	size_t at = 0, plain = 0;

	while (at < m->held.len) {
		size_t len = 0;
		bool more = false;

		if (m->starts[(unsigned char)data[at]])
			len = match(m, data + at, m->held.len - at, &more);
		if (more && !all)
			break;
		if (len > 0) {
			buf_add(out, data + plain, at - plain);
			buf_adds(out, "***");
			plain = at + len;
		}
		at += len > 0 ? len : 1;
	}
	buf_add(out, data + plain, at - plain);
	buf_drop(&m->held, at);
}

void
mask_feed(struct mask *m, const char *data, size_t len, struct buf *out)
{
	if (m->n == 0) {
		buf_add(out, data, len);
		return;
	}
	buf_add(&m->held, data, len);
	release(m, false, out);
}

void
mask_flush(struct mask *m, struct buf *out)
{
	if (m->held.len > 0)
		release(m, true, out);
}
