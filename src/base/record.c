#include "base/record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/queue.h"

#define MAX_WAITING ((size_t)64 << 20)
#define WALL_JUMP_MS 500 /* the wall clock was set, or the machine slept */

struct recorder {
	char *path;
	int fd;
	pthread_t thread;
	struct queue *lines; /* struct buf; one without text ends it */
	atomic_size_t waiting;
	atomic_bool stopped;

	pthread_mutex_t lock; /* of all below */
	int64_t begun_ms, wall_offset_ms;
	struct buf line;
	struct json_writer writer;
	struct error trouble;
	bool told;
};

static void free_line(void *item)
{
	buf_release(item);
	free(item);
}

static void stop(struct recorder *r, const char *why)
{
	pthread_mutex_lock(&r->lock);
	if (!r->trouble.kind)
		error_set(&r->trouble, ERR_IO, "%s: %s", r->path, why);
	pthread_mutex_unlock(&r->lock);
	atomic_store(&r->stopped, true);
}

static bool write_all(int fd, struct str bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes.p += n;
		bytes.len -= (size_t)n;
	}
	return true;
}

static void *write_lines(void *arg)
{
	struct recorder *r = arg;
	AUTO_RELEASE(error) ignored = { 0 };

	for (;;) {
		struct buf *line = queue_wait(r->lines, NULL, NULL, INT64_MAX, &ignored);
		bool last = !line || !line->len;

		if (!last && !atomic_load(&r->stopped) && !write_all(r->fd, buf_str(line)))
			stop(r, strerror(errno));
		if (line) {
			atomic_fetch_sub(&r->waiting, line->len);
			free_line(line);
		}
		if (last)
			return NULL;
	}
}

/* Under the lock: gives the line to the thread. */
static void hand_over(struct recorder *r)
{
	struct buf *line = xcalloc(1, sizeof *line);

	buf_addc(&r->line, '\n');
	*line = r->line;
	r->line = (struct buf)BUF_INIT(0);
	atomic_fetch_add(&r->waiting, line->len);
	queue_push(r->lines, line);
}

static void begin_line(struct recorder *r, const char *kind)
{
	r->writer = (struct json_writer)JSON_WRITER_INIT(&r->line);
	json_put_object(&r->writer);
	json_put_key(&r->writer, "t");
	json_put_int(&r->writer, clock_now_ms(NULL) - r->begun_ms);
	json_put_key(&r->writer, "k");
	json_put_text(&r->writer, kind);
}

static void end_line(struct recorder *r)
{
	json_put_end_object(&r->writer);
	hand_over(r);
}

/* Monotonic time alone would lose what happened to the other. */
static void tell_wall(struct recorder *r)
{
	int64_t offset_ms = clock_wall_ms(NULL) - clock_now_ms(NULL), jump_ms = offset_ms - r->wall_offset_ms;

	if (jump_ms < WALL_JUMP_MS && jump_ms > -WALL_JUMP_MS)
		return;
	r->wall_offset_ms = offset_ms;
	begin_line(r, "wall");
	json_put_key(&r->writer, "jump");
	json_put_int(&r->writer, jump_ms);
	end_line(r);
}

struct json_writer *record_begin(struct recorder *r, const char *kind)
{
	if (!r || atomic_load(&r->stopped))
		return NULL;
	if (atomic_load(&r->waiting) > MAX_WAITING) {
		stop(r, "the disk does not keep up");
		return NULL;
	}
	pthread_mutex_lock(&r->lock);
	tell_wall(r);
	begin_line(r, kind);
	return &r->writer;
}

void record_end(struct recorder *r)
{
	end_line(r);
	pthread_mutex_unlock(&r->lock);
}

bool record_trouble(struct recorder *r, struct error *err)
{
	if (!r || !atomic_load(&r->stopped))
		return false;
	pthread_mutex_lock(&r->lock);
	bool news = !r->told;

	r->told = true;
	if (news)
		error_copy(err, &r->trouble);
	pthread_mutex_unlock(&r->lock);
	return news;
}

static void put_header(struct recorder *r, struct str more)
{
	buf_addf(&r->line, "{\"slotdeck\":\"recording\",\"format\":%d,\"program\":\"%s\",\"wall_ms\":%lld%.*s}", RECORD_FORMAT, SLOTDECK_VERSION,
		 (long long)clock_wall_ms(NULL), STR_ARG(more));
	hand_over(r);
}

struct recorder *recorder_create(const char *path, struct str header, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST) {
		error_set(err, ERR_CONFLICT, "%s exists already; choose another name", path);
		return NULL;
	}
	if (fd < 0) {
		error_errno(err, "%s", path);
		return NULL;
	}
	struct recorder *r = xcalloc(1, sizeof *r);

	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is like a full disk */
	r->path = xstrdup(path);
	r->fd = fd;
	r->lines = queue_create(free_line);
	pthread_mutex_init(&r->lock, NULL);
	r->begun_ms = clock_now_ms(NULL);
	r->wall_offset_ms = clock_wall_ms(NULL) - r->begun_ms;
	put_header(r, header);
	if (pthread_create(&r->thread, NULL, write_lines, r) == 0)
		return r;
	error_set(err, ERR_IO, "%s: there is no thread to write it", path);
	close(fd);
	queue_destroy(r->lines);
	free(r->path);
	free(r);
	return NULL;
}

void recorder_destroy(struct recorder *r)
{
	if (!r)
		return;
	if (record_begin(r, "end"))
		record_end(r);
	queue_push(r->lines, xcalloc(1, sizeof(struct buf)));
	pthread_join(r->thread, NULL);
	queue_destroy(r->lines);
	close(r->fd);
	buf_release(&r->line);
	error_release(&r->trouble);
	pthread_mutex_destroy(&r->lock);
	free(r->path);
	free(r);
}
