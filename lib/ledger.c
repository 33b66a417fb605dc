#include "lib/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"

#define PREFIX "deployments/"
#define SUFFIX ".json"

static char *
key_of(const char *id)
{
	return xasprintf(PREFIX "%s" SUFFIX, id);
}

int
ledger_put(struct store *store, const struct deployment *d, struct err *e)
{
	struct json *j = deployment_to_json(d);
	char *key = key_of(d->id), *text;
	int rc;

	if (d->env != NULL && !deployment_is_final(d->state))
		json_set(j, "env", json_copy(d->env));
	text = json_text(j);
	rc = store_put(store, key, "application/json", text, strlen(text), e);
	free(text);
	free(key);
	json_free(j);
	return rc;
}

/* What is stored, as it is; json_free() it. */
static struct json *
read_record(struct store *store, const char *id, struct err *e)
{
	struct buf text = BUF_INIT;
	struct json *j = NULL;
	char *key = key_of(id);

	if (store_get(store, key, JSON_MAX_BYTES, &text, e) == 0)
		j = json_parse_buf(&text, e);
	buf_clear(&text);
	free(key);
	return j;
}

struct deployment *
ledger_get(struct store *store, const char *id, struct err *e)
{
	struct err why;
	struct json *j = read_record(store, id, &why);
	struct deployment *d = j == NULL ? NULL
					 : deployment_from_json(j, &why);

	if (d == NULL && why.code == ERR_INVALID) {
		err_within(&why, PREFIX "%s" SUFFIX, id);
		err_recode(&why, ERR_INTERNAL);
	}
	if (d == NULL && e != NULL)
		*e = why;
	json_free(j);
	return d;
}

int
ledger_is_deleted(struct store *store, const char *id, struct err *e)
{
	struct err why;
	struct json *j = read_record(store, id, &why);
	int rc = -1;

	if (j != NULL)
		rc = json_get_int(j, "deleted", 0) > 0 ? 1 : 0;
	else if (why.code == ERR_NOTFOUND)
		rc = 0;
	else if (e != NULL)
		*e = why;
	json_free(j);
	return rc;
}

int
ledger_delete(struct store *store, const char *id, struct err *e)
{
	char *key = key_of(id);
	int rc = store_delete(store, key, e);

	free(key);
	return rc;
}

struct each {
	int (*fn)(void *, const char *);
	void *arg;
};

static int
take_key(void *arg, const char *key, const struct store_object *o)
{
	const struct each *each = arg;
	const char *name = key + strlen(PREFIX);
	char id[ID_LENGTH + 1];

	/* What else somebody has put there is not ours. */
	if (strlen(name) != ID_LENGTH + strlen(SUFFIX) ||
	    strcmp(name + ID_LENGTH, SUFFIX) != 0 ||
	    !name_is_id(name, ID_LENGTH, id) ||
	    strncmp(id, name, ID_LENGTH) != 0)
		return 0;
	return each->fn(each->arg, id);
}

int
ledger_each(struct store *store, int (*fn)(void *, const char *), void *arg,
    struct err *e)
{
	struct each each = { fn, arg };

	return store_list(store, PREFIX, take_key, &each, e);
}
