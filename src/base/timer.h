/*
 * timer: a heap of deadlines over one clock. One thread; the loop that owns it asks for the next and runs what is due.
 *
 * A struct timer lives inside whatever it belongs to; zeroed memory is a timer that is not set.
 */
#ifndef SLOTDECK_BASE_TIMER_H
#define SLOTDECK_BASE_TIMER_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct timer {
	int64_t due_ms;
	void (*fire)(void *arg);
	void *arg;
	size_t place;	 /* index in the heap + 1; 0: not set */
	uint64_t serial; /* timers of one moment fire in the order they were set */
};

struct timers {
	struct timer **heap;
	size_t len, cap;
	uint64_t next_serial;
};

void timers_release(struct timers *timers);
DEFINE_AUTO_RELEASE(timers);
/* Sets or moves timer. fire runs inside timers_run(), once; it may set or clear any timer, itself included. */
void timer_set(struct timers *timers, struct timer *timer, int64_t due_ms, void (*fire)(void *arg), void *arg);
void timer_clear(struct timers *timers, struct timer *timer);
static inline bool timer_is_set(const struct timer *timer)
{
	return timer->place != 0;
}
/* INT64_MAX: none. */
int64_t timers_next_due_ms(const struct timers *timers);
/* Fires what is due at now_ms, in order; what the callbacks set for now or earlier waits for the next call. Gives
 * how many there were of both. */
unsigned timers_run(struct timers *timers, int64_t now_ms);

#endif
