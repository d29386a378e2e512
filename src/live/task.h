/*
 * task: a short piece of work beside the screen: asks the server, may take a while, and comes back with its result.
 *
 * The work runs on one of a few threads; its end is told on the thread that polls. Whatever argument is given changes hands: to the
 * worker, then to the end function, which frees it. Created, polled and destroyed on one thread. Destroying cancels what runs and waits
 * only until the workers have noticed (http_call() notices at once); what had not ended is freed without being told.
 */
#ifndef SLOTDECK_LIVE_TASK_H
#define SLOTDECK_LIVE_TASK_H

#include "base/cancel.h"

struct tasks;

struct tasks *tasks_create(void);
void tasks_destroy(struct tasks *tasks);
DEFINE_AUTO(tasks);

struct task {
	void (*work)(const struct cancel *cancel, void *arg); /* on a worker */
	void (*end)(void *arg, void *owner);		      /* on the polling thread; NULL: nobody wants to know */
	void (*release)(void *arg);			      /* once, last, on any thread */
	void *arg;
};
/* Copies task. What waits is begun in the order it came. */
void tasks_run(struct tasks *tasks, const struct task *task);
/* Cancels what runs and begins nothing more; returns at once. */
void tasks_cancel(struct tasks *tasks);
/* Calls end for each that is over. True: there was one. owner is handed through. */
bool tasks_poll(struct tasks *tasks, void *owner);
/* Readable when tasks_poll() has something to do. Borrowed, for poll(). */
int tasks_fd(const struct tasks *tasks);
/* Asked for and not yet told. */
size_t tasks_open(const struct tasks *tasks);

#endif
