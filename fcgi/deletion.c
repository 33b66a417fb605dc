/*
 * DELETE /deployments/{id}: the site is gone when this answers.  Files, source
 * and log follow: davitd removes them, also where this process dies half-way,
 * for the mark in Redis comes first.  The record stays, and says when.
 */
#include <stdlib.h>

#include "fcgi/access.h"
#include "fcgi/api.h"
#include "fcgi/parts.h"
#include "fcgi/reply.h"
#include "lib/alias.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/ledger.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/queue.h"
#include "lib/remains.h"
#include "lib/store.h"

static int
check(struct call *c, const struct deployment *d, struct store *store,
    struct err *e)
{
	char name[ALIAS_MAX_BYTES + 1];
	int rc;

	if (!deployment_is_final(d->state))
		return err_set(e, ERR_CONFLICT,
		    "%s is %s: cancel it first, POST /deployments/%s/cancel.",
		    c->id, deployment_state_name(d->state), c->id);
	if ((rc = alias_find(store, c->id, name, e)) == 1)
		return err_set(e, ERR_CONFLICT,
		    "The alias %s points at %s: move or delete it first.",
		    name, c->id);
	return rc;
}

/* ---- deleting ---- */

/* A Redis that has lost the record gets it back from the store's. */
static int
mark(struct call *c, const struct deployment *d, struct err *e)
{
	struct queue *q = c->parts->queue;

	if (queue_delete(q, c->id, false, e) == 0)
		return 0;
	if (e->code != ERR_NOTFOUND || queue_restore(q, d, e) == -1)
		return -1;
	return queue_delete(q, c->id, false, e);
}

/* From the web server's own disk at once.  Other machines learn of it when they
 * ask the store, after site_cache_age. */
static void
uncache(const struct conf *conf, const char *id)
{
	struct store *disk = NULL;
	struct err e;
	char *value;

	if (conf->site_cache == NULL)
		return;
	value = xasprintf("dir %s", conf->site_cache);
	if ((disk = store_open_as(conf, value, &e)) == NULL ||
	    remains_drop_cached(disk, id, &e) == -1)
		log_warn("site_cache: %s: gone after site_cache_age", e.msg);
	store_free(disk);
	free(value);
}

/* As it is marked now.  NULL on failure. */
static struct deployment *
bury(struct call *c, const struct deployment *d, struct store *store,
    struct err *e)
{
	struct deployment *now = NULL;

	if (mark(c, d, e) == -1 ||
	    (now = queue_record(c->parts->queue, c->id, e)) == NULL)
		return NULL;
	if (ledger_put(store, now, e) == 0 &&
	    remains_hide_site(store, c->id, e) == 0) {
		uncache(c->parts->conf, c->id);
		return now;
	}
	deployment_free(now);
	return NULL;
}

int
delete_deployment(struct call *c, struct err *e)
{
	struct deployment *d = call_record(c, e), *now = NULL;
	struct store *store = NULL;
	struct json *answer;
	int rc = -1, held = -1;

	/* No alias comes to point at it meanwhile. */
	if (d == NULL ||
	    access_owns(c->parts->access, c->owner, d, e) == -1 ||
	    (store = parts_store(c->parts, e)) == NULL ||
	    alias_hold(store, &held, e) == -1 ||
	    check(c, d, store, e) == -1 ||
	    (now = bury(c, d, store, e)) == NULL)
		goto out;
	answer = json_new_object();
	json_set_bool(answer, "success", true);
	json_set_string(answer, "id", c->id);
	json_set_int(answer, "deleted", now->deleted);
	reply_json(c->reply, 200, answer);
	json_free(answer);
	log_info("deleted, by %s", c->owner == NULL ? "loopback" : c->owner);
	rc = 0;
out:
	fdio_close(&held);
	deployment_free(now);
	deployment_free(d);
	return rc;
}
