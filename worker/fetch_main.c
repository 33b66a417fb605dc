/*
 * davit-fetch: a repository's URL, or an archive, in, a tar stream out; see
 * davit-fetch(8).
 *
 * What it reads comes from strangers, so it holds nothing: no store, no
 * Redis, no Docker, hardly an environment, and it can be killed at any time.
 * Its scratch directory is made and removed by whoever started it; by hand,
 * that is a parent process of its own.
 */
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/gitproto.h"
#include "lib/gitwire.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/tar.h"
#include "lib/tarball.h"
#include "worker/fetch_settings.h"
#include "worker/fetch_tell.h"
#include "worker/sandbox.h"

#define MiB ((int64_t)1 << 20)

/* ---- the work ---- */

static int
stdout_sink(void *arg, const void *data, size_t len, struct err *e)
{
	return fdio_write(STDOUT_FILENO, data, len, e);
}

static int
stream(struct source *source, struct err *e)
{
	struct tar_writer *w;
	int rc = -1;

	if ((w = tar_writer_new(stdout_sink, NULL, e)) != NULL &&
	    source_write(source, w, e) == 0)
		rc = tar_writer_close(w, e);
	tar_writer_free(w);
	return rc;
}

static ssize_t
stdin_source(void *arg, void *data, size_t size, struct err *e)
{
	return fdio_read(STDIN_FILENO, data, size, e);
}

static int
rewrite(const struct fetch_settings *s, struct err *e)
{
	const struct source_options *o = &s->source;
	const struct tarball_options options = { .dir = s->dir,
		.bounds = { .bytes = o->source_bytes,
		    .files = o->source_files },
		.deadline = o->wire.deadline };
	struct tarball_report report;
	struct tar_writer *w;
	int rc = -1;

	if ((w = tar_writer_new(stdout_sink, NULL, e)) != NULL &&
	    tarball_copy(stdin_source, NULL, w, &options, &report, e) == 0 &&
	    tar_writer_close(w, e) == 0)
		rc = fetch_tell_archive(s, &report, e);
	tar_writer_free(w);
	return rc;
}

static int
fetch(const struct fetch_settings *s, struct err *e)
{
	struct source *source = source_fetch(&s->url, &s->source, e);
	int rc = -1;

	if (source != NULL && fetch_tell_report(s, source, e) == 0)
		rc = stream(source, e);
	source_free(source);
	return rc;
}

static int
resolve(const struct fetch_settings *s, struct err *e)
{
	struct gitproto *proto = gitproto_new(s->ref, NULL, NULL);
	int rc;

	gitproto_only_refs(proto);
	rc = gitwire_fetch(&s->url, proto, &s->source.wire, e);
	if (rc == 0)
		rc = fetch_tell_commit(s, proto, e);
	gitproto_free(proto);
	return rc;
}

/* Keep no more than what is needed to talk to one server. */
static int
confine(const struct fetch_settings *s, pid_t parent, struct err *e)
{
	const struct source_options *o = &s->source;
	const struct sandbox box = { .user = s->user, .scratch = o->scratch,
		.ca = s->ca, .parent = parent,
		/* The pack with its index, and the stream where stdout is a
		 * file. */
		.file_bytes = 2 * o->pack_bytes + 2 * o->source_bytes +
		    64 * MiB,
		/* A file is unpacked whole, at times from a base of its
		 * size. */
		.memory = 3 * o->source_bytes + 512 * MiB,
		.cpu = s->time / 2 + 5 };

	return sandbox_enter(&box, e);
}

/* Everything, in the scratch directory.  Gives the exit status. */
static int
work(struct fetch_settings *s, pid_t parent)
{
	struct err e = { .code = ERR_NONE };
	int rc = -1;

	if (confine(s, parent, &e) == -1)
		goto out;
	fetch_set_deadline(s);
	s->source.wire.deadline = name_tick_ms() + s->time * 1000;
	rc = s->tar ? rewrite(s, &e)
	    : s->resolve ? resolve(s, &e) : fetch(s, &e);
	alarm(0);
	if (rc == 0)
		rc = fetch_tell_success(s, &e);
out:
	return rc == 0 ? 0 : fetch_tell_failure(s, &e);
}

/* ---- by hand ---- */

/* Wait for the child, or end it when we are told to end.  Gives the exit
 * status, as a shell would say it. */
static int
await_child(pid_t pid, const sigset_t *signals)
{
	int sig, told = 0, status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (sigwait(signals, &sig) != 0 || sig == SIGCHLD)
			continue;
		told = sig;
		kill(pid, SIGKILL);
	}
	if (told != 0)
		return 128 + told;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	log_error("ended by signal %d", WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

static int
make_scratch(const struct fetch_settings *s, char **path, struct err *e)
{
	const char *dir = getenv("TMPDIR");
	const struct passwd *pw;

	*path = xasprintf("%s/davit-fetch-XXXXXX",
	    dir == NULL || dir[0] == '\0' ? "/tmp" : dir);
	if (mkdtemp(*path) == NULL)
		return err_errno(e, "make %s", *path);
	if (geteuid() == 0 && s->user != NULL &&
	    ((pw = getpwnam(s->user)) == NULL ||
		chown(*path, pw->pw_uid, pw->pw_gid) == -1))
		return err_errno(e, "give %s to %s", *path, s->user);
	return 0;
}

/* A process for the work and this one to clean up after it, whatever becomes
 * of it. */
static int
work_by_hand(struct fetch_settings *s)
{
	pid_t self = getpid(), pid = -1;
	struct err e = { .code = ERR_NONE };
	char *scratch = NULL;
	sigset_t signals, before;
	int status = 1;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &before);
	if (make_scratch(s, &scratch, &e) == -1) {
		status = fetch_tell_failure(s, &e);
	} else if ((pid = fork()) == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		status = chdir(scratch) == -1 ? 1 : work(s, self);
		free(scratch);
		return status;
	} else if (pid == -1) {
		err_errno(&e, "fork");
		status = fetch_tell_failure(s, &e);
	} else {
		status = await_child(pid, &signals);
	}
	fdio_remove_tree(scratch, NULL);
	free(scratch);
	return status;
}

int
main(int argc, char **argv)
{
	struct fetch_settings s = { .have_result =
		sandbox_tidy_descriptors(FETCH_RESULT_FD, FETCH_LOGIN_FD) };
	struct err e = { .code = ERR_NONE };
	pid_t parent = getppid();
	int status;

	log_init("davit-fetch");
	signal(SIGPIPE, SIG_IGN);
	fetch_take_environment(&s, &e);
	if (fetch_take_options(&s, argc, argv, &e) == 0 && !s.resolve &&
	    isatty(STDOUT_FILENO))
		err_set(&e, ERR_INVALID,
		    "stdout is a terminal: send the tar stream to a file");
	if (e.code != ERR_NONE)
		status = fetch_tell_failure(&s, &e);
	else if (getenv("DAVIT_SCRATCH") != NULL)
		status = work(&s, parent);
	else
		status = work_by_hand(&s);
	fetch_settings_clear(&s);
	return status;
}
