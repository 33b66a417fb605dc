/* Rules one by one: what may be one, and their form in a manifest. */
#include "lib/rules_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"

/* ---- checks ---- */

static bool
is_status(int status)
{
	static const int known[] = { 200, 301, 302, 303, 307, 308, 404, 410,
		451 };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (status == known[i])
			return true;
	return false;
}

/* "/", or a path of a site: no empty, "." or ".." segment. */
static bool
is_path(const char *path)
{
	size_t len = strlen(path);
	char *inner;
	bool ok;

	if (path[0] != '/' || len == 1)
		return path[0] == '/';
	inner = xstrndup(path + 1, len - 1 - (path[len - 1] == '/'));
	ok = name_is_path(inner);
	free(inner);
	return ok;
}

size_t
rules_placeholder(const char *s)
{
	size_t len = 0;

	if (isalpha((unsigned char)s[0]))
		while (isalnum((unsigned char)s[len]) || s[len] == '_')
			len++;
	return len;
}

/* True if the placeholder of len bytes at colon is named once more behind. */
static bool
is_repeated(const char *colon, size_t len)
{
	const char *s = colon + len;

	while ((s = strstr(s, "/:")) != NULL) {
		s++;
		if (rules_placeholder(s + 1) + 1 == len &&
		    strncmp(s, colon, len) == 0)
			return true;
	}
	return false;
}

/* The path that a rule is for.  Sets *pattern. */
static int
check_pattern(const char *path, bool *pattern, struct err *e)
{
	const char *star = strchr(path, '*');

	if (path[0] != '/')
		return err_set(e, ERR_INVALID,
		    "a path of this site is wanted, beginning with /");
	if (!is_path(path))
		return err_set(e, ERR_INVALID,
		    "the path has an empty or dotted segment, a control "
		    "byte, or is too long");
	if (star != NULL && star[1] != '\0')
		return err_set(e, ERR_INVALID,
		    "* may only be the last of a path");
	*pattern = star != NULL;
	for (const char *s = path; (s = strstr(s, "/:")) != NULL;) {
		size_t len = rules_placeholder(++s + 1);

		if (len == 0)
			continue;
		if (s[len + 1] != '/' && s[len + 1] != '\0')
			return err_set(e, ERR_INVALID,
			    "a placeholder takes a whole segment");
		if (is_repeated(s, len + 1))
			return err_set(e, ERR_INVALID,
			    "a placeholder is there twice");
		*pattern = true;
	}
	return 0;
}

static bool
is_elsewhere(const char *to)
{
	return strncasecmp(to, "http://", 7) == 0 ||
	    strncasecmp(to, "https://", 8) == 0;
}

static int
check_elsewhere(const struct rules_redirect *d, struct err *e)
{
	const char *host = strchr(d->to, ':') + 3;
	size_t len = strcspn(host, "/?#");

	if (d->status / 100 != 3)
		return err_set(e, ERR_INVALID,
		    "%d answers with a page of this site, and never fetches "
		    "from another host", d->status);
	/* Whoever writes the request must not choose the host. */
	for (size_t i = 0; i < len; i++)
		if (host[i] == ':' && rules_placeholder(host + i + 1) > 0)
			return err_set(e, ERR_INVALID,
			    "a placeholder in the host's name");
	if (len == 0)
		return err_set(e, ERR_INVALID, "the target has no host");
	return 0;
}

static int
check_target(const struct rules_redirect *d, struct err *e)
{
	if (d->to == NULL)
		return d->status >= 400 ? 0
		    : err_set(e, ERR_INVALID, "there is no target");
	if (is_elsewhere(d->to))
		return check_elsewhere(d, e);
	if (d->to[0] != '/' || d->to[1] == '/' || strchr(d->to, '\\') != NULL)
		return err_set(e, ERR_INVALID,
		    "the target is neither a path of this site nor an "
		    "http:// or https:// address");
	if (d->status / 100 != 3 && !is_path(d->to))
		return err_set(e, ERR_INVALID,
		    "the target is no path of a page");
	return 0;
}

/* ---- adding ---- */

int
rules_add_redirect(struct rules *r, const struct rules_redirect *rule,
    struct err *e)
{
	struct rules_redirect d = *rule, *to;
	size_t len = strlen(d.from);

	if (r->nredirects + r->nchanges >= RULES_MAX)
		return err_set(e, ERR_INVALID, "over %d rules", RULES_MAX);
	if (!is_status(d.status))
		return err_set(e, ERR_INVALID,
		    "the status is none of 200 301 302 303 307 308 404 410 "
		    "451");
	if (d.ntokens > RULES_MAX_TOKENS)
		return err_set(e, ERR_INVALID, "over %d query parameters",
		    RULES_MAX_TOKENS);
	if (check_pattern(d.from, &d.pattern, e) == -1 ||
	    check_target(&d, e) == -1)
		return -1;
	r->redirects = xreallocarray(r->redirects, r->nredirects + 1,
	    sizeof(*r->redirects));
	to = &r->redirects[r->nredirects++];
	*to = d;
	to->from = xstrndup(d.from, len > 1 && d.from[len - 1] == '/' ? len - 1
								     : len);
	to->to = xstrdup_null(d.to);
	to->tokens = xcalloc(d.ntokens + 1, sizeof(*to->tokens));
	for (size_t i = 0; i < d.ntokens; i++) {
		to->tokens[i].name = xstrdup(d.tokens[i].name);
		to->tokens[i].value = xstrdup(d.tokens[i].value);
	}
	return 0;
}

int
rules_add_block(struct rules *r, const char *path, struct err *e)
{
	struct rules_block *b;
	size_t len = strlen(path);
	bool pattern;

	if (check_pattern(path, &pattern, e) == -1)
		return -1;
	r->blocks = xreallocarray(r->blocks, r->nblocks + 1,
	    sizeof(*r->blocks));
	b = &r->blocks[r->nblocks++];
	memset(b, 0, sizeof(*b));
	b->path = xstrndup(path, len > 1 && path[len - 1] == '/' ? len - 1
								: len);
	return 0;
}

/* What the web server or davit says itself, or takes as an order. */
static bool
is_reserved(const char *name)
{
	static const char *const names[] = { "accept-ranges", "age",
		"connection", "content-encoding", "content-length",
		"content-range", "date", "etag", "host", "keep-alive",
		"last-modified", "location", "proxy-connection", "server",
		"status", "te", "trailer", "transfer-encoding", "upgrade",
		"via", "x-content-type-options", "x-reproxy-url", "x-sendfile",
		"x-sendfile2", "x-sendfile-temporary" };
	static const char *const families[] = { "x-accel-", "x-lighttpd-",
		"script-", "x-litespeed-" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (strncasecmp(name, families[i], strlen(families[i])) == 0)
			return true;
	return false;
}

static int
check_change(const char *name, const char *value, struct err *e)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (const char *s = name; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr(marks, *s) == NULL)
			return err_set(e, ERR_INVALID,
			    "not a header's name");
	if (name[0] == '\0')
		return err_set(e, ERR_INVALID, "the header has no name");
	if (strcasecmp(name, "basic-auth") == 0)
		return err_set(e, ERR_INVALID,
		    "Basic-Auth is not supported: the path is NOT protected");
	if (is_reserved(name))
		return err_set(e, ERR_INVALID, "%.40s is the server's to set",
		    name);
	for (; value != NULL && *value != '\0'; value++)
		if (*value < 0x20 || *value == 0x7f)
			return err_set(e, ERR_INVALID,
			    "a control byte or a letter outside ASCII");
	return 0;
}

int
rules_add_change(struct rules *r, const char *name, const char *value,
    struct err *e)
{
	struct rules_block *b;
	struct rules_change *c;

	if (r->nblocks == 0)
		return err_set(e, ERR_INVALID, "a path has to come first");
	if (r->nredirects + r->nchanges >= RULES_MAX)
		return err_set(e, ERR_INVALID, "over %d rules", RULES_MAX);
	if (check_change(name, value, e) == -1)
		return -1;
	b = &r->blocks[r->nblocks - 1];
	b->changes = xreallocarray(b->changes, b->nchanges + 1,
	    sizeof(*b->changes));
	c = &b->changes[b->nchanges++];
	c->name = xstrdup(name);
	c->value = xstrdup_null(value);
	r->nchanges++;
	return 0;
}

/* ---- in a manifest ---- */

static struct json *
redirect_to_json(const struct rules_redirect *d)
{
	struct json *row = json_new_object(), *query;

	json_set_string(row, "from", d->from);
	json_set_string(row, "to", d->to);
	json_set_int(row, "status", d->status);
	if (d->forced)
		json_set_bool(row, "forced", true);
	if (d->ntokens > 0) {
		query = json_new_object();
		for (size_t i = 0; i < d->ntokens; i++)
			json_set_string(query, d->tokens[i].name,
			    d->tokens[i].value);
		json_set(row, "query", query);
	}
	return row;
}

static struct json *
block_to_json(const struct rules_block *b)
{
	struct json *row = json_new_object(), *changes = json_new_array();

	json_set_string(row, "path", b->path);
	for (size_t i = 0; i < b->nchanges; i++) {
		struct json *change = json_new_object();

		json_set_string(change, "name", b->changes[i].name);
		json_set_string(change, "value", b->changes[i].value);
		json_append(changes, change);
	}
	json_set(row, "set", changes);
	return row;
}

struct json *
rules_to_json(const struct rules *r)
{
	struct json *root, *redirects, *headers;

	if (r == NULL || rules_count(r) == 0)
		return NULL;
	root = json_new_object();
	redirects = json_new_array();
	headers = json_new_array();
	for (size_t i = 0; i < r->nredirects; i++)
		json_append(redirects, redirect_to_json(&r->redirects[i]));
	for (size_t i = 0; i < r->nblocks; i++)
		if (r->blocks[i].nchanges > 0)
			json_append(headers, block_to_json(&r->blocks[i]));
	json_set(root, "redirects", redirects);
	json_set(root, "headers", headers);
	return root;
}

struct tokens {
	struct rules_pair all[RULES_MAX_TOKENS];
	size_t count;
};

static int
take_token(void *arg, const char *name, const struct json *value)
{
	struct tokens *t = arg;

	if (t->count == RULES_MAX_TOKENS || json_as_string(value) == NULL)
		return -1;
	t->all[t->count].name = name;
	t->all[t->count++].value = json_as_string(value);
	return 0;
}

static int
redirect_from_json(struct rules *r, const struct json *row, struct err *e)
{
	const struct json *query = json_get_object(row, "query");
	struct tokens tokens = { .count = 0 };
	struct rules_redirect d = {
		.from = (char *)(uintptr_t)json_get_string(row, "from"),
		.to = (char *)(uintptr_t)json_get_string(row, "to"),
		.status = (int)json_get_int(row, "status", 0),
		.forced = json_get_bool(row, "forced", false),
		.tokens = tokens.all
	};

	if (d.from == NULL ||
	    (query != NULL && json_each(query, take_token, &tokens) != 0))
		return err_set(e, ERR_INVALID, "a bad redirect");
	d.ntokens = tokens.count;
	return rules_add_redirect(r, &d, e);
}

static int
block_from_json(struct rules *r, const struct json *row, struct err *e)
{
	const struct json *changes = json_get_array(row, "set");
	const char *path = json_get_string(row, "path");

	if (path == NULL || changes == NULL)
		return err_set(e, ERR_INVALID, "bad headers");
	if (rules_add_block(r, path, e) == -1)
		return -1;
	for (size_t i = 0; i < json_count(changes); i++) {
		const struct json *c = json_at(changes, i);
		const char *name = json_get_string(c, "name");

		if (name == NULL)
			return err_set(e, ERR_INVALID, "bad headers");
		if (rules_add_change(r, name, json_get_string(c, "value"), e) ==
		    -1)
			return -1;
	}
	return 0;
}

struct rules *
rules_from_json(const struct json *root, struct err *e)
{
	const struct json *redirects = json_get_array(root, "redirects");
	const struct json *headers = json_get_array(root, "headers");
	struct rules *r = rules_new();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_count(redirects); i++)
		rc = redirect_from_json(r, json_at(redirects, i), e);
	for (size_t i = 0; rc == 0 && i < json_count(headers); i++)
		rc = block_from_json(r, json_at(headers, i), e);
	if (rc == -1) {
		rules_free(r);
		return NULL;
	}
	rules_index(r);
	return r;
}
