#include "worker/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/landlock.h>

#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/log.h"

/* The kernel's header may be older than the kernel: numbers of its ABI. */
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_BITS_ABI_1 13
#define SCOPE_ALL UINT64_C(3) /* abstract sockets, signals; since ABI 6 */

/* struct landlock_ruleset_attr of ABI 6; older ones take its beginning. */
struct ruleset {
	uint64_t fs, net, scoped;
};

static const char *const readable[] = { "/etc/resolv.conf", "/etc/hosts",
	"/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
	"/etc/services", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
	"/etc/ssl/cert.pem", "/etc/pki/ca-trust", "/etc/pki/tls/certs",
	"/etc/ca-certificates", "/etc/crypto-policies",
	"/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
	"/run/systemd/resolve", "/usr/lib", "/usr/lib64", "/usr/local/lib",
	"/lib", "/lib64", "/dev/null", "/dev/urandom",
#ifdef __SANITIZE_ADDRESS__
	"/proc", /* its leak check looks at the process itself */
#endif
	NULL };

/* All kinds of access that this ABI knows. */
static uint64_t
all_access(long abi)
{
	int bits = FS_BITS_ABI_1;

	if (abi >= 2)
		bits++; /* linking across directories */
	if (abi >= 3)
		bits++; /* truncation */
	if (abi >= 5)
		bits++; /* ioctl of devices */
	return (UINT64_C(1) << bits) - 1;
}

/* What is not there needs no rule. */
static int
allow(int rules, const char *path, uint64_t access, struct err *e)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access };
	struct stat st;
	int fd = open(path, O_PATH | O_CLOEXEC), rc = 0;

	if (fd == -1)
		return 0;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_READ_FILE;
	rule.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH,
		&rule, 0) == -1)
		rc = err_errno(e, "landlock: %s", path);
	fdio_close(&fd);
	return rc;
}

static int
allow_all(int rules, const char *scratch, const char *ca, uint64_t all,
    struct err *e)
{
	for (const char *const *p = readable; *p != NULL; p++)
		if (allow(rules, *p, FS_READ_FILE | FS_READ_DIR, e) == -1)
			return -1;
	if (ca != NULL && allow(rules, ca, FS_READ_FILE | FS_READ_DIR, e) == -1)
		return -1;
	return allow(rules, scratch, all & ~FS_EXECUTE, e);
}

int
landlock_confine(const char *scratch, const char *ca, struct err *e)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset set = { 0 };
	size_t size = abi >= 6 ? sizeof(set) : sizeof(set.fs);
	int rules, rc = -1;

	if (abi < 1) {
		log_debug("the kernel has no Landlock");
		return 0;
	}
	set.fs = all_access(abi);
	set.scoped = abi >= 6 ? SCOPE_ALL : 0;
	rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
	if (rules == -1)
		return err_errno(e, "landlock");
	if (allow_all(rules, scratch, ca, set.fs, e) == 0) {
		rc = (int)syscall(SYS_landlock_restrict_self, rules, 0);
		if (rc == -1)
			err_errno(e, "landlock");
	}
	fdio_close(&rules);
	return rc;
}
