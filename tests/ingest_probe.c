/*
 * ingest_probe CONF ID URL [REF [DIR]] - fetch into the store as submit does,
 * for t-fetch.sh.  What came of it, as JSON; the exit status is 1 where it
 * failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/ingest.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/store.h"

static void
print(const struct deployment *d, const struct err *e)
{
	struct json *j = json_new_object();
	char *text;

	json_set_string(j, "error", e->code == ERR_NONE ? NULL :
	    err_name(e->code));
	json_set_string(j, "message", e->code == ERR_NONE ? NULL : e->msg);
	json_set_string(j, "commit", d->commit);
	json_set_string(j, "ref", d->commit_ref);
	json_set_string(j, "subject", d->subject);
	json_set_int(j, "files", d->source_files);
	json_set_int(j, "bytes", d->source_bytes);
	if (d->ignored != NULL)
		json_set(j, "ignored", json_copy(d->ignored));
	json_set_bool(j, "failed", d->stages[STAGE_FETCH].failed);
	json_set_int(j, "ms", d->stages[STAGE_FETCH].ended -
	    d->stages[STAGE_FETCH].started);
	text = json_text(j);
	puts(text);
	free(text);
	json_free(j);
}

int
main(int argc, char **argv)
{
	struct deployment *d = deployment_new();
	struct err e = { .code = ERR_NONE };
	struct store *store = NULL;
	struct conf *conf;
	int rc = -1;

	log_init("ingest_probe");
	if (argc < 4)
		return 2;
	snprintf(d->id, sizeof(d->id), "%s", argv[2]);
	d->url = xstrdup(argv[3]);
	d->ref = argc > 4 && argv[4][0] != '\0' ? xstrdup(argv[4]) : NULL;
	d->dir = argc > 5 ? xstrdup(argv[5]) : NULL;
	if ((conf = conf_load(argv[1], &e)) != NULL &&
	    (store = store_open(conf, &e)) != NULL)
		rc = ingest_fetch(conf, store, d, &e);
	print(d, &e);
	store_free(store);
	conf_free(conf);
	deployment_free(d);
	return rc == 0 ? 0 : 1;
}
