#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "job/job.h"

struct job {
	pthread_t thread;
	job_fn *fn;
	struct job_context context;
	struct apply_options options;
	struct cancel *cancel;
	atomic_int exit_code; /* -1: runs */
};

static void *run(void *arg)
{
	struct job *job = arg;

	atomic_store(&job->exit_code, job->fn(&job->context, &job->options));
	return NULL;
}

struct job *job_start(job_fn *fn, const struct job_context *context, const struct apply_options *options)
{
	struct job *job = xcalloc(1, sizeof *job);

	job->fn = fn;
	job->context = *context;
	job->options = *options;
	job->cancel = cancel_create();
	job->context.cancel = job->cancel;
	atomic_init(&job->exit_code, -1);
	if (pthread_create(&job->thread, NULL, run, job) != 0) {
		cancel_destroy(job->cancel);
		free(job);
		return NULL;
	}
	return job;
}

void job_cancel(struct job *job)
{
	cancel_request(job->cancel, 0);
}

bool job_ended(const struct job *job, int *ret_exit_code)
{
	int code = atomic_load(&job->exit_code);

	if (code < 0)
		return false;
	*ret_exit_code = code;
	return true;
}

void job_destroy(struct job *job)
{
	if (!job)
		return;
	cancel_request(job->cancel, 0);
	pthread_join(job->thread, NULL);
	cancel_destroy(job->cancel);
	free(job);
}
