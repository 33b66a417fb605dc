/*
 * Points at which a test has a process die, as by kill -9: between any two
 * effects that others see.  ./configure --enable-crash-points makes them; in
 * all other builds there is nothing.
 *
 * DAVIT_CRASH names a file that holds a program's name and a number, "davitd
 * 3".  Each point that the program passes counts down; at the third one the
 * file is removed and the process ends, so that it dies once.  What was called
 * with a long option counts by itself: "davit-build--clean 1".
 */
#ifndef DAVIT_LIB_CRASH_H
#define DAVIT_LIB_CRASH_H

#ifdef DAVIT_CRASH_POINTS
void crash_point(const char *where);
#define CRASH_POINT(where) crash_point(where)
#else
#define CRASH_POINT(where) ((void)0)
#endif

#endif
