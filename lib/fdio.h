/* Whole reads and writes on descriptors, and files that are replaced whole. */
#ifndef DAVIT_LIB_FDIO_H
#define DAVIT_LIB_FDIO_H

#include <stddef.h>
#include <sys/types.h>

struct buf;
struct err;

/* Write all n bytes; waits where fd is non-blocking. */
int fdio_write(int fd, const void *, size_t n, struct err *);

/* Read up to n bytes, fewer only at the end of file.  -1 or the count. */
ssize_t fdio_read(int fd, void *, size_t n, struct err *);

/* Add all that fd yields to its end; more than max bytes: ERR_TOOBIG. */
int fdio_slurp(int fd, size_t max, struct buf *, struct err *);

/* The same for a file by name.  ERR_NOTFOUND where there is none. */
int fdio_slurp_file(const char *path, size_t max, struct buf *, struct err *);

/* Close *fd where it is open, and make it -1.  errno is kept. */
void fdio_close(int *fd);

/* Set O_NONBLOCK. */
int fdio_nonblock(int fd, struct err *);

/* An unnamed file in dir, read and write, gone with its descriptor. */
int fdio_unnamed(const char *dir, struct err *);

/* Remove the directory at path and all below it; links are not followed.
 * A path that is not there is fine. */
int fdio_remove_tree(const char *path, struct err *);

#endif
