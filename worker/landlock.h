/*
 * Landlock (landlock(7)): from here on this process reaches no file but those
 * that are named, whatever its user may.
 */
#ifndef DAVIT_WORKER_LANDLOCK_H
#define DAVIT_WORKER_LANDLOCK_H

struct err;

/* Let the process read what talking to a host needs (resolver, certificates,
 * shared libraries), read ca, where it is not NULL, and do as it likes in the
 * directory scratch; nothing else, and nothing can be executed.  0 as well
 * where the kernel has no Landlock, which is logged. */
int landlock_confine(const char *scratch, const char *ca, struct err *);

#endif
