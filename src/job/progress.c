#include "job/progress.h"

#include <stdlib.h>
#include <string.h>

#include "base/state_file.h"
#include "model/stack.h"

#define HEAD	    "slotdeck runs 1\n"
#define FILE_MAX    ((size_t)1 << 20)
#define FILE_ROOM   ((size_t)64 << 10) /* beyond that it is written anew with the newest runs only */
#define PATIENCE_MS 50
#define MOVED_MS    10000 /* an end that moves by less is told without a word */
#define LATE_RUNS   3

/* ---- runs ---- */

static void run_release(struct progress_run *run)
{
	for (size_t i = 0; i < run->nsteps; i++)
		free(run->steps[i].name);
	free(run->steps);
	*run = (struct progress_run){ 0 };
}

static void forget_runs(struct progress *progress)
{
	for (size_t i = 0; i < progress->nruns; i++)
		run_release(&progress->runs[i]);
	progress->nruns = 0;
}

void progress_release(struct progress *progress)
{
	forget_runs(progress);
	run_release(&progress->own);
	free(progress->runs);
	free(progress->path);
	free(progress->trouble);
	free(progress->counted);
	*progress = (struct progress){ 0 };
}

/* ---- the file: "TOOK", then name, begin and end of each step, with tabs between ---- */

static void add_run(struct buf *out, const struct progress_run *run)
{
	buf_addf(out, "%lld", (long long)run->took_ms);
	for (size_t i = 0; i < run->nsteps; i++)
		buf_addf(out, "\t%s\t%lld\t%lld", run->steps[i].name, (long long)run->steps[i].begin_ms, (long long)run->steps[i].end_ms);
	buf_addc(out, '\n');
}

static struct str next_field(struct str *line)
{
	struct str field = *line;

	if (!str_cut(line, '\t', &field))
		*line = (struct str){ 0 };
	return field;
}

static bool parse_run(struct str line, struct progress_run *ret)
{
	if (!str_number(next_field(&line), &ret->took_ms))
		return false;
	while (line.len) {
		struct str name = next_field(&line);
		int64_t begin_ms, end_ms;

		if (!name.len || !str_number(next_field(&line), &begin_ms) || !str_number(next_field(&line), &end_ms) || begin_ms > end_ms || end_ms > ret->took_ms)
			return false;
		LIST_PUSH(ret->steps, ret->nsteps, ret->steps_cap) = (struct progress_step){ str_dup(name), begin_ms, end_ms };
	}
	return true;
}

static void keep_run(struct progress *progress, struct progress_run run)
{
	if (progress->nruns == PROGRESS_RUNS) {
		run_release(&progress->runs[0]);
		memmove(progress->runs, progress->runs + 1, (PROGRESS_RUNS - 1) * sizeof *progress->runs);
		progress->nruns--;
	}
	LIST_PUSH(progress->runs, progress->nruns, progress->runs_cap) = run;
}

/* False: it is damaged. */
static bool parse_runs(struct progress *progress, struct str text)
{
	struct str line;

	forget_runs(progress);
	if (!text.len)
		return true;
	if (!str_starts(text, STR(HEAD)))
		return false;
	for (str_cut(&text, '\n', &line); str_cut(&text, '\n', &line);) {
		struct progress_run run = { 0 };

		if (!parse_run(line, &run)) {
			run_release(&run);
			return false;
		}
		keep_run(progress, run);
	}
	return text.len == 0;
}

static void set_trouble(struct progress *progress, const char *text)
{
	free(progress->trouble);
	progress->trouble = xstrdup(text);
}

/* True: the file can be added to. */
static bool read_runs(struct progress *progress, struct state_file *file, struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	if (!state_file_read(file, FILE_MAX, &text, err) && err->kind != ERR_LIMIT)
		return false;
	if (!err->kind && parse_runs(progress, buf_str(&text)))
		return true;
	AUTO_FREE char *said = xasprintf("%s was damaged: it is kept as %s.damaged, and what runs take is learned anew", file->path, file->path);

	error_release(err);
	forget_runs(progress);
	if (state_file_set_aside(file, err))
		set_trouble(progress, said);
	return false;
}

static bool write_run(struct progress *progress, struct state_file *file, struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	bool anew = file->size > FILE_ROOM;

	if (!file->size || anew)
		buf_adds(&text, HEAD);
	for (size_t i = 0; anew && i < progress->nruns; i++)
		add_run(&text, &progress->runs[i]);
	add_run(&text, &progress->own);
	return anew ? state_file_replace(file, buf_str(&text), err) : state_file_append(file, buf_str(&text), err);
}

/* What another program has added meanwhile is read, so that it is there when the file is written anew. */
static void keep_own_run(struct progress *progress)
{
	AUTO_RELEASE(state_file) file = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	if (!progress->path)
		return;
	if (!state_file_open(progress->path, PATIENCE_MS, &file, &err) || !read_runs(progress, &file, &err) || !write_run(progress, &file, &err))
		if (err.kind)
			set_trouble(progress, err.message);
}

void progress_begin(struct progress *progress, const char *const *words, int64_t now_ms)
{
	AUTO_RELEASE(state_file) file = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	progress_release(progress);
	progress->started_ms = now_ms;
	if (!words)
		return;
	progress->path = state_path("runs", words, &err);
	if (!progress->path)
		return; /* there is no place to keep anything in */
	if ((!state_file_open(progress->path, PATIENCE_MS, &file, &err) || !read_runs(progress, &file, &err)) && err.kind)
		set_trouble(progress, err.message);
}

/* NULL: it only looks once. */
static const char *word_of(job_fn *fn, const struct apply_options *options)
{
	if (fn == job_apply)
		return options->dry_run ? "apply-dry-run" : options->wait ? "apply-wait" : "apply";
	if (fn == job_mirror || fn == job_build)
		return options->dry_run ? NULL : fn == job_mirror ? "mirror" : "build";
	return fn == job_diff ? "diff" : fn == job_wait ? "wait" : NULL;
}

void progress_begin_job(struct progress *progress, job_fn *fn, const struct job_context *context, const struct apply_options *options, int64_t now_ms)
{
	const char *word = word_of(fn, options);
	const char *const words[] = { context->stack ? context->stack->project.text : "", context->stack ? context->stack->env : "", word, NULL };

	progress_begin(progress, word && context->stack ? words : NULL, now_ms);
}

/* ---- estimating ---- */

static int compare_ms(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* The middle one, or between the two. */
static int64_t median_of(int64_t *values, size_t n)
{
	qsort(values, n, sizeof *values, compare_ms);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static const struct progress_step *find_step(const struct progress_run *run, const char *name)
{
	for (size_t i = run->nsteps; i > 0; i--)
		if (strcmp(run->steps[i - 1].name, name) == 0)
			return &run->steps[i - 1];
	return NULL;
}

static const struct progress_step *present_step(const struct progress *progress)
{
	const struct progress_run *own = &progress->own;

	return own->nsteps && own->steps[own->nsteps - 1].end_ms < 0 ? &own->steps[own->nsteps - 1] : NULL;
}

/* What an earlier run still needed when it was as far as this one is; -1: it was over this point by then. */
static int64_t rest_of(const struct progress_run *run, const struct progress_step *step, int64_t passed_ms)
{
	const struct progress_step *same = step ? find_step(run, step->name) : NULL;
	int64_t at_ms = same ? same->begin_ms + passed_ms - step->begin_ms : passed_ms, end_ms = same ? same->end_ms : run->took_ms;

	return at_ms <= end_ms ? run->took_ms - at_ms : -1;
}

/* All of them were through the step faster: what came after it is left in any case. */
static int64_t rest_behind(const struct progress_run *run, const struct progress_step *step)
{
	const struct progress_step *same = step ? find_step(run, step->name) : NULL;

	return same && run->took_ms > same->end_ms ? run->took_ms - same->end_ms : -1;
}

static size_t rests(const struct progress *progress, int64_t passed_ms, bool behind, int64_t ret[PROGRESS_RUNS])
{
	const struct progress_step *step = present_step(progress);
	size_t n = 0;

	for (size_t i = 0; i < progress->nruns; i++) {
		int64_t rest_ms = behind ? rest_behind(&progress->runs[i], step) : rest_of(&progress->runs[i], step, passed_ms);

		if (rest_ms >= 0)
			ret[n++] = rest_ms;
	}
	return n;
}

static void estimate(struct progress *progress, int64_t now_ms)
{
	int64_t passed_ms = now_ms - progress->started_ms, values[PROGRESS_RUNS];
	size_t n = rests(progress, passed_ms, false, values);

	if (!n)
		n = rests(progress, passed_ms, true, values);
	if (!n)
		return; /* what was told stays, and goes by */
	progress->finish_ms = now_ms + median_of(values, n);
	if (!progress->promised_ms || progress->finish_ms < progress->promised_ms)
		progress->promised_ms = progress->finish_ms;
}

/* ---- events ---- */

static void end_step(struct progress *progress, int64_t passed_ms)
{
	struct progress_run *own = &progress->own;

	if (present_step(progress))
		own->steps[own->nsteps - 1].end_ms = passed_ms;
	progress->done = progress->total = 0;
	free(GIVE(progress->counted));
}

static void begin_step(struct progress *progress, const char *name, int64_t passed_ms)
{
	struct progress_run *own = &progress->own;

	end_step(progress, passed_ms);
	if (*name && !strpbrk(name, "\t\n"))
		LIST_PUSH(own->steps, own->nsteps, own->steps_cap) = (struct progress_step){ xstrdup(name), passed_ms, -1 };
}

static void on_finished(struct progress *progress, const struct job_event *event, int64_t passed_ms)
{
	end_step(progress, passed_ms);
	progress->own.took_ms = passed_ms;
	progress->ended = true;
	if (event->exit_code == EXIT_DONE || event->exit_code == EXIT_DIFFERENCES)
		keep_own_run(progress);
}

void progress_event(struct progress *progress, const struct job_event *event, int64_t now_ms)
{
	int64_t passed_ms = now_ms > progress->started_ms ? now_ms - progress->started_ms : 0;

	if (progress->ended)
		return;
	switch (event->kind) {
	case JOB_STEP_STARTED:
		begin_step(progress, event->step ? event->step : "", passed_ms);
		break;
	case JOB_STEP_FINISHED:
		end_step(progress, passed_ms);
		break;
	case JOB_PROGRESS:
		progress->done = event->done;
		progress->total = event->total;
		free(progress->counted);
		progress->counted = event->text ? xstrdup(event->text) : NULL;
		break;
	case JOB_FINISHED:
		on_finished(progress, event, passed_ms);
		return;
	case JOB_STARTED:
		break;
	default:
		return;
	}
	estimate(progress, now_ms);
}

/* ---- looking ---- */

static void look_back(const struct progress *progress, struct progress_view *ret)
{
	int64_t took[PROGRESS_RUNS];
	size_t n = progress->nruns;

	ret->runs = n;
	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		took[i] = progress->runs[i].took_ms;
	ret->median_ms = median_of(took, n);
	ret->p90_ms = took[(9 * n + 9) / 10 - 1];
	ret->late = n >= LATE_RUNS && ret->passed_ms > ret->p90_ms;
}

void progress_look(const struct progress *progress, int64_t now_ms, struct progress_view *ret)
{
	*ret = (struct progress_view){ .passed_ms = progress->ended ? progress->own.took_ms : now_ms - progress->started_ms, .left_ms = -1 };
	look_back(progress, ret);
	ret->counts_objects = progress->total > 0 && !progress->counted;
	ret->counted = progress->counted;
	ret->done = progress->done;
	ret->total = progress->total;
	if (!ret->total && ret->median_ms > 0) {
		ret->total = 100;
		ret->done = ret->passed_ms >= ret->median_ms ? 99 : (size_t)(ret->passed_ms * 100 / ret->median_ms);
	}
	if (progress->ended || !progress->finish_ms)
		return;
	if (now_ms > progress->finish_ms) {
		ret->overdue_ms = now_ms - progress->finish_ms;
		return;
	}
	ret->left_ms = progress->finish_ms - now_ms;
	if (progress->finish_ms - progress->promised_ms >= MOVED_MS)
		ret->moved_ms = progress->finish_ms - progress->promised_ms;
}

void progress_add_time(struct buf *out, int64_t ms)
{
	long long s = ms > 0 ? ms / 1000 : 0;

	if (s >= 3600)
		buf_addf(out, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
	else
		buf_addf(out, "%lld:%02lld", s / 60, s % 60);
}

static void add_with_time(struct buf *out, const char *before, int64_t ms, const char *behind)
{
	buf_adds(out, before);
	progress_add_time(out, ms);
	buf_adds(out, behind);
}

void progress_add_estimate(struct buf *out, const struct progress_view *view)
{
	if (!view->runs)
		return;
	if (view->left_ms >= 0)
		add_with_time(out, ", eta ", view->left_ms, "");
	if (view->moved_ms)
		add_with_time(out, ", ", view->moved_ms, " later than told");
	if (view->late)
		add_with_time(out, ", late: 9 of 10 took at most ", view->p90_ms, "");
	else if (view->overdue_ms)
		add_with_time(out, ", longer than usual by ", view->overdue_ms, "");
	add_with_time(out, " (median ", view->median_ms, "");
	buf_addf(out, " of %zu)", view->runs);
}
