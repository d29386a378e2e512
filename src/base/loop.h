/*
 * loop: a libuv loop with the timer heap, the clock and a way in for other threads.
 *
 * The net thread and the main thread each run one. All functions but loop_post(), loop_stop(), loop_hold()
 * and loop_go_on() belong to the thread that runs the loop (or to the creator before it runs).
 */
#ifndef SLOTDECK_BASE_LOOP_H
#define SLOTDECK_BASE_LOOP_H

#include "base/clock.h"
#include "base/timer.h"

struct loop;
struct uv_loop_s;

/* Borrows clock (NULL: the system's). */
struct loop *loop_create(struct clock *clock);
/* Closes every handle that is still open on the loop, then the loop. Not while it runs. */
void loop_destroy(struct loop *loop);
DEFINE_AUTO(loop);
/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* One turn without sleeping: for tests. */
void loop_turn(struct loop *loop);
/* Any thread. */
void loop_stop(struct loop *loop);
/* Runs fn(arg) on the loop's thread, in order of posting. Any thread. What was posted but never run is dropped with the
 * loop. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);
/*
 * Returns when the loop has done what it was at; until loop_go_on() it runs what is posted and nothing else, so that nothing comes in.
 * While it runs on another thread; by one caller at a time.
 */
void loop_hold(struct loop *loop);
void loop_go_on(struct loop *loop);
/* How many posted functions and timers have run so far (or are due now): when it does not grow, the loop rests. Loop thread only. */
uint64_t loop_activity(const struct loop *loop);
/* When the next timer is due; INT64_MAX: none is set. Loop thread only. */
int64_t loop_due_ms(const struct loop *loop);
bool loop_is_mine(const struct loop *loop);
struct uv_loop_s *loop_uv(struct loop *loop);
struct clock *loop_clock(const struct loop *loop);
int64_t loop_now_ms(const struct loop *loop);
/* fire runs on the loop's thread, after_ms from now. */
void loop_timer_set(struct loop *loop, struct timer *timer, int64_t after_ms, void (*fire)(void *arg), void *arg);
void loop_timer_clear(struct loop *loop, struct timer *timer);

#endif
