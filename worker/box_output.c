#include "worker/box_parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "worker/list.h"
#include "worker/plan.h"

/* First one with an index.html, then any; a * stands for one directory.  The
 * empty IFS keeps blanks in names.  The name goes before the tar: a process of
 * its own for it would cost 45 ms.  It is started while the build runs, for as
 * much, and waits for a line; the directory may have been made anew since.
 * Symbolic links come as they are: publishing follows those that stay in the
 * output.  Hard links come as files of their own.  Of the whole checkout, what
 * no site has would only cost time. */
static const char read_output[] =
    "IFS=\n"
    "read -r go && cd \"$PWD\" || exit 1\n"
    "for want in index any; do for c in \"$@\"; do for d in \"$c\" $c; do\n"
    "	[ -d \"$d\" ] || continue\n"
    "	[ $want = any ] || [ -f \"$d/index.html\" ] || continue\n"
    "	printf '%s\\0' \"$d\"\n"
    "	[ \"$d\" = . ] && set -- --exclude=./node_modules --exclude=./.git ||\n"
    "		set --\n"
    "	exec tar -c --hard-dereference -f - -C \"./$d\" \"$@\" .\n"
    "done; done; done\n"
    "exit 1\n";

static int
missing(const struct plan *plan, struct err *e)
{
	struct buf all = BUF_INIT;

	for (char **o = plan->outputs; o != NULL && *o != NULL; o++)
		buf_addf(&all, "%s%s", all.len > 0 ? ", " : "", *o);
	err_set(e, ERR_OUTPUT_MISSING,
	    list_count(plan->outputs) == 1
		? "the build has not written the directory %.300s"
		: "the build has written none of the directories %.300s",
	    buf_str(&all));
	buf_clear(&all);
	return -1;
}

static int
start_output(struct box *b, struct err *e)
{
	const struct plan *plan = b->spec.plan;
	const char **argv = xcalloc(list_count(plan->outputs) + 5,
	    sizeof(*argv));
	size_t n = 0;
	int rc;

	argv[n++] = "/bin/sh";
	argv[n++] = "-c";
	argv[n++] = read_output;
	argv[n++] = "sh";
	for (char **o = plan->outputs; o != NULL && *o != NULL; o++)
		argv[n++] = *o;
	helper_free(&b->output);
	rc = box_begin_helper(b, &b->output, argv, true, e);
	b->waits = rc == 0;
	free(argv);
	return rc;
}

/* A failure tells when the output is wanted. */
void
box_prepare_output(struct box *b)
{
	start_output(b, NULL);
}

/* What comes up to the first NUL: the name of the directory.  Without one,
 * there is no output. */
static int
read_name(struct box *b, struct buf *name, struct err *e)
{
	ssize_t n;
	char c;

	b->waits = false;
	if (docker_process_write(b->output.process, "go\n", 3, e) == -1)
		return -1;
	while ((n = helper_read(&b->output, &c, 1, e)) == 1 && c != '\0')
		if (name->len < PATH_MAX_BYTES)
			buf_add(name, &c, 1);
	if (n == -1)
		return -1;
	if (n == 1 && (strcmp(buf_str(name), ".") == 0 ||
			  name_is_path(buf_str(name))))
		return 0;
	return missing(b->spec.plan, e);
}

/* The reader that has waited beside the build may have come to harm there. */
char *
box_output(struct box *b, struct err *e)
{
	struct buf name = BUF_INIT;

	if (b->waits && read_name(b, &name, NULL) == 0)
		return buf_take(&name);
	buf_reset(&name);
	if (start_output(b, e) == 0 && read_name(b, &name, e) == 0)
		return buf_take(&name);
	buf_clear(&name);
	return NULL;
}

int
box_read(struct box *b,
    int (*take)(void *, tar_source *, void *, struct err *), void *arg,
    struct err *e)
{
	struct helper *h = &b->output;
	struct err why = { .code = ERR_NONE };
	int rc = take(arg, helper_read, h, &why), status;

	if (rc == -1 && why.code != ERR_INVALID) {
		if (e != NULL)
			*e = why;
		return -1;
	}
	h->drop = true;
	if (docker_process_finish(h->process, &status, e) == -1)
		return -1;
	if (status != 0)
		return err_set(e, ERR_OUTPUT_UNSAFE,
		    "the output cannot be read: %.200s", helper_words(h));
	if (rc == -1)
		err_set(e, ERR_DOCKER, "the output came damaged: %.200s",
		    why.msg);
	return rc;
}
