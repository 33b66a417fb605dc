/*
 * A request to a site, on its way through site.fcgi: what fcgi/site has found,
 * and fcgi/send answers with.
 */
#ifndef DAVIT_FCGI_VISIT_H
#define DAVIT_FCGI_VISIT_H

#include <stddef.h>

#include "fcgi/parts.h"
#include "lib/bounds.h"

struct alias;
struct cache;
struct gone;
struct reply;
struct request;
struct rules_header;
struct shelf;
struct store;

/* What a process keeps from one request to the next. */
struct site {
	struct parts parts;
	struct shelf *shelf;
	struct cache *cache;	/* NULL: the store is as near */
	struct gone *gone;
	const char *sendfile;	/* the store's directory, where the web
				   server sends files itself: X-Sendfile */
};

struct visit {
	struct site *site;
	struct store *store;
	const struct request *request;
	struct reply *reply;
	char id[ID_LENGTH + 1];	/* of the deployment; "": not known yet */
	char name[ALIAS_MAX_BYTES + 1];	/* of an alias that the host may be */
	struct alias *alias;		/* that it is */
	struct cache *cache;		/* for the file; NULL: for none */
	const char *sendfile;		/* NULL: the file is on no disk */
	struct rules_header *headers;	/* of the site's _headers */
	size_t nheaders;
};

#endif
