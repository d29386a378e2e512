#include "base/state_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define LOOK_MS	 2 /* between two tries for a lock */
#define NAME_MAX_CHARS 60 /* of each word of a name */

/* ---- names ---- */

char *state_folder(struct error *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	AUTO_FREE char *folder = NULL;

	if (state && *state == '/')
		folder = xasprintf("%s/slotdeck", state);
	else if (home && *home == '/')
		folder = xasprintf("%s/.local/state/slotdeck", home);
	else
		error_set(err, ERR_NOT_FOUND, "neither XDG_STATE_HOME nor HOME names a folder: nothing can be kept");
	if (folder && !file_make_folders(folder, 0700, err))
		return NULL;
	return GIVE(folder);
}

/* FNV-1a; the end of each word counts too. */
static uint32_t add_to_hash(uint32_t hash, const char *word)
{
	for (const char *c = word;; c++) {
		hash = (hash ^ (unsigned char)*c) * 16777619u;
		if (!*c)
			return hash;
	}
}

char *state_path(const char *folder, const char *const *words, struct error *err)
{
	AUTO_FREE char *state = state_folder(err), *whole = NULL;
	AUTO_RELEASE(buf) name = BUF_INIT(0);
	uint32_t hash = 2166136261u;

	if (!state)
		return NULL;
	whole = xasprintf("%s/%s", state, folder);
	if (!file_make_folders(whole, 0700, err))
		return NULL;
	for (size_t i = 0; words[i]; i++) {
		for (const char *c = words[i]; *c && c < words[i] + NAME_MAX_CHARS; c++)
			buf_addc(&name, isalnum((unsigned char)*c) || *c == '.' || *c == '_' ? *c : '-');
		buf_addc(&name, '-');
		hash = add_to_hash(hash, words[i]);
	}
	return xasprintf("%s/%s%08x.txt", whole, buf_cstr(&name), hash);
}

/* ---- removing ---- */

struct old_file {
	char *path;
	int64_t written_s;
};

static int newest_first(const void *a, const void *b)
{
	int64_t x = ((const struct old_file *)a)->written_s, y = ((const struct old_file *)b)->written_s;

	return (x < y) - (x > y);
}

static bool is_ours(const char *name)
{
	return str_ends(str_of(name), STR(".txt")) || str_ends(str_of(name), STR(".txt.damaged"));
}

/* Whoever waits for its lock meanwhile finds it gone, and makes a new one. */
static void remove_unless_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlink(path);
	close(fd);
}

void state_folder_trim(const char *folder, int64_t max_age_s, size_t max_files)
{
	int64_t oldest_s = clock_wall_ms(NULL) / 1000 - max_age_s;
	struct old_file *files = NULL;
	size_t n = 0, cap = 0;
	DIR *dir = opendir(folder);
	struct stat info;

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		AUTO_FREE char *path = xasprintf("%s/%s", folder, entry->d_name);

		if (is_ours(entry->d_name) && lstat(path, &info) == 0 && S_ISREG(info.st_mode))
			LIST_PUSH(files, n, cap) = (struct old_file){ GIVE(path), info.st_mtim.tv_sec };
	}
	if (dir)
		closedir(dir);
	if (n)
		qsort(files, n, sizeof *files, newest_first);
	for (size_t i = 0; i < n; i++) {
		if (i >= max_files || files[i].written_s < oldest_s)
			remove_unless_open(files[i].path);
		free(files[i].path);
	}
	free(files);
}

/* ---- opening ---- */

static int open_locked(const char *path, int64_t due_ms)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if ((errno == EWOULDBLOCK || errno == EINTR) && clock_now_ms(NULL) < due_ms) {
			usleep(LOOK_MS * 1000);
			continue;
		}
		int code = errno;

		close(fd);
		errno = code;
		return -1;
	}
	return fd;
}

/* Another program may have replaced the file while we waited for its lock. */
static bool is_still_there(int fd, const char *path, struct stat *ret)
{
	struct stat there;

	return fstat(fd, ret) == 0 && stat(path, &there) == 0 && there.st_ino == ret->st_ino && there.st_dev == ret->st_dev;
}

bool state_file_open(const char *path, unsigned patience_ms, struct state_file *ret, struct error *err)
{
	int64_t due_ms = clock_now_ms(NULL) + patience_ms;
	struct stat info;
	int fd;

	while ((fd = open_locked(path, due_ms)) >= 0 && !is_still_there(fd, path, &info))
		close(fd);
	if (fd < 0 && errno == EWOULDBLOCK)
		return error_set(err, ERR_CONFLICT, "%s: another program has it just now", path);
	if (fd < 0)
		return error_errno(err, "open %s", path);
	*ret = (struct state_file){ .fd = fd, .path = xstrdup(path), .size = (size_t)info.st_size };
	if (S_ISREG(info.st_mode))
		return true;
	state_file_release(ret);
	return error_set(err, ERR_INVALID, "%s is no regular file", path);
}

void state_file_release(struct state_file *file)
{
	if (file->path)
		close(file->fd);
	free(file->path);
	*file = (struct state_file){ 0 };
}

/* ---- as it was ---- */

static struct state_mark mark_of(const struct stat *info)
{
	return (struct state_mark){ .inode = info->st_ino,
				    .size = (uint64_t)info->st_size,
				    .written_ns = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec };
}

void state_file_mark(const struct state_file *file, struct state_mark *ret)
{
	struct stat info = { 0 };

	*ret = fstat(file->fd, &info) == 0 ? mark_of(&info) : (struct state_mark){ 0 };
}

void state_mark_of(const char *path, struct state_mark *ret)
{
	struct stat info = { 0 };

	*ret = stat(path, &info) == 0 ? mark_of(&info) : (struct state_mark){ 0 };
}

bool state_mark_eq(const struct state_mark *a, const struct state_mark *b)
{
	return a->inode == b->inode && a->size == b->size && a->written_ns == b->written_ns;
}

bool state_file_is(const struct state_file *file, const struct state_mark *mark)
{
	struct state_mark now;

	state_file_mark(file, &now);
	return state_mark_eq(&now, mark);
}

/* ---- contents ---- */

bool state_file_read(struct state_file *file, size_t max_bytes, struct buf *ret, struct error *err)
{
	char bytes[16384];
	ssize_t n;

	buf_reset(ret);
	if (file->size > max_bytes)
		return error_set(err, ERR_LIMIT, "%s has more than %zu bytes", file->path, max_bytes);
	while (ret->len < file->size && (n = pread(file->fd, bytes, sizeof bytes, (off_t)ret->len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "read %s", file->path);
		buf_add(ret, bytes, (size_t)n);
	}
	return true;
}

bool state_file_append(struct state_file *file, struct str lines, struct error *err)
{
	ssize_t n = write(file->fd, lines.p, lines.len);

	if (n == (ssize_t)lines.len) {
		file->size += lines.len;
		return true;
	}
	if (n >= 0)
		errno = ENOSPC;
	error_errno(err, "write %s", file->path);
	(void)!ftruncate(file->fd, (off_t)file->size);
	return false;
}

bool state_file_replace(struct state_file *file, struct str text, struct error *err)
{
	return file_write_atomic(file->path, text, 0600, err);
}

bool state_file_set_aside(struct state_file *file, struct error *err)
{
	AUTO_FREE char *aside = xasprintf("%s.damaged", file->path);

	return rename(file->path, aside) == 0 || error_errno(err, "rename %s", file->path);
}
