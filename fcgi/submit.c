/*
 * submit.fcgi: POST /get/url, POST or PUT /get/tar.  One submission, from the
 * check of its fields to a stored source and a queued id, or to an error and
 * nothing at all.  The number of these processes is the number of submissions
 * at once.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/access.h"
#include "fcgi/admit.h"
#include "fcgi/parts.h"
#include "fcgi/preview.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/responder.h"
#include "lib/alias.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/ingest.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/reuse.h"
#include "lib/store.h"

static const char url_path[] = "/get/url", tar_path[] = "/get/tar";

static bool
is_archive(const struct request *request)
{
	return strcmp(request->path, tar_path) == 0;
}

/* A record of what the query asks for, without an id. */
static struct deployment *
read_query(const struct request *request, struct err *e)
{
	struct json *fields = json_new_object();
	struct deployment *d;

	for (size_t i = 0; i < request->nparams; i++)
		json_set_string(fields, request->params[i].name,
		    request->params[i].value);
	if ((d = deployment_from_archive_request(fields, e)) == NULL)
		err_within(e, "query");
	json_free(fields);
	return d;
}

/* A record of what the body asks for, without an id.  *plan_only is the
 * body where a plan is all that is wanted (owned by the caller), else NULL. */
static struct deployment *
read_body(const struct request *request, struct json **plan_only,
    struct err *e)
{
	struct deployment *d = NULL;
	struct json *body;
	bool only = false;

	if (request->body.len == 0) {
		err_set(e, ERR_INVALID,
		    "body: empty; send {\"url\": \"https://…\"}");
		return NULL;
	}
	body = json_parse(request->body.data, request->body.len, e);
	if (body == NULL) {
		err_within(e, "body");
		return NULL;
	}
	if (json_want_bool(body, "plan_only", &only, e) == 0) {
		if (json_is_object(body))
			json_remove(body, "plan_only");
		d = deployment_from_request(body, e);
	}
	if (d != NULL && only)
		*plan_only = body;
	else
		json_free(body);
	return d;
}

static ssize_t
body_source(void *arg, void *data, size_t size, struct err *e)
{
	return request_read(arg, data, size, e);
}

/* Told before the minute that it takes, where it is plain already: the name,
 * and that it is somebody else's. */
static int
check_alias(struct parts *p, struct store *store, const struct deployment *d,
    const char *owner, struct err *e)
{
	char name[ALIAS_MAX_BYTES + 1];
	struct alias *a;
	struct err why;
	int rc = 0;

	if (d->alias == NULL)
		return 0;
	if (!alias_name(d->alias, strlen(d->alias), p->conf->domain, name))
		return err_set(e, ERR_INVALID,
		    "alias: below %s, the label alone is its name",
		    p->conf->domain);
	if ((a = alias_load(store, name, &why)) != NULL)
		rc = access_owns_alias(p->access, owner, a, e);
	else if (why.code != ERR_NOTFOUND) {
		*e = why;
		rc = -1;
	}
	alias_free(a);
	return rc;
}

/* From a checked request to a stored source and a queued id. */
static int
submit(struct parts *p, struct request *request, struct deployment *d,
    const char *owner, struct err *e)
{
	struct store *store;
	int rc;

	if (admit_room(p, e) == -1 ||
	    (store = parts_store(p, e)) == NULL ||
	    check_alias(p, store, d, owner, e) == -1)
		return -1;
	admit_begin(d, owner);
	rc = is_archive(request)
	    ? ingest_archive(p->conf, store, d, body_source, request, e)
	    : reuse_or_fetch(p->conf, store, p->queue, d, e);
	if (rc == -1 || admit(p, store, d, e) == -1)
		return -1;
	reuse_offer(p->conf, p->queue, d);
	if (d->url == NULL)
		log_info("queued an archive");
	else
		log_info("queued %s %s%s%s", d->url, d->commit,
		    d->source_from == NULL ? "" : ", source of ",
		    d->source_from == NULL ? "" : d->source_from);
	return 0;
}

static int
plan(const struct parts *p, struct deployment *d, const struct json *body,
    struct reply *reply, struct err *e)
{
	struct json *found = preview_plan(p->conf, d, body, e), *a;

	if (found == NULL)
		return -1;
	a = json_new_object();
	json_set_bool(a, "success", true);
	json_set_string(a, "commit", d->commit);
	json_set(a, "plan", found);
	reply_json(reply, 200, a);
	json_free(a);
	return 0;
}

static bool
is_method(const struct request *request)
{
	return request->method == METHOD_POST || /* "curl -T" sends PUT */
	    (request->method == METHOD_PUT && is_archive(request));
}

static void
handle(void *arg, struct request *request, struct reply *reply)
{
	struct parts *p = arg;
	struct deployment *d = NULL;
	struct json *plan_only = NULL;
	const char *owner;
	struct err e;

	if (!is_archive(request) && strcmp(request->path, url_path) != 0) {
		err_set(&e, ERR_NOTFOUND, "There is nothing here.");
		reply_error(reply, &e, NULL);
	} else if (!is_method(request))
		reply_method(reply, is_archive(request) ? "POST, PUT" : "POST");
	else if (access_check(p->access, request, ACCESS_CHANGE, &owner,
		     &e) == -1 ||
	    (d = is_archive(request)
		    ? read_query(request, &e)
		    : read_body(request, &plan_only, &e)) == NULL ||
	    (plan_only != NULL ? plan(p, d, plan_only, reply, &e) == -1
			       : submit(p, request, d, owner, &e) == -1))
		reply_error(reply, &e, NULL);
	else if (plan_only == NULL)
		admit_answer(reply, p->conf, d, NULL);
	json_free(plan_only);
	deployment_free(d);
}

int
main(void)
{
	struct parts parts;
	const struct responder responder = { .handle = handle,
		.arg = &parts, .streamed = tar_path };
	int rc;

	if (responder_init("submit") == -1 || parts_open(&parts) == -1)
		return 1;
	ingest_leave_on(responder_leave_fd());
	rc = responder_run(&responder);
	parts_close(&parts);
	return rc;
}
