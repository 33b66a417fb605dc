/*
 * One deployment, top to bottom: plan, container, install, build, publish.
 * Straight-line code that blocks; what may hang is under a deadline, and what
 * was made is removed on every path.
 */
#ifndef DAVIT_WORKER_BUILD_H
#define DAVIT_WORKER_BUILD_H

struct conf;
struct deployment;
struct events;
struct json;
struct watch;

struct build_job {
	const struct conf *conf;
	const struct deployment *record;
	const struct json *env;		/* the request's; NULL: none */
	struct events *events;
	struct watch *watch;
	int log_fd;
};

/* To its end, which the events tell: deployed, failed, or to be tried again.
 * A build that was stopped tells none.  -1: a container may be left. */
int build_run(const struct build_job *);

#endif
