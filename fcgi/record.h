/*
 * Records of the FastCGI protocol, written by ourselves: libfcgi's are of 8 KB
 * each, and each wakes the web server.
 */
#ifndef DAVIT_FCGI_RECORD_H
#define DAVIT_FCGI_RECORD_H

#include <stddef.h>

/* What fits in one. */
#define RECORD_MAX_BYTES 65528

/* Write bytes of a request's standard output to its connection, which blocks.
 * -1: the web server is gone. */
int record_write(int fd, int request_id, const void *, size_t);

#endif
