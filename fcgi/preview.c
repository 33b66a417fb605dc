#include "fcgi/preview.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/child.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/ingest.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"

/* Looking through a tar on a slow disk, and thinking about it. */
#define PLAN_MS 30000

/* A plan has some lines for each rule that matched. */
#define PLAN_MAX_BYTES (256 * 1024)

#define PIECE_BYTES (16 * 1024)
#define MAX_ENV 8

struct preview {
	const struct conf *conf;
	char *dir;		/* a store of its own, removed at the end */
	int tar, request;	/* files that davit-build reads */
	int out;		/* davit-build's words */
	struct child child;
	struct buf words;
};

/* ---- what it is given ---- */

static int
make_store(struct preview *v, struct err *e)
{
	char *path = xasprintf("%s/plan-XXXXXX", v->conf->scratch);

	if (mkdir(v->conf->scratch, 0711) == -1 && errno != EEXIST)
		err_errno(e, "make %s", v->conf->scratch);
	else if (mkdtemp(path) == NULL)
		err_errno(e, "make %s", path);
	else {
		v->dir = path;
		return 0;
	}
	free(path);
	return -1;
}

/* Fetched like any other source, but into that store. */
static int
fetch(struct preview *v, struct deployment *d, struct err *e)
{
	struct conf aside = *v->conf;
	struct store *store;
	char *key, *path;
	int rc = -1;

	if (make_store(v, e) == -1)
		return -1;
	name_new_id(d->id);
	aside.store = xasprintf("dir %s", v->dir);
	key = ingest_key(d->id);
	path = xasprintf("%s/%s", v->dir, key);
	if ((store = store_open(&aside, e)) != NULL &&
	    ingest_fetch(v->conf, store, d, e) == 0) {
		v->tar = open(path, O_RDONLY | O_CLOEXEC);
		rc = v->tar != -1 ? 0 : err_errno(e, "open %s", path);
	}
	store_free(store);
	free(aside.store);
	free(key);
	free(path);
	return rc;
}

/* What is secret is no matter of a plan: values of the environment, a login
 * in the URL or beside it. */
static int
keep_request(struct preview *v, const struct deployment *d,
    const struct json *body, struct err *e)
{
	struct json *copy = json_copy(body);
	char *text;
	int rc = -1;

	json_remove(copy, "env");
	json_remove(copy, "auth");
	json_set_string(copy, "url", d->url);
	text = json_text(copy);
	if ((v->request = fdio_unnamed(v->dir, e)) != -1)
		rc = fdio_write(v->request, text, strlen(text), e);
	free(text);
	json_free(copy);
	return rc;
}

static size_t
make_env(char **env)
{
	static const char *const kept[] = { "ASAN_OPTIONS", "UBSAN_OPTIONS",
		"LSAN_OPTIONS" };
	size_t n = 0;

	env[n++] = xstrdup("PATH=/usr/bin:/bin");
	env[n++] = xasprintf("DAVIT_PKGDATADIR=%s", conf_pkgdatadir());
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (getenv(kept[i]) != NULL)
			env[n++] = xasprintf("%s=%s", kept[i], getenv(kept[i]));
	env[n] = NULL;
	return n;
}

static int
start(struct preview *v, struct err *e)
{
	const char *const argv[] = { "davit-build", "-c", v->conf->path,
		"--plan", "-", "--json", "--request", "/dev/fd/3", NULL };
	char *path = xasprintf("%s/davit-build", conf_libexecdir());
	char *env[MAX_ENV];
	size_t n = make_env(env);
	int out[2] = { -1, -1 }, rc = -1;

	if (child_pipe(out, e) == 0) {
		struct child_spec spec = { .path = path,
			.argv = argv,
			.env = (const char *const *)env,
			.fds = { v->tar, out[1], STDERR_FILENO, v->request },
			.nfds = 4,
			.die_with_parent = true };

		rc = child_start(&v->child, &spec, e);
	}
	fdio_close(&out[1]);
	v->out = out[0];
	for (size_t i = 0; i < n; i++)
		free(env[i]);
	free(path);
	return rc;
}

/* ---- what it says ---- */

static int
take_words(struct preview *v, struct err *e)
{
	int64_t deadline = name_tick_ms() + PLAN_MS;

	for (;;) {
		struct pollfd p = { .fd = v->out, .events = POLLIN };
		int64_t left = deadline - name_tick_ms();
		ssize_t n;

		if (left <= 0)
			return err_set(e, ERR_TIMEOUT,
			    "no plan came within %d s", PLAN_MS / 1000);
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(v->out, buf_space(&v->words, PIECE_BYTES),
		    PIECE_BYTES);
		if (n <= 0)
			return n == 0 ? 0 : err_errno(e, "read a plan");
		buf_grow(&v->words, (size_t)n);
		if (v->words.len > PLAN_MAX_BYTES)
			return err_set(e, ERR_INTERNAL,
			    "davit-build plans without end");
	}
}

/* The plan, or the error that is told in place of it. */
static struct json *
judge(struct preview *v, struct err *e)
{
	struct json *j = json_parse_buf(&v->words, NULL);
	const char *name = json_get_string(j, "error");
	const char *message = json_get_string(j, "message");
	enum err_code code = name == NULL ? ERR_NONE : err_by_name(name);

	if (code != ERR_NONE && message != NULL)
		err_set(e, code, "%s", message);
	else if (json_get_string(j, "framework") != NULL)
		return j;
	else
		err_set(e, ERR_INTERNAL, "davit-build tells no plan");
	json_free(j);
	return NULL;
}

static void
clear(struct preview *v)
{
	if (child_running(&v->child)) {
		child_signal(&v->child, SIGKILL);
		child_wait(&v->child, -1, NULL, NULL);
	}
	fdio_close(&v->tar);
	fdio_close(&v->request);
	fdio_close(&v->out);
	if (v->dir != NULL)
		fdio_remove_tree(v->dir, NULL);
	free(v->dir);
	buf_clear(&v->words);
}

struct json *
preview_plan(const struct conf *conf, struct deployment *d,
    const struct json *body, struct err *e)
{
	struct preview v = { .conf = conf, .tar = -1, .request = -1,
		.out = -1, .child = CHILD_INIT };
	struct json *plan = NULL;

	if (fetch(&v, d, e) == 0 && keep_request(&v, d, body, e) == 0 &&
	    start(&v, e) == 0 && take_words(&v, e) == 0)
		plan = judge(&v, e);
	clear(&v);
	return plan;
}
