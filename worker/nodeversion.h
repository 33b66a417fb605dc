/* Which major version of Node.js a project asks for.  Pure. */
#ifndef DAVIT_WORKER_NODEVERSION_H
#define DAVIT_WORKER_NODEVERSION_H

#include <stdbool.h>
#include <stddef.h>

/* Of what .nvmrc, .node-version or a request says: "20", "v18.17.0",
 * "lts/hydrogen".  0 where it names none: "lts", "node", "stable". */
int nodeversion_of(const char *);

/* Of a range as in "engines": "^20 || >=22".  The preferred major if the range
 * has it, else the newest that images are made for, else 0. */
int nodeversion_in_range(const char *range, int preferred);

/* "lts", "node", "latest": whichever is best. */
bool nodeversion_is_open(const char *);

/* What a .tool-versions ("nodejs 20.11.0") names.  Owned by the caller; NULL:
 * nothing. */
char *nodeversion_in_tools(const char *text);

/* The i-th major to try in place of one that there is no image for: the
 * nearest, the newer of two that are as near, first.  0: no more. */
int nodeversion_near(int major, size_t i);

#endif
