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

static const char blank[] = " \t\r", ssh_scheme[] = "ssh://";

#define OTHERS S_IRWXO
#define ALL_BUT_OWNER (S_IRWXG | S_IRWXO)
#define WRITERS (S_IWGRP | S_IWOTH)

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
	forget(&login->key);
	forget(&login->known_hosts);
	forget(&login->scope);
}

bool
login_is_set(const struct login *login)
{
	return login->user != NULL || login->key != NULL;
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

static bool
is_ssh(const char *entry)
{
	return strncmp(entry, ssh_scheme, sizeof(ssh_scheme) - 1) == 0;
}

/* The entry as the beginning of a URL: a host alone is one of https, and the
 * user of ssh is git where none is named. */
static char *
prefix_of(const char *entry)
{
	const char *rest = entry + sizeof(ssh_scheme) - 1;

	if (is_ssh(entry) && memchr(rest, '@', strcspn(rest, "/")) == NULL)
		return xasprintf("%sgit@%s", ssh_scheme, rest);
	return xasprintf("%s%s",
	    strstr(entry, "://") == NULL ? "https://" : "", entry);
}

/* How much of the URL the entry says; 0 where it is not for it. */
static size_t
fits(const char *entry, const struct name_url *url)
{
	char *prefix = prefix_of(entry), *text = name_url_long(url);
	size_t len = strlen(prefix);

	while (len > 0 && prefix[len - 1] == '/')
		len--;
	if (strncmp(text, prefix, len) != 0 ||
	    (text[len] != '/' && text[len] != '\0'))
		len = 0;
	free(prefix);
	free(text);
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
	    (is_ssh(words[0]) || strchr(words[1], ':') == NULL);
}

static int
open_closed(const char *file, mode_t forbidden, struct err *e)
{
	const char *mend = forbidden == OTHERS ? "others: chmod o= it"
	    : forbidden == WRITERS ? "writing by others: chmod go-w it"
				   : "its group and others: chmod go= it";
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1) {
		err_errno(e, "credentials: %s", file);
		err_recode(e, ERR_CONFIG);
		fdio_close(&fd);
	} else if (!S_ISREG(st.st_mode) || (st.st_mode & forbidden) != 0) {
		err_set(e, ERR_CONFIG, "credentials: %s must be a file "
		    "without access for %s", file, mend);
		fdio_close(&fd);
	}
	return fd;
}

/* Add all that the file holds, which nobody may have any of those rights to.
 */
static int
slurp_closed(const char *file, mode_t forbidden, size_t max, struct buf *out,
    struct err *e)
{
	int fd, rc;

	if ((fd = open_closed(file, forbidden, e)) == -1)
		return -1;
	if ((rc = fdio_slurp(fd, max, out, e)) == -1) {
		err_within(e, "credentials: %s", file);
		err_recode(e, ERR_CONFIG);
	}
	fdio_close(&fd);
	return rc;
}

static void
wipe(struct buf *b)
{
	if (b->len > 0)
		explicit_bzero(b->data, b->len);
	buf_clear(b);
}

/* A file's text. */
static char *
text_of(const char *file, mode_t forbidden, size_t max, struct err *e)
{
	struct buf text = BUF_INIT;
	char *copy = NULL;

	if (slurp_closed(file, forbidden, max, &text, e) == 0)
		copy = xstrdup(buf_str(&text));
	wipe(&text);
	return copy;
}

static int
read_key(struct login *login, const char *key, const char *known_hosts,
    struct err *e)
{
	login->key = text_of(key, ALL_BUT_OWNER, KEY_FILE_MAX_BYTES, e);
	if (login->key == NULL)
		return -1;
	login->known_hosts = text_of(known_hosts, WRITERS,
	    KNOWN_HOSTS_MAX_BYTES, e);
	return login->known_hosts == NULL ? -1 : 0;
}

static int
take(struct login *login, char *words[3], struct err *e)
{
	if (words[0] == NULL)
		return 0;
	login->scope = xstrdup(words[0]);
	if (is_ssh(words[0]))
		return read_key(login, words[1], words[2], e);
	if (strlen(words[1]) > LOGIN_MAX_BYTES ||
	    strlen(words[2]) > LOGIN_MAX_BYTES)
		return err_set(e, ERR_CONFIG,
		    "credentials: a user or a secret of over %d bytes",
		    LOGIN_MAX_BYTES);
	login->user = xstrdup(words[1]);
	login->secret = xstrdup(words[2]);
	return 0;
}

static int
search(char *text, const char *file, const struct name_url *url,
    struct login *login, struct err *e)
{
	size_t best = 0;
	char *line, *words[3], *found[3] = { NULL, NULL, NULL };

	for (int n = 1; (line = strsep(&text, "\n")) != NULL; n++) {
		size_t len;

		line += strspn(line, blank);
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (!split(line, words))
			return err_set(e, ERR_CONFIG,
			    "credentials: %s:%d: a host or URL, a user and a "
			    "secret are needed, or ssh://, a key file and a "
			    "known_hosts file", file, n);
		if ((len = fits(words[0], url)) <= best)
			continue;
		best = len;
		memcpy(found, words, sizeof(found));
	}
	return take(login, found, e);
}

int
credentials_find(const char *file, const struct name_url *url,
    struct login *login, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	rc = slurp_closed(file, OTHERS, CONF_MAX_BYTES, &text, e);
	if (rc == 0 && is_plain(url->path)) {
		buf_addc(&text, '\0');
		rc = search(text.data, file, url, login, e);
	}
	wipe(&text);
	return rc;
}
