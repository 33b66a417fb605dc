#include "worker/helper.h"

#include <stdint.h>
#include <string.h>

#include "lib/err.h"
#include "worker/docker.h"

#define WORDS_MAX_BYTES 4096

static char *const env[] = {
	(char *)(uintptr_t)"PATH=/usr/local/bin:/usr/bin:/bin",
	(char *)(uintptr_t)"LC_ALL=C.UTF-8", NULL
};

static int
hear(void *arg, enum dstream_which which, const char *data, size_t len,
    struct err *e)
{
	struct helper *h = arg;
	size_t room = WORDS_MAX_BYTES - h->words.len;

	if (which == DSTREAM_STDERR)
		buf_add(&h->words, data, len < room ? len : room);
	else if (!h->drop)
		buf_add(&h->out, data, len);
	return 0;
}

int
helper_start(struct helper *h, const struct helper_spec *spec,
    const char *const *argv, struct err *e)
{
	const struct docker_command c = { .argv = argv,
		.env = env,
		.cwd = spec->cwd,
		.input = spec->input };

	memset(h, 0, sizeof(*h));
	h->process = docker_exec(spec->docker, spec->container, &c,
	    spec->watch, hear, h, e);
	return h->process == NULL ? -1 : 0;
}

int
helper_attach(struct helper *h, const struct helper_spec *spec, struct err *e)
{
	memset(h, 0, sizeof(*h));
	h->process = docker_attach(spec->docker, spec->container, spec->watch,
	    hear, h, e);
	return h->process == NULL ? -1 : 0;
}

void
helper_free(struct helper *h)
{
	docker_process_free(h->process);
	h->process = NULL;
	buf_clear(&h->out);
	buf_clear(&h->words);
}

const char *
helper_words(struct helper *h)
{
	if (h->words.len == 0)
		return "no reason given";
	h->words.data[strcspn(h->words.data, "\r\n")] = '\0';
	return h->words.data;
}

ssize_t
helper_read(void *helper, void *data, size_t size, struct err *e)
{
	struct helper *h = helper;
	int rc = 1;

	while (h->out.len == 0 && rc == 1)
		rc = docker_process_step(h->process, e);
	if (rc == -1)
		return -1;
	if (size > h->out.len)
		size = h->out.len;
	memcpy(data, buf_str(&h->out), size);
	buf_drop(&h->out, size);
	return (ssize_t)size;
}
