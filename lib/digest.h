/* SHA-256 by libcrypto, of bytes as they pass. */
#ifndef DAVIT_LIB_DIGEST_H
#define DAVIT_LIB_DIGEST_H

#include <stddef.h>

#define DIGEST_HEX_BYTES 65 /* with the NUL */

struct digest;

struct digest *digest_new(void);
void digest_add(struct digest *, const void *, size_t);

/* Lower-case hex of all that was added; then it starts anew. */
void digest_end(struct digest *, char hex[DIGEST_HEX_BYTES]);
void digest_free(struct digest *);

#endif
