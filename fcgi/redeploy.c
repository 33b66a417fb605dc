/*
 * POST /deployments/{id}/redeploy: a new deployment of what an old one was
 * asked for, and of the very source that the store still has of it.
 */
#include <stdlib.h>
#include <string.h>

#include "fcgi/access.h"
#include "fcgi/admit.h"
#include "fcgi/api.h"
#include "fcgi/parts.h"
#include "fcgi/request.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/ingest.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/remains.h"
#include "lib/store.h"

/* The body may give an environment: the old one's was forgotten at its end. */
static int
read_env(const struct request *r, struct deployment *d, struct err *e)
{
	static const char *const known[] = { "env", NULL };
	struct json *body;
	int rc = -1;

	if (r->body.len == 0)
		return 0;
	if ((body = json_parse(r->body.data, r->body.len, e)) == NULL)
		return err_within(e, "body");
	if (json_only(body, known, e) == 0)
		rc = deployment_take_env(d, body, e);
	json_free(body);
	return rc;
}

/* What was asked for, and what the source is. */
static void
copy_request(struct deployment *d, const struct deployment *old)
{
	d->url = xstrdup_null(old->url);
	d->ref = xstrdup_null(old->ref);
	d->dir = xstrdup_null(old->dir);
	d->install = xstrdup_null(old->install);
	d->build = xstrdup_null(old->build);
	d->output = xstrdup_null(old->output);
	d->framework = xstrdup_null(old->framework);
	d->node = xstrdup_null(old->node);
	d->alias = xstrdup_null(old->alias);
	d->no_cache = old->no_cache;
	d->has_ignored_keep = old->has_ignored_keep;
	d->ignored_keep = old->ignored_keep;
	d->commit = xstrdup_null(old->commit);
	d->commit_ref = xstrdup_null(old->commit_ref);
	d->subject = xstrdup_null(old->subject);
	d->ignored = json_copy(old->ignored);
	d->notes = json_copy(old->notes);
	d->source_from = xstrdup(old->id);
	d->source_bytes = old->source_bytes;
	d->source_files = old->source_files;
}

static int
check(const struct deployment *old, struct err *e)
{
	if (!deployment_is_final(old->state))
		return err_set(e, ERR_CONFLICT,
		    "%s is %s: it can be redeployed once it has ended.",
		    old->id, deployment_state_name(old->state));
	if (old->deleted != 0)
		return err_set(e, ERR_GONE,
		    "%s was deleted, and its source with it.", old->id);
	return 0;
}

static int
copy_source(struct store *store, const char *from, struct deployment *d,
    struct err *e)
{
	char *key = ingest_key(from), *copy = ingest_key(d->id);
	struct deployment_times *fetch = &d->stages[STAGE_FETCH];
	int rc;

	fetch->started = name_now_ms();
	rc = store_copy(store, key, copy, e);
	fetch->ended = name_now_ms();
	if (rc == -1 && e->code == ERR_NOTFOUND)
		err_set(e, ERR_GONE,
		    "The source of %s is not kept any more.", from);
	else if (rc == -1)
		remains_drop_source(store, d->id, NULL);
	free(copy);
	free(key);
	return rc;
}

/* From an old record to a new id in the queue. */
static int
redeploy(struct call *c, const struct deployment *old, struct deployment *d,
    struct err *e)
{
	struct store *store;

	if (check(old, e) == -1 || read_env(c->request, d, e) == -1 ||
	    admit_room(c->parts, e) == -1 ||
	    (store = parts_store(c->parts, e)) == NULL)
		return -1;
	copy_request(d, old);
	admit_begin(d, c->owner);
	if (copy_source(store, old->id, d, e) == -1)
		return -1;
	return admit(c->parts, store, d, e);
}

int
post_redeploy(struct call *c, struct err *e)
{
	struct deployment *old = call_record(c, e), *d = NULL;
	int rc = -1;

	if (old == NULL ||
	    access_owns(c->parts->access, c->owner, old, e) == -1)
		goto out;
	d = deployment_new();
	if ((rc = redeploy(c, old, d, e)) == -1)
		goto out;
	admit_answer(c->reply, c->parts->conf, d,
	    d->env != NULL
		? NULL
		: "Variables of its environment are not kept: where it had "
		  "some, redeploy it with \"env\".");
	log_info("queued, of the source of %s", old->id);
out:
	deployment_free(d);
	deployment_free(old);
	return rc;
}
