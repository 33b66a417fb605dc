#include "lib/alias.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"

/* A label of the DNS (RFC 1035, 2.3.4). */
#define LABEL_MAX_BYTES 63

#define PREFIX "aliases/"
#define SUFFIX ".json"

/* ---- names ---- */

/* Labels of letters, digits and inner hyphens, between dots. */
static bool
is_host(const char *s)
{
	for (;;) {
		size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz"
				       "0123456789-");

		if (len == 0 || len > LABEL_MAX_BYTES || s[0] == '-' ||
		    s[len - 1] == '-')
			return false;
		if (s[len] == '\0')
			return true;
		if (s[len] != '.')
			return false;
		s += len + 1;
	}
}

/* Where domain begins in name, which is it or below it; NULL: elsewhere. */
static const char *
find_domain(const char *name, const char *domain)
{
	size_t len = strlen(name), tail = strlen(domain);
	const char *at = name + len - tail;

	if (len < tail || strcasecmp(at, domain) != 0 ||
	    (len > tail && at[-1] != '.'))
		return NULL;
	return at;
}

static bool
fold(const char *text, size_t len, char name[ALIAS_MAX_BYTES + 1])
{
	if (len == 0 || len > ALIAS_MAX_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
		name[i] = (char)tolower((unsigned char)text[i]);
	name[len] = '\0';
	return strlen(name) == len && is_host(name);
}

bool
alias_name(const char *text, size_t len, const char *domain,
    char name[ALIAS_MAX_BYTES + 1])
{
	return fold(text, len, name) &&
	    (domain == NULL || find_domain(name, domain) == NULL);
}

bool
alias_of_host(const char *host, const char *domain,
    char name[ALIAS_MAX_BYTES + 1])
{
	size_t len = strcspn(host, ":");
	const char *at;

	if (len > 0 && host[len - 1] == '.')
		len--;
	if (!fold(host, len, name))
		return false;
	if ((at = find_domain(name, domain)) == NULL)
		return strchr(name, '.') != NULL;
	if (at == name)
		return false;
	name[at - name - 1] = '\0';
	return strchr(name, '.') == NULL;
}

/* ---- the text ---- */

struct alias *
alias_new(const char *name, const char *owner)
{
	struct alias *a = xcalloc(1, sizeof(*a));

	memcpy(a->name, name, strnlen(name, ALIAS_MAX_BYTES));
	a->owner = xstrdup_null(owner);
	return a;
}

void
alias_free(struct alias *a)
{
	if (a == NULL)
		return;
	free(a->owner);
	free(a);
}

struct search {
	const char *id;
	char *name;
};

static int
points_at(void *arg, const struct alias *a)
{
	struct search *s = arg;

	if (strcmp(a->id, s->id) != 0)
		return 0;
	memcpy(s->name, a->name, sizeof(a->name));
	return 1;
}

int
alias_find(struct store *store, const char *id,
    char name[ALIAS_MAX_BYTES + 1], struct err *e)
{
	struct search s = { id, name };

	return alias_each(store, points_at, &s, e);
}

struct json *
alias_to_json(const struct alias *a)
{
	struct json *root = json_new_object(), *past = json_new_array();

	for (size_t i = 0; i < a->npast; i++) {
		struct json *row = json_new_object();

		json_set_string(row, "id", a->past[i].id);
		json_set_int(row, "left", a->past[i].left);
		json_append(past, row);
	}
	json_set_string(root, "name", a->name);
	json_set_string(root, "id", a->id);
	json_set_string(root, "owner", a->owner);
	json_set_int(root, "moved", a->moved);
	json_set(root, "history", past);
	return root;
}

static bool
take_id(const struct json *j, char id[ID_LENGTH + 1])
{
	const char *text = json_get_string(j, "id");

	return text != NULL && name_is_id(text, strlen(text), id);
}

static struct alias *
from_json(const struct json *root, const char *name)
{
	const struct json *past = json_get_array(root, "history");
	struct alias *a = alias_new(name, json_get_string(root, "owner"));
	bool ok = take_id(root, a->id);

	a->moved = json_get_int(root, "moved", 0);
	for (size_t i = 0; ok && i < json_count(past) && i < ALIAS_MAX_PAST;
	     i++) {
		ok = take_id(json_at(past, i), a->past[i].id);
		a->past[i].left = json_get_int(json_at(past, i), "left", 0);
		a->npast++;
	}
	if (ok)
		return a;
	alias_free(a);
	return NULL;
}

/* ---- in the store ---- */

char *
alias_key(const char *name)
{
	return xasprintf(PREFIX "%s" SUFFIX, name);
}

struct alias *
alias_load(struct store *store, const char *name, struct err *e)
{
	char *key = alias_key(name);
	struct buf text = BUF_INIT;
	struct alias *a = NULL;
	struct json *j = NULL;

	if (store_get(store, key, ALIAS_FILE_MAX_BYTES, &text, e) == -1)
		goto out;
	if ((j = json_parse(text.data, text.len, e)) == NULL ||
	    (a = from_json(j, name)) == NULL)
		err_set(e, ERR_INTERNAL, "%s is damaged", key);
out:
	json_free(j);
	buf_clear(&text);
	free(key);
	return a;
}

struct each {
	struct store *store;
	int (*fn)(void *arg, const struct alias *);
	void *arg;
	struct err *e;
};

static int
visit(void *arg, const char *key, const struct store_object *o)
{
	struct each *each = arg;
	size_t len = strlen(key), tail = sizeof(SUFFIX) - 1;
	char *name;
	struct alias *a;
	struct err e;
	int rc;

	key += sizeof(PREFIX) - 1;
	len -= sizeof(PREFIX) - 1;
	if (len <= tail || strcmp(key + len - tail, SUFFIX) != 0)
		return 0;
	name = xstrndup(key, len - tail);
	if ((a = alias_load(each->store, name, &e)) != NULL)
		rc = each->fn(each->arg, a);
	else /* deleted meanwhile */
		rc = e.code == ERR_NOTFOUND ? 0 : -1;
	if (a == NULL && rc == -1 && each->e != NULL)
		*each->e = e;
	alias_free(a);
	free(name);
	return rc;
}

int
alias_each(struct store *store, int (*fn)(void *arg, const struct alias *),
    void *arg, struct err *e)
{
	struct each each = { store, fn, arg, e };

	return store_list(store, PREFIX, visit, &each, e);
}
