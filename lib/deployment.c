#include "lib/deployment.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/name.h"

static const char *const state_names[] = {
	[STATE_FETCHING] = "fetching",
	[STATE_QUEUED] = "queued",
	[STATE_BUILDING] = "building",
	[STATE_PUBLISHING] = "publishing",
	[STATE_DEPLOYED] = "deployed",
	[STATE_FAILED] = "failed",
	[STATE_CANCELED] = "canceled",
};

static const char *const stage_names[NSTAGES] = {
	[STAGE_FETCH] = "fetch",
	[STAGE_QUEUE] = "queue",
	[STAGE_PREPARE] = "prepare",
	[STAGE_INSTALL] = "install",
	[STAGE_BUILD] = "build",
	[STAGE_PUBLISH] = "publish",
};

/* Where a member of struct deployment is, and its name in the Redis hash. */
struct member {
	const char *name;
	size_t offset;
};

#define AT(member) { #member, offsetof(struct deployment, member) }
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct member texts[] = {
	AT(owner), AT(url), AT(ref), AT(dir), AT(install), AT(build),
	AT(output), AT(framework), AT(node), AT(alias), AT(commit),
	AT(commit_ref), AT(subject), AT(message), AT(error_tail),
	AT(source_from),
};

/* How many of texts, from the first, stand in JSON under the same name. */
#define NTEXTS_OF_REQUEST 10

static const struct member numbers[] = {
	AT(created), AT(updated), AT(attempt), AT(deleted), AT(source_bytes),
	AT(source_files), AT(bytes), AT(files), AT(log_bytes),
};

static const struct member objects[] = { AT(env), AT(plan), AT(ignored),
	AT(notes) };

/* From here on they are arrays. */
#define FIRST_ARRAY 3

static char **
text_at(const struct deployment *d, const struct member *m)
{
	return (char **)((uintptr_t)d + m->offset);
}

static int64_t *
number_at(const struct deployment *d, const struct member *m)
{
	return (int64_t *)((uintptr_t)d + m->offset);
}

static struct json **
object_at(const struct deployment *d, const struct member *m)
{
	return (struct json **)((uintptr_t)d + m->offset);
}

struct deployment *
deployment_new(void)
{
	struct deployment *d = xcalloc(1, sizeof(*d));

	d->state = STATE_FETCHING;
	d->attempt = 1;
	return d;
}

void
deployment_free(struct deployment *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < COUNT(texts); i++)
		free(*text_at(d, &texts[i]));
	for (size_t i = 0; i < COUNT(objects); i++)
		json_free(*object_at(d, &objects[i]));
	login_clear(&d->login);
	free(d);
}

const char *
deployment_state_name(enum deployment_state state)
{
	return state_names[state];
}

bool
deployment_state_by_name(const char *name, enum deployment_state *state)
{
	for (size_t i = 0; i < COUNT(state_names); i++)
		if (strcmp(state_names[i], name) == 0) {
			*state = (enum deployment_state)i;
			return true;
		}
	return false;
}

bool
deployment_is_final(enum deployment_state state)
{
	return state == STATE_DEPLOYED || state == STATE_FAILED ||
	    state == STATE_CANCELED;
}

const char *
deployment_stage_name(enum deployment_stage stage)
{
	return stage_names[stage];
}

/* The one thing that a record must have in each of its forms. */
static int
set_identity(struct deployment *d, const char *id, const char *state,
    struct err *e)
{
	char folded[ID_LENGTH + 1];

	if (id == NULL || !name_is_id(id, strlen(id), folded) ||
	    strcmp(id, folded) != 0)
		return err_set(e, ERR_INVALID, "record: it has no id");
	memcpy(d->id, folded, sizeof(d->id));
	if (state == NULL || !deployment_state_by_name(state, &d->state))
		return err_set(e, ERR_INVALID,
		    "record of %s: no such state: %.40s", id,
		    state == NULL ? "none" : state);
	return 0;
}

/* ---- JSON ---- */

static const char *
stage_state(const struct deployment_times *t)
{
	if (t->started == 0)
		return "waiting";
	if (t->ended == 0)
		return "running";
	return t->failed ? "failed" : "done";
}

static struct json *
stages_to_json(const struct deployment *d)
{
	struct json *stages = json_new_array();

	for (int i = 0; i < NSTAGES; i++) {
		const struct deployment_times *t = &d->stages[i];
		struct json *stage = json_new_object();

		json_set_string(stage, "name", stage_names[i]);
		json_set_string(stage, "state", stage_state(t));
		if (t->started != 0)
			json_set_int(stage, "started", t->started);
		if (t->ended != 0)
			json_set_int(stage, "ended", t->ended);
		json_append(stages, stage);
	}
	return stages;
}

static struct json *
commit_to_json(const struct deployment *d)
{
	struct json *commit;

	if (d->commit == NULL)
		return NULL;
	commit = json_new_object();
	json_set_string(commit, "sha", d->commit);
	json_set_string(commit, "ref", d->commit_ref);
	json_set_string(commit, "subject", d->subject);
	return commit;
}

static struct json *
error_to_json(const struct deployment *d)
{
	struct json *error;

	if (d->error == ERR_NONE)
		return NULL;
	error = json_new_object();
	json_set_string(error, "code", err_name(d->error));
	json_set_string(error, "message", d->message);
	json_set_string(error, "hint", err_hint(d->error));
	json_set_string(error, "tail", d->error_tail);
	return error;
}

static struct json *
log_to_json(const struct deployment *d)
{
	struct json *log = json_new_object();
	char *url = xasprintf("/log/%s", d->id);

	json_set_string(log, "url", url);
	json_set_int(log, "bytes", d->log_bytes);
	free(url);
	return log;
}

/* What is derived (a stage's state, a hint, the log's URL) is for people;
 * deployment_from_json() does not look at it. */
struct json *
deployment_to_json(const struct deployment *d)
{
	struct json *j = json_new_object(), *source = json_new_object();

	json_set_string(j, "id", d->id);
	json_set_string(j, "state", state_names[d->state]);
	json_set_int(j, "created", d->created);
	json_set_int(j, "updated", d->updated);
	json_set_int(j, "attempt", d->attempt);
	if (d->deleted != 0)
		json_set_int(j, "deleted", d->deleted);
	if (d->expired)
		json_set_bool(j, "expired", true);
	for (size_t i = 0; i < NTEXTS_OF_REQUEST; i++)
		json_set_string(j, texts[i].name, *text_at(d, &texts[i]));
	if (d->has_ignored_keep)
		json_set_bool(j, "keep_ignored", d->ignored_keep);
	if (d->no_cache)
		json_set_bool(j, "cache", false);
	json_set(j, "stages", stages_to_json(d));
	json_set(j, "commit", commit_to_json(d));
	json_set(j, "ignored", json_copy(d->ignored));
	json_set(j, "notes", json_copy(d->notes));
	json_set_int(source, "bytes", d->source_bytes);
	json_set_int(source, "files", d->source_files);
	json_set_string(source, "from", d->source_from);
	json_set(j, "source", source);
	json_set(j, "plan", json_copy(d->plan));
	json_set_null(j, "error");
	json_set(j, "error", error_to_json(d));
	json_set_int(j, "files", d->files);
	json_set_int(j, "bytes", d->bytes);
	json_set(j, "log", log_to_json(d));
	return j;
}

static void
stages_from_json(struct deployment *d, const struct json *stages)
{
	for (size_t n = 0; n < json_count(stages); n++) {
		const struct json *stage = json_at(stages, n);
		const char *name = json_get_string(stage, "name");
		const char *state = json_get_string(stage, "state");

		for (int i = 0; name != NULL && i < NSTAGES; i++)
			if (strcmp(name, stage_names[i]) == 0) {
				struct deployment_times *t = &d->stages[i];

				t->started = json_get_int(stage, "started", 0);
				t->ended = json_get_int(stage, "ended", 0);
				t->failed = state != NULL &&
				    strcmp(state, "failed") == 0;
			}
	}
}

static void
results_from_json(struct deployment *d, const struct json *j)
{
	const struct json *commit = json_get_object(j, "commit");
	const struct json *source = json_get_object(j, "source");
	const struct json *error = json_get_object(j, "error");
	const char *code = json_get_string(error, "code");

	d->commit = xstrdup_null(json_get_string(commit, "sha"));
	d->commit_ref = xstrdup_null(json_get_string(commit, "ref"));
	d->subject = xstrdup_null(json_get_string(commit, "subject"));
	d->source_bytes = json_get_int(source, "bytes", 0);
	d->source_files = json_get_int(source, "files", 0);
	d->source_from = xstrdup_null(json_get_string(source, "from"));
	d->files = json_get_int(j, "files", 0);
	d->bytes = json_get_int(j, "bytes", 0);
	d->log_bytes = json_get_int(json_get_object(j, "log"), "bytes", 0);
	d->error = code == NULL ? ERR_NONE : err_by_name(code);
	d->message = xstrdup_null(json_get_string(error, "message"));
	d->error_tail = xstrdup_null(json_get_string(error, "tail"));
}

struct deployment *
deployment_from_json(const struct json *j, struct err *e)
{
	struct deployment *d = deployment_new();

	if (set_identity(d, json_get_string(j, "id"),
		json_get_string(j, "state"), e) == -1) {
		deployment_free(d);
		return NULL;
	}
	d->created = json_get_int(j, "created", 0);
	d->updated = json_get_int(j, "updated", 0);
	d->attempt = json_get_int(j, "attempt", 1);
	d->deleted = json_get_int(j, "deleted", 0);
	d->expired = json_get_bool(j, "expired", false);
	for (size_t i = 0; i < NTEXTS_OF_REQUEST; i++)
		*text_at(d, &texts[i]) =
		    xstrdup_null(json_get_string(j, texts[i].name));
	d->has_ignored_keep = json_get(j, "keep_ignored") != NULL;
	d->ignored_keep = json_get_bool(j, "keep_ignored", false);
	d->no_cache = !json_get_bool(j, "cache", true);
	for (size_t i = 0; i < COUNT(objects); i++)
		*object_at(d, &objects[i]) = json_copy(i < FIRST_ARRAY
			? json_get_object(j, objects[i].name)
			: json_get_array(j, objects[i].name));
	stages_from_json(d, json_get_array(j, "stages"));
	results_from_json(d, j);
	return d;
}

struct json *
deployment_view(const struct deployment *d, const struct conf *conf,
    int64_t position)
{
	struct json *j = deployment_to_json(d);
	char *site = conf_site_url(conf, d->id);

	json_set_string(j, "site", site);
	if (position > 0) {
		struct json *queue = json_new_object();

		json_set_int(queue, "position", position);
		json_set(j, "queue", queue);
	}
	free(site);
	return j;
}

/* ---- fields of the Redis hash ---- */

struct fields {
	char **v;
	size_t n;
};

/* Takes value over; NULL adds nothing. */
static void
add_field(struct fields *f, char *name, char *value)
{
	if (value == NULL) {
		free(name);
		return;
	}
	f->v = xreallocarray(f->v, f->n + 3, sizeof(*f->v));
	f->v[f->n++] = name;
	f->v[f->n++] = value;
	f->v[f->n] = NULL;
}

static char *
number_text(int64_t n)
{
	return xasprintf("%lld", (long long)n);
}

static void
add_stages(struct fields *f, const struct deployment *d)
{
	for (int i = 0; i < NSTAGES; i++) {
		const struct deployment_times *t = &d->stages[i];
		const char *name = stage_names[i];

		if (t->started != 0)
			add_field(f, xasprintf("%s.started", name),
			    number_text(t->started));
		if (t->ended != 0)
			add_field(f, xasprintf("%s.ended", name),
			    number_text(t->ended));
		if (t->failed)
			add_field(f, xasprintf("%s.failed", name),
			    xstrdup("1"));
	}
}

char **
deployment_to_fields(const struct deployment *d)
{
	struct fields f = { NULL, 0 };

	add_field(&f, xstrdup("id"), xstrdup(d->id));
	add_field(&f, xstrdup("state"), xstrdup(state_names[d->state]));
	for (size_t i = 0; i < COUNT(numbers); i++)
		add_field(&f, xstrdup(numbers[i].name),
		    number_text(*number_at(d, &numbers[i])));
	for (size_t i = 0; i < COUNT(texts); i++)
		add_field(&f, xstrdup(texts[i].name),
		    xstrdup_null(*text_at(d, &texts[i])));
	for (size_t i = 0; i < COUNT(objects); i++) {
		const struct json *object = *object_at(d, &objects[i]);

		add_field(&f, xstrdup(objects[i].name),
		    object == NULL ? NULL : json_text(object));
	}
	if (d->has_ignored_keep)
		add_field(&f, xstrdup("keep_ignored"),
		    xstrdup(d->ignored_keep ? "1" : "0"));
	if (d->no_cache)
		add_field(&f, xstrdup("no_cache"), xstrdup("1"));
	if (d->expired)
		add_field(&f, xstrdup("expired"), xstrdup("1"));
	if (d->error != ERR_NONE)
		add_field(&f, xstrdup("error"), xstrdup(err_name(d->error)));
	add_stages(&f, d);
	return f.v;
}

static const char *
field_value(const char *const *fields, const char *name)
{
	for (; fields[0] != NULL && fields[1] != NULL; fields += 2)
		if (strcmp(fields[0], name) == 0)
			return fields[1];
	return NULL;
}

/* 0 where it is missing, or no number. */
static int64_t
field_number(const char *const *fields, const char *name)
{
	const char *text = field_value(fields, name);
	int64_t n;

	return text != NULL && name_to_number(text, 0, INT64_MAX, &n) ? n : 0;
}

static int64_t
stage_number(const char *const *fields, const char *stage, const char *what)
{
	char name[32];

	snprintf(name, sizeof(name), "%s.%s", stage, what);
	return field_number(fields, name);
}

static int
objects_from_fields(struct deployment *d, const char *const *fields,
    struct err *e)
{
	for (size_t i = 0; i < COUNT(objects); i++) {
		const char *text = field_value(fields, objects[i].name);
		struct json *j;

		if (text == NULL)
			continue;
		if ((j = json_parse(text, strlen(text), e)) == NULL)
			return err_within(e, "record of %s: %s", d->id,
			    objects[i].name);
		*object_at(d, &objects[i]) = j;
		if (json_is_object(j) != (i < FIRST_ARRAY))
			return err_set(e, ERR_INVALID,
			    "record of %s: %s is of the wrong type", d->id,
			    objects[i].name);
	}
	return 0;
}

struct deployment *
deployment_from_fields(const char *const *fields, struct err *e)
{
	struct deployment *d = deployment_new();
	const char *s;

	if (set_identity(d, field_value(fields, "id"),
		field_value(fields, "state"), e) == -1 ||
	    objects_from_fields(d, fields, e) == -1) {
		deployment_free(d);
		return NULL;
	}
	for (size_t i = 0; i < COUNT(numbers); i++)
		*number_at(d, &numbers[i]) =
		    field_number(fields, numbers[i].name);
	for (size_t i = 0; i < COUNT(texts); i++)
		*text_at(d, &texts[i]) =
		    xstrdup_null(field_value(fields, texts[i].name));
	s = field_value(fields, "keep_ignored");
	d->has_ignored_keep = s != NULL;
	d->ignored_keep = s != NULL && strcmp(s, "1") == 0;
	d->no_cache = field_value(fields, "no_cache") != NULL;
	d->expired = field_value(fields, "expired") != NULL;
	if ((s = field_value(fields, "error")) != NULL)
		d->error = err_by_name(s);
	for (int i = 0; i < NSTAGES; i++) {
		struct deployment_times *t = &d->stages[i];

		t->started = stage_number(fields, stage_names[i], "started");
		t->ended = stage_number(fields, stage_names[i], "ended");
		t->failed = stage_number(fields, stage_names[i], "failed");
	}
	return d;
}

void
deployment_fields_free(char **fields)
{
	if (fields == NULL)
		return;
	for (size_t i = 0; fields[i] != NULL; i++)
		free(fields[i]);
	free(fields);
}
