#include "lib/gitwire_parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/gitproto.h"
#include "lib/mem.h"

#define READ_STEP (64 * 1024)

char *
gitwire_path(const struct wire *w, struct err *e)
{
	const struct name_url *u = &w->url;
	bool home = u->relative;
	char *path = xstrdup(u->path + home);

	/* What is written host:path is no URL, and has no escapes. */
	if ((!home && !name_percent_decode(path)) ||
	    !name_is_text(path, strlen(path)) || strpbrk(path, "\n\t") != NULL)
		err_set(e, ERR_INVALID, "url: a bad escape in its path");
	else if (path[0] == '-')
		err_set(e, ERR_INVALID, "url: its path begins with '-'");
	else
		return path;
	free(path);
	return NULL;
}

/* Feed what comes until gitproto wants to say something, or is done. */
static int
receive(const struct wire *w, const struct stream *s, struct err *e)
{
	char data[READ_STEP];
	int64_t got = 0;

	while (gitproto_step(w->proto) == GITPROTO_READ) {
		ssize_t n = s->read(s->arg, data, sizeof(data), e);

		if (n == -1)
			return -1;
		if (n == 0)
			return gitproto_end(w->proto, e);
		if ((got += n) > w->options->max_bytes)
			return err_set(e, ERR_REPO_TOOBIG,
			    "%s sends over %lld bytes", w->url.host,
			    (long long)w->options->max_bytes);
		if (gitproto_feed(w->proto, data, (size_t)n, e) == -1)
			return -1;
	}
	return 0;
}

int
gitwire_talk(struct wire *w, const struct stream *s, struct err *e)
{
	struct buf out = BUF_INIT;
	int rc;

	while ((rc = receive(w, s, e)) == 0 &&
	    gitproto_step(w->proto) == GITPROTO_ASK) {
		buf_reset(&out);
		gitproto_request(w->proto, &out);
		if ((rc = s->write(s->arg, out.data, out.len, e)) == -1)
			break;
	}
	buf_clear(&out);
	return rc;
}
