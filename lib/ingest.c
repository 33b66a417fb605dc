#include "lib/ingest.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/child.h"
#include "lib/conf.h"
#include "lib/credentials.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"
#include "lib/tar.h"

#define STREAM_STEP (64 * 1024)

/* Both result lines: twenty names of at most PATH_MAX_BYTES, escaped. */
#define RESULT_MAX_BYTES (128 * 1024)

/* davit-fetch ends itself at its deadline, and can say at what. */
#define GRACE_MS 2000

/* What is left of a fetch once this process was told to leave: web servers
 * kill what has not left 8 s later. */
#define LEAVE_MS 4000

/* What an entry of an archive takes beside its contents, generously: header,
 * extended header, padding. */
#define ENTRY_MAX_BYTES 4096

#define MAX_ARGS 10
#define MAX_ENV 16

/* One fetch in progress. */
struct ingest {
	const struct conf *conf;
	const struct deployment *deployment;
	char *scratch;
	struct child child;
	tar_source *body;	/* an archive in place of a URL; NULL */
	void *body_arg;
	bool resolve;		/* only which commit it is, without a store */
	int64_t body_bytes;	/* taken of it so far */
	struct buf piece;	/* of the body, on its way into in */
	int login_fd;		/* where a login is to be read; -1: none */
	int in;			/* our end of its stdin, for the body */
	int out, result;	/* our ends of its stdout and descriptor 3 */
	struct buf lines;	/* what came through result */
	struct store_writer *writer;
	struct tar_zstd *zstd;
	int64_t deadline;
	bool leaving;
	char *env[MAX_ENV + 1];
	size_t nenv;
};

#define INGEST_INIT .child = CHILD_INIT, .login_fd = -1, .in = -1, \
	.out = -1, .result = -1

static int leave_fd = -1;

void
ingest_leave_on(int fd)
{
	leave_fd = fd;
}

char *
ingest_key(const char *id)
{
	return xasprintf("output/%s.tar.zst", id);
}

/* ---- starting ---- */

/* A private directory for the pack; davit-fetch's user's, where it gets one. */
static int
make_scratch(struct ingest *in, struct err *e)
{
	const char *user = in->conf->fetch_user;
	const struct passwd *pw;
	char *path;

	if (mkdir(in->conf->scratch, 0711) == -1 && errno != EEXIST)
		return err_errno(e, "make %s", in->conf->scratch);
	path = xasprintf("%s/fetch-XXXXXX", in->conf->scratch);
	if (mkdtemp(path) == NULL) {
		err_errno(e, "make %s", path);
		free(path);
		return -1;
	}
	in->scratch = path;
	if (geteuid() != 0 || user == NULL)
		return 0;
	if ((pw = getpwnam(user)) == NULL)
		return err_set(e, ERR_CONFIG, "fetch_user: no user %s", user);
	if (chown(path, pw->pw_uid, pw->pw_gid) == -1)
		return err_errno(e, "give %s to %s", path, user);
	return 0;
}

static void
add_env(struct ingest *in, const char *name, const char *value)
{
	if (value != NULL && in->nenv < MAX_ENV)
		in->env[in->nenv++] = xasprintf("%s=%s", name, value);
}

static void
add_env_number(struct ingest *in, const char *name, int64_t n)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%lld", (long long)n);
	add_env(in, name, digits);
}

/* All that davit-fetch is told; nothing of our own environment but where the
 * certificates of this machine are, and what sanitizers need. */
static void
make_env(struct ingest *in)
{
	static const char *const kept[] = { "SSL_CERT_FILE", "ASAN_OPTIONS",
		"UBSAN_OPTIONS", "LSAN_OPTIONS" };
	const struct conf *c = in->conf;

	add_env(in, "PATH", "/usr/bin:/bin");
	add_env(in, "DAVIT_SCRATCH", ".");
	add_env(in, "DAVIT_ALLOW_HOSTS", c->allow_hosts);
	add_env(in, "DAVIT_FETCH_USER", c->fetch_user);
	add_env(in, "DAVIT_CA", c->fetch_ca[0] == '\0' ? NULL : c->fetch_ca);
	add_env_number(in, "DAVIT_FETCH_TIME", c->fetch_time);
	add_env_number(in, "DAVIT_PACK_BYTES", c->pack_bytes);
	add_env_number(in, "DAVIT_SOURCE_BYTES", c->source_bytes);
	add_env_number(in, "DAVIT_SOURCE_FILES", c->source_files);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		add_env(in, kept[i], getenv(kept[i]));
}

/* Options take their value after "=", so that none can look like another
 * option; "--" goes before the URL. */
static size_t
make_argv(const struct ingest *in, char **argv)
{
	const struct deployment *d = in->deployment;
	size_t n = 0;

	argv[n++] = xstrdup("davit-fetch");
	if (in->body != NULL)
		argv[n++] = xstrdup("--tar");
	if (in->resolve)
		argv[n++] = xstrdup("--resolve");
	if (d->ref != NULL)
		argv[n++] = xasprintf("--ref=%s", d->ref);
	if (d->dir != NULL)
		argv[n++] = xasprintf("--dir=%s", d->dir);
	if (in->login_fd != -1)
		argv[n++] = xstrdup("--login");
	if (d->has_ignored_keep ? d->ignored_keep : in->conf->ignored_keep)
		argv[n++] = xstrdup("--ignored=keep");
	argv[n++] = xstrdup("--");
	if (in->body == NULL)
		argv[n++] = xstrdup(d->url);
	argv[n] = NULL;
	return n;
}

/* A login travels in a pipe, whole and at its end before davit-fetch starts:
 * neither arguments nor environment, which others can read. */
static int
send_login(struct ingest *in, const struct login *login, struct err *e)
{
	const char *scope = login->scope == NULL ? "" : login->scope;
	char *text = login->key != NULL
	    ? xasprintf("%s\n%s\n%s", scope, login->key, login->known_hosts)
	    : xasprintf("%s\n%s\n%s\n", login->user, login->secret, scope);
	int pipe[2], rc = -1;

	if (child_pipe(pipe, e) == 0) {
		in->login_fd = pipe[0];
		rc = fdio_write(pipe[1], text, strlen(text), e);
		fdio_close(&pipe[1]);
	}
	explicit_bzero(text, strlen(text));
	free(text);
	return rc;
}

/* The request's login, or else the operator's for that URL, if any. */
static int
find_login(struct ingest *in, struct err *e)
{
	const struct deployment *d = in->deployment;
	struct login login = { .user = NULL };
	struct name_url url;
	int rc = 0;

	if (d->login.user != NULL)
		return send_login(in, &d->login, e);
	if (in->body != NULL || in->conf->credentials == NULL)
		return 0;
	if (name_url(&url, d->url, strlen(d->url), e) == -1)
		return -1;
	rc = credentials_find(in->conf->credentials, &url, &login, e);
	if (rc == 0 && login_is_set(&login))
		rc = send_login(in, &login, e);
	login_clear(&login);
	return rc;
}

static int
start_fetch(struct ingest *in, struct err *e)
{
	int body[2] = { -1, -1 }, out[2] = { -1, -1 }, result[2] = { -1, -1 };
	char *path = xasprintf("%s/davit-fetch", conf_libexecdir());
	char *argv[MAX_ARGS];
	size_t argc;
	int rc = -1;

	if (find_login(in, e) == -1) {
		free(path);
		return -1;
	}
	argc = make_argv(in, argv);
	make_env(in);
	if ((in->body == NULL || (child_pipe(body, e) == 0 &&
		fdio_nonblock(body[1], e) == 0)) &&
	    child_pipe(out, e) == 0 && child_pipe(result, e) == 0) {
		struct child_spec spec = { .path = path,
			.argv = (const char *const *)argv,
			.env = (const char *const *)in->env,
			.fds = { body[0], out[1], STDERR_FILENO, result[1],
			    in->login_fd },
			.nfds = in->login_fd == -1 ? 4 : 5, .cwd = in->scratch,
			.die_with_parent = true };

		rc = child_start(&in->child, &spec, e);
	}
	fdio_close(&in->login_fd);
	fdio_close(&body[0]);
	fdio_close(&out[1]);
	fdio_close(&result[1]);
	in->in = body[1];
	in->out = out[0];
	in->result = result[0];
	for (size_t i = 0; i < argc; i++)
		free(argv[i]);
	free(path);
	return rc;
}

/* ---- streaming ---- */

static int
store_sink(void *arg, const void *data, size_t len, struct err *e)
{
	return store_put_data(((struct ingest *)arg)->writer, data, len, e);
}

static int
open_object(struct ingest *in, struct store *store, struct err *e)
{
	char *key = ingest_key(in->deployment->id);

	in->writer = store_put_open(store, key, "application/zstd", e);
	free(key);
	if (in->writer == NULL)
		return -1;
	in->zstd = tar_zstd_new(store_sink, in, e);
	return in->zstd == NULL ? -1 : 0;
}

static int
too_late(const struct ingest *in, struct err *e)
{
	if (in->leaving)
		return err_set(e, ERR_UNAVAILABLE,
		    "the service restarts, and did not wait for the fetch");
	return err_set(e, ERR_FETCH_TIMEOUT, "not done within %lld s",
	    (long long)in->conf->fetch_time);
}

/* Read a piece of the stream or of the result; a descriptor at its end is
 * closed. */
static int
take_piece(struct ingest *in, int *fd, struct err *e)
{
	char data[STREAM_STEP];
	ssize_t n = read(*fd, data, sizeof(data));

	if (n == -1)
		return errno == EINTR || errno == EAGAIN ? 0 :
		    err_errno(e, "read from davit-fetch");
	if (n == 0) {
		fdio_close(fd);
		return 0;
	}
	if (fd == &in->out && in->zstd == NULL)
		return err_set(e, ERR_INTERNAL,
		    "davit-fetch streams what nobody asked for");
	if (fd == &in->out)
		return tar_zstd_add(in->zstd, data, (size_t)n, e);
	buf_add(&in->lines, data, (size_t)n);
	if (in->lines.len > RESULT_MAX_BYTES)
		return err_set(e, ERR_INTERNAL,
		    "davit-fetch reports without end");
	return 0;
}

/* The next piece of the archive; its end closes davit-fetch's stdin. */
static int
read_body(struct ingest *in, struct err *e)
{
	const struct conf *c = in->conf;
	int64_t most = c->source_bytes + c->source_files * ENTRY_MAX_BYTES;
	ssize_t n;

	n = in->body(in->body_arg, buf_space(&in->piece, STREAM_STEP),
	    STREAM_STEP, e);
	if (n == -1)
		return -1;
	if (n == 0)
		fdio_close(&in->in);
	buf_grow(&in->piece, (size_t)n);
	if ((in->body_bytes += n) > most)
		return err_set(e, ERR_TOOBIG,
		    "the archive has over %lld bytes", (long long)most);
	return 0;
}

/* Give davit-fetch what its stdin takes.  One that takes no more has all, or
 * tells why. */
static int
give_piece(struct ingest *in, struct err *e)
{
	ssize_t n;

	if (in->piece.len == 0 && (read_body(in, e) == -1))
		return -1;
	if (in->in == -1)
		return 0;
	n = write(in->in, in->piece.data, in->piece.len);
	if (n > 0)
		buf_drop(&in->piece, (size_t)n);
	else if (n == -1 && errno != EINTR && errno != EAGAIN)
		fdio_close(&in->in);
	return 0;
}

static void
hurry(struct ingest *in)
{
	int64_t latest = name_tick_ms() + LEAVE_MS;

	in->leaving = true;
	if (in->deadline > latest)
		in->deadline = latest;
}

/* Take the stream and the result, to the end of both. */
static int
pump(struct ingest *in, struct err *e)
{
	while (in->out != -1 || in->result != -1) {
		struct pollfd p[] = { { .fd = in->out, .events = POLLIN },
			{ .fd = in->result, .events = POLLIN },
			{ .fd = in->leaving ? -1 : leave_fd,
			    .events = POLLIN },
			{ .fd = in->in, .events = POLLOUT } };
		int64_t left = in->deadline - name_tick_ms();
		int n;

		if (left <= 0)
			return too_late(in, e);
		if ((n = poll(p, 4, (int)left)) == -1 && errno != EINTR)
			return err_errno(e, "poll");
		if (n <= 0)
			continue;
		if (p[2].revents != 0)
			hurry(in);
		if (p[0].revents != 0 && take_piece(in, &in->out, e) == -1)
			return -1;
		if (p[1].revents != 0 && take_piece(in, &in->result, e) == -1)
			return -1;
		if (p[3].revents != 0 && give_piece(in, e) == -1)
			return -1;
	}
	return 0;
}

static int
reap(struct ingest *in, int *status, struct err *e)
{
	int64_t left = in->deadline - name_tick_ms();
	int n = child_wait(&in->child, left > 0 ? (int)left : 0, status, e);

	return n == 0 ? too_late(in, e) : n == -1 ? -1 : 0;
}

/* ---- the result ---- */

/* Line i of the result as JSON; NULL where there is none. */
static struct json *
result_line(const struct ingest *in, int i)
{
	const char *line = buf_str(&in->lines), *end;

	for (; i > 0 && line != NULL; i--)
		line = (end = strchr(line, '\n')) == NULL ? NULL : end + 1;
	if (line == NULL || (end = strchr(line, '\n')) == NULL)
		return NULL;
	return json_parse(line, (size_t)(end - line), NULL);
}

/* The error that davit-fetch told in that line, if it did. */
static int
told_error(const struct json *line, struct err *e)
{
	const char *name = json_get_string(line, "error");
	const char *message = json_get_string(line, "message");
	enum err_code code = name == NULL ? ERR_NONE : err_by_name(name);

	if (code == ERR_NONE)
		return 0;
	return err_set(e, code, "%s",
	    message == NULL ? "no reason given" : message);
}

/* An end that nobody has explained. */
static int
odd_end(int status, struct err *e)
{
	char words[64];

	if (WIFEXITED(status) && WEXITSTATUS(status) == MEM_EXIT)
		return err_set(e, ERR_REPO_TOOBIG,
		    "it takes more memory than a fetch may have");
	return err_set(e, ERR_INTERNAL, "davit-fetch %s",
	    WIFEXITED(status) && WEXITSTATUS(status) == 0
	    ? "ended without a result"
	    : child_describe(status, words, sizeof(words)));
}

static void
take_report(struct deployment *d, const struct json *report)
{
	const struct json *ignored = json_get_object(report, "ignored");
	const struct json *notes = json_get_array(report, "notes");

	free(d->commit);
	free(d->commit_ref);
	free(d->subject);
	json_free(d->ignored);
	json_free(d->notes);
	d->commit = xstrdup_null(json_get_string(report, "commit"));
	d->commit_ref = xstrdup_null(json_get_string(report, "ref"));
	d->subject = xstrdup_null(json_get_string(report, "subject"));
	d->ignored = ignored == NULL ? NULL : json_copy(ignored);
	d->notes = notes == NULL ? NULL : json_copy(notes);
	d->source_bytes = json_get_int(report, "bytes", 0);
	d->source_files = json_get_int(report, "files", 0);
	d->reusable = notes == NULL &&
	    json_get_int(report, "elsewhere", 0) == 0;
}

/* A commit's id, or something streamed. */
static bool
has_what_was_asked(const struct ingest *in, const struct json *report)
{
	const char *commit = json_get_string(report, "commit");

	return in->resolve ? commit != NULL && name_is_commit(commit)
			   : json_get_int(report, "files", 0) > 0;
}

/* 0 only for exit status 0, a report, and {"ok":true}. */
static int
judge(const struct ingest *in, struct deployment *d, int status,
    struct err *e)
{
	struct json *first = result_line(in, 0), *second = result_line(in, 1);
	int rc = -1;

	if (told_error(first, e) == -1 || told_error(second, e) == -1)
		goto out;
	if (status != 0 || !json_get_bool(second, "ok", false) ||
	    !has_what_was_asked(in, first)) {
		odd_end(status, e);
		goto out;
	}
	take_report(d, first);
	rc = 0;
out:
	json_free(first);
	json_free(second);
	return rc;
}

/* ---- the whole ---- */

static void
clear(struct ingest *in)
{
	if (child_running(&in->child)) {
		child_signal(&in->child, SIGKILL);
		child_wait(&in->child, -1, NULL, NULL);
	}
	fdio_close(&in->login_fd);
	fdio_close(&in->in);
	fdio_close(&in->out);
	fdio_close(&in->result);
	tar_zstd_free(in->zstd);
	if (in->writer != NULL)
		store_put_abort(in->writer);
	if (in->scratch != NULL)
		fdio_remove_tree(in->scratch, NULL);
	free(in->scratch);
	while (in->nenv > 0)
		free(in->env[--in->nenv]);
	buf_clear(&in->lines);
	buf_clear(&in->piece);
}

static int
run(struct ingest *in, struct store *store, struct deployment *d,
    struct err *e)
{
	struct store_writer *writer;
	int status;

	if (make_scratch(in, e) == -1 ||
	    (!in->resolve && open_object(in, store, e) == -1) ||
	    start_fetch(in, e) == -1 || pump(in, e) == -1 ||
	    reap(in, &status, e) == -1 || judge(in, d, status, e) == -1)
		return -1;
	if (in->resolve)
		return 0;
	if (tar_zstd_close(in->zstd, e) == -1)
		return -1;
	writer = in->writer;
	in->writer = NULL;
	return store_put_commit(writer, STORE_NOW, e);
}

/* True for what the repository or its host is to blame for. */
static bool
is_fetch_failure(enum err_code code)
{
	return (code >= ERR_FETCH_FAILED && code <= ERR_ADDRESS) ||
	    code == ERR_INVALID;
}

static int
ingest(struct ingest *in, struct store *store, struct deployment *d,
    struct err *e)
{
	struct deployment_times *t = &d->stages[STAGE_FETCH];
	struct err own = { .code = ERR_NONE };
	int rc;

	in->deployment = d;
	in->deadline = name_tick_ms() + in->conf->fetch_time * 1000 + GRACE_MS;
	t->started = name_now_ms();
	t->failed = false;
	rc = run(in, store, d, &own);
	clear(in);
	t->ended = name_now_ms();
	if (rc == 0)
		return 0;
	t->failed = true;
	if (in->body == NULL && is_fetch_failure(own.code))
		err_within(&own, "Failed to clone repository");
	if (e != NULL)
		*e = own;
	return -1;
}

int
ingest_fetch(const struct conf *conf, struct store *store,
    struct deployment *d, struct err *e)
{
	struct ingest in = { INGEST_INIT, .conf = conf };

	return ingest(&in, store, d, e);
}

int
ingest_resolve(const struct conf *conf, struct deployment *d, struct err *e)
{
	struct ingest in = { INGEST_INIT, .conf = conf, .resolve = true };

	return ingest(&in, NULL, d, e);
}

int
ingest_archive(const struct conf *conf, struct store *store,
    struct deployment *d, tar_source *source, void *arg, struct err *e)
{
	struct ingest in = { INGEST_INIT, .conf = conf, .body = source,
		.body_arg = arg };

	return ingest(&in, store, d, e);
}
