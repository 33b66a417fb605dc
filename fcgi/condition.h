/*
 * Conditional requests (RFC 9110, 13 and 14): does the client have it
 * already, and does it want a part?  Pure functions of header values, each of
 * which may be NULL: not sent.
 */
#ifndef DAVIT_FCGI_CONDITION_H
#define DAVIT_FCGI_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A strong ETag with its quotes: 128 bits of a SHA-256 are plenty; and an
 * encoded form's "-br" or "-gzip". */
#define CONDITION_ETAG_SIZE 42

/* From a SHA-256 in hex; or of bytes. */
void condition_etag(char etag[CONDITION_ETAG_SIZE], const char *sha256);
void condition_etag_of(char etag[CONDITION_ETAG_SIZE], const void *, size_t);

/* The one of an encoded form. */
void condition_etag_form(char etag[CONDITION_ETAG_SIZE], const char *coding);

/* Does Accept-Encoding name that coding, and not with "q=0"? */
bool condition_takes(const char *accept_encoding, const char *coding);

/* True if the If-None-Match list names etag, or is "*". */
bool condition_has(const char *if_none_match, const char *etag);

enum condition_range {
	RANGE_ALL,	/* none asked, several, or no form of ours: 200 */
	RANGE_PART,	/* 206 */
	RANGE_BEYOND	/* 416 */
};

/* The part [*from, *to) of size bytes that Range asks for.  With If-Range,
 * only where that is etag. */
enum condition_range condition_range(const char *range, const char *if_range,
    const char *etag, int64_t size, int64_t *from, int64_t *to);

#endif
