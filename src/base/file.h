/*
 * file: reading and writing small files without surprises.
 *
 * Errors name the path as the user would: ERR_NOT_FOUND, ERR_DENIED, ERR_LIMIT, ERR_INVALID (no regular file), ERR_IO.
 * Any thread.
 */
#ifndef SLOTDECK_BASE_FILE_H
#define SLOTDECK_BASE_FILE_H

#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

/*
 * Reads a regular file whole into ret, which is emptied first (its own max counts too). A FIFO, device or directory is
 * refused without blocking. max_bytes 0: 64 MiB.
 */
bool file_read(const char *path, size_t max_bytes, struct buf *ret, struct error *err);
/* The same for path below root, see file_open_below(). */
bool file_read_below(const char *root, const char *path, size_t max_bytes, struct buf *ret, struct error *err);

/*
 * Opens path for reading such that neither "..", an absolute path nor a symbolic link leads out of root (links that
 * stay inside are followed). Leaving is ERR_DENIED "path leaves the project root". The descriptor is the caller's; -1
 * on failure.
 */
int file_open_below(const char *root, const char *path, struct error *err);
/* Reads what is left of a descriptor of a regular file; name is for errors. */
bool file_read_fd(int fd, const char *name, size_t max_bytes, struct buf *ret, struct error *err);

/*
 * Replaces path by bytes, whole or not at all: temporary file beside it, fsync, rename, fsync of the folder. On failure
 * (disk full) the old file is as it was and the temporary is gone. A symbolic link at path is followed, its target
 * replaced.
 */
bool file_write_atomic(const char *path, struct str bytes, mode_t mode, struct error *err);
/* mkdir -p. Existing folders keep their mode. */
bool file_make_folders(const char *path, mode_t mode, struct error *err);
bool file_exists(const char *path);

/* Lexical helpers. "a/b" + "../c" gives "a/c"; an absolute second part stands alone. Both give. */
char *path_join(const char *folder, const char *path);
char *path_clean(const char *path);  /* as Go's filepath.Clean */
char *path_folder(const char *path); /* as Go's filepath.Dir */

#endif
