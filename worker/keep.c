#include "worker/keep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/digest.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "worker/buildlog.h"
#include "worker/cache.h"
#include "worker/list.h"
#include "worker/plan.h"

#define PIECE_BYTES (256 * 1024)
#define KEY_CHARS 32

/* The kind of cache that holds installed packages. */
#define MODULES "modules"

/* Names and sums of all that decides what is installed.  Scripts of the
 * project's own around an install may do more than install: then the packages
 * are not kept, nor are they where no lock file says which. */
static const char look[] =
    "cd src || exit 1\n"
    "lock=\n"
    "for f in $(find . -name node_modules -prune -o -type f \\( "
    "-name package-lock.json -o -name npm-shrinkwrap.json "
    "-o -name yarn.lock -o -name pnpm-lock.yaml -o -name 'bun.lock*' \\) "
    "-print); do lock=1; done\n"
    "[ -n \"$lock\" ] || exit 3\n"
    "find . -name node_modules -prune -o -type f -name package.json "
    "-exec grep -lE "
    "'\"(preinstall|install|postinstall|prepare)\"[[:space:]]*:' {} + | "
    "grep -q . && exit 3\n"
    "find . -name node_modules -prune -o -type f \\( -name package.json "
    "-o -name package-lock.json -o -name npm-shrinkwrap.json "
    "-o -name yarn.lock -o -name pnpm-lock.yaml -o -name 'bun.lock*' "
    "-o -name .npmrc -o -name '.yarnrc*' -o -name pnpm-workspace.yaml "
    "-o -name .pnpmfile.cjs -o -name '*.patch' \\) -print0 | sort -z | "
    "xargs -0 sha256sum\n";

static const char list_modules[] =
    "find src -name node_modules -prune -type d -print0";

/* Of the package managers: npm, yarn 1, pnpm, yarn 2 and later. */
static const char list_store[] =
    "for d in home/.npm/_cacache home/.cache/yarn home/.cache/pnpm "
    "home/.local/share/pnpm/store home/.yarn/berry/cache; do "
    "[ ! -d $d ] || printf '%s\\0' $d; done";

/* Those of the arguments that are there. */
static const char list_caches[] =
    "for d; do [ -L \"$d\" ] || [ ! -d \"$d\" ] || printf '%s\\0' \"$d\"; "
    "done";

struct keep {
	const struct box_spec *spec;
	struct box *box;
	struct cache *cache;
	struct helper look;		/* sums what decides what is
					   installed */
	bool looks;			/* nobody has asked it yet */
	char key[KEY_CHARS + 1];	/* of the packages; "": not kept */
	char **caches;			/* in /work */
	bool restored;
};

/* ---- what it is about ---- */

static void
add_text(struct digest *d, const char *text)
{
	if (text != NULL)
		digest_add(d, text, strlen(text));
	digest_add(d, "", 1);
}

static void
set_key(struct keep *k, const struct buf *sums)
{
	const struct plan *plan = k->spec->plan;
	char *env = k->spec->env == NULL ? NULL : json_text(k->spec->env);
	char *node = xasprintf("%d", plan->node), hex[DIGEST_HEX_BYTES];
	struct digest *d = digest_new();

	add_text(d, plan->install);
	add_text(d, node);
	add_text(d, box_image(k->box));
	add_text(d, env);
	for (char **v = plan->env; v != NULL && *v != NULL; v++)
		add_text(d, *v);
	digest_add(d, sums->data, sums->len);
	digest_end(d, hex);
	digest_free(d);
	memcpy(k->key, hex, KEY_CHARS);
	free(node);
	if (env != NULL)
		explicit_bzero(env, strlen(env));
	free(env);
}

/* Of the site's directory; and of the root, where a workspace's packages are. */
static void
find_caches(struct keep *k)
{
	const char *dir = k->spec->plan->dir;

	for (char **c = k->spec->plan->caches; c != NULL && *c != NULL; c++) {
		list_addf(&k->caches, "src/%s", *c);
		if (dir[0] != '\0')
			list_addf(&k->caches, "src/%s/%s", dir, *c);
	}
}

static void
find_key(struct keep *k)
{
	int status;

	if (k->looks &&
	    docker_process_finish(k->look.process, &status, NULL) == 0 &&
	    status == 0 && k->look.out.len > 0)
		set_key(k, &k->look.out);
	k->looks = false;
}

struct keep *
keep_new(const struct box_spec *spec, struct box *box, struct cache *cache)
{
	static const char *const argv[] = { "/bin/sh", "-c", look, NULL };
	struct keep *k = xcalloc(1, sizeof(*k));

	k->spec = spec;
	k->box = box;
	k->cache = cache;
	find_caches(k);
	if (cache == NULL || spec->plan->install == NULL)
		return k;
	k->looks = box_helper(box, &k->look, argv, false, NULL) == 0;
	/* Where packages may be there it has to be known which; else installing
	 * need not wait for that. */
	if (cache_has(cache, MODULES))
		find_key(k);
	return k;
}

void
keep_free(struct keep *k)
{
	if (k == NULL)
		return;
	helper_free(&k->look);
	cache_free(k->cache);
	list_free(k->caches);
	free(k);
}

/* Start a script that has the directories of caches as its arguments. */
static int
start_script(struct keep *k, struct helper *h, const char *script,
    struct err *e)
{
	size_t n = list_count(k->caches);
	const char **argv = xcalloc(n + 5, sizeof(*argv));
	int rc;

	argv[0] = "/bin/sh";
	argv[1] = "-c";
	argv[2] = script;
	argv[3] = "sh";
	memcpy(argv + 4, k->caches, n * sizeof(*argv));
	rc = box_helper(k->box, h, argv, false, e);
	free(argv);
	return rc;
}

/* ---- into the box ---- */

static int
pour(struct helper *h, int fd, struct err *e)
{
	char *data = xmalloc(PIECE_BYTES);
	ssize_t n;
	int rc = 0;

	while (rc == 0 && (n = fdio_read(fd, data, PIECE_BYTES, e)) > 0)
		rc = docker_process_write(h->process, data, (size_t)n, e);
	free(data);
	return rc == -1 || n == -1 ? -1 : docker_process_end(h->process, e);
}

/* 1: all of it is in the box, 0: there is nothing, -1. */
static int
unpack(struct keep *k, const char *kind, const char *key, struct err *e)
{
	static const char *const argv[] = { "tar", "-x", "-f", "-", NULL };
	int fd = cache_get(k->cache, kind, key), status = -1, rc;
	struct helper h;

	if (fd == -1)
		return 0;
	rc = box_helper(k->box, &h, argv, true, e);
	if (rc == 0)
		rc = pour(&h, fd, e);
	if (rc == 0)
		rc = docker_process_finish(h.process, &status, e);
	if (rc == 0 && status != 0)
		rc = err_set(e, ERR_INVALID, "tar: %.200s",
		    helper_words(&h));
	helper_free(&h);
	close(fd);
	return rc == 0 ? 1 : -1;
}

/* Where half of it is in the box, what is there is removed again. */
static int
restore(struct keep *k, const char *kind, const char *key, const char *list)
{
	char *script = xasprintf("{ %s; } | xargs -0 -r rm -rf", list);
	struct helper h;
	struct err e;
	int status, rc = unpack(k, kind, key, &e);

	if (rc == -1) {
		log_warn("what was kept of %s: %s", kind, e.msg);
		cache_drop(k->cache, kind, key);
		if (start_script(k, &h, script, NULL) == 0)
			docker_process_finish(h.process, &status, NULL);
		helper_free(&h);
	}
	free(script);
	return rc == 1;
}

int
keep_restore(struct keep *k, struct err *e)
{
	if (k->cache == NULL)
		return 0;
	if (k->key[0] != '\0')
		k->restored = restore(k, MODULES, k->key, list_modules);
	if (k->restored)
		buildlog_say(k->spec->log, "nothing to install: the packages "
		    "of an earlier build are there, and no lock file has "
		    "changed");
	else if (restore(k, "store", "all", list_store))
		buildlog_say(k->spec->log, "the package manager's store of an "
		    "earlier build is there");
	restore(k, "caches", "all", list_caches);
	if (watch_check(k->spec->watch, e) == -1)
		return -1;
	return k->restored;
}

/* ---- out of the box ---- */

/* 1: all of it is in fd, 0: there is nothing to keep, -1. */
static int
draw(struct keep *k, const char *list, int fd, struct err *e)
{
	char *script = xasprintf("{ %s; } | tar -c --null -T - -f -", list);
	char *data = xmalloc(PIECE_BYTES);
	int64_t room = cache_room(k->cache);
	bool any = false;
	struct helper h;
	ssize_t n = -1;
	int status = 0, rc = start_script(k, &h, script, e);

	while (rc == 0 && (n = helper_read(&h, data, PIECE_BYTES, e)) > 0) {
		any = any || data[0] != '\0'; /* an empty tar is all zeros */
		if ((room -= n) < 0)
			rc = err_set(e, ERR_TOOBIG, "it is too large");
		else
			rc = fdio_write(fd, data, (size_t)n, e);
	}
	if (rc == 0 && n == 0)
		rc = docker_process_finish(h.process, &status, e);
	if (rc == 0 && (n != 0 || status != 0))
		rc = err_set(e, ERR_INVALID, "tar: %.200s",
		    helper_words(&h));
	helper_free(&h);
	free(data);
	free(script);
	return rc == -1 ? -1 : any;
}

static void
save(struct keep *k, const char *kind, const char *key, const char *list)
{
	struct err e;
	int fd = cache_new(k->cache, &e);
	int rc = fd == -1 ? -1 : draw(k, list, fd, &e);

	if (rc == 1)
		rc = cache_keep(k->cache, fd, kind, key, &e);
	if (rc == -1 && e.code != ERR_CANCELED)
		log_info("%s is not kept: %s", kind, e.msg);
	fdio_close(&fd);
}

void
keep_save(struct keep *k)
{
	if (k->cache == NULL)
		return;
	find_key(k);
	if (k->key[0] != '\0' && !k->restored)
		save(k, MODULES, k->key, list_modules);
	if (!k->restored)
		save(k, "store", "all", list_store);
	save(k, "caches", "all", list_caches);
	cache_trim(k->cache);
}
