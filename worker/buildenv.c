#include "worker/buildenv.h"

#include <stdlib.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "worker/list.h"
#include "worker/plan.h"

/* Set NAME=VALUE; a later one replaces an earlier. */
static void
set_env(char ***env, const char *name, const char *value)
{
	char *line = xasprintf("%s=%s", name, value);
	size_t len = strlen(name) + 1;

	for (char **v = *env; v != NULL && *v != NULL; v++)
		if (strncmp(*v, line, len) == 0) {
			free(*v);
			*v = line;
			return;
		}
	list_add(env, line);
	free(line);
}

static void
set_env_lines(char ***env, const char *const *lines)
{
	for (; lines != NULL && *lines != NULL; lines++) {
		const char *value = strchr(*lines, '=');
		char *name;

		if (value == NULL)
			continue;
		name = xstrndup(*lines, (size_t)(value - *lines));
		set_env(env, name, value + 1);
		free(name);
	}
}

static int
set_env_of_request(void *arg, const char *name, const struct json *value)
{
	const char *text = json_as_string(value);

	if (text != NULL && name_is_env(name))
		set_env(arg, name, text);
	return 0;
}

static void
set_ca_env(char ***env)
{
	static const char *const names[] = { "SSL_CERT_FILE",
		"NODE_EXTRA_CA_CERTS", "npm_config_cafile", "GIT_SSL_CAINFO",
		"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		set_env(env, names[i], "/work/.davit/ca.pem");
}

/* Without "refs/heads/"; HEAD is nobody's name of a branch. */
static void
set_env_branch(char ***env, const struct deployment *job)
{
	static const char heads[] = "refs/heads/";
	const char *ref = job->commit_ref != NULL ? job->commit_ref : job->ref;

	if (ref == NULL || strcmp(ref, "HEAD") == 0)
		return;
	if (strncmp(ref, heads, sizeof(heads) - 1) == 0)
		ref += sizeof(heads) - 1;
	set_env(env, "DAVIT_BRANCH", ref);
}

/* Quiet tools, then what they may want to know, then the framework's needs,
 * then the request's word. */
char **
buildenv_new(const struct conf *conf, const struct deployment *job,
    const struct json *request, const struct plan *plan)
{
	static const char *const defaults[] = { "CI=true", "HOME=/work/home",
		"DAVIT=1", "npm_config_update_notifier=false",
		"npm_config_audit=false", "npm_config_fund=false",
		"NO_UPDATE_NOTIFIER=1", "NO_COLOR=1",
		"COREPACK_ENABLE_DOWNLOAD_PROMPT=0",
		"DO_NOT_TRACK=1", "NEXT_TELEMETRY_DISABLED=1",
		"ASTRO_TELEMETRY_DISABLED=1", "GATSBY_TELEMETRY_DISABLED=1",
		"NUXT_TELEMETRY_DISABLED=1", "NG_CLI_ANALYTICS=false",
		"STORYBOOK_DISABLE_TELEMETRY=1",
		"BROWSERSLIST_IGNORE_OLD_DATA=true", NULL };
	char *url = conf_site_url(conf, job->id);
	char **env = NULL;

	set_env_lines(&env, defaults);
	set_env(&env, "DAVIT_ID", job->id);
	set_env(&env, "DAVIT_URL", url);
	if (job->commit != NULL)
		set_env(&env, "DAVIT_COMMIT", job->commit);
	set_env_branch(&env, job);
	if (conf->build_ca[0] != '\0')
		set_ca_env(&env);
	set_env_lines(&env, (const char *const *)plan->env);
	json_each(request, set_env_of_request, &env);
	free(url);
	return env;
}

void
buildenv_free(char **env)
{
	for (char **v = env; v != NULL && *v != NULL; v++)
		explicit_bzero(*v, strlen(*v));
	list_free(env);
}
