/*
 * The builds that this worker has in hand, each with its process: started,
 * listened to, stopped at its deadline, reaped, and its end told to Redis.
 */
#ifndef DAVIT_WORKER_SLOTS_H
#define DAVIT_WORKER_SLOTS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;
struct deployment;
struct err;
struct link;
struct slots;

/* As many as "builds" allows, and what a davitd that died has left. */
#define SLOTS_MAX 128
#define SLOTS_MAX_FDS (3 * SLOTS_MAX)

/* conf and the link are borrowed. */
struct slots *slots_new(const struct conf *, struct link *);
void slots_free(struct slots *);	/* kills what still runs */

/* From now on; builds that run keep their deadlines. */
void slots_set_conf(struct slots *, const struct conf *);

size_t slots_count(const struct slots *);
bool slots_have(const struct slots *, const char *id);

/* True while one more build may be taken. */
bool slots_want(const struct slots *);

/* True once after a build has found the store or the engine away. */
bool slots_doubt(struct slots *);

/* When that may change by itself: name_tick_ms(). */
int64_t slots_pause_end(const struct slots *);

/* Start the build of a record that was claimed, and is taken over. */
void slots_start(struct slots *, struct deployment *);

/* An id that a davitd that died had in hand: clean up after its build, then
 * give it back as the next attempt.  Nothing where there is no room. */
void slots_adopt(struct slots *, const char *id);

/* Fill in what to wait for, at most SLOTS_MAX_FDS; and until when. */
size_t slots_pollset(struct slots *, struct pollfd *);
int64_t slots_due(const struct slots *);

/* After poll(2), with the same descriptors.  How many builds have ended with
 * a final state. */
int slots_service(struct slots *, const struct pollfd *);

/* No build is waited for longer than it takes: what cannot be cleaned up stays
 * in the worker's list for the next davitd. */
void slots_drain(struct slots *);

/* Stop all builds, and give their ids back. */
void slots_stop(struct slots *);

#endif
