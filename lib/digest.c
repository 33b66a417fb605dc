#include "lib/digest.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "lib/mem.h"

#define SHA256_BYTES 32

struct digest {
	EVP_MD_CTX *ctx;
};

/* What libcrypto says no to here is a lack of memory, or a library without
 * SHA-256. */
static void
must(int ok)
{
	if (ok != 1)
		abort();
}

struct digest *
digest_new(void)
{
	struct digest *d = xcalloc(1, sizeof(*d));

	d->ctx = EVP_MD_CTX_new();
	must(d->ctx != NULL);
	must(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL));
	return d;
}

void
digest_add(struct digest *d, const void *data, size_t len)
{
	must(EVP_DigestUpdate(d->ctx, data, len));
}

void
digest_end(struct digest *d, char hex[DIGEST_HEX_BYTES])
{
	unsigned char bytes[SHA256_BYTES];

	must(EVP_DigestFinal_ex(d->ctx, bytes, NULL));
	must(EVP_DigestInit_ex(d->ctx, NULL, NULL));
	for (size_t i = 0; i < SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

void
digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}
