#include "lib/libs3_wrap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <time.h>

#include <curl/curl.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/s3.h"
#include "lib/s3_place.h"
#include "lib/sigv2.h"

#define CONNECT_MS 10000
#define QUERY_MAX_PAIRS 8
#define ETAG_MAX_BYTES 128
#define V2_DATE_SIZE 32

/* One of libs3's handles: it keeps and reuses some. */
struct shim {
	LIST_ENTRY(shim) link;
	CURL *curl;
	struct libs3_request *request;	/* NULL: none is under way */
	long status;		/* of the last one; 0 before its end */
	bool head_whole, too_big;
	int64_t head_bytes, got;
	char words[CURL_ERROR_SIZE];

	/* as libs3 set them */
	const char *url, *method;
	const struct curl_slist *given;
	curl_write_callback take_header, take_body;
	void *header_arg, *body_arg;

	struct curl_slist *headers;	/* what is sent */
};

/* libs3's names for libcurl's functions, by lib/libs3.syms. */
CURL *libs3_curl_easy_init(void);
void libs3_curl_easy_reset(CURL *);
void libs3_curl_easy_cleanup(CURL *);
CURLcode libs3_curl_easy_setopt(CURL *, CURLoption, ...);
CURLcode libs3_curl_easy_getinfo(CURL *, CURLINFO, ...);
CURLcode libs3_curl_easy_perform(CURL *);
CURLMcode libs3_curl_multi_add_handle(CURLM *, CURL *);
CURLMsg *libs3_curl_multi_info_read(CURLM *, int *);

static LIST_HEAD(, shim) shims = LIST_HEAD_INITIALIZER(shims);
static struct libs3_request *next;

void
libs3_wrap_next(struct libs3_request *r)
{
	next = r;
	if (r == NULL)
		return;
	r->sent = false;
	r->rc = err_set(&r->e, ERR_INTERNAL, "libs3 did not send it");
	r->answer = (struct http_answer){ .body = xcalloc(1,
						  sizeof(struct buf)),
		.head = xcalloc(1, sizeof(struct buf)) };
}

/* ---- handles ---- */

static struct shim *
shim_of(CURL *c)
{
	struct shim *s;

	LIST_FOREACH(s, &shims, link)
		if (s->curl == c)
			return s;
	abort(); /* libs3 has none but from libs3_curl_easy_init() */
}

/* Make the handle ready for the request that is next. */
static void
renew(struct shim *s)
{
	LIST_REMOVE(s, link);
	curl_slist_free_all(s->headers);
	*s = (struct shim){ .curl = s->curl, .method = "GET" };
	LIST_INSERT_HEAD(&shims, s, link);
}

CURL *
libs3_curl_easy_init(void)
{
	CURL *c = curl_easy_init();
	struct shim *s;

	if (c == NULL)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->curl = c;
	s->method = "GET";
	LIST_INSERT_HEAD(&shims, s, link);
	return c;
}

void
libs3_curl_easy_reset(CURL *c)
{
	curl_easy_reset(c);
	renew(shim_of(c));
}

void
libs3_curl_easy_cleanup(CURL *c)
{
	struct shim *s = shim_of(c);

	curl_easy_cleanup(c);
	renew(s);
	LIST_REMOVE(s, link);
	free(s);
}

/* ---- what libs3 asks for ---- */

/* Options that are decided in set_connection(), whatever libs3 thinks. */
static bool
is_ours(CURLoption option)
{
	return option == CURLOPT_SSL_VERIFYPEER ||
	    option == CURLOPT_SSL_VERIFYHOST ||
	    option == CURLOPT_FOLLOWLOCATION ||
	    option == CURLOPT_LOW_SPEED_LIMIT ||
	    option == CURLOPT_LOW_SPEED_TIME ||
	    option == CURLOPT_TIMEOUT_MS || option == CURLOPT_ERRORBUFFER;
}

static CURLcode
pass_option(CURL *c, CURLoption option, va_list ap)
{
	if (option < CURLOPTTYPE_OBJECTPOINT)
		return curl_easy_setopt(c, option, va_arg(ap, long));
	if (option < CURLOPTTYPE_OFF_T)
		return curl_easy_setopt(c, option, va_arg(ap, void *));
	return curl_easy_setopt(c, option, va_arg(ap, curl_off_t));
}

CURLcode
libs3_curl_easy_setopt(CURL *c, CURLoption option, ...)
{
	struct shim *s = shim_of(c);
	CURLcode code = CURLE_OK;
	va_list ap;

	va_start(ap, option);
	if (option == CURLOPT_HEADERFUNCTION)
		s->take_header = va_arg(ap, curl_write_callback);
	else if (option == CURLOPT_HEADERDATA)
		s->header_arg = va_arg(ap, void *);
	else if (option == CURLOPT_WRITEFUNCTION)
		s->take_body = va_arg(ap, curl_write_callback);
	else if (option == CURLOPT_WRITEDATA)
		s->body_arg = va_arg(ap, void *);
	else if (option == CURLOPT_HTTPHEADER)
		s->given = va_arg(ap, const struct curl_slist *);
	else if (option == CURLOPT_URL)
		s->url = va_arg(ap, const char *);
	else if (!is_ours(option))
		code = pass_option(c, option, ap);
	va_end(ap);
	if (option == CURLOPT_NOBODY)
		s->method = "HEAD";
	else if (option == CURLOPT_UPLOAD)
		s->method = "PUT";
	else if (option == CURLOPT_CUSTOMREQUEST)
		s->method = "DELETE"; /* libs3 has no other */
	return code;
}

/* ---- the address ---- */

/* libs3 writes a blank as "+" and a plus as "%2B". */
static bool
decode(char *text)
{
	for (char *at = text; (at = strchr(at, '+')) != NULL;)
		*at = ' ';
	return name_percent_decode(text);
}

static bool
add_query(struct buf *out, char *text)
{
	struct sigv4_pair pairs[QUERY_MAX_PAIRS];
	size_t n = 0;
	char *one;

	while ((one = strsep(&text, "&")) != NULL) {
		char *value = one + strcspn(one, "=");

		if (n == QUERY_MAX_PAIRS)
			return false;
		if (*value != '\0')
			*value++ = '\0';
		if (!decode(one) || !decode(value))
			return false;
		pairs[n++] = (struct sigv4_pair){ one, value };
	}
	sigv4_query(out, pairs, n);
	return true;
}

/* Path and query of libs3's address, encoded as they are signed. */
static bool
read_address(const struct shim *s, struct buf *path, struct buf *query)
{
	const char *origin = s->request->peer->place->origin;
	char *copy, *mark;
	bool good;

	if (s->url == NULL || strncmp(s->url, origin, strlen(origin)) != 0)
		return false;
	copy = xstrdup(s->url + strlen(origin));
	mark = copy + strcspn(copy, "?");
	if (*mark != '\0')
		*mark++ = '\0';
	good = decode(copy) && (*mark == '\0' || add_query(query, mark));
	if (good)
		sigv4_path(path, copy);
	free(copy);
	return good;
}

/* ---- the signature ---- */

static void
add_header(struct shim *s, const char *name, const char *value)
{
	char *line;

	if (value == NULL)
		return;
	line = xasprintf("%s: %s", name, value);
	s->headers = curl_slist_append(s->headers, line);
	s3_place_forget(line);
}

static void
sign_v4(struct shim *s, const char *path, const char *query)
{
	const struct libs3_request *r = s->request;
	const struct s3_place *p = r->peer->place;
	const struct sigv4_keys keys = { p->id, p->secret, p->region, "s3" };
	int64_t now = name_now_ms() / 1000;
	char date[SIGV4_DATE_SIZE];
	struct buf value = BUF_INIT;
	const struct sigv4_pair headers[] = {
		{ "host", p->host },
		{ "x-amz-content-sha256", r->payload },
		{ "x-amz-date", date },
		{ "x-amz-security-token", p->token },
	};
	size_t n = p->token == NULL ? 3 : 4;

	sigv4_date(now, date);
	sigv4_sign(&value, &keys,
	    &(struct sigv4_request){ .method = s->method,
		.path = path,
		.query = query,
		.headers = headers,
		.nheaders = n,
		.payload = r->payload,
		.time = now });
	for (size_t i = 1; i < n; i++)
		add_header(s, headers[i].name, headers[i].value);
	add_header(s, "Authorization", buf_str(&value));
	buf_clear(&value);
}

/* The value of one of libs3's own headers; "" for none. */
static const char *
given_value(const struct shim *s, const char *name)
{
	size_t n = strlen(name);

	for (const struct curl_slist *h = s->given; h != NULL; h = h->next)
		if (strncasecmp(h->data, name, n) == 0 && h->data[n] == ':')
			return h->data + n + 1 + strspn(h->data + n + 1, " ");
	return "";
}

static void
sign_v2(struct shim *s, const char *path)
{
	const struct s3_place *p = s->request->peer->place;
	time_t now = (time_t)(name_now_ms() / 1000);
	size_t in_base = strlen(p->base) - 1;	/* "/bucket" or "" */
	char date[V2_DATE_SIZE] = "";
	struct buf value = BUF_INIT;
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	sigv2_sign(&value, p->id, p->secret,
	    &(struct sigv2_request){ .method = s->method,
		.type = given_value(s, "Content-Type"),
		.date = date,
		.token = p->token,
		.bucket = p->bucket,
		.path = path + in_base });
	add_header(s, "x-amz-date", date);
	add_header(s, "x-amz-security-token", p->token);
	add_header(s, "Authorization", buf_str(&value));
	buf_clear(&value);
}

/* Of libs3's headers those that stand beside a signature and a length. */
static void
keep_headers(struct shim *s)
{
	static const char *const kept[] = { "Content-Type", "If-Match",
		"Range" };

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const char *value = given_value(s, kept[i]);

		if (value[0] != '\0')
			add_header(s, kept[i], value);
	}
	s->headers = curl_slist_append(s->headers, "Expect:");
}

/* ---- the answer ---- */

/* All of the head is ours; libs3 meets one ETag, with the name as it knows it:
 * its room for others is bounded by trust. */
static size_t
take_header(char *line, size_t size, size_t count, void *arg)
{
	static const char etag[] = { 'E', 'T', 'a', 'g', ':' };
	struct shim *s = arg;
	struct buf *head = s->request->answer.head;
	size_t len = size * count;

	s->head_bytes += (int64_t)len;
	if (s->head_bytes > HTTP_HEADERS_MAX_BYTES) {
		s->too_big = true;
		return 0;
	}
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		s->head_whole = false;
		buf_reset(head); /* that was a 100 Continue */
	}
	if (len == 1 || (len == 2 && line[0] == '\r'))
		s->head_whole = true;
	buf_add(head, line, len);
	if (len > sizeof(etag) && len < ETAG_MAX_BYTES &&
	    strncasecmp(line, etag, sizeof(etag)) == 0) {
		char known[ETAG_MAX_BYTES];

		memcpy(known, line, len);
		memcpy(known, etag, sizeof(etag));
		s->take_header(known, 1, len, s->header_arg);
	}
	return len;
}

static long
status_now(const struct shim *s)
{
	long status = 0;

	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* libs3 is shown what it asked for; errors and pages of proxies are ours. */
static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	struct shim *s = arg;
	struct libs3_request *r = s->request;
	size_t len = size * count;
	long status = status_now(s);
	bool success = status >= 200 && status < 300;

	s->got += (int64_t)len;
	if (s->got > r->max_bytes) {
		s->too_big = true;
		return 0;
	}
	if (!success || r->keep_body)
		buf_add(r->answer.body, data, len);
	if (success && strcmp(s->method, "GET") == 0)
		return s->take_body(data, size, count, s->body_arg);
	return len;
}

/* The request has ended: what came of it? */
static void
settle(struct shim *s, CURLcode code)
{
	struct libs3_request *r = s->request;
	struct http_answer *a = &r->answer;

	s->status = a->status = status_now(s);
	a->location = http_header(a, "Location");
	if ((a->content_type = http_header(a, "Content-Type")) == NULL)
		a->content_type = xstrdup("");
	a->untrusted = http_is_untrusted((int)code);
	if (s->too_big)
		r->rc = err_set(&r->e, ERR_TOOBIG, "the answer is too large");
	else if (code != CURLE_OK)
		r->rc = http_explain((int)code, s->words, &r->e);
	else if (!s->head_whole)
		r->rc = err_set(&r->e, ERR_REMOTE, "the answer was cut off");
	else
		r->rc = 0;
	s->request = NULL;
}

/* libs3 asks for the status before it sends the first byte of a body, and
 * keeps what it was told: until the end all is well. */
CURLcode
libs3_curl_easy_getinfo(CURL *c, CURLINFO info, ...)
{
	const struct shim *s = shim_of(c);
	void *out;
	va_list ap;

	va_start(ap, info);
	out = va_arg(ap, void *);
	va_end(ap);
	if (info != CURLINFO_RESPONSE_CODE)
		return curl_easy_getinfo(c, info, out);
	*(long *)out = s->request != NULL && status_now(s) < 200
	    ? 200
	    : status_now(s);
	return CURLE_OK;
}

/* ---- sending ---- */

static void
set_connection(struct shim *s)
{
	const struct libs3_request *r = s->request;
	CURL *c = s->curl;

	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	if (r->peer->ca[0] != '\0')
		curl_easy_setopt(c, CURLOPT_CAINFO, r->peer->ca);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME,
	    (long)(r->peer->stall_ms + 999) / 1000);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
	    (long)s3_patience_ms(r->body_len + r->max_bytes,
		r->peer->stall_ms));
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->words);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
	if (strcmp(s->method, "PUT") == 0)
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE,
		    (curl_off_t)r->body_len);
}

/* libs3 has finished its request: put ours in its place. */
static bool
prepare(struct shim *s)
{
	struct buf path = BUF_INIT, query = BUF_INIT;
	bool good = false;
	char *url;

	s->request = next;
	next = NULL;
	if (s->request == NULL)
		return false;
	if (read_address(s, &path, &query)) {
		keep_headers(s);
		if (s->request->peer->v2)
			sign_v2(s, buf_str(&path));
		else
			sign_v4(s, buf_str(&path), buf_str(&query));
		url = xasprintf("%s%s%s%s", s->request->peer->place->origin,
		    buf_str(&path), query.len == 0 ? "" : "?",
		    buf_str(&query));
		curl_easy_setopt(s->curl, CURLOPT_URL, url);
		curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, s->headers);
		set_connection(s);
		free(url);
		good = s->request->sent = true;
	} else {
		s->request = NULL;
	}
	buf_clear(&path);
	buf_clear(&query);
	return good;
}

CURLcode
libs3_curl_easy_perform(CURL *c)
{
	struct shim *s = shim_of(c);
	CURLcode code;

	if (!prepare(s))
		return CURLE_FAILED_INIT;
	code = curl_easy_perform(c);
	settle(s, code);
	return code;
}

CURLMcode
libs3_curl_multi_add_handle(CURLM *m, CURL *c)
{
	return prepare(shim_of(c)) ? curl_multi_add_handle(m, c)
				   : CURLM_INTERNAL_ERROR;
}

CURLMsg *
libs3_curl_multi_info_read(CURLM *m, int *left)
{
	CURLMsg *msg = curl_multi_info_read(m, left);

	if (msg != NULL && msg->msg == CURLMSG_DONE)
		settle(shim_of(msg->easy_handle), msg->data.result);
	return msg;
}
