#include "fcgi/shelf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/manifest.h"
#include "lib/mem.h"
#include "lib/store.h"

/* A visitor stays with one site for a while, and a process has few visitors
 * at a time; a large manifest is some megabytes. */
#define SHELF_SLOTS 8

struct slot {
	char id[ID_LENGTH + 1];
	struct store_object object;
	struct manifest *manifest;	/* NULL: an empty slot */
};

/* The one that was used last comes first. */
struct shelf {
	struct slot slots[SHELF_SLOTS];
};

struct shelf *
shelf_new(void)
{
	return xcalloc(1, sizeof(struct shelf));
}

void
shelf_free(struct shelf *s)
{
	for (int i = 0; s != NULL && i < SHELF_SLOTS; i++)
		manifest_free(s->slots[i].manifest);
	free(s);
}

/* The slot of that id, or the one that gives way to it, moved to the front. */
static struct slot *
bring_forward(struct shelf *s, const char *id)
{
	struct slot slot;
	int i = 0;

	while (i < SHELF_SLOTS - 1 && strcmp(s->slots[i].id, id) != 0)
		i++;
	slot = s->slots[i];
	memmove(&s->slots[1], &s->slots[0], (size_t)i * sizeof(slot));
	s->slots[0] = slot;
	return &s->slots[0];
}

static void
empty(struct slot *slot)
{
	manifest_free(slot->manifest);
	memset(slot, 0, sizeof(*slot));
}

static int
fill(struct slot *slot, const char *key, const char *id,
    const struct buf *text, const struct store_object *o, struct err *e)
{
	empty(slot);
	slot->manifest = manifest_from_text(text->data, text->len, e);
	if (slot->manifest == NULL) {
		err_within(e, "%s", key);
		return err_recode(e, ERR_INTERNAL);
	}
	memcpy(slot->id, id, sizeof(slot->id));
	slot->object = *o;
	return 0;
}

struct manifest *
shelf_manifest(struct shelf *s, struct store *store, const char *id,
    struct err *e)
{
	struct slot *slot = bring_forward(s, id);
	bool held = strcmp(slot->id, id) == 0;
	char *key = manifest_key(id);
	struct buf text = BUF_INIT;
	struct store_object o;
	int rc = store_get_if(store, key, held ? slot->object.tag : "",
	    JSON_MAX_BYTES, &text, &o, e);

	if (rc == 0)
		rc = fill(slot, key, id, &text, &o, e);
	else if (rc == -1 && held)
		empty(slot);
	buf_clear(&text);
	free(key);
	return rc == -1 ? NULL : slot->manifest;
}
