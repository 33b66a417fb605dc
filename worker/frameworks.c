#include "worker/frameworks.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/name.h"
#include "worker/list.h"
#include "worker/project.h"

enum kind { DEP, FILE_THERE, TEXT, SCRIPT, RUN };

struct condition {
	enum kind kind;
	bool negated;
	int line;		/* alternatives share one */
	char *name;		/* package or pattern */
	char *expression;
	regex_t re;
};

struct conditions {
	struct condition *v;
	size_t n;
};

struct framework_rules {
	struct conditions when, server, fixed, output_in;
};

struct frameworks {
	struct framework *v;
	size_t n;
	const char **patterns;	/* borrowed from the conditions; ends in NULL */
	size_t npatterns;
};

/* ---- conditions ---- */

static const struct {
	const char *word;
	enum kind kind;
	bool name, expression;
} kinds[] = {
	{ "dep", DEP, true, false },
	{ "file", FILE_THERE, true, false },
	{ "text", TEXT, true, true },
	{ "script", SCRIPT, false, true },
	{ "run", RUN, true, false },
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

static int
set_expression(struct condition *c, const char *text, struct err *e)
{
	char why[120];
	int rc;

	if (text[0] == '\0')
		return err_set(e, ERR_CONFIG, "an expression is needed");
	if ((rc = regcomp(&c->re, text, REG_EXTENDED)) != 0) {
		regerror(rc, &c->re, why, sizeof(why));
		return err_set(e, ERR_CONFIG, "%s: %s", text, why);
	}
	c->expression = xstrdup(text);
	return 0;
}

/* The next word of *text, owned by the caller; "" at its end. */
static char *
take_word(const char **text)
{
	const char *start = *text + strspn(*text, " \t");
	size_t len = strcspn(start, " \t");

	*text = start + len + strspn(start + len, " \t");
	return xstrndup(start, len);
}

/* "dep X", "file P", "text P E", "script E" or "run S", perhaps with a "!". */
static int
add_condition(struct conditions *list, const char *text, int line,
    struct err *e)
{
	struct condition *c;
	char *word;
	size_t k;

	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	c = memset(&list->v[list->n++], 0, sizeof(*c));
	c->line = line;
	word = take_word(&text);
	c->negated = word[0] == '!';
	for (k = 0; k < NKINDS; k++)
		if (strcmp(word + c->negated, kinds[k].word) == 0)
			break;
	free(word);
	if (k == NKINDS)
		return err_set(e, ERR_CONFIG,
		    "'dep', 'file', 'text', 'script' or 'run' is needed");
	c->kind = kinds[k].kind;
	if (kinds[k].name) {
		c->name = take_word(&text);
		if (c->name[0] == '\0')
			return err_set(e, ERR_CONFIG, "a name is needed");
	}
	return kinds[k].expression ? set_expression(c, text, e) : 0;
}

/* Alternatives, with " | " between them. */
static int
add_alternatives(struct conditions *list, char *text, int line, struct err *e)
{
	char *bar;

	for (; (bar = strstr(text, " | ")) != NULL; text = bar + 3) {
		*bar = '\0';
		if (add_condition(list, text, line, e) == -1)
			return -1;
	}
	return add_condition(list, text, line, e);
}

static void
conditions_free(struct conditions *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct condition *c = &list->v[i];

		if (c->expression != NULL)
			regfree(&c->re);
		free(c->name);
		free(c->expression);
	}
	free(list->v);
}

static bool
holds(const struct condition *c, const struct project *p, struct buf *why)
{
	const char *found = NULL;

	switch (c->kind) {
	case DEP:
		found = project_depends(p, c->name) ? c->name : NULL;
		buf_addf(why, "package.json %s on %s",
		    found != NULL ? "depends" : "does not depend", c->name);
		break;
	case FILE_THERE:
		found = project_file(p, c->name);
		if (found != NULL)
			buf_addf(why, "%s is there", found);
		else
			buf_addf(why, "there is no %s", c->name);
		break;
	case TEXT:
		found = project_text(p, c->name, &c->re, NULL);
		buf_addf(why, "%s %s /%s/", found != NULL ? found : c->name,
		    found != NULL ? "says" : "does not say", c->expression);
		break;
	case SCRIPT:
		found = project_script_like(p, &c->re, NULL);
		if (found != NULL)
			buf_addf(why, "a script runs /%s/", c->expression);
		else
			buf_addf(why, "no script runs /%s/", c->expression);
		break;
	case RUN:
		found = project_script(p, c->name);
		buf_addf(why, "package.json has %s script '%s'",
		    found != NULL ? "a" : "no", c->name);
		break;
	}
	return (found != NULL) != c->negated;
}

/* True where each line has an alternative that holds; why gets those. */
static bool
all_hold(const struct conditions *list, const struct project *p,
    struct buf *why)
{
	size_t i = 0;

	while (i < list->n) {
		int line = list->v[i].line;
		bool held = false;

		for (; i < list->n && list->v[i].line == line; i++) {
			struct buf words = BUF_INIT;

			if (!held && holds(&list->v[i], p, &words)) {
				buf_addf(why, "%s%s", why->len > 0 ? ", " : "",
				    buf_str(&words));
				held = true;
			}
			buf_clear(&words);
		}
		if (!held)
			return false;
	}
	return true;
}

/* ---- the file ---- */

enum key_type { STRING, WORDS, PATHS, LINE, RANK, BOOL, CONDITIONS };

#define FIELD(field) offsetof(struct framework, field)
#define RULES(field) offsetof(struct framework_rules, field)

static const struct key {
	const char *name;
	enum key_type type;
	size_t offset;
} keys[] = {
	{ "name", STRING, FIELD(name) },
	{ "rank", RANK, FIELD(rank) },
	{ "scripts", WORDS, FIELD(scripts) },
	{ "build", STRING, FIELD(build) },
	{ "command", STRING, FIELD(command) },
	{ "image", STRING, FIELD(image) },
	{ "output", WORDS, FIELD(outputs) },
	{ "immutable", WORDS, FIELD(immutable) },
	{ "cache", PATHS, FIELD(caches) },
	{ "env", LINE, FIELD(env) },
	{ "spa", BOOL, FIELD(spa) },
	{ "refuse", STRING, FIELD(refuse) },
	{ "when", CONDITIONS, RULES(when) },
	{ "server", CONDITIONS, RULES(server) },
	{ "static", CONDITIONS, RULES(fixed) },
	{ "output-in", CONDITIONS, RULES(output_in) },
};
#define NKEYS (sizeof(keys) / sizeof(keys[0]))

static int
set_rank(enum framework_rank *rank, const char *text, struct err *e)
{
	static const char *const names[] = { "config", "bundler", "ssg",
		"meta" };

	for (int i = FRAMEWORK_CONFIG; i <= FRAMEWORK_META; i++)
		if (strcmp(names[i], text) == 0) {
			*rank = (enum framework_rank)i;
			return 0;
		}
	return err_set(e, ERR_CONFIG,
	    "rank: 'meta', 'ssg', 'bundler' or 'config' is needed");
}

static int
add_paths(char ***list, const char *text, struct err *e)
{
	list_add_words(list, text);
	for (char **v = *list; *v != NULL; v++)
		if (!name_is_path(*v))
			return err_set(e, ERR_CONFIG, "%.60s: a directory "
			    "inside the site's is needed", *v);
	return 0;
}

static int
set_key(struct framework *f, const struct key *k, char *value, int line,
    struct err *e)
{
	void *at = (char *)f + k->offset;

	switch (k->type) {
	case STRING:
		free(*(char **)at);
		*(char **)at = xstrdup(value);
		return 0;
	case WORDS:
		list_add_words(at, value);
		return 0;
	case PATHS:
		return add_paths(at, value, e);
	case LINE:
		list_add(at, value);
		return 0;
	case RANK:
		return set_rank(at, value, e);
	case BOOL:
		*(bool *)at = strcmp(value, "yes") == 0;
		if (*(bool *)at || strcmp(value, "no") == 0)
			return 0;
		return err_set(e, ERR_CONFIG, "%s: 'yes' or 'no' is needed",
		    k->name);
	case CONDITIONS:
		at = (char *)f->rules + k->offset;
		return add_alternatives(at, value, line, e);
	}
	return 0;
}

/* What an entry must have; told when the next begins. */
static int
check_entry(const struct framework *f, struct err *e)
{
	const char *lacks = NULL;

	if (f->rules->when.n == 0)
		lacks = "when";
	else if (f->outputs == NULL)
		lacks = "output";
	else if ((f->rules->fixed.n > 0 || f->rules->server.n > 0) &&
	    f->refuse == NULL)
		lacks = "refuse";
	if (lacks != NULL)
		return err_set(e, ERR_CONFIG, "framework %s has no '%s' line",
		    f->id, lacks);
	return 0;
}

static int
add_entry(struct frameworks *t, const char *id, struct err *e)
{
	struct framework *f;

	if (t->n > 0 && check_entry(&t->v[t->n - 1], e) == -1)
		return -1;
	if (id[0] == '\0' || frameworks_find(t, id) != NULL)
		return err_set(e, ERR_CONFIG, "framework %s: %s", id,
		    id[0] == '\0' ? "an id is needed" : "it is there already");
	t->v = xreallocarray(t->v, t->n + 1, sizeof(*f));
	f = memset(&t->v[t->n++], 0, sizeof(*f));
	f->rules = xcalloc(1, sizeof(*f->rules));
	f->id = xstrdup(id);
	f->name = xstrdup(id);
	return 0;
}

static int
parse_line(struct frameworks *t, char *line, int number, struct err *e)
{
	char *value, *end;
	size_t k;

	line += strspn(line, " \t");
	for (end = line + strlen(line);
	     end > line && strchr(" \t\r", end[-1]) != NULL;)
		*--end = '\0';
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	value = line + strcspn(line, " \t");
	if (*value != '\0')
		*value++ = '\0';
	value += strspn(value, " \t");
	if (strcmp(line, "framework") == 0)
		return add_entry(t, value, e);
	for (k = 0; k < NKEYS && strcmp(keys[k].name, line) != 0; k++)
		continue;
	if (k == NKEYS || t->n == 0)
		return err_set(e, ERR_CONFIG, "%s: %s", line,
		    k == NKEYS ? "no such key" : "it belongs to no framework");
	if (value[0] == '\0')
		return err_set(e, ERR_CONFIG, "%s: a value is needed", line);
	return set_key(&t->v[t->n - 1], &keys[k], value, number, e);
}

static void
add_patterns(struct frameworks *t, const struct conditions *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct condition *c = &list->v[i];

		if (c->kind == FILE_THERE || c->kind == TEXT)
			t->patterns[t->npatterns++] = c->name;
	}
}

static void
gather_patterns(struct frameworks *t)
{
	size_t n = 1;

	for (size_t i = 0; i < t->n; i++) {
		struct framework_rules *r = t->v[i].rules;

		n += r->when.n + r->server.n + r->fixed.n + r->output_in.n;
	}
	t->patterns = xcalloc(n, sizeof(*t->patterns));
	for (size_t i = 0; i < t->n; i++) {
		struct framework_rules *r = t->v[i].rules;

		add_patterns(t, &r->when);
		add_patterns(t, &r->server);
		add_patterns(t, &r->fixed);
		add_patterns(t, &r->output_in);
	}
}

struct frameworks *
frameworks_parse(const char *text, const char *name, struct err *e)
{
	struct frameworks *t = xcalloc(1, sizeof(*t));
	char *copy = xstrdup(text), *rest = copy, *line;
	int number = 0, rc = 0;

	while (rc == 0 && (line = strsep(&rest, "\n")) != NULL)
		rc = parse_line(t, line, ++number, e);
	if (rc == 0 && t->n > 0)
		rc = check_entry(&t->v[t->n - 1], e);
	free(copy);
	if (rc == -1) {
		err_within(e, "%s:%d", name, number);
		frameworks_free(t);
		return NULL;
	}
	gather_patterns(t);
	return t;
}

static void
framework_free(struct framework *f)
{
	free(f->id);
	free(f->name);
	free(f->build);
	free(f->command);
	free(f->image);
	free(f->refuse);
	list_free(f->scripts);
	list_free(f->outputs);
	list_free(f->immutable);
	list_free(f->caches);
	list_free(f->env);
	conditions_free(&f->rules->when);
	conditions_free(&f->rules->server);
	conditions_free(&f->rules->fixed);
	conditions_free(&f->rules->output_in);
	free(f->rules);
}

/* ---- the operator's and ours ---- */

static struct frameworks *
load(const char *dir, struct err *e)
{
	char *path = xasprintf("%s/frameworks", dir);
	struct frameworks *t = NULL;
	struct buf text = BUF_INIT;

	if (fdio_slurp_file(path, CONF_MAX_BYTES, &text, e) == 0)
		t = frameworks_parse(buf_str(&text), path, e);
	buf_clear(&text);
	free(path);
	return t;
}

/* Ours go behind the operator's; of an id that is in both, his counts. */
static void
append(struct frameworks *own, struct frameworks *ours)
{
	own->v = xreallocarray(own->v, own->n + ours->n, sizeof(*own->v));
	for (size_t i = 0, n = own->n; i < ours->n; i++) {
		bool there = false;

		for (size_t k = 0; k < n && !there; k++)
			there = strcmp(own->v[k].id, ours->v[i].id) == 0;
		if (there)
			framework_free(&ours->v[i]);
		else
			own->v[own->n++] = ours->v[i];
	}
	ours->n = 0;
	frameworks_free(ours);
	free(own->patterns);
	own->npatterns = 0;
	gather_patterns(own);
}

struct frameworks *
frameworks_load(struct err *e)
{
	struct frameworks *ours = load(conf_pkgdatadir(), e), *own;
	struct err why;

	if (ours == NULL) {
		err_recode(e, ERR_CONFIG);
		return NULL;
	}
	if ((own = load(conf_sysconfdir(), &why)) != NULL) {
		append(own, ours);
		return own;
	}
	if (why.code == ERR_NOTFOUND)
		return ours;
	frameworks_free(ours);
	err_set(e, ERR_CONFIG, "%s", why.msg);
	return NULL;
}

void
frameworks_free(struct frameworks *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		framework_free(&t->v[i]);
	free(t->v);
	free(t->patterns);
	free(t);
}

/* ---- asking ---- */

size_t
frameworks_count(const struct frameworks *t)
{
	return t->n;
}

const struct framework *
frameworks_at(const struct frameworks *t, size_t i)
{
	return &t->v[i];
}

const struct framework *
frameworks_find(const struct frameworks *t, const char *id)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->v[i].id, id) == 0)
			return &t->v[i];
	return NULL;
}

const char *const *
frameworks_patterns(const struct frameworks *t)
{
	return (const char *const *)t->patterns;
}

bool
framework_matches(const struct framework *f, const struct project *p,
    struct buf *why)
{
	return all_hold(&f->rules->when, p, why);
}

bool
framework_is_static(const struct framework *f, const struct project *p,
    struct buf *why)
{
	const struct conditions *server = &f->rules->server;
	const struct conditions *fixed = &f->rules->fixed;

	for (size_t i = 0; i < server->n; i++) {
		buf_reset(why);
		if (holds(&server->v[i], p, why))
			return false;
	}
	buf_reset(why);
	if (all_hold(fixed, p, why))
		return true;
	buf_reset(why);
	for (size_t i = 0; i < fixed->n; i++) {
		if (i > 0)
			buf_adds(why, ", ");
		holds(&fixed->v[i], p, why);
	}
	return false;
}

char *
framework_output(const struct framework *f, const struct project *p)
{
	const struct conditions *list = &f->rules->output_in;
	char *found = NULL;

	for (size_t i = 0; i < list->n && found == NULL; i++) {
		const struct condition *c = &list->v[i];

		if (c->kind == TEXT)
			project_text(p, c->name, &c->re, &found);
		else if (c->kind == SCRIPT)
			project_script_like(p, &c->re, &found);
	}
	return found;
}
