#include "worker/box_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/mem.h"
#include "worker/buildenv.h"
#include "worker/buildlog.h"
#include "worker/checkout.h"
#include "worker/netguard.h"
#include "worker/nodeversion.h"
#include "worker/plan.h"

/* A file system with less than this left has failed the build. */
#define FULL_BYTES (256 * 1024)
#define FULL_FILES 64

/* Of an exit status as a line. */
#define STATUS_MAX_BYTES 8

/* ---- making and removing ---- */

/* The image of davit.conf, with the plan's major in place of the one that its
 * tag begins with ("davit/builder:22-full"), and its variant, if it wants one,
 * in place of what follows.  Owned by the caller. */
static char *
image_for(const char *image, int major, const char *variant)
{
	const char *tag = strrchr(image, ':');
	size_t digits;

	if (tag == NULL || strchr(tag, '/') != NULL ||
	    !isdigit((unsigned char)tag[1]))
		return xstrdup(image);
	if (variant != NULL)
		return xasprintf("%.*s:%d-%s", (int)(tag - image), image,
		    major, variant);
	digits = strspn(tag + 1, "0123456789");
	return xasprintf("%.*s:%d%s", (int)(tag - image), image, major,
	    tag + 1 + digits);
}

static int
no_image(const struct box *b, struct err *e)
{
	const struct plan *plan = b->spec.plan;
	char *image = image_for(b->spec.conf->image, plan->node, plan->image);

	err_set(e, ERR_NO_IMAGE, "there is no builder image %s on this "
	    "worker; as root, there: %s/image/build-image --node %d%s%s",
	    image, conf_pkgdatadir(), plan->node,
	    plan->image != NULL ? " --variant " : "",
	    plan->image != NULL ? plan->image : "");
	free(image);
	return -1;
}

/* The image with the wanted Node, else with the nearest that there is, by its
 * id.  NULL: none. */
static char *
choose_image(struct box *b, struct err *e)
{
	const char *usual = b->spec.conf->image, *variant = b->spec.plan->image;
	int wanted = b->spec.plan->node, node = wanted;
	char *image = image_for(usual, wanted, variant), *id = NULL;
	int has = docker_has_image(b->docker, image, &id, e);

	for (size_t i = 0; has == 0 &&
	    (node = nodeversion_near(wanted, i)) != 0; i++) {
		free(image);
		image = image_for(usual, node, variant);
		has = docker_has_image(b->docker, image, &id, e);
	}
	if (has == 1 && node != wanted)
		buildlog_say(b->spec.log, "warning: there is no image for "
		    "Node %d here; the nearest is %s", wanted, image);
	if (has == 0)
		no_image(b, e);
	free(image);
	return has == 1 ? id : NULL;
}

static int
start(struct box *b, struct err *e)
{
	const struct deployment *job = b->spec.job;
	struct docker_spec spec = { .conf = b->spec.conf,
		.id = job->id,
		.attempt = job->attempt };
	int rc = -1;

	if ((b->docker = docker_open(spec.conf->docker, e)) == NULL)
		goto out;
	docker_set_watch(b->docker, b->spec.watch);
	if (docker_remove_all(b->docker, spec.conf->worker, job->id, e) == -1 ||
	    netguard_ensure(b->docker, spec.conf, e) == -1 ||
	    (b->image = choose_image(b, e)) == NULL ||
	    watch_check(b->spec.watch, e) == -1)
		goto out;
	spec.image = b->image;
	if (spec.conf->warm &&
	    (b->container = docker_take_spare(b->docker, &spec)) != NULL)
		rc = 0;
	else if ((b->container = docker_create(b->docker, &spec, e)) != NULL &&
	    watch_check(b->spec.watch, e) == 0)
		rc = docker_start(b->docker, b->container, e);
out:
	return rc;
}

struct box *
box_open(const struct box_spec *spec, struct err *e)
{
	struct box *b = xcalloc(1, sizeof(*b));
	const char *dir = spec->job->dir;

	b->spec = *spec;
	b->dir = dir == NULL || dir[0] == '\0'
	    ? xstrdup("/work/src")
	    : xasprintf("/work/src/%s", dir);
	b->env = buildenv_new(spec->conf, spec->job, spec->env, spec->plan);
	if (start(b, e) == 0)
		return b;
	box_close(b);
	return NULL;
}

int
box_close(struct box *b)
{
	int rc = 0;

	if (b == NULL)
		return 0;
	helper_free(&b->output);
	if (b->container != NULL)
		rc = docker_remove(b->docker, b->container, NULL);
	docker_free(b->docker);
	buildenv_free(b->env);
	free(b->container);
	free(b->image);
	free(b->dir);
	free(b);
	return rc;
}

/* ---- davit's own helpers in it ---- */

int
box_begin_helper(struct box *b, struct helper *h, const char *const *argv,
    bool input, struct err *e)
{
	const struct helper_spec spec = { .docker = b->docker,
		.container = b->container,
		.watch = b->spec.watch,
		.cwd = b->dir,
		.input = input };

	return helper_start(h, &spec, argv, e);
}

/* One that says little, to its end. */
static int
run_helper(struct box *b, struct helper *h, const char *const *argv,
    int *status, struct err *e)
{
	if (box_begin_helper(b, h, argv, false, e) == -1)
		return -1;
	return docker_process_finish(h->process, status, e);
}

const char *
box_image(const struct box *b)
{
	return b->image;
}

int
box_helper(struct box *b, struct helper *h, const char *const *argv,
    bool input, struct err *e)
{
	const struct helper_spec spec = { .docker = b->docker,
		.container = b->container,
		.watch = b->spec.watch,
		.input = input };

	return helper_start(h, &spec, argv, e);
}

/* ---- the source ---- */

static int
pour(void *arg, const void *data, size_t len, struct err *e)
{
	struct helper *h = arg;

	return docker_process_write(h->process, data, len, e);
}

static int
unpacked(struct box *b, struct helper *h, int status, struct err *e)
{
	const char *words = helper_words(h);

	if (status == 0)
		return 0;
	if (strstr(words, "No space left") != NULL)
		return err_set(e, ERR_BUILD_DISK,
		    "the source does not fit into the work directory of "
		    "%lld MiB",
		    (long long)(b->spec.conf->build_disk >> 20));
	if (status > 128)
		return err_set(e, ERR_BUILD_OOM,
		    "the source does not fit into the memory of a build");
	return err_set(e, ERR_REPO_UNSAFE,
	    "the source cannot be unpacked: %.200s", words);
}

/* The entry process tells it in a line. */
static int
read_status(struct helper *h, int *status, struct err *e)
{
	int rc = 1;

	while (rc == 1 && h->out.len < STATUS_MAX_BYTES &&
	    memchr(buf_str(&h->out), '\n', h->out.len) == NULL)
		rc = docker_process_step(h->process, e);
	if (rc == -1)
		return -1;
	*status = isdigit((unsigned char)buf_str(&h->out)[0])
	    ? (int)strtol(buf_str(&h->out), NULL, 10)
	    : -1;
	if (*status == -1)
		return err_set(e, ERR_DOCKER, "the container has ended before "
		    "it had the source: %.200s", helper_words(h));
	return 0;
}

int
box_fill(struct box *b, struct store *store, struct err *e)
{
	const struct helper_spec spec = { .docker = b->docker,
		.container = b->container,
		.watch = b->spec.watch };
	struct helper h;
	struct err end;
	int rc = -1, status;

	if (helper_attach(&h, &spec, e) == -1)
		goto out;
	rc = checkout_pack(store, b->spec.conf, b->spec.job->id, pour, &h, e);
	/* A tar that no longer reads has said why, or will. */
	if (rc == -1 && e->code != ERR_REMOTE)
		goto out;
	if (docker_process_end(h.process, &end) == -1 ||
	    read_status(&h, &status, &end) == -1 ||
	    unpacked(b, &h, status, &end) == -1) {
		*e = end;
		rc = -1;
	} else if (rc == -1)
		err_recode(e, ERR_DOCKER);
out:
	helper_free(&h);
	return rc;
}

/* ---- commands ---- */

static int
log_output(void *arg, enum dstream_which which, const char *data, size_t len,
    struct err *e)
{
	struct buildlog *log = arg;

	buildlog_add(log, data, len);
	return 0;
}

/* *status is the command's; -1: it could not be run to its end.  meanwhile is
 * called once it has begun, and may fail. */
static int
run(struct box *b, const char *command, void (*meanwhile)(struct box *),
    int *status, struct err *e)
{
	const char *const argv[] = { "/bin/sh", "-c", command, NULL };
	struct docker_command c = { .argv = argv,
		.env = b->env,
		.cwd = b->dir };
	struct docker_process *p;
	int rc;

	buildlog_say(b->spec.log, "$ %s", command);
	buildlog_mark(b->spec.log);
	p = docker_exec(b->docker, b->container, &c, b->spec.watch, log_output,
	    b->spec.log, e);
	if (p != NULL && meanwhile != NULL)
		meanwhile(b);
	rc = p == NULL ? -1 : docker_process_finish(p, status, e);
	docker_process_free(p);
	return rc;
}

static bool
log_says(struct box *b, const char *words)
{
	return strstr(buildlog_tail(b->spec.log), words) != NULL;
}

/* Six numbers, as stat -f prints them below.  False where it has not. */
static bool
read_numbers(const char *text, long long n[6])
{
	char *end;

	for (int i = 0; i < 6; i++, text = end) {
		n[i] = strtoll(text, &end, 10);
		if (end == text)
			return false;
	}
	return true;
}

/* Which of the directories of builds is full, of bytes or of files, or NULL. */
static const char *
full_directory(struct box *b)
{
	static const char *const argv[] = { "stat", "-f", "-c", "%a %S %d",
		"/work", "/tmp", NULL };
	const char *found = NULL;
	long long n[6];		/* of each: free blocks, their size, files */
	struct helper h;
	int status;

	if (run_helper(b, &h, argv, &status, NULL) == 0 &&
	    read_numbers(buf_str(&h.out), n))
		for (int i = 0; i < 2 && found == NULL; i++)
			if (n[3 * i] * n[3 * i + 1] < FULL_BYTES ||
			    n[3 * i + 2] < FULL_FILES)
				found = argv[4 + i];
	helper_free(&h);
	return found;
}

/* Why did it fail?  Lack of disk or of memory is told by name, since neither
 * is the command's own fault. */
static int
failed(struct box *b, const char *command, int status, enum err_code failure,
    struct err *e)
{
	const struct conf *c = b->spec.conf;
	const char *full = NULL;
	bool oom = false;

	if (log_says(b, "No space left on device") || log_says(b, "ENOSPC"))
		full = full_directory(b);
	if (full != NULL)
		return err_set(e, ERR_BUILD_DISK,
		    "'%.150s' has filled %s; the work directory has %lld MiB",
		    command, full, (long long)(c->build_disk >> 20));
	if (docker_kill(b->docker, b->container, &oom, e) == -1)
		return -1;
	if (oom)
		return err_set(e, ERR_BUILD_OOM,
		    "'%.150s' needs more than the %lld MiB of memory that "
		    "are allowed", command,
		    (long long)(c->build_memory >> 20));
	if (log_says(b, "JavaScript heap out of memory"))
		return err_set(e, ERR_BUILD_OOM,
		    "'%.150s' has filled the heap of Node.js; "
		    "NODE_OPTIONS=--max-old-space-size=… in 'env' raises it",
		    command);
	if (log_says(b, "ERR_OSSL_EVP_UNSUPPORTED"))
		buildlog_say(b->spec.log, "hint: an old webpack needs "
		    "NODE_OPTIONS=--openssl-legacy-provider in 'env'");
	return err_set(e, failure, "'%.150s' exited with status %d%s", command,
	    status, status == 127 ? " (a command was not found)" : "");
}

int
box_build(struct box *b, const char *command, struct err *e)
{
	int status;

	if (run(b, command, box_prepare_output, &status, e) == -1)
		return -1;
	return status == 0 ? 0 : failed(b, command, status, ERR_BUILD, e);
}

int
box_install(struct box *b, const char *command, struct err *e)
{
	char *again;
	int status, rc;

	if (run(b, command, NULL, &status, e) == -1)
		return -1;
	if (status == 0)
		return 0;
	if (strncmp(command, "npm ci", 6) != 0 ||
	    !log_says(b, "can only install packages"))
		return failed(b, command, status, ERR_INSTALL, e);
	buildlog_say(b->spec.log, "warning: the lock file does not fit "
	    "package.json; trying once more without it.  Run 'npm install' "
	    "and commit the lock file.");
	again = xasprintf("npm install%s", command + 6);
	rc = run(b, again, NULL, &status, e);
	if (rc == 0 && status != 0)
		rc = failed(b, again, status, ERR_INSTALL, e);
	free(again);
	return rc;
}
