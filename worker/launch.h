/* davit-build as davitd's child: it ends with davitd. */
#ifndef DAVIT_WORKER_LAUNCH_H
#define DAVIT_WORKER_LAUNCH_H

struct child;
struct deployment;
struct err;

/* With these descriptors; -1: none.  option and id may be NULL. */
int launch_build(struct child *, const char *option, const char *id,
    const int fds[4], struct err *);

/* For what it does and nobody listens to: its words are davitd's. */
int launch_errand(struct child *, const char *option, const char *id,
    struct err *);

/* To build d.  ends: of its log and of its events, not blocking; the caller's
 * to close. */
int launch_job(struct child *, const struct deployment *, int ends[2],
    struct err *);

#endif
