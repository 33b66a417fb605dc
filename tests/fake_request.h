/* Requests for unit tests: a table of variables and a body in memory. */
#ifndef DAVIT_TESTS_FAKE_REQUEST_H
#define DAVIT_TESTS_FAKE_REQUEST_H

#include <string.h>
#include <sys/types.h>

#include "fcgi/request.h"

struct fake_request {
	const char *variables[16];	/* name, value, …, NULL */
	const char *body;
	size_t len;		/* how much of it is still to come */
	int broken;		/* the client goes away at its end */
};

static const char *
fake_variable(void *arg, const char *name)
{
	struct fake_request *f = arg;

	for (size_t i = 0; i < 15 && f->variables[i] != NULL; i += 2)
		if (strcmp(f->variables[i], name) == 0)
			return f->variables[i + 1];
	return NULL;
}

static ssize_t
fake_body(void *arg, void *data, size_t size)
{
	struct fake_request *f = arg;
	size_t n = f->len < size ? f->len : size;

	if (n == 0)
		return f->broken ? -1 : 0;
	memcpy(data, f->body, n);
	f->body += n;
	f->len -= n;
	return (ssize_t)n;
}

#define FAKE_SOURCE(fake) { fake_variable, fake_body, (fake), NULL }

#endif
