/*
 * The parts of lib/gitproto, and what they share; for them alone.
 *
 *	gitproto.c		what is wanted, and what was found
 *	gitproto_hear.c		bytes of the server into packets into states
 *	gitproto_refs.c		capabilities and references
 *	gitproto_say.c		requests
 */
#ifndef DAVIT_LIB_GITPROTO_PARTS_H
#define DAVIT_LIB_GITPROTO_PARTS_H

#include "lib/gitproto.h"

#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"

#define PKT_HEAD 4

/* Words of the server that are quoted in a message. */
#define WORDS_MAX_BYTES 200

#define CANDIDATES 3
#define OID_DIGITS 40

/* What is awaited next. */
enum state {
	START,		/* "# service=", "version N" or the first reference */
	SERVICE_END,	/* the flush after "# service=" */
	REFS_V0,	/* references up to a flush */
	CAPABILITIES,	/* of version 2, up to a flush */
	ASK_REFS,
	REFS_V2,	/* the answer to ls-refs, up to a flush */
	ASK_PACK,
	SHALLOW_V0,	/* "shallow X" up to a flush */
	ACK_V0,		/* "NAK" */
	SECTION_V2,	/* the name of a section */
	INFO_V2,	/* its lines, up to a delimiter */
	PACK,		/* side bands up to a flush */
	DONE
};

struct candidate {
	char *name;
	char oid[OID_DIGITS + 1];	/* "" until the server lists it */
	char peeled[OID_DIGITS + 1];	/* what a tag leads to; "" */
};

struct gitproto {
	gitproto_sink *sink;
	void *sink_arg;
	char *asked;			/* as the caller named it, or NULL */
	bool only_refs;
	enum state state;
	int version;

	/* the packet that is being put together */
	char head[PKT_HEAD + 1];
	size_t head_len;
	size_t want_len;		/* of the payload; 0: reading head */
	struct buf payload;

	/* what the server can do */
	bool shallow, bands, bands64, object_format, filter;
	int64_t blob_bytes;		/* 0: no limit */

	/* what is wanted, best first */
	struct candidate candidates[CANDIDATES];
	size_t ncandidates;
	char head_target[REF_MAX_BYTES + 1];
	char want[OID_DIGITS + 1];
	char ref[REF_MAX_BYTES + 1];

	size_t talked, progressed;
};

static inline bool
starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* The server's words as one printable line of ASCII. */
const char *gitproto_clean(const char *words, char out[WORDS_MAX_BYTES + 1]);

/* What the server can do: the words after the NUL of version 0's first
 * reference; a line of version 2 ("fetch=shallow filter", ...). */
int gitproto_capabilities_v0(struct gitproto *, char *words, struct err *);
int gitproto_capability_v2(struct gitproto *, const char *line, struct err *);

/* A line of references. */
int gitproto_take_ref(struct gitproto *, char *line, struct err *);

/* All references are known: pick the best that is there. */
int gitproto_choose(struct gitproto *, struct err *);

#endif
