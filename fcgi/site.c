/*
 * site.fcgi: what the web server does not find on its disk.  The host names
 * a site, its manifest what there is; fcgi/resolve decides, and the file comes
 * from the store.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi/cache.h"
#include "fcgi/condition.h"
#include "fcgi/page.h"
#include "fcgi/parts.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/resolve.h"
#include "fcgi/responder.h"
#include "fcgi/shelf.h"
#include "lib/alias.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/rules.h"
#include "lib/store.h"

#define STREAM_STEP (64 * 1024)

/* How many deployments that an alias has left are looked into for a file:
 * fewer than there is room for on a shelf, so that the manifest at hand stays
 * there. */
#define LEFT_MAX 5

struct site {
	struct parts parts;
	struct shelf *shelf;
	struct cache *cache;	/* NULL: the store is as near */
	const char *sendfile;	/* the store's directory, where the web
				   server sends files itself: X-Sendfile */
};

/* One request on its way. */
struct visit {
	struct site *site;
	struct store *store;
	const struct request *request;
	struct reply *reply;
	char id[ID_LENGTH + 1];	/* of the deployment; "": not known yet */
	char name[ALIAS_MAX_BYTES + 1];	/* of an alias that the host may be */
	struct alias *alias;		/* that it is */
	struct rules_header *headers;	/* of the site's _headers */
	size_t nheaders;
};

/* Put the site's own headers in the place of ours.  The media type, which is
 * a header of the reply's start, is given back. */
static const char *
dress(struct visit *v, const char *type)
{
	for (size_t i = 0; i < v->nheaders; i++) {
		const struct rules_header *h = &v->headers[i];

		if (strcasecmp(h->name, "Content-Type") == 0) {
			type = h->value == NULL ? type : h->value;
			continue;
		}
		reply_unset(v->reply, h->name);
		if (h->value != NULL)
			reply_header(v->reply, h->name, "%s", h->value);
	}
	return type;
}

/* ---- a file's bytes ---- */

/* Copy [from, to) of the object to the client. */
static int
stream(struct visit *v, struct store_reader *r, int64_t left, struct err *e)
{
	static char data[STREAM_STEP];

	while (left > 0) {
		size_t step = left > STREAM_STEP ? STREAM_STEP : (size_t)left;
		ssize_t n = store_get_data(r, data, step, e);

		if (n == -1)
			return -1;
		if (n == 0)
			return err_set(e, ERR_STORE, "shorter than it was");
		if (reply_data(v->reply, data, (size_t)n) == -1)
			return 0; /* nobody is left to read it */
		left -= n;
	}
	return 0;
}

static int
send_part(struct visit *v, const struct manifest_file *f, int status,
    int64_t from, int64_t to, struct err *e)
{
	char *key = manifest_file_key(v->id, f->path);
	struct store_reader *r;
	struct store_object o;
	int rc = -1;

	if ((r = cache_read(v->site->cache, v->store, v->id, f, from, &o,
		 e)) == NULL) {
		err_within(e, "%s", key);
		goto out;
	}
	if (o.size != f->size) {
		err_set(e, ERR_STORE, "%s: not of the size that the manifest "
		    "tells", key);
		goto out;
	}
	rc = 0;
	reply_start(v->reply, status, dress(v, f->type), to - from);
	if (!v->reply->bodiless && stream(v, r, to - from, e) == -1)
		log_error("%s: cut short: %s", key, e->msg);
out:
	store_get_close(r);
	free(key);
	return rc;
}

/* Let the web server send it.  The path is percent-encoded, as lighttpd
 * expects. */
static void
hand_over(struct visit *v, const struct manifest_file *f)
{
	static const char plain[] = "/._-0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char *key = manifest_file_key(v->id, f->path);
	struct buf path = BUF_INIT;

	for (const char *p = key; *p != '\0'; p++) {
		if (strchr(plain, *p) != NULL)
			buf_addc(&path, *p);
		else
			buf_addf(&path, "%%%02X", (unsigned char)*p);
	}
	reply_header(v->reply, "X-Sendfile", "%s/%s", v->site->sendfile,
	    buf_str(&path));
	reply_start(v->reply, 200, dress(v, f->type), -1);
	buf_clear(&path);
	free(key);
}

/* ---- answers ---- */

static int
send_file(struct visit *v, const struct manifest_file *f, struct err *e)
{
	const struct request *request = v->request;
	char etag[CONDITION_ETAG_SIZE];
	int64_t from = 0, to = f->size;

	condition_etag(etag, f->sha256);
	reply_header(v->reply, "ETag", "%s", etag);
	reply_header(v->reply, "Cache-Control", "%s",
	    resolve_cache_control(f->path));
	if (condition_has(request_variable(request, "HTTP_IF_NONE_MATCH"),
		etag)) {
		dress(v, f->type);
		reply_not_modified(v->reply);
		return 0;
	}
	if (v->site->sendfile != NULL && f->size > STREAM_STEP &&
	    cache_has(v->site->cache, v->store, v->id, f)) {
		hand_over(v, f);
		return 0;
	}
	reply_header(v->reply, "Accept-Ranges", "bytes");
	switch (condition_range(request_variable(request, "HTTP_RANGE"),
	    request_variable(request, "HTTP_IF_RANGE"), etag, f->size, &from,
	    &to)) {
	case RANGE_PART:
		reply_header(v->reply, "Content-Range", "bytes %lld-%lld/%lld",
		    (long long)from, (long long)to - 1, (long long)f->size);
		return send_part(v, f, 206, from, to, e);
	case RANGE_BEYOND:
		reply_forget(v->reply);
		reply_header(v->reply, "Content-Range", "bytes */%lld",
		    (long long)f->size);
		page_reply(v->reply, 416);
		return 0;
	default:
		return send_part(v, f, 200, from, to, e);
	}
}

static void
send_redirect(struct visit *v, const struct resolve *to)
{
	const struct request *r = v->request;
	enum resolve_redirect how = to->redirect;
	size_t len = strlen(r->raw_path);
	int keep = (int)len - (how == REDIRECT_DROP_SLASH ? 1 : 0);

	if (how == REDIRECT_RULE)
		reply_header(v->reply, "Location", "%s", to->location);
	else
		reply_header(v->reply, "Location", "%.*s%s%s%s", keep,
		    r->raw_path, how == REDIRECT_ADD_SLASH ? "/" : "",
		    r->raw_query == NULL ? "" : "?",
		    r->raw_query == NULL ? "" : r->raw_query);
	reply_header(v->reply, "Cache-Control", "no-cache");
	reply_body(v->reply, to->status, NULL, "", 0);
}

/* A page for a status that is no success: the site's, or a small one. */
static int
send_failure(struct visit *v, const struct resolve *r, struct err *e)
{
	if (r->file == NULL) {
		page_reply(v->reply, r->status);
		return 0;
	}
	reply_header(v->reply, "Cache-Control", "no-store");
	return send_part(v, r->file, r->status, 0, r->file->size, e);
}

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

/* A page that is open asks for files of the deployment that it is of. */
static const struct manifest_file *
find_left(struct visit *v)
{
	int64_t grace = v->site->parts.conf->asset_grace * 1000;
	const char *path = v->request->path + 1;
	const struct manifest_file *f = NULL;
	struct manifest *m;
	struct err e;

	if (v->alias == NULL || !resolve_is_hashed(path))
		return NULL;
	for (size_t i = 0; i < v->alias->npast && i < LEFT_MAX; i++) {
		const struct alias_past *past = &v->alias->past[i];

		if (name_now_ms() - past->left > grace)
			return NULL;
		if (strcmp(past->id, v->id) == 0)
			continue;
		m = manifest_of(v, past->id, &e);
		if (m == NULL || (f = manifest_find(m, path)) == NULL)
			continue;
		memcpy(v->id, past->id, sizeof(v->id));
		return f;
	}
	return NULL;
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
	site.sendfile = getenv("DAVIT_SENDFILE");
	if ((site.cache = open_cache(site.parts.conf)) != NULL) {
		responder.chore = tend;
		responder.chore_ms = cache_chore_ms(site.cache);
	}
	rc = responder_run(&responder);
	cache_free(site.cache);
	shelf_free(site.shelf);
	parts_close(&site.parts);
	return rc;
}
