/* What davit-fetch was told: by its options, its environment and, where there
 * is a login, a descriptor. */
#ifndef DAVIT_WORKER_FETCH_SETTINGS_H
#define DAVIT_WORKER_FETCH_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/credentials.h"
#include "lib/name.h"
#include "lib/source.h"

struct err;

#define FETCH_RESULT_FD 3
#define FETCH_LOGIN_FD 4

struct fetch_settings {
	struct name_url url;
	struct source_options source;
	int64_t time;		/* seconds */
	char *user;		/* to become, when root; NULL */
	char *ca;
	char *allow_hosts;
	char *ref;
	char *dir;
	bool wants_login;	/* one comes by FETCH_LOGIN_FD: */
	struct login login;
	bool tar;		/* an archive on stdin, no repository */
	bool resolve;		/* only tell what would be fetched */
	bool have_result;	/* FETCH_RESULT_FD is there to write to */
};

/* What davit.conf(5) says where ingest started us; its defaults by hand. */
void fetch_take_environment(struct fetch_settings *, struct err *);

/* The options, and the login; leaves the program for --help, --version and
 * bad usage. */
int fetch_take_options(struct fetch_settings *, int argc, char **argv,
    struct err *);

void fetch_settings_clear(struct fetch_settings *);

#endif
