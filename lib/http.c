#include "lib/http.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"

#define CONNECT_MS 10000
#define STALL_MS 60000

/* The headers that answer a request for a raw stream are short. */
#define HIJACK_HEADERS_MAX_BYTES (16 * 1024)
#define HIJACK_MS 30000

struct http {
	CURL *curl;		/* of http_perform() */
	CURLM *multi;		/* of http_start(); made when first used */
	char *unix_path;	/* NULL: URLs */
	char *host;		/* "host:port" of a tcp:// endpoint */
	char *ca;
	http_guard *guard;
	void *guard_arg;
};

/* One request, as libcurl's callbacks see it. */
struct http_call {
	struct http *http;
	CURL *curl;
	struct http_request request;
	struct http_answer answer;
	struct curl_slist *headers;
	void *tag;
	CURLcode code;
	struct err sink_error;
	bool sink_failed, too_big;
	bool refused;		/* the guard said no */
	bool head_whole;	/* libcurl itself takes a cut head for one */
	int64_t got;
	size_t header_bytes;
	char words[CURL_ERROR_SIZE];
};

struct http *
http_open(const char *endpoint, struct err *e)
{
	static bool initialized;
	struct http *h;

	if (!initialized && curl_global_init(CURL_GLOBAL_ALL) != 0) {
		err_set(e, ERR_INTERNAL, "libcurl does not start");
		return NULL;
	}
	initialized = true;
	h = xcalloc(1, sizeof(*h));
	if ((h->curl = curl_easy_init()) == NULL) {
		err_set(e, ERR_INTERNAL, "libcurl gives no handle");
		free(h);
		return NULL;
	}
	if (endpoint != NULL && strncmp(endpoint, "unix:", 5) == 0)
		h->unix_path = xstrdup(endpoint + 5);
	else if (endpoint != NULL && strncmp(endpoint, "tcp://", 6) == 0)
		h->host = xstrdup(endpoint + 6);
	return h;
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	curl_easy_cleanup(h->curl);
	curl_multi_cleanup(h->multi);
	free(h->unix_path);
	free(h->host);
	free(h->ca);
	free(h);
}

void
http_set_guard(struct http *h, http_guard *guard, void *arg)
{
	h->guard = guard;
	h->guard_arg = arg;
}

void
http_set_ca(struct http *h, const char *path)
{
	free(h->ca);
	h->ca = path == NULL || path[0] == '\0' ? NULL : xstrdup(path);
}

/* ---- callbacks ---- */

/* The address is checked here, at the moment it is connected to, so that no
 * second look-up can give another one. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_call *t = arg;
	const struct http *h = t->http;

	if (h->guard != NULL && !h->guard(h->guard_arg, &address->addr)) {
		t->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);
}

/* The value of the header where its name is the wanted one, else NULL. */
static char *
header_value(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	for (line += n + 1, len -= n + 1; len > 0 && *line == ' '; line++)
		len--;
	while (len > 0 && strchr("\r\n ", line[len - 1]) != NULL)
		len--;
	return xstrndup(line, len);
}

static void
keep_header(const char *line, size_t len, const char *name, char **value)
{
	char *found = header_value(line, len, name);

	if (found == NULL)
		return;
	free(*value);
	*value = found;
}

static size_t
take_header(char *line, size_t size, size_t count, void *arg)
{
	struct http_call *t = arg;
	size_t len = size * count;

	t->header_bytes += len;
	if (t->header_bytes > HTTP_HEADERS_MAX_BYTES) {
		t->too_big = true;
		return 0;
	}
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		t->head_whole = false;
		buf_reset(t->answer.head);	/* that was a 100 Continue */
	}
	if (len <= 2 && line[0] != '\0' && strchr("\r\n", line[0]) != NULL)
		t->head_whole = true;
	buf_add(t->answer.head, line, len);
	keep_header(line, len, "Content-Type", &t->answer.content_type);
	keep_header(line, len, "Location", &t->answer.location);
	return len;
}

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_call *t = arg;
	const struct http_request *r = &t->request;
	size_t len = size * count;
	long status = 0;

	t->got += (int64_t)len;
	if (r->max_bytes > 0 && t->got > r->max_bytes) {
		t->too_big = true;
		return 0;
	}
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (r->sink != NULL && (status < (r->sink_success ? 300 : 400) ||
				   r->sink_errors)) {
		if (r->sink(r->sink_arg, data, len, &t->sink_error) == 0)
			return len;
		t->sink_failed = true;
		return 0;
	}
	if (t->answer.body->len + len > JSON_MAX_BYTES) {
		t->too_big = true;
		return 0;
	}
	buf_add(t->answer.body, data, len);
	return len;
}

/* ---- one request ---- */

static struct curl_slist *
header_list(const struct http_request *r)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (const char *const *h = r->headers; h != NULL && *h != NULL; h++)
		list = curl_slist_append(list, *h);
	return list;
}

/* Where it goes: the caller's URL, or a path at the client's endpoint. */
static char *
whole_url(const struct http *h, const char *url)
{
	if (h->unix_path != NULL)
		return xasprintf("http://localhost%s", url);
	if (h->host != NULL)
		return xasprintf("http://%s%s", h->host, url);
	return xstrdup(url);
}

static void
set_connection(struct http_call *t)
{
	const struct http *h = t->http;
	CURL *c = t->curl;

	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "davit/0.1");
	if (h->guard != NULL || h->unix_path != NULL || h->host != NULL)
		curl_easy_setopt(c, CURLOPT_PROXY, "");
	if (h->unix_path != NULL)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, h->unix_path);
	else {
		curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
		curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t);
	}
	if (h->ca != NULL)
		curl_easy_setopt(c, CURLOPT_CAINFO, h->ca);
}

static void
set_request(struct http_call *t, const char *url)
{
	const struct http_request *r = &t->request;
	const char *method = r->method == NULL ? "GET" : r->method;
	int stall = r->stall_ms > 0 ? r->stall_ms : STALL_MS;
	CURL *c = t->curl;

	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	if (r->body != NULL || strcmp(method, "POST") == 0) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS,
		    r->body == NULL ? "" : r->body);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)r->body_len);
	}
	if (r->user != NULL) {
		curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(c, CURLOPT_USERNAME, r->user);
		curl_easy_setopt(c, CURLOPT_PASSWORD, r->secret);
	}
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)(r->connect_ms > 0 ? r->connect_ms : CONNECT_MS));
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME,
	    (long)(stall + 999) / 1000);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)r->total_ms);
}

static void
set_callbacks(struct http_call *t)
{
	CURL *c = t->curl;

	curl_easy_setopt(c, CURLOPT_PRIVATE, t);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->words);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
}

/* Make the call ready to run on its handle. */
static void
call_init(struct http_call *t, struct http *h, CURL *c,
    const struct http_request *r)
{
	char *url = whole_url(h, r->url);

	memset(t, 0, sizeof(*t));
	t->http = h;
	t->curl = c;
	t->request = *r;
	t->headers = header_list(r);
	t->answer.body = xcalloc(1, sizeof(*t->answer.body));
	t->answer.head = xcalloc(1, sizeof(*t->answer.head));
	set_connection(t);
	set_request(t, url);
	set_callbacks(t);
	free(url);
}

int
http_explain(int code, const char *words, struct err *e)
{
	enum err_code own = ERR_REMOTE;

	if (code == CURLE_OPERATION_TIMEDOUT)
		own = ERR_TIMEOUT;
	else if (code == CURLE_COULDNT_RESOLVE_HOST)
		own = ERR_NOTFOUND;
	return err_set(e, own, "%s",
	    words[0] != '\0' ? words : curl_easy_strerror((CURLcode)code));
}

bool
http_is_untrusted(int code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION ||
	    code == CURLE_SSL_CACERT_BADFILE;
}

/* Why no whole answer came, as a code for decisions and a sentence. */
static int
explain(const struct http_call *t, struct err *e)
{
	if (t->sink_failed) {
		if (e != NULL)
			*e = t->sink_error;
		return -1;
	}
	if (t->too_big)
		return err_set(e, ERR_TOOBIG, "the answer is too large");
	if (t->refused)
		return err_set(e, ERR_ADDRESS,
		    "its address is private and not in allow_hosts");
	if (t->code == CURLE_COULDNT_CONNECT && t->http->unix_path != NULL)
		return err_set(e, ERR_REMOTE, "nobody answers on unix:%s",
		    t->http->unix_path);
	return http_explain((int)t->code, t->words, e);
}

/* Hand over the answer of a call that has run. */
static int
call_end(struct http_call *t, struct http_answer *a, struct err *e)
{
	*a = t->answer;
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &a->status);
	curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(t->headers);
	if (a->content_type == NULL)
		a->content_type = xstrdup("");
	a->untrusted = http_is_untrusted((int)t->code);
	if (t->code != CURLE_OK)
		return explain(t, e);
	return t->head_whole
	    ? 0
	    : err_set(e, ERR_REMOTE, "the answer was cut off");
}

int
http_perform(struct http *h, const struct http_request *r,
    struct http_answer *a, struct err *e)
{
	struct http_call t;

	curl_easy_reset(h->curl);
	call_init(&t, h, h->curl, r);
	t.code = curl_easy_perform(h->curl);
	return call_end(&t, a, e);
}

void
http_answer_clear(struct http_answer *a)
{
	if (a->body != NULL)
		buf_clear(a->body);
	if (a->head != NULL)
		buf_clear(a->head);
	free(a->body);
	free(a->head);
	free(a->content_type);
	free(a->location);
	memset(a, 0, sizeof(*a));
}

char *
http_header(const struct http_answer *a, const char *name)
{
	const char *line = a->head == NULL ? NULL : buf_str(a->head);
	char *value = NULL;

	while (line != NULL && *line != '\0' && value == NULL) {
		size_t len = strcspn(line, "\n");

		value = header_value(line, len, name);
		line += line[len] == '\n' ? len + 1 : len;
	}
	return value;
}

/* ---- several at once ---- */

/* Out of memory is all that can go wrong with these handles. */
static void *
handle(void *curl)
{
	if (curl == NULL) {
		log_error("libcurl gives no handle");
		_exit(MEM_EXIT);
	}
	return curl;
}

struct http_call *
http_start(struct http *h, const struct http_request *r, void *tag)
{
	struct http_call *t = xmalloc(sizeof(*t));

	if (h->multi == NULL)
		h->multi = handle(curl_multi_init());
	call_init(t, h, handle(curl_easy_init()), r);
	t->tag = tag;
	if (curl_multi_add_handle(h->multi, t->curl) != CURLM_OK)
		handle(NULL);
	return t;
}

void *
http_next(struct http *h, int wait_ms)
{
	int running = 0, left;

	if (h->multi == NULL)
		return NULL;
	for (int64_t end = name_tick_ms() + wait_ms;;) {
		struct http_call *t;
		CURLMsg *m;
		int64_t wait;

		curl_multi_perform(h->multi, &running);
		if ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE,
			    (char **)&t);
			t->code = m->data.result;
			return t->tag;
		}
		wait = end - name_tick_ms();
		if (wait <= 0 || running == 0)
			return NULL;
		curl_multi_poll(h->multi, NULL, 0, (int)wait, NULL);
	}
}

int
http_finish(struct http_call *t, struct http_answer *a, struct err *e)
{
	int rc = call_end(t, a, e);

	curl_multi_remove_handle(t->http->multi, t->curl);
	curl_easy_cleanup(t->curl);
	free(t);
	return rc;
}

void
http_cancel(struct http_call *t)
{
	struct http_answer ignored;

	t->code = CURLE_ABORTED_BY_CALLBACK;
	http_finish(t, &ignored, NULL);
	http_answer_clear(&ignored);
}

/* ---- raw streams ---- */

/* libcurl opens the connection; what goes over it is ours, since it has no
 * way to hand over a connection after a request of its own. */
static CURL *
connect_only(struct http *h, struct err *e)
{
	CURL *c = curl_easy_init();
	struct http_call t = { .http = h, .curl = c };
	char *url = whole_url(h, "/");
	CURLcode code;

	set_connection(&t);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	code = curl_easy_perform(c);
	free(url);
	if (code == CURLE_OK)
		return c;
	curl_easy_cleanup(c);
	err_set(e, ERR_REMOTE, "%s", curl_easy_strerror(code));
	return NULL;
}

/* Read up to the blank line that ends the headers; what follows stays in
 * early. */
static int
read_headers(int fd, int wake, struct buf *headers, struct buf *early,
    struct err *e)
{
	int64_t end = name_tick_ms() + HIJACK_MS;
	char *blank;

	for (;;) {
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
			{ .fd = wake, .events = POLLIN } };
		int64_t left = end - name_tick_ms();
		ssize_t n;

		if (left <= 0 || poll(p, 2, (int)left) == 0)
			return err_set(e, ERR_TIMEOUT, "no answer");
		if (p[1].revents != 0)
			return err_set(e, ERR_CANCELED, "not waited for");
		if (p[0].revents == 0)
			continue;
		n = read(fd, buf_space(headers, 4096), 4096);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return err_set(e, ERR_REMOTE,
			    "the connection ended before an answer");
		buf_grow(headers, (size_t)n);
		blank = memmem(headers->data, headers->len, "\r\n\r\n", 4);
		if (blank != NULL)
			break;
		if (headers->len > HIJACK_HEADERS_MAX_BYTES)
			return err_set(e, ERR_TOOBIG, "endless headers");
	}
	blank += 4;
	buf_add(early, blank, headers->len - (size_t)(blank - headers->data));
	return 0;
}

/* The status of "HTTP/1.1 200 OK". */
static int
status_of(const struct buf *headers)
{
	const char *space = strchr(buf_str(headers), ' ');

	return strncmp(buf_str(headers), "HTTP/1.", 7) == 0 && space != NULL
	    ? (int)strtol(space + 1, NULL, 10)
	    : 0;
}

int
http_hijack(struct http *h, const char *path, const char *json, int wake,
    struct buf *early, struct err *e)
{
	struct buf request = BUF_INIT, headers = BUF_INIT;
	curl_socket_t s = CURL_SOCKET_BAD;
	CURL *c = NULL;
	int fd = -1, rc = -1, status;

	if ((c = connect_only(h, e)) == NULL)
		goto out;
	curl_easy_getinfo(c, CURLINFO_ACTIVESOCKET, &s);
	if ((fd = fcntl(s, F_DUPFD_CLOEXEC, 3)) == -1) {
		err_errno(e, "dup");
		goto out;
	}
	buf_addf(&request,
	    "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
	    "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: %zu\r\n\r\n"
	    "%s",
	    path, h->host == NULL ? "localhost" : h->host, strlen(json), json);
	if (fdio_write(fd, request.data, request.len, e) == -1 ||
	    read_headers(fd, wake, &headers, early, e) == -1)
		goto out;
	status = status_of(&headers);
	if (status == 101 || status == 200)
		rc = 0;
	else
		err_set(e, status == 404 ? ERR_NOTFOUND : ERR_REMOTE,
		    "status %d: %.*s", status, HTTP_QUOTE_MAX_BYTES,
		    buf_str(early));
out:
	curl_easy_cleanup(c);
	buf_clear(&request);
	buf_clear(&headers);
	if (rc == -1)
		fdio_close(&fd);
	return fd;
}
