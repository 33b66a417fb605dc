/* Paths that stay below a directory, whatever lies there. */
#ifndef DAVIT_LIB_BENEATH_H
#define DAVIT_LIB_BENEATH_H

#include <sys/types.h>

/* open(2) of path below the directory root: no ".." and no symbolic link on
 * the way or at its end (ELOOP or ENOTDIR; EXDEV).  By openat2(2), and where
 * the kernel or a sandbox has none, by beneath_walk().  -1 with errno. */
int beneath_open(int root, const char *path, int flags, mode_t mode);

/* The same, a segment at a time. */
int beneath_walk(int root, const char *path, int flags, mode_t mode);

#endif
