#include "fcgi/access.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/request.h"
#include "lib/alias.h"
#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"

#define OWNER_MAX_BYTES 64

struct token {
	char owner[OWNER_MAX_BYTES + 1];
	unsigned char sha256[SHA256_DIGEST_LENGTH];
};

struct access {
	const struct conf *conf;
	struct token *tokens;
	size_t ntokens;
	struct stat seen;	/* of the file that tokens came from */
};

struct access *
access_new(const struct conf *conf)
{
	struct access *a = xcalloc(1, sizeof(*a));

	a->conf = conf;
	return a;
}

static void
forget_tokens(struct access *a)
{
	free(a->tokens);
	a->tokens = NULL;
	a->ntokens = 0;
	memset(&a->seen, 0, sizeof(a->seen));
}

void
access_free(struct access *a)
{
	if (a == NULL)
		return;
	forget_tokens(a);
	free(a);
}

/* ---- the tokens file ---- */

static bool
parse_owner(char *out, const char *text, size_t len)
{
	if (len == 0 || len > OWNER_MAX_BYTES ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789._@-") < len)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

static bool
parse_sha256(unsigned char *out, const char *text, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	if (len != 2 * SHA256_DIGEST_LENGTH)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char *d = strchr(digits, tolower(text[i]));

		if (d == NULL)
			return false;
		out[i / 2] = (unsigned char)(out[i / 2] << 4 | (d - digits));
	}
	return true;
}

/* "name sha256", blanks around them. */
static bool
parse_line(struct token *t, const char *line)
{
	static const char blank[] = " \t\r";
	size_t owner, sum;
	const char *p = line + strspn(line, blank);

	owner = strcspn(p, blank);
	if (!parse_owner(t->owner, p, owner))
		return false;
	p += owner;
	p += strspn(p, blank);
	sum = strcspn(p, blank);
	return parse_sha256(t->sha256, p, sum) &&
	    p[sum + strspn(p + sum, blank)] == '\0';
}

static int
parse_tokens(struct access *a, char *text, struct err *e)
{
	char *line;

	for (int n = 1; (line = strsep(&text, "\n")) != NULL; n++) {
		struct token t = { 0 };

		line[strcspn(line, "#")] = '\0';
		if (line[strspn(line, " \t\r")] == '\0')
			continue;
		if (!parse_line(&t, line))
			return err_set(e, ERR_CONFIG,
			    "%s:%d: a name and the SHA-256 of a token in hex",
			    a->conf->tokens, n);
		a->tokens = xreallocarray(a->tokens, a->ntokens + 1,
		    sizeof(t));
		a->tokens[a->ntokens++] = t;
	}
	return 0;
}

static bool
is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_mode == b->st_mode;
}

/* Read the file again where it has changed. */
static int
refresh_tokens(struct access *a, struct err *e)
{
	struct buf text = BUF_INIT;
	struct stat st;
	int rc = -1, fd;

	fd = open(a->conf->tokens, O_RDONLY | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1) {
		err_errno(e, "tokens: %s", a->conf->tokens);
		err_recode(e, ERR_CONFIG);
		goto out;
	}
	if (is_unchanged(&st, &a->seen)) {
		rc = 0;
		goto out;
	}
	forget_tokens(a);
	if (!S_ISREG(st.st_mode) || (st.st_mode & S_IRWXO) != 0) {
		err_set(e, ERR_CONFIG,
		    "tokens: %s must be a file without access for others: "
		    "chmod o= it",
		    a->conf->tokens);
		goto out;
	}
	if (fdio_slurp(fd, CONF_MAX_BYTES, &text, e) == -1) {
		err_within(e, "tokens: %s", a->conf->tokens);
		err_recode(e, ERR_CONFIG);
		goto out;
	}
	if (parse_tokens(a, text.data, e) == 0) {
		a->seen = st;
		rc = 0;
	} else
		forget_tokens(a);
out:
	buf_clear(&text);
	fdio_close(&fd);
	return rc;
}

/* ---- checks ---- */

bool
access_is_loopback(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (address == NULL)
		return false;
	if (inet_pton(AF_INET, address, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, address, &v6) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&v6) ||
	    (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

/*
 * Without tokens.  A proxy on this machine would make everybody local, and a
 * foreign page in a local browser everything: neither is taken for the person
 * at this machine.
 */
static int
check_loopback(const struct request *r, struct err *e)
{
	static const char cure[] = "set 'tokens' in davit.conf and present one";

	if (!access_is_loopback(request_variable(r, "REMOTE_ADDR")))
		return err_set(e, ERR_DENIED,
		    "Only clients on the machine itself are served: %s.", cure);
	if (request_variable(r, "HTTP_X_FORWARDED_FOR") != NULL ||
	    request_variable(r, "HTTP_FORWARDED") != NULL)
		return err_set(e, ERR_DENIED,
		    "Requests through a proxy need a token: %s.", cure);
	if (request_variable(r, "HTTP_ORIGIN") != NULL)
		return err_set(e, ERR_DENIED,
		    "Requests from web pages need a token: %s.", cure);
	return 0;
}

/* The token's owner.  All lines are compared, and each whole, so that time
 * tells nothing. */
static const char *
find_owner(const struct access *a, const char *token)
{
	unsigned char sha256[SHA256_DIGEST_LENGTH];
	const char *owner = NULL;

	SHA256((const unsigned char *)token, strlen(token), sha256);
	for (size_t i = 0; i < a->ntokens; i++)
		if (CRYPTO_memcmp(sha256, a->tokens[i].sha256,
			sizeof(sha256)) == 0)
			owner = a->tokens[i].owner;
	return owner;
}

static int
check_token(struct access *a, const struct request *r, const char **owner,
    struct err *e)
{
	static const char scheme[] = "Bearer ";
	const char *given = request_variable(r, "HTTP_AUTHORIZATION");

	if (refresh_tokens(a, e) == -1)
		return -1;
	if (given == NULL || 
	    strncasecmp(given, scheme, sizeof(scheme) - 1) != 0)
		return err_set(e, ERR_UNAUTHORIZED, "A token is needed.");
	given += sizeof(scheme) - 1;
	given += strspn(given, " ");
	if ((*owner = find_owner(a, given)) == NULL)
		return err_set(e, ERR_UNAUTHORIZED, "The token is not known.");
	return 0;
}

int
access_check(struct access *a, const struct request *r, enum access_need need,
    const char **owner, struct err *e)
{
	*owner = NULL;
	if (need == ACCESS_STATUS && a->conf->public_status)
		return 0;
	if (a->conf->tokens != NULL)
		return check_token(a, r, owner, e);
	return check_loopback(r, e);
}

static bool
is_owner(const struct access *a, const char *owner, const char *of)
{
	return a->conf->tokens == NULL ||
	    (owner != NULL && of != NULL && strcmp(owner, of) == 0);
}

int
access_owns(const struct access *a, const char *owner,
    const struct deployment *d, struct err *e)
{
	return is_owner(a, owner, d->owner) ? 0
	    : err_set(e, ERR_DENIED, "%s belongs to somebody else.", d->id);
}

int
access_owns_alias(const struct access *a, const char *owner,
    const struct alias *alias, struct err *e)
{
	return is_owner(a, owner, alias->owner) ? 0
	    : err_set(e, ERR_DENIED, "%s belongs to somebody else.",
		  alias->name);
}
