#include "base/queue.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
	pthread_mutex_t lock;
	void **items; /* ring of cap slots */
	size_t first, len, cap;
	int fd;
	size_t asleep, woken; /* of workers in queue_wait(): without, with an item that may be theirs */
	bool closed;
	void (*free_item)(void *item);
};

/* ---- workers ---- */

/* Any thread; see queue_workers_busy(). A push counts a sleeper as busy before it knows, so that there is no moment in between. */
static atomic_int busy;
static _Thread_local bool is_worker; /* this thread; written by itself as it begins */

struct worker {
	void *(*run)(void *arg);
	void *arg;
};

static void *run_worker(void *arg)
{
	struct worker worker = *(struct worker *)arg;

	free(arg);
	is_worker = true;
	void *result = worker.run(worker.arg);

	atomic_fetch_sub(&busy, 1);
	return result;
}

bool queue_start_worker(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	struct worker *worker = xcalloc(1, sizeof *worker);

	*worker = (struct worker){ run, arg };
	atomic_fetch_add(&busy, 1);
	if (pthread_create(thread, NULL, run_worker, worker) == 0)
		return true;
	atomic_fetch_sub(&busy, 1);
	free(worker);
	return false;
}

int queue_workers_busy(void)
{
	return atomic_load(&busy);
}

/* Under the lock. */
static void wake_one(struct queue *queue)
{
	if (!queue->asleep)
		return;
	queue->asleep--;
	queue->woken++;
	atomic_fetch_add(&busy, 1);
}

static void put_to_sleep(struct queue *queue)
{
	queue->asleep++;
	atomic_fetch_sub(&busy, 1);
}

/* ---- the queue ---- */

struct queue *queue_create(void (*free_item)(void *item))
{
	struct queue *queue = xcalloc(1, sizeof *queue);

	pthread_mutex_init(&queue->lock, NULL);
	queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->free_item = free_item;
	return queue;
}

void queue_destroy(struct queue *queue)
{
	if (!queue)
		return;
	queue_close(queue);
	pthread_mutex_destroy(&queue->lock);
	close(queue->fd);
	free(queue->items);
	free(queue);
}

static void grow(struct queue *queue)
{
	size_t cap = queue->cap ? queue->cap * 2 : 16;
	void **items = xreallocarray(NULL, cap, sizeof *items);

	for (size_t i = 0; i < queue->len; i++)
		items[i] = queue->items[(queue->first + i) % queue->cap];
	free(queue->items);
	queue->items = items;
	queue->first = 0;
	queue->cap = cap;
}

bool queue_push(struct queue *queue, void *item)
{
	uint64_t one = 1;

	pthread_mutex_lock(&queue->lock);
	bool closed = queue->closed;

	if (!closed) {
		if (queue->len == queue->cap)
			grow(queue);
		queue->items[(queue->first + queue->len++) % queue->cap] = item;
		if (queue->len == 1)
			(void)!write(queue->fd, &one, sizeof one);
		wake_one(queue);
	}
	pthread_mutex_unlock(&queue->lock);
	if (closed && queue->free_item)
		queue->free_item(item);
	return !closed;
}

/* Under the lock. waited: by one that was asleep, which is busy from now on. */
static void *take(struct queue *queue, bool waited)
{
	uint64_t count;

	if (!queue->len)
		return NULL;
	void *item = queue->items[queue->first];

	queue->first = (queue->first + 1) % queue->cap;
	if (--queue->len == 0)
		(void)!read(queue->fd, &count, sizeof count);
	if (waited) {
		queue->woken--;
	} else if (queue->woken > queue->len) { /* the item was meant for a sleeper, who finds nothing */
		queue->woken--;
		put_to_sleep(queue);
	}
	return item;
}

void *queue_pop(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	void *item = take(queue, false);

	pthread_mutex_unlock(&queue->lock);
	return item;
}

size_t queue_length(const struct queue *queue)
{
	struct queue *q = (struct queue *)queue;

	pthread_mutex_lock(&q->lock);
	size_t len = q->len;

	pthread_mutex_unlock(&q->lock);
	return len;
}

void queue_close(struct queue *queue)
{
	void *item;

	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_mutex_unlock(&queue->lock);
	while ((item = queue_pop(queue)))
		if (queue->free_item)
			queue->free_item(item);
}

int queue_fd(const struct queue *queue)
{
	return queue->fd;
}

/* Waits no longer, and takes nothing. */
static void give_up(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	if (!queue->asleep) {
		queue->woken--;
	} else {
		queue->asleep--;
		atomic_fetch_add(&busy, 1);
	}
	pthread_mutex_unlock(&queue->lock);
}

void *queue_wait(struct queue *queue, struct clock *clock, const struct cancel *cancel, int64_t due_ms,
		 struct error *err)
{
	for (bool waited = false;; waited = is_worker) {
		pthread_mutex_lock(&queue->lock);
		void *item = take(queue, waited);

		if (!item && !waited && is_worker)
			put_to_sleep(queue);
		pthread_mutex_unlock(&queue->lock);
		if (item)
			return item;
		int seen = clock_wait_fd(clock, cancel, queue->fd, due_ms);

		if (seen < 0)
			error_set(err, ERR_CANCELLED, "cancelled");
		else if (seen == 0)
			error_set(err, ERR_TIMEOUT, "the deadline has passed");
		if (seen <= 0) {
			if (is_worker)
				give_up(queue);
			return NULL;
		}
	}
}
