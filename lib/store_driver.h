/*
 * What a store driver implements; the contracts are those of lib/store.h.
 * Keys have been checked when a driver sees them.
 */
#ifndef DAVIT_LIB_STORE_DRIVER_H
#define DAVIT_LIB_STORE_DRIVER_H

#include "lib/store.h"

struct store_driver {
	const char *name;	/* first word of conf's "store" */
	/* where: what follows the name; ERR_CONFIG where it makes no sense */
	void *(*open)(const struct conf *, const char *where, struct err *);
	void (*free)(void *);
	void *(*put_open)(void *, const char *key, const char *type,
	    struct err *);
	int (*put_data)(void *writer, const void *, size_t, struct err *);
	int (*put_commit)(void *writer, enum store_when, struct err *);
	void (*put_abort)(void *writer);
	int (*sync)(void *, struct err *);
	void *(*get_open)(void *, const char *key, int64_t offset,
	    struct store_object *, struct err *);
	ssize_t (*get_data)(void *reader, void *, size_t, struct err *);
	void (*get_close)(void *reader);
	/* NULL where a reader tells as well; tag may be "" */
	int (*get_if)(void *, const char *key, const char *tag, size_t max,
	    struct buf *, struct store_object *, struct err *);
	/* NULL where there are none */
	char *(*url)(void *, const char *key, int seconds);
	int (*head)(void *, const char *key, struct store_object *,
	    struct err *);
	/* NULL where all bytes have to come here and go back; the keys differ */
	int (*copy)(void *, const char *from, const char *to, struct err *);
	int (*delete)(void *, const char *key, struct err *);
	int (*delete_all)(void *, const char *prefix, struct err *);
	int (*list)(void *, const char *prefix,
	    int (*fn)(void *, const char *, const struct store_object *),
	    void *arg, struct err *);
	/* NULL: its list comes in order of keys, and will do */
	int (*list_names)(void *, const char *prefix,
	    int (*fn)(void *, const char *, const struct store_object *),
	    void *arg, struct err *);
	/* both NULL where the driver has no way to refuse a late put */
	int (*enter)(void *, const char *id, int64_t attempt, struct err *);
	int (*revoke)(void *, const char *id, int64_t below, struct err *);
	int (*sweep)(void *, int64_t age_ms, struct err *);
	/* both NULL where objects are no files */
	int (*link)(void *, const char *key, const char *prefix, struct err *);
	int (*lock)(void *, int *held, struct err *);
};

/* store_libs3 is there where HAVE_LIBS3 is defined. */
extern const struct store_driver store_fs, store_s3, store_libs3;

/* A copy by reading and writing: for drivers without another way, and for what
 * the other way refuses. */
int store_copy_through(const struct store_driver *, void *, const char *from,
    const char *to, struct err *);

#endif
