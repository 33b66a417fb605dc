/*
 * What davit-fetch does to itself before it talks to anybody: afterwards it
 * holds little, and whoever takes it over has little.
 */
#ifndef DAVIT_WORKER_SANDBOX_H
#define DAVIT_WORKER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct sandbox {
	const char *user;	/* to become, when root; NULL: stay */
	const char *scratch;	/* the one directory to write in */
	const char *ca;		/* a file to read; NULL */
	pid_t parent;		/* dies with it */
	int64_t file_bytes;	/* of one file that is written */
	int64_t memory;		/* address space */
	int64_t cpu;		/* seconds: SIGXCPU, and 2 s later SIGKILL */
};

/* 0 to 2 are open, result where the caller opened it for writing, those
 * behind it up to last, and no other.  True if result is. */
bool sandbox_tidy_descriptors(int result, int last);

/* No environment, another user, no new privileges, limits, Landlock. */
int sandbox_enter(const struct sandbox *, struct err *);

#endif
