/* FastCGI parameters, "NAME=VALUE" a line; an empty line; the body. */
#include <stdlib.h>
#include <string.h>

#include "fcgi/access.h"
#include "fcgi/condition.h"
#include "fcgi/request.h"
#include "lib/buf.h"
#include "lib/name.h"
#include "tests/fuzz.h"

#define VARIABLES_MAX 16

struct input {
	char *names[VARIABLES_MAX], *values[VARIABLES_MAX];
	size_t n;
	const char *body;
	size_t left;
};

static const char *
variable(void *arg, const char *name)
{
	struct input *in = arg;

	for (size_t i = 0; i < in->n; i++)
		if (strcmp(in->names[i], name) == 0)
			return in->values[i];
	return NULL;
}

static ssize_t
body(void *arg, void *data, size_t size)
{
	struct input *in = arg;
	size_t n = in->left < size ? in->left : size;

	memcpy(data, in->body, n);
	in->body += n;
	in->left -= n;
	return (ssize_t)n;
}

/* Cuts text into lines. */
static void
read_input(struct input *in, char *text, size_t size)
{
	char *line, *value, *p = text;

	while (p != NULL && (line = strsep(&p, "\n"))[0] != '\0')
		if ((value = strchr(line, '=')) != NULL &&
		    in->n < VARIABLES_MAX) {
			*value = '\0';
			in->names[in->n] = line;
			in->values[in->n++] = value + 1;
		}
	in->body = p == NULL ? "" : p;
	in->left = p == NULL ? 0 : size - (size_t)(p - text);
}

static void
look_at(const struct request *r)
{
	const char *etags = request_variable(r, "HTTP_IF_NONE_MATCH");
	int64_t n = 7;

	must(r->path[0] == '/' && strstr(r->path, "//") == NULL);
	must(strcmp(r->path, "/") == 0 || strstr(r->path, "/../") == NULL);
	must(r->body.len <= BODY_MAX_BYTES);
	for (size_t i = 0; i < r->nparams; i++)
		must(name_is_text(r->params[i].value,
		    strlen(r->params[i].value)));
	if (request_number(r, "offset", 0, 100, &n, NULL) == 0)
		must(n >= 0 && n <= 100);
	if (etags == NULL)
		must(!condition_has(etags, "\"x\""));
	access_is_loopback(request_variable(r, "REMOTE_ADDR"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct input in = { .n = 0 };
	struct request_source source = { .variable = variable,
		.body = body, .arg = &in };
	struct request r;

	read_input(&in, text, strlen(text));
	if (request_init(&r, &source, NULL) == 0)
		look_at(&r);
	request_clear(&r);
	free(text);
	return 0;
}
