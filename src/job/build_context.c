#include "job/build_context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "job/build_ignore.h"

#define BLOCK	       512
#define NAME_BYTES     100
#define DOCKERFILE_MAX ((size_t)1 << 20)
#define DEPTH_MAX      200

enum entry_type { ENTRY_FILE = '0', ENTRY_LINK = '2', ENTRY_FOLDER = '5' };

struct entry {
	enum entry_type type;
	char *name; /* in the archive */
	char *path; /* of a file: below the folder; NULL: its bytes are text */
	char *link;
	struct str text;
	unsigned mode;
	int64_t size_bytes, mtime_s;
};

struct build_context {
	char *folder;
	struct build_ignore *ignore;
	struct buf dockerfile, own_ignore;
	struct entry *entries;
	size_t n, cap, files;
	int64_t size_bytes;
	const struct cancel *cancel; /* while it looks */
	/* how far it is read */
	size_t at;
	int fd; /* of the entry before `at` */
	int64_t left_bytes;
	bool ended;
};

/* ---- headers ---- */

static int64_t padded(int64_t bytes)
{
	return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static int64_t long_bytes(const char *text)
{
	size_t len = text ? strlen(text) : 0;

	return len > NAME_BYTES ? BLOCK + padded((int64_t)len + 1) : 0;
}

static int64_t entry_bytes(const struct entry *e)
{
	return long_bytes(e->name) + long_bytes(e->link) + BLOCK + padded(e->size_bytes);
}

static void put_octal(char *field, size_t size, int64_t value)
{
	int64_t most = (int64_t)1 << (3 * (size - 1));

	if (value >= 0 && value < most) {
		snprintf(field, size, "%0*llo", (int)size - 1, (long long)value);
		return;
	}
	for (size_t i = size; i > 0; i--, value >>= 8) /* GNU: base 256, the first bit says so */
		field[i - 1] = (char)(value & 0xff);
	field[0] |= (char)0x80;
}

static void put_sum(char *header)
{
	unsigned sum = 0;

	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	header[155] = ' ';
}

static void add_header(struct buf *out, const struct entry *e)
{
	char header[BLOCK] = { 0 };

	memcpy(header, e->name, strnlen(e->name, NAME_BYTES));
	put_octal(header + 100, 8, e->mode);
	put_octal(header + 108, 8, 0);
	put_octal(header + 116, 8, 0);
	put_octal(header + 124, 12, e->size_bytes);
	put_octal(header + 136, 12, e->mtime_s);
	header[156] = (char)e->type;
	if (e->link)
		memcpy(header + 157, e->link, strnlen(e->link, NAME_BYTES));
	memcpy(header + 257, "ustar  ", 8);
	put_sum(header);
	buf_add(out, header, BLOCK);
}

static void pad(struct buf *out, int64_t bytes)
{
	buf_add_repeat(out, '\0', (size_t)(padded(bytes) - bytes));
}

/* kind: 'L' for names, 'K' for what links lead to. */
static void add_long(struct buf *out, const char *text, char kind)
{
	if (!long_bytes(text))
		return;
	add_header(out, &(struct entry){ .type = (enum entry_type)kind, .name = "././@LongLink", .size_bytes = (int64_t)strlen(text) + 1 });
	buf_add(out, text, strlen(text) + 1);
	pad(out, (int64_t)strlen(text) + 1);
}

/* ---- looking ---- */

static bool push(struct build_context *c, struct entry entry, struct error *err)
{
	LIST_PUSH(c->entries, c->n, c->cap) = entry;
	c->size_bytes += entry_bytes(&entry);
	return c->n <= BUILD_CONTEXT_FILES_MAX || error_set(err, ERR_LIMIT, "the build context %s has more than %d files; leave some out by a .dockerignore",
							    c->folder, BUILD_CONTEXT_FILES_MAX);
}

static bool read_link(struct entry *e, int folder, const char *name, struct error *err)
{
	char target[4096];
	ssize_t n = readlinkat(folder, name, target, sizeof target);

	if (n < 0)
		return error_errno(err, "read the link %s", e->name);
	e->link = xmemdup0(target, (size_t)n);
	return true;
}

static bool look_into(struct build_context *c, int fd, const char *path, unsigned depth, struct error *err);

static bool look_into_folder(struct build_context *c, int parent, const char *name, const char *path, unsigned depth, struct error *err)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "open the folder %s/%s", c->folder, path);
	return look_into(c, fd, path, depth + 1, err);
}

static bool look_at(struct build_context *c, int folder, const char *name, const char *path, unsigned depth, struct error *err)
{
	bool ignored = build_ignore_matches(c->ignore, str_of(path));
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT || error_errno(err, "look at %s/%s", c->folder, path);
	bool is_folder = S_ISDIR(st.st_mode);

	if (ignored && !(is_folder && build_ignore_has_exceptions(c->ignore)))
		return true;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode) && !is_folder)
		return true;
	struct entry e = { .type = is_folder ? ENTRY_FOLDER : S_ISLNK(st.st_mode) ? ENTRY_LINK : ENTRY_FILE,
			   .name = xasprintf("context/%s%s", path, is_folder ? "/" : ""),
			   .mode = st.st_mode & 07777,
			   .mtime_s = st.st_mtime };
	size_t at = c->n;

	if (e.type == ENTRY_FILE) {
		e.path = xstrdup(path);
		e.size_bytes = st.st_size;
	}
	c->files += !is_folder;
	bool good = e.type != ENTRY_LINK || read_link(&e, folder, name, err);

	if (!push(c, e, err) || !good)
		return false;
	if (!is_folder)
		return true;
	if (!look_into_folder(c, folder, name, path, depth, err))
		return false;
	if (ignored && c->n == at + 1) { /* nothing in it was taken back in */
		c->n--;
		c->size_bytes -= entry_bytes(&e);
		free(e.name);
	}
	return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Takes fd. */
static bool look_into(struct build_context *c, int fd, const char *path, unsigned depth, struct error *err)
{
	struct dirent **names = NULL;
	int n = depth > DEPTH_MAX ? 0 : scandirat(fd, ".", &names, NULL, by_name);
	bool good = n >= 0 || error_errno(err, "read the folder %s/%s", c->folder, path);

	if (depth > DEPTH_MAX)
		good = error_set(err, ERR_LIMIT, "the build context %s has folders more than %d deep", c->folder, DEPTH_MAX);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		AUTO_FREE char *below = *path ? xasprintf("%s/%s", path, name) : xstrdup(name);

		good = good && cancel_check(c->cancel, err) &&
		       (!strcmp(name, ".") || !strcmp(name, "..") || look_at(c, fd, name, below, depth, err));
		free(names[i]);
	}
	free(names);
	close(fd);
	return good;
}

static bool read_if_there(const char *path, struct buf *ret, bool *ret_there, struct error *err)
{
	*ret_there = file_exists(path);
	return !*ret_there || file_read(path, DOCKERFILE_MAX, ret, err);
}

static bool read_ignore(struct build_context *c, const char *dockerfile, bool *ret_own, struct error *err)
{
	AUTO_FREE char *own = xasprintf("%s.dockerignore", dockerfile), *common = path_join(c->folder, ".dockerignore");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	bool there;

	if (!read_if_there(own, &c->own_ignore, ret_own, err))
		return false;
	if (!*ret_own && !read_if_there(common, &text, &there, err))
		return false;
	return build_ignore_parse(*ret_own ? buf_str(&c->own_ignore) : buf_str(&text), &c->ignore, err) || error_wrap(err, "%s", *ret_own ? own : common);
}

static struct entry text_entry(const char *name, struct str text)
{
	return (struct entry){ .type = ENTRY_FILE, .name = xstrdup(name), .mode = 0644, .text = text, .size_bytes = (int64_t)text.len };
}

static bool look(struct build_context *c, const char *dockerfile, struct error *err)
{
	bool own = false;
	int fd;

	if (!file_read(dockerfile, DOCKERFILE_MAX, &c->dockerfile, err) || !read_ignore(c, dockerfile, &own, err))
		return false;
	fd = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "open the build context %s", c->folder);
	if (!push(c, (struct entry){ .type = ENTRY_FOLDER, .name = xstrdup("context/"), .mode = 0755 }, err) || !look_into(c, fd, "", 0, err))
		return false;
	return push(c, text_entry("Dockerfile", buf_str(&c->dockerfile)), err) &&
	       (!own || push(c, text_entry("Dockerfile.dockerignore", buf_str(&c->own_ignore)), err)) && push(c, text_entry("whole", (struct str){ 0 }), err);
}

bool build_context_open(const char *folder, const char *dockerfile, const struct cancel *cancel, struct build_context **ret, struct error *err)
{
	AUTO(build_context) c = xcalloc(1, sizeof *c);

	c->folder = xstrdup(folder);
	c->fd = -1;
	c->cancel = cancel;
	c->size_bytes = 2 * BLOCK;
	if (!look(c, dockerfile, err))
		return false;
	c->cancel = NULL;
	*ret = GIVE(c);
	return true;
}

/* ---- reading ---- */

static void close_file(struct build_context *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->left_bytes = 0;
}

static bool has_changed(const struct build_context *c, const struct entry *e, struct error *err)
{
	return error_set(err, ERR_IO, "%s/%s changed while it was read; build again", c->folder, e->path);
}

static bool open_file(struct build_context *c, const struct entry *e, struct error *err)
{
	struct stat st;

	c->fd = file_open_below(c->folder, e->path, err);
	if (c->fd < 0)
		return false;
	if (fstat(c->fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != e->size_bytes)
		return has_changed(c, e, err);
	c->left_bytes = e->size_bytes;
	return true;
}

static bool begin_entry(struct build_context *c, struct buf *out, struct error *err)
{
	const struct entry *e = &c->entries[c->at++];

	close_file(c);
	add_long(out, e->link, 'K');
	add_long(out, e->name, 'L');
	add_header(out, e);
	buf_add_str(out, e->text);
	pad(out, (int64_t)e->text.len);
	return !e->path || !e->size_bytes || open_file(c, e, err);
}

static bool go_on(struct build_context *c, size_t wanted, struct buf *out, struct error *err)
{
	const struct entry *e = &c->entries[c->at - 1];
	char bytes[65536];
	size_t want = (int64_t)wanted < c->left_bytes ? wanted : (size_t)c->left_bytes;
	ssize_t n = read(c->fd, bytes, want < sizeof bytes ? want : sizeof bytes);

	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0)
		return error_errno(err, "read %s/%s", c->folder, e->path);
	if (n == 0)
		return has_changed(c, e, err);
	buf_add(out, bytes, (size_t)n);
	c->left_bytes -= n;
	if (!c->left_bytes)
		pad(out, e->size_bytes);
	return true;
}

bool build_context_read(struct build_context *c, size_t wanted_bytes, struct buf *out, struct error *err)
{
	size_t until = out->len + wanted_bytes;

	while (out->len < until && !c->ended) {
		if (c->left_bytes ? !go_on(c, until - out->len, out, err) : c->at < c->n && !begin_entry(c, out, err))
			return false;
		if (!c->left_bytes && c->at == c->n) {
			buf_add_repeat(out, '\0', 2 * BLOCK);
			c->ended = true;
		}
	}
	return true;
}

void build_context_rewind(struct build_context *c)
{
	close_file(c);
	c->at = 0;
	c->ended = false;
}

/* ---- the rest ---- */

size_t build_context_files(const struct build_context *c)
{
	return c->files;
}

int64_t build_context_size_bytes(const struct build_context *c)
{
	return c->size_bytes;
}

struct str build_context_dockerfile(const struct build_context *c)
{
	return buf_str(&c->dockerfile);
}

void build_context_destroy(struct build_context *c)
{
	if (!c)
		return;
	close_file(c);
	for (size_t i = 0; i < c->n; i++) {
		free(c->entries[i].name);
		free(c->entries[i].path);
		free(c->entries[i].link);
	}
	free(c->entries);
	build_ignore_destroy(c->ignore);
	buf_release(&c->dockerfile);
	buf_release(&c->own_ignore);
	free(c->folder);
	free(c);
}
