/*
 * The directory store's directories: removed by one rename, listed, swept; and
 * those that an attempt to build writes its parts in.
 */
#include "lib/store_fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/crash.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/name.h"

/* NULL at the end, with errno 0, and on failure. */
static struct dirent *
next_entry(DIR *dir)
{
	errno = 0;
	return readdir(dir);
}

/* Another process has removed it.  errno stays where it is there: then it is
 * the area that is gone, since its attempt was revoked. */
static bool
is_gone(int parent, const char *base)
{
	int was = errno;
	bool gone = was == ENOENT &&
	    faccessat(parent, base, F_OK, AT_SYMLINK_NOFOLLOW) == -1 &&
	    errno == ENOENT;

	errno = was;
	return gone;
}

/* Move a directory out of everybody's way and remove it there. */
static int
throw_away(const struct fs *fs, int parent, const char *base,
    const char *area, struct err *e)
{
	char id[ID_LENGTH + 1], *part, *path;
	int rc;

	name_new_id(id);
	part = xasprintf("%s/%s", area, id);
	CRASH_POINT("a directory's removal");
	rc = renameat(parent, base, fs->root, part);
	CRASH_POINT("in a directory's removal");
	if (rc == -1 && is_gone(parent, base)) {
		free(part);
		return 0;
	}
	if (rc == -1)
		fs_errno(e, "delete", base);
	path = xasprintf("/proc/self/fd/%d/%s", fs->root, part);
	if (rc == 0)
		rc = fdio_remove_tree(path, e);
	free(path);
	free(part);
	return rc == -1 ? err_recode(e, ERR_STORE) : 0;
}

int
fs_delete_all(void *state, const char *prefix, struct err *e)
{
	struct fs *fs = state;
	char *key = xstrndup(prefix, strlen(prefix) - 1);
	const char *base;
	int rc = 0, dir = fs_open_parent(fs, key, false, &base);

	if (dir != -1 && faccessat(dir, base, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		rc = throw_away(fs, dir, base, fs->area, e);
	else if (errno != ENOENT && errno != ENOTDIR)
		rc = fs_errno(e, "delete", prefix);
	fdio_close(&dir);
	free(key);
	return rc;
}

/* ---- attempts ---- */

int
fs_enter(void *state, const char *id, int64_t attempt, struct err *e)
{
	struct fs *fs = state;
	char *area = xasprintf(FS_TMP "/%s.%lld", id, (long long)attempt);

	/* One that is there was left by a process of the same attempt, which
	 * has ended; its parts are removed with the area. */
	if (mkdirat(fs->root, area, FS_DIR_MODE) == -1 && errno != EEXIST) {
		fs_errno(e, "make", area);
		free(area);
		return err_recode(e, ERR_STORE);
	}
	CRASH_POINT("after an attempt's area");
	free(fs->area);
	fs->area = area;
	return 0;
}

/* True for the name of an area of id with a lower attempt. */
static bool
is_below(const char *name, const char *id, int64_t below)
{
	int64_t attempt;

	return strncmp(name, id, ID_LENGTH) == 0 && name[ID_LENGTH] == '.' &&
	    name_to_number(name + ID_LENGTH + 1, 0, INT64_MAX, &attempt) &&
	    attempt < below;
}

int
fs_revoke(void *state, const char *id, int64_t below, struct err *e)
{
	struct fs *fs = state;
	int rc = 0, fd = fs_open_beneath(fs, FS_TMP, O_RDONLY | O_DIRECTORY);
	struct dirent *d;
	DIR *dir;

	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		fdio_close(&fd);
		fs_errno(e, "open", FS_TMP);
		return err_recode(e, ERR_STORE);
	}
	while (rc == 0 && (d = next_entry(dir)) != NULL)
		if (is_below(d->d_name, id, below))
			rc = throw_away(fs, fd, d->d_name, FS_TMP, e);
	if (rc == 0 && errno != 0)
		rc = fs_failed(e, "list", FS_TMP);
	closedir(dir);
	return rc;
}

struct listing {
	struct fs *fs;
	int (*fn)(void *, const char *, const struct store_object *);
	void *arg;
	struct buf key;
};

static int list_directory(struct listing *, int fd, struct err *);

static int
list_entry(struct listing *l, int dirfd, const char *name, struct err *e)
{
	struct store_object o;
	size_t len = l->key.len;
	int rc = 0, fd;

	if (name[0] == '.' && (name[1] == '\0' || strcmp(name, "..") == 0))
		return 0;
	if (len == 0 && strcmp(name, FS_TMP) == 0)
		return 0;
	fd = openat(dirfd, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	/* Deleted meanwhile, or nothing of ours; all else would make a list
	 * that is taken for a whole one. */
	if (fd == -1)
		return errno == ENOENT || errno == ELOOP || errno == ENXIO
		    ? 0
		    : fs_failed(e, "list", name);
	buf_adds(&l->key, name);
	if (fs_stat_object(fd, name, &o, NULL) == 0) {
		rc = l->fn(l->arg, buf_str(&l->key), &o);
		close(fd);
	} else {
		buf_addc(&l->key, '/');
		rc = list_directory(l, fd, e);
	}
	l->key.len = len;
	return rc;
}

/* fd is closed. */
static int
list_directory(struct listing *l, int fd, struct err *e)
{
	struct dirent *d;
	DIR *dir;
	int rc = 0;

	if ((dir = fdopendir(fd)) == NULL) {
		fdio_close(&fd);
		return fs_failed(e, "list", buf_str(&l->key));
	}
	while (rc == 0 && (d = next_entry(dir)) != NULL)
		rc = list_entry(l, fd, d->d_name, e);
	if (rc == 0 && errno != 0)
		rc = fs_failed(e, "list", buf_str(&l->key));
	closedir(dir);
	return rc;
}

int
fs_list(void *state, const char *prefix,
    int (*fn)(void *, const char *, const struct store_object *), void *arg,
    struct err *e)
{
	struct listing l = { .fs = state, .fn = fn, .arg = arg };
	int rc, fd;

	fd = fs_open_beneath(state, prefix[0] == '\0' ? "." : prefix,
	    O_RDONLY | O_DIRECTORY);
	if (fd == -1)
		return errno == ENOENT || errno == ENOTDIR
		    ? 0
		    : fs_errno(e, "list", prefix);
	buf_adds(&l.key, prefix);
	rc = list_directory(&l, fd, e);
	buf_clear(&l.key);
	return rc;
}

/* A directory's mtime is that of the last change of a name in it; a store's
 * are few enough below a prefix to be asked one by one. */
int
fs_list_names(void *state, const char *prefix,
    int (*fn)(void *, const char *, const struct store_object *), void *arg,
    struct err *e)
{
	int rc = 0, fd = fs_open_beneath(state, prefix, O_RDONLY | O_DIRECTORY);
	struct dirent *d;
	struct stat st;
	DIR *dir;

	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		fdio_close(&fd);
		return fs_errno(e, "list", prefix);
	}
	while (rc == 0 && (d = next_entry(dir)) != NULL) {
		struct store_object o = { .size = 0 };

		if (strcmp(d->d_name, ".") == 0 ||
		    strcmp(d->d_name, "..") == 0)
			continue;
		if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
			if (errno != ENOENT)
				rc = fs_failed(e, "list", prefix);
			continue;
		}
		o.modified_ms = (int64_t)st.st_mtim.tv_sec * 1000;
		rc = fn(arg, d->d_name, &o);
	}
	if (rc == 0 && errno != 0)
		rc = fs_failed(e, "list", prefix);
	closedir(dir);
	return rc;
}

/* ---- sweeping ---- */

/* A part, what throw_away() has not finished, or an attempt's area: each has
 * an id for a name, or begins with one. */
static bool
is_part(const char *name)
{
	char id[ID_LENGTH + 1];

	return strlen(name) >= ID_LENGTH && name_is_id(name, ID_LENGTH, id) &&
	    (name[ID_LENGTH] == '\0' || is_below(name, id, INT64_MAX));
}

/* When it was made, or came to its place; its contents may be older, or newer
 * where it is a directory that is written to. */
static int64_t
age_of(const struct stat *st)
{
	struct timespec last = st->st_mtim.tv_sec > st->st_ctim.tv_sec ||
		!S_ISDIR(st->st_mode)
	    ? st->st_mtim
	    : st->st_ctim;

	return name_now_ms() - (int64_t)last.tv_sec * 1000;
}

int
fs_sweep(void *state, int64_t age_ms, struct err *e)
{
	struct fs *fs = state;
	struct dirent *d;
	DIR *dir;
	int rc = 0, fd = fs_open_beneath(fs, FS_TMP, O_RDONLY | O_DIRECTORY);

	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		fdio_close(&fd);
		return fs_errno(e, "open", FS_TMP);
	}
	while (rc == 0 && (d = readdir(dir)) != NULL) {
		struct stat st;

		if (!is_part(d->d_name) ||
		    fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    age_of(&st) <= age_ms)
			continue;
		if (S_ISDIR(st.st_mode))
			rc = throw_away(fs, fd, d->d_name, FS_TMP, e);
		else if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
			unlinkat(fd, d->d_name, 0);
	}
	closedir(dir);
	return rc;
}
