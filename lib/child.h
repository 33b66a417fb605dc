/*
 * Child processes: started with exactly the descriptors that are named, seen
 * through a pidfd (pidfd_open(2)), and ended by a deadline.
 */
#ifndef DAVIT_LIB_CHILD_H
#define DAVIT_LIB_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct err;

#define CHILD_MAX_FDS 8

struct child_spec {
	const char *path;		/* executable; no search, no shell */
	const char *const *argv;	/* NULL-terminated */
	const char *const *env;		/* the whole environment; NULL: none */
	int fds[CHILD_MAX_FDS];		/* child's descriptor i is fds[i] */
	int nfds;			/* -1 in fds: /dev/null; all others are
					   closed; no fewer than 3 */
	const char *cwd;		/* NULL: stay */
	bool die_with_parent;		/* PR_SET_PDEATHSIG SIGKILL */
};

struct child {
	pid_t pid;
	int pidfd;			/* poll it for POLLIN: it has ended */
};

#define CHILD_INIT { -1, -1 }

/* Start it as the leader of a process group of its own, with default signal
 * actions and an empty signal mask. */
int child_start(struct child *, const struct child_spec *, struct err *);

/* True while started and not yet reaped. */
bool child_running(const struct child *);

/* Send sig to the whole group; nothing where it has ended. */
void child_signal(const struct child *, int sig);

/* Wait until it ends, or ms have passed (-1: for ever).
 * 1 with *status as of waitpid(2); 0 at the deadline; -1 on error. */
int child_wait(struct child *, int ms, int *status, struct err *);

/* SIGTERM, wait grace_ms, SIGKILL, reap.  *status may be NULL. */
void child_stop(struct child *, int grace_ms, int *status);

/* "exited with status 1", "killed by signal 9 (Killed)". */
const char *child_describe(int status, char *buf, size_t size);

/* pipe2(2) and socketpair(2), close-on-exec. */
int child_pipe(int fds[2], struct err *);
int child_socketpair(int fds[2], struct err *);

#endif
