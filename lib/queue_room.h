/* What lib/queue.c and lib/queue_worker.c share, and nobody else sees. */
#ifndef DAVIT_LIB_QUEUE_ROOM_H
#define DAVIT_LIB_QUEUE_ROOM_H

struct deployment;
struct err;
struct resp;
struct resp_reply;
struct resp_words;

struct queue {
	struct resp *redis;
	char *taken;	/* the list that a take in flight fills */
};

/* EVAL and the script; its words follow. */
void queue_add_script(struct resp_words *, const char *script);

/* What a script says in a word: 0 for "ok". */
int queue_verdict(struct queue *, const struct resp_reply *, const char *id,
    struct err *);

/* Run it, and that. */
int queue_run(struct queue *, struct resp_words *, const char *id,
    struct err *);

/* A command whose answer says no more than that it was heard. */
int queue_tell(struct queue *, struct resp_words *, struct err *);

/* The record in a reply that is a hash's names and values. */
struct deployment *queue_to_record(struct queue *, const struct resp_reply *,
    struct err *);

#endif
