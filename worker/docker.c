#include "worker/docker.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "worker/docker_call.h"
#include "worker/watch.h"

/* The API that Debian 12's engine speaks; what davit asks for has not changed
 * since, and newer engines still speak it or something newer. */
#define API_MINOR 41

/* A loaded machine takes its time to create or to remove. */
#define CALL_MS 120000
#define CONNECT_MS 5000

/* After a stop: how long calls may take, and how often it is looked for. */
#define LAST_CALLS_MS 1500
#define LOOK_MS 100

struct docker {
	struct http *http;
	struct watch *watch;	/* NULL: nothing ends a call */
	int64_t give_up;	/* name_tick_ms(); 0: it goes on */
	int minor;
};

/* ---- calls ---- */

static int
refused(const struct http_answer *a, const char *what, struct err *e)
{
	struct json *j = json_parse_buf(a->body, NULL);
	const char *words = json_get_string(j, "message");

	err_set(e, ERR_DOCKER, "%s: the container engine says %ld%s%.*s", what,
	    a->status, words != NULL ? ": " : "", HTTP_QUOTE_MAX_BYTES,
	    words != NULL ? words : "");
	json_free(j);
	return -1;
}

static int
parse_answer(const struct docker_call *c, const struct http_answer *a,
    struct err *e)
{
	if (c->answer == NULL || a->status >= 300)
		return 0;
	*c->answer = json_parse_buf(a->body, e);
	if (*c->answer != NULL)
		return 0;
	err_within(e, "%s: the container engine's answer", c->what);
	return err_recode(e, ERR_DOCKER);
}

/* True where the engine has hung for long enough after a stop. */
static bool
given_up(struct docker *d)
{
	int64_t now = name_tick_ms();

	if (d->watch == NULL || watch_check(d->watch, NULL) == 0)
		d->give_up = 0;
	else if (d->give_up == 0)
		d->give_up = now + LAST_CALLS_MS;
	return d->give_up != 0 && now >= d->give_up;
}

static int
perform(struct docker *d, const struct http_request *r, struct http_answer *a,
    struct err *e)
{
	struct http_call *call = http_start(d->http, r, d);

	while (http_next(d->http, LOOK_MS) == NULL)
		if (given_up(d)) {
			http_cancel(call);
			memset(a, 0, sizeof(*a));
			return err_set(e, ERR_CANCELED,
			    "the build was stopped");
		}
	return http_finish(call, a, e);
}

static char *
versioned(const struct docker *d, const char *path)
{
	return xasprintf("/v1.%d%s", d->minor, path);
}

long
docker_call(struct docker *d, const struct docker_call *c, struct err *e)
{
	static const char *const headers[] = {
		"Content-Type: application/json", NULL
	};
	char *text = c->body == NULL ? NULL : json_text(c->body);
	char *url = versioned(d, c->path);
	struct http_request r = { .method = c->method,
		.url = url,
		.headers = text == NULL ? NULL : headers,
		.body = text,
		.body_len = text == NULL ? 0 : strlen(text),
		.max_bytes = JSON_MAX_BYTES,
		.connect_ms = CONNECT_MS,
		.stall_ms = CALL_MS,
		.total_ms = CALL_MS };
	struct http_answer a;
	struct err why;
	long status = -1;

	if (perform(d, &r, &a, &why) == -1) {
		if (e != NULL)
			*e = why;
		err_within(e, "%s: the container engine does not answer",
		    c->what);
		if (why.code != ERR_CANCELED)
			err_recode(e, ERR_DOCKER);
	} else if (a.status >= 300 && a.status != c->also)
		refused(&a, c->what, e);
	else if (parse_answer(c, &a, e) == 0)
		status = a.status;
	http_answer_clear(&a);
	json_free(c->body);
	free(c->path);
	free(url);
	free(text);
	return status;
}

int
docker_call_stream(struct docker *d, const struct docker_call *c,
    struct buf *early, struct err *e)
{
	char *text = json_text(c->body), *url = versioned(d, c->path);
	int wake = d->watch == NULL ? -1 : watch_fd(d->watch);
	struct err why;
	int fd = http_hijack(d->http, url, text, wake, early, &why);

	if (fd == -1) {
		if (why.code != ERR_CANCELED)
			err_recode(&why, ERR_DOCKER);
		err_within(&why, "%s", c->what);
		if (e != NULL)
			*e = why;
	}
	json_free(c->body);
	free(c->path);
	free(url);
	free(text);
	return fd;
}

/* ---- the engine ---- */

/* "1.45" as 45, or 0. */
static int
minor_of(const char *version)
{
	return version != NULL && strncmp(version, "1.", 2) == 0
	    ? (int)strtol(version + 2, NULL, 10)
	    : 0;
}

static int
ask(struct docker *d, const char *path, struct http_answer *a, struct err *e)
{
	const struct http_request r = { .url = path,
		.max_bytes = JSON_MAX_BYTES,
		.connect_ms = CONNECT_MS,
		.total_ms = CALL_MS };

	if (http_perform(d->http, &r, a, e) == 0)
		return 0;
	err_within(e, "the container engine does not answer");
	return err_recode(e, ERR_DOCKER);
}

/* GET /version needs no version itself, and tells what is spoken. */
static int
choose_version(struct docker *d, struct err *e)
{
	struct http_answer a;
	struct json *j;
	int most, least, rc = ask(d, "/version", &a, e);

	j = rc == 0 ? json_parse_buf(a.body, NULL) : NULL;
	most = minor_of(json_get_string(j, "ApiVersion"));
	least = minor_of(json_get_string(j, "MinAPIVersion"));
	if (rc == 0 && (a.status != 200 || most == 0))
		rc = err_set(e, ERR_DOCKER,
		    "what answers at 'docker' of davit.conf is no container "
		    "engine (status %ld)", a.status);
	d->minor = most < API_MINOR ? most : API_MINOR;
	if (d->minor < least)
		d->minor = least;
	json_free(j);
	http_answer_clear(&a);
	return rc;
}

/* Nearly every engine speaks our version, and says so in a millisecond; for
 * /version it asks all its parts for theirs, which takes seven. */
static int
negotiate(struct docker *d, struct err *e)
{
	char *path = xasprintf("/v1.%d/_ping", API_MINOR);
	struct http_answer a;
	int rc = ask(d, path, &a, e);
	bool spoken = rc == 0 && a.status == 200 &&
	    strcmp(buf_str(a.body), "OK") == 0;

	http_answer_clear(&a);
	free(path);
	d->minor = API_MINOR;
	return rc == -1 || spoken ? rc : choose_version(d, e);
}

struct docker *
docker_open(const char *endpoint, struct err *e)
{
	struct docker *d = xcalloc(1, sizeof(*d));

	if ((d->http = http_open(endpoint, e)) != NULL && negotiate(d, e) == 0)
		return d;
	docker_free(d);
	return NULL;
}

void
docker_set_watch(struct docker *d, struct watch *watch)
{
	d->watch = watch;
}

void
docker_free(struct docker *d)
{
	if (d == NULL)
		return;
	http_free(d->http);
	free(d);
}

static struct json *
network_config(const char *name)
{
	struct json *j = json_new_object(), *options = json_new_object(),
		    *labels = json_new_object();

	json_set_string(options, "com.docker.network.bridge.enable_icc",
	    "false");
	json_set_string(labels, "davit", "1");
	json_set_string(j, "Name", name);
	json_set_string(j, "Driver", "bridge");
	json_set_bool(j, "CheckDuplicate", true);
	json_set(j, "Options", options);
	json_set(j, "Labels", labels);
	return j;
}

int
docker_ensure_network(struct docker *d, const char *name, struct err *e)
{
	struct docker_call look = { .what = "look for the network",
		.method = "GET",
		.also = 404 };
	struct docker_call make = { .what = "make the network",
		.method = "POST",
		.also = 409 }; /* another build was faster */
	long status;

	if (strcmp(name, "bridge") == 0)
		return 0;
	look.path = xasprintf("/networks/%s", name);
	if ((status = docker_call(d, &look, e)) != 404)
		return status == -1 ? -1 : 0;
	make.path = xstrdup("/networks/create");
	make.body = network_config(name);
	status = docker_call(d, &make, e);
	return status == -1 ? -1 : status != 409;
}

/* Ask for what the engine knows by the path.  1: it is there, and *id is its
 * "Id", or else otherwise; 0; -1. */
static int
find(struct docker *d, const char *what, char *path, char **id,
    const char *otherwise, struct err *e)
{
	struct json *answer = NULL;
	struct docker_call c = { .what = what,
		.method = "GET",
		.path = path,
		.answer = &answer,
		.also = 404 };
	long status = docker_call(d, &c, e);

	if (status == -1 || status == 404)
		return status == -1 ? -1 : 0;
	*id = xstrdup_null(json_get_string(answer, "Id"));
	if (*id == NULL)
		*id = xstrdup(otherwise);
	json_free(answer);
	return 1;
}

int
docker_find_network(struct docker *d, const char *name, char **id,
    struct err *e)
{
	return find(d, "look for the network",
	    xasprintf("/networks/%s", name), id, "", e);
}

int
docker_has_image(struct docker *d, const char *image, char **id,
    struct err *e)
{
	return find(d, "look for the image",
	    xasprintf("/images/%s/json", image), id, image, e);
}
