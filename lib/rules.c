#include "lib/rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/rules_table.h"

/* A header of several blocks: what web servers pass on. */
#define VALUE_MAX_BYTES 4000

struct capture {
	const char *name;
	size_t name_len;
	const char *value;
	size_t len;
};

struct captures {
	struct capture all[PATH_MAX_DEPTH + RULES_MAX_TOKENS + 2];
	size_t count;
};

struct rules *
rules_new(void)
{
	return xcalloc(1, sizeof(struct rules));
}

static void
redirect_clear(struct rules_redirect *d)
{
	for (size_t i = 0; i < d->ntokens; i++) {
		free((char *)(uintptr_t)d->tokens[i].name);
		free((char *)(uintptr_t)d->tokens[i].value);
	}
	free(d->tokens);
	free(d->from);
	free(d->to);
}

static void
block_clear(struct rules_block *b)
{
	for (size_t i = 0; i < b->nchanges; i++) {
		free(b->changes[i].name);
		free(b->changes[i].value);
	}
	free(b->changes);
	free(b->path);
}

void
rules_free(struct rules *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->nredirects; i++)
		redirect_clear(&r->redirects[i]);
	for (size_t i = 0; i < r->nblocks; i++)
		block_clear(&r->blocks[i]);
	free(r->redirects);
	free(r->blocks);
	free(r->plain);
	free(r->patterns);
	free(r);
}

size_t
rules_count(const struct rules *r)
{
	return r->nredirects + r->nchanges;
}

bool
rules_before_files(const struct rules *r)
{
	return r->forced || r->nchanges > 0;
}

/* ---- the index ---- */

static int
by_path_then_order(const void *a, const void *b, void *arg)
{
	const struct rules_redirect *all = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int order = strcmp(all[x].from, all[y].from);

	return order != 0 ? order : (x > y) - (x < y);
}

void
rules_index(struct rules *r)
{
	size_t size = r->nredirects;

	r->plain = xreallocarray(r->plain, size + 1, sizeof(size_t));
	r->patterns = xreallocarray(r->patterns, size + 1, sizeof(size_t));
	r->nplain = r->npatterns = 0;
	r->forced = false;
	for (size_t i = 0; i < size; i++) {
		if (r->redirects[i].pattern)
			r->patterns[r->npatterns++] = i;
		else
			r->plain[r->nplain++] = i;
		r->forced |= r->redirects[i].forced;
	}
	qsort_r(r->plain, r->nplain, sizeof(size_t), by_path_then_order,
	    r->redirects);
}

void
rules_compact(struct rules *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->nredirects; i++) {
		if (r->redirects[i].status == 0)
			redirect_clear(&r->redirects[i]);
		else
			r->redirects[kept++] = r->redirects[i];
	}
	r->nredirects = kept;
	rules_index(r);
}

/* ---- does it match? ---- */

static void
capture(struct captures *c, const char *name, size_t name_len,
    const char *value, size_t len)
{
	struct capture one = { name, name_len, value, len };

	if (c->count < sizeof(c->all) / sizeof(c->all[0]))
		c->all[c->count++] = one;
}

static bool
same_byte(char a, char b, bool fold)
{
	return a == b ||
	    (fold && tolower((unsigned char)a) == tolower((unsigned char)b));
}

/* Pattern p on path s: placeholders take a segment, the splat what is left,
 * so that each byte is looked at once.  A slash at the end makes no
 * difference. */
static bool
match_path(const char *p, const char *s, bool fold, struct captures *c)
{
	for (; *p != '\0'; p++, s++) {
		size_t name, value;

		if (p[0] == '*' && p[1] == '\0') {
			capture(c, "splat", 5, s, strlen(s));
			return true;
		}
		if (p[0] == ':' && p[-1] == '/' &&
		    (name = rules_placeholder(p + 1)) > 0) {
			if ((value = strcspn(s, "/")) == 0)
				return false;
			capture(c, p + 1, name, s, value);
			p += name;
			s += value - 1;
			continue;
		}
		if (*s == '\0' || !same_byte(*p, *s, fold))
			break;
	}
	if (*p == '\0')
		return *s == '\0' || strcmp(s, "/") == 0;
	if (*s != '\0' || strcmp(p, "/*") != 0)
		return false;
	capture(c, "splat", 5, s, 0);
	return true;
}

/* All the tokens and nothing else, in any order. */
static bool
match_query(const struct rules_redirect *d, const struct rules_request *q,
    struct captures *c)
{
	if (d->ntokens == 0)
		return true;
	if (d->ntokens != q->npairs)
		return false;
	for (size_t i = 0; i < d->ntokens; i++) {
		const struct rules_pair *t = &d->tokens[i], *found = NULL;
		size_t name;

		for (size_t j = 0; j < q->npairs && found == NULL; j++)
			if (strcmp(q->query[j].name, t->name) == 0)
				found = &q->query[j];
		if (found == NULL)
			return false;
		name = t->value[0] == ':' ? rules_placeholder(t->value + 1) : 0;
		if (name > 0)
			capture(c, t->value + 1, name, found->value,
			    strlen(found->value));
		else if (strcmp(found->value, t->value) != 0)
			return false;
	}
	return true;
}

static bool
match(const struct rules_redirect *d, bool forced,
    const struct rules_request *q, struct captures *c)
{
	c->count = 0;
	return (d->forced || !forced) &&
	    match_path(d->from, q->path, false, c) && match_query(d, q, c);
}

/* The first of the plain ones, by binary search. */
static size_t
find_plain(const struct rules *r, bool forced, const struct rules_request *q,
    struct captures *c)
{
	size_t len = strlen(q->path), low = 0, high = r->nplain;
	size_t found = r->nredirects;
	char *path;

	if (len > 1 && q->path[len - 1] == '/')
		len--;
	path = xstrndup(q->path, len);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(r->redirects[r->plain[middle]].from, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < r->nplain && found == r->nredirects; low++) {
		const struct rules_redirect *d = &r->redirects[r->plain[low]];

		if (strcmp(d->from, path) != 0)
			break;
		if (match(d, forced, q, c))
			found = r->plain[low];
	}
	free(path);
	return found;
}

/* ---- where to? ---- */

static void
add_encoded(struct buf *out, const char *s, size_t len)
{
	static const char plain[] = "/-._~!$'()*+,;@:=";

	for (; len > 0; s++, len--) {
		if (isalnum((unsigned char)*s) ||
		    (*s != '\0' && strchr(plain, *s) != NULL))
			buf_addc(out, *s);
		else
			buf_addf(out, "%%%02X", (unsigned char)*s);
	}
}

/* What the request had at :name; 0: nothing of that name. */
static size_t
substitute(struct buf *out, const char *colon, const struct captures *c,
    bool encode)
{
	size_t len = rules_placeholder(colon + 1);

	for (size_t i = 0; len > 0 && i < c->count; i++) {
		const struct capture *one = &c->all[i];

		if (one->name_len != len ||
		    strncmp(one->name, colon + 1, len) != 0)
			continue;
		if (encode)
			add_encoded(out, one->value, one->len);
		else
			buf_add(out, one->value, one->len);
		return len + 1;
	}
	return 0;
}

/* text, with what the placeholders stand for; encoded for a URL or header. */
static char *
expand(const char *text, const struct captures *c, bool encode)
{
	struct buf out = BUF_INIT;

	while (*text != '\0') {
		size_t len = *text == ':' ? substitute(&out, text, c, encode)
					  : 0;

		if (len > 0) {
			text += len;
			continue;
		}
		if (encode && (unsigned char)*text >= 0x80)
			buf_addf(&out, "%%%02X", (unsigned char)*text);
		else
			buf_addc(&out, *text);
		text++;
	}
	return buf_take(&out);
}

/* A Location: the request's query goes along, unless it was matched or the
 * target has one of its own. */
static char *
location(const struct rules_redirect *d, const struct rules_request *q,
    const struct captures *c)
{
	char *to = expand(d->to, c, true), *whole;
	size_t len = strcspn(to, "#");

	if (d->ntokens > 0 || q->raw_query == NULL ||
	    strchr(d->to, '?') != NULL)
		return to;
	whole = xasprintf("%.*s?%s%s", (int)len, to, q->raw_query, to + len);
	free(to);
	return whole;
}

bool
rules_find(const struct rules *r, bool forced, const struct rules_request *q,
    size_t *index, struct rules_target *target)
{
	struct captures plain = { .count = 0 }, other;
	const struct captures *c = &plain;
	size_t found = find_plain(r, forced, q, &plain);
	const struct rules_redirect *d;

	for (size_t i = 0; i < r->npatterns && r->patterns[i] < found; i++)
		if (match(&r->redirects[r->patterns[i]], forced, q, &other)) {
			found = r->patterns[i];
			c = &other;
		}
	if (found == r->nredirects)
		return false;
	d = &r->redirects[found];
	*index = found;
	target->status = d->status;
	target->to = d->to == NULL ? NULL
	    : d->status / 100 == 3 ? location(d, q, c)
				   : expand(d->to, c, false);
	return true;
}

/* Would the client, where it is sent, be sent by the same rule again? */
static bool
leads_back(const struct rules *r, const struct rules_site *site, size_t index,
    const char *to)
{
	struct rules_target next = { 0, NULL };
	struct rules_request q = { .path = NULL };
	size_t again = r->nredirects;
	char *path;

	if (to[0] != '/' || r->redirects[index].ntokens > 0)
		return false;
	path = xstrndup(to, strcspn(to, "?#"));
	q.path = path;
	if (name_percent_decode(path) &&
	    rules_find(r, site->exists(site->arg, path), &q, &again, &next))
		free(next.to);
	free(path);
	return again == index;
}

bool
rules_match(const struct rules *r, bool forced, const struct rules_request *q,
    struct rules_target *target)
{
	size_t index;

	if (r == NULL || !rules_find(r, forced, q, &index, target))
		return false;
	if (target->status / 100 != 3 || target->to == NULL ||
	    !leads_back(r, q->site, index, target->to))
		return true;
	free(target->to);
	target->to = NULL;
	return false;
}

/* ---- headers ---- */

static struct rules_header *
header_of(struct rules_header *all, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++)
		if (strcasecmp(all[i].name, name) == 0)
			return &all[i];
	all[*count].name = name;
	all[*count].value = NULL;
	return &all[(*count)++];
}

static void
apply(struct rules_header *h, const struct rules_change *change,
    const struct captures *c)
{
	char *value, *joined;

	if (change->value == NULL) {
		free(h->value);
		h->value = NULL;
		return;
	}
	value = expand(change->value, c, true);
	if (h->value == NULL) {
		h->value = value;
		return;
	}
	joined = xasprintf("%s, %s", h->value, value);
	free(value);
	if (strlen(joined) > VALUE_MAX_BYTES) {
		free(joined);
		return;
	}
	free(h->value);
	h->value = joined;
}

size_t
rules_headers(const struct rules *r, const char *path,
    struct rules_header **out)
{
	size_t count = 0;

	*out = NULL;
	if (r == NULL || r->nchanges == 0)
		return 0;
	*out = xcalloc(r->nchanges, sizeof(**out));
	for (size_t i = 0; i < r->nblocks; i++) {
		const struct rules_block *b = &r->blocks[i];
		struct captures c = { .count = 0 };

		if (!match_path(b->path, path, true, &c))
			continue;
		for (size_t j = 0; j < b->nchanges; j++)
			apply(header_of(*out, &count, b->changes[j].name),
			    &b->changes[j], &c);
	}
	return count;
}

void
rules_headers_free(struct rules_header *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(all[i].value);
	free(all);
}
