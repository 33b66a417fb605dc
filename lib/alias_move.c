/*
 * What aliases point at changes here.  An alias points at what is live, though
 * S3 has no lock that keeps a deployment from being deleted, or from ending
 * otherwise, just then: who moves an alias looks afterwards whether the
 * manifest is there, and who removes a manifest looks afterwards for aliases.
 * One of the two sees the other, and moves the alias back.
 */
#include "lib/alias.h"

#include <stdlib.h>
#include <string.h>

#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/ledger.h"
#include "lib/log.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/remains.h"
#include "lib/store.h"

int
alias_hold(struct store *store, int *held, struct err *e)
{
	return store_lock(store, held, e);
}

/* id: NULL for none. */
static int
set_link(struct store *store, const char *name, const char *id, struct err *e)
{
	char *key = xasprintf("live/%s", name);
	char *prefix = id == NULL ? NULL : xasprintf("dist/%s/", id);
	int rc = store_link(store, key, prefix, e);

	free(prefix);
	free(key);
	return rc;
}

/* Without it web servers ask site.fcgi, which is as right, and slower. */
static void
make_link(struct store *store, const char *name, const char *id)
{
	char *rules = manifest_rules_key(id);
	struct store_object o;
	struct err e;

	if (store_head(store, rules, &o, &e) == -1 &&
	    (e.code != ERR_NOTFOUND || set_link(store, name, id, &e) == -1))
		log_warn("alias %s: no link: %s", name, e.msg);
	free(rules);
}

static int
save(struct store *store, const struct alias *a, struct err *e)
{
	struct json *j = alias_to_json(a);
	char *text = json_text(j), *key = alias_key(a->name);
	int rc = store_put(store, key, "application/json", text,
	    strlen(text), e);

	free(key);
	free(text);
	json_free(j);
	return rc;
}

/* The link never says other than what is stored. */
static int
show(struct store *store, const struct alias *a, struct err *e)
{
	if (set_link(store, a->name, NULL, e) == -1 ||
	    save(store, a, e) == -1)
		return -1;
	make_link(store, a->name, a->id);
	return 0;
}

/* ---- back ---- */

/* To the one before that is still live; where none is, it goes. */
static int
step_back(struct store *store, struct alias *a, struct err *e)
{
	size_t i = 0;
	int live = 0;

	for (; i < a->npast; i++)
		if ((live = remains_is_live(store, a->past[i].id, e)) != 0)
			break;
	if (live == -1)
		return -1;
	if (live == 0)
		return alias_delete(store, a->name, e);
	memcpy(a->id, a->past[i].id, sizeof(a->id));
	a->npast -= i + 1;
	memmove(&a->past[0], &a->past[i + 1], a->npast * sizeof(a->past[0]));
	if (show(store, a, e) == -1)
		return -1;
	log_info("alias %s points at %s again", a->name, a->id);
	return 0;
}

struct leaving {
	struct store *store;
	const char *id;
	struct err *e;
};

static int
leave(void *arg, const struct alias *found)
{
	struct leaving *l = arg;
	struct alias *a;
	int rc;

	if (strcmp(found->id, l->id) != 0)
		return 0;
	if ((a = alias_load(l->store, found->name, l->e)) == NULL)
		return l->e->code == ERR_NOTFOUND ? 0 : -1;
	rc = strcmp(a->id, l->id) == 0 ? step_back(l->store, a, l->e) : 0;
	alias_free(a);
	return rc;
}

int
alias_leave(struct store *store, const char *id, struct err *e)
{
	struct leaving l = { store, id, e };
	int held, rc = alias_hold(store, &held, e);

	if (rc == 0)
		rc = alias_each(store, leave, &l, e);
	fdio_close(&held);
	return rc;
}

/* ---- on ---- */

static void
remember(struct alias *a, const char *id, int64_t now)
{
	if (a->id[0] != '\0' && strcmp(a->id, id) != 0) {
		if (a->npast == ALIAS_MAX_PAST)
			a->npast--;
		memmove(&a->past[1], &a->past[0],
		    a->npast * sizeof(a->past[0]));
		memcpy(a->past[0].id, a->id, sizeof(a->id));
		a->past[0].left = now;
		a->npast++;
	}
	memcpy(a->id, id, sizeof(a->id));
	a->moved = now;
}

static int
must_live(struct store *store, const char *id, struct err *e)
{
	int rc = remains_is_live(store, id, e);

	if (rc == 0)
		err_set(e, ERR_CONFLICT, "%s is not live any more", id);
	return rc == 1 ? 0 : -1;
}

int
alias_move(struct store *store, struct alias *a, const char *id, int64_t now,
    struct err *e)
{
	struct err why;

	remember(a, id, now);
	if (show(store, a, e) == -1)
		return -1;
	if (must_live(store, id, &why) == 0)
		return 0;
	if (why.code == ERR_CONFLICT && step_back(store, a, e) == -1)
		return -1;
	if (e != NULL)
		*e = why;
	return -1;
}

static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* A build may be repeated after its alias was moved, and moved on by hand. */
static bool
was_here(const struct alias *a, const char *id)
{
	for (size_t i = 0; i < a->npast; i++)
		if (strcmp(a->past[i].id, id) == 0)
			return true;
	return false;
}

/* What it points at may be of the same ref, and newer: builds overtake each
 * other. */
static int
check_order(struct store *store, const struct alias *a,
    const struct deployment *d, struct err *e)
{
	struct deployment *there;
	struct err why;
	int rc = 0;

	if (a->id[0] == '\0' || strcmp(a->id, d->id) == 0)
		return 0;
	if (was_here(a, d->id))
		return err_set(e, ERR_CONFLICT, "it was moved on to %s",
		    a->id);
	if ((there = ledger_get(store, a->id, &why)) == NULL) {
		if (why.code != ERR_STORE)
			return 0;
		*e = why;
		return -1;
	}
	if (is_same(there->url, d->url) && is_same(there->ref, d->ref) &&
	    there->created > d->created)
		rc = err_set(e, ERR_CONFLICT, "%s is newer", there->id);
	deployment_free(there);
	return rc;
}

/* A name that looks like an id would hide the deployment of that id. */
static int
check_hides(struct store *store, const char *name, struct err *e)
{
	char id[ID_LENGTH + 1];
	struct deployment *d;
	struct err why;

	if (!name_is_id(name, strlen(name), id))
		return 0;
	if ((d = ledger_get(store, id, &why)) == NULL) {
		if (why.code == ERR_NOTFOUND)
			return 0;
		*e = why;
		return -1;
	}
	deployment_free(d);
	return err_set(e, ERR_CONFLICT, "it is a deployment's id");
}

static int
advance(struct store *store, const struct deployment *d, int64_t now,
    struct err *e)
{
	struct alias *a;
	int rc = -1;

	/* A build may have slept since it was ended elsewhere. */
	if (must_live(store, d->id, e) == -1)
		return -1;
	if ((a = alias_load(store, d->alias, e)) == NULL) {
		if (e->code != ERR_NOTFOUND ||
		    check_hides(store, d->alias, e) == -1)
			return -1;
		a = alias_new(d->alias, d->owner);
	}
	if (!is_same(a->owner, d->owner))
		err_set(e, ERR_DENIED, "it belongs to somebody else");
	else if (check_order(store, a, d, e) == 0)
		rc = alias_move(store, a, d->id, now, e);
	alias_free(a);
	return rc;
}

int
alias_advance(struct store *store, const struct deployment *d, int64_t now,
    struct err *e)
{
	int held, rc = alias_hold(store, &held, e);

	if (rc == 0)
		rc = advance(store, d, now, e);
	fdio_close(&held);
	return rc;
}

int
alias_delete(struct store *store, const char *name, struct err *e)
{
	char *key = alias_key(name);
	int rc = set_link(store, name, NULL, e);

	if (rc == 0)
		rc = store_delete(store, key, e);
	free(key);
	return rc;
}
