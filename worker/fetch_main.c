/*
 * davit-fetch: a repository's URL, or an archive, in, a tar stream out; see
 * davit-fetch(8).
 *
 * What it reads comes from strangers, so it holds nothing: no store, no
 * Redis, no Docker, hardly an environment, and it can be killed at any time.
 * Its scratch directory is made and removed by whoever started it; by hand,
 * that is a parent process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/credentials.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/gitname.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/source.h"
#include "lib/tar.h"
#include "lib/tarball.h"
#include "worker/landlock.h"

#define MiB ((int64_t)1 << 20)
#define TiB ((int64_t)1 << 40)

#define RESULT_FD 3
#define LOGIN_FD 4
#define LOGIN_LINES_MAX_BYTES (2 * LOGIN_MAX_BYTES + URL_MAX_BYTES + 3)
#define MESSAGE_MAX_BYTES 400

/* Kept low: libcurl and libgit2 need about ten. */
#define OPEN_FILES 64

/* gitwire's own deadline comes first and can say more. */
#define ALARM_GRACE_S 1

struct settings {
	struct name_url url;
	struct source_options source;
	int64_t time;		/* seconds */
	char *user;		/* to become, when root; NULL */
	char *ca;
	char *allow_hosts;
	char *ref;
	char *dir;
	bool wants_login;	/* one comes by LOGIN_FD: */
	struct login login;
	bool tar;		/* an archive on stdin, no repository */
	bool have_result;	/* RESULT_FD is there to write to */
};

static const char usage[] =
    "usage: davit-fetch [--ref REF] [--dir DIR] [--ignored keep|drop] URL\n"
    "       davit-fetch --tar [--dir DIR]\n"
    "Write one commit of the repository at URL, or the archive on stdin, to\n"
    "stdout as a tar stream.\n";

/* ---- results ---- */

static int
exit_status(enum err_code code)
{
	static const struct {
		enum err_code code;
		int status;
	} table[] = { /* as in davit-fetch(8) */
		{ ERR_NONE, 0 },
		{ ERR_INVALID, 2 },
		{ ERR_FETCH_FAILED, 3 },
		{ ERR_FETCH_TIMEOUT, 4 },
		{ ERR_REPO_NOTFOUND, 5 },
		{ ERR_REPO_PRIVATE, 6 },
		{ ERR_REF_NOTFOUND, 7 },
		{ ERR_DIR_NOTFOUND, 8 },
		{ ERR_REPO_TOOBIG, 9 },
		{ ERR_REPO_UNSAFE, 10 },
		{ ERR_REPO_EMPTY, 11 },
		{ ERR_ADDRESS, 12 },
		{ ERR_ARCHIVE, 13 },
		{ ERR_TOOBIG, 9 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].code == code)
			return table[i].status;
	return 1;
}

static int
write_result(const struct json *line, struct err *e)
{
	char *text = json_text(line);
	char *whole = xasprintf("%s\n", text);
	int rc = fdio_write(RESULT_FD, whole, strlen(whole), e);

	free(whole);
	free(text);
	return rc;
}

/* A failure, to the program that reads RESULT_FD or to a person.  Gives the
 * exit status. */
static int
tell_failure(const struct settings *s, const struct err *e)
{
	struct buf message = BUF_INIT;
	struct json *line;

	gitname_clean(&message, e->msg, MESSAGE_MAX_BYTES);
	if (s->have_result) {
		line = json_new_object();
		json_set_string(line, "error", err_name(e->code));
		json_set_string(line, "message", buf_str(&message));
		write_result(line, NULL);
		json_free(line);
	} else {
		log_error("%s. %s", buf_str(&message), err_hint(e->code));
	}
	buf_clear(&message);
	return exit_status(e->code);
}

static struct json *
report_line(const struct source_report *r)
{
	struct json *line = json_new_object(), *ignored = json_new_object();
	struct json *names = json_new_array(), *notes = json_new_array();

	for (size_t i = 0; i < r->nnames; i++)
		json_append_string(names, r->names[i]);
	json_set_int(ignored, "count", r->ignored);
	json_set(ignored, "names", names);
	json_set_string(line, "commit", r->commit);
	json_set_string(line, "ref", r->ref);
	json_set_string(line, "subject", r->subject);
	json_set_int(line, "files", r->files);
	json_set_int(line, "bytes", r->bytes);
	json_set(line, "ignored", ignored);
	for (size_t i = 0; i < r->nnotes; i++)
		json_append_string(notes, r->notes[i]);
	if (r->nnotes > 0)
		json_set(line, "notes", notes);
	else
		json_free(notes);
	return line;
}

static int
tell_report(const struct settings *s, const struct source *source,
    struct err *e)
{
	struct source_report r;
	struct json *line;
	int rc = 0;

	source_report(source, &r);
	for (size_t i = 0; i < r.nnotes && !s->have_result; i++)
		log_info("%s", r.notes[i]);
	if (r.ignored > 0 && !s->have_result)
		log_info("ignored and left out: %lld, such as %s",
		    (long long)r.ignored, r.names[0]);
	if (s->have_result) {
		line = report_line(&r);
		rc = write_result(line, e);
		json_free(line);
	}
	return rc;
}

static int
tell_success(const struct settings *s, struct err *e)
{
	struct json *line;
	int rc;

	if (!s->have_result)
		return 0;
	line = json_new_object();
	json_set_bool(line, "ok", true);
	rc = write_result(line, e);
	json_free(line);
	return rc;
}

static int
tell_archive(const struct settings *s, const struct tarball_report *r,
    struct err *e)
{
	struct json *line = json_new_object(), *notes;
	int rc = 0;

	json_set_int(line, "files", r->files);
	json_set_int(line, "bytes", r->bytes);
	if (r->git > 0) {
		notes = json_new_array();
		json_append_string(notes, "git's own files are left out of "
		    "the archive");
		json_set(line, "notes", notes);
	}
	if (s->have_result)
		rc = write_result(line, e);
	json_free(line);
	return rc;
}

/* ---- the last word of a process that is out of time ---- */

static int last_fd = STDERR_FILENO;

static void
say_and_leave(const char *json, const char *words, int status)
{
	const char *text = last_fd == RESULT_FD ? json : words;

	if (write(last_fd, text, strlen(text)) == -1)
		_exit(status);
	_exit(status);
}

static void
out_of_time(int sig)
{
	if (sig == SIGXCPU)
		say_and_leave("{\"error\":\"repository_too_large\","
		    "\"message\":\"it takes too much work to unpack\"}\n",
		    "davit-fetch: error: it takes too much work to unpack\n",
		    exit_status(ERR_REPO_TOOBIG));
	say_and_leave("{\"error\":\"fetch_timeout\","
	    "\"message\":\"it takes too long\"}\n",
	    "davit-fetch: error: it takes too long\n",
	    exit_status(ERR_FETCH_TIMEOUT));
}

static void
set_deadline(const struct settings *s)
{
	struct sigaction act = { .sa_handler = out_of_time };

	last_fd = s->have_result ? RESULT_FD : STDERR_FILENO;
	sigaction(SIGALRM, &act, NULL);
	sigaction(SIGXCPU, &act, NULL);
	alarm((unsigned int)s->time + ALARM_GRACE_S);
}

/* ---- confinement ---- */

static void
limit(int resource, int64_t most)
{
	struct rlimit now, want = { (rlim_t)most, (rlim_t)most };

	if (getrlimit(resource, &now) == 0 && now.rlim_max < want.rlim_max)
		want.rlim_cur = want.rlim_max = now.rlim_max;
	setrlimit(resource, &want);
}

static void
set_limits(const struct settings *s)
{
	const struct source_options *o = &s->source;
	struct rlimit cpu;

	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, OPEN_FILES);
	/* The pack with its index, and the stream where stdout is a file. */
	limit(RLIMIT_FSIZE, 2 * o->pack_bytes + 2 * o->source_bytes + 64 * MiB);
	/* SIGXCPU first, to say why; SIGKILL two seconds later. */
	cpu.rlim_cur = (rlim_t)(s->time / 2 + 5);
	cpu.rlim_max = cpu.rlim_cur + 2;
	setrlimit(RLIMIT_CPU, &cpu);
#ifndef __SANITIZE_ADDRESS__ /* it reserves terabytes */
	/* A file is unpacked whole, at times from a base of its size. */
	limit(RLIMIT_AS, 3 * o->source_bytes + 512 * MiB);
#endif
}

/* The directory that the parent gave us is the user's already. */
static int
become(const char *name, struct err *e)
{
	const struct passwd *pw;

	errno = 0;
	if ((pw = getpwnam(name)) == NULL)
		return err_set(e, ERR_CONFIG, "fetch_user: no user %s", name);
	if (setgroups(1, &pw->pw_gid) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1)
		return err_errno(e, "become user %s", name);
	return 0;
}

/* Keep no more than what is needed to talk to one server. */
static int
confine(const struct settings *s, pid_t parent, struct err *e)
{
	umask(077);
	clearenv();
	setenv("PATH", "/usr/bin:/bin", 1);
	setenv("HOME", ".", 1);
	if (geteuid() == 0 && s->user != NULL && become(s->user, e) == -1)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return err_errno(e, "no_new_privs");
	/* Last, since a change of user takes it away. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent)
		return err_set(e, ERR_INTERNAL, "the parent process died");
	set_limits(s);
	return landlock_confine(".", s->ca, e);
}

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
rewrite(const struct settings *s, struct err *e)
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
		rc = tell_archive(s, &report, e);
	tar_writer_free(w);
	return rc;
}

static int
fetch(const struct settings *s, struct err *e)
{
	struct source *source = source_fetch(&s->url, &s->source, e);
	int rc = -1;

	if (source != NULL && tell_report(s, source, e) == 0)
		rc = stream(source, e);
	source_free(source);
	return rc;
}

/* Everything, in the scratch directory.  Gives the exit status. */
static int
work(struct settings *s, pid_t parent)
{
	struct err e = { .code = ERR_NONE };
	int rc = -1;

	if (confine(s, parent, &e) == -1)
		goto out;
	set_deadline(s);
	s->source.wire.deadline = name_tick_ms() + s->time * 1000;
	rc = s->tar ? rewrite(s, &e) : fetch(s, &e);
	alarm(0);
	if (rc == 0)
		rc = tell_success(s, &e);
out:
	return rc == 0 ? 0 : tell_failure(s, &e);
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
make_scratch(const struct settings *s, char **path, struct err *e)
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
work_by_hand(struct settings *s)
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
		status = tell_failure(s, &e);
	} else if ((pid = fork()) == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		status = chdir(scratch) == -1 ? 1 : work(s, self);
		free(scratch);
		return status;
	} else if (pid == -1) {
		err_errno(&e, "fork");
		status = tell_failure(s, &e);
	} else {
		status = await_child(pid, &signals);
	}
	fdio_remove_tree(scratch, NULL);
	free(scratch);
	return status;
}

/* ---- settings ---- */

static int64_t
number_of(const char *name, int64_t otherwise, int64_t max, struct err *e)
{
	const char *text = getenv(name);
	int64_t n = otherwise;

	if (text != NULL && !name_to_size(text, 1, max, &n))
		err_set(e, ERR_INVALID, "%s: not a number up to %lld", name,
		    (long long)max);
	return n;
}

static char *
text_of(const char *name)
{
	const char *text = getenv(name);

	return text == NULL || text[0] == '\0' ? NULL : xstrdup(text);
}

/* What davit.conf(5) says where ingest started us; its defaults by hand. */
static void
take_environment(struct settings *s, struct err *e)
{
	struct source_options *o = &s->source;

	s->time = number_of("DAVIT_FETCH_TIME", 60, 24 * 3600, e);
	o->pack_bytes = number_of("DAVIT_PACK_BYTES", 512 * MiB, TiB, e);
	o->source_bytes = number_of("DAVIT_SOURCE_BYTES", 512 * MiB, TiB, e);
	o->source_files = number_of("DAVIT_SOURCE_FILES", 100000, INT32_MAX,
	    e);
	s->allow_hosts = text_of("DAVIT_ALLOW_HOSTS");
	s->user = text_of("DAVIT_FETCH_USER");
	if ((s->ca = text_of("DAVIT_CA")) == NULL)
		s->ca = text_of("SSL_CERT_FILE");
	o->wire.allow_hosts = s->allow_hosts == NULL ? "" : s->allow_hosts;
	o->wire.ca = s->ca == NULL ? "" : s->ca;
	/* Side bands add a little, references may come before. */
	o->wire.max_bytes = o->pack_bytes + o->pack_bytes / 8 + 64 * MiB;
	o->scratch = ".";
}

/* "./app/" as "app"; "." and "" are the root. */
static char *
normal_dir(const char *text)
{
	size_t len;

	while (text[0] == '.' && (text[1] == '/' || text[1] == '\0'))
		text += text[1] == '/' ? 2 : 1;
	len = strlen(text);
	while (len > 0 && text[len - 1] == '/')
		len--;
	return len == 0 ? NULL : xstrndup(text, len);
}

static int
check_names(struct settings *s, const char *url, struct err *e)
{
	if (s->ref != NULL && !name_is_ref(s->ref))
		return err_set(e, ERR_INVALID,
		    "ref: not a name of a branch, tag or commit");
	if (s->dir != NULL && !name_is_path(s->dir))
		return err_set(e, ERR_INVALID,
		    "dir: not a path inside the repository");
	s->source.ref = s->ref;
	s->source.dir = s->dir;
	if (s->tar)
		return 0;
	return name_url(&s->url, url, strlen(url), e);
}

/* "https://host:port" of a URL. */
static char *
origin(const struct name_url *url)
{
	return xstrndup(url->text, strlen(url->text) - strlen(url->path));
}

/* A user, a secret, and perhaps a scope, a line each. */
static int
take_login(struct settings *s, struct err *e)
{
	struct buf text = BUF_INIT;
	char *user, *secret, *scope, *rest;
	int rc = -1;

	if (fdio_slurp(LOGIN_FD, LOGIN_LINES_MAX_BYTES, &text, e) == -1) {
		err_within(e, "--login: descriptor %d", LOGIN_FD);
		goto out;
	}
	buf_addc(&text, '\0');
	rest = text.data;
	user = strsep(&rest, "\n");
	secret = strsep(&rest, "\n");
	scope = strsep(&rest, "\n");
	if (secret == NULL || !name_is_login(user, secret)) {
		err_set(e, ERR_INVALID,
		    "--login: a user and a secret, a line each, are needed "
		    "on descriptor %d", LOGIN_FD);
		goto out;
	}
	s->login.user = xstrdup(user);
	s->login.secret = xstrdup(secret);
	s->login.scope = scope == NULL || scope[0] == '\0'
	    ? origin(&s->url)
	    : xstrdup(scope);
	s->source.wire.scope = s->login.scope;
	s->source.wire.user = s->login.user;
	s->source.wire.secret = s->login.secret;
	rc = 0;
out:
	if (text.len > 0)
		explicit_bzero(text.data, text.len);
	buf_clear(&text);
	return rc;
}

/* The options; leaves the program for --help and --version. */
static int
take_options(struct settings *s, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{ "ref", required_argument, NULL, 'r' },
		{ "dir", required_argument, NULL, 'd' },
		{ "ignored", required_argument, NULL, 'i' },
		{ "login", no_argument, NULL, 'l' },
		{ "tar", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r') {
			free(s->ref);
			s->ref = optarg[0] == '\0' ? NULL : xstrdup(optarg);
		} else if (c == 'd') {
			free(s->dir);
			s->dir = normal_dir(optarg);
		} else if (c == 'i' && (strcmp(optarg, "keep") == 0 ||
		    strcmp(optarg, "drop") == 0)) {
			s->source.keep_ignored = optarg[0] == 'k';
		} else if (c == 'l') {
			s->wants_login = true;
		} else if (c == 't') {
			s->tar = true;
		} else if (c == 'h') {
			fputs(usage, stdout);
			exit(0);
		} else if (c == 'V') {
			puts("davit-fetch " PACKAGE_VERSION);
			exit(0);
		} else {
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (argc - optind != (s->tar ? 0 : 1)) {
		fputs(usage, stderr);
		exit(2);
	}
	if (check_names(s, s->tar ? NULL : argv[optind], e) == -1)
		return -1;
	if (s->wants_login && take_login(s, e) == -1)
		return -1;
	close(LOGIN_FD);
	return 0;
}

/* 0 to 2 are open, RESULT_FD where the caller opened it for writing, LOGIN_FD
 * until it was read, and no other. */
static bool
tidy_descriptors(void)
{
	int fd, flags = fcntl(RESULT_FD, F_GETFL);
	bool result = flags != -1 && (flags & O_ACCMODE) != O_RDONLY;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	if (!result)
		close(RESULT_FD);
	close_range(LOGIN_FD + 1, ~0U, 0);
	return result;
}

static void
clear(struct settings *s)
{
	login_clear(&s->login);
	free(s->user);
	free(s->ca);
	free(s->allow_hosts);
	free(s->ref);
	free(s->dir);
}

int
main(int argc, char **argv)
{
	struct settings s = { .have_result = tidy_descriptors() };
	struct err e = { .code = ERR_NONE };
	pid_t parent = getppid();
	int status;

	log_init("davit-fetch");
	signal(SIGPIPE, SIG_IGN);
	take_environment(&s, &e);
	if (take_options(&s, argc, argv, &e) == 0 && isatty(STDOUT_FILENO))
		err_set(&e, ERR_INVALID,
		    "stdout is a terminal: send the tar stream to a file");
	if (e.code != ERR_NONE)
		status = tell_failure(&s, &e);
	else if (getenv("DAVIT_SCRATCH") != NULL)
		status = work(&s, parent);
	else
		status = work_by_hand(&s);
	clear(&s);
	return status;
}
