/*
 * JSON (RFC 8259) by json-c, which no other file includes.  Reading is typed
 * and bounded: a missing field, a wrong type, a NUL in a string, or a number
 * out of range each is an error that names the field.
 */
#ifndef DAVIT_LIB_JSON_H
#define DAVIT_LIB_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct buf;
struct json;	/* a value; json_object of json-c behind it */

/* Parse text whole: nothing may follow, depth is at most JSON_MAX_DEPTH,
 * strings are valid UTF-8.  (json-c also takes strings in single quotes.)
 * NULL with ERR_INVALID.  json_free() it. */
struct json *json_parse(const char *text, size_t len, struct err *);

/* The same of what a buffer holds; NULL is like an empty one. */
struct json *json_parse_buf(const struct buf *, struct err *);

/* New values.  json_free() frees a value and all below it; values given to
 * json_set() and json_append() belong to their container. */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_copy(const struct json *);
void json_free(struct json *);

/* Serialize without white space.  Owned by the caller. */
char *json_text(const struct json *);

/* Object fields.  A NULL string or value sets nothing at all. */
void json_set(struct json *, const char *key, struct json *value);
void json_set_string(struct json *, const char *key, const char *);
void json_set_stringn(struct json *, const char *key, const char *, size_t);
void json_set_int(struct json *, const char *key, int64_t);
void json_set_bool(struct json *, const char *key, bool);
void json_set_null(struct json *, const char *key);
void json_append(struct json *array, struct json *value);
void json_append_string(struct json *array, const char *);
void json_remove(struct json *, const char *key);

/* Looking: NULL where it is not there, or not of that type.  Borrowed. */
const struct json *json_get(const struct json *, const char *key);
const struct json *json_get_object(const struct json *, const char *key);
const struct json *json_get_array(const struct json *, const char *key);
const char *json_get_string(const struct json *, const char *key);
bool json_get_bool(const struct json *, const char *key, bool otherwise);
int64_t json_get_int(const struct json *, const char *key, int64_t otherwise);
bool json_is_object(const struct json *);
bool json_is_null(const struct json *);
const char *json_as_string(const struct json *);	/* NULL: is none */

/* 0 and NULL for what is no array, and past its end. */
size_t json_count(const struct json *array);
const struct json *json_at(const struct json *array, size_t i);

/* Call fn for each field, in order, until it returns other than 0; give that.
 */
int json_each(const struct json *object,
    int (*fn)(void *arg, const char *key, const struct json *value), void *arg);

/* Checking input.  *out is set to NULL (a boolean is left as it is) where
 * an optional field is missing.  -1 with ERR_INVALID that
 * names the field. */
int json_want_string(const struct json *, const char *key, bool required,
    size_t max, const char **out, struct err *);
int json_want_bool(const struct json *, const char *key, bool *out,
    struct err *);
int json_want_object(const struct json *, const char *key,
    const struct json **out, struct err *);

/* -1 with ERR_INVALID naming the first field that is not in the
 * NULL-terminated list. */
int json_only(const struct json *, const char *const *known, struct err *);

#endif
