#include "worker/fetch_tell.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/gitname.h"
#include "lib/gitproto.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/source.h"
#include "lib/tarball.h"
#include "worker/fetch_settings.h"

#define MESSAGE_MAX_BYTES 400

/* gitwire's own deadline comes first and can say more. */
#define ALARM_GRACE_S 1

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
	int rc = fdio_write(FETCH_RESULT_FD, whole, strlen(whole), e);

	free(whole);
	free(text);
	return rc;
}

int
fetch_tell_failure(const struct fetch_settings *s, const struct err *e)
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
	if (r->elsewhere > 0)
		json_set_int(line, "elsewhere", r->elsewhere);
	json_set(line, "ignored", ignored);
	for (size_t i = 0; i < r->nnotes; i++)
		json_append_string(notes, r->notes[i]);
	if (r->nnotes > 0)
		json_set(line, "notes", notes);
	else
		json_free(notes);
	return line;
}

int
fetch_tell_report(const struct fetch_settings *s, const struct source *source,
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

int
fetch_tell_commit(const struct fetch_settings *s,
    const struct gitproto *proto, struct err *e)
{
	struct json *line;
	int rc;

	if (!s->have_result)
		return puts(gitproto_want(proto)) == EOF || fflush(stdout) != 0
		    ? err_errno(e, "write to stdout")
		    : 0;
	line = json_new_object();
	json_set_string(line, "commit", gitproto_want(proto));
	json_set_string(line, "ref", gitproto_ref(proto));
	rc = write_result(line, e);
	json_free(line);
	return rc;
}

int
fetch_tell_success(const struct fetch_settings *s, struct err *e)
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

int
fetch_tell_archive(const struct fetch_settings *s,
    const struct tarball_report *r, struct err *e)
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
	const char *text = last_fd == FETCH_RESULT_FD ? json : words;

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

void
fetch_set_deadline(const struct fetch_settings *s)
{
	struct sigaction act = { .sa_handler = out_of_time };

	last_fd = s->have_result ? FETCH_RESULT_FD : STDERR_FILENO;
	sigaction(SIGALRM, &act, NULL);
	sigaction(SIGXCPU, &act, NULL);
	alarm((unsigned int)s->time + ALARM_GRACE_S);
}
