#include "fcgi/gone.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/store.h"

/* A deletion is for good, but a deployment may be made meanwhile. */
#define KEPT_MS (10 * 1000)
#define SLOTS 64

/* In a process, of which there are some tens: far less than a store takes. */
#define ASKED_MAX 10
#define SECOND_MS 1000

struct slot {
	char id[ID_LENGTH + 1];
	bool deleted;
	int64_t asked;	/* name_tick_ms() */
};

struct gone {
	struct slot slots[SLOTS];
	size_t next;		/* to be overwritten */
	int64_t since;		/* when this second began */
	int count;		/* of those asked for in it */
};

struct gone *
gone_new(void)
{
	return xcalloc(1, sizeof(struct gone));
}

void
gone_free(struct gone *g)
{
	free(g);
}

static bool
may_ask(struct gone *g, int64_t now)
{
	if (now - g->since >= SECOND_MS) {
		g->since = now;
		g->count = 0;
	}
	return g->count++ < ASKED_MAX;
}

bool
gone_is(struct gone *g, struct store *store, const char *id)
{
	int64_t now = name_tick_ms();
	struct slot *slot;
	struct err e;
	int rc;

	for (size_t i = 0; i < SLOTS; i++)
		if (strcmp(g->slots[i].id, id) == 0 &&
		    now - g->slots[i].asked < KEPT_MS)
			return g->slots[i].deleted;
	if (!may_ask(g, now))
		return false;
	if ((rc = ledger_is_deleted(store, id, &e)) == -1) {
		log_warn("%s", e.msg);
		return false;
	}
	slot = &g->slots[g->next];
	g->next = (g->next + 1) % SLOTS;
	*slot = (struct slot){ .deleted = rc == 1, .asked = now };
	memcpy(slot->id, id, sizeof(slot->id));
	return slot->deleted;
}
