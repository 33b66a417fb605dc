#include "worker/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alias.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/ledger.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/queue.h"
#include "lib/remains.h"
#include "lib/store.h"

/* A younger id is nobody's to judge: it may be on its way in.  A submission
 * takes minutes at most. */
#define YOUNG_MS ((int64_t)60 * 60 * 1000)

/* No part of an upload is as old while it grows: a build takes a day at most
 * (build_time). */
#define PART_MS ((int64_t)48 * 60 * 60 * 1000)

#define DAY_MS ((int64_t)24 * 60 * 60 * 1000)

/* Of a round: a mistake, or a sudden keep_deployments, is seen before it has
 * removed everything. */
#define ROUND_MAX 1000

struct sweep {
	const struct conf *conf;
	struct queue *queue;
	struct store *store;
	int64_t now;
	int left;		/* what this round may still remove */
	char (*named)[ID_LENGTH + 1];	/* what aliases point at */
	size_t nnamed;
	bool may_expire;	/* these are all */
	struct err *e;
};

/* ---- ids and their records ---- */

/* Whatever has another name was made by somebody else. */
static bool
id_of_key(const char *key, const char *prefix, const char *suffix,
    char id[ID_LENGTH + 1])
{
	const char *name = key + strlen(prefix);

	return strncmp(key, prefix, strlen(prefix)) == 0 &&
	    strlen(name) == ID_LENGTH + strlen(suffix) &&
	    strcmp(name + ID_LENGTH, suffix) == 0 &&
	    name_is_id(name, ID_LENGTH, id) &&
	    strncmp(id, name, ID_LENGTH) == 0;
}

/* The record in Redis.  1; 0: it has none, *d is NULL; -1.  One that cannot be
 * read ends no round: Redis knows it, so that nothing of it is strange. */
static int
look_up(struct sweep *s, const char *id, struct deployment **d)
{
	struct err why;

	if ((*d = queue_record(s->queue, id, &why)) != NULL)
		return 1;
	if (why.code == ERR_INVALID)
		log_warn("%s: %s; nothing of it is swept", id, why.msg);
	else if (why.code != ERR_NOTFOUND) {
		*s->e = why;
		return -1;
	}
	return 0;
}

/* 1: there is no record of it anywhere, and its time to get one is over. */
static int
is_strange(struct sweep *s, const char *id, int64_t made)
{
	struct deployment *d;
	int knows;

	if (s->now - made < YOUNG_MS)
		return 0;
	d = ledger_get(s->store, id, s->e);
	if (d != NULL || s->e->code == ERR_INTERNAL) {
		deployment_free(d);
		return 0;
	}
	if (s->e->code != ERR_NOTFOUND)
		return -1;
	knows = queue_knows(s->queue, id, s->e);
	return knows == -1 ? -1 : knows == 0;
}

static bool
is_old(const struct sweep *s, int64_t since, int64_t ms)
{
	return s->now - since >= ms;
}

/* What the store may have of it, by its record. */
static bool
may_be_live(const struct deployment *d)
{
	return !deployment_is_final(d->state) ||
	    (d->state == STATE_DEPLOYED && d->deleted == 0);
}

/* Whoever settles may just be at it. */
static bool
is_settled(const struct sweep *s, const struct deployment *d)
{
	return deployment_is_final(d->state) &&
	    is_old(s, d->deleted != 0 ? d->deleted : d->updated, YOUNG_MS);
}

static int
done(struct sweep *s, int rc, const char *what, const char *id)
{
	if (rc == -1)
		return -1;
	log_info("swept: %s %s", what, id);
	return --s->left > 0 ? 0 : 1;
}

static int
settle_again(struct sweep *s, const char *id)
{
	int rc = queue_settle_again(s->queue, id, s->e);

	return done(s, rc, "it is not gone, and is due again:", id);
}

/* ---- records ---- */

/* Redis may have gone back to an older state of its own: nothing that was
 * accepted is lost by that. */
static int
put_back(struct sweep *s, const char *id)
{
	struct deployment *d = ledger_get(s->store, id, s->e);
	int rc;

	if (d == NULL)
		return s->e->code == ERR_STORE ? -1 : 0;
	rc = queue_restore(s->queue, d, s->e);
	if (rc == 1)
		log_warn("%s had no record in Redis: put back", id);
	deployment_free(d);
	return rc == -1 ? -1 : 0;
}

static void
add_id(struct sweep *s, const char *id)
{
	s->named = xreallocarray(s->named, s->nnamed + 1, sizeof(*s->named));
	memcpy(s->named[s->nnamed++], id, sizeof(*s->named));
}

/* What it points at, and what open pages may still want assets of. */
static int
add_named(void *arg, const struct alias *a)
{
	struct sweep *s = arg;

	add_id(s, a->id);
	for (size_t i = 0; i < a->npast; i++)
		if (!is_old(s, a->past[i].left, s->conf->asset_grace * 1000))
			add_id(s, a->past[i].id);
	return 0;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool
has_expired(const struct sweep *s, const struct deployment *d)
{
	return s->may_expire && d->deleted == 0 &&
	    deployment_is_final(d->state) &&
	    is_old(s, d->updated, s->conf->keep_deployments * DAY_MS) &&
	    (s->nnamed == 0 || bsearch(d->id, s->named, s->nnamed,
				   sizeof(*s->named), by_text) == NULL);
}

/* No alias may have come to point at it since they were listed, or does
 * meanwhile. */
static int
expire(struct sweep *s, const char *id)
{
	char name[ALIAS_MAX_BYTES + 1];
	int held = -1, rc = alias_hold(s->store, &held, s->e);

	if (rc == 0 && (rc = alias_find(s->store, id, name, s->e)) == 0)
		rc = done(s, queue_delete(s->queue, id, true, s->e),
		    "keep_deployments is over for", id);
	else if (rc == 1)
		rc = 0;
	fdio_close(&held);
	return rc;
}

static int
take_record(void *arg, const char *key, const struct store_object *o)
{
	struct sweep *s = arg;
	struct deployment *d;
	char id[ID_LENGTH + 1];
	int rc;

	if (!id_of_key(key, "deployments/", ".json", id))
		return 0;
	if ((rc = look_up(s, id, &d)) == -1)
		return -1;
	if (rc == 0)
		return is_old(s, o->modified_ms, YOUNG_MS) ? put_back(s, id)
							   : 0;
	rc = 0;
	if (has_expired(s, d))
		rc = expire(s, id);
	deployment_free(d);
	return rc;
}

/* ---- objects ---- */

static int
take_source(void *arg, const char *key, const struct store_object *o)
{
	struct sweep *s = arg;
	int64_t keep = s->conf->keep_source * DAY_MS;
	struct deployment *d;
	char id[ID_LENGTH + 1];
	int rc;

	if (!id_of_key(key, "output/", ".tar.zst", id))
		return 0;
	if ((rc = look_up(s, id, &d)) == -1)
		return -1;
	if (rc == 0) {
		if ((rc = is_strange(s, id, o->modified_ms)) == 1)
			rc = done(s, remains_drop_source(s->store, id, s->e),
			    "a source without a record,", id);
		return rc;
	}
	rc = 0;
	if (d->deleted != 0 && is_settled(s, d))
		rc = settle_again(s, id);
	else if (keep > 0 && deployment_is_final(d->state) &&
	    is_old(s, d->updated, keep))
		rc = done(s, remains_drop_source(s->store, id, s->e),
		    "keep_source is over for", id);
	deployment_free(d);
	return rc;
}

static int
take_log(void *arg, const char *key, const struct store_object *o)
{
	struct sweep *s = arg;
	struct deployment *d;
	char id[ID_LENGTH + 1];
	int rc;

	if (!id_of_key(key, "logs/", ".txt", id) &&
	    !id_of_key(key, "logs/", ".times", id))
		return 0;
	if ((rc = look_up(s, id, &d)) == -1)
		return -1;
	if (rc == 0) {
		if ((rc = is_strange(s, id, o->modified_ms)) == 1)
			rc = done(s, remains_drop_log(s->store, id, s->e),
			    "a log without a record,", id);
		return rc;
	}
	rc = d->deleted != 0 && is_settled(s, d) ? settle_again(s, id) : 0;
	deployment_free(d);
	return rc;
}

/* A site that is live and has no record is not ours to judge. */
static int
take_strange_files(struct sweep *s, const char *id, int64_t made)
{
	int rc = is_strange(s, id, made);

	if (rc != 1)
		return rc;
	if ((rc = remains_is_live(s->store, id, s->e)) != 0)
		return rc == -1 ? -1 : 0;
	return done(s, remains_drop_site(s->store, id, s->e),
	    "files without a record,", id);
}

static int
take_files(void *arg, const char *name, const struct store_object *o)
{
	struct sweep *s = arg;
	struct deployment *d;
	char id[ID_LENGTH + 1];
	int rc;

	if (!id_of_key(name, "", "", id))
		return 0;
	if ((rc = look_up(s, id, &d)) == -1)
		return -1;
	if (rc == 0)
		return take_strange_files(s, id, o->modified_ms);
	rc = !may_be_live(d) && is_settled(s, d) ? settle_again(s, id) : 0;
	deployment_free(d);
	return rc;
}

static int
take_manifest(void *arg, const char *key, const struct store_object *o)
{
	struct sweep *s = arg;
	struct deployment *d;
	char id[ID_LENGTH + 1];
	int rc;

	if (!id_of_key(key, "manifests/", ".json", id) &&
	    !id_of_key(key, "manifests/", ".rules", id))
		return 0;
	if ((rc = look_up(s, id, &d)) != 1)
		return rc;
	rc = !may_be_live(d) && is_settled(s, d) ? settle_again(s, id) : 0;
	deployment_free(d);
	return rc;
}

/* store_check() died between writing and deleting it. */
static int
take_probe(void *arg, const char *key, const struct store_object *o)
{
	struct sweep *s = arg;
	char id[ID_LENGTH + 1];

	if (!id_of_key(key, "probe/", "", id) ||
	    !is_old(s, o->modified_ms, YOUNG_MS))
		return 0;
	return done(s, store_delete(s->store, key, s->e), "a probe,", id);
}

/* ---- a round ---- */

/* While one of them can't be read, nobody knows what it points at. */
static void
learn_aliases(struct sweep *s)
{
	if (s->conf->keep_deployments == 0)
		return;
	s->may_expire = alias_each(s->store, add_named, s, s->e) == 0;
	if (!s->may_expire)
		log_warn("%s; keep_deployments waits for it", s->e->msg);
	if (s->nnamed > 0)
		qsort(s->named, s->nnamed, sizeof(*s->named), by_text);
}

/* Records first: what is put back claims what is its own. */
static int
sweep_store(struct sweep *s)
{
	static const struct {
		const char *prefix;
		int (*take)(void *, const char *, const struct store_object *);
	} places[] = { { "deployments/", take_record },
		{ "manifests/", take_manifest }, { "output/", take_source },
		{ "logs/", take_log }, { "probe/", take_probe } };
	int rc;

	learn_aliases(s);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if ((rc = store_list(s->store, places[i].prefix,
			 places[i].take, s, s->e)) != 0)
			return rc;
	return store_list_names(s->store, "dist/", take_files, s, s->e);
}

static int
sweep_records(const struct conf *conf, struct err *e)
{
	struct sweep s = { .conf = conf,
		.now = name_now_ms(),
		.left = ROUND_MAX,
		.e = e };
	int rc = -1;

	if ((s.queue = queue_open(conf, e)) == NULL ||
	    (s.store = store_open(conf, e)) == NULL ||
	    store_sweep(s.store, PART_MS, e) == -1 ||
	    (rc = queue_is_filled(s.queue, e)) != 1)
		goto out;
	rc = sweep_store(&s);
	if (rc == 1)
		log_warn("swept %d: the next round goes on", ROUND_MAX);
out:
	free(s.named);
	store_free(s.store);
	queue_free(s.queue);
	return rc == -1 ? -1 : 0;
}

int
sweep(const struct conf *conf, struct err *e)
{
	struct err first;
	int rc = sweep_records(conf, &first);

	if (rc == -1 && e != NULL)
		*e = first;
	sweep_scratch(conf);
	/* an engine that is away does not make the store's fault unseen */
	if (sweep_containers(conf, rc == -1 ? NULL : e) == -1)
		rc = -1;
	return rc == -1 ? err_within(e, "sweep") : 0;
}
