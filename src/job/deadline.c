#include "job/deadline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct deadline {
	struct clock *clock;
	const struct cancel *parent;
	struct cancel *flag, *gone; /* gone: nobody needs the thread any more */
	int64_t due_ms;
	atomic_bool over;
	pthread_t thread;
};

static void *follow(void *arg)
{
	struct deadline *d = arg;
	int woken = clock_wait_fd(d->clock, d->gone, cancel_fd(d->parent), d->due_ms);

	if (woken > 0) {
		cancel_request(d->flag, cancel_signal(d->parent));
	} else if (woken == 0) {
		atomic_store(&d->over, true);
		cancel_request(d->flag, 0);
	}
	return NULL;
}

struct deadline *deadline_create(struct clock *clock, const struct cancel *parent, int64_t due_ms)
{
	struct deadline *d = xcalloc(1, sizeof *d);

	*d = (struct deadline){ .clock = clock, .parent = parent, .flag = cancel_create(), .gone = cancel_create(), .due_ms = due_ms };
	if (pthread_create(&d->thread, NULL, follow, d) == 0)
		return d;
	cancel_destroy(d->flag);
	cancel_destroy(d->gone);
	free(d);
	return NULL;
}

struct cancel *deadline_cancel(const struct deadline *d)
{
	return d->flag;
}

bool deadline_is_over(const struct deadline *d)
{
	return atomic_load(&d->over);
}

void deadline_destroy(struct deadline *d)
{
	if (!d)
		return;
	cancel_request(d->gone, 0);
	pthread_join(d->thread, NULL);
	cancel_destroy(d->flag);
	cancel_destroy(d->gone);
	free(d);
}
