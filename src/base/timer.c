#include "base/timer.h"

#include <stdlib.h>

void timers_release(struct timers *timers)
{
	for (size_t i = 0; i < timers->len; i++)
		timers->heap[i]->place = 0;
	free(timers->heap);
	*timers = (struct timers){ 0 };
}

static bool before(const struct timer *a, const struct timer *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->serial < b->serial;
}

static void put(struct timers *timers, size_t at, struct timer *timer)
{
	timers->heap[at] = timer;
	timer->place = at + 1;
}

static void sift_up(struct timers *timers, size_t at, struct timer *timer)
{
	while (at > 0 && before(timer, timers->heap[(at - 1) / 2])) {
		put(timers, at, timers->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(timers, at, timer);
}

static void sift_down(struct timers *timers, size_t at, struct timer *timer)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < timers->len && before(timers->heap[child + 1], timers->heap[child]))
			child++;
		if (child >= timers->len || !before(timers->heap[child], timer))
			break;
		put(timers, at, timers->heap[child]);
		at = child;
	}
	put(timers, at, timer);
}

void timer_clear(struct timers *timers, struct timer *timer)
{
	if (!timer->place)
		return;
	size_t at = timer->place - 1;
	struct timer *last = timers->heap[--timers->len];

	timer->place = 0;
	if (last == timer)
		return;
	sift_up(timers, at, last);
	sift_down(timers, last->place - 1, last);
}

void timer_set(struct timers *timers, struct timer *timer, int64_t due_ms, void (*fire)(void *arg), void *arg)
{
	timer_clear(timers, timer);
	timer->due_ms = due_ms;
	timer->fire = fire;
	timer->arg = arg;
	timer->serial = timers->next_serial++;
	(void)LIST_PUSH(timers->heap, timers->len, timers->cap);
	sift_up(timers, timers->len - 1, timer);
}

int64_t timers_next_due_ms(const struct timers *timers)
{
	return timers->len ? timers->heap[0]->due_ms : INT64_MAX;
}

unsigned timers_run(struct timers *timers, int64_t now_ms)
{
	uint64_t end = timers->next_serial;
	unsigned fired = 0;

	while (timers->len && timers->heap[0]->due_ms <= now_ms) {
		struct timer *timer = timers->heap[0];

		/* Set by a callback of this run: its turn comes with the next one, so that a loop can't starve the
		 * rest. */
		if (timer->serial >= end)
			return fired + 1; /* it is due all the same */
		timer_clear(timers, timer);
		fired++;
		timer->fire(timer->arg);
	}
	return fired;
}
