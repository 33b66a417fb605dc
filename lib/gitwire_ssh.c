#include "lib/gitwire_parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/credentials.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/gitname.h"
#include "lib/mem.h"
#include "lib/ssh.h"

/* A host may still tell why in so many bytes. */
#define WHY_MAX_BYTES 200

struct session {
	struct wire *wire;
	struct ssh *ssh;
};

static int
wait_for(void *arg, int fd, short events, struct err *e)
{
	return gitwire_await(arg, fd, events, STALL_MS, e);
}

/* Its git, or its shell, has ended and said why. */
static int
refused(const struct wire *w, const char *words, struct err *e)
{
	static const char *const none[] = { "not found", "does not exist",
		"does not appear to be a git repository", "not exported" };
	enum err_code code = ERR_FETCH_FAILED;
	struct buf why = BUF_INIT;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (strstr(words, none[i]) != NULL)
			code = ERR_REPO_NOTFOUND;
	gitname_clean(&why, words, WHY_MAX_BYTES);
	err_set(e, code, "%s says '%s'", w->url.host, buf_str(&why));
	buf_clear(&why);
	return -1;
}

static int
session_write(void *arg, const void *data, size_t len, struct err *e)
{
	return ssh_write(((struct session *)arg)->ssh, data, len, e);
}

static ssize_t
session_read(void *arg, void *data, size_t size, struct err *e)
{
	const struct session *s = arg;
	ssize_t n = ssh_read(s->ssh, data, size, e);

	if (n != 0 || ssh_words(s->ssh)[0] == '\0')
		return n;
	return refused(s->wire, ssh_words(s->ssh), e);
}

/* Quoted for the other side's shell as git does it. */
static char *
command(const char *path)
{
	struct buf out = BUF_INIT;

	buf_adds(&out, "git-upload-pack '");
	/* "/~user/x" is how a URL writes "~user/x". */
	for (path += path[0] == '/' && path[1] == '~'; *path != '\0'; path++)
		if (*path == '\'' || *path == '!')
			buf_addf(&out, "'\\%c'", *path);
		else
			buf_addc(&out, *path);
	buf_addc(&out, '\'');
	return buf_take(&out);
}

static int
converse(struct session *s, const char *path, struct err *e)
{
	const struct stream stream = { session_write, session_read, s };
	char *line = command(path);
	int rc = ssh_exec(s->ssh, line, "GIT_PROTOCOL", "version=2", e);

	free(line);
	return rc == 0 ? gitwire_talk(s->wire, &stream, e) : -1;
}

int
gitwire_over_ssh(struct wire *w, struct err *e)
{
	const struct gitwire_options *o = w->options;
	const struct ssh_options options = { .user = w->url.user,
		.host = w->url.host, .port = w->url.port, .key = o->key,
		.known_hosts = o->known_hosts, .wait = wait_for, .arg = w };
	struct session s = { .wire = w };
	char *path = NULL;
	int fd = -1, rc = -1;

	if (o->key == NULL || !login_fits(o->scope, &w->url))
		return err_set(e, ERR_REPO_PRIVATE, "there is no deploy key "
		    "for %s: use its https:// URL, or ask the operator for a "
		    "line in the credentials file", w->url.host);
	if ((path = gitwire_path(w, e)) != NULL &&
	    (fd = gitwire_connect(w, e)) != -1 &&
	    (s.ssh = ssh_open(fd, &options, e)) != NULL)
		rc = converse(&s, path, e);
	ssh_free(s.ssh);
	fdio_close(&fd);
	free(path);
	return rc;
}
