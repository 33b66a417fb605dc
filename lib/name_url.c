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
	} known[] = { { "https", 443 }, { "http", 80 }, { "git", 9418 },
		{ "ssh", 22 } };
	const char *colon = strstr(*rest, "://");

	for (size_t i = 0; colon != NULL && i < 4; i++) {
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
	    "url: only https://, http://, git:// and ssh:// repositories "
	    "can be fetched");
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

static bool
is_user(const char *user)
{
	return user[0] != '\0' && user[0] != '-' &&
	    user[strspn(user, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

/* Take "user@" off, which only ssh has. */
static int
url_user(struct name_url *u, const char **text, size_t *len, struct err *e)
{
	const char *at = memchr(*text, '@', *len);
	size_t n = at == NULL ? 0 : (size_t)(at - *text);

	if (at != NULL && strcmp(u->scheme, "ssh") != 0)
		return err_set(e, ERR_INVALID,
		    "url: a user name or password in it is not accepted");
	if (at == NULL) {
		if (strcmp(u->scheme, "ssh") == 0)
			memcpy(u->user, "git", sizeof("git"));
		return 0;
	}
	if (memchr(*text, ':', n) != NULL)
		return err_set(e, ERR_INVALID, "url: ssh takes no password, "
		    "but a deploy key of the operator's");
	if (n < sizeof(u->user))
		memcpy(u->user, *text, n);
	if (!is_user(u->user))
		return err_set(e, ERR_INVALID, "url: bad user name");
	*text = at + 1;
	*len -= n + 1;
	return 0;
}

static int
url_authority(struct name_url *u, const char *text, size_t len, struct err *e)
{
	const char *colon, *bracket;
	char port[8];
	int64_t n;

	if (url_user(u, &text, &len, e) == -1)
		return -1;
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
	    : strcmp(scheme, "ssh") == 0    ? 22
					    : 9418;
}

/* Put the parts together again. */
char *
name_url_long(const struct name_url *u)
{
	bool bracket = strchr(u->host, ':') != NULL;
	char port[8] = "";

	if (u->port != default_port(u->scheme))
		snprintf(port, sizeof(port), ":%u", (unsigned int)u->port);
	return xasprintf("%s://%s%s%s%s%s%s%s", u->scheme, u->user,
	    u->user[0] == '\0' ? "" : "@", bracket ? "[" : "", u->host,
	    bracket ? "]" : "", port, u->path);
}

static int
url_normal(struct name_url *u, struct err *e)
{
	char *text = u->relative
	    ? xasprintf("%s@%s:%s", u->user, u->host, u->path + 1)
	    : name_url_long(u);
	size_t len = strlen(text);

	if (len < sizeof(u->text))
		memcpy(u->text, text, len + 1);
	free(text);
	return len < sizeof(u->text) ? 0 :
	    err_set(e, ERR_INVALID, "url: too long");
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

/* Take the path, from where it begins to the end of the text. */
static int
url_path(struct name_url *u, const char *text, struct err *e)
{
	size_t len = strcspn(text, "?#");
	size_t slash = text[0] != '/';

	if (text[len] == '?')
		return err_set(e, ERR_INVALID,
		    "url: a query in it is not accepted");
	while (len > 0 && text[len - 1] == '/')
		len--;
	if (len == 0)
		return err_set(e, ERR_INVALID, "url: it names no repository");
	u->path[0] = '/';
	memcpy(u->path + slash, text, len);
	u->path[slash + len] = '\0';
	return 0;
}

/* user@host:path, as git knows it beside URLs: what its first ":" does not
 * make a URL's. */
static bool
is_scp(const char *text)
{
	size_t len = strcspn(text, "/:");

	return text[len] == ':' && strncmp(text + len, "://", 3) != 0 &&
	    memchr(text, '@', len) != NULL;
}

int
name_url(struct name_url *u, const char *text, size_t len, struct err *e)
{
	char whole[URL_MAX_BYTES + 1] = "";
	const char *rest = whole;
	size_t authority;
	bool scp;

	memset(u, 0, sizeof(*u));
	if (url_bytes(text, len, e) == -1)
		return -1;
	memcpy(whole, text, len);
	if ((scp = is_scp(whole))) {
		memcpy(u->scheme, "ssh", sizeof("ssh"));
		u->port = default_port(u->scheme);
		authority = strcspn(whole, ":");
		u->relative = whole[authority + 1] != '/';
	} else if (url_scheme(u, &rest, e) == -1) {
		return -1;
	} else {
		authority = strcspn(rest, "/?#");
	}
	if (url_authority(u, rest, authority, e) == -1)
		return -1;
	if (url_path(u, rest + authority + scp, e) == -1)
		return -1;
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
	if (colon != NULL)	/* behind the user's end, nobody forgets it */
		explicit_bzero(colon, strlen(colon));
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
	if (rest != NULL && strncasecmp(text, "ssh://", 6) != 0) {
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
