#include "lib/remains.h"

#include <stdlib.h>

#include "lib/err.h"
#include "lib/ingest.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/store.h"

/* key is freed. */
static int
drop(struct store *store, char *key, struct err *e)
{
	int rc = store_delete(store, key, e);

	free(key);
	return rc;
}

int
remains_is_live(struct store *store, const char *id, struct err *e)
{
	char *key = manifest_key(id);
	struct store_object o;
	struct err why;
	int rc = store_head(store, key, &o, &why);

	free(key);
	if (rc == 0)
		return 1;
	if (e != NULL)
		*e = why;
	return why.code == ERR_NOTFOUND ? 0 : -1;
}

int
remains_hide_site(struct store *store, const char *id, struct err *e)
{
	if (drop(store, manifest_key(id), e) == -1)
		return -1;
	return drop(store, manifest_rules_key(id), e);
}

int
remains_drop_site(struct store *store, const char *id, struct err *e)
{
	char *files = xasprintf("dist/%s/", id);
	int rc = remains_hide_site(store, id, e);

	if (rc == 0)
		rc = store_delete_all(store, files, e);
	free(files);
	return rc;
}

int
remains_drop_cached(struct store *disk, const char *id, struct err *e)
{
	if (remains_hide_site(disk, id, e) == -1 ||
	    drop(disk, xasprintf("stale/%s.json", id), e) == -1)
		return -1;
	return remains_drop_site(disk, id, e);
}

int
remains_drop_source(struct store *store, const char *id, struct err *e)
{
	return drop(store, ingest_key(id), e);
}

int
remains_drop_log(struct store *store, const char *id, struct err *e)
{
	if (drop(store, remains_log_key(id), e) == -1)
		return -1;
	return drop(store, remains_times_key(id), e);
}

char *
remains_log_key(const char *id)
{
	return xasprintf("logs/%s.txt", id);
}

char *
remains_times_key(const char *id)
{
	return xasprintf("logs/%s.times", id);
}
