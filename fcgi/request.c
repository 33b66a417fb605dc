#include "fcgi/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"

/* How much of a body over the bound is still read, so that the web server is
 * done writing and passes the answer on; then the connection is closed. */
#define DRAIN_MAX_BYTES (16 * 1024 * 1024)

/* The same for a streamed one: on the machine itself it is a second's work. */
#define DRAIN_STREAM_MAX_BYTES ((int64_t)1024 * 1024 * 1024)

#define READ_STEP (16 * 1024)

static void
read_method(struct request *r)
{
	static const char *const names[] = { [METHOD_GET] = "GET",
		[METHOD_HEAD] = "HEAD", [METHOD_POST] = "POST",
		[METHOD_PUT] = "PUT", [METHOD_DELETE] = "DELETE" };
	const char *name = request_variable(r, "REQUEST_METHOD");

	r->method = METHOD_OTHER;
	for (int i = METHOD_GET; name != NULL && i < METHOD_OTHER; i++)
		if (strcmp(name, names[i]) == 0)
			r->method = (enum request_method)i;
}

static int
cut(struct request *r, struct err *e)
{
	r->gone = true;
	return err_set(e, ERR_INVALID, "the body ended early");
}

static int
read_body(struct request *r, struct err *e)
{
	char data[READ_STEP];
	size_t total = 0;
	ssize_t n;

	while ((n = r->source->body(r->source->arg, data, READ_STEP)) > 0) {
		total += (size_t)n;
		if (total <= BODY_MAX_BYTES)
			buf_add(&r->body, data, (size_t)n);
		if (total > DRAIN_MAX_BYTES)
			break;
	}
	if (n < 0)
		return cut(r, e);
	if (total > BODY_MAX_BYTES)
		return err_set(e, ERR_TOOBIG, "body: over %d bytes",
		    BODY_MAX_BYTES);
	return 0;
}

/* "%2F" would decode to what separates segments, and so change the path. */
static bool
hides_slash(const char *raw)
{
	for (; (raw = strchr(raw, '%')) != NULL; raw++)
		if (strncasecmp(raw, "%2f", 3) == 0)
			return true;
	return false;
}

/* "/", or "/" and a path that name_is_path() takes and perhaps a "/". */
static bool
is_path(const char *path)
{
	char *inner;
	size_t len;
	bool ok;

	if (path[0] != '/')
		return false;
	inner = xstrdup(path + 1);
	len = strlen(inner);
	if (len > 0 && inner[len - 1] == '/')
		inner[len - 1] = '\0';
	ok = len == 0 || name_is_path(inner);
	free(inner);
	return ok;
}

static int
read_path(struct request *r, struct err *e)
{
	const char *uri = request_variable(r, "REQUEST_URI"), *mark;

	if (uri == NULL)
		return err_set(e, ERR_INVALID,
		    "path: missing, or over %d bytes", REQUEST_MAX_VARIABLE);
	if ((mark = strchr(uri, '?')) != NULL)
		r->raw_query = xstrdup(mark + 1);
	r->raw_path = mark == NULL ? xstrdup(uri)
				   : xstrndup(uri, (size_t)(mark - uri));
	r->path = xstrdup(r->raw_path);
	if (hides_slash(r->raw_path))
		return err_set(e, ERR_NOTFOUND, "path: an encoded slash");
	if (strchr(r->path, '#') != NULL || !name_percent_decode(r->path) ||
	    !is_path(r->path))
		return err_set(e, ERR_INVALID,
		    "path: a bad escape, an empty or dotted segment, a "
		    "control byte, or too long");
	return 0;
}

/* Decode a name or value of the query (application/x-www-form-urlencoded). */
static char *
decode_param(const char *text, size_t len, struct err *e)
{
	char *s = xstrndup(text, len);

	for (char *p = s; (p = strchr(p, '+')) != NULL;)
		*p = ' ';
	if (name_percent_decode(s) && name_is_text(s, strlen(s)))
		return s;
	free(s);
	err_set(e, ERR_INVALID, "query: a bad escape or a control byte");
	return NULL;
}

static int
add_param(struct request *r, const char *text, size_t len, struct err *e)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals == NULL ? len : (size_t)(equals - text);
	struct request_param *p = &r->params[r->nparams];

	if (len == 0)
		return 0;
	if (r->nparams == REQUEST_MAX_PARAMS)
		return err_set(e, ERR_INVALID, "query: over %d parameters",
		    REQUEST_MAX_PARAMS);
	if ((p->name = decode_param(text, name_len, e)) == NULL)
		return -1;
	p->value = equals == NULL
	    ? xstrdup("")
	    : decode_param(equals + 1, len - name_len - 1, e);
	if (p->value == NULL) {
		free(p->name);
		return -1;
	}
	r->nparams++;
	return 0;
}

static int
read_params(struct request *r, struct err *e)
{
	const char *p = r->raw_query;

	while (p != NULL) {
		size_t len = strcspn(p, "&");

		if (add_param(r, p, len, e) == -1)
			return -1;
		p = p[len] == '&' ? p + len + 1 : NULL;
	}
	return 0;
}

int
request_init(struct request *r, const struct request_source *source,
    struct err *e)
{
	int rc;

	memset(r, 0, sizeof(*r));
	r->source = source;
	read_method(r);
	rc = read_path(r, e);
	r->streamed = rc == 0 && source->streamed != NULL &&
	    strcmp(r->path, source->streamed) == 0;
	if ((!r->streamed && read_body(r, rc == 0 ? e : NULL) == -1) ||
	    rc == -1)
		return -1;
	return read_params(r, e);
}

ssize_t
request_read(struct request *r, void *data, size_t size, struct err *e)
{
	ssize_t n = r->gone ? -1 : r->source->body(r->source->arg, data, size);

	return n < 0 ? cut(r, e) : n;
}

void
request_drain(struct request *r)
{
	char data[READ_STEP];
	int64_t total = 0;
	ssize_t n;

	while (r->streamed && total < DRAIN_STREAM_MAX_BYTES &&
	    (n = request_read(r, data, sizeof(data), NULL)) > 0)
		total += n;
}

void
request_clear(struct request *r)
{
	free(r->path);
	free(r->raw_path);
	free(r->raw_query);
	for (size_t i = 0; i < r->nparams; i++) {
		free(r->params[i].name);
		free(r->params[i].value);
	}
	if (r->body.len > 0) /* it may hold a token */
		explicit_bzero(r->body.data, r->body.len);
	buf_clear(&r->body);
	memset(r, 0, sizeof(*r));
}

const char *
request_variable(const struct request *r, const char *name)
{
	const char *value = r->source->variable(r->source->arg, name);

	if (value == NULL || value[0] == '\0' ||
	    strnlen(value, REQUEST_MAX_VARIABLE + 1) > REQUEST_MAX_VARIABLE)
		return NULL;
	return value;
}

const char *
request_param(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->nparams; i++)
		if (strcmp(r->params[i].name, name) == 0)
			return r->params[i].value;
	return NULL;
}

int
request_number(const struct request *r, const char *name, int64_t min,
    int64_t max, int64_t *out, struct err *e)
{
	const char *value = request_param(r, name);

	if (value == NULL || name_to_number(value, min, max, out))
		return 0;
	return err_set(e, ERR_INVALID, "%s: a number from %lld to %lld", name,
	    (long long)min, (long long)max);
}

const char *
request_below(const struct request *r, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(r->path, prefix, len) == 0 ? r->path + len : NULL;
}
