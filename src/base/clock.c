#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define MANUAL_START_MS INT64_C(1000000)

struct subscriber {
	void (*wake)(void *arg);
	void *arg;
};

struct clock {
	pthread_mutex_t wake_lock; /* held while the subscribers are called, so that unsubscribing is a promise */
	_Atomic int64_t now_us, wall_us, suspended_us;
	struct subscriber *subscribers;
	size_t len, cap;
};

/* What NULL means; see clock_drive_system(). */
static struct clock *driver;

static struct clock *meant_by(const struct clock *clock)
{
	return clock ? (struct clock *)clock : driver;
}

void clock_drive_system(struct clock *clock)
{
	driver = clock;
}

struct clock *clock_create_manual(int64_t wall_ms)
{
	struct clock *clock = xcalloc(1, sizeof *clock);

	pthread_mutex_init(&clock->wake_lock, NULL);
	atomic_init(&clock->now_us, MANUAL_START_MS * 1000);
	atomic_init(&clock->wall_us, wall_ms * 1000);
	atomic_init(&clock->suspended_us, 0);
	return clock;
}

void clock_destroy(struct clock *clock)
{
	if (!clock)
		return;
	pthread_mutex_destroy(&clock->wake_lock);
	free(clock->subscribers);
	free(clock);
}

void clock_advance(struct clock *clock, int64_t milliseconds)
{
	atomic_fetch_add(&clock->wall_us, milliseconds * 1000);
	atomic_fetch_add(&clock->now_us, milliseconds * 1000);
	pthread_mutex_lock(&clock->wake_lock);
	for (size_t i = 0; i < clock->len; i++)
		clock->subscribers[i].wake(clock->subscribers[i].arg);
	pthread_mutex_unlock(&clock->wake_lock);
}

void clock_suspend(struct clock *clock, int64_t milliseconds)
{
	atomic_fetch_add(&clock->wall_us, milliseconds * 1000);
	atomic_fetch_add(&clock->suspended_us, milliseconds * 1000);
}

bool clock_is_manual(const struct clock *clock)
{
	return meant_by(clock) != NULL;
}

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

int64_t clock_machine_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_now_us(const struct clock *clock)
{
	clock = meant_by(clock);
	return clock ? atomic_load(&clock->now_us) : read_us(CLOCK_MONOTONIC);
}

int64_t clock_now_ms(const struct clock *clock)
{
	return clock_now_us(clock) / 1000;
}

int64_t clock_wall_us(const struct clock *clock)
{
	clock = meant_by(clock);
	return clock ? atomic_load(&clock->wall_us) : read_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(const struct clock *clock)
{
	return clock_wall_us(clock) / 1000;
}

int64_t clock_suspended_ms(const struct clock *clock)
{
	clock = meant_by(clock);
	return (clock ? atomic_load(&clock->suspended_us) : read_us(CLOCK_BOOTTIME) - read_us(CLOCK_MONOTONIC)) / 1000;
}

void clock_subscribe(struct clock *clock, void (*wake)(void *arg), void *arg)
{
	clock = meant_by(clock);
	if (!clock)
		return;
	pthread_mutex_lock(&clock->wake_lock);
	LIST_PUSH(clock->subscribers, clock->len, clock->cap) = (struct subscriber){ wake, arg };
	pthread_mutex_unlock(&clock->wake_lock);
}

void clock_unsubscribe(struct clock *clock, void (*wake)(void *arg), void *arg)
{
	clock = meant_by(clock);
	if (!clock)
		return;
	pthread_mutex_lock(&clock->wake_lock);
	for (size_t i = 0; i < clock->len; i++)
		if (clock->subscribers[i].wake == wake && clock->subscribers[i].arg == arg) {
			clock->subscribers[i] = clock->subscribers[--clock->len];
			break;
		}
	pthread_mutex_unlock(&clock->wake_lock);
}

static void wake_fd(void *arg)
{
	uint64_t one = 1;

	(void)!write(*(int *)arg, &one, sizeof one);
}

/* Milliseconds for poll until due; -1 for ever. */
static int poll_timeout(const struct clock *clock, int64_t due_ms)
{
	if (due_ms == INT64_MAX || clock)
		return -1;
	int64_t left_us = due_ms * 1000 - clock_now_us(NULL);

	return left_us <= 0 ? 0 : left_us > INT64_C(3600000000) ? 3600000 : (int)((left_us + 999) / 1000);
}

/* One look: 1 readable, 0 time is over, -1 cancelled, 2 look again. */
static int wait_once(const struct clock *clock, const struct cancel *cancel, int fd, int tick_fd, int64_t due_ms)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = cancel_fd(cancel), .events = POLLIN },
		{ .fd = tick_fd, .events = POLLIN },
	};
	bool over = clock_now_ms(clock) >= due_ms;
	int n = poll(fds, ARRAY_LEN(fds), over ? 0 : poll_timeout(clock, due_ms));

	if (cancel_requested(cancel))
		return -1;
	if (n > 0 && fds[0].revents)
		return 1;
	if (over)
		return 0;
	if (n > 0 && fds[2].revents) {
		uint64_t count;

		(void)!read(tick_fd, &count, sizeof count);
	}
	return 2;
}

int clock_wait_fd(struct clock *clock, const struct cancel *cancel, int fd, int64_t due_ms)
{
	clock = meant_by(clock);
	int tick = clock && due_ms != INT64_MAX ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1, seen;

	if (tick >= 0)
		clock_subscribe(clock, wake_fd, &tick);
	while ((seen = wait_once(clock, cancel, fd, tick, due_ms)) == 2)
		;
	if (tick >= 0) {
		clock_unsubscribe(clock, wake_fd, &tick);
		close(tick);
	}
	return seen;
}

bool clock_sleep(struct clock *clock, const struct cancel *cancel, int64_t milliseconds, struct error *err)
{
	(void)clock_wait_fd(clock, cancel, -1, clock_now_ms(clock) + milliseconds);
	return cancel_check(cancel, err);
}
