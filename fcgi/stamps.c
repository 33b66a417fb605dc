#include "fcgi/stamps.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/buf.h"

struct pair {
	int64_t offset, ms;
};

/* The next pair of the index.  False at its end. */
static bool
next_pair(const char **index, struct pair *p)
{
	char *end;

	if (!isdigit((unsigned char)**index))
		return false;
	p->offset = strtoll(*index, &end, 10);
	if (*end != ' ' || !isdigit((unsigned char)end[1]))
		return false;
	p->ms = strtoll(end + 1, &end, 10);
	if (*end != ';')
		return false;
	*index = end + 1;
	return true;
}

/* Years of five digits, and what gmtime() does not take, are damage. */
static void
add_time(struct buf *out, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[sizeof("2026-11-24T15:02:19")];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		memcpy(text, "1970-01-01T00:00:00", sizeof(text));
	buf_addf(out, "%s.%03dZ ", text, (int)(ms % 1000));
}

void
stamps_add(const char *index, const char *text, size_t len, int64_t offset,
    char before, struct buf *out)
{
	struct pair now = { 0, 0 }, next;
	bool more = next_pair(&index, &next);

	if (!more) {
		buf_add(out, text, len);
		return;
	}
	/* What comes before the first pair, if anything, came no later. */
	now.ms = next.ms;
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end == NULL ? len : (size_t)(end - text) + 1;

		for (; more && next.offset <= offset;
		     more = next_pair(&index, &next))
			now = next;
		if (before == '\n')
			add_time(out, now.ms);
		buf_add(out, text, n);
		before = text[n - 1];
		text += n;
		len -= n;
		offset += (int64_t)n;
	}
}
