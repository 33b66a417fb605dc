/*
 * The answers of a site: a file, whole or in part, as it is or compressed; a
 * redirect; a page for a status that is no success.
 */
#ifndef DAVIT_FCGI_SEND_H
#define DAVIT_FCGI_SEND_H

struct err;
struct manifest_file;
struct resolve;
struct visit;

/* -1: nothing has been sent. */
int send_file(struct visit *, const struct manifest_file *, struct err *);
int send_failure(struct visit *, const struct resolve *, struct err *);

void send_redirect(struct visit *, const struct resolve *);

#endif
