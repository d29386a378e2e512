#include "live/task.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/queue.h"

#define WORKERS 4

struct tasks {
	struct queue *wanted, *over;
	struct cancel *cancel;
	pthread_t workers[WORKERS];
	size_t nworkers, open;
};

static void free_task(void *item)
{
	struct task *task = item;

	task->release(task->arg);
	free(task);
}

static void *work(void *arg)
{
	struct tasks *tasks = arg;
	AUTO_RELEASE(error) ignored = { 0 };
	struct task *task;

	while (!cancel_requested(tasks->cancel) && (task = queue_wait(tasks->wanted, NULL, tasks->cancel, INT64_MAX, &ignored))) {
		task->work(tasks->cancel, task->arg);
		queue_push(tasks->over, task);
	}
	return NULL;
}

struct tasks *tasks_create(void)
{
	struct tasks *tasks = xcalloc(1, sizeof *tasks);

	tasks->wanted = queue_create(free_task);
	tasks->over = queue_create(free_task);
	tasks->cancel = cancel_create();
	return tasks;
}

void tasks_cancel(struct tasks *tasks)
{
	cancel_request(tasks->cancel, 0);
}

void tasks_destroy(struct tasks *tasks)
{
	if (!tasks)
		return;
	tasks_cancel(tasks);
	for (size_t i = 0; i < tasks->nworkers; i++)
		pthread_join(tasks->workers[i], NULL);
	queue_destroy(tasks->wanted);
	queue_destroy(tasks->over);
	cancel_destroy(tasks->cancel);
	free(tasks);
}

void tasks_run(struct tasks *tasks, const struct task *task)
{
	struct task *copy = xcalloc(1, sizeof *copy);

	*copy = *task;
	tasks->open++;
	if (tasks->nworkers < WORKERS && tasks->nworkers < tasks->open)
		tasks->nworkers += queue_start_worker(&tasks->workers[tasks->nworkers], work, tasks);
	queue_push(tasks->wanted, copy);
}

bool tasks_poll(struct tasks *tasks, void *owner)
{
	struct task *task;
	bool any = false;

	while ((task = queue_pop(tasks->over))) {
		tasks->open--;
		any = true;
		if (task->end)
			task->end(task->arg, owner);
		free_task(task);
	}
	return any;
}

int tasks_fd(const struct tasks *tasks)
{
	return queue_fd(tasks->over);
}

size_t tasks_open(const struct tasks *tasks)
{
	return tasks->open;
}
