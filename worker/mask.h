/*
 * Words that must not be read in a log, replaced by *** as it passes, also
 * where a word comes in two pieces.  What may be the start of one is held
 * back until more comes.
 */
#ifndef DAVIT_WORKER_MASK_H
#define DAVIT_WORKER_MASK_H

#include <stddef.h>

struct buf;
struct mask;

/* Shorter ones would hide common words, and could be guessed anyway. */
#define MASK_MIN_BYTES 6

struct mask *mask_new(void);
void mask_free(struct mask *);

/* Hide the value, and each line of one that has several.  Short ones are let
 * through. */
void mask_add(struct mask *, const char *value);

/* Add to out what data turns into. */
void mask_feed(struct mask *, const char *data, size_t len, struct buf *out);

/* Nothing more comes: give out what is held back. */
void mask_flush(struct mask *, struct buf *out);

#endif
