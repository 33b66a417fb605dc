#include "lib/reuse.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/digest.h"
#include "lib/err.h"
#include "lib/ingest.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/queue.h"
#include "lib/store.h"

/* ---- what makes two sources the same ---- */

static void
add_text(struct digest *digest, const char *text)
{
	digest_add(digest, text == NULL ? "" : text,
	    text == NULL ? 1 : strlen(text) + 1);
}

static void
add_number(struct digest *digest, int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	add_text(digest, text);
}

/* All that the stored bytes depend on but the commit: also the bounds, since
 * what they refuse now is not to be taken from before, and this program, whose
 * rules may change. */
static void
fingerprint(const struct conf *conf, const struct deployment *d,
    char hex[DIGEST_HEX_BYTES])
{
	struct digest *digest = digest_new();

	add_text(digest, PACKAGE_VERSION);
	add_text(digest, d->owner);
	add_text(digest, d->url);
	add_text(digest, d->ref);
	add_text(digest, d->dir);
	add_number(digest,
	    d->has_ignored_keep ? d->ignored_keep : conf->ignored_keep);
	add_number(digest, conf->source_bytes);
	add_number(digest, conf->source_files);
	add_number(digest, conf->pack_bytes);
	digest_end(digest, hex);
	digest_free(digest);
}

/* ---- using one again ---- */

/* The record whose source it may be, or NULL. */
static struct deployment *
find(const struct conf *conf, struct queue *queue,
    const struct deployment *d)
{
	char hex[DIGEST_HEX_BYTES], id[ID_LENGTH + 1];
	struct deployment *old;

	if (d->no_cache)
		return NULL;
	fingerprint(conf, d, hex);
	if (queue_find_source(queue, hex, id, NULL) != 1 ||
	    (old = queue_record(queue, id, NULL)) == NULL)
		return NULL;
	if (old->commit != NULL)
		return old;
	deployment_free(old);
	return NULL;
}

/* What the next try would not change.  The rest can be a fault of the listing
 * alone. */
static bool
is_final(enum err_code code)
{
	return code == ERR_REPO_PRIVATE || code == ERR_REPO_NOTFOUND ||
	    code == ERR_REF_NOTFOUND || code == ERR_REPO_EMPTY ||
	    code == ERR_ADDRESS || code == ERR_FETCH_TIMEOUT ||
	    code == ERR_UNAVAILABLE;
}

static void
take_over(struct deployment *d, const struct deployment *old)
{
	d->subject = xstrdup_null(old->subject);
	d->ignored = old->ignored == NULL ? NULL : json_copy(old->ignored);
	d->source_bytes = old->source_bytes;
	d->source_files = old->source_files;
	d->source_from = xstrdup(old->id);
	d->reusable = true;
}

/* 1: d has the source of old, 0: it has not, -1: nor can it be fetched. */
static int
copy(const struct conf *conf, struct store *store, struct deployment *d,
    const struct deployment *old, struct err *e)
{
	struct err why = { .code = ERR_NONE };
	char *from, *to;
	int rc;

	if (ingest_resolve(conf, d, &why) == -1) {
		if (!is_final(why.code))
			return 0;
		if (e != NULL)
			*e = why;
		return -1;
	}
	if (strcmp(d->commit, old->commit) != 0)
		return 0;
	from = ingest_key(old->id);
	to = ingest_key(d->id);
	rc = store_copy(store, from, to, &why);
	free(from);
	free(to);
	if (rc == -1 && why.code != ERR_NOTFOUND)
		log_warn("the source of %s is not used again: %s", old->id,
		    why.msg);
	if (rc == -1)
		return 0;
	take_over(d, old);
	return 1;
}

int
reuse_or_fetch(const struct conf *conf, struct store *store,
    struct queue *queue, struct deployment *d, struct err *e)
{
	struct deployment_times *t = &d->stages[STAGE_FETCH];
	struct deployment *old = find(conf, queue, d);
	struct conf rest = *conf;
	int64_t started = name_now_ms();
	int rc = 0;

	if (old != NULL) {
		rc = copy(conf, store, d, old, e);
		deployment_free(old);
		/* fetch_time is for all of it. */
		rest.fetch_time -= (name_now_ms() - started) / 1000;
		if (rest.fetch_time < 1)
			rest.fetch_time = 1;
	}
	if (rc == 0)
		rc = ingest_fetch(&rest, store, d, e);
	t->started = started;
	t->ended = name_now_ms();
	return rc == -1 ? -1 : 0;
}

void
reuse_offer(const struct conf *conf, struct queue *queue,
    const struct deployment *d)
{
	char hex[DIGEST_HEX_BYTES];
	struct err e;

	if (d->url == NULL || !d->reusable)
		return;
	fingerprint(conf, d, hex);
	if (queue_keep_source(queue, hex, d->id, REUSE_MS, &e) == -1)
		log_warn("the source can't be used again: %s", e.msg);
}
