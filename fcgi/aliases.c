/* /aliases: names that point at deployments, told and moved. */
#include <stdlib.h>
#include <string.h>

#include "fcgi/access.h"
#include "fcgi/api.h"
#include "fcgi/parts.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "lib/alias.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"

/* What people see of it: where its site is, too. */
static struct json *
view(const struct call *c, const struct alias *a)
{
	const struct conf *conf = c->parts->conf;
	struct json *j = alias_to_json(a);
	char *site = strchr(a->name, '.') == NULL
	    ? conf_site_url(conf, a->name)
	    : xasprintf("%s://%s/", conf->site_scheme, a->name);

	json_set_string(j, "site", site);
	free(site);
	return j;
}

/* ---- GET ---- */

struct list {
	const struct call *call;
	struct json *array;
};

static int
add(void *arg, const struct alias *a)
{
	struct list *l = arg;

	json_append(l->array, view(l->call, a));
	return 0;
}

int
get_aliases(struct call *c, struct err *e)
{
	struct json *answer = json_new_object();
	struct list l = { c, json_new_array() };
	struct store *store = parts_store(c->parts, e);
	int rc = -1;

	json_set(answer, "aliases", l.array);
	if (store != NULL && (rc = alias_each(store, add, &l, e)) == 0)
		reply_json(c->reply, 200, answer);
	json_free(answer);
	return rc;
}

static struct alias *
load(struct call *c, struct store **store, struct err *e)
{
	struct alias *a = NULL;

	if ((*store = parts_store(c->parts, e)) != NULL)
		a = alias_load(*store, c->name, e);
	if (a == NULL && *store != NULL && e->code == ERR_NOTFOUND)
		err_set(e, ERR_NOTFOUND, "There is no alias %s.", c->name);
	return a;
}

static void
reply_alias(struct call *c, const struct alias *a)
{
	struct json *j = view(c, a);

	reply_json(c->reply, 200, j);
	json_free(j);
}

int
get_alias(struct call *c, struct err *e)
{
	struct store *store;
	struct alias *a = load(c, &store, e);

	if (a == NULL)
		return -1;
	reply_alias(c, a);
	alias_free(a);
	return 0;
}

/* ---- PUT ---- */

/* {"id": …} into c->id. */
static int
read_target(struct call *c, struct err *e)
{
	static const char *const known[] = { "id", NULL };
	const struct buf *body = &c->request->body;
	struct json *j = json_parse(body->data, body->len, e);
	const char *id;
	int rc = -1;

	if (j == NULL)
		err_within(e, "body");
	else if (json_only(j, known, e) == 0 &&
	    json_want_string(j, "id", true, ID_LENGTH, &id, e) == 0)
		rc = name_is_id(id, strlen(id), c->id)
		    ? 0
		    : err_set(e, ERR_INVALID, "id: not a deployment's");
	json_free(j);
	return rc;
}

/* The deployment must be the caller's own, and live: it is not deleted while
 * aliases are held. */
static int
check_target(struct call *c, struct err *e)
{
	struct deployment *d = call_record(c, e);
	int rc = -1;

	if (d != NULL &&
	    access_owns(c->parts->access, c->owner, d, e) == 0)
		rc = d->state == STATE_DEPLOYED && d->deleted == 0
		    ? 0
		    : err_set(e, ERR_CONFLICT, "%s is %s, not deployed.",
			  c->id, d->deleted != 0
			      ? "deleted"
			      : deployment_state_name(d->state));
	deployment_free(d);
	return rc;
}

/* A name that looks like an id would hide the deployment of that id, or the
 * other way round. */
static int
check_name(struct call *c, struct err *e)
{
	struct call other = *c;
	struct deployment *d;
	struct err why;

	if (!name_is_id(c->name, strlen(c->name), other.id))
		return 0;
	d = call_record(&other, &why);
	deployment_free(d);
	if (d != NULL)
		return err_set(e, ERR_CONFLICT, "%s is a deployment's id.",
		    c->name);
	if (why.code != ERR_NOTFOUND) {
		*e = why;
		return -1;
	}
	return 0;
}

/* The alias as it is, or a new one. */
static struct alias *
load_or_make(struct call *c, struct err *e)
{
	struct store *store;
	struct alias *a = load(c, &store, e);

	if (a == NULL && store != NULL && e->code == ERR_NOTFOUND &&
	    check_name(c, e) == 0)
		a = alias_new(c->name, c->owner);
	return a;
}

int
put_alias(struct call *c, struct err *e)
{
	struct alias *a = NULL;
	struct store *store;
	int rc = -1, held = -1;

	if (read_target(c, e) == -1 ||
	    (store = parts_store(c->parts, e)) == NULL ||
	    alias_hold(store, &held, e) == -1)
		return -1;
	if (check_target(c, e) == 0 && (a = load_or_make(c, e)) != NULL &&
	    access_owns_alias(c->parts->access, c->owner, a, e) == 0 &&
	    alias_move(store, a, c->id, name_now_ms(), e) == 0) {
		reply_alias(c, a);
		log_info("alias %s, by %s", c->name,
		    c->owner == NULL ? "loopback" : c->owner);
		rc = 0;
	}
	fdio_close(&held);
	alias_free(a);
	return rc;
}

/* ---- DELETE ---- */

int
delete_alias(struct call *c, struct err *e)
{
	struct store *store = parts_store(c->parts, e);
	struct alias *a = NULL;
	int rc = -1, held = -1;

	if (store == NULL || alias_hold(store, &held, e) == -1)
		return -1;
	if ((a = load(c, &store, e)) != NULL &&
	    access_owns_alias(c->parts->access, c->owner, a, e) == 0 &&
	    alias_delete(store, c->name, e) == 0) {
		reply_alias(c, a);
		log_info("alias %s deleted, by %s", c->name,
		    c->owner == NULL ? "loopback" : c->owner);
		rc = 0;
	}
	fdio_close(&held);
	alias_free(a);
	return rc;
}
