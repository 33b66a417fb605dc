#include "fcgi/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/rules.h"

/* Shorter ones are words more often than hashes. */
#define HASH_MIN_BYTES 8

static const char *
last_segment(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* ---- which file ---- */

/* Names with a leading dot are never shown, but for /.well-known/ (RFC 8615).
 */
static bool
is_hidden(const char *path)
{
	static const char well_known[] = "/.well-known/";

	if (strncmp(path, well_known, sizeof(well_known) - 1) == 0)
		path += sizeof(well_known) - 2;
	return strstr(path, "/.") != NULL;
}

/* The file at path (which starts with "/") and ending, put together. */
static const struct manifest_file *
find(struct manifest *m, const char *path, const char *ending)
{
	char *name = xasprintf("%s%s", path + 1, ending);
	const struct manifest_file *f = manifest_find(m, name);

	free(name);
	return f;
}

/* True if one of the media ranges in the header takes text/html: a fetch()
 * for JSON, say, does not. */
static bool
admits_html(const char *accept)
{
	static const char *const ranges[] = { "text/html", "text/*", "*/*" };

	if (accept == NULL)
		return true;
	while (*accept != '\0') {
		size_t len;

		accept += strspn(accept, ", \t");
		len = strcspn(accept, ",; \t");
		for (size_t i = 0; i < 3; i++)
			if (len == strlen(ranges[i]) &&
			    strncasecmp(accept, ranges[i], len) == 0)
				return true;
		accept += strcspn(accept, ",");
	}
	return false;
}

/* Is it a page that is asked for?  A script or image that is missing must be
 * a 404: the application's page in its place is "Unexpected token <". */
static bool
wants_page(const char *path, const char *accept)
{
	const char *dot = strrchr(last_segment(path), '.');

	return (dot == NULL || strcmp(dot, ".html") == 0) &&
	    admits_html(accept);
}

/* 404.html of the path's directory, or of the nearest one above. */
static const struct manifest_file *
nearest_404(struct manifest *m, const char *path)
{
	char *dir = xstrdup(path), *slash;
	const struct manifest_file *f = NULL;

	while (f == NULL && (slash = strrchr(dir, '/')) != NULL) {
		*slash = '\0';
		f = dir[0] == '\0' ? manifest_find(m, "404.html")
				   : find(m, dir, "/404.html");
	}
	free(dir);
	return f;
}

static struct resolve
answer(int status, const struct manifest_file *f)
{
	struct resolve r = { status, f, REDIRECT_NONE, NULL };

	return r;
}

static struct resolve
redirect(enum resolve_redirect how)
{
	struct resolve r = { 308, NULL, how, NULL };

	return r;
}

/* "/docs/": the directory's page, or the way to "/docs" where docs.html is
 * what was meant.  Else 404. */
static struct resolve
resolve_directory(struct manifest *m, const char *path)
{
	const struct manifest_file *f = find(m, path, "index.html");
	size_t len = strlen(path);
	char *bare;

	if (f != NULL || len == 1)
		return answer(f == NULL ? 404 : 200, f);
	bare = xstrndup(path, len - 1);
	f = find(m, bare, ".html");
	free(bare);
	return f == NULL ? answer(404, NULL) : redirect(REDIRECT_DROP_SLASH);
}

/* The path by which a page goes that was asked for by its file's name,
 * "/docs/index.html" or "/about.html"; NULL: that is its only name. */
static char *
clean_path(struct manifest *m, const char *path)
{
	static const char ending[] = ".html";
	const char *name = last_segment(path);
	size_t len = strlen(path), tail = sizeof(ending) - 1;
	char *clean;

	if (strcmp(name, "index.html") == 0)
		return xstrndup(path, (size_t)(name - path));
	if (strlen(name) <= tail || strcmp(path + len - tail, ending) != 0)
		return NULL;
	clean = xstrndup(path, len - tail);
	if (find(m, clean, "") == NULL)
		return clean;
	free(clean);
	return NULL;
}

/* A file that has been asked for by its name. */
static struct resolve
resolve_named(struct manifest *m, const char *path,
    const struct manifest_file *f)
{
	struct resolve r = answer(200, f);

	if ((r.location = clean_path(m, path)) != NULL) {
		r.status = 308;
		r.redirect = REDIRECT_CLEAN;
	}
	return r;
}

/* "/docs": that file, docs.html, or the way to "/docs/".  Else 404. */
static struct resolve
resolve_file(struct manifest *m, const char *path)
{
	const struct manifest_file *f;

	if ((f = find(m, path, "")) != NULL)
		return resolve_named(m, path, f);
	if ((f = find(m, path, ".html")) != NULL)
		return answer(200, f);
	if (find(m, path, "/index.html") != NULL)
		return redirect(REDIRECT_ADD_SLASH);
	return answer(404, NULL);
}

/* A file of the site, or the way to it; else 404. */
static struct resolve
resolve_own(struct manifest *m, const char *path)
{
	return path[strlen(path) - 1] == '/' ? resolve_directory(m, path)
					     : resolve_file(m, path);
}

/* ---- rules ---- */

/* The page that a rule shows in place of what was asked for.  It says so at
 * once: no other rule is met on the way, and no redirect. */
static const struct manifest_file *
shown_page(struct manifest *m, const char *path)
{
	const struct manifest_file *f;

	if (path[0] != '/' || is_hidden(path))
		return NULL;
	if (path[strlen(path) - 1] == '/')
		return find(m, path, "index.html");
	if ((f = find(m, path, "")) == NULL &&
	    (f = find(m, path, ".html")) == NULL)
		f = find(m, path, "/index.html");
	return f;
}

static bool
answers(void *manifest, const char *path)
{
	return manifest_answers(manifest, path);
}

/* False: there is no rule for it, or what it shows is not there. */
static bool
resolve_rule(struct manifest *m, bool forced, const struct rules_request *q,
    struct resolve *r)
{
	const struct rules_site site = { answers, NULL, m };
	struct rules_request request = *q;
	struct rules_target t;

	request.site = &site;
	if (!rules_match(manifest_rules(m), forced, &request, &t))
		return false;
	if (t.status / 100 == 3) {
		*r = redirect(REDIRECT_RULE);
		r->status = t.status;
		r->location = t.to;
		return true;
	}
	*r = answer(t.status, t.to == NULL ? NULL : shown_page(m, t.to));
	free(t.to);
	return r->status != 200 || r->file != NULL;
}

/* A rule that comes before files at the clean path may well lead here: then
 * the page is shown under its file's name. */
static void
stay_where_forced(struct manifest *m, const struct rules_request *q,
    struct resolve *own)
{
	struct rules_request there = *q;
	struct resolve rule = { 0 };

	if (own->redirect != REDIRECT_CLEAN)
		return;
	there.path = own->location;
	if (resolve_rule(m, true, &there, &rule)) {
		free(rule.location);
		free(own->location);
		*own = answer(200, own->file);
	}
}

/* ---- the whole ---- */

static struct resolve
resolve_rest(struct manifest *m, const char *path, const char *accept)
{
	bool page = wants_page(path, accept);
	const struct manifest_file *f;

	if (page && (f = manifest_find(m, "200.html")) != NULL)
		return answer(200, f);
	if ((f = nearest_404(m, path)) != NULL)
		return answer(404, f);
	if (page && manifest_spa(m) &&
	    (f = manifest_find(m, "index.html")) != NULL)
		return answer(200, f);
	return answer(404, NULL);
}

struct resolve
resolve_path(struct manifest *m, const struct rules_request *q,
    const char *accept)
{
	struct resolve own, rule;

	if (is_hidden(q->path))
		return answer(404, manifest_find(m, "404.html"));
	own = resolve_own(m, q->path);
	if (resolve_rule(m, own.status != 404, q, &rule)) {
		free(own.location);
		return rule;
	}
	stay_where_forced(m, q, &own);
	return own.status != 404 ? own : resolve_rest(m, q->path, accept);
}

/* ---- for how long ---- */

static bool
starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
resolve_is_found_by_name(const char *path)
{
	static const char *const names[] = { "sw.js", "service-worker.js",
		"manifest.json", "robots.txt" };
	const char *name = last_segment(path), *dot = strrchr(name, '.');

	if (dot == NULL || strcasecmp(dot, ".html") == 0 ||
	    strcasecmp(dot, ".htm") == 0 || strcmp(dot, ".webmanifest") == 0 ||
	    starts_with(name, "sitemap"))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Directories where frameworks put nothing but hashed files. */
static bool
is_in_hashed_directory(const char *path)
{
	static const char *const dirs[] = { "_next/static/", "_astro/",
		"_nuxt/", "_app/immutable/" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (starts_with(path, dirs[i]))
			return true;
	return false;
}

/* "main.8f3a2b1c.js", "index-BxY3_k9Q.js.map": [.-] and a hash that has a
 * digit in it, before the one or two endings. */
static bool
is_hashed_name(const char *name)
{
	static const char letters[] = "0123456789-_abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (const char *p = name; (p = strpbrk(p, ".-")) != NULL;) {
		size_t len = strspn(++p, letters);

		if (len >= HASH_MIN_BYTES && p[len] == '.' &&
		    strcspn(p, "0123456789") < len)
			return true;
	}
	return false;
}

bool
resolve_is_hashed(const char *path)
{
	return !resolve_is_found_by_name(path) &&
	    (is_in_hashed_directory(path) ||
		is_hashed_name(last_segment(path)));
}

const char *
resolve_cache_control(const char *path)
{
	return resolve_is_hashed(path) ? "public, max-age=31536000, immutable"
				       : "public, max-age=0, must-revalidate";
}

/* ---- which site ---- */

bool
resolve_host(const char *host, const char *domain, char *id)
{
	size_t len = strcspn(host, ":"), domain_len = strlen(domain);

	if (len > 0 && host[len - 1] == '.')
		len--;
	if (len != ID_LENGTH + 1 + domain_len || host[ID_LENGTH] != '.' ||
	    strncasecmp(host + ID_LENGTH + 1, domain, domain_len) != 0)
		return false;
	return name_is_id(host, ID_LENGTH, id);
}
