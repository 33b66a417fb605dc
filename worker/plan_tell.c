#include "worker/plan.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "worker/list.h"

static void
set_list(struct json *j, const char *key, char *const *list)
{
	struct json *array;

	if (list == NULL)
		return;
	array = json_new_array();
	for (; *list != NULL; list++)
		json_append_string(array, *list);
	json_set(j, key, array);
}

struct json *
plan_to_json(const struct plan *plan)
{
	struct json *j = json_new_object();
	char *node = xasprintf("%d", plan->node);

	json_set_string(j, "framework", plan->framework);
	json_set_string(j, "name", plan->name);
	json_set_string(j, "rule", plan->rule);
	set_list(j, "matched", plan->matched);
	if (plan->dir[0] != '\0')
		json_set_string(j, "dir", plan->dir);
	json_set_string(j, "install", plan->install);
	json_set_string(j, "build", plan->build);
	if (plan->outputs != NULL)
		json_set_string(j, "output", plan->outputs[0]);
	if (list_count(plan->outputs) > 1)
		set_list(j, "outputs", plan->outputs);
	json_set_bool(j, "spa", plan->spa);
	if (plan->container) {
		json_set_string(j, "node", node);
		json_set_string(j, "node_source", plan->node_source);
		json_set_string(j, "package_manager", plan->manager);
		json_set_string(j, "image", plan->image);
	}
	set_list(j, "env", plan->env);
	set_list(j, "immutable", plan->immutable);
	set_list(j, "why", plan->why);
	free(node);
	return j;
}

static void
print_list(struct buf *out, const char *label, char *const *list)
{
	if (list == NULL)
		return;
	buf_adds(out, label);
	for (size_t i = 0; list[i] != NULL; i++)
		buf_addf(out, "%s%s", i == 0 ? "" : ", else ", list[i]);
	buf_addc(out, '\n');
}

void
plan_print(const struct plan *plan, struct buf *out)
{
	buf_addf(out, "framework  %s (%s)\nrule       %s\n", plan->name,
	    plan->framework, plan->rule);
	if (plan->dir[0] != '\0')
		buf_addf(out, "dir        %s\n", plan->dir);
	if (plan->container) {
		buf_addf(out, "node       %d, from %s\n", plan->node,
		    plan->node_source);
		if (plan->image != NULL)
			buf_addf(out, "image      with %s\n", plan->image);
		buf_addf(out, "install    %s\nbuild      %s\n",
		    plan->install != NULL ? plan->install : "-",
		    plan->build != NULL ? plan->build : "-");
	}
	print_list(out, "output     ", plan->outputs);
	buf_addf(out, "spa        %s\n", plan->spa ? "yes" : "no");
	for (char **w = plan->why; w != NULL && *w != NULL; w++)
		buf_addf(out, "  - %s\n", *w);
}
