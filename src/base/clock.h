/*
 * clock: the one source of "now", which tests can drive.
 *
 * A NULL clock is the system's; a test makes one of its own, hands it to net_create(), loops and jobs, and moves it by
 * hand, so that ten minutes of back-off pass in a millisecond. Monotonic time counts milliseconds from an arbitrary
 * start and is what deadlines use; wall time counts milliseconds since 1970 UTC and is what people and servers see.
 * What the kernel times (TCP) stays real. Any thread.
 */
#ifndef SLOTDECK_BASE_CLOCK_H
#define SLOTDECK_BASE_CLOCK_H

#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

struct clock;

/* Gives a clock that stands still until moved. monotonic starts at 1,000,000 ms. */
struct clock *clock_create_manual(int64_t wall_ms);
/* Nobody may use it any more. */
void clock_destroy(struct clock *clock);
DEFINE_AUTO(clock);
/* Moves both times and wakes everything that waits on this clock. Manual clocks only. */
void clock_advance(struct clock *clock, int64_t milliseconds);

/* The machine sleeps: only wall time and clock_suspended_ms() move, and nothing wakes. Manual clocks only. */
void clock_suspend(struct clock *clock, int64_t milliseconds);

/* From now on NULL means that manual clock (NULL: the system's again): for programs that live a recorded time. The main thread alone,
 * while no other runs. */
void clock_drive_system(struct clock *clock);
/* The machine's own monotonic time, whatever NULL means. */
int64_t clock_machine_us(void);

bool clock_is_manual(const struct clock *clock);
int64_t clock_now_ms(const struct clock *clock);
int64_t clock_now_us(const struct clock *clock);
int64_t clock_wall_ms(const struct clock *clock);
int64_t clock_wall_us(const struct clock *clock);
/* How long this machine slept since its boot; a jump means that every connection is suspect. */
int64_t clock_suspended_ms(const struct clock *clock);

/* Sleeps by this clock, waking early when cancelled: then false with ERR_CANCELLED. */
bool clock_sleep(struct clock *clock, const struct cancel *cancel, int64_t milliseconds, struct error *err);
/* Polls fd (or nothing: -1) for reading by this clock: 1 readable, 0 time is over, -1 cancelled. due_ms INT64_MAX: no
 * limit. */
int clock_wait_fd(struct clock *clock, const struct cancel *cancel, int fd, int64_t due_ms);

/* For loops: wake runs, on the thread that moves the clock, after each move. Manual clocks only, else nothing happens.
 */
void clock_subscribe(struct clock *clock, void (*wake)(void *arg), void *arg);
void clock_unsubscribe(struct clock *clock, void (*wake)(void *arg), void *arg);

#endif
