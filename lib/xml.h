/*
 * The few elements that S3's answers are read for.  No parser: it finds
 * elements that do not hold others of their own name, within bounds, and
 * copies nothing but values.
 */
#ifndef DAVIT_LIB_XML_H
#define DAVIT_LIB_XML_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of a document, borrowed. */
struct xml {
	const char *text;
	size_t len;
};

/* What the next element of that name holds; *in goes on after it.  False
 * where there is none, or where it does not end. */
bool xml_next(struct xml *in, const char *name, struct xml *holds);

/* What the first element of that name holds, its entities resolved; owned by
 * the caller.  NULL where there is none, or where it is no text. */
char *xml_value(struct xml in, const char *name);

/* Is that the document's outermost element? */
bool xml_is_root(struct xml in, const char *name);

struct buf;

/* Add text so that an element may hold it. */
void xml_escape(struct buf *, const char *text);

#endif
