#include "lib/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"

/* struct json is never defined: a pointer to one is json-c's pointer.  JSON's
 * null is a NULL pointer there, so fields that are null look as if missing to
 * the typed getters, and json_is_null() tells by key. */
static struct json_object *
in(const struct json *j)
{
	return (struct json_object *)(uintptr_t)j;
}

static struct json *
out(struct json_object *o)
{
	return (struct json *)o;
}

/* ---- parsing ---- */

static struct json *
parse_ascii(const char *text, size_t len, struct err *e)
{
	struct json_tokener *t;
	struct json_object *o;
	enum json_tokener_error why;
	size_t end;

	if ((t = json_tokener_new_ex(JSON_MAX_DEPTH)) == NULL)
		abort();
	json_tokener_set_flags(t,
	    JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	o = json_tokener_parse_ex(t, text, (int)len);
	why = json_tokener_get_error(t);
	end = json_tokener_get_parse_end(t);
	json_tokener_free(t);
	while (why == json_tokener_success && end < len &&
	    strchr(" \t\r\n", text[end]) != NULL && text[end] != '\0')
		end++;
	if (why == json_tokener_success && end == len && o != NULL)
		return out(o);
	json_object_put(o);
	err_set(e, ERR_INVALID, "not valid JSON: %s",
	    why == json_tokener_success ? "something follows the value"
	    : why == json_tokener_continue
	    ? "it ends too early"
	    : json_tokener_error_desc(why));
	return NULL;
}

/* Add a character of n bytes as JSON's escape: two for what is over 0xffff. */
static void
add_escaped(struct buf *to, const unsigned char *s, size_t n)
{
	static const unsigned char first[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned int c = s[0] & first[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3f);
	if (c > 0xffff) {
		c -= 0x10000;
		buf_addf(to, "\\u%04x", 0xd800 | c >> 10);
		c = 0xdc00 | (c & 0x3ff);
	}
	buf_addf(to, "\\u%04x", c);
}

/*
 * The text in ASCII.  json-c 0.18 takes a byte over 0x7f for a control
 * character where it is strict, and refuses it.  False for what is no UTF-8,
 * and for a backslash before such a byte, which no JSON has.
 */
static bool
to_ascii(struct buf *to, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	bool escaped = false;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		if ((n = name_utf8_length(s + i, len - i)) == 0)
			return false;
		if (n == 1)
			buf_addc(to, text[i]);
		else if (escaped)
			return false;
		else
			add_escaped(to, s + i, n);
		escaped = s[i] == '\\' && !escaped;
	}
	return true;
}

static bool
is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

struct json *
json_parse(const char *text, size_t len, struct err *e)
{
	struct buf ascii = BUF_INIT;
	struct json *j = NULL;

	if (len > JSON_MAX_BYTES)
		err_set(e, ERR_TOOBIG, "JSON of over %d bytes", JSON_MAX_BYTES);
	else if (is_ascii(text, len))
		j = parse_ascii(text, len, e);
	else if (to_ascii(&ascii, text, len))
		j = parse_ascii(buf_str(&ascii), ascii.len, e);
	else
		err_set(e, ERR_INVALID, "not valid JSON: it is no UTF-8");
	buf_clear(&ascii);
	return j;
}

struct json *
json_parse_buf(const struct buf *b, struct err *e)
{
	return b == NULL ? json_parse("", 0, e)
			 : json_parse(buf_str(b), b->len, e);
}

struct json *
json_new_object(void)
{
	return out(json_object_new_object());
}

struct json *
json_new_array(void)
{
	return out(json_object_new_array());
}

struct json *
json_copy(const struct json *j)
{
	struct json_object *copy = NULL;

	if (j != NULL && json_object_deep_copy(in(j), &copy, NULL) != 0)
		abort();
	return out(copy);
}

void
json_free(struct json *j)
{
	json_object_put(in(j));
}

char *
json_text(const struct json *j)
{
	return xstrdup(json_object_to_json_string_ext(in(j),
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* ---- building ---- */

void
json_set(struct json *j, const char *key, struct json *value)
{
	if (value != NULL)
		json_object_object_add(in(j), key, in(value));
}

void
json_set_string(struct json *j, const char *key, const char *value)
{
	if (value != NULL)
		json_set_stringn(j, key, value, strlen(value));
}

void
json_set_stringn(struct json *j, const char *key, const char *s, size_t len)
{
	json_object_object_add(in(j), key,
	    json_object_new_string_len(s, (int)len));
}

void
json_set_int(struct json *j, const char *key, int64_t n)
{
	json_object_object_add(in(j), key, json_object_new_int64(n));
}

void
json_set_bool(struct json *j, const char *key, bool b)
{
	json_object_object_add(in(j), key, json_object_new_boolean(b));
}

void
json_set_null(struct json *j, const char *key)
{
	json_object_object_add(in(j), key, NULL);
}

void
json_append(struct json *array, struct json *value)
{
	json_object_array_add(in(array), in(value));
}

void
json_append_string(struct json *array, const char *s)
{
	json_object_array_add(in(array), json_object_new_string(s));
}

void
json_remove(struct json *j, const char *key)
{
	json_object_object_del(in(j), key);
}

/* ---- looking ---- */

static struct json_object *
field(const struct json *j, const char *key, enum json_type type)
{
	struct json_object *value;

	if (!json_object_is_type(in(j), json_type_object) ||
	    !json_object_object_get_ex(in(j), key, &value) ||
	    !json_object_is_type(value, type))
		return NULL;
	return value;
}

const struct json *
json_get(const struct json *j, const char *key)
{
	struct json_object *value;

	if (!json_object_is_type(in(j), json_type_object) ||
	    !json_object_object_get_ex(in(j), key, &value))
		return NULL;
	return out(value);
}

const struct json *
json_get_object(const struct json *j, const char *key)
{
	return out(field(j, key, json_type_object));
}

const struct json *
json_get_array(const struct json *j, const char *key)
{
	return out(field(j, key, json_type_array));
}

const char *
json_get_string(const struct json *j, const char *key)
{
	return json_as_string(json_get(j, key));
}

bool
json_get_bool(const struct json *j, const char *key, bool otherwise)
{
	struct json_object *value = field(j, key, json_type_boolean);

	return value == NULL ? otherwise : json_object_get_boolean(value);
}

int64_t
json_get_int(const struct json *j, const char *key, int64_t otherwise)
{
	struct json_object *value = field(j, key, json_type_int);

	return value == NULL ? otherwise : json_object_get_int64(value);
}

bool
json_is_object(const struct json *j)
{
	return json_object_is_type(in(j), json_type_object);
}

bool
json_is_null(const struct json *j)
{
	return j == NULL;
}

const char *
json_as_string(const struct json *j)
{
	const char *s;

	if (!json_object_is_type(in(j), json_type_string))
		return NULL;
	s = json_object_get_string(in(j));
	if (strlen(s) != (size_t)json_object_get_string_len(in(j)))
		return NULL; /* a NUL inside: what follows would be lost */
	return s;
}

size_t
json_count(const struct json *array)
{
	if (!json_object_is_type(in(array), json_type_array))
		return 0;
	return json_object_array_length(in(array));
}

const struct json *
json_at(const struct json *array, size_t i)
{
	return i < json_count(array)
	    ? out(json_object_array_get_idx(in(array), i))
	    : NULL;
}

int
json_each(const struct json *object,
    int (*fn)(void *, const char *, const struct json *), void *arg)
{
	if (!json_is_object(object))
		return 0;
	json_object_object_foreach(in(object), key, value)
	{
		int rc = fn(arg, key, out(value));

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ---- checking input ---- */

/* 1: it is there and of that type; 0: it is missing; -1. */
static int
want(const struct json *j, const char *key, enum json_type type,
    struct json_object **value, struct err *e)
{
	if (!json_object_object_get_ex(in(j), key, value))
		return 0;
	if (!json_object_is_type(*value, type))
		return err_set(e, ERR_INVALID, "%s: %s %s is needed", key,
		    type == json_type_int || type == json_type_object ? "an"
								      : "a",
		    json_type_to_name(type));
	return 1;
}

int
json_want_string(const struct json *j, const char *key, bool required,
    size_t max, const char **s, struct err *e)
{
	struct json_object *value;
	size_t len;
	int rc;

	*s = NULL;
	if ((rc = want(j, key, json_type_string, &value, e)) == -1)
		return -1;
	if (rc == 0)
		return required ? err_set(e, ERR_INVALID, "%s: it is missing",
				      key)
				: 0;
	*s = json_object_get_string(value);
	len = (size_t)json_object_get_string_len(value);
	if (len > max)
		return err_set(e, ERR_INVALID, "%s: over %zu bytes", key, max);
	if (strlen(*s) != len)
		return err_set(e, ERR_INVALID, "%s: it holds a NUL", key);
	return 0;
}

int
json_want_bool(const struct json *j, const char *key, bool *b, struct err *e)
{
	struct json_object *value;
	int rc = want(j, key, json_type_boolean, &value, e);

	if (rc == 1)
		*b = json_object_get_boolean(value);
	return rc == -1 ? -1 : 0;
}

int
json_want_object(const struct json *j, const char *key,
    const struct json **object, struct err *e)
{
	struct json_object *value;
	int rc = want(j, key, json_type_object, &value, e);

	*object = rc == 1 ? out(value) : NULL;
	return rc == -1 ? -1 : 0;
}

int
json_only(const struct json *j, const char *const *known, struct err *e)
{
	json_object_object_foreach(in(j), key, value)
	{
		const char *const *k = known;

		(void)value;
		while (*k != NULL && strcmp(*k, key) != 0)
			k++;
		if (*k == NULL)
			return err_set(e, ERR_INVALID, "%.80s: no such field",
			    name_is_text(key, strlen(key)) ? key : "?");
	}
	return 0;
}
