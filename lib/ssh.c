#include "lib/ssh.h"

#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libssh2.h>
#include <openssl/evp.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"

#define SHA256_BYTES 32
#define FINGERPRINT_SIZE 45 /* in base64, with its "=" and a NUL */

struct ssh {
	const struct ssh_options *options;
	int fd;
	LIBSSH2_SESSION *session;
	LIBSSH2_KNOWNHOSTS *known;
	LIBSSH2_CHANNEL *channel;
	char words[SSH_WORDS_MAX_BYTES + 1];
};

/* Kinds of host keys, best first. */
static const struct kind {
	int of_session, of_line;
	const char *name, *methods;
} kinds[] = {
	{ LIBSSH2_HOSTKEY_TYPE_ED25519, LIBSSH2_KNOWNHOST_KEY_ED25519,
	    "ED25519", "ssh-ed25519" },
	{ LIBSSH2_HOSTKEY_TYPE_ECDSA_256, LIBSSH2_KNOWNHOST_KEY_ECDSA_256,
	    "ECDSA", "ecdsa-sha2-nistp256" },
	{ LIBSSH2_HOSTKEY_TYPE_ECDSA_384, LIBSSH2_KNOWNHOST_KEY_ECDSA_384,
	    "ECDSA", "ecdsa-sha2-nistp384" },
	{ LIBSSH2_HOSTKEY_TYPE_ECDSA_521, LIBSSH2_KNOWNHOST_KEY_ECDSA_521,
	    "ECDSA", "ecdsa-sha2-nistp521" },
	{ LIBSSH2_HOSTKEY_TYPE_RSA, LIBSSH2_KNOWNHOST_KEY_SSHRSA,
	    "RSA", "rsa-sha2-512,rsa-sha2-256,ssh-rsa" },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Wait for what libssh2 could not do at once. */
static int
await(const struct ssh *s, struct err *e)
{
	int ways = libssh2_session_block_directions(s->session);
	short events = 0;

	if ((ways & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0)
		events |= POLLOUT;
	if ((ways & LIBSSH2_SESSION_BLOCK_INBOUND) != 0 || events == 0)
		events |= POLLIN;
	return s->options->wait(s->options->arg, s->fd, events, e);
}

static int
broken(const struct ssh *s, const char *what, struct err *e)
{
	char *why = NULL;

	libssh2_session_last_error(s->session, &why, NULL, 0);
	return err_set(e, ERR_FETCH_FAILED, "%s: %s: %.120s",
	    s->options->host, what, why == NULL ? "no reason given" : why);
}

/* ---- the host ---- */

static int
read_known_hosts(struct ssh *s, struct err *e)
{
	char *copy = xstrdup(s->options->known_hosts), *rest = copy, *line;
	struct buf whole = BUF_INIT;
	int n = 0, rc = 0;

	if ((s->known = libssh2_knownhost_init(s->session)) == NULL)
		rc = broken(s, "known_hosts", e);
	while (rc == 0 && (line = strsep(&rest, "\n")) != NULL) {
		n++;
		/* Without its newline, a line's last letter would be lost. */
		buf_reset(&whole);
		buf_addf(&whole, "%.*s\n", (int)strcspn(line, "\r"), line);
		if (libssh2_knownhost_readline(s->known, whole.data,
			whole.len, LIBSSH2_KNOWNHOST_FILE_OPENSSH) != 0)
			rc = err_set(e, ERR_CONFIG, "line %d of the "
			    "known_hosts file that credentials names is no "
			    "host with its key", n);
	}
	buf_clear(&whole);
	free(copy);
	return rc;
}

/* How that key stands to the lines for the host: LIBSSH2_KNOWNHOST_CHECK_*.
 */
static int
look_up(const struct ssh *s, const struct kind *kind, const char *key,
    size_t len)
{
	return libssh2_knownhost_checkp(s->known, s->options->host,
	    s->options->port, key, len, LIBSSH2_KNOWNHOST_TYPE_PLAIN |
		LIBSSH2_KNOWNHOST_KEYENC_RAW | kind->of_line, NULL);
}

/* True if a line has a key of that kind for the host; found with one that is
 * nobody's, since names in lines may be hashed. */
static bool
is_known(const struct ssh *s, const struct kind *kind)
{
	return look_up(s, kind, "", 1) == LIBSSH2_KNOWNHOST_CHECK_MISMATCH;
}

/* Add those of the methods that this libssh2 has.  It should leave out the
 * others itself, but 1.10 copies within a string to do so, by memcpy. */
static void
add_methods(const struct ssh *s, const char *methods, struct buf *out)
{
	const char **known = NULL;
	int n = libssh2_session_supported_algs(s->session,
	    LIBSSH2_METHOD_HOSTKEY, &known);

	for (size_t len; *methods != '\0'; methods += len + 1) {
		len = strcspn(methods, ",");
		for (int i = 0; i < n; i++)
			if (strlen(known[i]) == len &&
			    memcmp(known[i], methods, len) == 0)
				buf_addf(out, "%s%s", out->len > 0 ? "," : "",
				    known[i]);
		if (methods[len] == '\0')
			break;
	}
	if (known != NULL)
		libssh2_free(s->session, known);
}

/* Ask for a key of a kind that is known: a host has several, and another one
 * than the known would look like a stranger's.  Of an unknown host, the best
 * is to be told. */
static int
prefer_known_kinds(struct ssh *s, struct err *e)
{
	struct buf methods = BUF_INIT;
	bool any = false;
	int rc = 0;

	for (size_t i = 0; i < KINDS; i++)
		any = any || is_known(s, &kinds[i]);
	for (size_t i = 0; i < KINDS; i++)
		if (!any || is_known(s, &kinds[i]))
			add_methods(s, kinds[i].methods, &methods);
	if (methods.len > 0 &&
	    libssh2_session_method_pref(s->session, LIBSSH2_METHOD_HOSTKEY,
		buf_str(&methods)) != 0)
		rc = broken(s, "host keys", e);
	buf_clear(&methods);
	return rc;
}

static void
fingerprint(const struct ssh *s, char text[FINGERPRINT_SIZE])
{
	const char *hash = libssh2_hostkey_hash(s->session,
	    LIBSSH2_HOSTKEY_HASH_SHA256);

	text[0] = '\0';
	if (hash == NULL)
		return;
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)hash,
	    SHA256_BYTES);
	text[strcspn(text, "=")] = '\0';
}

/* The key has been proven by the handshake; is it the host's? */
static int
check_host(const struct ssh *s, struct err *e)
{
	const char *host = s->options->host, *key, *name = "host";
	char print[FINGERPRINT_SIZE];
	int type, verdict = LIBSSH2_KNOWNHOST_CHECK_NOTFOUND;
	size_t len;

	key = libssh2_session_hostkey(s->session, &len, &type);
	for (size_t i = 0; key != NULL && i < KINDS; i++) {
		if (kinds[i].of_session != type)
			continue;
		name = kinds[i].name;
		verdict = look_up(s, &kinds[i], key, len);
	}
	if (verdict == LIBSSH2_KNOWNHOST_CHECK_MATCH)
		return 0;
	fingerprint(s, print);
	if (verdict == LIBSSH2_KNOWNHOST_CHECK_MISMATCH)
		return err_set(e, ERR_FETCH_FAILED, "the %s key of %s is "
		    "SHA256:%s, not the known one: somebody may be in "
		    "between. If the host tells of a new key, the operator "
		    "puts it into known_hosts", name, host, print);
	return err_set(e, ERR_FETCH_FAILED, "the %s key of %s, SHA256:%s, is "
	    "not known: if it is the one that the host publishes, the "
	    "operator adds it to known_hosts", name, host, print);
}

static int
handshake(struct ssh *s, struct err *e)
{
	int n;

	while ((n = libssh2_session_handshake(s->session, s->fd)) ==
	    LIBSSH2_ERROR_EAGAIN)
		if (await(s, e) == -1)
			return -1;
	if (n == LIBSSH2_ERROR_KEX_FAILURE)
		return err_set(e, ERR_FETCH_FAILED, "%s has no host key of "
		    "the kind that known_hosts has for it, or only old "
		    "ciphers", s->options->host);
	return n == 0 ? check_host(s, e) : broken(s, "no SSH", e);
}

/* ---- the key ---- */

static int
log_in(struct ssh *s, struct err *e)
{
	const struct ssh_options *o = s->options;
	int n;

	while ((n = libssh2_userauth_publickey_frommemory(s->session, o->user,
		    strlen(o->user), NULL, 0, o->key, strlen(o->key),
		    NULL)) == LIBSSH2_ERROR_EAGAIN)
		if (await(s, e) == -1)
			return -1;
	switch (n) {
	case 0:
		return 0;
	case LIBSSH2_ERROR_FILE:
	case LIBSSH2_ERROR_KEYFILE_AUTH_FAILED:
	case LIBSSH2_ERROR_SOCKET_NONE: /* the code for all else, they say */
		return err_set(e, ERR_CONFIG, "the deploy key for %s that "
		    "credentials names is none, or has a passphrase", o->host);
	case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
	case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
		return err_set(e, ERR_REPO_PRIVATE, "%s does not accept the "
		    "deploy key: add its public half to the repository there "
		    "(ed25519 or ecdsa; RSA keys are often refused)", o->host);
	default:
		return broken(s, "log in", e);
	}
}

struct ssh *
ssh_open(int fd, const struct ssh_options *options, struct err *e)
{
	struct ssh *s = xcalloc(1, sizeof(*s));

	s->options = options;
	s->fd = fd;
	if (libssh2_init(0) != 0 ||
	    (s->session = libssh2_session_init()) == NULL) {
		err_set(e, ERR_INTERNAL, "libssh2 does not start");
		goto fail;
	}
	libssh2_session_set_blocking(s->session, 0);
	if (read_known_hosts(s, e) == 0 && prefer_known_kinds(s, e) == 0 &&
	    handshake(s, e) == 0 && log_in(s, e) == 0)
		return s;
fail:
	ssh_free(s);
	return NULL;
}

void
ssh_free(struct ssh *s)
{
	if (s == NULL)
		return;
	/* What libssh2 would still say is of no use: it must not wait. */
	shutdown(s->fd, SHUT_RDWR);
	if (s->channel != NULL)
		libssh2_channel_free(s->channel);
	if (s->known != NULL)
		libssh2_knownhost_free(s->known);
	if (s->session != NULL)
		libssh2_session_free(s->session);
	libssh2_exit();
	free(s);
}

/* ---- the command ---- */

static int
open_channel(struct ssh *s, struct err *e)
{
	while ((s->channel = libssh2_channel_open_session(s->session)) ==
	    NULL) {
		if (libssh2_session_last_errno(s->session) !=
		    LIBSSH2_ERROR_EAGAIN)
			return broken(s, "open a channel", e);
		if (await(s, e) == -1)
			return -1;
	}
	return 0;
}

/* Few hosts allow it, and all can do without. */
static int
set_variable(struct ssh *s, const char *name, const char *value,
    struct err *e)
{
	int n;

	while ((n = libssh2_channel_setenv_ex(s->channel, name,
		    (unsigned int)strlen(name), value,
		    (unsigned int)strlen(value))) == LIBSSH2_ERROR_EAGAIN)
		if (await(s, e) == -1)
			return -1;
	if (n == 0 || n == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED)
		return 0;
	return broken(s, "set a variable", e);
}

int
ssh_exec(struct ssh *s, const char *command, const char *variable,
    const char *value, struct err *e)
{
	int n;

	if (open_channel(s, e) == -1 ||
	    set_variable(s, variable, value, e) == -1)
		return -1;
	while ((n = libssh2_channel_exec(s->channel, command)) ==
	    LIBSSH2_ERROR_EAGAIN)
		if (await(s, e) == -1)
			return -1;
	return n == 0 ? 0 : broken(s, "start a command", e);
}

int
ssh_write(struct ssh *s, const void *data, size_t len, struct err *e)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = libssh2_channel_write(s->channel, at, len);

		if (n == LIBSSH2_ERROR_EAGAIN) {
			if (await(s, e) == -1)
				return -1;
			continue;
		}
		if (n < 0)
			return broken(s, "send", e);
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Take the words that have come, so that they never fill the channel. */
static void
hear_words(struct ssh *s)
{
	char piece[SSH_WORDS_MAX_BYTES];
	ssize_t n;

	while ((n = libssh2_channel_read_stderr(s->channel, piece,
		    sizeof(piece))) > 0) {
		size_t len = strlen(s->words);

		memcpy(s->words + len, piece,
		    (size_t)n < SSH_WORDS_MAX_BYTES - len
		    ? (size_t)n
		    : SSH_WORDS_MAX_BYTES - len);
	}
}

ssize_t
ssh_read(struct ssh *s, void *data, size_t size, struct err *e)
{
	bool again = true;

	for (;;) {
		ssize_t n;

		/* Each of the two reads what comes for both: the second must
		 * be the one whose data are waited for. */
		hear_words(s);
		n = libssh2_channel_read(s->channel, data, size);
		if (n > 0 || (n == 0 && libssh2_channel_eof(s->channel)))
			return n;
		if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
			return broken(s, "receive", e);
		/* Words that nobody has heard hide the end. */
		if (n == 0 && again)
			again = false;
		else if (await(s, e) == -1)
			return -1;
	}
}

const char *
ssh_words(const struct ssh *s)
{
	return s->words;
}
