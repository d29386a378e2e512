#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_MAX_BYTES ((size_t)64 << 20)
#define READ_CHUNK_BYTES  ((size_t)64 << 10)
#define MAX_LINKS	  40

struct descriptor {
	int fd;
};

static void descriptor_release(struct descriptor *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}
DEFINE_AUTO_RELEASE(descriptor);

static bool is_regular(int fd, const char *name, struct stat *ret_status, struct error *err)
{
	if (fstat(fd, ret_status) < 0)
		return error_errno(err, "%s", name);
	if (S_ISREG(ret_status->st_mode))
		return true;
	return error_set(err, ERR_INVALID, "%s: is %s, not a regular file", name,
			 S_ISDIR(ret_status->st_mode)	 ? "a folder"
			 : S_ISFIFO(ret_status->st_mode) ? "a named pipe"
			 : S_ISSOCK(ret_status->st_mode) ? "a socket"
							 : "a device");
}

static bool too_large(const char *name, size_t max_bytes, struct error *err)
{
	return error_set(err, ERR_LIMIT, "%s: larger than the %zu bytes allowed", name, max_bytes);
}

static bool read_all(int fd, const char *name, size_t max_bytes, struct buf *ret, struct error *err)
{
	AUTO_FREE char *chunk = xmalloc(READ_CHUNK_BYTES);

	for (;;) {
		ssize_t n = read(fd, chunk, READ_CHUNK_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "%s", name);
		if (n == 0)
			return true;
		if (ret->len + (size_t)n > max_bytes)
			return too_large(name, max_bytes, err);
		buf_add(ret, chunk, (size_t)n);
	}
}

bool file_read_fd(int fd, const char *name, size_t max_bytes, struct buf *ret, struct error *err)
{
	struct stat status;

	if (!max_bytes)
		max_bytes = DEFAULT_MAX_BYTES;
	if (ret->max && ret->max < max_bytes)
		max_bytes = ret->max;
	buf_reset(ret);
	if (!is_regular(fd, name, &status, err))
		return false;
	/* st_size is only a hint (files of /proc say 0), but it spares reading what is too large anyway. */
	if (status.st_size > 0 && (size_t)status.st_size > max_bytes)
		return too_large(name, max_bytes, err);
	return read_all(fd, name, max_bytes, ret, err);
}

bool file_read(const char *path, size_t max_bytes, struct buf *ret, struct error *err)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. It changes nothing for regular files. */
	AUTO_RELEASE(descriptor) d = { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) };

	if (d.fd < 0)
		return error_errno(err, "%s", path);
	return file_read_fd(d.fd, path, max_bytes, ret, err);
}

bool file_read_below(const char *root, const char *path, size_t max_bytes, struct buf *ret, struct error *err)
{
	AUTO_RELEASE(descriptor) d = { file_open_below(root, path, err) };

	if (d.fd < 0)
		return false;
	return file_read_fd(d.fd, path, max_bytes, ret, err);
}

static int leaves_root(const char *path, const char *root, struct error *err)
{
	error_set(err, ERR_DENIED, "%s: path leaves the project root %s", path, root);
	return -1;
}

/*
 * The walk for kernels (or sandboxes) without openat2: one component at a time, links read and walked by ourselves, a
 * stack of descriptors so that ".." goes back where we came from and never above the root.
 */
struct walk {
	int *stack;
	size_t len, cap;
	struct buf rest; /* components still to walk */
	unsigned links;
};

static void walk_release(struct walk *walk)
{
	for (size_t i = 0; i < walk->len; i++)
		close(walk->stack[i]);
	free(walk->stack);
	buf_release(&walk->rest);
	*walk = (struct walk){ 0 };
}
DEFINE_AUTO_RELEASE(walk);

static void walk_replace_head(struct walk *walk, const char *target, struct str tail)
{
	struct buf rest = BUF_INIT(0);

	buf_adds(&rest, target);
	if (tail.len) {
		buf_addc(&rest, '/');
		buf_add_str(&rest, tail);
	}
	buf_release(&walk->rest);
	walk->rest = rest;
}

/* 1: go on, 0: *ret_fd is the file, -1: errno says why (EXDEV: out of the root). */
static int walk_step(struct walk *walk, int *ret_fd)
{
	struct str rest = buf_str(&walk->rest), head;
	char target[4096];

	while (rest.len && rest.p[0] == '/')
		rest = (struct str){ rest.p + 1, rest.len - 1 };
	if (!str_cut(&rest, '/', &head)) {
		head = rest;
		rest = (struct str){ rest.p + rest.len, 0 };
	}
	AUTO_FREE char *name = str_dup(head);

	if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) {
		if (!strcmp(name, "..")) {
			if (walk->len == 1)
				return errno = EXDEV, -1;
			close(walk->stack[--walk->len]);
		}
		buf_consume(&walk->rest, walk->rest.len - rest.len);
		if (rest.len)
			return 1;
		*ret_fd = openat(walk->stack[walk->len - 1], ".", O_RDONLY | O_CLOEXEC);
		return *ret_fd < 0 ? -1 : 0;
	}
	ssize_t n = readlinkat(walk->stack[walk->len - 1], name, target, sizeof target - 1);

	if (n >= 0) {
		target[n] = '\0';
		if (target[0] == '/')
			return errno = EXDEV, -1;
		if (++walk->links > MAX_LINKS)
			return errno = ELOOP, -1;
		AUTO_FREE char *tail = str_dup(rest);

		walk_replace_head(walk, target, str_of(tail));
		return 1;
	}
	int fd = openat(walk->stack[walk->len - 1], name,
			O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | (rest.len ? O_DIRECTORY : 0));

	if (fd < 0)
		return -1;
	buf_consume(&walk->rest, walk->rest.len - rest.len);
	if (!rest.len) {
		*ret_fd = fd;
		return 0;
	}
	LIST_PUSH(walk->stack, walk->len, walk->cap) = fd;
	return 1;
}

static int open_by_walk(int root_fd, const char *path)
{
	AUTO_RELEASE(walk) walk = { 0 };
	int start = fcntl(root_fd, F_DUPFD_CLOEXEC, 3), fd = -1, step;

	if (start < 0)
		return -1;
	LIST_PUSH(walk.stack, walk.len, walk.cap) = start;
	buf_adds(&walk.rest, path);
	while ((step = walk_step(&walk, &fd)) == 1)
		;
	return step == 0 ? fd : -1;
}

static int open_beneath(int root_fd, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };

	for (int tries = 0; tries < 8; tries++) {
		int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);

		if (fd >= 0 || errno != EAGAIN) /* EAGAIN: something was renamed meanwhile */
			return fd;
	}
	return -1;
}

int file_open_below(const char *root, const char *path, struct error *err)
{
	if (!path[0]) {
		error_set(err, ERR_INVALID, "empty path");
		return -1;
	}
	if (path[0] == '/')
		return leaves_root(path, root, err);
	AUTO_RELEASE(descriptor) d = { open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) };

	if (d.fd < 0) {
		error_errno(err, "%s", root);
		return -1;
	}
	int fd = getenv("SLOTDECK_TEST_NO_OPENAT2") ? (errno = ENOSYS, -1) : open_beneath(d.fd, path);

	if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL || errno == E2BIG))
		fd = open_by_walk(d.fd, path);
	if (fd < 0 && errno == EXDEV)
		return leaves_root(path, root, err);
	if (fd < 0)
		error_errno(err, "%s", path);
	return fd;
}

static bool write_all(int fd, struct str bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = (struct str){ bytes.p + n, bytes.len - (size_t)n };
	}
	return true;
}

static void sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Some file systems cannot sync a folder; the data itself is safe already. */
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

bool file_write_atomic(const char *path, struct str bytes, mode_t mode, struct error *err)
{
	AUTO_FREE char *real = realpath(path, NULL);
	const char *target = real ? real : path;
	AUTO_FREE char *folder = path_folder(target);
	AUTO_FREE char *temporary = xasprintf("%s.XXXXXX", target);
	int fd = mkostemp(temporary, O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "%s", path);
	bool ok = write_all(fd, bytes) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
	int code = errno;

	if (close(fd) < 0 && ok) {
		ok = false;
		code = errno;
	}
	if (ok && rename(temporary, target) < 0) {
		ok = false;
		code = errno;
	}
	if (!ok) {
		(void)unlink(temporary);
		errno = code;
		return error_errno(err, "%s", path);
	}
	sync_folder(folder);
	return true;
}

bool file_make_folders(const char *path, mode_t mode, struct error *err)
{
	AUTO_FREE char *clean = path_clean(path);
	struct stat status;

	for (char *at = clean + 1;; at++) {
		char kept = *at;

		if (kept != '/' && kept != '\0')
			continue;
		*at = '\0';
		if (mkdir(clean, mode) < 0 && (errno != EEXIST || stat(clean, &status) < 0))
			return error_errno(err, "%s", clean);
		*at = kept;
		if (!kept)
			break;
	}
	if (stat(clean, &status) == 0 && !S_ISDIR(status.st_mode))
		return error_set(err, ERR_INVALID, "%s: is not a folder", path);
	return true;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Drops the last component of what was written to out; false when there is none to drop. */
static bool drop_last(struct buf *out, size_t floor)
{
	if (out->len <= floor)
		return false;
	size_t at = out->len;

	while (at > floor && out->p[at - 1] != '/')
		at--;
	if (str_is((struct str){ out->p + at, out->len - at }, ".."))
		return false;
	buf_truncate(out, at > floor ? at - 1 : floor);
	return true;
}

char *path_clean(const char *path)
{
	bool rooted = path[0] == '/';
	struct buf out = BUF_INIT(0);
	struct str rest = str_of(path), part;

	if (rooted)
		buf_addc(&out, '/');
	while (rest.len) {
		if (!str_cut(&rest, '/', &part)) {
			part = rest;
			rest.len = 0;
		}
		if (!part.len || str_is(part, "."))
			continue;
		if (str_is(part, "..") && (drop_last(&out, rooted ? 1 : 0) || rooted))
			continue;
		if (out.len > (rooted ? 1u : 0u))
			buf_addc(&out, '/');
		buf_add_str(&out, part);
	}
	if (!out.len)
		buf_addc(&out, '.');
	return buf_give(&out);
}

char *path_join(const char *folder, const char *path)
{
	if (path[0] == '/' || !folder[0])
		return path_clean(path);
	AUTO_FREE char *both = xasprintf("%s/%s", folder, path);

	return path_clean(both);
}

char *path_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	AUTO_FREE char *folder = xmemdup0(path, (size_t)(slash - path) + 1);

	return path_clean(folder);
}
