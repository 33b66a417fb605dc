#include "lib/ignore.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/mem.h"

/* A pattern may hold more than any path, but no honest one holds this. */
#define PATTERN_MAX_STEPS 2048

enum step_kind {
	BYTE,		/* this one */
	ANY,		/* any but "/" */
	SET,		/* one of a set, never "/" */
	STAR,		/* any number of bytes but "/" */
	STARS,		/* any number of bytes */
	DIRS		/* nothing, or anything that ends in "/" */
};

struct step {
	uint8_t kind;
	uint8_t byte;
	uint16_t set;	/* index */
};

struct set {
	uint8_t bits[32];
};

struct rule {
	bool keep;		/* began with "!" */
	bool directory;		/* ended in "/" */
	bool anywhere;		/* no "/" in it: matches a name at any depth */
	bool never;		/* malformed: matches nothing */
	size_t base;		/* length of the directory with its slash */
	char *literal;		/* what comes before the first wildcard */
	size_t literal_len;
	struct step *steps;	/* the rest */
	size_t nsteps;
	struct set *sets;
	size_t nsets;
};

struct ignore {
	struct rule *rules;
	size_t nrules, cap;
	size_t marks[PATH_MAX_DEPTH + 2];	/* nrules before each push */
	size_t nmarks;
};

struct ignore *
ignore_new(void)
{
	return xcalloc(1, sizeof(struct ignore));
}

static void
truncate_rules(struct ignore *g, size_t n)
{
	while (g->nrules > n) {
		struct rule *r = &g->rules[--g->nrules];

		free(r->literal);
		free(r->steps);
		free(r->sets);
	}
}

void
ignore_free(struct ignore *g)
{
	if (g == NULL)
		return;
	truncate_rules(g, 0);
	free(g->rules);
	free(g);
}

/* ---- bracket expressions ---- */

/* Classes of ASCII, whatever the locale; ctype(3) would ask it. */
static bool
in_class(const char *name, size_t len, unsigned char c)
{
	bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z';
	bool digit = c >= '0' && c <= '9', graph = c > 0x20 && c < 0x7f;
	const struct {
		const char *name;
		bool in;
	} classes[] = {
		{ "alnum", lower || upper || digit },
		{ "alpha", lower || upper },
		{ "blank", c == ' ' || c == '\t' },
		{ "cntrl", c < 0x20 || c == 0x7f },
		{ "digit", digit },
		{ "graph", graph },
		{ "lower", lower },
		{ "print", graph || c == ' ' },
		{ "punct", graph && !lower && !upper && !digit },
		{ "space", c == ' ' || c == '\t' || c == '\n' || c == '\r' },
		{ "upper", upper },
		{ "xdigit", digit || (c >= 'a' && c <= 'f') ||
		    (c >= 'A' && c <= 'F') },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == len &&
		    memcmp(classes[i].name, name, len) == 0)
			return classes[i].in;
	return false;
}

static bool
class_exists(const char *name, size_t len)
{
	for (int c = 0; c < 128; c++)
		if (in_class(name, len, (unsigned char)c))
			return true;
	return false;
}

static void
set_add(struct set *s, unsigned int from, unsigned int to)
{
	for (unsigned int c = from; c <= to; c++)
		s->bits[c / 8] |= (uint8_t)(1u << (c % 8));
}

static bool
set_has(const struct set *s, unsigned char c)
{
	return (s->bits[c / 8] >> (c % 8) & 1) != 0;
}

/* "[:name:]" at p: add it and give what follows; p itself where it is not
 * one, NULL where no class has that name. */
static const char *
parse_class(struct set *s, const char *p)
{
	const char *name = p + 2, *end = name + strcspn(name, "]");
	size_t len;

	if (*end == '\0')
		return NULL;
	if (end == name || end[-1] != ':')
		return p;
	len = (size_t)(end - 1 - name);
	if (!class_exists(name, len))
		return NULL;
	for (unsigned int c = 0; c < 128; c++)
		if (in_class(name, len, (unsigned char)c))
			set_add(s, c, c);
	return end + 1;
}

/* The set after "[": give what follows its "]", or NULL where malformed.
 * A "]" that comes first is one of the set. */
static const char *
parse_set(struct set *s, const char *p)
{
	bool negated = *p == '!' || *p == '^', first = true;
	int before = 0;	/* what a "-" would start from; 0: nothing */

	memset(s, 0, sizeof(*s));
	for (p += negated; *p != ']' || first; first = false) {
		const char *after;
		unsigned char c;

		if (p[0] == '[' && p[1] == ':') {
			if ((after = parse_class(s, p)) == NULL)
				return NULL;
			if (after != p) {
				p = after;
				before = 0;
				continue;
			}
		}
		if (*p == '-' && before != 0 && p[1] != '\0' && p[1] != ']') {
			p += p[1] == '\\' ? 2 : 1;
			if (*p == '\0')
				return NULL;
			set_add(s, (unsigned int)before, (unsigned char)*p++);
			before = 0;
			continue;
		}
		p += *p == '\\';
		if (*p == '\0')
			return NULL;
		c = (unsigned char)*p++;
		set_add(s, c, c);
		before = c;
	}
	for (size_t i = 0; negated && i < sizeof(s->bits); i++)
		s->bits[i] ^= 0xff;
	return p + 1;
}

/* ---- patterns ---- */

static void
add_step(struct rule *r, enum step_kind kind, char byte, size_t set)
{
	r->steps[r->nsteps++] = (struct step){ .kind = (uint8_t)kind,
		.byte = (uint8_t)byte, .set = (uint16_t)set };
}

/* Stars at p: give what follows them.  Two of them are special only as a
 * whole segment, and only where slashes count.  Where the wildcards start
 * counts as a segment's start, so "x**" is special too: not what
 * gitignore(5) says, but what git does. */
static const char *
parse_stars(struct rule *r, const char *start, const char *p)
{
	const char *end = p + strspn(p, "*");
	bool segment = (p == start || p[-1] == '/') &&
	    (*end == '\0' || *end == '/' || (end[0] == '\\' && end[1] == '/'));

	if (end - p == 1 || r->anywhere || !segment) {
		add_step(r, STAR, 0, 0);
		return end;
	}
	if (*end == '/') {
		add_step(r, DIRS, 0, 0);
		return end + 1;
	}
	add_step(r, STARS, 0, 0);
	return end;
}

/* Turn the wildcards of pattern into steps.  False where it is malformed: a
 * bracket without its end, a class of no known name, a lone backslash at the
 * end. */
static bool
parse_steps(struct rule *r, const char *pattern)
{
	size_t len = strlen(pattern), brackets = 0;
	const char *p = pattern;

	for (size_t i = 0; i < len; i++)
		brackets += pattern[i] == '[';
	r->steps = xcalloc(len + 1, sizeof(*r->steps));
	r->sets = xcalloc(brackets + 1, sizeof(*r->sets));
	while (*p != '\0') {
		if (*p == '*') {
			p = parse_stars(r, pattern, p);
		} else if (*p == '?') {
			add_step(r, ANY, 0, 0);
			p++;
		} else if (*p == '[') {
			p = parse_set(&r->sets[r->nsets], p + 1);
			if (p == NULL)
				return false;
			add_step(r, SET, 0, r->nsets++);
		} else {
			p += *p == '\\';
			if (*p == '\0')
				return false;
			add_step(r, BYTE, *p++, 0);
		}
	}
	return true;
}

/* A pattern without its "!" and with its end trimmed. */
static void
parse_pattern(struct rule *r, char *pattern)
{
	size_t len = strlen(pattern);

	if (len > 0 && pattern[len - 1] == '/') {
		pattern[--len] = '\0';
		r->directory = true;
	}
	r->anywhere = strchr(pattern, '/') == NULL;
	if (pattern[0] == '/') {
		pattern++;
		len--;
	}
	/* "" and what is far too long for a path match nothing. */
	r->never = len == 0 || len > PATTERN_MAX_STEPS;
	if (r->never)
		return;
	r->literal_len = strcspn(pattern, "*?[\\");
	r->literal = xstrndup(pattern, r->literal_len);
	if (r->literal_len < len)
		r->never = !parse_steps(r, pattern + r->literal_len);
}

/* ---- files ---- */

/* Blanks at the end do not count unless escaped. */
static void
trim(char *line)
{
	char *blanks = NULL;

	for (char *p = line; *p != '\0'; p++) {
		if (*p == ' ') {
			if (blanks == NULL)
				blanks = p;
			continue;
		}
		blanks = NULL;
		if (*p == '\\' && *++p == '\0')
			return;
	}
	if (blanks != NULL)
		*blanks = '\0';
}

static int
add_rule(struct ignore *g, char *line, size_t base, struct err *e)
{
	struct rule *r;

	if (g->nrules == IGNORE_MAX_RULES)
		return err_set(e, ERR_REPO_TOOBIG,
		    "over %d lines in .gitignore files", IGNORE_MAX_RULES);
	if (g->nrules == g->cap) {
		g->cap = g->cap == 0 ? 32 : g->cap * 2;
		g->rules = xreallocarray(g->rules, g->cap, sizeof(*g->rules));
	}
	r = &g->rules[g->nrules++];
	memset(r, 0, sizeof(*r));
	r->base = base;
	r->keep = line[0] == '!';
	parse_pattern(r, line + r->keep);
	return 0;
}

static int
add_lines(struct ignore *g, size_t base, char *text, size_t len,
    struct err *e)
{
	char *end = text + len;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	for (char *line = text, *next; line < end; line = next) {
		char *stop = memchr(line, '\n', (size_t)(end - line));

		if (stop == NULL)
			stop = end;
		next = stop + 1;
		*stop = '\0';
		if (stop > line && stop[-1] == '\r')
			stop[-1] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		trim(line);
		if (add_rule(g, line, base, e) == -1)
			return -1;
	}
	return 0;
}

int
ignore_push(struct ignore *g, const char *dir, const char *text, size_t len,
    struct err *e)
{
	size_t before = g->nrules, base = strlen(dir);
	char *copy;
	int rc;

	if (len > IGNORE_FILE_MAX_BYTES)
		return err_set(e, ERR_REPO_TOOBIG,
		    "%s%s.gitignore has over %d bytes", dir,
		    base > 0 ? "/" : "", IGNORE_FILE_MAX_BYTES);
	if (g->nmarks == sizeof(g->marks) / sizeof(g->marks[0]))
		return err_set(e, ERR_REPO_TOOBIG, "%s is too deep", dir);
	copy = xmalloc(len + 1);
	memcpy(copy, text, len);
	rc = add_lines(g, base > 0 ? base + 1 : 0, copy, len, e);
	free(copy);
	if (rc == -1)
		truncate_rules(g, before);
	else
		g->marks[g->nmarks++] = before;
	return rc;
}

void
ignore_pop(struct ignore *g)
{
	truncate_rules(g, g->marks[--g->nmarks]);
}

/* ---- matching ---- */

static bool
step_takes(const struct rule *r, const struct step *s, char c)
{
	switch ((enum step_kind)s->kind) {
	case BYTE:
		return s->byte == (uint8_t)c;
	case SET:
		return c != '/' && set_has(&r->sets[s->set], (unsigned char)c);
	case ANY:
	case STAR:
		return c != '/';
	case STARS:
	case DIRS:
		return true;
	}
	return false;
}

/* A step that may take nothing lets the next one be reached as well. */
static void
reach(const struct rule *r, bool *at, size_t i)
{
	at[i] = true;
	while (i < r->nsteps && r->steps[i].kind >= STAR)
		at[++i] = true;
}

/* One byte of the text: from the states in at to those in next. */
static bool
advance(const struct rule *r, const bool *at, bool *next, char c)
{
	bool alive = false;

	memset(next, 0, r->nsteps + 1);
	for (size_t i = 0; i < r->nsteps; i++) {
		const struct step *s = &r->steps[i];

		if (!at[i] || !step_takes(r, s, c))
			continue;
		alive = true;
		if (s->kind < STAR || (s->kind == DIRS && c == '/'))
			reach(r, next, i + 1);
		if (s->kind == DIRS) /* half a name: not past it yet */
			next[i] = true;
		else if (s->kind >= STAR)
			reach(r, next, i);
	}
	return alive;
}

static bool
steps_match(const struct rule *r, const char *text, size_t len)
{
	bool one[PATTERN_MAX_STEPS + 1], two[PATTERN_MAX_STEPS + 1];
	bool *at = one, *next = two;
	const struct step *last = &r->steps[r->nsteps - 1];

	/* Most patterns are "*.x", and most names end otherwise. */
	if (last->kind == BYTE &&
	    (len == 0 || (uint8_t)text[len - 1] != last->byte))
		return false;
	memset(at, 0, r->nsteps + 1);
	reach(r, at, 0);
	for (size_t i = 0; i < len; i++) {
		bool *swap = at;

		if (!advance(r, at, next, text[i]))
			return false;
		at = next;
		next = swap;
	}
	return at[r->nsteps];
}

static bool
rule_matches(const struct rule *r, const char *path, const char *name,
    bool is_directory)
{
	const char *text = r->anywhere ? name : path + r->base;
	size_t len;

	if (r->never || (r->directory && !is_directory))
		return false;
	if (strncmp(text, r->literal, r->literal_len) != 0)
		return false;
	text += r->literal_len;
	len = strlen(text);
	return r->nsteps == 0 ? len == 0 : steps_match(r, text, len);
}

enum ignore_verdict
ignore_check(const struct ignore *g, const char *path, bool is_directory)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;

	for (size_t i = g->nrules; i-- > 0;)
		if (rule_matches(&g->rules[i], path, name, is_directory))
			return g->rules[i].keep ? IGNORE_KEEP : IGNORE_DROP;
	return IGNORE_UNSAID;
}
