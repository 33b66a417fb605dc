#include "lib/gitproto_parts.h"

#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/name.h"

/* ---- what the server can do ---- */

static int
wrong_format(struct err *e)
{
	return err_set(e, ERR_FETCH_FAILED,
	    "the repository names its objects by SHA-256, "
	    "which is not supported yet");
}

/* One of the words after the NUL of version 0's first reference. */
static int
capability_v0(struct gitproto *p, const char *word, struct err *e)
{
	static const char symref[] = "symref=HEAD:";

	if (strcmp(word, "shallow") == 0)
		p->shallow = true;
	else if (strcmp(word, "filter") == 0)
		p->filter = true;
	else if (strcmp(word, "side-band") == 0)
		p->bands = true;
	else if (strcmp(word, "side-band-64k") == 0)
		p->bands64 = true;
	else if (starts(word, symref))
		snprintf(p->head_target, sizeof(p->head_target), "%s",
		    word + strlen(symref));
	else if (starts(word, "object-format=") &&
	    strcmp(word, "object-format=sha1") != 0)
		return wrong_format(e);
	return 0;
}

int
gitproto_capabilities_v0(struct gitproto *p, char *words, struct err *e)
{
	char *word;

	while ((word = strsep(&words, " \n")) != NULL)
		if (capability_v0(p, word, e) == -1)
			return -1;
	return 0;
}

static bool
has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (; *words != '\0'; words += *words == ' ') {
		size_t n = strcspn(words, " ");

		if (n == len && memcmp(words, word, n) == 0)
			return true;
		words += n;
	}
	return false;
}

/* A line of version 2: "fetch=shallow filter", "object-format=sha1", ... */
int
gitproto_capability_v2(struct gitproto *p, const char *line, struct err *e)
{
	if (starts(line, "fetch=")) {
		p->shallow = has_word(line + 6, "shallow");
		p->filter = has_word(line + 6, "filter");
	} else if (starts(line, "object-format=")) {
		p->object_format = true;
		if (strcmp(line, "object-format=sha1") != 0)
			return wrong_format(e);
	}
	return 0;
}

/* ---- references ---- */

/* Split "OID name rest" in place; false where it is no such thing. */
static bool
split_ref(char *line, char **name, char **rest)
{
	if (strnlen(line, OID_DIGITS + 1) <= OID_DIGITS ||
	    line[OID_DIGITS] != ' ')
		return false;
	line[OID_DIGITS] = '\0';
	*name = line + OID_DIGITS + 1;
	*rest = *name + strcspn(*name, " ");
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return name_is_commit(line) && **name != '\0';
}

/* Version 0 lists what a tag leads to as "NAME^{}". */
static void
take_oid(struct candidate *c, const char *name, const char *oid)
{
	size_t n = strlen(c->name);

	if (strncmp(name, c->name, n) != 0)
		return;
	if (name[n] == '\0')
		memcpy(c->oid, oid, OID_DIGITS + 1);
	else if (strcmp(name + n, "^{}") == 0)
		memcpy(c->peeled, oid, OID_DIGITS + 1);
}

/* A word behind a reference of version 2. */
static void
take_attribute(struct gitproto *p, const char *name, const char *word)
{
	static const char target[] = "symref-target:", peeled[] = "peeled:";

	if (strcmp(name, "HEAD") == 0 && starts(word, target))
		snprintf(p->head_target, sizeof(p->head_target), "%s",
		    word + strlen(target));
	if (!starts(word, peeled) || !name_is_commit(word + strlen(peeled)))
		return;
	for (size_t i = 0; i < p->ncandidates; i++)
		if (strcmp(p->candidates[i].name, name) == 0)
			memcpy(p->candidates[i].peeled, word + strlen(peeled),
			    OID_DIGITS + 1);
}

int
gitproto_take_ref(struct gitproto *p, char *line, struct err *e)
{
	char words[WORDS_MAX_BYTES + 1], *name, *rest, *word;

	if (starts(line, "unborn ") || starts(line, "shallow "))
		return 0;
	if (!split_ref(line, &name, &rest))
		return err_set(e, ERR_FETCH_FAILED,
		    "the server lists no reference but '%s'",
		    gitproto_clean(line, words));
	for (size_t i = 0; i < p->ncandidates; i++)
		take_oid(&p->candidates[i], name, line);
	while ((word = strsep(&rest, " ")) != NULL)
		take_attribute(p, name, word);
	return 0;
}

int
gitproto_choose(struct gitproto *p, struct err *e)
{
	const struct candidate *c;
	const char *name;
	size_t i = 0;

	p->state = p->only_refs ? DONE : ASK_PACK;
	if (p->ncandidates == 0) {
		memcpy(p->want, p->asked, OID_DIGITS + 1);
		return 0;
	}
	while (i < p->ncandidates && p->candidates[i].oid[0] == '\0')
		i++;
	if (i == p->ncandidates && p->asked == NULL)
		return err_set(e, ERR_REPO_EMPTY,
		    "the repository has no commit on its default branch");
	if (i == p->ncandidates)
		return err_set(e, ERR_REF_NOTFOUND,
		    "the repository has no branch or tag '%s'", p->asked);
	c = &p->candidates[i];
	memcpy(p->want, p->only_refs && c->peeled[0] != '\0' ? c->peeled
							     : c->oid,
	    OID_DIGITS + 1);
	name = c->name;
	if (strcmp(name, "HEAD") == 0 && name_is_ref(p->head_target))
		name = p->head_target;
	snprintf(p->ref, sizeof(p->ref), "%s", name);
	return 0;
}
