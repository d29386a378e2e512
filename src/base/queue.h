/*
 * queue: hands things from thread to thread; what is pushed changes its owner.
 *
 * Unbounded by itself: producers that a server drives batch and bound what they push. Any thread, any number of
 * producers and consumers; order of one producer is kept.
 */
#ifndef SLOTDECK_BASE_QUEUE_H
#define SLOTDECK_BASE_QUEUE_H

#include <pthread.h>
#include <stdint.h>

#include "base/clock.h"

struct queue;

/* free_item frees what is left at the end, or pushed after queue_close(). */
struct queue *queue_create(void (*free_item)(void *item));
/* Frees what is left. Nobody may use it any more. */
void queue_destroy(struct queue *queue);
DEFINE_AUTO(queue);
/* Takes item (not NULL). False, item freed, once the queue is closed. */
bool queue_push(struct queue *queue, void *item);
/* Gives the oldest item, NULL when there is none. */
void *queue_pop(struct queue *queue);
size_t queue_length(const struct queue *queue);
/* Refuses all that comes later and frees what waits: the consumer has gone. */
void queue_close(struct queue *queue);
/* Readable while something waits. Borrowed; never read from it. For uv_poll or poll. */
int queue_fd(const struct queue *queue);
/* Sleeps until an item is there: given, or NULL with ERR_CANCELLED or ERR_TIMEOUT. due_ms: by clock, INT64_MAX for
 * none. */
void *queue_wait(struct queue *queue, struct clock *clock, const struct cancel *cancel, int64_t due_ms,
		 struct error *err);

/* Starts a thread that counts as a worker until run() ends. False: there is no thread for it. */
bool queue_start_worker(pthread_t *thread, void *(*run)(void *arg), void *arg);
/*
 * How many workers are at work: neither asleep in queue_wait() on an empty queue nor about to be. Whoever records or replays waits for 0,
 * so that what happens next does not depend on luck.
 */
int queue_workers_busy(void);

#endif
