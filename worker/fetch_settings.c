#include "worker/fetch_settings.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/gitwire.h"
#include "lib/mem.h"

#define MiB ((int64_t)1 << 20)
#define TiB ((int64_t)1 << 40)

/* Of either kind. */
#define LOGIN_LINES_MAX_BYTES (2 * LOGIN_MAX_BYTES + URL_MAX_BYTES + \
	KEY_FILE_MAX_BYTES + KNOWN_HOSTS_MAX_BYTES + 3)

static const char usage[] =
    "usage: davit-fetch [--ref REF] [--dir DIR] [--ignored keep|drop] URL\n"
    "       davit-fetch --resolve [--ref REF] URL\n"
    "       davit-fetch --tar [--dir DIR]\n"
    "Write one commit of the repository at URL, or the archive on stdin, to\n"
    "stdout as a tar stream; or only the commit's id.\n";

/* ---- the environment ---- */

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

void
fetch_take_environment(struct fetch_settings *s, struct err *e)
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

/* ---- the login ---- */

/* "https://host:port" of a URL. */
static char *
origin(const struct name_url *url)
{
	char *whole = name_url_long(url);

	whole[strlen(whole) - strlen(url->path)] = '\0';
	return whole;
}

/* A user, a secret, and perhaps a scope, a line each. */
static int
take_secret(struct fetch_settings *s, char *text, struct err *e)
{
	char *user = strsep(&text, "\n");
	char *secret = strsep(&text, "\n");
	char *scope = strsep(&text, "\n");

	if (secret == NULL || !name_is_login(user, secret))
		return err_set(e, ERR_INVALID,
		    "--login: a user and a secret, a line each, are needed "
		    "on descriptor %d", FETCH_LOGIN_FD);
	s->login.user = xstrdup(user);
	s->login.secret = xstrdup(secret);
	if (scope != NULL && scope[0] != '\0')
		s->login.scope = xstrdup(scope);
	return 0;
}

/* Perhaps a scope, a private key, known hosts: the key's last line parts the
 * two. */
static int
take_key(struct fetch_settings *s, char *text, struct err *e)
{
	static const char begin[] = "-----BEGIN ", end[] = "\n-----END ";
	char *key = text, *last;

	if (strncmp(text, begin, sizeof(begin) - 1) != 0)
		key = strstr(text, "\n") == NULL ? text + strlen(text)
						 : strstr(text, "\n") + 1;
	if (key > text + 1)
		s->login.scope = xstrndup(text, (size_t)(key - 1 - text));
	if ((last = strstr(key, end)) == NULL)
		return err_set(e, ERR_CONFIG, "the deploy key for %s is no "
		    "private key", s->url.host);
	last += 1 + strcspn(last + 1, "\n");
	s->login.key = xasprintf("%.*s\n", (int)(last - key), key);
	s->login.known_hosts = xstrdup(last + (*last == '\n'));
	return 0;
}

static int
take_login(struct fetch_settings *s, struct err *e)
{
	struct gitwire_options *wire = &s->source.wire;
	struct buf text = BUF_INIT;
	int rc = -1;

	if (fdio_slurp(FETCH_LOGIN_FD, LOGIN_LINES_MAX_BYTES, &text, e) == -1) {
		err_within(e, "--login: descriptor %d", FETCH_LOGIN_FD);
		goto out;
	}
	buf_addc(&text, '\0');
	rc = strcmp(s->url.scheme, "ssh") == 0 ? take_key(s, text.data, e)
					       : take_secret(s, text.data, e);
	if (s->login.scope == NULL)
		s->login.scope = origin(&s->url);
	wire->scope = s->login.scope;
	wire->user = s->login.user;
	wire->secret = s->login.secret;
	wire->key = s->login.key;
	wire->known_hosts = s->login.known_hosts;
out:
	if (text.len > 0)
		explicit_bzero(text.data, text.len);
	buf_clear(&text);
	return rc;
}

/* ---- the options ---- */

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

/* url: NULL where the source is a tar. */
static int
check_names(struct fetch_settings *s, const char *url, struct err *e)
{
	if (s->ref != NULL && !name_is_ref(s->ref))
		return err_set(e, ERR_INVALID,
		    "ref: not a name of a branch, tag or commit");
	if (s->dir != NULL && !name_is_path(s->dir))
		return err_set(e, ERR_INVALID,
		    "dir: not a path inside the repository");
	s->source.ref = s->ref;
	s->source.dir = s->dir;
	if (url == NULL)
		return 0;
	return name_url(&s->url, url, strlen(url), e);
}

int
fetch_take_options(struct fetch_settings *s, int argc, char **argv,
    struct err *e)
{
	static const struct option options[] = {
		{ "ref", required_argument, NULL, 'r' },
		{ "dir", required_argument, NULL, 'd' },
		{ "ignored", required_argument, NULL, 'i' },
		{ "login", no_argument, NULL, 'l' },
		{ "resolve", no_argument, NULL, 'o' },
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
		} else if (c == 'o') {
			s->resolve = true;
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
	close(FETCH_LOGIN_FD);
	return 0;
}

void
fetch_settings_clear(struct fetch_settings *s)
{
	login_clear(&s->login);
	free(s->user);
	free(s->ca);
	free(s->allow_hosts);
	free(s->ref);
	free(s->dir);
}
