#include "worker/settle.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/queue.h"
#include "lib/store.h"
#include "worker/link.h"

#define LOOK_MS (10 * 1000)
#define GRACE_MS 2000
#define PIECE_BYTES ((size_t)256 * 1024)

/* ---- in the forked process ---- */

/* The log, piece by piece.  1: written; 0: it is not all there any more,
 * since another worker has settled it meanwhile: nothing was written. */
static int
copy_pieces(struct queue *q, const char *id, struct store_writer *w,
    struct err *e)
{
	struct buf piece = BUF_INIT;
	int64_t offset = 0, total = 0, first = -1;
	int rc = -1;

	for (;;) {
		buf_reset(&piece);
		if (queue_log_read(q, id, offset, PIECE_BYTES, &piece, &total,
			e) == -1)
			goto out;
		if (first == -1)
			first = total;
		if (total < first || piece.len == 0)
			break;
		if (store_put_data(w, piece.data, piece.len, e) == -1)
			goto out;
		offset += (int64_t)piece.len;
	}
	rc = offset == first && total == first;
out:
	buf_clear(&piece);
	return rc;
}

static int
copy_log(struct queue *q, struct store *store, const struct deployment *d,
    struct err *e)
{
	char *key = xasprintf("logs/%s.txt", d->id);
	struct store_writer *w;
	int64_t total;
	int rc = -1, whole;

	if (queue_log_read(q, d->id, 0, 0, NULL, &total, e) == -1)
		goto out;
	if (total == 0 && d->log_bytes > 0) {
		rc = 0; /* in the store already, or lost with Redis */
		goto out;
	}
	if ((w = store_put_open(store, key, "text/plain; charset=utf-8",
		 e)) == NULL)
		goto out;
	if ((whole = copy_pieces(q, d->id, w, e)) == 1)
		rc = store_put_commit(w, STORE_NOW, e);
	else {
		store_put_abort(w);
		rc = whole;
	}
out:
	free(key);
	return rc;
}

static int
copy_record(struct store *store, const struct deployment *d, struct err *e)
{
	char *key = xasprintf("deployments/%s.json", d->id);
	struct json *j = deployment_to_json(d);
	char *text = json_text(j);
	int rc = store_put(store, key, "application/json", text, strlen(text),
	    e);

	free(text);
	json_free(j);
	free(key);
	return rc;
}

/* A site is live if and only if its deployment is "deployed".  The last attempt
 * may have got as far as the manifest, or left files, and died before it could
 * tell. */
static int
remove_site(struct store *store, const char *id, struct err *e)
{
	char *manifest = manifest_key(id), *files = xasprintf("dist/%s/", id);
	int rc = store_delete(store, manifest, e);

	if (rc == 0)
		rc = store_delete_all(store, files, e);
	free(manifest);
	free(files);
	return rc;
}

static int
settle_one(struct queue *q, struct store *store, const char *id,
    struct err *e)
{
	struct deployment *d = queue_record(q, id, e);
	int rc = -1;

	if (d == NULL) {
		if (e->code != ERR_NOTFOUND && e->code != ERR_INVALID)
			return -1;
		log_error("%s; it is not kept", e->msg);
	} else if ((d->state != STATE_DEPLOYED &&
		       remove_site(store, id, e) == -1) ||
	    copy_log(q, store, d, e) == -1 ||
	    copy_record(store, d, e) == -1)
		goto out;
	rc = queue_settle_done(q, id, e);
out:
	deployment_free(d);
	return rc;
}

static int
settle_all(const struct conf *conf, struct err *e)
{
	struct queue *q = queue_open(conf, e);
	struct store *store = NULL;
	char id[ID_LENGTH + 1];
	int rc = -1;

	if (q == NULL || (store = store_open(conf, e)) == NULL)
		goto out;
	while ((rc = queue_settle_next(q, id, e)) == 1)
		if (settle_one(q, store, id, e) == -1) {
			rc = err_within(e, "settle %s", id);
			break;
		}
out:
	store_free(store);
	queue_free(q);
	return rc;
}

/* Never returns. */
static void
run(const struct conf *conf, pid_t parent)
{
	struct err e;
	sigset_t none;

	/* davitd's descriptors are not ours: a build would not see davitd's
	 * end while we hold them. */
	close_range(STDERR_FILENO + 1, ~0U, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() != parent)
		_exit(1);
	if (settle_all(conf, &e) == -1) {
		log_warn("%s", e.msg);
		_exit(1);
	}
	_exit(0);
}

/* ---- in davitd ---- */

void
settle_init(struct settle *s)
{
	s->child = (struct child)CHILD_INIT;
	s->pause = (struct backoff){ 1000, 60 * 1000, 0, 0 };
	s->look_at = 0;
}

void
settle_poke(struct settle *s)
{
	s->look_at = 0;
}

static void
start(struct settle *s, const struct conf *conf)
{
	pid_t parent = getpid();

	log_scope(NULL);
	if ((s->child.pid = fork()) == 0)
		run(conf, parent);
	if (s->child.pid != -1)
		s->child.pidfd = pidfd_open(s->child.pid, 0);
	if (s->child.pidfd == -1) {
		log_error("settle: %s", strerror(errno));
		settle_stop(s);
		backoff_fail(&s->pause);
	}
}

static void
reap(struct settle *s)
{
	int status;

	if (child_wait(&s->child, 0, &status, NULL) != 1)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		backoff_works(&s->pause);
	else
		backoff_fail(&s->pause);
	settle_poke(s);
}

void
settle_service(struct settle *s, const struct conf *conf, struct link *l)
{
	char id[ID_LENGTH + 1];
	struct err e;
	int rc;

	if (child_running(&s->child))
		reap(s);
	if (child_running(&s->child) || backoff_waits(&s->pause) ||
	    name_tick_ms() < s->look_at || !link_ready(l))
		return;
	s->look_at = name_tick_ms() + LOOK_MS;
	rc = queue_settle_next(l->queue, id, &e);
	if (link_heard(l, rc, &e) && rc == 1)
		start(s, conf);
}

int
settle_fd(const struct settle *s)
{
	return s->child.pidfd;
}

int64_t
settle_due(const struct settle *s)
{
	if (child_running(&s->child))
		return INT64_MAX;
	return backoff_waits(&s->pause) ? s->pause.until : s->look_at;
}

void
settle_stop(struct settle *s)
{
	child_stop(&s->child, GRACE_MS, NULL);
}
