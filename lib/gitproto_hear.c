#include "lib/gitproto_parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

/* A packet's length counts its own four digits (gitprotocol-common(5)). */
#define PKT_MAX_BYTES 65520

/* What a server may say besides the pack: a version 0 advertisement has 60 to
 * 100 bytes a reference, and half a million of them is a large host's worth. */
#define TALK_MAX_BYTES (64 * 1024 * 1024)

/* Progress was declined, so this much of it is no honest server. */
#define PROGRESS_MAX_BYTES (1024 * 1024)

enum packet { FLUSH, DELIMITER, LINE };

/* ---- packets, by state ---- */

static int
unexpected(const char *line, struct err *e)
{
	char words[WORDS_MAX_BYTES + 1];

	return err_set(e, ERR_FETCH_FAILED,
	    "the server does not speak git's protocol: '%s'",
	    gitproto_clean(line, words));
}

/* "ERR words": the server's own reason to stop. */
static int
refused(const struct gitproto *p, const char *reason, struct err *e)
{
	char words[WORDS_MAX_BYTES + 1];
	enum err_code code = ERR_FETCH_FAILED;

	if (strstr(reason, "not our ref") != NULL && p->ncandidates > 0)
		return err_set(e, code, "the branch has moved meanwhile: the "
		    "server says '%s'", gitproto_clean(reason, words));
	if (strstr(reason, "not our ref") != NULL)
		code = ERR_REF_NOTFOUND;
	else if (strstr(reason, "repository not exported") != NULL ||
	    strstr(reason, "not found") != NULL ||
	    strstr(reason, "does not exist") != NULL)
		code = ERR_REPO_NOTFOUND;
	return err_set(e, code, "the server says '%s'",
	    gitproto_clean(reason, words));
}

/* Version 0's first reference, which carries the capabilities. */
static int
first_ref(struct gitproto *p, char *line, size_t len, struct err *e)
{
	static const char nothing[] = " capabilities^{}";
	size_t n = strlen(line);

	p->state = REFS_V0;
	if (n < len && gitproto_capabilities_v0(p, line + n + 1, e) == -1)
		return -1;
	if (!p->bands && !p->bands64)
		return n < OID_DIGITS ? unexpected(line, e) :
		    err_set(e, ERR_FETCH_FAILED,
		    "the server is too old: it has no side-band");
	if (n > OID_DIGITS && strcmp(line + OID_DIGITS, nothing) == 0)
		return 0; /* an empty repository's stand-in */
	return gitproto_take_ref(p, line, e);
}

static int
start_line(struct gitproto *p, char *line, size_t len, struct err *e)
{
	if (starts(line, "# service=git-upload-pack")) {
		p->state = SERVICE_END;
		return 0;
	}
	if (strcmp(line, "version 2") == 0) {
		p->version = 2;
		p->state = CAPABILITIES;
		return 0;
	}
	if (strcmp(line, "version 1") == 0)
		return 0; /* version 0 with this line before it */
	return first_ref(p, line, len, e);
}

static int
section_line(struct gitproto *p, const char *line, struct err *e)
{
	if (strcmp(line, "packfile") == 0)
		p->state = PACK;
	else if (strcmp(line, "shallow-info") == 0)
		p->state = INFO_V2;
	else
		return unexpected(line, e);
	return 0;
}

/* Side band 1 is the pack, 2 progress, 3 the server's last words. */
static int
band(struct gitproto *p, char *data, size_t len, struct err *e)
{
	if (len > 0 && data[0] == 1) /* alone, it keeps the line alive */
		return len == 1 ? 0 :
		    p->sink(p->sink_arg, data + 1, len - 1, e);
	if (len > 0 && data[0] == 3)
		return refused(p, data + 1, e);
	if (len == 0 || data[0] != 2)
		return unexpected(data, e);
	p->progressed += len;
	if (p->progressed > PROGRESS_MAX_BYTES)
		return err_set(e, ERR_FETCH_FAILED,
		    "the server sends progress without end");
	return 0;
}

static int
line_packet(struct gitproto *p, char *data, size_t len, struct err *e)
{
	if (p->state == PACK)
		return band(p, data, len, e);
	p->talked += len + PKT_HEAD;
	if (p->talked > TALK_MAX_BYTES)
		return err_set(e, ERR_REPO_TOOBIG,
		    "the server lists over %d MiB of references",
		    TALK_MAX_BYTES >> 20);
	if (len > 0 && data[len - 1] == '\n')
		data[--len] = '\0';
	if (starts(data, "ERR "))
		return refused(p, data + 4, e);
	switch (p->state) {
	case START:
		return start_line(p, data, len, e);
	case REFS_V0:
	case REFS_V2:
		return gitproto_take_ref(p, data, e);
	case CAPABILITIES:
		return gitproto_capability_v2(p, data, e);
	case SHALLOW_V0:
		return starts(data, "shallow ") || starts(data, "unshallow ")
		    ? 0 : unexpected(data, e);
	case ACK_V0:
		p->state = PACK;
		return strcmp(data, "NAK") == 0 ? 0 : unexpected(data, e);
	case SECTION_V2:
		return section_line(p, data, e);
	case INFO_V2:
		return 0;
	default:
		return unexpected(data, e);
	}
}

static int
flush_packet(struct gitproto *p, struct err *e)
{
	switch (p->state) {
	case SERVICE_END:
		p->state = START;
		return 0;
	case START: /* what some servers say for an empty repository */
	case REFS_V0:
	case REFS_V2:
		return gitproto_choose(p, e);
	case CAPABILITIES:
		p->state = ASK_REFS;
		return p->ncandidates == 0 ? gitproto_choose(p, e) : 0;
	case SHALLOW_V0:
		p->state = ACK_V0;
		return 0;
	case PACK:
		p->state = DONE;
		return 0;
	default:
		return err_set(e, ERR_FETCH_FAILED,
		    "the server ended its answer before the pack");
	}
}

static int
packet(struct gitproto *p, enum packet kind, char *data, size_t len,
    struct err *e)
{
	if (kind == LINE)
		return line_packet(p, data, len, e);
	if (kind == FLUSH)
		return flush_packet(p, e);
	if (p->state != INFO_V2)
		return unexpected("0001", e);
	p->state = SECTION_V2;
	return 0;
}

/* ---- pieces into packets ---- */

/* Four hex digits are complete: a packet of its own, or a payload's length. */
static int
head_complete(struct gitproto *p, struct err *e)
{
	size_t len = 0;

	p->head[PKT_HEAD] = '\0';
	p->head_len = 0;
	if (strspn(p->head, "0123456789abcdefABCDEF") != PKT_HEAD)
		return unexpected(p->head, e);
	len = strtoul(p->head, NULL, 16);
	if (len == 0)
		return packet(p, FLUSH, NULL, 0, e);
	if (len == 1)
		return packet(p, DELIMITER, NULL, 0, e);
	if (len < PKT_HEAD || len > PKT_MAX_BYTES)
		return unexpected(p->head, e);
	buf_reset(&p->payload);
	p->want_len = len - PKT_HEAD;
	if (p->want_len == 0)
		return packet(p, LINE, (char[1]){ '\0' }, 0, e);
	return 0;
}

int
gitproto_feed(struct gitproto *p, const void *bytes, size_t n, struct err *e)
{
	const char *at = bytes;

	while (n > 0) {
		size_t take;

		if (gitproto_step(p) != GITPROTO_READ)
			return err_set(e, ERR_FETCH_FAILED,
			    "the server goes on after its answer's end");
		if (p->want_len == 0) {
			p->head[p->head_len++] = *at++;
			n--;
			if (p->head_len == PKT_HEAD &&
			    head_complete(p, e) == -1)
				return -1;
			continue;
		}
		take = p->want_len - p->payload.len;
		if (take > n)
			take = n;
		buf_add(&p->payload, at, take);
		at += take;
		n -= take;
		if (p->payload.len < p->want_len)
			continue;
		p->want_len = 0;
		if (packet(p, LINE, p->payload.data, p->payload.len, e) == -1)
			return -1;
	}
	return 0;
}

int
gitproto_end(struct gitproto *p, struct err *e)
{
	if (gitproto_step(p) != GITPROTO_READ)
		return 0;
	return err_set(e, ERR_FETCH_FAILED, "the server hung up %s",
	    p->state == PACK ? "in the middle of the pack" :
	    "in the middle of its answer");
}
