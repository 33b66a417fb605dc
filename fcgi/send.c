#include "fcgi/send.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi/cache.h"
#include "fcgi/condition.h"
#include "fcgi/page.h"
#include "fcgi/record.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/resolve.h"
#include "fcgi/visit.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/rules.h"
#include "lib/store.h"

/* What one record holds. */
#define STREAM_STEP RECORD_MAX_BYTES

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

	if ((r = cache_read(v->cache, v->store, v->id, f, from, &o,
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

/* The path percent-encoded: for a header. */
static void
add_encoded(struct buf *out, const char *path)
{
	static const char plain[] = "/._-0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (; *path != '\0'; path++) {
		if (strchr(plain, *path) != NULL)
			buf_addc(out, *path);
		else
			buf_addf(out, "%%%02X", (unsigned char)*path);
	}
}

/* Let the web server send it. */
static void
hand_over(struct visit *v, const struct manifest_file *f)
{
	char *key = manifest_file_key(v->id, f->path);
	struct buf path = BUF_INIT;

	add_encoded(&path, key);
	reply_header(v->reply, "X-Sendfile", "%s/%s", v->sendfile,
	    buf_str(&path));
	reply_start(v->reply, 200, dress(v, f->type), -1);
	buf_clear(&path);
	free(key);
}

/* ---- a file's forms ---- */

/* A form of it that is as good as a file of its own, whose path is to be
 * freed. */
static struct manifest_file
form_of(const struct manifest_file *f, enum manifest_encoding k)
{
	struct manifest_file form = { .type = f->type,
		.size = f->encoded[k] };

	form.path = xasprintf("%s%s", f->path, manifest_encoding_ending(k));
	return form;
}

static void
free_form(struct manifest_file *form)
{
	free((char *)(uintptr_t)form->path);
}

/* The first form that there is and that the client takes; its number, or
 * MANIFEST_NENCODINGS for the file as it is. */
static int
choose_form(const struct visit *v, const struct manifest_file *f)
{
	const char *accept = request_variable(v->request,
	    "HTTP_ACCEPT_ENCODING");
	int k = 0;

	while (k < MANIFEST_NENCODINGS &&
	    (f->encoded[k] <= 0 ||
		!condition_takes(accept, manifest_encoding_name(k))))
		k++;
	return k;
}

static bool
has_forms(const struct manifest_file *f)
{
	return f->encoded[MANIFEST_BROTLI] > 0 || f->encoded[MANIFEST_GZIP] > 0;
}

/* The web server looks for all forms of a file: what it is to serve from the
 * cache is there in each of them. */
static void
complete(struct visit *v, const struct manifest_file *f)
{
	if (v->cache == NULL || !has_forms(f))
		return;
	for (int k = 0; k < MANIFEST_NENCODINGS; k++) {
		struct manifest_file form = form_of(f, k);

		if (form.size > 0)
			cache_has(v->cache, v->store, v->id, &form);
		free_form(&form);
	}
	cache_has(v->cache, v->store, v->id, f);
}

/* ---- answers ---- */

/* f: the form that is sent, under that ETag. */
static int
send_form(struct visit *v, const struct manifest_file *f, const char *etag,
    struct err *e)
{
	const struct request *request = v->request;
	int64_t from = 0, to = f->size;

	if (v->sendfile != NULL && f->size > STREAM_STEP &&
	    cache_has(v->cache, v->store, v->id, f)) {
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

int
send_file(struct visit *v, const struct manifest_file *f, struct err *e)
{
	char etag[CONDITION_ETAG_SIZE];
	struct manifest_file form = { 0 };
	int k = choose_form(v, f), rc = 0;

	condition_etag(etag, f->sha256);
	if (k < MANIFEST_NENCODINGS) {
		form = form_of(f, k);
		condition_etag_form(etag, manifest_encoding_name(k));
		reply_header(v->reply, "Content-Encoding", "%s",
		    manifest_encoding_name(k));
	}
	reply_header(v->reply, "ETag", "%s", etag);
	reply_header(v->reply, "Cache-Control", "%s",
	    resolve_cache_control(f->path));
	if (has_forms(f))
		reply_header(v->reply, "Vary", "Accept-Encoding");
	if (condition_has(request_variable(v->request, "HTTP_IF_NONE_MATCH"),
		etag)) {
		dress(v, f->type);
		reply_not_modified(v->reply);
	} else {
		rc = send_form(v, form.path == NULL ? f : &form, etag, e);
		complete(v, f);
	}
	free_form(&form);
	return rc;
}

static void
add_location(struct visit *v, const struct resolve *to)
{
	const struct request *r = v->request;
	struct buf path = BUF_INIT;

	if (to->redirect == REDIRECT_RULE) {
		reply_header(v->reply, "Location", "%s", to->location);
		return;
	}
	if (to->redirect == REDIRECT_CLEAN)
		add_encoded(&path, to->location);
	else
		buf_add(&path, r->raw_path, strlen(r->raw_path) -
		    (to->redirect == REDIRECT_DROP_SLASH));
	if (to->redirect == REDIRECT_ADD_SLASH)
		buf_addc(&path, '/');
	if (r->raw_query != NULL)
		buf_addf(&path, "?%s", r->raw_query);
	reply_header(v->reply, "Location", "%s", buf_str(&path));
	buf_clear(&path);
}

void
send_redirect(struct visit *v, const struct resolve *to)
{
	add_location(v, to);
	reply_header(v->reply, "Cache-Control", "no-cache");
	reply_body(v->reply, to->status, NULL, "", 0);
}

/* A page for a status that is no success: the site's, or a small one. */
int
send_failure(struct visit *v, const struct resolve *r, struct err *e)
{
	if (r->file == NULL) {
		page_reply(v->reply, r->status);
		return 0;
	}
	reply_header(v->reply, "Cache-Control", "no-store");
	return send_part(v, r->file, r->status, 0, r->file->size, e);
}
