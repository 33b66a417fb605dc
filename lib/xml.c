#include "lib/xml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

/* "#x10ffff" and the named ones are no longer. */
#define ENTITY_MAX_LENGTH 10

static void
drop(struct xml *x, size_t n)
{
	x->text += n;
	x->len -= n;
}

/* After the name of a tag, does it end? */
static bool
ends_name(char c)
{
	return c == '>' || c == '/' || c == ' ' || c == '\t' || c == '\n' ||
	    c == '\r';
}

/* Go past the next "<name …>"; empty: it was "<name/>". */
static bool
open_tag(struct xml *x, const char *name, bool *empty)
{
	size_t len = strlen(name);
	const char *at, *end;

	while ((at = memchr(x->text, '<', x->len)) != NULL) {
		drop(x, (size_t)(at - x->text) + 1);
		if (x->len <= len || memcmp(x->text, name, len) != 0 ||
		    !ends_name(x->text[len]))
			continue;
		if ((end = memchr(x->text, '>', x->len)) == NULL)
			return false;
		*empty = end[-1] == '/';
		drop(x, (size_t)(end - x->text) + 1);
		return true;
	}
	return false;
}

bool
xml_next(struct xml *in, const char *name, struct xml *holds)
{
	struct xml x = *in;
	size_t len = strlen(name);
	const char *at;
	bool empty;

	if (x.len == 0 || !open_tag(&x, name, &empty))
		return false;
	*holds = (struct xml){ x.text, 0 };
	while (!empty) {
		if ((at = memmem(x.text, x.len, "</", 2)) == NULL)
			return false;
		drop(&x, (size_t)(at - x.text) + 2);
		if (x.len > len && memcmp(x.text, name, len) == 0 &&
		    ends_name(x.text[len])) {
			holds->len = (size_t)(at - holds->text);
			break;
		}
	}
	*in = x;
	return true;
}

bool
xml_is_root(struct xml in, const char *name)
{
	size_t len = strlen(name);
	const char *at;

	/* past the declaration, comments and white space */
	while (in.len > 0 && (at = memchr(in.text, '<', in.len)) != NULL) {
		drop(&in, (size_t)(at - in.text) + 1);
		if (in.len > 0 && in.text[0] != '?' && in.text[0] != '!')
			return in.len > len &&
			    memcmp(in.text, name, len) == 0 &&
			    ends_name(in.text[len]);
	}
	return false;
}

/* ---- entities ---- */

static void
add_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(b, (char)c);
		return;
	}
	if (c >= 0x10000) {
		buf_addc(b, (char)(0xf0 | c >> 18));
		buf_addc(b, (char)(0x80 | (c >> 12 & 0x3f)));
	} else if (c >= 0x800) {
		buf_addc(b, (char)(0xe0 | c >> 12));
	}
	if (c >= 0x800)
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
	else
		buf_addc(b, (char)(0xc0 | c >> 6));
	buf_addc(b, (char)(0x80 | (c & 0x3f)));
}

/* "#38" or "#x26", without the "&" and ";". */
static bool
add_numeric(struct buf *b, const char *name)
{
	bool hex = name[1] == 'x';
	const char *digits = name + (hex ? 2 : 1);
	char *end;
	unsigned long c = strtoul(digits, &end, hex ? 16 : 10);

	if (strchr("0123456789abcdefABCDEF", digits[0]) == NULL ||
	    digits[0] == '\0' || *end != '\0' || c == 0 || c > 0x10ffff ||
	    (c >= 0xd800 && c <= 0xdfff))
		return false;
	add_utf8(b, (uint32_t)c);
	return true;
}

static const struct {
	const char *name;
	char c;
} entities[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' },
	{ "quot", '"' }, { "apos", '\'' } };
#define NENTITIES (sizeof(entities) / sizeof(entities[0]))

/* The entity after "&"; its length with ";", or 0 for a bad one. */
static size_t
add_entity(struct buf *b, const char *text, size_t len)
{
	char name[ENTITY_MAX_LENGTH + 1];
	const char *end = memchr(text, ';',
	    len < sizeof(name) ? len : sizeof(name));
	size_t n, i;

	if (end == NULL)
		return 0;
	n = (size_t)(end - text);
	memcpy(name, text, n);
	name[n] = '\0';
	if (name[0] == '#')
		return add_numeric(b, name) ? n + 1 : 0;
	for (i = 0; i < NENTITIES && strcmp(name, entities[i].name) != 0; i++)
		continue;
	if (i == NENTITIES)
		return 0;
	buf_addc(b, entities[i].c);
	return n + 1;
}

char *
xml_value(struct xml in, const char *name)
{
	struct buf b = BUF_INIT;
	struct xml x;

	if (!xml_next(&in, name, &x))
		return NULL;
	while (x.len > 0) {
		char c = x.text[0];
		size_t n = 0;

		drop(&x, 1);
		if (c == '&')
			n = add_entity(&b, x.text, x.len);
		else if (c != '<' && c != '\0')
			buf_addc(&b, c);
		if (c == '<' || c == '\0' || (c == '&' && n == 0)) {
			buf_clear(&b);
			return NULL;
		}
		drop(&x, n);
	}
	return buf_take(&b);
}

void
xml_escape(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		size_t i;

		for (i = 0; i < NENTITIES && entities[i].c != *text; i++)
			continue;
		if (i < NENTITIES)
			buf_addf(b, "&%s;", entities[i].name);
		else if ((unsigned char)*text < 0x20)
			buf_addf(b, "&#%d;", *text);
		else
			buf_addc(b, *text);
	}
}
