/*
 * Objects in a directory.
 *
 *	{root}/tmp/{random}		objects being written
 *	{root}/tmp/{id}.{attempt}/	those of an attempt to build id
 *	{root}/{key}			objects, and links to their directories
 *	{root}/tmp/.lock		held by who must be alone
 *
 * An object is written to tmp/, synced and renamed, so that it is there whole
 * or not at all.  Batched puts wait in tmp/ for one syncfs(2), which costs a
 * thirtieth of one fsync(2) an object.  An attempt is revoked by renaming its
 * directory: every rename out of it, or into it, fails after that.  All paths
 * are opened beneath the root's descriptor, which no key and no link can leave.
 */
#include "lib/store_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/beneath.h"
#include "lib/buf.h"
#include "lib/crash.h"
#include "lib/err.h"
#include "lib/fdio.h"
#include "lib/mem.h"
#include "lib/name.h"

/* Held by a process that must be alone. */
#define LOCK FS_TMP "/.lock"

struct writer {
	struct fs *fs;
	char *tmp, *key;
	int fd;
};

struct reader {
	int fd;
	int64_t left;
	char *key;
};

int
fs_errno(struct err *e, const char *what, const char *key)
{
	int sys = errno;

	err_errno(e, "%s %.200s", what, key);
	return err_recode(e, sys == ENOENT ? ERR_NOTFOUND : ERR_STORE);
}

int
fs_failed(struct err *e, const char *what, const char *key)
{
	fs_errno(e, what, key);
	return err_recode(e, ERR_STORE);
}

int
fs_open_beneath(const struct fs *fs, const char *key, int flags)
{
	return beneath_open(fs->root, key, flags, FS_FILE_MODE);
}

int
fs_open_parent(const struct fs *fs, const char *key, bool make,
    const char **base)
{
	const char *slash = strrchr(key, '/');
	char *dir;
	int fd;

	*base = slash == NULL ? key : slash + 1;
	if (slash == NULL)
		return fs_open_beneath(fs, ".", O_PATH | O_DIRECTORY);
	dir = xstrndup(key, (size_t)(slash - key));
	fd = fs_open_beneath(fs, dir, O_PATH | O_DIRECTORY);
	if (fd == -1 && errno == ENOENT && make) {
		const char *name;
		int parent = fs_open_parent(fs, dir, true, &name);

		if (parent != -1 &&
		    (mkdirat(parent, name, FS_DIR_MODE) == 0 || errno == EEXIST))
			fd = fs_open_beneath(fs, dir, O_PATH | O_DIRECTORY);
		fdio_close(&parent);
	}
	free(dir);
	return fd;
}

static void *
fs_open(const struct conf *c, const char *where, struct err *e)
{
	struct fs *fs;

	if (where[0] != '/') {
		err_set(e, ERR_CONFIG, "store: 'dir /PATH' is needed");
		return NULL;
	}
	fs = xcalloc(1, sizeof(*fs));
	fs->area = xstrdup(FS_TMP);
	if (mkdir(where, FS_ROOT_MODE) == -1 && errno != EEXIST) {
		fs_errno(e, "make", where);
		goto bad;
	}
	fs->root = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs->root == -1) {
		fs_errno(e, "open", where);
		goto bad;
	}
	/* a reader without the right to write is served as well */
	if (mkdirat(fs->root, FS_TMP, FS_DIR_MODE) == -1 && errno != EEXIST &&
	    errno != EACCES && errno != EROFS) {
		fs_errno(e, "make " FS_TMP " in", where);
		close(fs->root);
		goto bad;
	}
	return fs;
bad:
	err_recode(e, ERR_STORE);
	free(fs->area);
	free(fs);
	return NULL;
}

static void
forget_pending(struct fs *fs)
{
	for (size_t i = 0; i < fs->npending; i++) {
		if (fs->pending[i].tmp != NULL)
			unlinkat(fs->root, fs->pending[i].tmp, 0);
		free(fs->pending[i].tmp);
		free(fs->pending[i].key);
	}
	free(fs->pending);
	fs->pending = NULL;
	fs->npending = 0;
}

static void
fs_free(void *state)
{
	struct fs *fs = state;

	forget_pending(fs);
	if (strcmp(fs->area, FS_TMP) != 0)
		unlinkat(fs->root, fs->area, AT_REMOVEDIR);
	close(fs->root);
	free(fs->area);
	free(fs);
}

/* ---- putting ---- */

static void *
fs_put_open(void *state, const char *key, const char *type, struct err *e)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	char id[ID_LENGTH + 1];

	name_new_id(id);
	w->fs = state;
	w->key = xstrdup(key);
	w->tmp = xasprintf("%s/%s", w->fs->area, id);
	w->fd = fs_open_beneath(w->fs, w->tmp, O_WRONLY | O_CREAT | O_EXCL);
	CRASH_POINT("a part that is empty");
	if (w->fd != -1)
		return w;
	fs_errno(e, "create a file for", key);
	err_recode(e, ERR_STORE);
	free(w->key);
	free(w->tmp);
	free(w);
	return NULL;
}

static int
fs_put_data(void *writer, const void *data, size_t len, struct err *e)
{
	struct writer *w = writer;

	if (fdio_write(w->fd, data, len, e) == 0)
		return 0;
	err_within(e, "store %.200s", w->key);
	return err_recode(e, ERR_STORE);
}

static void
fs_put_abort(void *writer)
{
	struct writer *w = writer;

	fdio_close(&w->fd);
	if (w->tmp != NULL)
		unlinkat(w->fs->root, w->tmp, 0);
	free(w->tmp);
	free(w->key);
	free(w);
}

/* Remove a directory, and its parents, where they are empty now. */
static void
prune(const struct fs *fs, const char *key)
{
	char *dir = xstrdup(key), *slash;

	while ((slash = strrchr(dir, '/')) != NULL && strchr(dir, '/') != slash)
	{
		*slash = '\0';
		if (unlinkat(fs->root, dir, AT_REMOVEDIR) == -1)
			break;
	}
	free(dir);
}

/* Make it visible; the directory entry is durable with its parent's sync.  One
 * whose attempt was revoked leaves no directory for it either. */
static int
move_in(const struct fs *fs, const char *tmp, const char *key, bool sync,
    struct err *e)
{
	const char *base;
	int dir, rc = -1, synced = -1;

	CRASH_POINT("a name");
	if ((dir = fs_open_parent(fs, key, true, &base)) == -1 ||
	    renameat(fs->root, tmp, dir, base) == -1) {
		fs_errno(e, "store", key);
		err_recode(e, ERR_STORE);
		prune(fs, key);
		goto out;
	}
	CRASH_POINT("after a name");
	if (sync) {
		/* O_PATH descriptors can't be synced */
		synced = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (synced == -1 || fsync(synced) == -1) {
			fs_errno(e, "sync", key);
			goto out;
		}
	}
	rc = 0;
out:
	fdio_close(&synced);
	fdio_close(&dir);
	return rc;
}

static int
fs_put_commit(void *writer, enum store_when when, struct err *e)
{
	struct writer *w = writer;
	struct fs *fs = w->fs;
	int rc = 0;

	if (when == STORE_BATCHED) {
		fs->pending = xreallocarray(fs->pending, fs->npending + 1,
		    sizeof(*fs->pending));
		fs->pending[fs->npending++] =
		    (struct pending){ w->tmp, w->key };
		w->tmp = w->key = NULL;
	} else if (fsync(w->fd) == -1) {
		rc = fs_errno(e, "sync", w->key);
	} else if ((rc = move_in(fs, w->tmp, w->key, true, e)) == 0) {
		free(w->tmp);
		w->tmp = NULL;
	}
	fs_put_abort(w);
	return rc;
}

static int
fs_sync(void *state, struct err *e)
{
	struct fs *fs = state;
	int rc = 0;

	if (fs->npending == 0)
		return 0;
	/* contents, then names */
	if (syncfs(fs->root) == -1)
		rc = fs_errno(e, "sync", "the store");
	for (size_t i = 0; rc == 0 && i < fs->npending; i++) {
		struct pending *p = &fs->pending[i];

		rc = move_in(fs, p->tmp, p->key, false, e);
		if (rc == 0) {
			free(p->tmp);
			p->tmp = NULL;
		}
	}
	forget_pending(fs);
	if (rc == 0 && syncfs(fs->root) == -1)
		rc = fs_errno(e, "sync", "the store");
	return rc;
}

/* ---- getting ---- */

int
fs_stat_object(int fd, const char *key, struct store_object *o, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return fs_errno(e, "stat", key);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_NOTFOUND, "%.200s: no object", key);
	o->size = st.st_size;
	o->modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 +
	    st.st_mtim.tv_nsec / 1000000;
	snprintf(o->tag, sizeof(o->tag), "%llx-%llx-%llx-%lx",
	    (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
	    (unsigned long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return 0;
}

static void *
fs_get_open(void *state, const char *key, int64_t offset,
    struct store_object *o, struct err *e)
{
	struct reader *r;
	int fd = fs_open_beneath(state, key, O_RDONLY | O_NONBLOCK);

	if (fd == -1) {
		fs_errno(e, "open", key);
		if (errno == ENOTDIR || errno == ELOOP)
			err_recode(e, ERR_NOTFOUND);
		return NULL;
	}
	if (fs_stat_object(fd, key, o, e) == -1)
		goto bad;
	if (offset > o->size)
		offset = o->size;
	if (offset > 0 && lseek(fd, offset, SEEK_SET) == -1) {
		fs_errno(e, "seek in", key);
		goto bad;
	}
	r = xcalloc(1, sizeof(*r));
	r->fd = fd;
	r->left = o->size - offset;
	r->key = xstrdup(key);
	return r;
bad:
	close(fd);
	return NULL;
}

static ssize_t
fs_get_data(void *reader, void *data, size_t size, struct err *e)
{
	struct reader *r = reader;
	ssize_t n;

	if ((int64_t)size > r->left)
		size = (size_t)r->left;
	if ((n = fdio_read(r->fd, data, size, e)) == -1)
		return err_recode(e, ERR_STORE);
	if ((size_t)n < size)
		return err_set(e, ERR_STORE, "%.200s: it ends too early",
		    r->key);
	r->left -= n;
	return n;
}

static void
fs_get_close(void *reader)
{
	struct reader *r = reader;

	close(r->fd);
	free(r->key);
	free(r);
}

static int
fs_head(void *state, const char *key, struct store_object *o, struct err *e)
{
	int rc, fd = fs_open_beneath(state, key, O_PATH);

	if (fd == -1) {
		fs_errno(e, "stat", key);
		if (errno == ENOTDIR || errno == ELOOP)
			err_recode(e, ERR_NOTFOUND);
		return -1;
	}
	rc = fs_stat_object(fd, key, o, e);
	close(fd);
	return rc;
}

/* ---- copying ---- */

/* Another name for the object, in tmp: objects are replaced, never changed.
 * It gets the time of the copying, by which its age is told; so does the
 * object, for the two are one. */
static int
link_object(const struct fs *fs, const char *key, const char *tmp)
{
	struct store_object o;
	char *path;
	int rc = -1, fd = fs_open_beneath(fs, key, O_PATH);

	if (fd == -1)
		return -1;
	path = xasprintf("/proc/self/fd/%d", fd);
	if (fs_stat_object(fd, key, &o, NULL) == 0 &&
	    linkat(AT_FDCWD, path, fs->root, tmp, AT_SYMLINK_FOLLOW) == 0)
		rc = utimensat(fs->root, tmp, NULL, 0);
	free(path);
	close(fd);
	return rc;
}

static int
fs_copy(void *state, const char *from, const char *to, struct err *e)
{
	struct fs *fs = state;
	char id[ID_LENGTH + 1], *tmp;
	int rc;

	name_new_id(id);
	tmp = xasprintf("%s/%s", fs->area, id);
	/* links may be refused: by the file system, by their number, to whom
	 * the file does not belong; what else is wrong the other way tells */
	if (link_object(fs, from, tmp) == 0)
		rc = move_in(fs, tmp, to, true, e);
	else
		rc = store_copy_through(&store_fs, fs, from, to, e);
	/* rename(2) leaves it where both are one already */
	unlinkat(fs->root, tmp, 0);
	free(tmp);
	return rc;
}

/* ---- the rest ---- */

static int
fs_delete(void *state, const char *key, struct err *e)
{
	struct fs *fs = state;
	const char *base;
	int rc = 0, dir = fs_open_parent(fs, key, false, &base);

	if (dir == -1 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	CRASH_POINT("a delete");
	if (dir == -1 || (unlinkat(dir, base, 0) == -1 && errno != ENOENT))
		rc = fs_errno(e, "delete", key);
	else
		prune(fs, key);
	CRASH_POINT("after a delete");
	fdio_close(&dir);
	return rc;
}

/* ---- links and locks ---- */

/* From the directory of key to that of prefix: "../dist/id". */
static char *
way_to(const char *key, const char *prefix)
{
	struct buf way = BUF_INIT;

	for (; *key != '\0'; key++)
		if (*key == '/')
			buf_adds(&way, "../");
	buf_add(&way, prefix, strlen(prefix) - 1);
	return buf_take(&way);
}

/* Made aside and renamed: there is no moment without one. */
static int
put_link(struct fs *fs, int dir, const char *base, const char *target)
{
	char id[ID_LENGTH + 1], *tmp;
	int rc;

	name_new_id(id);
	tmp = xasprintf("%s/%s", fs->area, id);
	rc = symlinkat(target, fs->root, tmp);
	CRASH_POINT("before a link's place");
	if (rc == 0 && (rc = renameat(fs->root, tmp, dir, base)) == -1)
		unlinkat(fs->root, tmp, 0);
	free(tmp);
	return rc;
}

static int
fs_link(void *state, const char *key, const char *prefix, struct err *e)
{
	struct fs *fs = state;
	const char *base;
	char *target;
	int rc = 0, dir;

	if (prefix == NULL)
		return fs_delete(fs, key, e);
	target = way_to(key, prefix);
	dir = fs_open_parent(fs, key, true, &base);
	if (dir == -1 || put_link(fs, dir, base, target) == -1) {
		rc = fs_errno(e, "link", key);
		err_recode(e, ERR_STORE);
	}
	fdio_close(&dir);
	free(target);
	return rc;
}

static int
fs_lock(void *state, int *held, struct err *e)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int rc, fd = fs_open_beneath(state, LOCK, O_RDWR | O_CREAT);

	do
		rc = fd == -1 ? -1 : fcntl(fd, F_OFD_SETLKW, &l);
	while (rc == -1 && errno == EINTR);
	if (rc == 0) {
		*held = fd;
		return 0;
	}
	fs_errno(e, "lock", LOCK);
	fdio_close(&fd);
	return err_recode(e, ERR_STORE);
}

const struct store_driver store_fs = {
	.name = "dir",
	.open = fs_open,
	.free = fs_free,
	.put_open = fs_put_open,
	.put_data = fs_put_data,
	.put_commit = fs_put_commit,
	.put_abort = fs_put_abort,
	.sync = fs_sync,
	.get_open = fs_get_open,
	.get_data = fs_get_data,
	.get_close = fs_get_close,
	.head = fs_head,
	.copy = fs_copy,
	.delete = fs_delete,
	.delete_all = fs_delete_all,
	.list = fs_list,
	.list_names = fs_list_names,
	.enter = fs_enter,
	.revoke = fs_revoke,
	.sweep = fs_sweep,
	.link = fs_link,
	.lock = fs_lock,
};
