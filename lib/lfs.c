#include "lib/lfs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/credentials.h"
#include "lib/digest.h"
#include "lib/err.h"
#include "lib/gitwire.h"
#include "lib/http.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"

/* What servers take in one request. */
#define BATCH_OBJECTS 100
#define BATCH_MAX_BYTES (1024 * 1024)

#define REDIRECTS_MAX 5
#define HEADERS_MAX 16

static const char media_type[] = "application/vnd.git-lfs+json";

/* ---- pointers ---- */

void
lfs_patterns(const char *text, size_t len, struct buf *out)
{
	char *copy = xstrndup(text, len), *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		size_t n;
		const char *attributes;

		line += strspn(line, " \t");
		n = strcspn(line, " \t\r");
		if (n == 0 || strchr("#![\"", line[0]) != NULL)
			continue;
		attributes = line + n;
		if (strstr(attributes, "filter") == NULL)
			continue;
		if (strstr(attributes, "filter=lfs") == NULL)
			buf_addc(out, '!');
		buf_add(out, line, n);
		buf_addc(out, '\n');
	}
	free(copy);
}

static const char *
line_behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at == NULL || at == text || at[-1] != '\n' ? NULL
							  : at + strlen(key);
}

bool
lfs_pointer(const char *text, size_t len, struct lfs_object *o)
{
	static const char version[] =
	    "version https://git-lfs.github.com/spec/v1\n";
	const char *oid, *size;
	char *digits;
	bool ok;

	if (len > LFS_POINTER_MAX_BYTES || strnlen(text, len) != len ||
	    strncmp(text, version, sizeof(version) - 1) != 0 ||
	    (oid = line_behind(text, "oid sha256:")) == NULL ||
	    (size = line_behind(text, "size ")) == NULL ||
	    strspn(oid, "0123456789abcdef") != LFS_OID_DIGITS)
		return false;
	memcpy(o->oid, oid, LFS_OID_DIGITS);
	o->oid[LFS_OID_DIGITS] = '\0';
	digits = xstrndup(size, strcspn(size, "\n"));
	ok = name_to_number(digits, 0, INT64_MAX, &o->size);
	free(digits);
	return ok;
}

void
lfs_clear(struct lfs_object *o)
{
	json_free(o->place);
	o->place = NULL;
}

/* ---- requests ---- */

struct visit {
	const struct gitwire_options *options;
	struct name_url url;	/* of the host that is asked; no query */
	char *text;		/* whole */
};

static bool
guard(void *arg, const struct sockaddr *sa)
{
	const struct visit *v = arg;

	return address_is_public(sa) || address_is_named(
	    v->options->allow_hosts, v->url.host, v->url.port, sa);
}

/* A URL with what name_url() does not take: a query. */
static int
visit_url(struct visit *v, const char *text, struct err *e)
{
	if (name_url(&v->url, text, strcspn(text, "?#"), e) == -1)
		return err_recode(e, ERR_FETCH_FAILED);
	if (strncmp(v->url.scheme, "http", 4) != 0)
		return err_set(e, ERR_FETCH_FAILED, "Git LFS over %s",
		    v->url.scheme);
	free(v->text);
	v->text = xstrdup(text);
	return 0;
}

static int
perform(struct visit *v, struct http_request *r, struct http_answer *a,
    struct err *e)
{
	const struct gitwire_options *o = v->options;
	int64_t left = o->deadline - name_tick_ms();
	struct http *http;
	int rc;

	if (left <= 0)
		return err_set(e, ERR_FETCH_TIMEOUT,
		    "%s does not answer in time", v->url.host);
	if ((http = http_open(NULL, e)) == NULL)
		return -1;
	http_set_guard(http, guard, v);
	http_set_ca(http, o->ca);
	r->url = v->text;
	r->total_ms = (int)left;
	if (o->user != NULL && login_fits(o->scope, &v->url)) {
		r->user = o->user;
		r->secret = o->secret;
	}
	rc = http_perform(http, r, a, e);
	http_free(http);
	if (rc == -1 && e != NULL) {
		err_within(e, "Git LFS at %s", v->url.host);
		if (e->code == ERR_REMOTE || e->code == ERR_NOTFOUND)
			err_recode(e, ERR_FETCH_FAILED);
		else if (e->code == ERR_TIMEOUT)
			err_recode(e, ERR_FETCH_TIMEOUT);
	}
	return rc;
}

/* ---- the batch API ---- */

static char *
batch_request(struct lfs_object *const *objects, size_t n)
{
	struct json *j = json_new_object(), *list = json_new_array();
	struct json *transfers = json_new_array();
	char *text;

	for (size_t i = 0; i < n; i++) {
		struct json *object = json_new_object();

		json_set_string(object, "oid", objects[i]->oid);
		json_set_int(object, "size", objects[i]->size);
		json_append(list, object);
	}
	json_append_string(transfers, "basic");
	json_set_string(j, "operation", "download");
	json_set(j, "transfers", transfers);
	json_set(j, "objects", list);
	text = json_text(j);
	json_free(j);
	return text;
}

static void
take_places(const struct json *answer, struct lfs_object *const *objects,
    size_t n)
{
	const struct json *list = json_get_array(answer, "objects");

	for (size_t k = 0; k < json_count(list); k++) {
		const struct json *o = json_at(list, k);
		const char *oid = json_get_string(o, "oid");
		const struct json *place = json_get_object(
		    json_get_object(o, "actions"), "download");

		if (oid == NULL || json_get_string(place, "href") == NULL)
			continue;
		for (size_t i = 0; i < n; i++)
			if (strcmp(objects[i]->oid, oid) == 0 &&
			    objects[i]->place == NULL)
				objects[i]->place = json_copy(place);
	}
}

static int
batch(struct visit *v, struct lfs_object *const *objects, size_t n,
    struct err *e)
{
	static const char *const headers[] = {
		"Accept: application/vnd.git-lfs+json",
		"Content-Type: application/vnd.git-lfs+json", NULL };
	char *body = batch_request(objects, n);
	struct http_request r = { .method = "POST", .headers = headers,
		.body = body, .body_len = strlen(body),
		.max_bytes = BATCH_MAX_BYTES };
	struct http_answer a = { 0 };
	struct json *answer = NULL;
	int rc = perform(v, &r, &a, e);

	if (rc == 0 && (a.status != 200 || strncmp(a.content_type, media_type,
		    strlen(media_type)) != 0))
		rc = err_set(e, ERR_FETCH_FAILED,
		    "%s has no Git LFS for it (status %ld)", v->url.host,
		    a.status);
	if (rc == 0 && (answer = json_parse_buf(a.body, e)) == NULL)
		rc = err_recode(e, ERR_FETCH_FAILED);
	if (rc == 0)
		take_places(answer, objects, n);
	json_free(answer);
	http_answer_clear(&a);
	free(body);
	return rc;
}

int
lfs_locate(const struct name_url *repository,
    const struct gitwire_options *options, struct lfs_object **objects,
    size_t n, struct err *e)
{
	struct visit v = { .options = options };
	size_t len = strlen(repository->text);
	bool dotted = len > 4 &&
	    strcmp(repository->text + len - 4, ".git") == 0;
	char *url = xasprintf("%s%s/info/lfs/objects/batch", repository->text,
	    dotted ? "" : ".git");
	int rc = visit_url(&v, url, e);

	for (size_t i = 0; rc == 0 && i < n; i += BATCH_OBJECTS)
		rc = batch(&v, objects + i,
		    n - i < BATCH_OBJECTS ? n - i : BATCH_OBJECTS, e);
	free(v.text);
	free(url);
	return rc;
}

/* ---- one object ---- */

struct download {
	const struct lfs_object *object;
	lfs_sink *sink;
	void *arg;
	struct digest *hash;
	int64_t got;
};

static int
take_data(void *arg, const char *data, size_t len, struct err *e)
{
	struct download *d = arg;

	if ((int64_t)len > d->object->size - d->got)
		return err_set(e, ERR_FETCH_FAILED,
		    "a file of Git LFS is larger than its pointer says");
	d->got += (int64_t)len;
	digest_add(d->hash, data, len);
	return d->sink(d->arg, data, len, e);
}

static int
check_whole(struct download *d, struct err *e)
{
	char hex[DIGEST_HEX_BYTES];

	digest_end(d->hash, hex);
	if (d->got == d->object->size && strcmp(hex, d->object->oid) == 0)
		return 0;
	return err_set(e, ERR_FETCH_FAILED,
	    "a file of Git LFS is not what its pointer says");
}

struct header_list {
	char *lines[HEADERS_MAX + 1];
	size_t n;
};

/* "Authorization: …" and the like, as the batch answer wants them sent; none
 * that says what a request is. */
static int
add_header(void *arg, const char *name, const struct json *value)
{
	static const char *const refused[] = { "Host", "Connection",
		"Content-Length", "Transfer-Encoding", "Expect" };
	struct header_list *l = arg;
	const char *text = json_as_string(value);

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (strcasecmp(name, refused[i]) == 0)
			return 0;

	if (text == NULL || l->n == HEADERS_MAX || strpbrk(name, ": \r\n") ||
	    !name_is_text(name, strlen(name)) ||
	    !name_is_text(text, strlen(text)) || strpbrk(text, "\n\t") != NULL)
		return 0;
	l->lines[l->n++] = xasprintf("%s: %s", name, text);
	return 0;
}

/* 1 where it is elsewhere, v is there then. */
static int
visit_once(struct visit *v, struct http_request *r, struct err *e)
{
	struct name_url from = v->url;
	struct http_answer a = { 0 };
	int rc = perform(v, r, &a, e);

	if (rc == 0 && a.status >= 300 && a.status < 400 &&
	    a.location != NULL) {
		rc = visit_url(v, a.location, e) == -1 ? -1 : 1;
		if (rc == 1 && strcmp(from.scheme, "https") == 0 &&
		    strcmp(v->url.scheme, "https") != 0)
			rc = err_set(e, ERR_FETCH_FAILED,
			    "%s redirects from https to http", from.host);
		r->headers = NULL; /* they are for the first alone */
		r->user = r->secret = NULL;
	} else if (rc == 0 && a.status != 200)
		rc = err_set(e, ERR_FETCH_FAILED,
		    "Git LFS at %s answers with status %ld", v->url.host,
		    a.status);
	http_answer_clear(&a);
	return rc;
}


int
lfs_get(const struct lfs_object *o, const struct gitwire_options *options,
    lfs_sink *sink, void *arg, struct err *e)
{
	struct visit v = { .options = options };
	struct download d = { .object = o, .sink = sink, .arg = arg };
	struct header_list headers = { { NULL }, 0 };
	struct http_request r = { .headers =
		    (const char *const *)headers.lines,
		.sink = take_data, .sink_arg = &d, .sink_success = true };
	int rc = 1;

	json_each(json_get_object(o->place, "header"), add_header, &headers);
	d.hash = digest_new();
	if (visit_url(&v, json_get_string(o->place, "href"), e) == -1)
		rc = -1;
	for (int i = 0; rc == 1 && i <= REDIRECTS_MAX; i++)
		rc = visit_once(&v, &r, e);
	if (rc == 1)
		rc = err_set(e, ERR_FETCH_FAILED, "%s redirects without end",
		    v.url.host);
	if (rc == 0)
		rc = check_whole(&d, e);
	digest_free(d.hash);
	while (headers.n > 0)
		free(headers.lines[--headers.n]);
	free(v.text);
	return rc;
}
