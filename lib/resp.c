#include "lib/resp.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <hiredis/hiredis.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/name.h"

#define CONNECT_S 2
#define COMMAND_S 5

#define PASSWORD_MAX_BYTES 4096

struct resp {
	char *address;		/* as in davit.conf, for messages */
	char *host;		/* or the path of a unix socket: port is 0 */
	int port;
	char *password_file;	/* NULL: none */
	redisContext *c;	/* NULL: not connected */
};

/* struct resp_reply is never defined: a pointer to one is hiredis' pointer. */
static const redisReply *
in(const struct resp_reply *r)
{
	return (const redisReply *)r;
}

/* ---- the connection ---- */

static int
parse_address(struct resp *r, const char *address, struct err *e)
{
	const char *colon = strrchr(address, ':');
	int64_t port = 0;
	size_t len;

	if (strncmp(address, "unix:/", 6) == 0) {
		r->host = xstrdup(address + 5);
		return 0;
	}
	if (colon == NULL || colon == address ||
	    !name_to_number(colon + 1, 1, 65535, &port))
		return err_set(e, ERR_CONFIG,
		    "redis: unix:/PATH or host:port is needed, not %s",
		    address);
	len = (size_t)(colon - address);
	if (len > 2 && address[0] == '[' && address[len - 1] == ']')
		r->host = xstrndup(address + 1, len - 2);
	else
		r->host = xstrndup(address, len);
	r->port = (int)port;
	return 0;
}

struct resp *
resp_open(const char *address, const char *password_file, struct err *e)
{
	struct resp *r = xcalloc(1, sizeof(*r));

	r->address = xstrdup(address);
	r->password_file = xstrdup_null(password_file);
	if (parse_address(r, address, e) == -1) {
		resp_free(r);
		return NULL;
	}
	return r;
}

void
resp_free(struct resp *r)
{
	if (r == NULL)
		return;
	resp_close(r);
	free(r->address);
	free(r->host);
	free(r->password_file);
	free(r);
}

void
resp_close(struct resp *r)
{
	if (r->c != NULL)
		redisFree(r->c);
	r->c = NULL;
}

int
resp_fd(const struct resp *r)
{
	return r->c == NULL ? -1 : r->c->fd;
}

int
resp_lost(struct resp *r, struct err *e)
{
	bool late = r->c == NULL || r->c->err == 0 ||
	    (r->c->err == REDIS_ERR_IO && errno == EAGAIN);

	err_set(e, ERR_UNAVAILABLE, "Redis at %s: %s", r->address,
	    late ? "no answer in time" : r->c->errstr);
	resp_close(r);
	return -1;
}

int
resp_unexpected(struct resp *r, struct err *e)
{
	resp_close(r);
	return err_set(e, ERR_INTERNAL,
	    "Redis at %s: an answer of an unexpected type", r->address);
}

/* True for what an operator mends and a caller waits for.  Redis 6 puts the
 * words of a command that a script ran into a sentence of its own. */
static bool
is_outage(const char *words)
{
	static const char *const codes[] = { "READONLY", "OOM", "LOADING",
		"MISCONF", "MASTERDOWN", "NOREPLICAS", "BUSY", "NOAUTH",
		"WRONGPASS", "CLUSTERDOWN", "ERR max number of clients" };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		size_t len = strlen(codes[i]);
		char inner[32];

		snprintf(inner, sizeof(inner), "-%s ", codes[i]);
		if ((strncmp(words, codes[i], len) == 0 && words[len] == ' ') ||
		    strstr(words, inner) != NULL)
			return true;
	}
	return false;
}

/* Take a reply for what it is: given back, unless it is an error. */
static redisReply *
checked(struct resp *r, redisReply *reply, struct err *e)
{
	if (reply == NULL) {
		resp_lost(r, e);
		return NULL;
	}
	if (reply->type != REDIS_REPLY_ERROR)
		return reply;
	err_set(e, ERR_INTERNAL, "Redis at %s: %s", r->address, reply->str);
	if (is_outage(reply->str)) {
		resp_close(r);
		err_recode(e, ERR_UNAVAILABLE);
	}
	freeReplyObject(reply);
	return NULL;
}

static int
authenticate(struct resp *r, struct err *e)
{
	struct buf secret = BUF_INIT;
	redisReply *reply = NULL;
	int rc = -1;

	if (fdio_slurp_file(r->password_file, PASSWORD_MAX_BYTES, &secret,
		e) == -1) {
		err_recode(e, ERR_CONFIG);
		goto out;
	}
	while (secret.len > 0 &&
	    strchr("\r\n", secret.data[secret.len - 1]) != NULL)
		secret.len--;
	reply = checked(r,
	    redisCommand(r->c, "AUTH %b", buf_str(&secret), secret.len), e);
	rc = reply == NULL ? -1 : 0;
out:
	freeReplyObject(reply);
	if (secret.data != NULL)
		explicit_bzero(secret.data, secret.cap);
	buf_clear(&secret);
	return rc;
}

/* A connection that has something to say while nothing was asked has been
 * closed by the other side: Redis was restarted, or tired of waiting. */
static bool
is_stale(const struct resp *r)
{
	struct pollfd p = { .fd = r->c->fd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static int
connected(struct resp *r, struct err *e)
{
	const struct timeval connect = { CONNECT_S, 0 };
	const struct timeval command = { COMMAND_S, 0 };

	if (r->c != NULL && !is_stale(r))
		return 0;
	resp_close(r);
	r->c = r->port == 0
	    ? redisConnectUnixWithTimeout(r->host, connect)
	    : redisConnectWithTimeout(r->host, r->port, connect);
	if (r->c == NULL || r->c->err != 0 ||
	    redisSetTimeout(r->c, command) != REDIS_OK)
		return resp_lost(r, e);
	if (r->password_file != NULL && authenticate(r, e) == -1) {
		resp_close(r);
		return -1;
	}
	return 0;
}

/* ---- commands ---- */

void
resp_add_bytes(struct resp_words *w, const void *data, size_t len)
{
	w->v = xreallocarray(w->v, w->n + 1, sizeof(*w->v));
	w->len = xreallocarray(w->len, w->n + 1, sizeof(*w->len));
	w->v[w->n] = data;
	w->len[w->n++] = len;
}

void
resp_add(struct resp_words *w, const char *s)
{
	resp_add_bytes(w, s, strlen(s));
}

void
resp_add_number(struct resp_words *w, int64_t n)
{
	char *s = w->number[w->nnumbers];

	assert(w->nnumbers < sizeof(w->number) / sizeof(w->number[0]));
	w->nnumbers++;
	snprintf(s, sizeof(w->number[0]), "%lld", (long long)n);
	resp_add(w, s);
}

void
resp_add_list(struct resp_words *w, const char *const *list)
{
	for (; list != NULL && *list != NULL; list++)
		resp_add(w, *list);
}

int
resp_send(struct resp *r, struct resp_words *w, struct err *e)
{
	int rc = connected(r, e), done = 0;

	if (rc == 0 &&
	    redisAppendCommandArgv(r->c, (int)w->n, w->v, w->len) != REDIS_OK)
		rc = resp_lost(r, e);
	while (rc == 0 && !done)
		if (redisBufferWrite(r->c, &done) != REDIS_OK)
			rc = resp_lost(r, e);
	free(w->v);
	free(w->len);
	return rc;
}

struct resp_reply *
resp_read(struct resp *r, struct err *e)
{
	void *reply = NULL;

	if (r->c != NULL && redisGetReply(r->c, &reply) != REDIS_OK)
		reply = NULL;
	return (struct resp_reply *)checked(r, reply, e);
}

struct resp_reply *
resp_run(struct resp *r, struct resp_words *w, struct err *e)
{
	return resp_send(r, w, e) == -1 ? NULL : resp_read(r, e);
}

int
resp_run_number(struct resp *r, struct resp_words *w, int64_t *n,
    struct err *e)
{
	struct resp_reply *reply = resp_run(r, w, e);
	int rc = 0;

	if (reply == NULL)
		return -1;
	if (!resp_number(reply, n))
		rc = resp_unexpected(r, e);
	resp_reply_free(reply);
	return rc;
}

/* ---- replies ---- */

void
resp_reply_free(struct resp_reply *reply)
{
	freeReplyObject(reply);
}

bool
resp_is_nil(const struct resp_reply *reply)
{
	return in(reply)->type == REDIS_REPLY_NIL;
}

const char *
resp_string(const struct resp_reply *reply, size_t *len)
{
	if (in(reply)->type != REDIS_REPLY_STRING)
		return NULL;
	if (len != NULL)
		*len = in(reply)->len;
	return in(reply)->str;
}

bool
resp_number(const struct resp_reply *reply, int64_t *n)
{
	if (in(reply)->type != REDIS_REPLY_INTEGER)
		return false;
	*n = in(reply)->integer;
	return true;
}

bool
resp_is_array(const struct resp_reply *reply)
{
	return in(reply)->type == REDIS_REPLY_ARRAY;
}

size_t
resp_count(const struct resp_reply *reply)
{
	return resp_is_array(reply) ? in(reply)->elements : 0;
}

const struct resp_reply *
resp_at(const struct resp_reply *reply, size_t i)
{
	return (const struct resp_reply *)in(reply)->element[i];
}
