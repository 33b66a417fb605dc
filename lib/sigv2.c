#include "lib/sigv2.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/buf.h"

#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

void
sigv2_sign(struct buf *out, const char *id, const char *secret,
    const struct sigv2_request *r)
{
	unsigned char mac[EVP_MAX_MD_SIZE], text[BASE64_SIZE(EVP_MAX_MD_SIZE)];
	struct buf lines = BUF_INIT;
	unsigned int len = 0;

	/* no Content-MD5, and no Date beside x-amz-date */
	buf_addf(&lines, "%s\n\n%s\n\nx-amz-date:%s\n", r->method, r->type,
	    r->date);
	if (r->token != NULL)
		buf_addf(&lines, "x-amz-security-token:%s\n", r->token);
	buf_addf(&lines, "/%s%s", r->bucket, r->path);
	if (HMAC(EVP_sha1(), secret, (int)strlen(secret),
		(const unsigned char *)lines.data, lines.len, mac, &len) ==
	    NULL)
		abort(); /* a libcrypto without SHA-1 can't do this */
	EVP_EncodeBlock(text, mac, (int)len);
	buf_addf(out, "AWS %s:%s", id, (const char *)text);
	buf_clear(&lines);
}
