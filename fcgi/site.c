/*
 * site.fcgi: what the web server does not find on its disk.  The host names
 * a site, its manifest what there is; fcgi/resolve decides, and the file comes
 * from the store.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/cache.h"
#include "fcgi/gone.h"
#include "fcgi/page.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/resolve.h"
#include "fcgi/responder.h"
#include "fcgi/send.h"
#include "fcgi/shelf.h"
#include "fcgi/visit.h"
#include "lib/alias.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/rules.h"
#include "lib/store.h"

/* How many deployments that an alias has left are looked into for a file:
 * fewer than there is room for on a shelf, so that the manifest at hand stays
 * there. */
#define LEFT_MAX 5

/* The manifest of a live site, by way of the cache where there is one. */
static struct manifest *
manifest_of(const struct visit *v, const char *id, struct err *e)
{
	struct store *near = cache_site(v->site->cache, v->store, id, e);

	return near == NULL ? NULL
			    : shelf_manifest(v->site->shelf, near, id, e);
}

/* The deployment that the host names, by its id or by an alias.  It is looked
 * up once a request, so that an alias that moves meanwhile mixes nothing. */
static struct manifest *
find_site(struct visit *v, struct err *e)
{
	struct manifest *m;

	if ((v->store = parts_store(&v->site->parts, e)) == NULL)
		return NULL;
	if (v->id[0] != '\0' &&
	    ((m = manifest_of(v, v->id, e)) != NULL ||
		e->code != ERR_NOTFOUND || v->name[0] == '\0'))
		return m;
	if ((v->alias = alias_load(v->store, v->name, e)) == NULL)
		return NULL;
	memcpy(v->id, v->alias->id, sizeof(v->id));
	log_scope(v->id);
	return manifest_of(v, v->id, e);
}

/* Is it of one build alone: by its name, or by what the framework says of its
 * directory? */
static bool
is_left(const struct manifest *m, const char *path)
{
	return resolve_is_hashed(path) || manifest_is_immutable(m, path);
}

/* A page that is open asks for files of the deployment that it is of. */
static const struct manifest_file *
find_left(struct visit *v)
{
	int64_t grace = v->site->parts.conf->asset_grace * 1000;
	const char *path = v->request->path + 1;
	const struct manifest_file *f = NULL;
	struct manifest *m;
	struct err e;

	if (v->alias == NULL || resolve_is_found_by_name(path))
		return NULL;
	for (size_t i = 0; i < v->alias->npast && i < LEFT_MAX; i++) {
		const struct alias_past *past = &v->alias->past[i];

		if (name_now_ms() - past->left > grace)
			return NULL;
		if (strcmp(past->id, v->id) == 0)
			continue;
		m = manifest_of(v, past->id, &e);
		if (m == NULL || !is_left(m, path) ||
		    (f = manifest_find(m, path)) == NULL)
			continue;
		memcpy(v->id, past->id, sizeof(v->id));
		return f;
	}
	return NULL;
}

/* Is it a page that a file stands before, "a.html" beside "a"? */
static bool
is_shadowed(struct manifest *m, const struct manifest_file *f)
{
	static const char ending[] = ".html";
	size_t len = strlen(f->path), tail = sizeof(ending) - 1;
	char *bare;
	bool is;

	if (len <= tail || strcmp(f->path + len - tail, ending) != 0)
		return false;
	bare = xstrndup(f->path, len - tail);
	is = manifest_find(m, bare) != NULL;
	free(bare);
	return is;
}

/* Alone in the cache, such a page would be what web servers show for "/a". */
static void
choose_place(struct visit *v, struct manifest *m, const struct manifest_file *f)
{
	bool near = v->site->cache == NULL;

	if (near || f == NULL || !is_shadowed(m, f)) {
		v->cache = v->site->cache;
		v->sendfile = v->site->sendfile;
	}
}

static int
answer(struct visit *v, struct err *e)
{
	const struct request *request = v->request;
	struct rules_pair query[REQUEST_MAX_PARAMS];
	struct rules_request q = { .path = request->path,
		.raw_query = request->raw_query,
		.query = query,
		.npairs = request->nparams };
	const struct manifest_file *left;
	struct manifest *m;
	struct resolve r;
	int rc = 0;

	if ((m = find_site(v, e)) == NULL)
		return -1;
	for (size_t i = 0; i < q.npairs; i++) {
		query[i].name = request->params[i].name;
		query[i].value = request->params[i].value;
	}
	r = resolve_path(m, &q, request_variable(request, "HTTP_ACCEPT"));
	v->nheaders = rules_headers(manifest_rules(m), request->path,
	    &v->headers);
	choose_place(v, m, r.file);
	if (r.redirect != REDIRECT_NONE)
		send_redirect(v, &r);
	else if (r.status == 404 && (left = find_left(v)) != NULL)
		rc = send_file(v, left, e);
	else
		rc = r.status == 200 ? send_file(v, r.file, e)
				     : send_failure(v, &r, e);
	rules_headers_free(v->headers, v->nheaders);
	free(r.location);
	return rc;
}

static void
refuse(void *arg, const struct err *e, struct reply *reply)
{
	int status = reply_status(e->code);

	if (status >= 500)
		log_error("%s", e->msg);
	page_reply(reply, status);
}

static void
handle(void *arg, struct request *request, struct reply *reply)
{
	struct visit v = { .site = arg, .request = request, .reply = reply };
	const char *host = request_variable(request, "HTTP_HOST");
	const char *domain = v.site->parts.conf->domain;
	struct err e;

	if (request->method != METHOD_GET && request->method != METHOD_HEAD) {
		reply_header(reply, "Allow", "GET, HEAD");
		page_reply(reply, 405);
		return;
	}
	if (host != NULL && !resolve_host(host, domain, v.id))
		v.id[0] = '\0';
	if (host == NULL ||
	    (!alias_of_host(host, domain, v.name) && v.id[0] == '\0')) {
		page_reply(reply, 404);
		return;
	}
	log_scope(v.id);
	if (answer(&v, &e) == -1) {
		reply_forget(reply);
		if (e.code == ERR_NOTFOUND && v.id[0] != '\0' &&
		    gone_is(v.site->gone, v.store, v.id))
			page_reply(reply, 410);
		else
			refuse(arg, &e, reply);
	}
	alias_free(v.alias);
}

/* A cache that can't be used makes sites slow, and no worse. */
static struct cache *
open_cache(const struct conf *conf)
{
	struct cache *cache = NULL;
	struct err e;

	if (conf->site_cache != NULL && (cache = cache_open(conf, &e)) == NULL)
		log_error("no cache: %s", e.msg);
	return cache;
}

/* Where the web server may look for files: the directory of the store, or of
 * a cache that can be used. */
static const char *
sendfile_directory(const struct site *site)
{
	if (site->cache == NULL &&
	    strncmp(site->parts.conf->store, "dir ", 4) != 0)
		return NULL;
	return getenv("DAVIT_SENDFILE");
}

static void
tend(void *arg)
{
	cache_tend(((struct site *)arg)->cache);
}

int
main(void)
{
	struct site site;
	struct responder responder = { .handle = handle,
		.refuse = refuse, .arg = &site };
	int rc;

	if (responder_init("site") == -1 || parts_open(&site.parts) == -1)
		return 1;
	site.shelf = shelf_new();
	site.gone = gone_new();
	if ((site.cache = open_cache(site.parts.conf)) != NULL) {
		responder.chore = tend;
		responder.chore_ms = cache_chore_ms(site.cache);
	}
	site.sendfile = sendfile_directory(&site);
	rc = responder_run(&responder);
	cache_free(site.cache);
	gone_free(site.gone);
	shelf_free(site.shelf);
	parts_close(&site.parts);
	return rc;
}
