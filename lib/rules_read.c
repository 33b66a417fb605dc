/* The text of _redirects and _headers, line by line. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/rules_table.h"

#define LINE_MAX_BYTES 2000
#define STATUS_DEFAULT 301

/* More mistakes than this are one mistake. */
#define SAID_MAX 50

/* How far a redirect is followed to see whether it comes back. */
#define HOPS_MAX 16

/* A target, tokens, a status, and what is too many. */
#define WORDS_MAX (RULES_MAX_TOKENS + 4)

struct reader {
	struct rules *rules;
	const struct rules_site *site;
	const char *file;
	int line, wrong;
	bool lost;	/* the headers that follow have no path */
};

/* ---- lines ---- */

static void
say(struct reader *r, int line, const char *what)
{
	if (++r->wrong <= SAID_MAX && r->site->say != NULL)
		r->site->say(r->site->arg, r->file, line, what);
	if (r->wrong == SAID_MAX && r->site->say != NULL)
		r->site->say(r->site->arg, r->file, line,
		    "and so on; what follows is not told");
}

/* Call fn for each line, without its end; a comment or blank line is none. */
static int
each_line(struct reader *r, const char *text, size_t len,
    void (*fn)(struct reader *, char *))
{
	const char *end = text + len;

	if (len > RULES_FILE_MAX_BYTES) {
		say(r, 1, "the file is over 65536 bytes: none of it is used");
		return r->wrong;
	}
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	for (r->line = 1; text < end; r->line++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline == NULL ? end : newline) - text);
		size_t used = n;

		while (used > 0 && isspace((unsigned char)text[used - 1]))
			used--;
		if (used > LINE_MAX_BYTES)
			say(r, r->line, "the line is over 2000 bytes");
		else if (!name_is_text(text, used))
			say(r, r->line, "a control byte, or not UTF-8");
		else if (used > 0) {
			char *line = xstrndup(text, used);

			if (line[strspn(line, " \t")] != '#')
				fn(r, line);
			free(line);
		}
		text += n + (newline != NULL);
	}
	return r->wrong;
}

/* ---- _redirects ---- */

static size_t
split(char *line, char *words[WORDS_MAX])
{
	size_t n = 0;

	for (;;) {
		line += strspn(line, " \t");
		if (*line == '\0' || *line == '#' || n == WORDS_MAX)
			return n;
		words[n++] = line;
		line += strcspn(line, " \t");
		if (*line != '\0')
			*line++ = '\0';
	}
}

/* "301" or "301!"; any number, so that a wrong one can be named. */
static bool
is_status_word(const char *w, struct rules_redirect *d)
{
	size_t digits = strspn(w, "0123456789");

	if (digits != 3 || (w[3] != '\0' && strcmp(w + 3, "!") != 0))
		return false;
	d->status = (int)strtol(w, NULL, 10);
	d->forced = w[3] == '!';
	return true;
}

static bool
is_target_word(const char *w)
{
	return w[0] == '/' || strncasecmp(w, "http://", 7) == 0 ||
	    strncasecmp(w, "https://", 8) == 0;
}

/* Query tokens, until a target or a status comes. */
static int
read_tokens(struct rules_redirect *d, char **words, size_t n, size_t *at,
    struct err *e)
{
	struct rules_redirect ignored;

	for (; *at < n; ++*at) {
		char *w = words[*at], *equals = strchr(w, '=');
		struct rules_pair *t = &d->tokens[d->ntokens];

		if (is_target_word(w) || is_status_word(w, &ignored))
			return 0;
		if (equals == NULL || equals == w)
			return err_set(e, ERR_INVALID,
			    "%.60s is no target: a path, an address, or a "
			    "query parameter before it", w);
		if (d->ntokens == RULES_MAX_TOKENS)
			return err_set(e, ERR_INVALID,
			    "over %d query parameters", RULES_MAX_TOKENS);
		*equals = '\0';
		for (size_t i = 0; i < d->ntokens; i++)
			if (strcmp(d->tokens[i].name, w) == 0)
				return err_set(e, ERR_INVALID,
				    "a query parameter is there twice");
		t->name = w;
		t->value = equals + 1;
		d->ntokens++;
	}
	return 0;
}

/* Paths are matched, and pages looked up, as they are decoded; a Location is
 * sent as it was written. */
static int
decode(struct rules_redirect *d, struct err *e)
{
	if (!name_percent_decode(d->from))
		return err_set(e, ERR_INVALID, "a bad %%-escape");
	if (d->to == NULL || d->status / 100 == 3 || d->to[0] != '/')
		return 0;
	d->to[strcspn(d->to, "?#")] = '\0';
	if (!name_percent_decode(d->to))
		return err_set(e, ERR_INVALID, "a bad %%-escape");
	return 0;
}

static int
read_rule(struct rules_redirect *d, char **words, size_t n, struct err *e)
{
	size_t at = 1;

	d->from = words[0];
	if (read_tokens(d, words, n, &at, e) == -1)
		return -1;
	if (at < n && is_target_word(words[at]))
		d->to = words[at++];
	if (at < n && is_status_word(words[at], d))
		at++;
	if (at < n)
		return err_set(e, ERR_INVALID,
		    strchr(words[at], '=') != NULL
			? "conditions are not supported: %.60s"
			: "a status was expected: %.60s", words[at]);
	return decode(d, e);
}

static void
redirect_line(struct reader *r, char *line)
{
	struct rules_pair tokens[RULES_MAX_TOKENS];
	struct rules_redirect d = { .status = STATUS_DEFAULT,
		.tokens = tokens,
		.line = r->line };
	char *words[WORDS_MAX] = { NULL };
	struct err e;

	if (read_rule(&d, words, split(line, words), &e) == -1 ||
	    rules_add_redirect(r->rules, &d, &e) == -1)
		say(r, r->line, e.msg);
}

/* ---- loops ---- */

/* Follow where rule i sends everybody.  True if that is back to it. */
static bool
is_loop(const struct rules *rules, const struct rules_site *site, size_t i)
{
	char *to = xstrdup(rules->redirects[i].to), *path;
	struct rules_target next = { 0, NULL };
	size_t at = rules->nredirects;

	for (int hop = 0; hop < HOPS_MAX && at != i && to[0] == '/'; hop++) {
		struct rules_request q = { .site = site };
		bool found;

		path = xstrndup(to, strcspn(to, "?#"));
		q.path = path;
		found = name_percent_decode(path) &&
		    rules_find(rules, site->exists(site->arg, path), &q, &at,
			&next);
		free(path);
		if (!found)
			break;
		free(to);
		to = next.to == NULL ? xstrdup("") : next.to;
		if (next.status / 100 != 3) {
			at = rules->nredirects;
			break;
		}
	}
	free(to);
	return at == i;
}

/* Everybody: where the target depends on the request and files win, what
 * comes back is seen when it is met. */
static bool
is_followed(const struct rules_redirect *d)
{
	return d->status / 100 == 3 && d->ntokens == 0 &&
	    (d->forced || strstr(d->to, "/:") == NULL);
}

/* All who are in one are found before the first is taken out. */
static void
refuse_loops(struct reader *r)
{
	struct rules *rules = r->rules;
	bool *loop = xcalloc(rules->nredirects + 1, sizeof(*loop));

	rules_index(rules);
	for (size_t i = 0; i < rules->nredirects; i++)
		loop[i] = is_followed(&rules->redirects[i]) &&
		    is_loop(rules, r->site, i);
	for (size_t i = 0; i < rules->nredirects; i++)
		if (loop[i]) {
			say(r, rules->redirects[i].line,
			    "it leads back to itself");
			rules->redirects[i].status = 0;
		}
	rules_compact(rules);
	free(loop);
}

int
rules_read_redirects(struct rules *rules, const char *text, size_t len,
    const struct rules_site *site)
{
	struct reader r = { .rules = rules,
		.site = site,
		.file = "_redirects" };

	each_line(&r, text, len, redirect_line);
	refuse_loops(&r);
	return r.wrong;
}

/* ---- _headers ---- */

static int
change_line(struct reader *r, char *line, struct err *e)
{
	char *colon, *end;

	if (line[0] == '!') {
		line++;
		line += strspn(line, " \t");
		return rules_add_change(r->rules, line, NULL, e);
	}
	if ((colon = strchr(line, ':')) == NULL)
		return err_set(e, ERR_INVALID,
		    "neither 'Name: value' nor '! Name'");
	*colon++ = '\0';
	end = line + strlen(line);
	while (end > line && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return rules_add_change(r->rules, line,
	    colon + strspn(colon, " \t"), e);
}

/* A path begins its line; a header is set in. */
static void
header_line(struct reader *r, char *line)
{
	struct err e;
	int rc;

	if (isspace((unsigned char)line[0])) {
		if (r->lost)
			return;
		rc = change_line(r, line + strspn(line, " \t"), &e);
	} else {
		if (name_percent_decode(line))
			rc = rules_add_block(r->rules, line, &e);
		else
			rc = err_set(&e, ERR_INVALID, "a bad %%-escape");
		r->lost = rc == -1;
	}
	if (rc == -1)
		say(r, r->line, e.msg);
}

int
rules_read_headers(struct rules *rules, const char *text, size_t len,
    const struct rules_site *site)
{
	struct reader r = { .rules = rules,
		.site = site,
		.file = "_headers" };

	return each_line(&r, text, len, header_line);
}
