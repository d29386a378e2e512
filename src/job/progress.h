/*
 * progress: how far a job is and how much longer it takes, learned from earlier runs of its kind.
 *
 *     job events ─► progress_event() ─► progress_look() ─► "0:41, eta 0:50 (median 1:31 of 7)"
 *
 * A kind is a project, an environment and a command. Each run that ends well leaves one line in the state folder (base/state_file.h): how
 * long it and its steps took; the newest are kept. What is left is estimated with each event: the median of what earlier runs still
 * needed from the same point of the same step. Between events it only counts down; an end that moves away is told as such. Without
 * earlier runs there is no estimate. One thread per struct; times are milliseconds of any one clock.
 */
#ifndef SLOTDECK_JOB_PROGRESS_H
#define SLOTDECK_JOB_PROGRESS_H

#include "job/job.h"

#define PROGRESS_RUNS 50 /* that are learned from */

struct progress_step {
	char *name;
	int64_t begin_ms, end_ms; /* from the begin of the run; end -1: it is the present one */
};
struct progress_run {
	int64_t took_ms;
	struct progress_step *steps;
	size_t nsteps, steps_cap;
};

struct progress { /* all zero: nothing runs */
	char *path;		    /* NULL: nothing is kept */
	struct progress_run *runs;  /* earlier ones, newest last */
	size_t nruns, runs_cap;
	struct progress_run own;
	size_t done, total;	    /* of the present step: objects, or bytes; total 0: nothing is counted */
	char *counted;		    /* of bytes: what that is in words; NULL: objects */
	int64_t started_ms, finish_ms, promised_ms; /* finish 0: no estimate; promised: the earliest finish that was told */
	bool ended;
	char *trouble;		    /* with the file; NULL: none */
};
void progress_release(struct progress *progress);
DEFINE_AUTO_RELEASE(progress);

/*
 * A run begins; reads what is known of its kind. words (NULL at the end) name the kind, e.g. project, environment, "apply"; NULL: nothing is
 * learned, only time counted. Nothing that goes wrong here is an error of the job: it is in trouble.
 */
void progress_begin(struct progress *progress, const char *const *words, int64_t now_ms);
/* The same for a job that is about to be started; its kind is told by what it is and waits for, so that both front ends learn together. */
void progress_begin_job(struct progress *progress, job_fn *fn, const struct job_context *context, const struct apply_options *options, int64_t now_ms);
/* Each event of the run; the last one writes the record. */
void progress_event(struct progress *progress, const struct job_event *event, int64_t now_ms);

struct progress_view {
	int64_t passed_ms;
	int64_t left_ms;    /* -1: no estimate */
	int64_t moved_ms;   /* so much later than it was told before; 0: not worth a word */
	int64_t overdue_ms; /* so long over the estimate; 0: not */
	int64_t median_ms, p90_ms; /* of runs earlier ones; of none: 0 */
	size_t runs;
	bool late;	    /* nine in ten took less; told of three runs and more */
	size_t done, total; /* for a bar: objects or bytes of the step, else time against the median in percent; total 0: nothing to measure by */
	bool counts_objects;
	const char *counted; /* as above; borrowed */
};
void progress_look(const struct progress *progress, int64_t now_ms, struct progress_view *ret);
/* "1:31", "1:02:03" */
void progress_add_time(struct buf *out, int64_t ms);
/* ", eta 0:50 (median 1:31 of 7)"; nothing without earlier runs. */
void progress_add_estimate(struct buf *out, const struct progress_view *view);

#endif
