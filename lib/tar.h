/*
 * Tar streams by libarchive, which no other file includes.  Reading is for
 * hostile input: every path is checked, and bounds hold before a byte of an
 * entry is given out.
 */
#ifndef DAVIT_LIB_TAR_H
#define DAVIT_LIB_TAR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum tar_type { TAR_FILE, TAR_DIRECTORY, TAR_SYMLINK };

struct tar_entry {
	const char *path;	/* relative, checked by name_is_path(); no
				   leading "./", no trailing "/" */
	const char *target;	/* of a symlink, else NULL */
	enum tar_type type;
	int64_t size;		/* of a file's contents, in bytes */
	bool executable;
};

struct tar_bounds {
	int64_t bytes;		/* of all files */
	int64_t file_bytes;	/* of one; 0: as bytes */
	int64_t files;		/* entries of any kind */
};

/* ---- writing ---- */

struct tar_writer;

/* Gives the stream's bytes on; -1 with *e set stops the writer. */
typedef int tar_sink(void *arg, const void *data, size_t len, struct err *);

/* pax tar without owner names, uid = gid = 1000, mtime 0: the same entries
 * give the same bytes.  Free with tar_writer_free(). */
struct tar_writer *tar_writer_new(tar_sink *, void *arg, struct err *);
int tar_writer_entry(struct tar_writer *, const struct tar_entry *,
    struct err *);
int tar_writer_data(struct tar_writer *, const void *, size_t, struct err *);
int tar_writer_close(struct tar_writer *, struct err *);
void tar_writer_free(struct tar_writer *);

/* ---- reading ---- */

struct tar_reader;

/* Bytes of the stream: the count, 0 at its end, -1 with *e set. */
typedef ssize_t tar_source(void *arg, void *buf, size_t size, struct err *);

/* Plain, gzip, bzip2, xz or zstd, as found.  Free with tar_reader_free(). */
struct tar_reader *tar_reader_new(tar_source *, void *arg,
    const struct tar_bounds *, struct err *);

/* 1 with the next entry (borrowed until the next call), 0 at the end, -1:
 * ERR_INVALID for what is no tar or ends early, ERR_TOOBIG over a bound,
 * ERR_DENIED for an unsafe entry (path, device, fifo, escaping link), or what
 * the source said.  Hard links inside the archive are refused like devices.
 */
int tar_reader_next(struct tar_reader *, struct tar_entry *, struct err *);

/* Contents of the entry: the count, 0 at its end, -1. */
ssize_t tar_reader_data(struct tar_reader *, void *, size_t, struct err *);
void tar_reader_free(struct tar_reader *);

/* True if a symlink at path that points to target stays inside the tree. */
bool tar_link_is_inside(const char *path, const char *target);

/* ---- compression of a stream as it passes ---- */

struct tar_zstd;

/* zstd, level 1: 500 MB/s and within a fifth of the best size. */
struct tar_zstd *tar_zstd_new(tar_sink *, void *arg, struct err *);
int tar_zstd_add(struct tar_zstd *, const void *, size_t, struct err *);
int tar_zstd_close(struct tar_zstd *, struct err *);
void tar_zstd_free(struct tar_zstd *);

#endif
