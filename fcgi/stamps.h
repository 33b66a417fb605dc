/*
 * The times of a log's lines.  Beside a log there is an index of pairs "OFFSET
 * MS;": what begins at that byte came at that time (since the epoch).  Pure.
 */
#ifndef DAVIT_FCGI_STAMPS_H
#define DAVIT_FCGI_STAMPS_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/* Add to out the part of a log that begins at offset, each line with its time
 * before it, as RFC 3339 has it.  before: the byte before the part, which
 * tells whether a line begins there ('\n' at the log's beginning).  An index
 * that is damaged is believed as far as it reads; with none, there are no
 * times. */
void stamps_add(const char *index, const char *text, size_t len,
    int64_t offset, char before, struct buf *out);

#endif
