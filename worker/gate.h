/*
 * Whether a build may be started: not while this machine is short of memory
 * or disk, nor while the store or the container engine does not answer.  Why
 * not is told to those who wait.
 */
#ifndef DAVIT_WORKER_GATE_H
#define DAVIT_WORKER_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/child.h"
#include "worker/backoff.h"

struct conf;
struct link;

struct gate {
	struct child probe;	/* davit-build --ready */
	struct backoff pause;	/* of probing */
	bool doubted;		/* until a probe has found all well */
	const char *away;	/* what the last one has not found */
	const char *reason;	/* no build is started; NULL: it is open */
	int64_t look_at, tell_at, probe_at;	/* name_tick_ms() */
	int64_t probe_end;	/* of the one that runs */
};

void gate_init(struct gate *);
bool gate_is_open(const struct gate *);

/* Some build has found the store or the engine away. */
void gate_doubt(struct gate *);

/* Look, and tell Redis. */
void gate_service(struct gate *, const struct conf *, struct link *);

/* What to wait for, and until when. */
int gate_fd(const struct gate *);
int64_t gate_due(const struct gate *);

void gate_stop(struct gate *);

#endif
