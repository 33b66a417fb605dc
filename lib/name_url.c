/* Repositories' URLs, and logins in them. */
#include "lib/name_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/err.h"
#include "lib/mem.h"

static int
url_scheme(struct name_url *u, const char **rest, struct err *e)
{
	static const struct {
		const char *scheme;
		uint16_t port;
	} known[] = { { "https", 443 }, { "http", 80 }, { "git", 9418 } };
	const char *colon = strstr(*rest, "://");

	for (size_t i = 0; colon != NULL && i < 3; i++) {
		size_t len = strlen(known[i].scheme);

		if ((size_t)(colon - *rest) != len ||
		    strncasecmp(*rest, known[i].scheme, len) != 0)
			continue;
		memcpy(u->scheme, known[i].scheme, len + 1);
		u->port = known[i].port;
		*rest = colon + 3;
		return 0;
	}
	return err_set(e, ERR_INVALID,
	    "url: only https://, http:// and git:// repositories can be "
	    "fetched");
}

static bool
host_is_name(const char *host)
{
	for (const char *p = host; *p != '\0'; p++) {
		char c = *p;

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' &&
		    c != '.' && c != '_')
			return false;
	}
	return host[0] != '-' && host[0] != '.' && host[0] != '\0';
}

static bool
host_is_ipv6(const char *host)
{
	return host[0] != '\0' &&
	    host[strspn(host, "0123456789abcdef:.")] == '\0' &&
	    strchr(host, ':') != NULL;
}

static int
url_host(struct name_url *u, const char *text, size_t len, struct err *e)
{
	bool bracket = len > 0 && text[0] == '[';
	size_t n = 0;

	if (bracket) {
		text++;
		len--;
		if (len == 0 || text[len - 1] != ']')
			return err_set(e, ERR_INVALID, "url: bad IPv6 host");
		len--;
	}
	if (len >= sizeof(u->host))
		return err_set(e, ERR_INVALID, "url: the host is too long");
	for (; n < len; n++)
		u->host[n] = lower(text[n]);
	u->host[n] = '\0';
	if (n == 0)
		return err_set(e, ERR_INVALID, "url: it names no host");
	if (bracket ? !host_is_ipv6(u->host) : !host_is_name(u->host))
		return err_set(e, ERR_INVALID, "url: bad host name");
	return 0;
}

static int
url_authority(struct name_url *u, const char *text, size_t len, struct err *e)
{
	const char *colon, *bracket;
	char port[8];
	int64_t n;

	if (memchr(text, '@', len) != NULL)
		return err_set(e, ERR_INVALID,
		    "url: a user name or password in it is not accepted");
	bracket = memrchr(text, ']', len);
	colon = memrchr(text, ':', len);
	if (colon != NULL && (bracket == NULL || colon > bracket)) {
		size_t digits = len - (size_t)(colon + 1 - text);

		if (digits == 0 || digits >= sizeof(port))
			return err_set(e, ERR_INVALID, "url: bad port");
		memcpy(port, colon + 1, digits);
		port[digits] = '\0';
		if (!name_to_number(port, 1, 65535, &n))
			return err_set(e, ERR_INVALID, "url: bad port");
		u->port = (uint16_t)n;
		len = (size_t)(colon - text);
	}
	return url_host(u, text, len, e);
}

static uint16_t
default_port(const char *scheme)
{
	return strcmp(scheme, "https") == 0 ? 443
	    : strcmp(scheme, "http") == 0   ? 80
					    : 9418;
}

/* Put the parts together again, in normal form. */
static int
url_normal(struct name_url *u, struct err *e)
{
	const char *open = strchr(u->host, ':') == NULL ? "" : "[";
	const char *close = open[0] == '\0' ? "" : "]";
	char port[8] = "";
	int n;

	if (u->port != default_port(u->scheme))
		snprintf(port, sizeof(port), ":%u", (unsigned int)u->port);
	n = snprintf(u->text, sizeof(u->text), "%s://%s%s%s%s%s", u->scheme,
	    open, u->host, close, port, u->path);
	if (n < 0 || (size_t)n >= sizeof(u->text))
		return err_set(e, ERR_INVALID, "url: too long");
	return 0;
}

static int
url_bytes(const char *text, size_t len, struct err *e)
{
	if (len == 0)
		return err_set(e, ERR_INVALID, "url: it is empty");
	if (len > URL_MAX_BYTES)
		return err_set(e, ERR_INVALID, "url: over %d bytes",
		    URL_MAX_BYTES);
	for (size_t i = 0; i < len; i++)
		if (is_control((unsigned char)text[i]) || text[i] == ' ' ||
		    text[i] == '\\' || (unsigned char)text[i] >= 0x80)
			return err_set(e, ERR_INVALID,
			    "url: a byte that no URL may hold, at %zu", i);
	return 0;
}

int
name_url(struct name_url *u, const char *text, size_t len, struct err *e)
{
	char whole[URL_MAX_BYTES + 1] = "";
	const char *rest = whole;
	size_t authority, path;

	memset(u, 0, sizeof(*u));
	if (url_bytes(text, len, e) == -1)
		return -1;
	memcpy(whole, text, len);
	whole[len] = '\0';
	if (url_scheme(u, &rest, e) == -1)
		return -1;
	authority = strcspn(rest, "/?#");
	if (url_authority(u, rest, authority, e) == -1)
		return -1;
	rest += authority;
	path = strcspn(rest, "?#");
	if (rest[path] == '?')
		return err_set(e, ERR_INVALID,
		    "url: a query in it is not accepted");
	while (path > 1 && rest[path - 1] == '/')
		path--;
	if (path <= 1)
		return err_set(e, ERR_INVALID, "url: it names no repository");
	memcpy(u->path, rest, path);
	u->path[path] = '\0';
	return url_normal(u, e);
}

bool
name_is_login(const char *user, const char *secret)
{
	return user[0] != '\0' && strchr(user, ':') == NULL &&
	    strpbrk(user, "\t\n") == NULL && strpbrk(secret, "\t\n") == NULL &&
	    name_is_text(user, strlen(user)) &&
	    name_is_text(secret, strlen(secret));
}

/* "user", "user:" or "user:secret", each with its escapes. */
static bool
split_login(char *text, char **user, char **secret)
{
	char *colon = strchr(text, ':');

	if (colon != NULL)
		*colon++ = '\0';
	*user = text;
	*secret = xstrdup(colon == NULL ? "" : colon);
	return name_percent_decode(*user) && name_percent_decode(*secret) &&
	    name_is_login(*user, *secret);
}

int
name_url_login(const char *text, char **bare, char **user, char **secret,
    struct err *e)
{
	const char *rest = strstr(text, "://");
	const char *at = NULL;

	*user = *secret = NULL;
	if (rest != NULL) {
		rest += 3;
		at = memchr(rest, '@', strcspn(rest, "/?#"));
	}
	*bare = at == NULL
	    ? xstrdup(text)
	    : xasprintf("%.*s%s", (int)(rest - text), text, at + 1);
	if (at == NULL)
		return 0;
	if (!split_login(xstrndup(rest, (size_t)(at - rest)), user, secret))
		return err_set(e, ERR_INVALID,
		    "url: a bad user name or password in it");
	if (strncasecmp(text, "https://", 8) != 0)
		return err_set(e, ERR_INVALID,
		    "url: a password is sent over https:// only");
	return 0;
}
