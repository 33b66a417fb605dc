#include "worker/netguard.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "worker/docker.h"

/* "BOOT NETWORK\n", as worker/image/ensure-network writes it. */
#define GUARDED_PATH "/run/davit-network"
#define GUARDED_MAX_BYTES 256

#define BOOT_PATH "/proc/sys/kernel/random/boot_id"

/* This boot and the network's id, as they have to be there. */
static int
expected(const char *network, struct buf *out, struct err *e)
{
	if (fdio_slurp_file(BOOT_PATH, GUARDED_MAX_BYTES, out, e) == -1)
		return -1;
	while (out->len > 0 && out->data[out->len - 1] == '\n')
		out->len--;
	buf_addf(out, " %s\n", network);
	return 0;
}

/* What is missing, in words; NULL: it is guarded. */
static const char *
lacks(const char *name, const char *network)
{
	char *path = xasprintf(GUARDED_PATH "/%s", name);
	struct buf wanted = BUF_INIT, there = BUF_INIT;
	const char *what = NULL;

	if (network == NULL)
		what = "does not exist";
	else if (expected(network, &wanted, NULL) == -1 ||
	    fdio_slurp_file(path, GUARDED_MAX_BYTES, &there, NULL) == -1)
		what = "has no firewall rules";
	else if (strcmp(buf_str(&wanted), buf_str(&there)) != 0)
		what = "has no firewall rules since the last boot, or was "
		       "made anew since";
	buf_clear(&wanted);
	buf_clear(&there);
	free(path);
	return what;
}

int
netguard_ensure(struct docker *docker, const struct conf *conf, struct err *e)
{
	const char *name = conf->build_network, *what;
	char *id = NULL;
	int rc = 0;

	if (!conf->build_guard) {
		rc = docker_ensure_network(docker, name, e);
		if (rc == 1)
			log_warn("the network %s had to be made, and nothing "
			    "keeps builds from this machine", name);
		return rc == -1 ? -1 : 0;
	}
	if (docker_find_network(docker, name, &id, e) == -1)
		return -1;
	if ((what = lacks(name, id)) != NULL)
		rc = err_set(e, ERR_DOCKER, "the network of builds, %s, %s: "
		    "run ensure-network as root, or allow that builds reach "
		    "this machine by 'build_guard no' in davit.conf", name,
		    what);
	free(id);
	return rc;
}
