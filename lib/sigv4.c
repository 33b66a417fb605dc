#include "lib/sigv4.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/buf.h"
#include "lib/mem.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define HASH_BYTES 32
#define DAY_LENGTH 8	/* of a date */

static void
to_hex(const unsigned char hash[HASH_BYTES], char hex[SIGV4_HASH_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < HASH_BYTES; i++) {
		hex[2 * i] = digits[hash[i] >> 4];
		hex[2 * i + 1] = digits[hash[i] & 15];
	}
	hex[2 * HASH_BYTES] = '\0';
}

void
sigv4_hash(const void *data, size_t len, char hex[SIGV4_HASH_SIZE])
{
	unsigned char hash[EVP_MAX_MD_SIZE];

	if (EVP_Digest(data, len, hash, NULL, EVP_sha256(), NULL) != 1)
		abort(); /* a libcrypto without SHA-256 is of no use */
	to_hex(hash, hex);
}

void
sigv4_date(int64_t seconds, char date[SIGV4_DATE_SIZE])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	if (strftime(date, SIGV4_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
		date[0] = '\0';
}

/* ---- what is sent ---- */

static void
add_encoded(struct buf *b, const char *text, const char *others)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    (c >= '0' && c <= '9') || strchr(others, c) != NULL) {
			buf_addc(b, *text);
		} else {
			buf_addc(b, '%');
			buf_addc(b, digits[c >> 4]);
			buf_addc(b, digits[c & 15]);
		}
	}
}

void
sigv4_path(struct buf *b, const char *path)
{
	add_encoded(b, path, "-._~/");
}

/* Pairs are sorted in their encoded form, where no byte is above '~'. */
static int
by_name(const void *a, const void *b)
{
	char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

void
sigv4_query(struct buf *b, const struct sigv4_pair *pairs, size_t n)
{
	char **encoded = xcalloc(n, sizeof(*encoded));

	/* '\1' for '=': a name comes before those that it begins */
	for (size_t i = 0; i < n; i++) {
		struct buf one = BUF_INIT;

		add_encoded(&one, pairs[i].name, "-._~");
		buf_addc(&one, '\1');
		add_encoded(&one, pairs[i].value, "-._~");
		encoded[i] = buf_take(&one);
	}
	qsort(encoded, n, sizeof(*encoded), by_name);
	for (size_t i = 0; i < n; i++) {
		encoded[i][strcspn(encoded[i], "\1")] = '=';
		if (i > 0)
			buf_addc(b, '&');
		buf_adds(b, encoded[i]);
		free(encoded[i]);
	}
	free(encoded);
}

/* ---- what is signed ---- */

/* A header's value, blanks around it gone and others single. */
static void
add_collapsed(struct buf *b, const char *value)
{
	bool blank = false, begun = false;

	for (; *value != '\0'; value++) {
		if (*value == ' ' || *value == '\t') {
			blank = begun;
			continue;
		}
		if (blank)
			buf_addc(b, ' ');
		buf_addc(b, *value);
		blank = false;
		begun = true;
	}
}

static int
by_header(const void *a, const void *b)
{
	const struct sigv4_pair *left = a, *right = b;

	return strcmp(left->name, right->name);
}

/* The lines of the signed headers, and their names for the answer. */
static void
add_headers(struct buf *lines, struct buf *names,
    const struct sigv4_request *r)
{
	size_t size = r->nheaders * sizeof(struct sigv4_pair);
	struct sigv4_pair *sorted = xmalloc(size);

	memcpy(sorted, r->headers, size);
	qsort(sorted, r->nheaders, sizeof(*sorted), by_header);
	for (size_t i = 0; i < r->nheaders; i++) {
		buf_addf(lines, "%s:", sorted[i].name);
		add_collapsed(lines, sorted[i].value);
		buf_addc(lines, '\n');
		buf_addf(names, "%s%s", i > 0 ? ";" : "", sorted[i].name);
	}
	free(sorted);
}

static void
hmac(const unsigned char *key, size_t key_len, const char *text,
    unsigned char out[HASH_BYTES])
{
	if (HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text,
		strlen(text), out, NULL) == NULL)
		abort();
}

/* The key of a day, a region and a service; then its HMAC of the text. */
static void
hmac_chain(const struct sigv4_keys *k, const char *day, const char *text,
    char hex[SIGV4_HASH_SIZE])
{
	unsigned char key[HASH_BYTES];
	char *first = xasprintf("AWS4%s", k->secret);

	hmac((const unsigned char *)first, strlen(first), day, key);
	hmac(key, sizeof(key), k->region, key);
	hmac(key, sizeof(key), k->service, key);
	hmac(key, sizeof(key), "aws4_request", key);
	hmac(key, sizeof(key), text, key);
	to_hex(key, hex);
	explicit_bzero(first, strlen(first));
	free(first);
}

/* "20130524/us-east-1/s3/aws4_request", owned. */
static char *
scope_of(const struct sigv4_keys *k, const char *date)
{
	return xasprintf("%.*s/%s/%s/aws4_request", DAY_LENGTH, date,
	    k->region, k->service);
}

/* The signature; and the names of the signed headers. */
static void
sign(const struct sigv4_keys *k, const struct sigv4_request *r,
    struct buf *names, char hex[SIGV4_HASH_SIZE])
{
	struct buf request = BUF_INIT;
	char date[SIGV4_DATE_SIZE], *scope, *text;

	buf_addf(&request, "%s\n%s\n%s\n", r->method, r->path, r->query);
	add_headers(&request, names, r);
	buf_addf(&request, "\n%s\n%s", buf_str(names), r->payload);
	sigv4_hash(request.data, request.len, hex);
	sigv4_date(r->time, date);
	scope = scope_of(k, date);
	text = xasprintf(ALGORITHM "\n%s\n%s\n%s", date, scope, hex);
	date[DAY_LENGTH] = '\0';
	hmac_chain(k, date, text, hex);
	free(text);
	free(scope);
	buf_clear(&request);
}

void
sigv4_sign(struct buf *out, const struct sigv4_keys *k,
    const struct sigv4_request *r)
{
	struct buf names = BUF_INIT;
	char hex[SIGV4_HASH_SIZE], date[SIGV4_DATE_SIZE], *scope;

	sign(k, r, &names, hex);
	sigv4_date(r->time, date);
	scope = scope_of(k, date);
	buf_addf(out,
	    ALGORITHM " Credential=%s/%s,SignedHeaders=%s,Signature=%s", k->id,
	    scope, buf_str(&names), hex);
	free(scope);
	buf_clear(&names);
}

void
sigv4_presign(struct buf *out, const struct sigv4_keys *k,
    const struct sigv4_request *r, const char *token, int expires_s)
{
	struct sigv4_request own = *r;
	struct buf query = BUF_INIT, names = BUF_INIT;
	char hex[SIGV4_HASH_SIZE], date[SIGV4_DATE_SIZE];
	char *scope, *credential, *expires = xasprintf("%d", expires_s);

	sigv4_date(r->time, date);
	scope = scope_of(k, date);
	credential = xasprintf("%s/%s", k->id, scope);
	sigv4_query(&query,
	    (const struct sigv4_pair[]){ { "X-Amz-Algorithm", ALGORITHM },
		{ "X-Amz-Credential", credential },
		{ "X-Amz-Date", date },
		{ "X-Amz-Expires", expires },
		{ "X-Amz-SignedHeaders", "host" },
		{ "X-Amz-Security-Token", token } },
	    token == NULL ? 5 : 6);
	own.query = buf_str(&query);
	own.payload = SIGV4_UNSIGNED;
	sign(k, &own, &names, hex);
	buf_addf(out, "%s&X-Amz-Signature=%s", buf_str(&query), hex);
	free(credential);
	free(scope);
	free(expires);
	buf_clear(&names);
	buf_clear(&query);
}
