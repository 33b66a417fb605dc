/*
 * TOML 1.0, read into the values of lib/json: tables are objects, dates and
 * fractions are strings.  For configuration that a stranger wrote: pure, and
 * bounded by its text and by JSON_MAX_DEPTH.  A table that is opened twice is
 * taken as one.
 */
#ifndef DAVIT_LIB_TOML_H
#define DAVIT_LIB_TOML_H

#include <stddef.h>

struct err;
struct json;

/* The whole text as one object; NULL with ERR_INVALID "line N: …".
 * json_free() it. */
struct json *toml_parse(const char *text, size_t len, struct err *);

#endif
