/*
 * api.fcgi: what can be asked of and done to deployments that exist.  Each
 * request is cheap, but for those that wait.
 */
#include <stdlib.h>
#include <string.h>

#include "fcgi/access.h"
#include "fcgi/api.h"
#include "fcgi/condition.h"
#include "fcgi/parts.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/responder.h"
#include "fcgi/stamps.h"
#include "lib/alias.h"
#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/ledger.h"
#include "lib/log.h"
#include "lib/name.h"
#include "lib/queue.h"
#include "lib/remains.h"
#include "lib/store.h"

/* A long poll: how long at most (web servers give up after 40 s without a
 * byte), and how often Redis is asked meanwhile. */
#define WAIT_MAX_SECONDS 25
#define WAIT_STEP_MS 200

#define LIST_DEFAULT 20
#define LIST_MAX 100

/* ---- records, wherever they are ---- */

/* The durable copy. */
static struct deployment *
stored_record(struct call *c, struct err *e)
{
	struct store *store = parts_store(c->parts, e);

	return store == NULL ? NULL : ledger_get(store, c->id, e);
}

/* Redis has it, or else the store.  What the store has of one that has not
 * ended is how it began: true where Redis has lost it, but where Redis does not
 * answer, nobody knows.  ERR_NOTFOUND only where both say so. */
static struct deployment *
find_record(struct call *c, struct err *e)
{
	struct deployment *d;
	struct err away;

	if ((d = queue_record(c->parts->queue, c->id, &away)) != NULL)
		return d;
	d = stored_record(c, e);
	if (d != NULL && (away.code == ERR_NOTFOUND ||
			     deployment_is_final(d->state)))
		return d;
	if (d == NULL && e->code != ERR_NOTFOUND)
		return NULL;
	if (away.code != ERR_NOTFOUND)
		*e = away;
	else
		err_set(e, ERR_NOTFOUND, "There is no deployment %s.", c->id);
	deployment_free(d);
	return NULL;
}

struct deployment *
call_record(struct call *c, struct err *e)
{
	return find_record(c, e);
}

/* ---- GET /status/{id} ---- */

/* How long the request wants to wait, as a deadline; and for what. */
static int
read_wait(const struct request *r, int64_t *deadline, struct err *e)
{
	int64_t seconds = 0;

	if (request_number(r, "wait", 0, 3600, &seconds, e) == -1)
		return -1;
	if (seconds > WAIT_MAX_SECONDS)
		seconds = WAIT_MAX_SECONDS;
	*deadline = name_tick_ms() + seconds * 1000;
	return 0;
}

/* True after a pause in which things may have changed. */
static bool
may_wait(int64_t deadline)
{
	return name_tick_ms() < deadline && !responder_pause(WAIT_STEP_MS);
}

/* The record, once its state is no longer the one in "after". */
static struct deployment *
await_record(struct call *c, struct err *e)
{
	const char *after = request_param(c->request, "after");
	enum deployment_state state;
	struct deployment *d;
	int64_t deadline;

	if (read_wait(c->request, &deadline, e) == -1)
		return NULL;
	if (after != NULL && !deployment_state_by_name(after, &state)) {
		err_set(e, ERR_INVALID, "after: not a state");
		return NULL;
	}
	while ((d = find_record(c, e)) != NULL && after != NULL &&
	    d->state == state && !deployment_is_final(state) &&
	    may_wait(deadline))
		deployment_free(d);
	return d;
}

static int
get_status(struct call *c, struct err *e)
{
	char etag[CONDITION_ETAG_SIZE], *text;
	struct deployment *d = await_record(c, e);
	struct json *view;
	int64_t position = 0;

	if (d == NULL)
		return -1;
	if (d->state == STATE_QUEUED &&
	    queue_position(c->parts->queue, c->id, &position, e) == -1)
		position = 0;
	view = deployment_view(d, c->parts->conf, position);
	if (position > 0) {
		char *what = queue_get_waiting_for(c->parts->queue);

		json_set_string(view, "waiting_for", what);
		free(what);
	}
	text = json_text(view);
	condition_etag_of(etag, text, strlen(text));
	if (!deployment_is_final(d->state))
		reply_header(c->reply, "Retry-After", "1");
	reply_header(c->reply, "ETag", "%s", etag);
	reply_header(c->reply, "Cache-Control", "no-cache");
	if (condition_has(request_variable(c->request, "HTTP_IF_NONE_MATCH"),
		etag))
		reply_not_modified(c->reply);
	else
		reply_body(c->reply, 200, "application/json", text,
		    strlen(text));
	free(text);
	json_free(view);
	deployment_free(d);
	return 0;
}

/* ---- GET /log/{id} ---- */

/* A part of the log: what of it is wanted, and what there is. */
struct part {
	int64_t offset;
	size_t max;
	bool stamped;		/* with the time of each line */
	struct buf text;
	int64_t total;		/* of the whole log */
};

/* The part of the log from offset on that the store has. */
static int
stored_log(struct call *c, struct part *p, struct err *e)
{
	struct store *store = parts_store(c->parts, e);
	char *key = remains_log_key(c->id);
	struct store_reader *r = NULL;
	struct store_object o;
	ssize_t n = 0;
	int rc = -1;

	if (store == NULL || store_head(store, key, &o, e) == -1)
		goto out;
	p->total = o.size;
	rc = 0;
	if (p->offset >= o.size)
		goto out;
	if ((r = store_get_open(store, key, p->offset, &o, e)) == NULL) {
		rc = -1;
		goto out;
	}
	while (p->text.len < p->max) {
		size_t step = p->max - p->text.len;

		n = store_get_data(r, buf_space(&p->text, step), step, e);
		if (n <= 0)
			break;
		buf_grow(&p->text, (size_t)n);
	}
	rc = n == -1 ? -1 : 0;
out:
	store_get_close(r);
	free(key);
	return rc;
}

/* The log moves from Redis to the store, and is in the store before it is
 * gone from Redis: so the store is asked last. */
static int
read_log(struct call *c, struct part *p, struct err *e)
{
	struct err away;
	bool answered;

	p->total = 0;
	answered = queue_log_read(c->parts->queue, c->id, p->offset, p->max,
		       &p->text, &p->total, &away) == 0;
	if (answered && p->total > 0)
		return 0;
	if (stored_log(c, p, e) == 0)
		return 0;
	if (e->code != ERR_NOTFOUND)
		return -1;
	if (!answered)
		*e = away;
	return answered ? 0 : -1;
}

/* As read_log().  Where the times are missing, the log is worth having all the
 * same. */
static void
read_times(struct call *c, struct buf *index)
{
	char *key = remains_times_key(c->id);
	struct store *store;

	if ((queue_log_times(c->parts->queue, c->id, index, NULL) == -1 ||
		index->len == 0) &&
	    (store = parts_store(c->parts, NULL)) != NULL)
		store_get(store, key, 2 * LOG_TIMES_MAX_BYTES, index, NULL);
	free(key);
}

/* offset: where the answer begins; the byte before it has been read too. */
static void
stamp(struct call *c, struct part *p, int64_t offset)
{
	struct buf index = BUF_INIT, text = p->text;
	size_t skip = offset > p->offset && text.len > 0;

	read_times(c, &index);
	p->text = (struct buf)BUF_INIT;
	if (text.len > skip)
		stamps_add(buf_str(&index), text.data + skip, text.len - skip,
		    offset, skip == 0 ? '\n' : text.data[0], &p->text);
	buf_clear(&index);
	buf_clear(&text);
}

static void
reply_log(struct call *c, const struct part *p, int64_t next, bool final)
{
	reply_header(c->reply, "X-Log-Offset", "%lld", (long long)next);
	reply_header(c->reply, "X-Log-Complete", "%d",
	    final && next >= p->total);
	reply_header(c->reply, "Cache-Control", "no-store");
	reply_body(c->reply, 200, "text/plain; charset=utf-8",
	    buf_str(&p->text), p->text.len);
}

/* What was asked for; where times are, so is the byte before the part. */
static int
read_log_query(struct call *c, int64_t *offset, struct part *p,
    int64_t *deadline, struct err *e)
{
	int64_t stamped = 0;

	if (request_number(c->request, "offset", 0, INT64_MAX, offset, e) ==
		-1 ||
	    request_number(c->request, "timestamps", 0, 1, &stamped, e) ==
		-1 ||
	    read_wait(c->request, deadline, e) == -1)
		return -1;
	p->stamped = stamped == 1;
	p->max = p->stamped ? LOG_STAMPED_MAX_BYTES : LOG_ANSWER_MAX_BYTES;
	p->offset = *offset - (p->stamped && *offset > 0);
	return 0;
}

static int
get_log(struct call *c, struct err *e)
{
	struct part p = { .text = BUF_INIT };
	int64_t offset = 0, next = 0, deadline;
	bool final;
	int rc;

	if (read_log_query(c, &offset, &p, &deadline, e) == -1)
		return -1;
	do {
		/* The record first: after a final one no line follows. */
		struct deployment *d = find_record(c, e);

		if (d == NULL)
			return -1;
		final = deployment_is_final(d->state);
		rc = d->deleted == 0 ? 0
				     : err_set(e, ERR_GONE,
					   "%s was deleted, and its log with "
					   "it.", c->id);
		deployment_free(d);
		buf_reset(&p.text);
		if (rc == 0)
			rc = read_log(c, &p, e);
		next = p.offset > p.total ? p.total
					  : p.offset + (int64_t)p.text.len;
	} while (rc == 0 && next <= offset && !final && may_wait(deadline));
	if (rc == 0 && p.stamped)
		stamp(c, &p, offset);
	if (rc == 0)
		reply_log(c, &p, next, final);
	buf_clear(&p.text);
	return rc;
}

/* ---- /deployments ---- */

struct list {
	const struct conf *conf;
	struct json *array;
	int64_t last;
};

static int
add_to_list(void *arg, const struct deployment *d)
{
	struct list *l = arg;

	json_append(l->array, deployment_view(d, l->conf, 0));
	l->last = d->created;
	return 0;
}

static int
get_deployments(struct call *c, struct err *e)
{
	struct list l = { c->parts->conf, json_new_array(), 0 };
	struct json *answer = json_new_object();
	int64_t limit = LIST_DEFAULT, before = 0;
	int rc = -1;

	json_set(answer, "deployments", l.array);
	if (request_number(c->request, "limit", 1, LIST_MAX, &limit, e) ==
		-1 ||
	    request_number(c->request, "before", 1, INT64_MAX, &before, e) ==
		-1 ||
	    queue_list(c->parts->queue, before, (int)limit, add_to_list, &l,
		e) == -1)
		goto out;
	if (json_count(l.array) == (size_t)limit)
		json_set_int(answer, "before", l.last); /* of the next page */
	reply_json(c->reply, 200, answer);
	rc = 0;
out:
	json_free(answer);
	return rc;
}

static int
post_cancel(struct call *c, struct err *e)
{
	struct deployment *d = find_record(c, e);
	struct json *answer;
	int rc = -1;

	if (d == NULL || access_owns(c->parts->access, c->owner, d, e) == -1)
		goto out;
	if (deployment_is_final(d->state)) {
		err_set(e, ERR_CONFLICT, "%s has ended: it is %s.", c->id,
		    deployment_state_name(d->state));
		goto out;
	}
	if ((rc = queue_cancel(c->parts->queue, c->id, e)) == -1)
		goto out;
	answer = json_new_object();
	json_set_bool(answer, "success", true);
	json_set_string(answer, "id", c->id);
	/* One that is being built is, once its worker has seen the mark. */
	json_set_bool(answer, "canceled", rc == 1);
	reply_json(c->reply, 200, answer);
	json_free(answer);
	log_info("cancel, by %s", c->owner == NULL ? "loopback" : c->owner);
	rc = 0;
out:
	deployment_free(d);
	return rc;
}

/* ---- GET /healthz, GET / ---- */

static int
get_health(struct call *c, struct err *e)
{
	struct json *answer = json_new_object();
	const char *state = "ok";
	struct store *store;
	bool redis, objects;

	redis = queue_check(c->parts->queue, e) == 0;
	if (!redis)
		log_error("health: redis: %s", e->msg);
	store = parts_store(c->parts, e);
	objects = store != NULL && store_check(store, e) == 0;
	if (!objects) {
		log_error("health: store: %s", e->msg);
		/* "the store can't be written", and not what else is said */
		e->msg[strcspn(e->msg, ":")] = '\0';
		state = store == NULL ? "can't be opened" : e->msg;
	}
	json_set_string(answer, "redis", redis ? "ok" : "does not answer");
	json_set_string(answer, "store", state);
	if (!redis || !objects)
		reply_header(c->reply, "Retry-After", "5");
	reply_json(c->reply, redis && objects ? 200 : 503, answer);
	json_free(answer);
	return 0;
}

static int
get_root(struct call *c, struct err *e)
{
	static const char text[] =
	    "davit: from a repository's URL to a live site.\n"
	    "\n"
	    "POST /get/url              {\"url\": \"https://…\"}\n"
	    "POST /get/tar              an archive\n"
	    "GET  /status/{id}          where it stands\n"
	    "GET  /log/{id}?offset=N    what its build says\n"
	    "GET  /deployments          the newest ones\n"
	    "POST /deployments/{id}/cancel\n"
	    "POST /deployments/{id}/redeploy\n"
	    "DELETE /deployments/{id}\n"
	    "PUT  /aliases/{name}       {\"id\": \"…\"}; GET and DELETE\n"
	    "GET  /healthz\n";

	reply_body(c->reply, 200, "text/plain; charset=utf-8", text,
	    sizeof(text) - 1);
	return 0;
}

/* ---- routes ---- */

/* As route.after: what comes before is followed by an alias, not an id. */
static const char by_alias[] = "";

static const struct route {
	const char *before;	/* the path, or what comes before the id */
	const char *after;	/* the id; NULL: there is none */
	enum request_method method;
	bool open;		/* to everybody */
	enum access_need need;
	int (*handle)(struct call *, struct err *);
} routes[] = {
	{ "/", NULL, METHOD_GET, true, ACCESS_READ, get_root },
	{ "/healthz", NULL, METHOD_GET, true, ACCESS_READ, get_health },
	{ "/status/", "", METHOD_GET, false, ACCESS_STATUS, get_status },
	{ "/log/", "", METHOD_GET, false, ACCESS_STATUS, get_log },
	{ "/deployments", NULL, METHOD_GET, false, ACCESS_READ,
	    get_deployments },
	{ "/deployments/", "/cancel", METHOD_POST, false, ACCESS_CHANGE,
	    post_cancel },
	{ "/deployments/", "/redeploy", METHOD_POST, false, ACCESS_CHANGE,
	    post_redeploy },
	{ "/deployments/", "", METHOD_DELETE, false, ACCESS_CHANGE,
	    delete_deployment },
	{ "/aliases", NULL, METHOD_GET, false, ACCESS_READ, get_aliases },
	{ "/aliases/", by_alias, METHOD_GET, false, ACCESS_READ, get_alias },
	{ "/aliases/", by_alias, METHOD_PUT, false, ACCESS_CHANGE, put_alias },
	{ "/aliases/", by_alias, METHOD_DELETE, false, ACCESS_CHANGE,
	    delete_alias },
};

static bool
matches(const struct route *route, const char *path, struct call *c)
{
	size_t before = strlen(route->before), len = strlen(path), after;

	if (route->after == NULL)
		return strcmp(path, route->before) == 0;
	if (route->after == by_alias)
		return len > before &&
		    strncmp(path, route->before, before) == 0 &&
		    alias_name(path + before, len - before,
			c->parts->conf->domain, c->name);
	after = strlen(route->after);
	return len == before + ID_LENGTH + after &&
	    strncmp(path, route->before, before) == 0 &&
	    strcmp(path + len - after, route->after) == 0 &&
	    name_is_id(path + before, ID_LENGTH, c->id);
}

static bool
allows(const struct route *route, enum request_method method)
{
	return method == route->method ||
	    (method == METHOD_HEAD && route->method == METHOD_GET);
}

/* The route of path and method; else one of path alone, and in allow the
 * methods that there are. */
static const struct route *
find_route(struct call *c, struct buf *allow)
{
	static const char *const names[] = { [METHOD_GET] = "GET, HEAD",
		[METHOD_POST] = "POST", [METHOD_PUT] = "PUT",
		[METHOD_DELETE] = "DELETE" };
	const struct route *found = NULL;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!matches(&routes[i], c->request->path, c))
			continue;
		found = &routes[i];
		if (allows(found, c->request->method))
			return found;
		buf_addf(allow, "%s%s", allow->len > 0 ? ", " : "",
		    names[found->method]);
	}
	return found;
}

static void
handle(void *arg, struct request *request, struct reply *reply)
{
	struct call c = { .parts = arg, .request = request, .reply = reply };
	struct buf allow = BUF_INIT;
	const struct route *route = find_route(&c, &allow);
	struct err e;

	if (route == NULL) {
		err_set(&e, ERR_NOTFOUND, "There is nothing here.");
		reply_error(reply, &e, NULL);
		return;
	}
	if (!allows(route, request->method)) {
		reply_method(reply, buf_str(&allow));
		buf_clear(&allow);
		return;
	}
	buf_clear(&allow);
	log_scope(c.id);
	if ((!route->open &&
		access_check(c.parts->access, request, route->need, &c.owner,
		    &e) == -1) ||
	    route->handle(&c, &e) == -1)
		reply_error(reply, &e, c.id[0] == '\0' ? NULL : c.id);
}

int
main(void)
{
	struct parts parts;
	const struct responder responder = { .handle = handle,
		.arg = &parts };
	int rc;

	if (responder_init("api") == -1 || parts_open(&parts) == -1)
		return 1;
	rc = responder_run(&responder);
	parts_close(&parts);
	return rc;
}
