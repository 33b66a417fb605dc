#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/deployment.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/mem.h"

#define URL "\"url\": \"https://git.example.org/a/b.git\""

static struct deployment *
request(const char *text, struct err *e)
{
	struct json *j = json_parse(text, strlen(text), NULL);
	struct deployment *d;

	assert_non_null(j);
	d = deployment_from_request(j, e);
	json_free(j);
	return d;
}

static struct deployment *
accepted(const char *text)
{
	struct err e;
	struct deployment *d = request(text, &e);

	if (d == NULL)
		fail_msg("%s: %s", text, e.msg);
	return d;
}

/* Refused, with the field's name first in the message. */
static void
assert_refused(const char *text, const char *field)
{
	struct err e;
	struct deployment *d = request(text, &e);

	if (d != NULL)
		fail_msg("accepted: %s", text);
	assert_int_equal(e.code, ERR_INVALID);
	if (strncmp(e.msg, field, strlen(field)) != 0)
		fail_msg("%s: %s", text, e.msg);
}

static void
request_gives_a_record(void **state)
{
	struct deployment *d = accepted("{" URL ", \"ref\": \"main\", "
	    "\"dir\": \"./web/\", \"install\": \"\", \"build\": \"make\", "
	    "\"output\": \"dist\", \"framework\": \"vite\", "
	    "\"node\": \">=20 <23\", \"ignored\": \"keep\", "
	    "\"cache\": false, \"env\": {\"A_1\": \"x\\ny\"}}");

	assert_string_equal(d->url, "https://git.example.org/a/b.git");
	assert_string_equal(d->ref, "main");
	assert_string_equal(d->dir, "web");
	assert_string_equal(d->install, "");
	assert_string_equal(d->build, "make");
	assert_string_equal(d->output, "dist");
	assert_string_equal(d->framework, "vite");
	assert_string_equal(d->node, ">=20 <23");
	assert_true(d->has_ignored_keep && d->ignored_keep);
	assert_true(d->no_cache);
	assert_string_equal(json_get_string(d->env, "A_1"), "x\ny");
	assert_int_equal(d->attempt, 1);
	assert_true(d->created > 0 && d->updated == d->created);
	deployment_free(d);
}

static void
what_is_not_asked_for_is_not_there(void **state)
{
	struct deployment *d = accepted("{" URL "}");

	assert_null(d->ref);
	assert_null(d->dir);
	assert_null(d->install);
	assert_null(d->output);
	assert_null(d->env);
	assert_false(d->has_ignored_keep);
	deployment_free(d);
}

static void
top_of_the_repository_is_a_directory(void **state)
{
	struct deployment *d = accepted("{" URL
	    ", \"dir\": \".\", \"output\": \"./\"}");

	assert_null(d->dir);
	assert_string_equal(d->output, ".");
	deployment_free(d);
}

static void
bad_fields_are_named(void **state)
{
	assert_refused("[]", "a JSON object");
	assert_refused("{}", "url");
	assert_refused("{\"url\": 7}", "url");
	assert_refused("{\"url\": \"\"}", "url");
	assert_refused("{\"url\": \"ftp://a/b\"}", "url");
	assert_refused("{\"url\": \"https://a/b\\u0000c\"}", "url");
	assert_refused("{" URL ", \"ref\": \"a..b\"}", "ref");
	assert_refused("{" URL ", \"ref\": \"-x\"}", "ref");
	assert_refused("{" URL ", \"ref\": null}", "ref");
	assert_refused("{" URL ", \"dir\": \"../x\"}", "dir");
	assert_refused("{" URL ", \"dir\": \"/x\"}", "dir");
	assert_refused("{" URL ", \"dir\": \"a\\u0000b\"}", "dir");
	assert_refused("{" URL ", \"output\": \"a/../../b\"}", "output");
	assert_refused("{" URL ", \"build\": [\"x\"]}", "build");
	assert_refused("{" URL ", \"build\": \"a\\u001bb\"}", "build");
	assert_refused("{" URL ", \"framework\": \"Vite!\"}", "framework");
	assert_refused("{" URL ", \"framework\": \"\"}", "framework");
	assert_refused("{" URL ", \"node\": \"20; rm\"}", "node");
	assert_refused("{" URL ", \"ignored\": \"some\"}", "ignored");
	assert_refused("{" URL ", \"ignored\": true}", "ignored");
	assert_refused("{" URL ", \"cache\": \"no\"}", "cache");
	assert_refused("{" URL ", \"env\": \"A=b\"}", "env");
	assert_refused("{" URL ", \"env\": {\"1A\": \"b\"}}", "env");
	assert_refused("{" URL ", \"env\": {\"A\": 1}}", "env: A");
	assert_refused("{" URL ", \"env\": {\"A\": \"\\u0000\"}}", "env: A");
	assert_refused("{" URL ", \"comand\": \"x\"}", "comand");
}

static void
sizes_are_bounded(void **state)
{
	char *big = xmalloc(ENV_MAX_BYTES + 1), *text;
	struct buf many = BUF_INIT;

	memset(big, 'x', ENV_MAX_BYTES);
	big[ENV_MAX_BYTES] = '\0';
	text = xasprintf("{" URL ", \"env\": {\"A\": \"%s\"}}", big);
	assert_refused(text, "env: over");
	free(text);
	big[COMMAND_MAX_BYTES + 1] = '\0';
	text = xasprintf("{" URL ", \"install\": \"%s\"}", big);
	assert_refused(text, "install: over");
	free(text);
	free(big);

	buf_adds(&many, "{" URL ", \"env\": {\"A\": \"\"");
	for (int i = 0; i < ENV_MAX_COUNT; i++)
		buf_addf(&many, ", \"A%d\": \"\"", i);
	buf_adds(&many, "}}");
	assert_refused(buf_str(&many), "env: over");
	buf_clear(&many);
}

/* A record with everything in it. */
static struct deployment *
full_record(void)
{
	struct deployment *d = accepted("{" URL ", \"dir\": \"web\", "
	    "\"ignored\": \"drop\", \"cache\": false, \"env\": {\"TOKEN\": \"hush\"}}");

	memcpy(d->id, "abc0123def", sizeof(d->id));
	d->state = STATE_FAILED;
	d->attempt = 2;
	d->owner = xstrdup("alice");
	d->commit = xstrdup("0123456789012345678901234567890123456789");
	d->commit_ref = xstrdup("refs/heads/main");
	d->subject = xstrdup("a \"subject\"");
	d->plan = json_parse("{\"rule\":\"vite\"}", 15, NULL);
	d->ignored = json_parse("{\"count\":3}", 11, NULL);
	d->notes = json_parse("[\"a\"]", 5, NULL);
	d->source_bytes = 100;
	d->source_files = 5;
	d->source_from = xstrdup("zzzzzzzzzz");
	d->bytes = (int64_t)1 << 40;
	d->files = 7;
	d->log_bytes = 9;
	d->error = ERR_BUILD;
	d->message = xstrdup("make failed");
	d->error_tail = xstrdup("line\nline");
	d->stages[STAGE_FETCH] = (struct deployment_times){ 1, 2, false };
	d->stages[STAGE_BUILD] = (struct deployment_times){ 3, 4, true };
	d->stages[STAGE_PUBLISH] = (struct deployment_times){ 5, 0, false };
	return d;
}

static void
assert_same(const struct deployment *a, const struct deployment *b)
{
	struct json *ja = deployment_to_json(a), *jb = deployment_to_json(b);
	char *ta = json_text(ja), *tb = json_text(jb);

	assert_string_equal(ta, tb);
	free(ta);
	free(tb);
	json_free(ja);
	json_free(jb);
}

static void
json_gives_the_record_back(void **state)
{
	struct deployment *d = full_record(), *back;
	struct json *j = deployment_to_json(d);

	assert_null(json_get(j, "env"));
	back = deployment_from_json(j, NULL);
	assert_non_null(back);
	assert_same(d, back);
	assert_null(back->env);
	assert_int_equal(back->error, ERR_BUILD);
	assert_true(back->stages[STAGE_BUILD].failed);
	deployment_free(back);

	json_set(j, "env", json_copy(d->env));
	back = deployment_from_json(j, NULL);
	assert_string_equal(json_get_string(back->env, "TOKEN"), "hush");
	deployment_free(back);
	json_free(j);
	deployment_free(d);
}

static void
fields_give_the_record_back(void **state)
{
	struct deployment *d = full_record(), *back;
	char **fields = deployment_to_fields(d);

	back = deployment_from_fields((const char *const *)fields, NULL);
	assert_non_null(back);
	assert_same(d, back);
	assert_string_equal(json_get_string(back->env, "TOKEN"), "hush");
	assert_int_equal(back->stages[STAGE_BUILD].ended, 4);
	deployment_free(back);
	deployment_fields_free(fields);
	deployment_free(d);
}

static void
archive_comes_without_url(void **state)
{
	static const char good[] = "{\"dir\": \"web/\", \"build\": \"\"}";
	static const char bad[] = "{" URL "}";
	struct json *j = json_parse(good, strlen(good), NULL);
	struct deployment *d = deployment_from_archive_request(j, NULL);
	struct err e;

	assert_non_null(d);
	assert_string_equal(d->dir, "web");
	assert_string_equal(d->build, "");
	assert_null(d->url);
	deployment_free(d);
	json_free(j);
	j = json_parse(bad, strlen(bad), NULL);
	assert_null(deployment_from_archive_request(j, &e));
	assert_int_equal(e.code, ERR_INVALID);
	json_free(j);
}

static void
foreign_fields_are_checked(void **state)
{
	static const char *const bad[][9] = {
		{ NULL },
		{ "id", "abc0123def", NULL },
		{ "state", "queued", NULL },
		{ "id", "ABC0123DEF", "state", "queued", NULL },
		{ "id", "abc0123def", "state", "asleep", NULL },
		{ "id", "abc0123def", "state", "queued", "plan", "{", NULL },
		{ "id", "abc0123def", "state", "queued", "env", "[]", NULL },
		{ "id", "abc0123def", "state", "queued", "notes", "{}", NULL },
	};
	static const char *const odd[] = { "id", "abc0123def", "state",
		"queued", "created", "soon", "x", "y", "url", NULL };
	struct deployment *d;
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(deployment_from_fields(bad[i], &e));
		assert_int_equal(e.code, ERR_INVALID);
	}
	d = deployment_from_fields(odd, &e);
	assert_non_null(d);
	assert_int_equal(d->created, 0);
	assert_null(d->url);
	deployment_free(d);
}

static void
view_tells_all_but_secrets(void **state)
{
	struct conf *conf = conf_parse("domain example.org\n", "t", NULL);
	struct deployment *d = full_record();
	struct json *j = deployment_view(d, conf, 0);
	const struct json *error = json_get_object(j, "error");
	const struct json *stages = json_get_array(j, "stages");
	char *text = json_text(j);

	assert_null(strstr(text, "hush"));
	assert_string_equal(json_get_string(j, "site"),
	    "https://abc0123def.example.org/");
	assert_string_equal(json_get_string(error, "code"), "build_failed");
	assert_string_equal(json_get_string(error, "message"), "make failed");
	assert_true(strlen(json_get_string(error, "hint")) > 10);
	assert_string_equal(json_get_string(error, "tail"), "line\nline");
	assert_string_equal(json_get_string(json_get_object(j, "commit"),
				"ref"), "refs/heads/main");
	assert_string_equal(json_get_string(json_get_object(j, "log"), "url"),
	    "/log/abc0123def");
	assert_int_equal(json_count(stages), NSTAGES);
	assert_string_equal(json_get_string(json_at(stages, STAGE_FETCH),
				"state"), "done");
	assert_string_equal(json_get_string(json_at(stages, STAGE_QUEUE),
				"state"), "waiting");
	assert_string_equal(json_get_string(json_at(stages, STAGE_BUILD),
				"state"), "failed");
	assert_string_equal(json_get_string(json_at(stages, STAGE_PUBLISH),
				"state"), "running");
	assert_null(json_get(j, "queue"));
	free(text);
	json_free(j);
	deployment_free(d);
	conf_free(conf);
}

static void
view_of_a_waiting_one_tells_its_place(void **state)
{
	struct conf *conf = conf_parse("domain example.org\n", "t", NULL);
	struct deployment *d = accepted("{" URL "}");
	struct json *j;

	memcpy(d->id, "abc0123def", sizeof(d->id));
	d->state = STATE_QUEUED;
	j = deployment_view(d, conf, 3);
	assert_int_equal(json_get_int(json_get_object(j, "queue"), "position",
			     0), 3);
	assert_true(json_is_null(json_get(j, "error")));
	json_free(j);
	deployment_free(d);
	conf_free(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_gives_a_record),
		cmocka_unit_test(what_is_not_asked_for_is_not_there),
		cmocka_unit_test(top_of_the_repository_is_a_directory),
		cmocka_unit_test(bad_fields_are_named),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(json_gives_the_record_back),
		cmocka_unit_test(fields_give_the_record_back),
		cmocka_unit_test(archive_comes_without_url),
		cmocka_unit_test(foreign_fields_are_checked),
		cmocka_unit_test(view_tells_all_but_secrets),
		cmocka_unit_test(view_of_a_waiting_one_tells_its_place),
	};

	return cmocka_run_group_tests_name("deployment", tests, NULL, NULL);
}
