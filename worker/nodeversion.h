/* Which major version of Node.js a project asks for.  Pure. */
#ifndef DAVIT_WORKER_NODEVERSION_H
#define DAVIT_WORKER_NODEVERSION_H

#include <stdbool.h>

/* Of what .nvmrc, .node-version or a request says: "20", "v18.17.0",
 * "lts/hydrogen".  0 where it names none: "lts", "node", "stable". */
int nodeversion_of(const char *);

/* Of a range as in "engines": "^20 || >=22".  The preferred major if the range
 * has it, else the newest that images are made for, else 0. */
int nodeversion_in_range(const char *range, int preferred);

#endif
