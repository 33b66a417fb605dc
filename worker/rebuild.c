#include "worker/rebuild.h"

#include <stdlib.h>
#include <string.h>

#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/queue.h"
#include "lib/store.h"

struct waiting {
	int64_t created;
	char id[ID_LENGTH + 1];
};

struct rebuild {
	struct queue *queue;
	struct store *store;
	struct waiting *waiting;	/* to be queued once all are known */
	size_t nwaiting;
	int64_t count;			/* of records put back */
	struct err *e;
};

/* The record of id, or NULL.  One that cannot be read must not keep all the
 * others away. */
static struct deployment *
read_record(struct rebuild *r, const char *id)
{
	struct deployment *d = ledger_get(r->store, id, r->e);

	if (d == NULL && r->e->code == ERR_INTERNAL)
		log_error("%s; it is left out", r->e->msg);
	return d;
}

static bool
may_be_left_out(const struct err *e)
{
	return e->code == ERR_INTERNAL || e->code == ERR_NOTFOUND;
}

static int
put_back(struct rebuild *r, const struct deployment *d)
{
	int rc = queue_restore(r->queue, d, r->e);

	if (rc == 1)
		r->count++;
	return rc == -1 ? -1 : 0;
}

static int
take(void *arg, const char *id)
{
	struct rebuild *r = arg;
	struct deployment *d = read_record(r, id);
	int rc = 0;

	if (d == NULL)
		return may_be_left_out(r->e) ? 0 : -1;
	if (deployment_is_final(d->state))
		rc = put_back(r, d);
	else {
		r->waiting = xreallocarray(r->waiting, r->nwaiting + 1,
		    sizeof(*r->waiting));
		r->waiting[r->nwaiting].created = d->created;
		memcpy(r->waiting[r->nwaiting++].id, d->id, sizeof(d->id));
	}
	deployment_free(d);
	return rc;
}

static int
by_age(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	return x->created < y->created ? -1 : x->created > y->created;
}

static int
queue_waiting(struct rebuild *r)
{
	int rc = 0;

	if (r->nwaiting > 0)
		qsort(r->waiting, r->nwaiting, sizeof(*r->waiting), by_age);
	for (size_t i = 0; rc == 0 && i < r->nwaiting; i++) {
		/* Once more: it may have ended meanwhile. */
		struct deployment *d = read_record(r, r->waiting[i].id);

		if (d == NULL)
			rc = may_be_left_out(r->e) ? 0 : -1;
		else
			rc = put_back(r, d);
		deployment_free(d);
	}
	return rc;
}

int
rebuild(const struct conf *conf, struct err *e)
{
	struct rebuild r = { .e = e };
	int rc = -1;

	if ((r.queue = queue_open(conf, e)) == NULL ||
	    (r.store = store_open(conf, e)) == NULL ||
	    ledger_each(r.store, take, &r, e) == -1 ||
	    queue_waiting(&r) == -1 || queue_set_filled(r.queue, e) == -1)
		goto out;
	log_info("Redis is filled from the store: %lld records put back, "
		 "%zu of them wait", (long long)r.count, r.nwaiting);
	rc = 0;
out:
	if (rc == -1)
		err_within(e, "fill Redis from the store");
	free(r.waiting);
	store_free(r.store);
	queue_free(r.queue);
	return rc;
}
