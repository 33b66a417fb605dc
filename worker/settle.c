#include "worker/settle.h"

#include <stdlib.h>

#include "lib/alias.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/log.h"
#include "lib/name.h"
#include "lib/queue.h"
#include "lib/remains.h"
#include "lib/store.h"
#include "worker/link.h"

/* How soon what another process has let end or deleted is seen. */
#define LOOK_MS 2000
#define PIECE_BYTES ((size_t)256 * 1024)

/* ---- in the forked process ---- */

/* The log, piece by piece.  1: written; 0: it is not all there any more,
 * since another worker has settled it meanwhile: nothing was written. */
static int
copy_pieces(struct queue *q, const char *id, struct store_writer *w,
    struct err *e)
{
	struct buf piece = BUF_INIT;
	int64_t offset = 0, total = 0, first = -1;
	int rc = -1;

	for (;;) {
		buf_reset(&piece);
		if (queue_log_read(q, id, offset, PIECE_BYTES, &piece, &total,
			e) == -1)
			goto out;
		if (first == -1)
			first = total;
		if (total < first || piece.len == 0)
			break;
		if (store_put_data(w, piece.data, piece.len, e) == -1)
			goto out;
		offset += (int64_t)piece.len;
	}
	rc = offset == first && total == first;
out:
	buf_clear(&piece);
	return rc;
}

/* Before the log: where that is in the store, its times are as well. */
static int
copy_times(struct queue *q, struct store *store, const char *id,
    struct err *e)
{
	char *key = remains_times_key(id);
	struct buf times = BUF_INIT;
	int rc = queue_log_times(q, id, &times, e);

	if (rc == 0 && times.len > 0)
		rc = store_put(store, key, "text/plain; charset=utf-8",
		    times.data, times.len, e);
	buf_clear(&times);
	free(key);
	return rc;
}

static int
copy_log(struct queue *q, struct store *store, const struct deployment *d,
    struct err *e)
{
	char *key = remains_log_key(d->id);
	struct store_writer *w;
	int64_t total;
	int rc = -1, whole;

	if (queue_log_read(q, d->id, 0, 0, NULL, &total, e) == -1)
		goto out;
	if (total == 0 && d->log_bytes > 0) {
		rc = 0; /* in the store already, or lost with Redis */
		goto out;
	}
	if (copy_times(q, store, d->id, e) == -1 ||
	    (w = store_put_open(store, key, "text/plain; charset=utf-8",
		 e)) == NULL)
		goto out;
	if ((whole = copy_pieces(q, d->id, w, e)) == 1)
		rc = store_put_commit(w, STORE_NOW, e);
	else {
		store_put_abort(w);
		rc = whole;
	}
out:
	free(key);
	return rc;
}

/* The manifest first, so that no alias comes to point at it any more; then
 * those that do; then the files, which web servers find by them.  At what was
 * never told to be deployed, only its own alias can point. */
static int
drop_site(struct store *store, const struct deployment *d, struct err *e)
{
	bool named = d->state == STATE_DEPLOYED || d->alias != NULL;

	if (remains_hide_site(store, d->id, e) == -1 ||
	    (named && alias_leave(store, d->id, e) == -1))
		return -1;
	return remains_drop_site(store, d->id, e);
}

/* A site is live if and only if its deployment is "deployed".  The last attempt
 * may have got as far as the manifest and its alias, or left files, and died
 * before it could tell. */
static int
keep(struct queue *q, struct store *store, const struct deployment *d,
    struct err *e)
{
	if ((d->state != STATE_DEPLOYED &&
		drop_site(store, d, e) == -1) ||
	    copy_log(q, store, d, e) == -1)
		return -1;
	return ledger_put(store, d, e);
}

/* The record first: a Redis that has lost everything learns from it what is
 * still to be removed. */
static int
drop(struct store *store, const struct deployment *d, struct err *e)
{
	if (ledger_put(store, d, e) == -1 ||
	    drop_site(store, d, e) == -1 ||
	    remains_drop_source(store, d->id, e) == -1)
		return -1;
	return remains_drop_log(store, d->id, e);
}

static int
settle_one(struct queue *q, struct store *store, const char *id,
    struct err *e)
{
	struct deployment *d = queue_record(q, id, e);
	int rc = -1;

	if (d == NULL) {
		if (e->code != ERR_NOTFOUND && e->code != ERR_INVALID)
			return -1;
		log_error("%s; it is not kept", e->msg);
	} else if (store_revoke(store, id, INT64_MAX, e) == -1 ||
	    (d->deleted != 0 ? drop(store, d, e)
			     : keep(q, store, d, e)) == -1)
		goto out;
	rc = queue_settle_done(q, id, d == NULL ? -1 : d->deleted, e);
out:
	deployment_free(d);
	return rc;
}

static int
settle_all(const struct conf *conf, struct err *e)
{
	struct queue *q = queue_open(conf, e);
	struct store *store = NULL;
	char id[ID_LENGTH + 1];
	int rc = -1;

	if (q == NULL || (store = store_open(conf, e)) == NULL)
		goto out;
	while ((rc = queue_settle_next(q, id, e)) == 1)
		if (settle_one(q, store, id, e) == -1) {
			rc = err_within(e, "settle %s", id);
			break;
		}
out:
	store_free(store);
	queue_free(q);
	return rc;
}

/* ---- in davitd ---- */

void
settle_init(struct settle *s)
{
	errand_init(&s->errand, settle_all);
	s->look_at = 0;
}

void
settle_poke(struct settle *s)
{
	s->look_at = 0;
}

void
settle_service(struct settle *s, const struct conf *conf, struct link *l)
{
	char id[ID_LENGTH + 1];
	struct err e;
	int rc;

	if (errand_reap(&s->errand))
		settle_poke(s);
	if (!errand_may_start(&s->errand) || name_tick_ms() < s->look_at ||
	    !link_ready(l))
		return;
	s->look_at = name_tick_ms() + LOOK_MS;
	rc = queue_settle_next(l->queue, id, &e);
	if (link_heard(l, rc, &e) && rc == 1)
		errand_start(&s->errand, conf);
}

int64_t
settle_due(const struct settle *s)
{
	return errand_due(&s->errand, s->look_at);
}
