/* The small pages that a visitor of a site meets where it has none. */
#ifndef DAVIT_FCGI_PAGE_H
#define DAVIT_FCGI_PAGE_H

struct reply;

/* A page for 400, 404, 405, 410, 416, 451, 500 or 503. */
void page_reply(struct reply *, int status);

#endif
