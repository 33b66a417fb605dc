#include "lib/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store_driver.h"

#define PROBES "probe/"
#define COPY_BYTES 65536

static const struct store_driver *const drivers[] = { &store_fs, &store_s3,
#ifdef HAVE_LIBS3
	&store_libs3,
#endif
};

struct store {
	const struct store_driver *driver;
	void *state;
};

struct store_writer {
	const struct store_driver *driver;
	void *state;
};

struct store_reader {
	const struct store_driver *driver;
	void *state;
};

struct store *
store_open(const struct conf *c, struct err *e)
{
	return store_open_as(c, c->store, e);
}

struct store *
store_open_as(const struct conf *c, const char *value, struct err *e)
{
	size_t word = strcspn(value, " \t");
	const char *where = value + word + strspn(value + word, " \t");

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		struct store *s;
		void *state;

		if (strlen(drivers[i]->name) != word ||
		    memcmp(drivers[i]->name, value, word) != 0)
			continue;
		if ((state = drivers[i]->open(c, where, e)) == NULL) {
			if (e != NULL && e->code == ERR_CONFIG)
				err_within(e, "%s", c->path);
			return NULL;
		}
		s = xcalloc(1, sizeof(*s));
		s->driver = drivers[i];
		s->state = state;
		return s;
	}
	if (word == strlen("libs3") && strncmp(c->store, "libs3", word) == 0)
		err_set(e, ERR_CONFIG,
		    "%s: store: this davit was built without libs3 "
		    "(./configure --with-libs3); 's3 URL' is as good", c->path);
	else
		err_set(e, ERR_CONFIG,
		    "%s: store: 'dir /PATH', 's3 URL' or 'libs3 URL' is "
		    "needed", c->path);
	return NULL;
}

void
store_free(struct store *s)
{
	if (s == NULL)
		return;
	s->driver->free(s->state);
	free(s);
}

static int
check_key(const char *key, struct err *e)
{
	if (!name_is_key(key))
		return err_set(e, ERR_INVALID, "%.200s: not an object key",
		    key);
	return 0;
}

static int
check_prefix(const char *prefix, struct err *e)
{
	size_t len = strlen(prefix);
	char *key;
	int rc;

	if (len == 0)
		return 0;
	if (prefix[len - 1] != '/')
		return err_set(e, ERR_INVALID, "%.200s: not a prefix", prefix);
	key = xstrndup(prefix, len - 1);
	rc = check_key(key, e);
	free(key);
	return rc;
}

/* ---- putting ---- */

struct store_writer *
store_put_open(struct store *s, const char *key, const char *type,
    struct err *e)
{
	struct store_writer *w;
	void *state;

	if (check_key(key, e) == -1 ||
	    (state = s->driver->put_open(s->state, key, type, e)) == NULL)
		return NULL;
	w = xcalloc(1, sizeof(*w));
	w->driver = s->driver;
	w->state = state;
	return w;
}

int
store_put_data(struct store_writer *w, const void *data, size_t len,
    struct err *e)
{
	return w->driver->put_data(w->state, data, len, e);
}

int
store_put_commit(struct store_writer *w, enum store_when when, struct err *e)
{
	int rc = w->driver->put_commit(w->state, when, e);

	free(w);
	return rc;
}

void
store_put_abort(struct store_writer *w)
{
	if (w == NULL)
		return;
	w->driver->put_abort(w->state);
	free(w);
}

int
store_sync(struct store *s, struct err *e)
{
	return s->driver->sync(s->state, e);
}

int
store_put(struct store *s, const char *key, const char *type, const void *data,
    size_t len, struct err *e)
{
	struct store_writer *w = store_put_open(s, key, type, e);

	if (w == NULL)
		return -1;
	if (store_put_data(w, data, len, e) == -1) {
		store_put_abort(w);
		return -1;
	}
	return store_put_commit(w, STORE_NOW, e);
}

/* ---- getting ---- */

struct store_reader *
store_get_open(struct store *s, const char *key, int64_t offset,
    struct store_object *object, struct err *e)
{
	struct store_object ignored;
	struct store_reader *r;
	void *state;

	if (check_key(key, e) == -1)
		return NULL;
	state = s->driver->get_open(s->state, key, offset,
	    object == NULL ? &ignored : object, e);
	if (state == NULL)
		return NULL;
	r = xcalloc(1, sizeof(*r));
	r->driver = s->driver;
	r->state = state;
	return r;
}

ssize_t
store_get_data(struct store_reader *r, void *data, size_t size, struct err *e)
{
	return r->driver->get_data(r->state, data, size, e);
}

void
store_get_close(struct store_reader *r)
{
	if (r == NULL)
		return;
	r->driver->get_close(r->state);
	free(r);
}

/* By a reader, which tells the tag before it reads. */
static int
read_whole(struct store *s, const char *key, const char *tag, size_t max,
    struct buf *out, struct store_object *o, struct err *e)
{
	struct store_object now;
	struct store_reader *r = store_get_open(s, key, 0, &now, e);
	ssize_t n = -1;

	if (r == NULL)
		return -1;
	*o = now;
	if (tag[0] != '\0' && strcmp(now.tag, tag) == 0) {
		store_get_close(r);
		return 1;
	}
	if (now.size < 0 || (uint64_t)now.size > max)
		err_set(e, ERR_TOOBIG, "%s: over %zu bytes", key, max);
	else
		n = store_get_data(r, buf_space(out, (size_t)now.size),
		    (size_t)now.size, e);
	if (n >= 0)
		buf_grow(out, (size_t)n);
	store_get_close(r);
	return n >= 0 ? 0 : -1;
}

int
store_get(struct store *s, const char *key, size_t max, struct buf *out,
    struct err *e)
{
	struct store_object ignored;

	return read_whole(s, key, "", max, out, &ignored, e);
}

int
store_get_if(struct store *s, const char *key, const char *tag, size_t max,
    struct buf *out, struct store_object *o, struct err *e)
{
	if (s->driver->get_if == NULL)
		return read_whole(s, key, tag, max, out, o, e);
	if (check_key(key, e) == -1)
		return -1;
	return s->driver->get_if(s->state, key, tag, max, out, o, e);
}

char *
store_url(struct store *s, const char *key, int seconds, struct err *e)
{
	if (check_key(key, e) == -1)
		return NULL;
	if (seconds < 1 || seconds > STORE_URL_MAX_S) {
		err_set(e, ERR_INVALID, "a URL is good for 1 to %d seconds",
		    STORE_URL_MAX_S);
		return NULL;
	}
	if (s->driver->url == NULL) {
		err_set(e, ERR_STORE,
		    "'store %s' has no URLs to its objects; 'store s3' has",
		    s->driver->name);
		return NULL;
	}
	return s->driver->url(s->state, key, seconds);
}

int
store_head(struct store *s, const char *key, struct store_object *object,
    struct err *e)
{
	struct store_object ignored;

	if (check_key(key, e) == -1)
		return -1;
	return s->driver->head(s->state, key,
	    object == NULL ? &ignored : object, e);
}

/* ---- for those who serve files ---- */

int
store_link(struct store *s, const char *key, const char *prefix,
    struct err *e)
{
	if (check_key(key, e) == -1 ||
	    (prefix != NULL && check_prefix(prefix, e) == -1))
		return -1;
	return s->driver->link == NULL ? 0
	    : s->driver->link(s->state, key, prefix, e);
}

int
store_lock(struct store *s, int *held, struct err *e)
{
	*held = -1;
	return s->driver->lock == NULL ? 0 : s->driver->lock(s->state, held, e);
}

/* ---- copying ---- */

/* All that the reader holds; -1 with the writer as it was. */
static int
pump(const struct store_driver *d, void *reader, void *writer, struct err *e)
{
	char *data = xmalloc(COPY_BYTES);
	ssize_t n;

	while ((n = d->get_data(reader, data, COPY_BYTES, e)) > 0 &&
	    d->put_data(writer, data, (size_t)n, e) == 0)
		continue;
	free(data);
	return n == 0 ? 0 : -1;
}

int
store_copy_through(const struct store_driver *d, void *state, const char *from,
    const char *to, struct err *e)
{
	struct store_object ignored;
	void *reader = d->get_open(state, from, 0, &ignored, e), *writer;
	int rc = -1;

	if (reader == NULL)
		return -1;
	if ((writer = d->put_open(state, to, NULL, e)) == NULL)
		goto out;
	if ((rc = pump(d, reader, writer, e)) == 0)
		rc = d->put_commit(writer, STORE_NOW, e);
	else
		d->put_abort(writer);
out:
	d->get_close(reader);
	return rc;
}

int
store_copy(struct store *s, const char *from, const char *to, struct err *e)
{
	if (check_key(from, e) == -1 || check_key(to, e) == -1)
		return -1;
	if (strcmp(from, to) == 0)	/* S3 refuses that */
		return store_head(s, from, NULL, e);
	if (s->driver->copy == NULL)
		return store_copy_through(s->driver, s->state, from, to, e);
	return s->driver->copy(s->state, from, to, e);
}

/* ---- the rest ---- */

int
store_delete(struct store *s, const char *key, struct err *e)
{
	if (check_key(key, e) == -1)
		return -1;
	return s->driver->delete(s->state, key, e);
}

int
store_delete_all(struct store *s, const char *prefix, struct err *e)
{
	if (prefix[0] == '\0')
		return err_set(e, ERR_INVALID, "a prefix is needed");
	if (check_prefix(prefix, e) == -1)
		return -1;
	return s->driver->delete_all(s->state, prefix, e);
}

int
store_list(struct store *s, const char *prefix,
    int (*fn)(void *, const char *, const struct store_object *), void *arg,
    struct err *e)
{
	if (check_prefix(prefix, e) == -1)
		return -1;
	return s->driver->list(s->state, prefix, fn, arg, e);
}

/* Names out of keys that come in order. */
struct names {
	size_t skip;		/* the prefix's length */
	struct buf name;	/* the last one; not yet told */
	struct store_object newest;
	int (*fn)(void *, const char *, const struct store_object *);
	void *arg;
};

static int
tell_name(struct names *n)
{
	return n->name.len == 0
	    ? 0
	    : n->fn(n->arg, buf_str(&n->name), &n->newest);
}

static int
take_name(void *arg, const char *key, const struct store_object *o)
{
	struct names *n = arg;
	const char *name = key + n->skip;
	size_t len = strcspn(name, "/");
	int rc;

	if (n->name.len == len && memcmp(n->name.data, name, len) == 0) {
		if (o->modified_ms > n->newest.modified_ms)
			n->newest = *o;
		return 0;
	}
	rc = tell_name(n);
	buf_reset(&n->name);
	buf_add(&n->name, name, len);
	n->newest = *o;
	return rc;
}

int
store_list_names(struct store *s, const char *prefix,
    int (*fn)(void *, const char *, const struct store_object *), void *arg,
    struct err *e)
{
	struct names n = { .skip = strlen(prefix), .fn = fn, .arg = arg };
	int rc;

	if (check_prefix(prefix, e) == -1)
		return -1;
	if (s->driver->list_names != NULL)
		return s->driver->list_names(s->state, prefix, fn, arg, e);
	if ((rc = s->driver->list(s->state, prefix, take_name, &n, e)) == 0)
		rc = tell_name(&n);
	buf_clear(&n.name);
	return rc;
}

static int
ignore_key(void *arg, const char *key, const struct store_object *o)
{
	return 0;
}

/* What a probe has found so far. */
struct probe {
	struct buf missing;	/* "written, listed" */
	struct err first;	/* why the first of these is missing */
};

/* Note how one operation went.  -1: the others need not be tried, for it is
 * no lack of rights. */
static int
note(struct probe *p, int rc, const char *right, const struct err *why)
{
	if (rc == 0)
		return 0;
	if (p->missing.len == 0)
		p->first = *why;
	else
		buf_adds(&p->missing, ", ");
	buf_adds(&p->missing, right);
	return why->sys == EACCES ? 0 : -1;
}

/* Each right by itself, so that all that are missing are named. */
static void
probe(struct store *s, const char *key, struct probe *p)
{
	static const char words[] = "davit writes, reads and deletes this\n";
	struct buf back = BUF_INIT;
	struct err e;
	int rc, written = store_put(s, key, "text/plain", words,
		    sizeof(words) - 1, &e);

	if (note(p, written, "written", &e) == -1)
		return;
	rc = store_get(s, key, sizeof(words), &back, &e);
	if (rc == 0 && strcmp(buf_str(&back), words) != 0)
		rc = err_set(&e, ERR_STORE, "it gives back other bytes");
	else if (rc == -1 && e.code == ERR_NOTFOUND && written == -1)
		rc = 0;
	buf_clear(&back);
	if (note(p, rc, "read", &e) == 0) {
		rc = store_list(s, PROBES, ignore_key, NULL, &e);
		note(p, rc, "listed", &e);
	}
	rc = store_delete(s, key, &e);
	note(p, rc, "deleted from", &e);
}

int
store_check(struct store *s, struct err *e)
{
	struct probe p = { BUF_INIT, { .code = ERR_NONE } };
	char id[ID_LENGTH + 1], *key;
	int rc = 0;

	name_new_id(id);
	key = xasprintf(PROBES "%s", id);
	probe(s, key, &p);
	if (p.missing.len > 0) {
		if (e != NULL)
			*e = p.first;
		rc = err_within(e, "the store can't be %s",
		    buf_str(&p.missing));
	}
	buf_clear(&p.missing);
	free(key);
	return rc;
}

int
store_enter(struct store *s, const char *id, int64_t attempt, struct err *e)
{
	return s->driver->enter == NULL
	    ? 0
	    : s->driver->enter(s->state, id, attempt, e);
}

int
store_revoke(struct store *s, const char *id, int64_t below, struct err *e)
{
	return s->driver->revoke == NULL
	    ? 0
	    : s->driver->revoke(s->state, id, below, e);
}

int
store_sweep(struct store *s, int64_t age_ms, struct err *e)
{
	return s->driver->sweep(s->state, age_ms, e);
}
