#include "worker/planner.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "worker/frameworks.h"
#include "worker/plan.h"
#include "worker/project.h"
#include "worker/settings.h"

/* Where the image's tag names none. */
#define NODE_DEFAULT 22

int
planner_node(const char *image)
{
	const char *tag = image == NULL ? NULL : strrchr(image, ':');

	return tag != NULL && isdigit((unsigned char)tag[1])
	    ? (int)strtol(tag + 1, NULL, 10)
	    : NODE_DEFAULT;
}

struct plan *
planner_plan(planner_look *look, void *arg, const char *dir,
    const struct plan_request *request, int node, struct err *e)
{
	struct frameworks *table = frameworks_load(e);
	struct project *project = project_new(dir);
	struct plan *plan = NULL;
	char *elsewhere = NULL;

	if (table == NULL ||
	    look(arg, project, frameworks_patterns(table), e) == -1)
		goto out;
	if (dir == NULL || dir[0] == '\0')
		elsewhere = settings_dir(project);
	if (elsewhere != NULL) {
		project_free(project);
		project = project_new(elsewhere);
		if (look(arg, project, frameworks_patterns(table), e) == -1)
			goto out;
	}
	plan = plan_new(table, project, request, node, e);
out:
	free(elsewhere);
	project_free(project);
	frameworks_free(table);
	return plan;
}
