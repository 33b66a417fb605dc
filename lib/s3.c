#include "lib/s3.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/xml.h"

/* Answers without a bound of their own are errors and short documents. */
#define ANSWER_MAX_BYTES (1024 * 1024)

/* A server that drips slower than this is as good as dead: nothing else ends
 * an answer that never stalls for long enough.  Small ones get two s3_timeouts
 * in all. */
#define DRIP_BYTES_PER_S (64 * 1024)
#define SLOW_FACTOR 10

/* An attempt waits between half of and all of 0.2, 0.4, 0.8, … s: 6 s in all
 * for what fails at once.  What timed out has cost enough for one more. */
#define ATTEMPTS 6
#define ATTEMPTS_TIMEOUT 2
#define DELAY_MS 200

#define KEYS_MAX_BYTES 8192

struct s3 {
	struct http *http;
	char *origin;	/* "https://host[:port]" */
	char *host;	/* as the Host header and the signature have it */
	char *base;	/* path before the key: "/bucket/" or "/" */
	char *name;	/* "host/bucket", for people */
	char *id, *secret, *token, *region;
	bool sign_bodies;
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

/* ---- configuration ---- */

static void
free_secret(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

/* The first lines of a file that not everybody may read; owned. */
static int
read_secrets(const char *key, const char *path, char **lines, size_t n,
    struct err *e)
{
	char text[KEYS_MAX_BYTES] = "", *at = text;
	struct stat st;
	int rc = -1, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1 || fstat(fd, &st) == -1) {
		err_errno(e, "%s: open %s", key, path);
		goto out;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 027) != 0) {
		err_set(e, ERR_CONFIG,
		    "%s: %s is for its owner and group only: chmod 640 it",
		    key, path);
		goto out;
	}
	if (fdio_read(fd, text, sizeof(text) - 1, e) == -1)
		goto out;
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(at, "\r\n");

		lines[i] = xstrndup(at, len);
		at += len + strspn(at + len, "\r\n");
		if (len == 0 || lines[i][strcspn(lines[i], " \t")] != '\0') {
			err_set(e, ERR_CONFIG, "%s: line %zu of %s is %s", key,
			    i + 1, path,
			    len == 0 ? "missing" : "no key: it holds blanks");
			goto out;
		}
	}
	rc = 0;
out:
	if (rc == -1)
		err_recode(e, ERR_CONFIG);
	explicit_bzero(text, sizeof(text));
	fdio_close(&fd);
	return rc;
}

static int
read_keys(struct s3 *s, const struct conf *c, struct err *e)
{
	char *lines[2] = { NULL, NULL };
	int rc;

	if (c->store_keys == NULL)
		return err_set(e, ERR_CONFIG,
		    "store_keys: a file with access key and secret, a line "
		    "each, is needed for 'store s3'");
	rc = read_secrets("store_keys", c->store_keys, lines, 2, e);
	s->id = lines[0];
	s->secret = lines[1];
	if (rc == 0 && c->s3_token != NULL)
		rc = read_secrets("s3_token", c->s3_token, &s->token, 1, e);
	return rc;
}

static bool
is_bucket(const char *s)
{
	size_t len = strlen(s);

	return len >= 3 && len <= 63 && s[0] != '.' &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		      "0123456789._-") == len;
}

static int
set_address(struct s3 *s, const struct conf *c, const char *where,
    struct err *e)
{
	struct name_url u;
	const char *authority, *bucket;
	size_t len;

	if (name_url(&u, where, strlen(where), NULL) == -1 ||
	    strncmp(u.scheme, "http", 4) != 0 || !is_bucket(u.path + 1))
		return err_set(e, ERR_CONFIG,
		    "store: 's3 https://HOST[:PORT]/BUCKET' is needed");
	authority = strstr(u.text, "://") + 3;
	len = strcspn(authority, "/");
	bucket = u.path + 1;
	s->name = xstrdup(authority);
	s->sign_bodies = strcmp(u.scheme, "https") != 0;
	if (strcmp(c->s3_style, "virtual") == 0) {
		s->host = xasprintf("%s.%.*s", bucket, (int)len, authority);
		s->base = xstrdup("/");
	} else {
		s->host = xasprintf("%.*s", (int)len, authority);
		s->base = xasprintf("/%s/", bucket);
	}
	s->origin = xasprintf("%s://%s", u.scheme, s->host);
	return 0;
}

struct s3 *
s3_open(const struct conf *c, const char *where, struct err *e)
{
	struct s3 *s = xcalloc(1, sizeof(*s));

	TAILQ_INIT(&s->calls);
	s->region = xstrdup(c->s3_region);
	s->max_running = (size_t)c->s3_connections;
	s->stall_ms = (int)c->s3_timeout * 1000;
	if (set_address(s, c, where, e) == -1 || read_keys(s, c, e) == -1 ||
	    (s->http = http_open(NULL, e)) == NULL) {
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
	free(s->origin);
	free(s->host);
	free(s->base);
	free(s->name);
	free(s->id);
	free_secret(s->secret);
	free_secret(s->token);
	free(s->region);
	free(s);
}

/* ---- one attempt ---- */

/* Signed anew for each attempt, for a signature is good for 15 minutes. */
static void
add_signature(const struct s3_call *c, struct buf *authorization,
    const char *date, int64_t now)
{
	const struct s3 *s = c->s3;
	const struct sigv4_keys keys = { s->id, s->secret, s->region, "s3" };
	const struct sigv4_pair headers[] = {
		{ "host", s->host },
		{ "x-amz-content-sha256", c->payload },
		{ "x-amz-date", date },
		{ "x-amz-security-token", s->token },
	};

	buf_adds(authorization, "Authorization: ");
	sigv4_sign(authorization, &keys,
	    &(struct sigv4_request){ .method = c->op.method,
		.path = c->path,
		.query = c->query,
		.headers = headers,
		.nheaders = s->token == NULL ? 3 : 4,
		.payload = c->payload,
		.time = now });
}

static int
total_ms(const struct s3_op *op, int stall_ms)
{
	int64_t bytes = (int64_t)op->body_len;

	if (op->max_bytes > ANSWER_MAX_BYTES)
		bytes += op->max_bytes;
	return 2 * stall_ms + (int)(bytes / DRIP_BYTES_PER_S) * 1000;
}

static void
launch(struct s3_call *c)
{
	struct s3 *s = c->s3;
	int stall_ms = s->stall_ms * (c->op.slow ? SLOW_FACTOR : 1);
	int64_t now = name_now_ms() / 1000;
	struct buf authorization = BUF_INIT;
	char date[SIGV4_DATE_SIZE], *amz[3] = { NULL, NULL, NULL };
	const char *headers[9];
	size_t n = 0;

	sigv4_date(now, date);
	add_signature(c, &authorization, date, now);
	amz[0] = xasprintf("x-amz-content-sha256: %s", c->payload);
	amz[1] = xasprintf("x-amz-date: %s", date);
	if (s->token != NULL)
		amz[2] = xasprintf("x-amz-security-token: %s", s->token);
	headers[n++] = buf_str(&authorization);
	for (size_t i = 0; i < 3 && amz[i] != NULL; i++)
		headers[n++] = amz[i];
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
		.total_ms = total_ms(&c->op, stall_ms) },
	    c);
	for (size_t i = 0; i < 3; i++)
		free_secret(amz[i]);
	buf_clear(&authorization);
}

/* Half of the delay, and a random part of the other half, so that many who
 * failed together do not come back together. */
static int64_t
delay_ms(int attempts)
{
	int64_t half = (DELAY_MS << (attempts - 1)) / 2;
	uint16_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == -1)
		random = 0;
	return half + half * random / UINT16_MAX;
}

/* No whole answer came; say so for S3.  May another attempt help? */
static bool
judge_broken(struct s3_call *c)
{
	enum err_code code = c->e.code;

	err_recode(&c->e, ERR_STORE);
	if (c->answer.untrusted) {
		err_within(&c->e, "its certificate is not trusted (store_ca "
				  "names the CA)");
		return false;
	}
	if (code == ERR_TIMEOUT)
		return c->attempts < ATTEMPTS_TIMEOUT;
	return code != ERR_TOOBIG;
}

static bool
judge(struct s3_call *c)
{
	const struct http_answer *a = &c->answer;
	struct xml x;

	if (c->rc == -1)
		return judge_broken(c);
	x = (struct xml){ buf_str(a->body), a->body->len };
	if (a->status >= 200 && a->status < 300 &&
	    (c->op.root == NULL || xml_is_root(x, c->op.root)))
		return false;
	c->rc = s3_explain(a, &c->e);
	return s3_is_passing(a);
}

/* An attempt has ended: that was it, or there will be another. */
static void
settle(struct s3_call *c)
{
	http_answer_clear(&c->answer);
	c->rc = http_finish(c->http, &c->answer, &c->e);
	c->http = NULL;
	c->s3->running--;
	if (judge(c) && c->attempts < ATTEMPTS)
		c->due = name_tick_ms() + delay_ms(c->attempts);
	else
		c->done = true;
}

/* ---- many calls ---- */

static char *
path_of(const struct s3 *s, const char *key)
{
	struct buf b = BUF_INIT;

	sigv4_path(&b, s->base);
	if (key != NULL)
		sigv4_path(&b, key);
	else if (b.len > 1)
		b.data[--b.len] = '\0';	/* "/bucket" */
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
	c->label = xasprintf("%s %s", op->method,
	    op->key == NULL ? s->name : op->key);
	sigv4_query(&query, op->query, op->nquery);
	c->query = buf_take(&query);
	c->path = path_of(s, op->key);
	c->url = xasprintf("%s%s%s%s", s->origin, c->path,
	    c->query[0] == '\0' ? "" : "?", c->query);
	for (size_t i = 0; i < 4; i++)
		c->headers[i] = xstrdup_null(op->headers[i]);
	if (s->sign_bodies || op->body == NULL)
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
