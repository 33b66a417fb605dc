/* One call of the engine's API: for docker.c and docker_process.c alone. */
#ifndef DAVIT_WORKER_DOCKER_CALL_H
#define DAVIT_WORKER_DOCKER_CALL_H

struct buf;
struct docker;
struct err;
struct json;

struct docker_call {
	const char *what;	/* in messages: "create the container" */
	const char *method;
	char *path;		/* below the version; freed by the call */
	struct json *body;	/* freed by the call; NULL: none */
	long also;		/* a status from 300 on that is no error */
	struct json **answer;	/* NULL: not wanted; else the caller's to free,
				   left alone where the status is "also" */
};

/* The status, or -1 with ERR_DOCKER. */
long docker_call(struct docker *, const struct docker_call *, struct err *);

/* A POST whose connection becomes a raw stream: its descriptor, or -1. */
int docker_call_stream(struct docker *, const struct docker_call *,
    struct buf *early, struct err *);

#endif
