#include "fcgi/parts.h"

#include <string.h>

#include "fcgi/access.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "lib/store.h"

int
parts_open(struct parts *p)
{
	struct err e;

	memset(p, 0, sizeof(*p));
	if ((p->conf = conf_load(NULL, &e)) == NULL ||
	    (p->queue = queue_open(p->conf, &e)) == NULL) {
		log_error("%s", e.msg);
		parts_close(p);
		return -1;
	}
	p->access = access_new(p->conf);
	return 0;
}

void
parts_close(struct parts *p)
{
	store_free(p->store);
	queue_free(p->queue);
	access_free(p->access);
	conf_free(p->conf);
	memset(p, 0, sizeof(*p));
}

struct store *
parts_store(struct parts *p, struct err *e)
{
	if (p->store == NULL)
		p->store = store_open(p->conf, e);
	return p->store;
}
