#include "lib/gitwire_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/gitproto.h"
#include "lib/http.h"
#include "lib/mem.h"

#define REDIRECTS_MAX 5

/* Some git hosts answer only what calls itself git. */
#define USER_AGENT "User-Agent: git/2.0 (davit-fetch)"

static const char info_refs[] = "/info/refs?service=git-upload-pack";

/* Codes of the HTTP room as codes of fetching. */
static int
explain(const struct wire *w, struct err *e)
{
	switch (e == NULL ? ERR_NONE : e->code) {
	case ERR_TIMEOUT:
		return gitwire_timed_out(w, e);
	case ERR_NOTFOUND:
		return gitwire_no_such_host(w, e);
	case ERR_ADDRESS:
		return gitwire_private_address(w, e);
	case ERR_TOOBIG:
		return err_recode(e, ERR_REPO_TOOBIG);
	case ERR_REMOTE:
		err_within(e, "%s", w->url.host);
		return err_recode(e, ERR_FETCH_FAILED);
	default:
		return -1;
	}
}

static void
add_login(const struct wire *w, struct http_request *r)
{
	if (!gitwire_has_login(w))
		return;
	r->user = w->options->user;
	r->secret = w->options->secret;
}

static int
bad_status(const struct wire *w, long status, struct err *e)
{
	const char *host = w->url.host;

	if ((status == 401 || status == 403) && gitwire_has_login(w))
		return err_set(e, ERR_REPO_PRIVATE,
		    "%s does not accept the token for this repository: it "
		    "may be wrong, expired, or without the right to read",
		    host);
	if (status == 401 || status == 403)
		return err_set(e, ERR_REPO_PRIVATE,
		    "%s wants a password: the repository is private, "
		    "or there is none", host);
	if (status == 404 || status == 410)
		return err_set(e, ERR_REPO_NOTFOUND,
		    "%s has no such repository", host);
	if (status == 429)
		return err_set(e, ERR_FETCH_FAILED,
		    "%s had too many requests", host);
	return err_set(e, ERR_FETCH_FAILED, "%s answers with status %ld",
	    host, status);
}

static bool
media_type_is(const struct http_answer *a, const char *type)
{
	size_t n = strlen(type);

	return strncasecmp(a->content_type, type, n) == 0 &&
	    strchr("; ", a->content_type[n]) != NULL;
}

/* An advertisement, or the page of a redirect or a web site: whether it was
 * git is judged once status and type are known. */
static int
advertisement_sink(void *arg, const char *data, size_t len, struct err *e)
{
	struct wire *w = arg;

	if (!w->proto_failed &&
	    gitproto_feed(w->proto, data, len, &w->proto_error) == -1)
		w->proto_failed = true;
	return 0;
}

static int
pack_sink(void *arg, const char *data, size_t len, struct err *e)
{
	return gitproto_feed(((struct wire *)arg)->proto, data, len, e);
}

/* Where a redirect leads: absolute, or a path at the same host. */
static char *
redirect_target(const struct wire *w, const char *location)
{
	size_t origin = strlen(w->url.text) - strlen(w->url.path);

	if (location[0] != '/' || location[1] == '/')
		return xstrdup(location);
	return xasprintf("%.*s%s", (int)origin, w->url.text, location);
}

/* https leads only to https, http to either. */
static bool
may_lead_to(const char *from, const char *to)
{
	return strcmp(to, "https") == 0 ||
	    (strcmp(from, "http") == 0 && strcmp(to, "http") == 0);
}

/* Take the redirected base, as git does: what stands before /info/refs. */
static int
follow(struct wire *w, const char *location, struct err *e)
{
	char *target = redirect_target(w, location == NULL ? "" : location);
	size_t len = strlen(target), tail = strlen(info_refs);
	struct name_url from = w->url;
	int rc = -1;

	if (len <= tail || strcmp(target + len - tail, info_refs) != 0) {
		err_set(e, ERR_REPO_NOTFOUND,
		    "%s redirects to a page that is no repository", from.host);
		goto out;
	}
	target[len - tail] = '\0';
	if (name_url(&w->url, target, len - tail, e) == -1) {
		err_within(e, "%s redirects", from.host);
		err_recode(e, ERR_FETCH_FAILED);
	} else if (!may_lead_to(from.scheme, w->url.scheme)) {
		err_set(e, ERR_FETCH_FAILED, "%s redirects from %s to %s",
		    from.host, from.scheme, w->url.scheme);
	} else {
		rc = 0;
	}
out:
	free(target);
	return rc;
}

static bool
is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 ||
	    status == 307 || status == 308;
}

/* The answer to GET info/refs: 0 it was git's, 1 it leads elsewhere, -1. */
static int
judge(struct wire *w, const struct http_answer *a, struct err *e)
{
	if (is_redirect(a->status))
		return follow(w, a->location, e) == -1 ? -1 : 1;
	if (a->status != 200)
		return bad_status(w, a->status, e);
	if (!media_type_is(a, "application/x-git-upload-pack-advertisement"))
		return err_set(e, ERR_REPO_NOTFOUND,
		    "%s is no git repository served over smart HTTP",
		    w->url.text);
	if (w->proto_failed) {
		if (e != NULL)
			*e = w->proto_error;
		return -1;
	}
	return gitproto_end(w->proto, e);
}

/* One GET of info/refs; as judge(). */
static int
advertisement(struct wire *w, struct http *http, struct err *e)
{
	static const char *const headers[] = { USER_AGENT,
		"Git-Protocol: version=2", NULL };
	char *url = xasprintf("%s%s", w->url.text, info_refs);
	struct http_request r = { .url = url, .headers = headers,
		.stall_ms = STALL_MS, .connect_ms = CONNECT_MS,
		.max_bytes = w->options->max_bytes,
		.sink = advertisement_sink, .sink_arg = w };
	struct http_answer a = { 0 };
	int rc = -1;

	gitproto_restart(w->proto);
	w->proto_failed = false;
	add_login(w, &r);
	if ((r.total_ms = gitwire_time_left(w, INT32_MAX, e)) == -1)
		goto out;
	if (http_perform(http, &r, &a, e) == -1)
		explain(w, e);
	else
		rc = judge(w, &a, e);
out:
	http_answer_clear(&a);
	free(url);
	return rc;
}

/* One POST with what gitproto wants to say next. */
static int
exchange(struct wire *w, struct http *http, struct err *e)
{
	static const char *const headers[] = { USER_AGENT,
		"Content-Type: application/x-git-upload-pack-request",
		"Accept: application/x-git-upload-pack-result",
		"Git-Protocol: version=2", NULL };
	static const char *const headers_v0[] = { USER_AGENT,
		"Content-Type: application/x-git-upload-pack-request",
		"Accept: application/x-git-upload-pack-result", NULL };
	char *url = xasprintf("%s/git-upload-pack", w->url.text);
	struct buf body = BUF_INIT;
	struct http_request r = { .method = "POST", .url = url,
		.headers = gitproto_version(w->proto) == 2 ? headers
							   : headers_v0,
		.stall_ms = STALL_MS, .connect_ms = CONNECT_MS,
		.max_bytes = w->options->max_bytes,
		.sink = pack_sink, .sink_arg = w };
	struct http_answer a = { 0 };
	int rc = -1;

	gitproto_request(w->proto, &body);
	add_login(w, &r);
	r.body = body.data;
	r.body_len = body.len;
	if ((r.total_ms = gitwire_time_left(w, INT32_MAX, e)) == -1)
		goto out;
	if (http_perform(http, &r, &a, e) == -1)
		explain(w, e);
	else if (a.status != 200)
		bad_status(w, a.status, e);
	else if (!media_type_is(&a, "application/x-git-upload-pack-result"))
		err_set(e, ERR_FETCH_FAILED, "%s answers with '%.80s'",
		    w->url.host, a.content_type);
	else
		rc = gitproto_end(w->proto, e);
out:
	http_answer_clear(&a);
	buf_clear(&body);
	free(url);
	return rc;
}

int
gitwire_over_http(struct wire *w, struct err *e)
{
	struct http *http;
	int rc = 1;

	if ((http = http_open(NULL, e)) == NULL)
		return -1;
	http_set_guard(http, gitwire_guard, w);
	http_set_ca(http, w->options->ca);
	for (int i = 0; rc == 1 && i <= REDIRECTS_MAX; i++)
		rc = advertisement(w, http, e);
	if (rc == 1)
		rc = err_set(e, ERR_FETCH_FAILED,
		    "%s redirects more than %d times", w->url.host,
		    REDIRECTS_MAX);
	while (rc == 0 && gitproto_step(w->proto) == GITPROTO_ASK)
		rc = exchange(w, http, e);
	http_free(http);
	return rc;
}
