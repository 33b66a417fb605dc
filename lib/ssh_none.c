/* In place of lib/ssh.c where davit is built without libssh2. */
#include "lib/ssh.h"

#include "lib/err.h"

struct ssh *
ssh_open(int fd, const struct ssh_options *options, struct err *e)
{
	err_set(e, ERR_FETCH_FAILED,
	    "this davit is built without ssh: use the https:// URL");
	return NULL;
}

void
ssh_free(struct ssh *s)
{
}

int
ssh_exec(struct ssh *s, const char *command, const char *variable,
    const char *value, struct err *e)
{
	return -1;
}

int
ssh_write(struct ssh *s, const void *data, size_t len, struct err *e)
{
	return -1;
}

ssize_t
ssh_read(struct ssh *s, void *data, size_t size, struct err *e)
{
	return -1;
}

const char *
ssh_words(const struct ssh *s)
{
	return "";
}
