/*
 * Which addresses may be connected to on behalf of a stranger: public ones,
 * and those that the operator names.  A repository's URL must not become a
 * way into the operator's own network or a cloud's metadata service.
 */
#ifndef DAVIT_LIB_ADDRESS_H
#define DAVIT_LIB_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

/* A global unicast address: not loopback, private, link-local, shared,
 * multicast, reserved, for documentation, or a known metadata service; an
 * IPv6 form that holds an IPv4 address is judged by that one. */
bool address_is_public(const struct sockaddr *);

/* True if allow (blank-separated: a host name, an address, or either with
 * ":port"; IPv6 with a port in brackets) names this host or address. */
bool address_is_named(const char *allow, const char *host, uint16_t port,
    const struct sockaddr *);

#endif
