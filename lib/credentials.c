#include "lib/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/name.h"

static const char blank[] = " \t\r";

static void
forget(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void
login_clear(struct login *login)
{
	forget(&login->user);
	forget(&login->secret);
	forget(&login->scope);
}

/* A server may take "a/../b" for "b": such a path fits no prefix of another.
 */
static bool
is_plain(const char *path)
{
	char *copy = xstrdup(path);
	bool plain = name_percent_decode(copy) && strstr(copy, "//") == NULL &&
	    name_is_path(copy + 1);

	free(copy);
	return plain;
}

/* How much of the URL the entry says; 0 where it is not for it. */
static size_t
fits(const char *entry, const struct name_url *url)
{
	bool whole = strstr(entry, "://") != NULL;
	char *prefix = xasprintf("%s%s", whole ? "" : "https://", entry);
	size_t len = strlen(prefix);

	while (len > 0 && prefix[len - 1] == '/')
		len--;
	if (strncmp(url->text, prefix, len) != 0 ||
	    (url->text[len] != '/' && url->text[len] != '\0'))
		len = 0;
	free(prefix);
	return len;
}

bool
login_fits(const char *scope, const struct name_url *url)
{
	return is_plain(url->path) && fits(scope, url) > 0;
}

/* Split a line in place; false where it is none of three words. */
static bool
split(char *line, char *words[3])
{
	for (int i = 0; i < 3; i++) {
		line += strspn(line, blank);
		words[i] = line;
		line += strcspn(line, blank);
		if (line == words[i])
			return false;
		if (*line != '\0')
			*line++ = '\0';
	}
	return line[strspn(line, blank)] == '\0' &&
	    strchr(words[1], ':') == NULL;
}

static int
search(char *text, const char *file, const struct name_url *url,
    struct login *login, struct err *e)
{
	size_t best = 0;
	char *line, *words[3];

	for (int n = 1; (line = strsep(&text, "\n")) != NULL; n++) {
		size_t len;

		line += strspn(line, blank);
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (!split(line, words))
			return err_set(e, ERR_CONFIG,
			    "credentials: %s:%d: a host or URL, a user and a "
			    "secret are needed", file, n);
		if ((len = fits(words[0], url)) <= best)
			continue;
		best = len;
		login_clear(login);
		login->user = xstrdup(words[1]);
		login->secret = xstrdup(words[2]);
		login->scope = xstrdup(words[0]);
	}
	return 0;
}

static int
open_private(const char *file, struct err *e)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1) {
		err_errno(e, "credentials: %s", file);
		err_recode(e, ERR_CONFIG);
		fdio_close(&fd);
	} else if (!S_ISREG(st.st_mode) || (st.st_mode & S_IRWXO) != 0) {
		err_set(e, ERR_CONFIG,
		    "credentials: %s must be a file without access for "
		    "others: chmod o= it", file);
		fdio_close(&fd);
	}
	return fd;
}

int
credentials_find(const char *file, const struct name_url *url,
    struct login *login, struct err *e)
{
	struct buf text = BUF_INIT;
	int fd, rc = -1;

	if ((fd = open_private(file, e)) == -1)
		return -1;
	if (fdio_slurp(fd, CONF_MAX_BYTES, &text, e) == -1) {
		err_within(e, "credentials: %s", file);
		err_recode(e, ERR_CONFIG);
	} else {
		buf_addc(&text, '\0');
		rc = is_plain(url->path)
		    ? search(text.data, file, url, login, e)
		    : 0;
	}
	explicit_bzero(text.data, text.len);
	buf_clear(&text);
	fdio_close(&fd);
	return rc;
}
