/*
 * Commands to Redis and their replies, by hiredis, which no other file
 * includes.  Blocking, with time-outs; a reply's type is never taken for
 * granted.
 *
 * ERR_UNAVAILABLE: Redis does not answer, is read-only, or is out of memory;
 * the connection is closed, and the next command connects anew.
 */
#ifndef DAVIT_LIB_RESP_H
#define DAVIT_LIB_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct resp;		/* a connection, made when it is first needed */
struct resp_reply;

/* address: "unix:/PATH" or "host:port".  password_file: NULL for none.
 * NULL with ERR_CONFIG for a bad address.  resp_free() it. */
struct resp *resp_open(const char *address, const char *password_file,
    struct err *);
void resp_free(struct resp *);

/* Close the connection; the next command connects anew. */
void resp_close(struct resp *);

/* -1 while there is no connection. */
int resp_fd(const struct resp *);

/* ---- a command's words ---- */

struct resp_words {
	const char **v;
	size_t *len;
	size_t n;
	char number[6][24];
	size_t nnumbers;
};

#define RESP_WORDS_INIT { .n = 0 }

/* Add words; their bytes are borrowed.  At most 6 numbers. */
void resp_add(struct resp_words *, const char *);
void resp_add_bytes(struct resp_words *, const void *, size_t);
void resp_add_number(struct resp_words *, int64_t);

/* All of a NULL-terminated list, which may be NULL. */
void resp_add_list(struct resp_words *, const char *const *);

/* ---- running it; the words are forgotten in every case ---- */

/* The reply, which is no error; resp_reply_free() it.  NULL: there is none,
 * or it is an error. */
struct resp_reply *resp_run(struct resp *, struct resp_words *, struct err *);

/* The same in two parts, for a command that waits. */
int resp_send(struct resp *, struct resp_words *, struct err *);
struct resp_reply *resp_read(struct resp *, struct err *);

/* Run it for a number. */
int resp_run_number(struct resp *, struct resp_words *, int64_t *,
    struct err *);

void resp_reply_free(struct resp_reply *);

/* ---- what a reply is ---- */

bool resp_is_nil(const struct resp_reply *);

/* Borrowed, with a NUL behind it; NULL: it is no string.  len may be NULL. */
const char *resp_string(const struct resp_reply *, size_t *len);
bool resp_number(const struct resp_reply *, int64_t *);

/* 0 for what is no array. */
bool resp_is_array(const struct resp_reply *);
size_t resp_count(const struct resp_reply *);
const struct resp_reply *resp_at(const struct resp_reply *, size_t i);

/* The reply is of another type than was expected: closes.  Gives -1. */
int resp_unexpected(struct resp *, struct err *);

/* It did not come in time, for one who waits on resp_fd().  Gives -1. */
int resp_lost(struct resp *, struct err *);

#endif
