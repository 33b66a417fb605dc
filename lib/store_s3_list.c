/* Keys in a bucket: listing them, deleting them, and sweeping up. */
#include "lib/store_s3.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "lib/s3_read.h"
#include "lib/xml.h"

#define DELETE_MAX_KEYS 1000	/* of one request; S3's own bound */
#define MD5_BASE64_SIZE 32

/* Where this project's objects are; nobody else's uploads are swept. */
static const char *const prefixes[] = { "aliases/", "deployments/", "dist/",
	"logs/", "manifests/", "output/", "probe/" };

/* ---- listing ---- */

struct page {
	struct http_answer answer;
	struct xml rest;	/* of the answer's body */
};

static bool
is_truncated(struct xml x)
{
	char *flag = xml_value(x, "IsTruncated");
	bool rc = flag != NULL && strcmp(flag, "true") == 0;

	free(flag);
	return rc;
}

/* *next: where the page after this one begins, NULL: there is none. */
static int
read_next(struct xml x, const char *prefix, const char *token, char **next,
    struct err *e)
{
	*next = NULL;
	if (!is_truncated(x))
		return 0;
	if ((*next = xml_value(x, "NextContinuationToken")) == NULL)
		return err_set(e, ERR_STORE, "GET %.200s: the list is cut, and "
		    "does not say where it goes on", prefix);
	/* a page that leads to itself would never end */
	if (token != NULL && strcmp(*next, token) == 0)
		return err_set(e, ERR_STORE,
		    "GET %.200s: the list leads back to itself", prefix);
	return 0;
}

/* The next page; *token says where it begins, NULL first, and then where the
 * one after it does; NULL: there is none. */
static int
list_page(struct s3 *s, const char *prefix, char **token, struct page *p,
    struct err *e)
{
	const struct sigv4_pair query[] = { { "list-type", "2" },
		{ "prefix", prefix }, { "continuation-token", *token } };
	char *next = NULL;
	int rc = s3_perform(s,
	    &(struct s3_op){ .method = "GET",
		.query = query,
		.nquery = *token == NULL ? 2 : 3,
		.max_bytes = JSON_MAX_BYTES,
		.root = "ListBucketResult" },
	    &p->answer, e);

	if (rc == 0) {
		p->rest = (struct xml){ buf_str(p->answer.body),
			p->answer.body->len };
		rc = read_next(p->rest, prefix, *token, &next, e);
		/* a page that leads to itself would never end */
	}
	free(*token);
	*token = next;
	return rc;
}

/* The next key of a page, owned, or NULL at its end. */
static char *
next_key(struct page *p, struct store_object *o)
{
	struct xml one;

	while (xml_next(&p->rest, "Contents", &one)) {
		char *key = xml_value(one, "Key"), *size, *time;

		if (key == NULL)
			continue;
		size = xml_value(one, "Size");
		time = xml_value(one, "LastModified");
		if (size == NULL ||
		    !name_to_number(size, 0, INT64_MAX, &o->size))
			o->size = 0;
		o->tag[0] = '\0';
		o->modified_ms = s3_time_ms(time, "%Y-%m-%dT%H:%M:%S");
		free(size);
		free(time);
		return key;
	}
	return NULL;
}

int
s3_list(void *state, const char *prefix,
    int (*fn)(void *, const char *, const struct store_object *), void *arg,
    struct err *e)
{
	struct s3 *s = ((struct s3_store *)state)->s3;
	char *token = NULL, *key;
	int rc;

	do {
		struct page p;
		struct store_object o;

		rc = list_page(s, prefix, &token, &p, e);
		while (rc == 0 && (key = next_key(&p, &o)) != NULL) {
			if (name_is_key(key)) /* else it is not one of ours */
				rc = fn(arg, key, &o);
			free(key);
		}
		http_answer_clear(&p.answer);
	} while (rc == 0 && token != NULL);
	free(token);
	return rc;
}

/* ---- deleting ---- */

int
s3_delete(void *state, const char *key, struct err *e)
{
	struct http_answer a;
	struct err own;
	int rc = s3_perform(((struct s3_store *)state)->s3,
	    &(struct s3_op){ .method = "DELETE", .key = key }, &a, &own);

	http_answer_clear(&a);
	if (rc == 0 || own.code == ERR_NOTFOUND)
		return 0;
	if (e != NULL)
		*e = own;
	return -1;
}

/* "Content-MD5: …"; S3 wants one with a batch. */
static char *
content_md5(const struct buf *b)
{
	unsigned char md5[EVP_MAX_MD_SIZE], base64[MD5_BASE64_SIZE];
	unsigned int len = 0;

	if (EVP_Digest(b->data, b->len, md5, &len, EVP_md5(), NULL) != 1)
		return NULL;
	EVP_EncodeBlock(base64, md5, (int)len);
	return xasprintf("Content-MD5: %s", base64);
}

/* A 200 may still name keys that are there as before. */
static int
check_deleted(const struct http_answer *a, struct err *e)
{
	struct xml x = { buf_str(a->body), a->body->len }, one;

	while (xml_next(&x, "Error", &one)) {
		char *code = xml_value(one, "Code");
		char *key = xml_value(one, "Key");
		bool gone = code != NULL && strcmp(code, "NoSuchKey") == 0;

		if (!gone)
			err_set(e, ERR_STORE, "delete %.200s: %.64s",
			    key == NULL ? "" : key, code == NULL ? "" : code);
		free(code);
		free(key);
		if (!gone)
			return -1;
	}
	return 0;
}

/* keys: "<Object>…" of each. */
static int
delete_batch(struct s3 *s, const struct buf *keys, long *status,
    struct err *e)
{
	const struct sigv4_pair query = { "delete", "" };
	struct buf body = BUF_INIT;
	struct http_answer a;
	char *md5;
	int rc;

	buf_addf(&body, "<Delete><Quiet>true</Quiet>%s</Delete>",
	    buf_str(keys));
	md5 = content_md5(&body);
	rc = s3_perform(s,
	    &(struct s3_op){ .method = "POST",
		.query = &query,
		.nquery = 1,
		.headers = { "Content-Type: application/xml", md5 },
		.body = body.data,
		.body_len = body.len,
		.max_bytes = JSON_MAX_BYTES,
		.root = "DeleteResult" },
	    &a, e);
	if (rc == 0)
		rc = check_deleted(&a, e);
	*status = a.status;
	http_answer_clear(&a);
	free(md5);
	buf_clear(&body);
	return rc;
}

/* For servers without batches: all of a page, side by side. */
static int
delete_singly(struct s3 *s, struct page p, struct err *e)
{
	struct s3_call *calls[DELETE_MAX_KEYS];
	struct store_object o;
	struct err own;
	char *key;
	size_t n = 0;
	int rc = 0;

	while (n < DELETE_MAX_KEYS && (key = next_key(&p, &o)) != NULL) {
		calls[n++] = s3_start(s,
		    &(struct s3_op){ .method = "DELETE", .key = key });
		free(key);
	}
	for (size_t i = 0; i < n; i++) {
		struct http_answer a;

		if (s3_finish(calls[i], &a, &own) == -1 &&
		    own.code != ERR_NOTFOUND && rc == 0) {
			rc = -1;
			if (e != NULL)
				*e = own;
		}
		http_answer_clear(&a);
	}
	return rc;
}

static int
delete_page(struct s3 *s, struct page p, bool *batches, struct err *e)
{
	struct page again = p;
	struct buf keys = BUF_INIT;
	struct store_object o;
	char *key;
	long status;
	int rc = 0;

	for (size_t n = 0; n < DELETE_MAX_KEYS &&
	     (key = next_key(&p, &o)) != NULL; n++) {
		buf_adds(&keys, "<Object><Key>");
		xml_escape(&keys, key);
		buf_adds(&keys, "</Key></Object>");
		free(key);
	}
	if (keys.len > 0 && *batches) {
		rc = delete_batch(s, &keys, &status, e);
		*batches = rc == 0 || (status != 501 && status != 405);
	}
	if (keys.len > 0 && !*batches)
		rc = delete_singly(s, again, e);
	buf_clear(&keys);
	return rc;
}

int
s3_delete_all(void *state, const char *prefix, struct err *e)
{
	struct s3 *s = ((struct s3_store *)state)->s3;
	bool batches = true;
	char *token = NULL;
	int rc;

	do {
		struct page p;

		if ((rc = list_page(s, prefix, &token, &p, e)) == 0)
			rc = delete_page(s, p, &batches, e);
		http_answer_clear(&p.answer);
	} while (rc == 0 && token != NULL);
	free(token);
	return rc;
}

/* ---- sweeping ---- */

/* Abort what is old of a page of uploads. */
static int
sweep_page(struct s3 *s, struct xml rest, int64_t before_ms, struct err *e)
{
	struct xml one;
	int rc = 0;

	while (rc == 0 && xml_next(&rest, "Upload", &one)) {
		char *key = xml_value(one, "Key");
		char *id = xml_value(one, "UploadId");
		char *time = xml_value(one, "Initiated");
		int64_t begun = s3_time_ms(time, "%Y-%m-%dT%H:%M:%S");

		if (key != NULL && id != NULL && begun > 0 &&
		    begun < before_ms)
			rc = s3_abort_upload(s, key, id, e);
		free(key);
		free(id);
		free(time);
	}
	return rc;
}

static int
sweep_prefix(struct s3 *s, const char *prefix, int64_t before_ms,
    struct err *e)
{
	char *key = xstrdup(""), *id = xstrdup("");
	int rc;

	do {
		const struct sigv4_pair query[] = { { "uploads", "" },
			{ "prefix", prefix }, { "key-marker", key },
			{ "upload-id-marker", id } };
		struct http_answer a;

		rc = s3_perform(s,
		    &(struct s3_op){ .method = "GET",
			.query = query,
			.nquery = key[0] == '\0' ? 2 : 4,
			.max_bytes = JSON_MAX_BYTES,
			.root = "ListMultipartUploadsResult" },
		    &a, e);
		free(key);
		free(id);
		key = id = NULL;
		if (rc == 0) {
			struct xml x = { buf_str(a.body), a.body->len };

			rc = sweep_page(s, x, before_ms, e);
			if (is_truncated(x)) {
				key = xml_value(x, "NextKeyMarker");
				id = xml_value(x, "NextUploadIdMarker");
			}
		}
		http_answer_clear(&a);
	} while (rc == 0 && key != NULL && key[0] != '\0' && id != NULL);
	free(key);
	free(id);
	return rc;
}

int
s3_sweep(void *state, int64_t age_ms, struct err *e)
{
	struct s3_store *s = state;
	int64_t before_ms = name_now_ms() - age_ms;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (sweep_prefix(s->s3, prefixes[i], before_ms, e) == -1)
			return -1;
	return 0;
}
