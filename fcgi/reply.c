#include "fcgi/reply.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/json.h"
#include "lib/log.h"

/* Seconds after which it is worth asking again. */
#define RETRY_AFTER 5

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 413, "Content Too Large" },
	{ 416, "Range Not Satisfiable" },
	{ 422, "Unprocessable Content" },
	{ 451, "Unavailable For Legal Reasons" },
	{ 500, "Internal Server Error" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
};

static const char *
reason(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

int
reply_status(enum err_code code)
{
	switch (code) {
	case ERR_INVALID:
		return 400;
	case ERR_UNAUTHORIZED:
		return 401;
	case ERR_DENIED:
	case ERR_ADDRESS:
		return 403;
	case ERR_NOTFOUND:
		return 404;
	case ERR_METHOD:
		return 405;
	case ERR_CONFLICT:
		return 409;
	case ERR_GONE:
		return 410;
	case ERR_TOOBIG:
		return 413;
	case ERR_REPO_NOTFOUND:
	case ERR_REPO_PRIVATE:
	case ERR_REF_NOTFOUND:
	case ERR_DIR_NOTFOUND:
	case ERR_REPO_TOOBIG:
	case ERR_REPO_UNSAFE:
	case ERR_REPO_EMPTY:
	case ERR_SERVER_FRAMEWORK:
	case ERR_NO_PLAN:
	case ERR_ARCHIVE:
		return 422;
	case ERR_REMOTE:
	case ERR_FETCH_FAILED:
		return 502;
	case ERR_UNAVAILABLE:
	case ERR_QUEUE_FULL:
	case ERR_STORE:
	case ERR_CONFIG:
	case ERR_DOCKER:
		return 503;
	case ERR_TIMEOUT:
	case ERR_FETCH_TIMEOUT:
		return 504;
	default: /* the platform's own, and what only builds meet */
		return 500;
	}
}

void
reply_init(struct reply *r, reply_sink *sink, void *arg, bool bodiless)
{
	memset(r, 0, sizeof(*r));
	r->sink = sink;
	r->arg = arg;
	r->bodiless = bodiless;
}

void
reply_clear(struct reply *r)
{
	buf_clear(&r->head);
}

static bool
is_header_value(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

void
reply_header(struct reply *r, const char *name, const char *fmt, ...)
{
	va_list ap;
	char *value;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	assert(n >= 0 && !r->started);
	if (is_header_value(value))
		buf_addf(&r->head, "%s: %s\r\n", name, value);
	free(value);
}

void
reply_forget(struct reply *r)
{
	assert(!r->started);
	buf_reset(&r->head);
}

void
reply_unset(struct reply *r, const char *name)
{
	size_t len = strlen(name);
	char *line = r->head.data, *end;

	assert(!r->started);
	while (r->head.len > 0 && line < r->head.data + r->head.len) {
		end = strchr(line, '\n') + 1;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			memmove(line, end,
			    (size_t)(r->head.data + r->head.len - end) + 1);
			r->head.len -= (size_t)(end - line);
		} else
			line = end;
	}
}

static int
emit(struct reply *r, const void *data, size_t len)
{
	if (!r->gone && r->sink(r->arg, data, len) == -1)
		r->gone = true;
	return r->gone ? -1 : 0;
}

void
reply_start(struct reply *r, int status, const char *type, int64_t length)
{
	struct buf line = BUF_INIT;

	buf_addf(&line, "Status: %d %s\r\n", status, reason(status));
	if (type != NULL)
		reply_header(r, "Content-Type", "%s", type);
	if (length >= 0)
		reply_header(r, "Content-Length", "%lld", (long long)length);
	reply_header(r, "X-Content-Type-Options", "nosniff");
	buf_add(&line, r->head.data, r->head.len);
	buf_adds(&line, "\r\n");
	r->started = true;
	emit(r, line.data, line.len);
	buf_clear(&line);
}

int
reply_data(struct reply *r, const void *data, size_t len)
{
	return r->bodiless ? 0 : emit(r, data, len);
}

void
reply_body(struct reply *r, int status, const char *type, const void *data,
    size_t len)
{
	reply_start(r, status, type, (int64_t)len);
	reply_data(r, data, len);
}

void
reply_json(struct reply *r, int status, const struct json *value)
{
	char *text = json_text(value);

	reply_header(r, "Cache-Control", "no-store");
	reply_body(r, status, "application/json", text, strlen(text));
	free(text);
}

void
reply_not_modified(struct reply *r)
{
	r->bodiless = true;
	reply_start(r, 304, NULL, -1);
}

/* The sentence for the client.  What is wrong inside concerns the operator,
 * who has it in the log. */
static const char *
public_message(const struct err *e)
{
	if (e->code == ERR_CONFIG)
		return "This site is not configured rightly.";
	if (reply_status(e->code) == 500)
		return "Something went wrong inside.";
	return e->msg;
}

void
reply_error(struct reply *r, const struct err *e, const char *id)
{
	struct json *answer = json_new_object();
	int status = reply_status(e->code);

	if (status == 502 || status == 504) /* a peer's fault */
		log_info("%s", e->msg);
	else if (status >= 500)
		log_error("%s", e->msg);
	json_set_bool(answer, "success", false);
	json_set_string(answer, "error", err_name(e->code));
	json_set_string(answer, "message", public_message(e));
	json_set_string(answer, "hint", err_hint(e->code));
	json_set_string(answer, "id", id);
	if (status == 503)
		reply_header(r, "Retry-After", "%d", RETRY_AFTER);
	if (status == 401)
		reply_header(r, "WWW-Authenticate", "Bearer realm=\"davit\"");
	reply_json(r, status, answer);
	json_free(answer);
}

void
reply_method(struct reply *r, const char *allow)
{
	struct err e;

	err_set(&e, ERR_METHOD, "This address answers %s only.", allow);
	reply_header(r, "Allow", "%s", allow);
	reply_error(r, &e, NULL);
}
