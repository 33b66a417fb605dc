/*
 * The S3 driver's three parts: lib/store_s3.c opens and reads,
 * lib/store_s3_put.c writes, lib/store_s3_list.c lists and deletes.
 */
#ifndef DAVIT_LIB_STORE_S3_H
#define DAVIT_LIB_STORE_S3_H

#include "lib/err.h"
#include "lib/s3.h"
#include "lib/store_driver.h"

struct s3_batch;	/* puts that wait for sync */

struct s3_store {
	struct s3 *s3;
	struct s3_batch *batch;
	size_t part;		/* bytes */
};

struct s3_batch *s3_batch_new(struct s3 *, size_t max);
void s3_batch_free(struct s3_batch *);

void *s3_put_open(void *, const char *key, const char *type, struct err *);
int s3_put_data(void *writer, const void *, size_t, struct err *);
int s3_put_commit(void *writer, enum store_when, struct err *);
void s3_put_abort(void *writer);
int s3_sync(void *, struct err *);

int s3_list(void *, const char *prefix,
    int (*fn)(void *, const char *, const struct store_object *), void *arg,
    struct err *);
int s3_delete(void *, const char *key, struct err *);
int s3_delete_all(void *, const char *prefix, struct err *);
int s3_sweep(void *, int64_t age_ms, struct err *);

/* Forget an upload that was begun and not completed. */
int s3_abort_upload(struct s3 *, const char *key, const char *id,
    struct err *);

/* Size, time and ETag (owned, or NULL) of an object. */
int s3_stat(struct s3 *, const char *key, struct store_object *, char **etag,
    struct err *);

#endif
