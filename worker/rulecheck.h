/*
 * davit-build --check: the rules of a built site in a directory, read as they
 * would be when it is published.
 */
#ifndef DAVIT_WORKER_RULECHECK_H
#define DAVIT_WORKER_RULECHECK_H

#include <stdio.h>

struct err;

/* Print "file:line: what is wrong" for each such line, and a last line that
 * counts.  The number of those; -1 where the directory cannot be read. */
int rulecheck(const char *dir, FILE *out, struct err *);

#endif
