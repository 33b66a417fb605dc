#include "lib/toml.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"

/* The digits that an int64_t surely holds; longer numbers stay text. */
#define SAFE_DIGITS 18

struct toml {
	const char *s;		/* what is left; ends in NUL */
	int line, depth;
	struct json *root, *table;
	struct err *e;
};

static struct json *take_value(struct toml *);

/* ---- words ---- */

static int __attribute__((format(printf, 2, 3)))
fail(struct toml *t, const char *fmt, ...)
{
	char words[120];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return err_set(t->e, ERR_INVALID, "line %d: %s", t->line, words);
}

static void
skip_blanks(struct toml *t)
{
	t->s += strspn(t->s, " \t");
}

/* Blanks, comments and ends of lines. */
static void
skip_lines(struct toml *t)
{
	for (;;) {
		skip_blanks(t);
		if (*t->s == '#')
			t->s += strcspn(t->s, "\n");
		if (*t->s != '\n')
			return;
		t->s++;
		t->line++;
	}
}

static bool
accept(struct toml *t, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(t->s, word, len) != 0)
		return false;
	t->s += len;
	return true;
}

static int
expect(struct toml *t, const char *word)
{
	skip_blanks(t);
	return accept(t, word) ? 0 : fail(t, "'%s' is needed", word);
}

/* ---- strings ---- */

static void
add_utf8(struct buf *out, unsigned long c)
{
	if (c < 0x80)
		buf_addc(out, (char)c);
	else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* The code point of \uXXXX or \UXXXXXXXX; no NUL and no surrogate. */
static int
take_code(struct toml *t, size_t digits, struct buf *out)
{
	char hex[9] = "";
	unsigned long c;

	for (size_t i = 0; i < digits; i++) {
		if (!isxdigit((unsigned char)t->s[i]))
			return fail(t, "\\u needs hex digits");
		hex[i] = t->s[i];
	}
	c = strtoul(hex, NULL, 16);
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return fail(t, "\\u%s is no character", hex);
	t->s += digits;
	add_utf8(out, c);
	return 0;
}

/* Behind a backslash. */
static int
take_escape(struct toml *t, bool lines, struct buf *out)
{
	static const char from[] = "btnfre\"\\", to[] = "\b\t\n\f\r\x1b\"\\";
	char c = *t->s;
	const char *at = c == '\0' ? NULL : strchr(from, c);

	if (at != NULL) {
		t->s++;
		buf_addc(out, to[at - from]);
		return 0;
	}
	if (c == 'u' || c == 'U') {
		t->s++;
		return take_code(t, c == 'u' ? 4 : 8, out);
	}
	if (!lines || t->s[strspn(t->s, " \t")] != '\n')
		return fail(t, "a bad escape");
	for (; *t->s != '\0' && strchr(" \t\n", *t->s) != NULL; t->s++)
		t->line += *t->s == '\n';
	return 0;
}

/* To the closing quotes, of which there are three where it has lines. */
static int
take_quoted(struct toml *t, bool lines, struct buf *out)
{
	char quote = t->s[0];
	const char three[] = { quote, quote, quote, '\0' };
	const char *end = lines ? three : three + 2;

	t->s += strlen(end);
	if (lines && *t->s == '\n') {
		t->s++;
		t->line++;
	}
	while (strncmp(t->s, end, strlen(end)) != 0 ||
	    (lines && t->s[3] == quote)) {
		if (*t->s == '\0' || (*t->s == '\n' && !lines))
			return fail(t, "a string does not end");
		t->line += *t->s == '\n';
		if (quote == '"' && *t->s == '\\') {
			t->s++;
			if (take_escape(t, lines, out) == -1)
				return -1;
		} else
			buf_addc(out, *t->s++);
	}
	t->s += strlen(end);
	return 0;
}

/* ---- keys ---- */

static int
take_part(struct toml *t, struct buf *out)
{
	size_t len = 0;

	skip_blanks(t);
	if (*t->s == '"' || *t->s == '\'')
		return take_quoted(t, false, out);
	while (isalnum((unsigned char)t->s[len]) || t->s[len] == '_' ||
	    t->s[len] == '-')
		len++;
	buf_add(out, t->s, len);
	t->s += len;
	return len > 0 ? 0 : fail(t, "a key is needed");
}

/* The table below "in" of that name, made where it is not there; of an array
 * of tables, the last. */
static struct json *
below(struct toml *t, struct json *in, const char *key)
{
	const struct json *found = json_get(in, key);
	struct json *made;

	if (found == NULL) {
		made = json_new_object();
		json_set(in, key, made);
		return made;
	}
	if (json_get_array(in, key) != NULL && json_count(found) > 0)
		found = json_at(found, json_count(found) - 1);
	if (json_is_object(found))
		return (struct json *)(uintptr_t)found;
	fail(t, "'%.60s' is no table", key);
	return NULL;
}

/* "a.b.c": *in becomes the table a.b, and key gets "c". */
static int
take_key(struct toml *t, struct json **in, struct buf *key)
{
	for (int depth = 0;; depth++) {
		buf_reset(key);
		if (take_part(t, key) == -1)
			return -1;
		skip_blanks(t);
		if (!accept(t, "."))
			return 0;
		if (depth + t->depth >= JSON_MAX_DEPTH)
			return fail(t, "tables nest too deeply");
		if ((*in = below(t, *in, buf_str(key))) == NULL)
			return -1;
	}
}

static int
take_pair(struct toml *t, struct json *in)
{
	struct buf key = BUF_INIT;
	struct json *value;
	int rc = -1;

	if (take_key(t, &in, &key) == -1 || expect(t, "=") == -1)
		goto out;
	if (json_get(in, buf_str(&key)) != NULL) {
		fail(t, "'%.60s' is there twice", buf_str(&key));
		goto out;
	}
	if ((value = take_value(t)) != NULL) {
		json_set(in, buf_str(&key), value);
		rc = 0;
	}
out:
	buf_clear(&key);
	return rc;
}

/* ---- values ---- */

static struct json *
take_string(struct toml *t)
{
	const char three[] = { *t->s, *t->s, *t->s, '\0' };
	struct buf text = BUF_INIT;
	struct json *box = NULL, *value = NULL;

	if (take_quoted(t, strncmp(t->s, three, 3) == 0, &text) == 0) {
		/* lib/json has strings only inside of something. */
		box = json_new_array();
		json_append_string(box, buf_str(&text));
		value = json_copy(json_at(box, 0));
		json_free(box);
	}
	buf_clear(&text);
	return value;
}

static struct json *
scalar(const char *word)
{
	struct json *box = json_new_object(), *value;
	char digits[SAFE_DIGITS + 2] = "";
	size_t n = 0;

	for (const char *s = word; *s != '\0' && n <= SAFE_DIGITS; s++)
		if (*s != '_')
			digits[n++] = *s;
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
		json_set_bool(box, "v", word[0] == 't');
	else if (n <= SAFE_DIGITS && digits[strspn(digits, "+-0123456789")] == '\0')
		json_set_int(box, "v", strtoll(digits, NULL, 10));
	else
		json_set_string(box, "v", word);
	value = json_copy(json_get(box, "v"));
	json_free(box);
	return value;
}

/* A number, a date, true or false. */
static struct json *
take_scalar(struct toml *t)
{
	size_t len = strcspn(t->s, " \t\n,]}#\"'=[{");
	char *word = xstrndup(t->s, len);
	struct json *value = NULL;

	if (isdigit((unsigned char)word[word[0] == '+' || word[0] == '-']) ||
	    strcmp(word, "true") == 0 || strcmp(word, "false") == 0 ||
	    strstr(word, "inf") != NULL || strstr(word, "nan") != NULL) {
		t->s += len;
		value = scalar(word);
	} else
		fail(t, "a value is needed, strings in quotes");
	free(word);
	return value;
}

static int
take_items(struct toml *t, struct json *array)
{
	for (;;) {
		struct json *value;

		skip_lines(t);
		if (accept(t, "]"))
			return 0;
		if ((value = take_value(t)) == NULL)
			return -1;
		json_append(array, value);
		skip_lines(t);
		if (!accept(t, ",") && *t->s != ']')
			return fail(t, "',' or ']' is needed");
	}
}

static int
take_pairs(struct toml *t, struct json *object)
{
	skip_blanks(t);
	if (accept(t, "}"))
		return 0;
	for (;;) {
		if (take_pair(t, object) == -1)
			return -1;
		skip_blanks(t);
		if (accept(t, "}"))
			return 0;
		if (!accept(t, ","))
			return fail(t, "',' or '}' is needed");
	}
}

static struct json *
take_value(struct toml *t)
{
	struct json *value;
	int rc;

	skip_blanks(t);
	if (*t->s == '"' || *t->s == '\'')
		return take_string(t);
	if (*t->s != '[' && *t->s != '{')
		return take_scalar(t);
	if (++t->depth >= JSON_MAX_DEPTH) {
		fail(t, "values nest too deeply");
		return NULL;
	}
	value = *t->s == '[' ? json_new_array() : json_new_object();
	rc = *t->s++ == '[' ? take_items(t, value) : take_pairs(t, value);
	t->depth--;
	if (rc == 0)
		return value;
	json_free(value);
	return NULL;
}

/* ---- lines ---- */

/* [[a.b]]: one more table in the array a.b. */
static int
add_table(struct toml *t, struct json *in, const char *key)
{
	const struct json *found = json_get(in, key);
	struct json *array;

	if (found == NULL) {
		array = json_new_array();
		json_set(in, key, array);
	} else if ((array = (struct json *)(uintptr_t)json_get_array(in,
			key)) == NULL)
		return fail(t, "'%.60s' is no array of tables", key);
	t->table = json_new_object();
	json_append(array, t->table);
	return 0;
}

static int
take_header(struct toml *t)
{
	bool array = accept(t, "[[");
	struct json *in = t->root;
	struct buf key = BUF_INIT;
	int rc = -1;

	if (!array)
		t->s++;
	if (take_key(t, &in, &key) == -1 ||
	    expect(t, array ? "]]" : "]") == -1)
		goto out;
	if (array)
		rc = add_table(t, in, buf_str(&key));
	else
		rc = (t->table = below(t, in, buf_str(&key))) != NULL ? 0 : -1;
out:
	buf_clear(&key);
	return rc;
}

static int
take_line(struct toml *t)
{
	if ((*t->s == '[' ? take_header(t) : take_pair(t, t->table)) == -1)
		return -1;
	skip_blanks(t);
	if (*t->s != '\0' && *t->s != '\n' && *t->s != '#')
		return fail(t, "the line goes on behind its end");
	return 0;
}

/* With ends of lines as they are here, and without a byte order mark. */
static char *
normal_text(const char *text, size_t len)
{
	struct buf out = BUF_INIT;
	size_t i = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	for (; i < len; i++)
		if (text[i] != '\r' || i + 1 == len || text[i + 1] != '\n')
			buf_addc(&out, text[i]);
	return buf_take(&out);
}

struct json *
toml_parse(const char *text, size_t len, struct err *e)
{
	char *copy = normal_text(text, len);
	struct toml t = { .s = copy, .line = 1, .e = e };
	int rc = 0;

	t.root = t.table = json_new_object();
	if (memchr(text, '\0', len) != NULL ||
	    !name_is_text(copy, strlen(copy)))
		rc = err_set(e, ERR_INVALID, "it is not text in UTF-8");
	while (rc == 0) {
		skip_lines(&t);
		if (*t.s == '\0')
			break;
		rc = take_line(&t);
	}
	free(copy);
	if (rc == 0)
		return t.root;
	json_free(t.root);
	return NULL;
}
