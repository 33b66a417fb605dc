/* All that a git server says in one conversation, in pieces of two sizes. */
#include <stdbool.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/gitproto.h"
#include "tests/fuzz.h"

struct outcome {
	struct buf pack, asked;
	int rc;
	enum gitproto_step step;
};

static int
take(void *arg, const void *data, size_t len, struct err *e)
{
	struct outcome *o = arg;

	buf_add(&o->pack, data, len);
	return 0;
}

static void
run(struct outcome *o, const uint8_t *data, size_t size, size_t step,
    bool only_refs)
{
	struct gitproto *g = gitproto_new("main", take, o);

	if (only_refs)
		gitproto_only_refs(g);
	for (size_t at = 0; at < size && o->rc == 0; at += step) {
		o->rc = gitproto_feed(g, data + at,
		    size - at < step ? size - at : step, NULL);
		if (o->rc == 0 && gitproto_step(g) == GITPROTO_ASK)
			gitproto_request(g, &o->asked);
	}
	if (o->rc == 0)
		o->rc = gitproto_end(g, NULL);
	if (o->rc == 0 && gitproto_step(g) == GITPROTO_ASK)
		gitproto_request(g, &o->asked);
	o->step = gitproto_step(g);
	if (o->rc == 0 && o->step == GITPROTO_DONE)
		must(gitproto_want(g) != NULL &&
		    strlen(gitproto_want(g)) == 40);
	gitproto_free(g);
}

static void
clear(struct outcome *o)
{
	buf_clear(&o->pack);
	buf_clear(&o->asked);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome pieces = { BUF_INIT, BUF_INIT, 0, GITPROTO_READ };
	struct outcome whole = { BUF_INIT, BUF_INIT, 0, GITPROTO_READ };
	struct outcome list = { BUF_INIT, BUF_INIT, 0, GITPROTO_READ };

	run(&pieces, data, size, 5, false);
	run(&whole, data, size, size == 0 ? 1 : size, false);
	run(&list, data, size, 5, true);
	must(pieces.asked.len < 100000 && whole.pack.len <= size);
	must(list.pack.len == 0);
	clear(&pieces);
	clear(&whole);
	clear(&list);
	return 0;
}
