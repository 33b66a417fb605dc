/*
 * davit.conf(5): one "key value" a line, # comments, unknown keys are errors
 * with file and line.  DAVIT_CONF names another file than the compiled-in one.
 */
#ifndef DAVIT_LIB_CONF_H
#define DAVIT_LIB_CONF_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct conf {
	char *path;		/* of the file it came from */

	/* what users see */
	char *domain;		/* sites are at {id}.domain */
	char *site_scheme;	/* "https" or "http" */
	int64_t site_port;	/* 0: the scheme's own */
	char *tokens;		/* file of name and SHA-256; NULL: loopback */
	bool public_status;
	int64_t asset_grace;	/* seconds */

	/* the parts */
	char *redis;		/* unix:PATH or host:port */
	char *redis_password;	/* file; NULL: none */
	char *store;		/* "dir PATH", "s3 URL", …; its driver checks it */
	char *store_keys;	/* file: access key and secret, a line each */
	char *store_ca;		/* CA bundle in place of the system's; "" */
	char *s3_region;
	char *s3_style;		/* "path" or "virtual" (bucket as host) */
	char *s3_signature;	/* "v4", or "v2" for libs3 alone */
	char *s3_token;		/* file: a session's token; NULL: none */
	int64_t s3_part;	/* bytes of a part of an upload */
	int64_t s3_connections;	/* requests at once */
	int64_t s3_timeout;	/* seconds without a byte either way */
	char *site_cache;	/* site.fcgi's, of what S3 has; NULL: none */
	int64_t site_cache_bytes;
	int64_t site_cache_age;	/* seconds that a site which was taken away may
				   still be seen */
	char *docker;		/* unix:PATH or tcp://host:port */

	/* fetching */
	int64_t fetch_time;	/* seconds */
	int64_t source_bytes;	/* of all files, uncompressed */
	int64_t source_files;
	int64_t pack_bytes;	/* received from the git host */
	char *credentials;	/* file of logins at git hosts; NULL: none */
	char *fetch_ca;		/* CA bundle in place of the system's; "" */
	char *allow_hosts;	/* hosts and addresses, blank-separated; "" */
	char *scratch;		/* directory for what is being fetched */
	char *fetch_user;	/* davit-fetch's, when started as root */
	bool ignored_keep;	/* default of "ignored" in requests */

	/* building */
	char *worker;		/* this worker's name */
	int64_t builds;		/* at once */
	int64_t build_time;	/* seconds */
	int64_t build_memory;	/* bytes; the work directory's tmpfs included */
	int64_t build_disk;	/* bytes of work directory */
	int64_t build_cpus;	/* thousandths of a CPU */
	int64_t build_pids;
	char *build_network;	/* a Docker network's name */
	bool build_guard;	/* no build without firewall rules for that */
	char *build_allow_hosts; /* that builds reach on private addresses */
	char *build_ca;		/* CA bundle builds trust; "" for none */
	char *image;
	bool warm;		/* a container is started ahead */
	char *cache;		/* directory of what builds keep; "none" */
	int64_t cache_bytes;	/* of all of it */
	int64_t cache_days;	/* that it is kept unused */
	int64_t log_bytes;	/* of one build, head and tail together */
	int64_t output_bytes;
	int64_t output_files;
	int64_t stop_time;	/* seconds that SIGTERM leaves to builds */
	int64_t lease_time;	/* seconds */
	int64_t store_time;	/* seconds of tries to publish */
	int64_t queue_limit;	/* deployments that wait */
	int64_t keep_source;	/* days, of what has ended; 0: for ever */
	int64_t keep_deployments;	/* days, likewise */
	int64_t memory_floor;	/* bytes; below it no build is started */
	int64_t disk_floor;
};

/* Read path, or $DAVIT_CONF, or the compiled-in default, in that order.
 * NULL with ERR_CONFIG "file:line: key: what is allowed".  conf_free() it. */
struct conf *conf_load(const char *path, struct err *);

/* The same from text; name stands in messages. */
struct conf *conf_parse(const char *text, const char *name, struct err *);

void conf_free(struct conf *);

/* The file that conf_load(NULL) reads. */
const char *conf_default_path(void);

/* Where helper programs are: $DAVIT_LIBEXECDIR (tests), else compiled in.
 * And the data files: $DAVIT_PKGDATADIR; and the operator's files other than
 * davit.conf: $DAVIT_SYSCONFDIR. */
const char *conf_libexecdir(void);
const char *conf_pkgdatadir(void);
const char *conf_sysconfdir(void);

/* "https://{id}.domain[:port]/".  Owned by the caller. */
char *conf_site_url(const struct conf *, const char *id);

#endif
