#include "lib/s3_place.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/name.h"

#define KEYS_MAX_BYTES 8192

void
s3_place_forget(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

/* The first lines of a file that not everybody may read; owned. */
static int
read_secrets(const char *key, const char *path, char **lines, size_t n,
    struct err *e)
{
	char text[KEYS_MAX_BYTES] = "", *at = text;
	struct stat st;
	int rc = -1, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1 || fstat(fd, &st) == -1) {
		err_errno(e, "%s: open %s", key, path);
		goto out;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 027) != 0) {
		err_set(e, ERR_CONFIG,
		    "%s: %s is for its owner and group only: chmod 640 it",
		    key, path);
		goto out;
	}
	if (fdio_read(fd, text, sizeof(text) - 1, e) == -1)
		goto out;
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(at, "\r\n");

		lines[i] = xstrndup(at, len);
		at += len + strspn(at + len, "\r\n");
		if (len == 0 || lines[i][strcspn(lines[i], " \t")] != '\0') {
			err_set(e, ERR_CONFIG, "%s: line %zu of %s is %s", key,
			    i + 1, path,
			    len == 0 ? "missing" : "no key: it holds blanks");
			goto out;
		}
	}
	rc = 0;
out:
	if (rc == -1)
		err_recode(e, ERR_CONFIG);
	explicit_bzero(text, sizeof(text));
	fdio_close(&fd);
	return rc;
}

static int
read_keys(struct s3_place *s, const struct conf *c, struct err *e)
{
	char *lines[2] = { NULL, NULL };
	int rc;

	if (c->store_keys == NULL)
		return err_set(e, ERR_CONFIG,
		    "store_keys: a file with access key and secret, a line "
		    "each, is needed for an S3 store");
	rc = read_secrets("store_keys", c->store_keys, lines, 2, e);
	s->id = lines[0];
	s->secret = lines[1];
	if (rc == 0 && c->s3_token != NULL)
		rc = read_secrets("s3_token", c->s3_token, &s->token, 1, e);
	return rc;
}

static bool
is_bucket(const char *s)
{
	size_t len = strlen(s);

	return len >= 3 && len <= 63 && s[0] != '.' &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		      "0123456789._-") == len;
}

static int
set_address(struct s3_place *s, const struct conf *c, const char *where,
    struct err *e)
{
	struct name_url u;
	const char *authority, *bucket;
	size_t len;

	if (name_url(&u, where, strlen(where), NULL) == -1 ||
	    strncmp(u.scheme, "http", 4) != 0 || !is_bucket(u.path + 1))
		return err_set(e, ERR_CONFIG,
		    "store: '%.*s https://HOST[:PORT]/BUCKET' is needed",
		    (int)strcspn(c->store, " \t"), c->store);
	authority = strstr(u.text, "://") + 3;
	len = strcspn(authority, "/");
	bucket = u.path + 1;
	s->name = xstrdup(authority);
	s->bucket = xstrdup(bucket);
	s->secure = strcmp(u.scheme, "https") == 0;
	if (strcmp(c->s3_style, "virtual") == 0) {
		s->host = xasprintf("%s.%.*s", bucket, (int)len, authority);
		s->base = xstrdup("/");
	} else {
		s->host = xasprintf("%.*s", (int)len, authority);
		s->base = xasprintf("/%s/", bucket);
	}
	s->origin = xasprintf("%s://%s", u.scheme, s->host);
	return 0;
}

int
s3_place_init(struct s3_place *s, const struct conf *c, const char *where,
    struct err *e)
{
	memset(s, 0, sizeof(*s));
	s->region = xstrdup(c->s3_region);
	if (set_address(s, c, where, e) == -1)
		return -1;
	return read_keys(s, c, e);
}

void
s3_place_clear(struct s3_place *s)
{
	free(s->origin);
	free(s->host);
	free(s->base);
	free(s->bucket);
	free(s->name);
	free(s->id);
	s3_place_forget(s->secret);
	s3_place_forget(s->token);
	free(s->region);
	memset(s, 0, sizeof(*s));
}
