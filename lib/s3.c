#include "lib/s3.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/s3_place.h"

/* Answers without a bound of their own are errors and short documents. */
#define ANSWER_MAX_BYTES (1024 * 1024)

/* The server may think for minutes. */
#define SLOW_FACTOR 10

struct s3 {
	struct http *http;
	struct s3_place place;
	int stall_ms;
	size_t max_running, running;
	TAILQ_HEAD(s3_calls, s3_call) calls;
};

struct s3_call {
	TAILQ_ENTRY(s3_call) link;
	struct s3 *s3;
	struct s3_op op;	/* its strings are not used after the start */
	char *label;		/* "PUT key", for people */
	char *url, *path, *query;
	char *source;		/* x-amz-copy-source, or NULL */
	char *headers[4];
	char payload[SIGV4_HASH_SIZE];
	struct http_call *http;	/* while it runs */
	int attempts;
	int64_t due;		/* when the next attempt starts */
	bool done;
	int rc;
	struct http_answer answer;
	struct err e;
};

struct s3 *
s3_open(const struct conf *c, const char *where, struct err *e)
{
	struct s3 *s = xcalloc(1, sizeof(*s));

	TAILQ_INIT(&s->calls);
	s->max_running = (size_t)c->s3_connections;
	s->stall_ms = (int)c->s3_timeout * 1000;
	if (strcmp(c->s3_signature, "v4") != 0)
		err_set(e, ERR_CONFIG,
		    "s3_signature: v2 is for 'store libs3'; 'store s3' "
		    "signs v4 alone");
	else if (s3_place_init(&s->place, c, where, e) == 0)
		s->http = http_open(NULL, e);
	if (s->http == NULL) {
		s3_free(s);
		return NULL;
	}
	http_set_ca(s->http, c->store_ca);
	return s;
}

void
s3_free(struct s3 *s)
{
	if (s == NULL)
		return;
	while (!TAILQ_EMPTY(&s->calls))
		s3_cancel(TAILQ_FIRST(&s->calls));
	http_free(s->http);
	s3_place_clear(&s->place);
	free(s);
}

/* ---- one attempt ---- */

#define SIGNED_MAX 5	/* the host, and four of Amazon's */

/* What is signed and sent; n of them. */
static size_t
signed_headers(const struct s3_call *c, const char *date,
    struct sigv4_pair pairs[SIGNED_MAX])
{
	const struct s3_place *p = &c->s3->place;
	size_t n = 0;

	pairs[n++] = (struct sigv4_pair){ "host", p->host };
	pairs[n++] = (struct sigv4_pair){ "x-amz-content-sha256", c->payload };
	pairs[n++] = (struct sigv4_pair){ "x-amz-date", date };
	if (c->source != NULL)
		pairs[n++] = (struct sigv4_pair){ "x-amz-copy-source",
			c->source };
	if (p->token != NULL)
		pairs[n++] = (struct sigv4_pair){ "x-amz-security-token",
			p->token };
	return n;
}

/* Signed anew for each attempt, for a signature is good for 15 minutes. */
static void
add_signature(const struct s3_call *c, struct buf *authorization,
    const struct sigv4_pair *pairs, size_t n, int64_t now)
{
	const struct s3_place *p = &c->s3->place;
	const struct sigv4_keys keys = { p->id, p->secret, p->region, "s3" };

	buf_adds(authorization, "Authorization: ");
	sigv4_sign(authorization, &keys,
	    &(struct sigv4_request){ .method = c->op.method,
		.path = c->path,
		.query = c->query,
		.headers = pairs,
		.nheaders = n,
		.payload = c->payload,
		.time = now });
}

static void
launch(struct s3_call *c)
{
	struct s3 *s = c->s3;
	int stall_ms = s->stall_ms * (c->op.slow ? SLOW_FACTOR : 1);
	int64_t now = name_now_ms() / 1000;
	int64_t bytes = (int64_t)c->op.body_len +
	    (c->op.max_bytes > ANSWER_MAX_BYTES ? c->op.max_bytes : 0);
	struct buf authorization = BUF_INIT;
	struct sigv4_pair pairs[SIGNED_MAX];
	char date[SIGV4_DATE_SIZE], *amz[SIGNED_MAX];
	const char *headers[SIGNED_MAX + 5];
	size_t n = 0, npairs;

	sigv4_date(now, date);
	npairs = signed_headers(c, date, pairs);
	add_signature(c, &authorization, pairs, npairs, now);
	headers[n++] = buf_str(&authorization);
	for (size_t i = 1; i < npairs; i++) /* the host is libcurl's */
		headers[n++] = amz[i] = xasprintf("%s: %s", pairs[i].name,
		    pairs[i].value);
	for (size_t i = 0; i < 4 && c->headers[i] != NULL; i++)
		headers[n++] = c->headers[i];
	headers[n] = NULL;
	c->attempts++;
	s->running++;
	c->http = http_start(s->http,
	    &(struct http_request){ .method = c->op.method,
		.url = c->url,
		.headers = headers,
		.body = c->op.body,
		.body_len = c->op.body_len,
		.max_bytes = c->op.max_bytes,
		.stall_ms = stall_ms,
		.total_ms = s3_patience_ms(bytes, stall_ms) },
	    c);
	for (size_t i = 1; i < npairs; i++)
		s3_place_forget(amz[i]);
	buf_clear(&authorization);
}

/* An attempt has ended: that was it, or there will be another. */
static void
settle(struct s3_call *c)
{
	http_answer_clear(&c->answer);
	c->rc = http_finish(c->http, &c->answer, &c->e);
	c->http = NULL;
	c->s3->running--;
	if (s3_judge(&c->rc, &c->answer, c->op.root, c->attempts, &c->e))
		c->due = name_tick_ms() + s3_delay_ms(c->attempts);
	else
		c->done = true;
}

/* ---- many calls ---- */

static char *
path_of(const struct s3 *s, const char *key)
{
	struct buf b = BUF_INIT;

	sigv4_path(&b, s->place.base);
	if (key != NULL)
		sigv4_path(&b, key);
	else if (b.len > 1)
		b.data[--b.len] = '\0';	/* "/bucket" */
	return buf_take(&b);
}

char *
s3_url(const struct s3 *s, const char *key, int seconds)
{
	const struct s3_place *p = &s->place;
	const struct sigv4_keys keys = { p->id, p->secret, p->region, "s3" };
	const struct sigv4_pair host = { "host", p->host };
	struct buf url = BUF_INIT;
	char *path = path_of(s, key);

	buf_addf(&url, "%s%s?", p->origin, path);
	sigv4_presign(&url, &keys,
	    &(struct sigv4_request){ .method = "GET",
		.path = path,
		.headers = &host,
		.nheaders = 1,
		.time = name_now_ms() / 1000 },
	    p->token, seconds);
	free(path);
	return buf_take(&url);
}

/* As x-amz-copy-source wants it, whatever the style of addresses. */
static char *
source_of(const struct s3 *s, const char *key)
{
	struct buf b = BUF_INIT;

	buf_addc(&b, '/');
	sigv4_path(&b, s->place.bucket);
	buf_addc(&b, '/');
	sigv4_path(&b, key);
	return buf_take(&b);
}

struct s3_call *
s3_start(struct s3 *s, const struct s3_op *op)
{
	struct s3_call *c = xcalloc(1, sizeof(*c));
	struct buf query = BUF_INIT;

	c->s3 = s;
	c->op = *op;
	if (c->op.max_bytes == 0)
		c->op.max_bytes = ANSWER_MAX_BYTES;
	c->label = xasprintf("%s %s%s%s", op->method,
	    op->key == NULL ? s->place.name : op->key,
	    op->source == NULL ? "" : " from ",
	    op->source == NULL ? "" : op->source);
	sigv4_query(&query, op->query, op->nquery);
	c->query = buf_take(&query);
	c->path = path_of(s, op->key);
	c->source = op->source == NULL ? NULL : source_of(s, op->source);
	c->url = xasprintf("%s%s%s%s", s->place.origin, c->path,
	    c->query[0] == '\0' ? "" : "?", c->query);
	for (size_t i = 0; i < 4; i++)
		c->headers[i] = xstrdup_null(op->headers[i]);
	if (!s->place.secure || op->body == NULL)
		sigv4_hash(op->body == NULL ? "" : op->body, op->body_len,
		    c->payload);
	else
		memcpy(c->payload, SIGV4_UNSIGNED, sizeof(SIGV4_UNSIGNED));
	TAILQ_INSERT_TAIL(&s->calls, c, link);
	s3_step(s, 0);
	return c;
}

/* Start what is due; the time until the next is. */
static int
launch_due(struct s3 *s, int wait_ms)
{
	int64_t now = name_tick_ms();

	for (struct s3_call *c = TAILQ_FIRST(&s->calls); c != NULL;
	     c = TAILQ_NEXT(c, link)) {
		if (s->running >= s->max_running)
			break;
		if (c->done || c->http != NULL)
			continue;
		if (c->due <= now)
			launch(c);
		else if (c->due - now < wait_ms)
			wait_ms = (int)(c->due - now);
	}
	return wait_ms;
}

void
s3_step(struct s3 *s, int wait_ms)
{
	struct s3_call *c;

	wait_ms = launch_due(s, wait_ms);
	if (s->running == 0 && wait_ms > 0)
		poll(NULL, 0, wait_ms);
	while ((c = http_next(s->http, wait_ms)) != NULL) {
		settle(c);
		wait_ms = 0;
	}
}

bool
s3_is_done(const struct s3_call *c)
{
	return c->done;
}

static void
free_call(struct s3_call *c)
{
	TAILQ_REMOVE(&c->s3->calls, c, link);
	free(c->label);
	free(c->url);
	free(c->path);
	free(c->query);
	free(c->source);
	for (size_t i = 0; i < 4; i++)
		free(c->headers[i]);
	free(c);
}

int
s3_finish(struct s3_call *c, struct http_answer *a, struct err *e)
{
	int rc;

	while (!c->done)
		s3_step(c->s3, 1000);
	*a = c->answer;
	if ((rc = c->rc) == -1) {
		err_within(&c->e, "%s", c->label);
		if (e != NULL)
			*e = c->e;
	}
	free_call(c);
	return rc;
}

void
s3_cancel(struct s3_call *c)
{
	if (c == NULL)
		return;
	if (c->http != NULL) {
		http_cancel(c->http);
		c->s3->running--;
	}
	http_answer_clear(&c->answer);
	free_call(c);
}

int
s3_perform(struct s3 *s, const struct s3_op *op, struct http_answer *a,
    struct err *e)
{
	return s3_finish(s3_start(s, op), a, e);
}
