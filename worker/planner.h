/*
 * From a checkout to a plan: look at it, follow a file at the root that says
 * that the site is elsewhere, and plan.
 */
#ifndef DAVIT_WORKER_PLANNER_H
#define DAVIT_WORKER_PLANNER_H

struct err;
struct plan;
struct plan_request;
struct project;

/* Tell the project what it wants to know.  It is called twice where the site
 * is in another directory than was thought. */
typedef int planner_look(void *arg, struct project *,
    const char *const *patterns, struct err *);

/* dir: the request's; NULL: none.  NULL: as plan_new(), frameworks_load() and
 * the look say. */
struct plan *planner_plan(planner_look *look, void *arg, const char *dir,
    const struct plan_request *, int node, struct err *);

/* The major version that a builder image's tag begins with, else a default;
 * image may be NULL. */
int planner_node(const char *image);

#endif
