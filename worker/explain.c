#include "worker/explain.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/name.h"
#include "worker/checkout.h"
#include "worker/plan.h"
#include "worker/planner.h"

/* A tar that comes through a pipe is kept aside, since it may be looked at
 * twice. */
#define ASIDE_MAX_BYTES ((int64_t)1 << 30)
#define ASIDE_DIR "/tmp"
#define PIECE_BYTES (64 * 1024)

struct explaining {
	const struct explain_spec *spec;
	int fd;			/* of the tar, which can be rewound */
	struct deployment *request;
};

/* ---- looking ---- */

static ssize_t
read_tar(void *arg, void *data, size_t size, struct err *e)
{
	return fdio_read(((struct explaining *)arg)->fd, data, size, e);
}

static int
look(void *arg, struct project *p, const char *const *patterns, struct err *e)
{
	struct explaining *x = arg;

	if (x->fd == -1)
		return checkout_look_at(x->spec->from, p, patterns, e);
	if (lseek(x->fd, 0, SEEK_SET) == -1)
		return err_errno(e, "rewind the tar");
	return checkout_look_in(read_tar, x, p, patterns, e);
}

static int
put_aside(struct explaining *x, struct err *e)
{
	char data[PIECE_BYTES];
	int64_t total = 0;
	ssize_t n;

	if ((x->fd = fdio_unnamed(ASIDE_DIR, e)) == -1)
		return -1;
	while ((n = fdio_read(STDIN_FILENO, data, sizeof(data), e)) > 0) {
		if ((total += n) > ASIDE_MAX_BYTES)
			return err_set(e, ERR_TOOBIG,
			    "the tar on standard input is over %lld bytes",
			    (long long)ASIDE_MAX_BYTES);
		if (fdio_write(x->fd, data, (size_t)n, e) == -1)
			return -1;
	}
	return (int)n;
}

/* ---- the request ---- */

static int
read_request(struct explaining *x, struct err *e)
{
	const char *file = x->spec->request;
	struct buf text = BUF_INIT;
	struct json *j = NULL;
	int rc = -1;

	if (file == NULL) {
		x->request = deployment_new();
		return 0;
	}
	if (fdio_slurp_file(file, BODY_MAX_BYTES, &text, e) == 0 &&
	    (j = json_parse_buf(&text, e)) != NULL &&
	    (x->request = deployment_from_request(j, e)) != NULL)
		rc = 0;
	else
		err_within(e, "the request");
	json_free(j);
	if (text.len > 0)
		explicit_bzero(text.data, text.len);
	buf_clear(&text);
	return rc;
}

/* ---- the answer ---- */

static int
failed(const struct explaining *x, const struct err *e)
{
	struct json *j;
	char *text;

	if (!x->spec->json) {
		log_error("%s", e->msg);
		fprintf(stderr, "%s\n", err_hint(e->code));
		return EXIT_FAILURE;
	}
	j = json_new_object();
	json_set_string(j, "error", err_name(e->code));
	json_set_string(j, "message", e->msg);
	json_set_string(j, "hint", err_hint(e->code));
	text = json_text(j);
	puts(text);
	free(text);
	json_free(j);
	return EXIT_FAILURE;
}

static void
print(const struct explaining *x, const struct plan *plan)
{
	struct buf words = BUF_INIT;
	struct json *j;
	char *text;

	if (x->spec->json) {
		j = plan_to_json(plan);
		text = json_text(j);
		puts(text);
		free(text);
		json_free(j);
		return;
	}
	plan_print(plan, &words);
	fputs(buf_str(&words), stdout);
	buf_clear(&words);
}

static struct plan *
make_plan(struct explaining *x, struct err *e)
{
	const struct deployment *r;
	struct plan_request wanted;

	if (strcmp(x->spec->from, "-") == 0) {
		x->fd = STDIN_FILENO;
		if (lseek(x->fd, 0, SEEK_SET) == -1 && put_aside(x, e) == -1)
			return NULL;
	}
	if (read_request(x, e) == -1)
		return NULL;
	r = x->request;
	wanted = (struct plan_request){ r->framework, r->install, r->build,
		r->output, r->node };
	return planner_plan(look, x, r->dir, &wanted,
	    planner_node(x->spec->image), e);
}

int
explain(const struct explain_spec *spec)
{
	struct explaining x = { .spec = spec, .fd = -1 };
	struct err e;
	struct plan *plan = make_plan(&x, &e);
	int status = EXIT_SUCCESS;

	if (plan == NULL)
		status = failed(&x, &e);
	else
		print(&x, plan);
	plan_free(plan);
	deployment_free(x.request);
	if (x.fd != STDIN_FILENO)
		fdio_close(&x.fd);
	return status;
}
