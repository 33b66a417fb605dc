/*
 * Objects by key.  One table of functions, a driver behind it: a directory
 * (store_fs), or S3 by libcurl (store_s3) or by libs3 (store_libs3).  An object
 * is there whole or not at all; an interrupted put leaves nothing.
 */
#ifndef DAVIT_LIB_STORE_H
#define DAVIT_LIB_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct conf;
struct err;
struct store;
struct store_writer;
struct store_reader;

#define STORE_TAG_SIZE 80

struct store_object {
	int64_t size;
	int64_t modified_ms;	/* since the epoch */
	char tag[STORE_TAG_SIZE]; /* another one for other bytes; "" where it
				     is not known, and in lists */
};

/* The umask of programs that write to a store: its directories and files are
 * shared by the web server's user and the worker's, through their group. */
#define STORE_UMASK 0007

enum store_when {
	STORE_NOW,	/* commit returns once the object is durable */
	STORE_BATCHED	/* durable and visible after store_sync(), maybe
			   before */
};

/* Open what conf's "store" names; here its value is checked as well.  NULL with
 * ERR_CONFIG or ERR_STORE. */
struct store *store_open(const struct conf *, struct err *);
/* The same of another value for that key: a cache's, say. */
struct store *store_open_as(const struct conf *, const char *value,
    struct err *);
void store_free(struct store *);

/* Write one object as a stream.  type: its media type, kept where the driver
 * can.  ERR_INVALID for a key that name_is_key() refuses; ERR_STORE where
 * storing fails.  Exactly one of commit and abort ends a writer. */
struct store_writer *store_put_open(struct store *, const char *key,
    const char *type, struct err *);
int store_put_data(struct store_writer *, const void *, size_t, struct err *);
int store_put_commit(struct store_writer *, enum store_when, struct err *);
void store_put_abort(struct store_writer *);

/* All batched puts are durable and visible, or -1 and those that are not yet
 * visible never will be.  A batched commit may fail for an earlier one.  (An S3
 * server that went silent may take up later what it had got whole; whoever
 * begins anew deletes first, as publishing does.) */
int store_sync(struct store *, struct err *);

/* A whole object from memory, durable on return. */
int store_put(struct store *, const char *key, const char *type,
    const void *, size_t, struct err *);

/* Read an object as a stream, from offset on.  ERR_NOTFOUND where there is
 * none.  A truncated read is an error, never an early end. */
struct store_reader *store_get_open(struct store *, const char *key,
    int64_t offset, struct store_object *, struct err *);
ssize_t store_get_data(struct store_reader *, void *, size_t, struct err *);
void store_get_close(struct store_reader *);

struct buf;

/* A whole object of at most max bytes, added to the buffer. */
int store_get(struct store *, const char *key, size_t max, struct buf *,
    struct err *);

/* The same, unless the object still has that tag ("": of no object): then 1,
 * and it is not read.  Asking and reading are one request to S3. */
int store_get_if(struct store *, const char *key, const char *tag, size_t max,
    struct buf *, struct store_object *, struct err *);

/* A URL by which anybody may GET the object for so many seconds, at most
 * STORE_URL_MAX_S: a secret, owned by the caller.  Whether the object is there
 * is not asked.  NULL with ERR_STORE where the driver has no URLs: only "s3"
 * has. */
char *store_url(struct store *, const char *key, int seconds, struct err *);

int store_head(struct store *, const char *key, struct store_object *,
    struct err *);

/* Deleting what is not there succeeds. */
int store_delete(struct store *, const char *key, struct err *);

/* Make one object another's copy, in the store where it can; durable on return.
 * ERR_NOTFOUND where "from" is not there.  Its time is that of the copying, and
 * may become "from"'s too; its type is kept where the driver can. */
int store_copy(struct store *, const char *from, const char *to, struct err *);

/* Delete every object whose key starts with prefix, which ends in "/". */
int store_delete_all(struct store *, const char *prefix, struct err *);

/* Keys below prefix (which ends in "/" or is ""), in no particular order;
 * other than 0 from fn stops and is given back. */
int store_list(struct store *, const char *prefix,
    int (*fn)(void *arg, const char *key, const struct store_object *),
    void *arg, struct err *);

/* The first segments of the keys below prefix, once each: "dist/" has the ids
 * of sites.  Of the object, modified_ms counts: about when the last of what is
 * below was changed.  Otherwise as store_list(). */
int store_list_names(struct store *, const char *prefix,
    int (*fn)(void *arg, const char *name, const struct store_object *),
    void *arg, struct err *);

/* What is put and deleted through this store from now on is done by that
 * attempt to build id, until the attempt is revoked. */
int store_enter(struct store *, const char *id, int64_t attempt,
    struct err *);

/* Puts and store_delete_all() of attempts below the given one fail from now
 * on, those that are half done too: whoever makes them has been asleep while
 * the id was given to another.  (Not with S3, which cannot tell who puts.) */
int store_revoke(struct store *, const char *id, int64_t below, struct err *);

/* Where objects are files, which a web server serves: make key a link to the
 * directory that prefix names, at once and whole; NULL: none.  Elsewhere
 * nothing happens. */
int store_link(struct store *, const char *key, const char *prefix,
    struct err *);

/* Wait until no other process holds this store, and hold it: until *held, a
 * descriptor, is closed.  -1 in *held where the driver has no such thing (S3):
 * then whoever writes last wins. */
int store_lock(struct store *, int *held, struct err *);

/* Write, read, list and delete a probe object; the error names all that is
 * not allowed: "the store can't be written, listed: the reason". */
int store_check(struct store *, struct err *);

/* Remove what dead writers left, older than age_ms. */
int store_sweep(struct store *, int64_t age_ms, struct err *);

#endif
