#include "lib/conf.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/name.h"

#ifndef DAVIT_CONF_PATH
#define DAVIT_CONF_PATH "/etc/davit/davit.conf"
#define DAVIT_LIBEXEC_PATH "/usr/local/libexec/davit"
#define DAVIT_PKGDATA_PATH "/usr/local/share/davit"
#define DAVIT_STATE_PATH "/var/lib/davit"
#endif

enum type {
	TYPE_STRING,
	TYPE_NUMBER,
	TYPE_SIZE,
	TYPE_CPUS,	/* "1.5", kept in thousandths */
	TYPE_BOOL,
	TYPE_KEEP	/* "keep" or "drop" */
};

struct key {
	const char *name;
	enum type type;
	size_t offset;
	const char *value;	/* the default; NULL: none */
	int64_t min, max;	/* of numbers and sizes */
};

#define AT(field) offsetof(struct conf, field)
#define STRING(field, value) { #field, TYPE_STRING, AT(field), value, 0, 0 }
#define NUMBER(field, value, min, max) \
	{ #field, TYPE_NUMBER, AT(field), value, min, max }
#define SIZE(field, value, min, max) \
	{ #field, TYPE_SIZE, AT(field), value, min, max }

#define MiB ((int64_t)1 << 20)
#define GiB ((int64_t)1 << 30)

static const struct key keys[] = {
	STRING(domain, "localhost"),
	STRING(site_scheme, "https"),
	NUMBER(site_port, "0", 0, 65535),
	NUMBER(asset_grace, "86400", 0, 366 * 86400),
	STRING(tokens, NULL),
	{ "public_status", TYPE_BOOL, AT(public_status), "no", 0, 0 },

	STRING(redis, "unix:/run/redis/redis.sock"),
	STRING(redis_password, NULL),
	STRING(store, "dir " DAVIT_STATE_PATH "/store"),
	STRING(store_keys, NULL),
	STRING(store_ca, ""),
	STRING(s3_region, "us-east-1"),
	STRING(s3_style, "path"),
	STRING(s3_signature, "v4"),
	STRING(s3_token, NULL),
	SIZE(s3_part, "8M", 5 * MiB, 512 * MiB), /* S3's least is 5 MiB */
	NUMBER(s3_connections, "16", 1, 256),
	NUMBER(s3_timeout, "30", 1, 600),
	STRING(site_cache, NULL),
	SIZE(site_cache_bytes, "10G", MiB, 64 * 1024 * GiB),
	NUMBER(site_cache_age, "30", 1, 24 * 3600),
	STRING(docker, "unix:/run/docker.sock"),

	NUMBER(fetch_time, "60", 1, 3600),
	SIZE(source_bytes, "512M", 1, 64 * GiB),
	NUMBER(source_files, "100000", 1, 10000000),
	SIZE(pack_bytes, "512M", 1, 64 * GiB),
	STRING(credentials, NULL),
	STRING(fetch_ca, ""),
	STRING(allow_hosts, ""),
	STRING(scratch, DAVIT_STATE_PATH "/scratch"),
	STRING(fetch_user, NULL),
	{ "ignored", TYPE_KEEP, AT(ignored_keep), "drop", 0, 0 },

	STRING(worker, NULL),
	NUMBER(builds, "2", 1, 64),
	NUMBER(build_time, "900", 1, 24 * 3600),
	SIZE(build_memory, "3G", 64 * MiB, 1024 * GiB),
	SIZE(build_disk, "2G", 16 * MiB, 1024 * GiB),
	{ "build_cpus", TYPE_CPUS, AT(build_cpus), "2", 100, 256000 },
	NUMBER(build_pids, "1024", 16, 65536),
	STRING(build_network, "davit-build"),
	{ "build_guard", TYPE_BOOL, AT(build_guard), "yes", 0, 0 },
	STRING(build_allow_hosts, ""),
	STRING(build_ca, ""),
	STRING(image, "davit/builder:22"),
	{ "warm", TYPE_BOOL, AT(warm), "yes", 0, 0 },
	STRING(cache, DAVIT_STATE_PATH "/cache"),
	SIZE(cache_bytes, "10G", MiB, 1024 * 1024 * GiB),
	NUMBER(cache_days, "14", 1, 3650),
	SIZE(log_bytes, "4M", 4096, GiB),
	SIZE(output_bytes, "512M", 1, 64 * GiB),
	NUMBER(output_files, "20000", 1, 1000000),
	NUMBER(stop_time, "60", 0, 3600),
	NUMBER(lease_time, "30", 3, 3600),
	NUMBER(store_time, "90", 0, 24 * 3600),
	NUMBER(queue_limit, "1000", 1, 1000000),
	/* Who redeploys does it within days; a source is as large as its
	 * repository. */
	NUMBER(keep_source, "7", 0, 36500),
	NUMBER(keep_deployments, "0", 0, 36500),
	SIZE(memory_floor, "256M", 0, 1024 * GiB),
	SIZE(disk_floor, "256M", 0, 1024 * GiB),
};
#define NKEYS (sizeof(keys) / sizeof(keys[0]))

/* ---- one value ---- */

static int
bad_range(const struct key *k, struct err *e)
{
	return err_set(e, ERR_CONFIG,
	    "%s: a %s from %lld to %lld is needed", k->name,
	    k->type == TYPE_SIZE ? "size (K, M, G allowed)" : "number",
	    (long long)k->min, (long long)k->max);
}

static bool
to_thousandths(const char *text, int64_t *out)
{
	char *end;
	double n = strtod(text, &end);

	/* Not nan either: what no integer holds must not become one. */
	if (end == text || *end != '\0' || !(n >= 0 && n < 1e6))
		return false;
	*out = (int64_t)(n * 1000 + 0.5);
	return true;
}

static int
set_flag(const struct key *k, const char *text, bool *out, struct err *e)
{
	const char *yes = k->type == TYPE_BOOL ? "yes" : "keep";
	const char *no = k->type == TYPE_BOOL ? "no" : "drop";

	if (strcmp(text, yes) != 0 && strcmp(text, no) != 0)
		return err_set(e, ERR_CONFIG, "%s: '%s' or '%s' is needed",
		    k->name, yes, no);
	*out = strcmp(text, yes) == 0;
	return 0;
}

static int
set_value(struct conf *c, const struct key *k, const char *text, struct err *e)
{
	void *at = (char *)c + k->offset;
	bool fits = true;

	switch (k->type) {
	case TYPE_STRING:
		free(*(char **)at);
		*(char **)at = xstrdup(text);
		return 0;
	case TYPE_BOOL:
	case TYPE_KEEP:
		return set_flag(k, text, at, e);
	case TYPE_NUMBER:
		fits = name_to_number(text, k->min, k->max, at);
		break;
	case TYPE_SIZE:
		fits = name_to_size(text, k->min, k->max, at);
		break;
	case TYPE_CPUS:
		if (!to_thousandths(text, at) || *(int64_t *)at < k->min ||
		    *(int64_t *)at > k->max)
			return err_set(e, ERR_CONFIG,
			    "%s: a number from 0.1 to 256 is needed", k->name);
		break;
	}
	return fits ? 0 : bad_range(k, e);
}

/* ---- checks of values that only mean something in their own way ---- */

static bool
is_domain(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 240 && s[0] != '.' && s[len - 1] != '.' &&
	    s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.")] == '\0';
}

static bool
is_endpoint(const char *s, const char *tcp)
{
	if (strncmp(s, "unix:/", 6) == 0)
		return strlen(s) - 5 < 108; /* sockaddr_un */
	if (strncmp(s, tcp, strlen(tcp)) != 0)
		return false;
	s = strrchr(s + strlen(tcp), ':');
	return s != NULL && s[1] != '\0';
}

static bool
is_word(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 64 &&
	    strspn(s,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._-") == len;
}

static int
check_values(const struct conf *c, struct err *e)
{
	if (!is_domain(c->domain))
		return err_set(e, ERR_CONFIG,
		    "domain: a lower-case host name is needed");
	if (strcmp(c->site_scheme, "https") != 0 &&
	    strcmp(c->site_scheme, "http") != 0)
		return err_set(e, ERR_CONFIG,
		    "site_scheme: 'https' or 'http' is needed");
	if (!is_endpoint(c->redis, ""))
		return err_set(e, ERR_CONFIG,
		    "redis: 'unix:/PATH' or 'HOST:PORT' is needed");
	if (!is_endpoint(c->docker, "tcp://"))
		return err_set(e, ERR_CONFIG,
		    "docker: 'unix:/PATH' or 'tcp://HOST:PORT' is needed");
	if (strcmp(c->s3_style, "path") != 0 &&
	    strcmp(c->s3_style, "virtual") != 0)
		return err_set(e, ERR_CONFIG,
		    "s3_style: 'path' or 'virtual' is needed");
	if (strcmp(c->s3_signature, "v2") != 0 &&
	    strcmp(c->s3_signature, "v4") != 0)
		return err_set(e, ERR_CONFIG,
		    "s3_signature: 'v2' or 'v4' is needed");
	if (!is_word(c->s3_region))
		return err_set(e, ERR_CONFIG,
		    "s3_region: a region's name is needed");
	if (c->site_cache != NULL && c->site_cache[0] != '/')
		return err_set(e, ERR_CONFIG,
		    "site_cache: an absolute path is needed");
	if (c->site_cache != NULL && strncmp(c->store, "dir ", 4) == 0)
		return err_set(e, ERR_CONFIG,
		    "site_cache: 'store dir' is on disk already: remove this line");
	if (c->scratch[0] != '/')
		return err_set(e, ERR_CONFIG,
		    "scratch: an absolute path is needed");
	if (c->cache[0] != '/' && strcmp(c->cache, "none") != 0)
		return err_set(e, ERR_CONFIG,
		    "cache: an absolute path or 'none' is needed");
	if (!is_word(c->worker))
		return err_set(e, ERR_CONFIG,
		    "worker: up to 64 of A-Z a-z 0-9 . _ - are needed");
	if (c->build_disk >= c->build_memory)
		return err_set(e, ERR_CONFIG,
		    "build_disk: it counts against build_memory, which must "
		    "be larger");
	return 0;
}

/* ---- the file ---- */

static int
set_defaults(struct conf *c, struct err *e)
{
	char host[256] = "";

	for (size_t i = 0; i < NKEYS; i++)
		if (keys[i].value != NULL &&
		    set_value(c, &keys[i], keys[i].value, e) == -1)
			return -1;
	gethostname(host, sizeof(host) - 1);
	host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] = '\0';
	c->worker = xasprintf("%.64s", host[0] == '\0' ? "worker" : host);
	return 0;
}

static int
set_line(struct conf *c, char *line, struct err *e)
{
	char *value, *end;
	size_t i;

	line += strspn(line, " \t\r");
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	value = line + strcspn(line, " \t");
	if (*value != '\0')
		*value++ = '\0';
	value += strspn(value, " \t");
	if ((end = strstr(value, " #")) != NULL ||
	    (end = strstr(value, "\t#")) != NULL)
		*end = '\0';
	for (end = value + strlen(value);
	     end > value && strchr(" \t\r", end[-1]) != NULL;)
		*--end = '\0';
	for (i = 0; i < NKEYS && strcmp(keys[i].name, line) != 0; i++)
		continue;
	if (i == NKEYS)
		return err_set(e, ERR_CONFIG,
		    "%s: no such key; davit.conf(5) lists them", line);
	if (value[0] == '\0')
		return err_set(e, ERR_CONFIG, "%s: a value is needed", line);
	return set_value(c, &keys[i], value, e);
}

struct conf *
conf_parse(const char *text, const char *name, struct err *e)
{
	struct conf *c = xcalloc(1, sizeof(*c));
	char *copy = xstrdup(text), *rest = copy, *line;
	int number = 0;

	c->path = xstrdup(name);
	if (set_defaults(c, e) == -1)
		goto bad;
	while ((line = strsep(&rest, "\n")) != NULL) {
		number++;
		if (set_line(c, line, e) == -1) {
			err_within(e, "%s:%d", name, number);
			goto bad;
		}
	}
	if (check_values(c, e) == -1) {
		err_within(e, "%s", name);
		goto bad;
	}
	free(copy);
	return c;
bad:
	free(copy);
	conf_free(c);
	return NULL;
}

struct conf *
conf_load(const char *path, struct err *e)
{
	struct buf text = BUF_INIT;
	struct conf *c = NULL;

	if (path == NULL)
		path = conf_default_path();
	if (fdio_slurp_file(path, CONF_MAX_BYTES, &text, e) == -1)
		err_recode(e, ERR_CONFIG);
	else if (strlen(buf_str(&text)) != text.len)
		err_set(e, ERR_CONFIG, "%s: it holds a NUL byte", path);
	else
		c = conf_parse(buf_str(&text), path, e);
	buf_clear(&text);
	return c;
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < NKEYS; i++)
		if (keys[i].type == TYPE_STRING)
			free(*(char **)((char *)c + keys[i].offset));
	free(c->path);
	free(c);
}

/* ---- places ---- */

static const char *
env_or(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : otherwise;
}

const char *
conf_default_path(void)
{
	return env_or("DAVIT_CONF", DAVIT_CONF_PATH);
}

const char *
conf_libexecdir(void)
{
	return env_or("DAVIT_LIBEXECDIR", DAVIT_LIBEXEC_PATH);
}

const char *
conf_pkgdatadir(void)
{
	return env_or("DAVIT_PKGDATADIR", DAVIT_PKGDATA_PATH);
}

const char *
conf_sysconfdir(void)
{
	return env_or("DAVIT_SYSCONFDIR", DAVIT_SYSCONF_PATH);
}

char *
conf_site_url(const struct conf *c, const char *id)
{
	if (c->site_port == 0)
		return xasprintf("%s://%s.%s/", c->site_scheme, id, c->domain);
	return xasprintf("%s://%s.%s:%lld/", c->site_scheme, id, c->domain,
	    (long long)c->site_port);
}
