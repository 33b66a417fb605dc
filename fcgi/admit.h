/*
 * Taking a deployment in: what submit.fcgi and a redeploy have in common, from
 * an id to an accepted one.  The source comes between begin and admit.
 */
#ifndef DAVIT_FCGI_ADMIT_H
#define DAVIT_FCGI_ADMIT_H

struct conf;
struct deployment;
struct err;
struct parts;
struct reply;
struct store;

/* Before the minute that a source may take, not after it: does Redis take
 * writes, and is there room in the queue?  ERR_QUEUE_FULL, ERR_UNAVAILABLE. */
int admit_room(struct parts *, struct err *);

/* Give it an id and its beginning. */
void admit_begin(struct deployment *, const char *owner);

/* The source is stored: store the record, queue the id.  On failure nothing
 * is left of either, nor of the source. */
int admit(struct parts *, struct store *, struct deployment *, struct err *);

/* 200, and where it is to be seen; note: a sentence, or NULL. */
void admit_answer(struct reply *, const struct conf *,
    const struct deployment *, const char *note);

#endif
