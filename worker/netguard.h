/*
 * Builds run strangers' programs.  What keeps these from this machine and its
 * neighbours is the firewall, and only root can look at that: ensure-network,
 * which places the rules, says so in a file, with the boot and the network that
 * they are for.
 */
#ifndef DAVIT_WORKER_NETGUARD_H
#define DAVIT_WORKER_NETGUARD_H

struct conf;
struct docker;
struct err;

/* See that the network of builds is there and guarded.  With "build_guard no"
 * it is made where it is missing, and a warning is all.  ERR_DOCKER. */
int netguard_ensure(struct docker *, const struct conf *, struct err *);

#endif
