#include "lib/name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

static const char id_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

/* A segment of a path: what file systems take. */
#define SEGMENT_MAX_BYTES 255
#define ENV_NAME_MAX_BYTES 128

static bool
is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void
name_new_id(char id[ID_LENGTH + 1])
{
	const unsigned int letters = sizeof(id_letters) - 1;
	size_t n = 0;

	while (n < ID_LENGTH) {
		unsigned char c;

		if (getrandom(&c, 1, 0) != 1) {
			if (errno == EINTR)
				continue;
			log_error("getrandom: %s", strerror(errno));
			_exit(71);
		}
		if (c < 256 / letters * letters) /* no letter more likely */
			id[n++] = id_letters[c % letters];
	}
	id[ID_LENGTH] = '\0';
}

bool
name_is_id(const char *text, size_t len, char id[ID_LENGTH + 1])
{
	char folded[ID_LENGTH + 1];

	if (len != ID_LENGTH)
		return false;
	for (size_t i = 0; i < ID_LENGTH; i++) {
		folded[i] = lower(text[i]);
		if (folded[i] == '\0' || strchr(id_letters, folded[i]) == NULL)
			return false;
	}
	folded[ID_LENGTH] = '\0';
	memcpy(id, folded, sizeof(folded));
	return true;
}

bool
name_to_number(const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	long long n;

	if ((text[0] < '0' || text[0] > '9') && text[0] != '-')
		return false;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < min || n > max)
		return false;
	*out = n;
	return true;
}

bool
name_to_size(const char *text, int64_t min, int64_t max, int64_t *out)
{
	static const char units[] = "KMG";
	char digits[24];
	const char *unit;
	size_t len = strlen(text);
	int64_t n, factor = 1;

	if (len == 0 || len >= sizeof(digits))
		return false;
	memcpy(digits, text, len + 1);
	if ((unit = strchr(units, text[len - 1])) != NULL) {
		factor <<= 10 * (unit - units + 1);
		digits[len - 1] = '\0';
	}
	if (!name_to_number(digits, 0, INT64_MAX / factor, &n))
		return false;
	if (n * factor < min || n * factor > max)
		return false;
	*out = n * factor;
	return true;
}

/* ---- URLs ---- */

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

/* ---- git's names ---- */

static bool
is_ref_segment(const char *s, size_t len)
{
	return len > 0 && s[0] != '.' &&
	    (len < 5 || memcmp(s + len - 5, ".lock", 5) != 0);
}

bool
name_is_ref(const char *ref)
{
	size_t len = strlen(ref);

	if (len == 0 || len > REF_MAX_BYTES || ref[0] == '-' ||
	    ref[len - 1] == '.' || strcmp(ref, "@") == 0 ||
	    strstr(ref, "..") != NULL || strstr(ref, "@{") != NULL)
		return false;
	for (const char *p = ref; *p != '\0'; p++)
		if (is_control((unsigned char)*p) || strchr(" ~^:?*[\\", *p))
			return false;
	for (const char *p = ref;;) {
		size_t n = strcspn(p, "/");

		if (!is_ref_segment(p, n))
			return false;
		if (p[n] == '\0')
			return true;
		p += n + 1;
	}
}

bool
name_is_commit(const char *s)
{
	return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40;
}

/* ---- text, paths, keys ---- */

size_t
name_utf8_length(const unsigned char *s, size_t len)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2
	    : (s[0] & 0xf0) == 0xe0	 ? 3
	    : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
					   : 0;
	if (n == 0 || n > len)
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0; /* else over-long */
	else if (s[0] == 0xed)
		hi = 0x9f; /* else a surrogate */
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool
name_is_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = name_utf8_length((const unsigned char *)text + i,
		    len - i);

		if (n == 0 ||
		    (is_control((unsigned char)text[i]) && text[i] != '\t' &&
			text[i] != '\n'))
			return false;
		i += n;
	}
	return true;
}

static bool
is_relative(const char *path, size_t max)
{
	size_t len = strlen(path), depth = 0;

	if (len == 0 || len > max || strchr(path, '\\') != NULL ||
	    !name_is_text(path, len) || strpbrk(path, "\t\n") != NULL)
		return false;
	for (const char *p = path;;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || n > SEGMENT_MAX_BYTES ||
		    ++depth > PATH_MAX_DEPTH || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (p[n] == '\0')
			return true;
		p += n + 1;
	}
}

bool
name_is_path(const char *path)
{
	return is_relative(path, PATH_MAX_BYTES);
}

bool
name_is_key(const char *key)
{
	return is_relative(key, KEY_MAX_BYTES);
}

bool
name_is_env(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > ENV_NAME_MAX_BYTES ||
	    (name[0] >= '0' && name[0] <= '9'))
		return false;
	return strspn(name,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789_") == len;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
name_percent_decode(char *s)
{
	char *out = s;

	while (*s != '\0') {
		if (*s != '%') {
			*out++ = *s++;
			continue;
		}
		int high = hex_digit(s[1]);
		int low = high == -1 ? -1 : hex_digit(s[2]);

		if (low == -1 || (high == 0 && low == 0))
			return false;
		*out++ = (char)(high * 16 + low);
		s += 3;
	}
	*out = '\0';
	return true;
}

/* ---- time ---- */

static int64_t
clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
name_now_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int64_t
name_tick_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}
