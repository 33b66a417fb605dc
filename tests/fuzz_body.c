/* Bodies of POST /get/url; and the forms of the record that comes of them. */
#include <stdlib.h>
#include <string.h>

#include "lib/deployment.h"
#include "lib/json.h"
#include "tests/fuzz.h"

static void
must_be_same(const struct deployment *a, const struct deployment *b)
{
	struct json *ja, *jb;
	char *ta, *tb;

	must(b != NULL);
	ja = deployment_to_json(a);
	jb = deployment_to_json(b);
	ta = json_text(ja);
	tb = json_text(jb);
	must(strcmp(ta, tb) == 0);
	free(ta);
	free(tb);
	json_free(ja);
	json_free(jb);
}

static void
survives_json(const struct deployment *d)
{
	struct json *j = deployment_to_json(d);
	struct deployment *again = deployment_from_json(j, NULL);

	must_be_same(d, again);
	deployment_free(again);
	json_free(j);
}

static void
survives_redis(const struct deployment *d)
{
	char **fields = deployment_to_fields(d);
	struct deployment *again =
	    deployment_from_fields((const char *const *)fields, NULL);

	must_be_same(d, again);
	deployment_free(again);
	deployment_fields_free(fields);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *j = json_parse((const char *)data, size, NULL);
	struct deployment *d;

	if (j == NULL)
		return 0;
	if ((d = deployment_from_request(j, NULL)) != NULL) {
		memcpy(d->id, "abcdefghij", sizeof(d->id));
		survives_json(d);
		survives_redis(d);
		deployment_free(d);
	}
	if ((d = deployment_from_json(j, NULL)) != NULL)
		survives_json(d);
	deployment_free(d);
	json_free(j);
	return 0;
}
