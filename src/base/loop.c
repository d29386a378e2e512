#include "base/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

struct post {
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_timer_t alarm;
	uv_prepare_t prepare;
	struct clock *clock;
	struct timers timers;
	pthread_mutex_t lock; /* of all down to stop and of thread */
	struct post *posts;
	size_t len, cap;
	pthread_cond_t change; /* of what follows, and while the loop is held of posts */
	bool hold, held;       /* it shall stand still; it does */
	uint64_t activity; /* loop thread only */
	bool stop;
	pthread_t thread;
	bool running;
};

static void run_posts(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	struct post *posts = loop->posts;
	size_t n = loop->len;

	loop->posts = NULL;
	loop->len = loop->cap = 0;
	pthread_mutex_unlock(&loop->lock);
	loop->activity += n;
	for (size_t i = 0; i < n; i++)
		posts[i].fn(posts[i].arg);
	free(posts);
}

/* Here nothing is half done, and what comes in waits in its sockets. */
static void stand_still(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	while (loop->hold) {
		if (loop->len) {
			pthread_mutex_unlock(&loop->lock);
			run_posts(loop);
			pthread_mutex_lock(&loop->lock);
			continue;
		}
		loop->held = true;
		pthread_cond_broadcast(&loop->change);
		pthread_cond_wait(&loop->change, &loop->lock);
	}
	loop->held = false;
	pthread_mutex_unlock(&loop->lock);
}

static void turn(struct loop *loop)
{
	run_posts(loop);
	loop->activity += timers_run(&loop->timers, clock_now_ms(loop->clock));
	stand_still(loop);
	pthread_mutex_lock(&loop->lock);
	bool stop = loop->stop;

	pthread_mutex_unlock(&loop->lock);
	if (stop)
		uv_stop(&loop->uv);
}

static void on_wake(uv_async_t *wake)
{
	turn(wake->data);
}

static void on_alarm(uv_timer_t *alarm)
{
	turn(alarm->data);
}

/* Just before the loop sleeps: one alarm for the nearest deadline. A manual clock wakes us itself. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *loop = prepare->data;
	int64_t due = timers_next_due_ms(&loop->timers);

	if (due == INT64_MAX) {
		uv_timer_stop(&loop->alarm);
		return;
	}
	int64_t left = due - clock_now_ms(loop->clock);

	if (clock_is_manual(loop->clock) && left > 0) {
		uv_timer_stop(&loop->alarm);
		return;
	}
	uv_update_time(&loop->uv);
	uv_timer_start(&loop->alarm, on_alarm, left > 0 ? (uint64_t)left : 0, 0);
}

static void wake_loop(void *arg)
{
	struct loop *loop = arg;

	uv_async_send(&loop->wake);
}

struct loop *loop_create(struct clock *clock)
{
	struct loop *loop = xcalloc(1, sizeof *loop);

	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->change, NULL);
	loop->clock = clock;
	uv_loop_init(&loop->uv);
	uv_async_init(&loop->uv, &loop->wake, on_wake);
	uv_timer_init(&loop->uv, &loop->alarm);
	uv_prepare_init(&loop->uv, &loop->prepare);
	loop->wake.data = loop->alarm.data = loop->prepare.data = loop;
	uv_prepare_start(&loop->prepare, on_prepare);
	clock_subscribe(clock, wake_loop, loop);
	return loop;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	clock_unsubscribe(loop->clock, wake_loop, loop);
	uv_walk(&loop->uv, close_handle, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	uv_loop_close(&loop->uv);
	timers_release(&loop->timers);
	pthread_cond_destroy(&loop->change);
	pthread_mutex_destroy(&loop->lock);
	free(loop->posts);
	free(loop);
}

static void set_thread(struct loop *loop, bool running)
{
	pthread_mutex_lock(&loop->lock);
	loop->thread = pthread_self();
	loop->running = running;
	pthread_mutex_unlock(&loop->lock);
}

void loop_run(struct loop *loop)
{
	set_thread(loop, true);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	set_thread(loop, false);
}

void loop_turn(struct loop *loop)
{
	set_thread(loop, true);
	uv_run(&loop->uv, UV_RUN_NOWAIT);
	turn(loop);
	set_thread(loop, false);
}

void loop_stop(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->stop = true;
	pthread_mutex_unlock(&loop->lock);
	uv_async_send(&loop->wake);
}

void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&loop->lock);
	LIST_PUSH(loop->posts, loop->len, loop->cap) = (struct post){ fn, arg };
	if (loop->held)
		pthread_cond_broadcast(&loop->change);
	pthread_mutex_unlock(&loop->lock);
	uv_async_send(&loop->wake);
}

void loop_hold(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->hold = true;
	uv_async_send(&loop->wake);
	while (!loop->held)
		pthread_cond_wait(&loop->change, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
}

void loop_go_on(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->hold = false;
	pthread_cond_broadcast(&loop->change);
	pthread_mutex_unlock(&loop->lock);
}

uint64_t loop_activity(const struct loop *loop)
{
	return loop->activity;
}

int64_t loop_due_ms(const struct loop *loop)
{
	return timers_next_due_ms(&loop->timers);
}

bool loop_is_mine(const struct loop *loop)
{
	struct loop *l = (struct loop *)loop;

	pthread_mutex_lock(&l->lock);
	bool mine = l->running && pthread_equal(l->thread, pthread_self());

	pthread_mutex_unlock(&l->lock);
	return mine;
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
	return &loop->uv;
}

struct clock *loop_clock(const struct loop *loop)
{
	return loop->clock;
}

int64_t loop_now_ms(const struct loop *loop)
{
	return clock_now_ms(loop->clock);
}

void loop_timer_set(struct loop *loop, struct timer *timer, int64_t after_ms, void (*fire)(void *arg), void *arg)
{
	timer_set(&loop->timers, timer, loop_now_ms(loop) + after_ms, fire, arg);
}

void loop_timer_clear(struct loop *loop, struct timer *timer)
{
	timer_clear(&loop->timers, timer);
}
