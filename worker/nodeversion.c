#include "worker/nodeversion.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

/* What builder images are made for, newest first. */
static const int majors[] = { 24, 22, 20, 18 };
#define NMAJORS (sizeof(majors) / sizeof(majors[0]))

static const struct {
	const char *name;
	int major;
} lines[] = {
	{ "argon", 4 }, { "boron", 6 }, { "carbon", 8 }, { "dubnium", 10 },
	{ "erbium", 12 }, { "fermium", 14 }, { "gallium", 16 },
	{ "hydrogen", 18 }, { "iron", 20 }, { "jod", 22 }, { "krypton", 24 },
};

int
nodeversion_of(const char *text)
{
	text += strspn(text, " \t\r\n");
	if (strncasecmp(text, "lts/", 4) == 0)
		text += 4;
	if (*text == 'v' || *text == 'V' || *text == '=')
		text++;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strncasecmp(text, lines[i].name,
			strlen(lines[i].name)) == 0)
			return lines[i].major;
	if (!isdigit((unsigned char)text[0]) || strcspn(text, " \t\r\n.") > 2)
		return 0;
	return (int)strtol(text, NULL, 10);
}

/* One of ">=18", "<21", "^20.1", "20.x", "*" in *range, moving past it.
 * Looks at the major alone; "<21.0.0" leaves 21 out and "<21.5.0" does not.
 */
static bool
comparator_holds(const char **range, int major)
{
	const char *s = *range;
	size_t op = strspn(s, "<>=^~");
	const char *version = s + op + strspn(s + op, " \tv");
	size_t len = strcspn(version, " \t|");
	int n = (int)strtol(version, NULL, 10);
	bool zero = version[strspn(version, "0123456789")] != '.' ||
	    strtol(version + strspn(version, "0123456789") + 1, NULL, 10) == 0;

	*range = version + len;
	if (!isdigit((unsigned char)version[0]))
		return len == 1 && strchr("*xX", version[0]) != NULL;
	if (s[0] == '>')
		return op == 2 || !zero ? major >= n : major > n;
	if (s[0] == '<')
		return op == 2 || !zero ? major <= n : major < n;
	return major == n;
}

/* Comparators up to the next "||", all of which must hold; "A - B" is two. */
static bool
alternative_holds(const char **range, int major)
{
	bool held = true;
	const char *s = *range;

	while (*(s += strspn(s, " \t")) != '\0' && *s != '|') {
		const char *after = s + strcspn(s, " \t|");

		if (strncmp(after, " - ", 3) == 0) {
			held = held && major >= strtol(s, NULL, 10);
			s = after + 3;
			held = held && major <= strtol(s, NULL, 10);
			s += strcspn(s, " \t|");
		} else
			held = comparator_holds(&s, major) && held;
	}
	*range = s;
	return held;
}

static bool
range_has(const char *range, int major)
{
	for (;;) {
		if (alternative_holds(&range, major))
			return true;
		if (*range == '\0')
			return false;
		range += strspn(range, "|");
	}
}

int
nodeversion_in_range(const char *range, int preferred)
{
	if (range_has(range, preferred))
		return preferred;
	for (size_t i = 0; i < NMAJORS; i++)
		if (range_has(range, majors[i]))
			return majors[i];
	return 0;
}

bool
nodeversion_is_open(const char *text)
{
	static const char *const names[] = { "lts/*", "lts", "node", "stable",
		"latest", "current", "*", "x" };
	size_t len;

	text += strspn(text, " \t\r\n");
	len = strcspn(text, " \t\r\n");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len &&
		    strncasecmp(names[i], text, len) == 0)
			return true;
	return false;
}

char *
nodeversion_in_tools(const char *text)
{
	for (; text != NULL; text = strchr(text, '\n')) {
		size_t len;

		text += strspn(text, " \t\r\n");
		len = strcspn(text, " \t\r\n");
		if ((len == 6 && strncmp(text, "nodejs", 6) == 0) ||
		    (len == 4 && strncmp(text, "node", 4) == 0)) {
			text += len + strspn(text + len, " \t");
			return xstrndup(text, strcspn(text, " \t\r\n"));
		}
	}
	return NULL;
}

int
nodeversion_near(int major, size_t i)
{
	int order[NMAJORS];

	if (i >= NMAJORS)
		return 0;
	memcpy(order, majors, sizeof(order));
	for (size_t a = 1; a < NMAJORS; a++)
		for (size_t b = a; b > 0 && abs(order[b] - major) <
			abs(order[b - 1] - major); b--) {
			int t = order[b];

			order[b] = order[b - 1];
			order[b - 1] = t;
		}
	return order[i];
}
