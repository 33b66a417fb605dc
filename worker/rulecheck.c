#include "worker/rulecheck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/rules.h"

struct site {
	int dir;
	FILE *out;
};

static bool
is_file(int dir, const char *path, int len, const char *ending)
{
	char *name = xasprintf("%.*s%s", len, path, ending);
	struct stat st;
	bool found = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode);

	free(name);
	return found;
}

/* As manifest_answers() finds it, once it is published. */
static bool
exists(void *arg, const char *path)
{
	const struct site *site = arg;
	int len = (int)strlen(path) - 1;

	if (len == 0)
		return is_file(site->dir, "", 0, "index.html");
	if (path[len] == '/')
		len--;
	return is_file(site->dir, path + 1, len, "") ||
	    is_file(site->dir, path + 1, len, ".html") ||
	    is_file(site->dir, path + 1, len, "/index.html");
}

static void
say(void *arg, const char *file, int line, const char *what)
{
	fprintf(((struct site *)arg)->out, "%s:%d: %s\n", file, line, what);
}

/* The bytes of a file of the site, but for what is over the bound by more
 * than one.  None where there is no such file. */
static int
read_text(const struct site *site, const char *name, struct buf *text,
    struct err *e)
{
	int fd = openat(site->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	ssize_t n = 1;

	if (fd == -1)
		return errno == ENOENT ? 0 : err_errno(e, "open %s", name);
	while (n > 0 && text->len <= RULES_FILE_MAX_BYTES) {
		size_t room = RULES_FILE_MAX_BYTES + 1 - text->len;

		n = read(fd, buf_space(text, room), room);
		if (n > 0)
			buf_grow(text, (size_t)n);
	}
	if (n == -1)
		err_errno(e, "read %s", name);
	fdio_close(&fd);
	return n == -1 ? -1 : 0;
}

int
rulecheck(const char *dir, FILE *out, struct err *e)
{
	struct site s = { open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), out };
	const struct rules_site site = { exists, say, &s };
	struct buf redirects = BUF_INIT, headers = BUF_INIT;
	struct rules *rules = rules_new();
	int wrong = -1;

	if (s.dir == -1)
		err_errno(e, "open %s", dir);
	else if (read_text(&s, "_redirects", &redirects, e) == 0 &&
	    read_text(&s, "_headers", &headers, e) == 0) {
		wrong = rules_read_redirects(rules, buf_str(&redirects),
		    redirects.len, &site);
		wrong += rules_read_headers(rules, buf_str(&headers),
		    headers.len, &site);
		fprintf(out, "%zu rules; %d lines are wrong\n",
		    rules_count(rules), wrong);
	}
	rules_free(rules);
	buf_clear(&redirects);
	buf_clear(&headers);
	fdio_close(&s.dir);
	return wrong;
}
