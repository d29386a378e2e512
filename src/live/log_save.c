#include "live/log_save.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/utc.h"

#define CHUNK_BYTES 65536

struct log_save {
	enum logs_save_state state;
	char *text;
	/* Of the thread, from its start until done is set. */
	pthread_t thread;
	struct log_snapshot *snapshot;
	char **names;
	size_t nnames;
	char *path;
	int fd;
	struct buf chunk;
	uint64_t nlines;
	struct error err;
	_Atomic bool done, stop;
};

struct log_save *log_save_create(void)
{
	return xcalloc(1, sizeof(struct log_save));
}

/* ---- the thread ---- */

static bool flush(struct log_save *save)
{
	const char *at = save->chunk.p;
	size_t left = save->chunk.len;

	while (left) {
		ssize_t n = write(save->fd, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_errno(&save->err, "%s", save->path);
		at += n;
		left -= (size_t)n;
	}
	buf_reset(&save->chunk);
	return true;
}

static void add_time(struct buf *out, int64_t ns)
{
	char text[UTC_TEXT_MAX];

	utc_format(ns / 1000, text);
	buf_add(out, text, strlen(text) - 1);
	buf_addf(out, ".%09" PRId64 "Z ", ns % 1000000000);
}

static bool write_line(const struct log_line *line, void *arg)
{
	struct log_save *save = arg;

	add_time(&save->chunk, line->time_ns);
	buf_addf(&save->chunk, "%s ", line->source < save->nnames ? save->names[line->source] : "-");
	if (line->kind != LOG_LINE)
		buf_adds(&save->chunk, "------ ");
	buf_add_plain(&save->chunk, line->text);
	if (line->more_bytes)
		buf_addf(&save->chunk, " (%" PRIu32 " more bytes)", line->more_bytes);
	buf_addc(&save->chunk, '\n');
	save->nlines += line->kind == LOG_LINE;
	if (atomic_load(&save->stop))
		return error_set(&save->err, ERR_CANCELLED, "cancelled");
	return save->chunk.len < CHUNK_BYTES || flush(save);
}

/* The name must be new: renaming must not replace anything. Where the file system cannot promise that, a link does. */
static bool give_name(struct log_save *save, const char *temporary)
{
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, save->path, RENAME_NOREPLACE) == 0)
		return true;
	if ((errno == EINVAL || errno == ENOSYS) && link(temporary, save->path) == 0) {
		(void)unlink(temporary);
		return true;
	}
	if (errno == EEXIST)
		return error_set(&save->err, ERR_CONFLICT, "%s exists already; choose another name", save->path);
	return error_errno(&save->err, "%s", save->path);
}

static bool write_file(struct log_save *save, char *temporary)
{
	bool good;

	if (access(save->path, F_OK) == 0)
		return error_set(&save->err, ERR_CONFLICT, "%s exists already; choose another name", save->path);
	save->fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	if (save->fd < 0)
		return error_errno(&save->err, "%s", save->path);
	good = log_snapshot_walk(save->snapshot, write_line, save) && flush(save);
	if (good && fsync(save->fd) < 0)
		good = error_errno(&save->err, "%s", save->path);
	if (close(save->fd) < 0 && good)
		good = error_errno(&save->err, "%s", save->path);
	good = good && give_name(save, temporary);
	if (!good)
		(void)unlink(temporary);
	return good;
}

static void *run(void *arg)
{
	struct log_save *save = arg;
	AUTO_FREE char *temporary = xasprintf("%s.XXXXXX", save->path);

	write_file(save, temporary);
	atomic_store(&save->done, true);
	return NULL;
}

/* ---- the owner ---- */

static void forget(struct log_save *save)
{
	log_snapshot_destroy(GIVE(save->snapshot));
	for (size_t i = 0; i < save->nnames; i++)
		free(save->names[i]);
	free(GIVE(save->names));
	save->nnames = 0;
	buf_release(&save->chunk);
	free(GIVE(save->path));
	error_release(&save->err);
	save->err = (struct error){ 0 };
}

static void finish(struct log_save *save)
{
	pthread_join(save->thread, NULL);
	free(save->text);
	save->state = save->err.kind ? LOGS_SAVE_FAILED : LOGS_SAVED;
	save->text = save->err.kind ? xstrdup(save->err.message) : xasprintf("%" PRIu64 " lines in %s", save->nlines, save->path);
	forget(save);
}

void log_save_poll(struct log_save *save)
{
	if (save->state == LOGS_SAVING && atomic_load(&save->done))
		finish(save);
}

bool log_save_start(struct log_save *save, const struct log_store *store, const char *const *names, size_t nnames, const char *path)
{
	log_save_poll(save);
	if (save->state == LOGS_SAVING)
		return false;
	save->snapshot = log_store_snapshot(store);
	save->names = xcalloc(nnames + 1, sizeof *save->names);
	for (size_t i = 0; i < nnames; i++)
		save->names[i] = xstrdup(names[i]);
	save->nnames = nnames;
	save->path = xstrdup(path);
	save->nlines = 0;
	atomic_store(&save->done, false);
	atomic_store(&save->stop, false);
	save->state = LOGS_SAVING;
	if (pthread_create(&save->thread, NULL, run, save) != 0) {
		save->state = LOGS_SAVE_FAILED;
		free(save->text);
		save->text = xstrdup("there is no thread for it");
		forget(save);
	}
	return true;
}

enum logs_save_state log_save_state(const struct log_save *save, const char **ret_text)
{
	if (ret_text)
		*ret_text = save->text ? save->text : "";
	return save->state;
}

void log_save_destroy(struct log_save *save)
{
	if (!save)
		return;
	atomic_store(&save->stop, true);
	if (save->state == LOGS_SAVING)
		finish(save);
	free(save->text);
	free(save);
}
