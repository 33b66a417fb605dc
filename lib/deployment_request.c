/* What a request may ask for; the rules of POST /get/url. */
#include "lib/deployment.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alias.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"

#define FRAMEWORK_MAX_BYTES 40
#define NODE_MAX_BYTES 40

/* Hosts look at the token; where they look at the user too, it is to be
 * given.  This one GitHub documents. */
#define ANY_USER "x-access-token"

static const char *const of_archive[] = { "dir", "install", "build", "output",
	"framework", "node", "alias", NULL };
static const char *const of_url[] = { "url", "ref", "dir", "install", "build",
	"output", "env", "framework", "node", "alias", "ignored", "cache",
	"auth", NULL };

static int
take_url(struct deployment *d, const struct json *j, struct err *e)
{
	struct name_url url;
	struct login *login = &d->login;
	const char *s;
	char *bare;
	int rc;

	if (json_want_string(j, "url", true, URL_MAX_BYTES, &s, e) == -1)
		return -1;
	rc = name_url_login(s, &bare, &login->user, &login->secret, e);
	if (rc == 0)
		rc = name_url(&url, bare, strlen(bare), e);
	free(bare);
	if (rc == -1)
		return -1;
	d->url = xstrdup(url.text);
	return 0;
}

/* {"token"} or {"user", "token"}, in place of a login in the URL. */
static int
take_auth(struct deployment *d, const struct json *j, struct err *e)
{
	static const char *const fields[] = { "user", "token", NULL };
	const struct json *auth;
	const char *user, *token;

	if (json_want_object(j, "auth", &auth, e) == -1)
		return -1;
	if (auth == NULL)
		return 0;
	if (json_only(auth, fields, e) == -1 ||
	    json_want_string(auth, "user", false, LOGIN_MAX_BYTES, &user,
		e) == -1 ||
	    json_want_string(auth, "token", true, LOGIN_MAX_BYTES, &token,
		e) == -1)
		return err_within(e, "auth");
	if (d->login.user != NULL)
		return err_set(e, ERR_INVALID,
		    "auth: the url holds a login as well");
	if (strncmp(d->url, "https://", 8) != 0)
		return err_set(e, ERR_INVALID,
		    "auth: a token is sent over https:// only");
	if (!name_is_login(user == NULL ? ANY_USER : user, token))
		return err_set(e, ERR_INVALID,
		    "auth: printable characters are needed, no ':' in user");
	d->login.user = xstrdup(user == NULL ? ANY_USER : user);
	d->login.secret = xstrdup(token);
	return 0;
}

static int
take_ref(struct deployment *d, const struct json *j, struct err *e)
{
	const char *s;

	if (json_want_string(j, "ref", false, REF_MAX_BYTES, &s, e) == -1)
		return -1;
	if (s != NULL && !name_is_ref(s))
		return err_set(e, ERR_INVALID,
		    "ref: a branch, a tag or a commit id is needed");
	d->ref = xstrdup_null(s);
	return 0;
}

/* A directory of the repository as people write it: "./web/" is "web".  Its
 * top, "" or ".", gives NULL. */
static int
take_directory(char **out, const struct json *j, const char *key,
    struct err *e)
{
	const char *s;
	size_t len;

	if (json_want_string(j, key, false, PATH_MAX_BYTES, &s, e) == -1)
		return -1;
	if (s == NULL)
		return 0;
	while (strncmp(s, "./", 2) == 0)
		s += 2;
	len = strlen(s);
	if (len > 1 && s[len - 1] == '/')
		len--;
	if (len == 0 || (len == 1 && s[0] == '.'))
		return 0;
	*out = xstrndup(s, len);
	if (!name_is_path(*out))
		return err_set(e, ERR_INVALID,
		    "%s: a directory inside the repository is needed", key);
	return 0;
}

static int
take_output(struct deployment *d, const struct json *j, struct err *e)
{
	if (take_directory(&d->output, j, "output", e) == -1)
		return -1;
	if (d->output == NULL && json_get(j, "output") != NULL)
		d->output = xstrdup("."); /* asked for: the top itself */
	return 0;
}

/* "" is a command: none is to be run. */
static int
take_command(char **out, const struct json *j, const char *key, struct err *e)
{
	const char *s;

	if (json_want_string(j, key, false, COMMAND_MAX_BYTES, &s, e) == -1)
		return -1;
	if (s != NULL && !name_is_text(s, strlen(s)))
		return err_set(e, ERR_INVALID,
		    "%s: a command without control characters is needed", key);
	*out = xstrdup_null(s);
	return 0;
}

/* A word of 1 to max of the given characters. */
static int
take_word(char **out, const struct json *j, const char *key, size_t max,
    const char *chars, const char *needed, struct err *e)
{
	const char *s;

	if (json_want_string(j, key, false, max, &s, e) == -1)
		return -1;
	if (s != NULL && (s[0] == '\0' || s[strspn(s, chars)] != '\0'))
		return err_set(e, ERR_INVALID, "%s: %s is needed", key,
		    needed);
	*out = xstrdup_null(s);
	return 0;
}

static int
take_ignored(struct deployment *d, const struct json *j, struct err *e)
{
	const char *s;

	if (json_want_string(j, "ignored", false, 16, &s, e) == -1)
		return -1;
	if (s == NULL)
		return 0;
	d->has_ignored_keep = true;
	d->ignored_keep = strcmp(s, "keep") == 0;
	if (!d->ignored_keep && strcmp(s, "drop") != 0)
		return err_set(e, ERR_INVALID,
		    "ignored: \"keep\" or \"drop\" is needed");
	return 0;
}

static int
take_cache(struct deployment *d, const struct json *j, struct err *e)
{
	bool cache = true;

	if (json_want_bool(j, "cache", &cache, e) == -1)
		return -1;
	d->no_cache = !cache;
	return 0;
}

struct env_check {
	const struct json *env;
	size_t count, bytes;
	struct err *e;
};

static int
check_variable(void *arg, const char *name, const struct json *value)
{
	struct env_check *c = arg;
	const char *s = json_as_string(value);

	if (!name_is_env(name))
		return err_set(c->e, ERR_INVALID,
		    "env: a name is of letters, digits and _, "
		    "and starts with no digit");
	if (s == NULL)
		return err_set(c->e, ERR_INVALID,
		    "env: %s: a string without NUL is needed", name);
	c->count++;
	c->bytes += strlen(name) + strlen(s);
	if (c->count > ENV_MAX_COUNT || c->bytes > ENV_MAX_BYTES)
		return err_set(c->e, ERR_INVALID,
		    "env: over %d variables or %d bytes", ENV_MAX_COUNT,
		    ENV_MAX_BYTES);
	return 0;
}

int
deployment_take_env(struct deployment *d, const struct json *j, struct err *e)
{
	struct env_check check = { NULL, 0, 0, e };

	if (json_want_object(j, "env", &check.env, e) == -1 ||
	    json_each(check.env, check_variable, &check) == -1)
		return -1;
	d->env = json_copy(check.env);
	return 0;
}

/* Which domain it must not be below is for those who know that. */
static int
take_alias(struct deployment *d, const struct json *j, struct err *e)
{
	char name[ALIAS_MAX_BYTES + 1];
	const char *s;

	if (json_want_string(j, "alias", false, ALIAS_MAX_BYTES, &s, e) == -1)
		return -1;
	if (s == NULL)
		return 0;
	if (!alias_name(s, strlen(s), NULL, name))
		return err_set(e, ERR_INVALID, "alias: a label such as "
		    "\"blog\" or a host's name is needed");
	d->alias = xstrdup(name);
	return 0;
}

/* What concerns the build, whatever the source. */
static int
take_build(struct deployment *d, const struct json *j, struct err *e)
{
	if (take_directory(&d->dir, j, "dir", e) == -1 ||
	    take_command(&d->install, j, "install", e) == -1 ||
	    take_command(&d->build, j, "build", e) == -1 ||
	    take_output(d, j, e) == -1 || take_alias(d, j, e) == -1)
		return -1;
	if (take_word(&d->framework, j, "framework", FRAMEWORK_MAX_BYTES,
		"abcdefghijklmnopqrstuvwxyz0123456789-",
		"a name of the frameworks table", e) == -1)
		return -1;
	return take_word(&d->node, j, "node", NODE_MAX_BYTES,
	    "abcdefghijklmnopqrstuvwxyz0123456789.^~<>=|*/- ",
	    "a version such as \"22\", \">=20 <23\" or \"lts\"", e);
}

static int
take_all(struct deployment *d, const struct json *j, struct err *e)
{
	if (!json_is_object(j))
		return err_set(e, ERR_INVALID, "a JSON object is needed");
	if (json_only(j, of_url, e) == -1 || take_url(d, j, e) == -1 ||
	    take_ref(d, j, e) == -1 || take_build(d, j, e) == -1 ||
	    deployment_take_env(d, j, e) == -1 || take_ignored(d, j, e) == -1 ||
	    take_auth(d, j, e) == -1)
		return -1;
	return take_cache(d, j, e);
}

/* The record where taking went well, else NULL. */
static struct deployment *
taken(struct deployment *d, int rc)
{
	d->created = d->updated = name_now_ms();
	if (rc == 0)
		return d;
	deployment_free(d);
	return NULL;
}

struct deployment *
deployment_from_request(const struct json *j, struct err *e)
{
	struct deployment *d = deployment_new();

	return taken(d, take_all(d, j, e));
}

struct deployment *
deployment_from_archive_request(const struct json *j, struct err *e)
{
	struct deployment *d = deployment_new();
	int rc = json_only(j, of_archive, e);

	return taken(d, rc == 0 ? take_build(d, j, e) : -1);
}
