/*
 * One command on one host over SSH: the room of libssh2, which davit-fetch
 * alone is linked with.  Logs in by a private key and nothing else, and only
 * to a host whose key is known.
 */
#ifndef DAVIT_LIB_SSH_H
#define DAVIT_LIB_SSH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct ssh;

/* What a host may say of why its command ended. */
#define SSH_WORDS_MAX_BYTES 400

struct ssh_options {
	const char *user, *host;
	uint16_t port;
	const char *key;		/* private, as a file has it */
	const char *known_hosts;	/* lines, as of sshd(8) */

	/* Waits until fd is ready for those events of poll(2); -1 ends all. */
	int (*wait)(void *arg, int fd, short events, struct err *);
	void *arg;
};

/* Log in over fd, a connected socket that does not block and stays the
 * caller's, as the options do.  NULL with ERR_FETCH_FAILED, ERR_REPO_PRIVATE
 * where the key is not accepted, ERR_CONFIG where it or known_hosts cannot be
 * read, or what wait said.  ssh_free() it before fd is closed. */
struct ssh *ssh_open(int fd, const struct ssh_options *, struct err *);
void ssh_free(struct ssh *);

/* Start the command, for the shell of the other side.  The variable is set
 * where the host allows that. */
int ssh_exec(struct ssh *, const char *command, const char *variable,
    const char *value, struct err *);

int ssh_write(struct ssh *, const void *, size_t, struct err *);

/* Up to that many bytes; 0 at the end; -1. */
ssize_t ssh_read(struct ssh *, void *, size_t, struct err *);

/* What the command wrote to its standard error, the beginning of it; hostile.
 */
const char *ssh_words(const struct ssh *);

#endif
