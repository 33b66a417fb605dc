#include "fcgi/admit.h"

#include <stdlib.h>

#include "fcgi/parts.h"
#include "fcgi/reply.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/ledger.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/queue.h"
#include "lib/remains.h"
#include "lib/store.h"

int
admit_room(struct parts *p, struct err *e)
{
	int64_t length;

	if (queue_check(p->queue, e) == -1 ||
	    queue_length(p->queue, &length, e) == -1)
		return -1;
	if (length >= p->conf->queue_limit)
		return err_set(e, ERR_QUEUE_FULL,
		    "%lld deployments wait already", (long long)length);
	return 0;
}

void
admit_begin(struct deployment *d, const char *owner)
{
	name_new_id(d->id);
	log_scope(d->id);
	d->owner = xstrdup_null(owner);
	d->created = d->updated = name_now_ms();
	d->attempt = 1;
}

/* Take record and source back out of the store: the id was not queued. */
static void
withdraw(struct store *store, const char *id)
{
	struct err e;

	if (ledger_delete(store, id, &e) == -1 ||
	    remains_drop_source(store, id, &e) == -1)
		log_error("its source is left without a deployment: %s",
		    e.msg);
}

/* A connection that breaks after the transaction looks like one that broke
 * before it.  Ask again; as long as nobody can tell, what is in the store
 * stays, for davitd to sweep up or to build. */
static int
enqueue(struct parts *p, struct store *store, const struct deployment *d,
    struct err *e)
{
	struct deployment *stored;
	struct err why = { .code = ERR_NOTFOUND };

	if (queue_submit(p->queue, d, e) == 0)
		return 0;
	if (e->code == ERR_UNAVAILABLE &&
	    (stored = queue_record(p->queue, d->id, &why)) != NULL) {
		deployment_free(stored);
		return 0;
	}
	if (why.code == ERR_NOTFOUND)
		withdraw(store, d->id);
	return -1;
}

int
admit(struct parts *p, struct store *store, struct deployment *d,
    struct err *e)
{
	d->state = STATE_QUEUED;
	if (ledger_put(store, d, e) == -1) {
		withdraw(store, d->id);
		return -1;
	}
	return enqueue(p, store, d, e);
}

void
admit_answer(struct reply *reply, const struct conf *conf,
    const struct deployment *d, const char *note)
{
	struct json *a = json_new_object();
	char *status = xasprintf("/status/%s", d->id);
	char *site = conf_site_url(conf, d->id);

	json_set_bool(a, "success", true);
	json_set_string(a, "id", d->id);
	json_set_string(a, "status", status);
	json_set_string(a, "site", site);
	if (d->url != NULL)
		json_set_string(a, "source",
		    d->source_from == NULL ? "fetched" : "reused");
	json_set_string(a, "note", note);
	reply_json(reply, 200, a);
	json_free(a);
	free(status);
	free(site);
}
