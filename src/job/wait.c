/* wait_for_plan(), job_wait() and job_status(): is what was applied what runs, and if not, why. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "job/awaited.h"

#define SETTLE_MS	 10000
#define WAIT_MS		 600000
#define LONGEST_WAIT_MS	 (INT64_C(7) * 24 * 3600 * 1000)
#define FIRST_LISTS_MS	 3000  /* then objects are told that are still unknown for want of a list */
#define LINES_LIMIT_MS	 2000  /* for the log line that explains a failure that is certain already */
#define STATUS_LIMIT_MS	 20000 /* for all lists of one look */

struct waiting {
	struct awaited awaited;
	struct run *run;
	char **told; /* per entry: state and message as told last */
	size_t done_told;
	bool complete; /* every list came once */
	int64_t due_ms, started_ms; /* as watcher_now_ms() counts */
};

static int64_t once_of(const struct run *run)
{
	int64_t ms;
	const char *text = run->stack->codex.timeouts.deploy_wait.text;

	if (run->options->wait_timeout_ms)
		return run->options->wait_timeout_ms;
	return *text && duration_parse(str_of(text), &ms) && ms > 0 ? ms : WAIT_MS;
}

/* One watch lasts as long as all waits of codexctl and its pauses between them. */
static int64_t limit_of(const struct run *run)
{
	int64_t once_ms = once_of(run), pause_ms = run->options->wait_pause_ms, sum_ms = once_ms;

	for (unsigned n = 1; n < run->options->wait_times && sum_ms < LONGEST_WAIT_MS; n++) {
		sum_ms += pause_ms + once_ms;
		pause_ms *= 2;
	}
	return sum_ms;
}

static int64_t settle_of(const struct run *run)
{
	return run->options->settle_ms == UINT_MAX ? SETTLE_MS : run->options->settle_ms;
}

/* Before every list came once, "unknown" and "missing" are no news; after a while they are. */
static bool is_news(const struct waiting *w, const struct verdict *verdict)
{
	return w->complete || (verdict->state != HEALTH_UNKNOWN && verdict->state != HEALTH_MISSING) ||
	       (verdict->state == HEALTH_UNKNOWN && watcher_now_ms(w->awaited.watcher) >= w->started_ms + FIRST_LISTS_MS);
}

/* Tells each entry whose state or reason is another than before. */
static void tell_changes(struct waiting *w)
{
	size_t done = plan_done_count(w->awaited.plan), total = plan_count(w->awaited.plan);

	for (size_t i = 0; i < total; i++) {
		const struct verdict *verdict = plan_at(w->awaited.plan, i)->verdict;
		AUTO_FREE char *now = xasprintf("%d %s", (int)verdict->state, verdict->reason);

		if (!is_news(w, verdict) || (w->told[i] && strcmp(w->told[i], now) == 0))
			continue;
		free(w->told[i]);
		w->told[i] = GIVE(now);
		awaited_emit(&w->awaited, i, false);
	}
	if (done == w->done_told)
		return;
	w->done_told = done;
	run_emit(w->run, &(struct job_event){ .kind = JOB_PROGRESS, .done = done, .total = total });
}

static int64_t earliest(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

/* When to look again although nothing came. */
static int64_t next_look(const struct waiting *w, int64_t recheck_ms)
{
	int64_t first_ms = w->started_ms + FIRST_LISTS_MS;
	bool pending = !w->complete && watcher_now_ms(w->awaited.watcher) < first_ms;

	return earliest(earliest(recheck_ms, w->due_ms), pending ? first_ms : INT64_MAX);
}

/* What keeps the wait from its end, with causes; the verdict names the first. */
static char *tell_unready(struct waiting *w, const char *opening)
{
	struct buf text = BUF_INIT(0);
	size_t total = plan_count(w->awaited.plan), unready = 0;

	for (size_t i = 0; i < total; i++) {
		const struct plan_entry *entry = plan_at(w->awaited.plan, i);

		if (entry->done || entry->dropped)
			continue;
		awaited_emit(&w->awaited, i, true);
		unready++;
		if (unready > 3)
			continue;
		AUTO_RELEASE(buf) why = BUF_INIT(0);

		verdict_format_why(entry->verdict, watcher_now_ms(w->awaited.watcher), &why);
		buf_addf(&text, "%s%s %s %s%s%s", unready > 1 ? "; " : "", entry->object.kind->kind, entry->object.name,
			 health_state_name(entry->verdict->state), why.len ? ": " : "", buf_cstr(&why));
	}
	char *verdict = xasprintf("%s: %zu of %zu not ready: %s%s", opening, unready, total, buf_cstr(&text), unready > 3 ? "; …" : "");

	buf_release(&text);
	return verdict;
}

/* The failure is certain; the line that explains it may still be on its way. */
static void await_lines(struct waiting *w)
{
	AUTO_RELEASE(error) ignored = { 0 };
	int64_t recheck_ms, due_ms = watcher_now_ms(w->awaited.watcher) + LINES_LIMIT_MS;

	while (awaited_wants_lines(&w->awaited) && watcher_now_ms(w->awaited.watcher) < due_ms) {
		if (!watcher_wait(w->awaited.watcher, w->run->cancel, due_ms, &ignored))
			return;
		awaited_judge(&w->awaited, &recheck_ms);
	}
}

/* Rule 12: what was written and is not there at the first look was deleted by a hook (a probe that cleans up after itself). */
static void drop_what_hooks_deleted(struct waiting *w)
{
	for (size_t i = 0; w->run->hooks_ran && i < plan_count(w->awaited.plan); i++) {
		const struct plan_entry *entry = plan_at(w->awaited.plan, i);

		if (entry->dropped || entry->verdict->state != HEALTH_MISSING || !*entry->object.uid)
			continue;
		run_note(w->run, "%s %s was deleted by a hook of this run: not waited for", entry->object.kind->kind, entry->object.name);
		plan_drop(w->awaited.plan, entry->object.kind, entry->object.namespace, entry->object.name, "deleted by a hook of this run");
	}
}

static int watch_until_end(struct waiting *w, char **ret_verdict)
{
	AUTO_RELEASE(error) err = { 0 };

	for (;;) {
		int64_t recheck_ms;
		enum plan_state state = awaited_judge(&w->awaited, &recheck_ms);

		if (!w->complete && awaited_is_complete(&w->awaited)) {
			w->complete = true;
			drop_what_hooks_deleted(w);
			state = awaited_judge(&w->awaited, &recheck_ms);
		}
		tell_changes(w);
		if (state == PLAN_DONE) {
			*ret_verdict = xasprintf("%zu of %zu healthy", plan_count(w->awaited.plan), plan_count(w->awaited.plan));
			return EXIT_DONE;
		}
		if (state == PLAN_FAILED) {
			await_lines(w);
			*ret_verdict = tell_unready(w, "degraded");
			return EXIT_DEGRADED;
		}
		AUTO_FREE char *forbidden = awaited_forbidden(&w->awaited);
		bool late = watcher_now_ms(w->awaited.watcher) >= w->due_ms;

		if (forbidden && (w->complete || late)) { /* not before all that can be seen was told */
			*ret_verdict = tell_unready(w, forbidden);
			return EXIT_DENIED;
		}
		if (late) {
			*ret_verdict = tell_unready(w, "deadline passed");
			return EXIT_DEADLINE;
		}
		if (!watcher_wait(w->awaited.watcher, w->run->cancel, next_look(w, recheck_ms), &err)) {
			*ret_verdict = tell_unready(w, "cancelled");
			return job_exit_of_error(&err, cancel_signal(w->run->cancel));
		}
	}
}

int wait_for_plan(struct run *run, struct deploy_plan *plan, char **ret_verdict)
{
	struct waiting w = { .run = run, .done_told = SIZE_MAX };
	char limit[64];
	int code;

	run_step(run, "wait");
	awaited_open(&w.awaited, run, plan, settle_of(run));
	w.told = xcalloc(plan_count(w.awaited.plan) + 1, sizeof *w.told);
	w.started_ms = watcher_now_ms(w.awaited.watcher);
	w.due_ms = w.started_ms + limit_of(run);
	run_note(run, "waiting for %zu objects, at most %s", plan_count(w.awaited.plan), duration_format_short(limit_of(run), limit));
	if (plan_count(w.awaited.plan)) {
		code = watch_until_end(&w, ret_verdict);
	} else {
		*ret_verdict = xstrdup("nothing to wait for");
		code = EXIT_DONE;
	}
	run_step_end(run, code == EXIT_DONE, *ret_verdict);
	for (size_t i = 0; i < plan_count(w.awaited.plan); i++)
		free(w.told[i]);
	free(w.told);
	awaited_close(&w.awaited);
	return code;
}

/* Makes the plan of what the stack renders; false when the run has ended with *ret_code. */
static bool begin(struct run *run, const struct job_context *context, const struct apply_options *options, const char *what,
		  struct deploy_plan *plan, int *ret_code)
{
	AUTO_RELEASE(error) err = { 0 };

	run_begin(run, context, options, what);
	if (deploy_plan_make(run, plan, &err))
		return true;
	*ret_code = run_end(run, job_exit_of_error(&err, cancel_signal(run->cancel)), err.message);
	return false;
}

int job_wait(const struct job_context *context, const struct apply_options *options)
{
	struct run run;
	struct deploy_plan plan = { 0 };
	AUTO_FREE char *verdict = NULL;
	int code;

	if (begin(&run, context, options, "wait", &plan, &code)) {
		code = wait_for_plan(&run, &plan, &verdict);
		run_end(&run, code, verdict);
	}
	deploy_plan_release(&plan);
	return code;
}

/* ---- status ---- */

/* The worst of all decides. */
static int judge_status(struct awaited *a, char **ret_verdict)
{
	size_t total = plan_count(a->plan), counts[HEALTH_DEGRADED + 1] = { 0 };
	AUTO_FREE char *forbidden = awaited_forbidden(a);
	enum health_state worst = HEALTH_HEALTHY;

	for (size_t i = 0; i < total; i++) {
		const struct plan_entry *entry = plan_at(a->plan, i);
		enum health_state state = entry->verdict->lets_wait_go ? HEALTH_HEALTHY : entry->verdict->state;

		counts[state]++;
		if (health_is_worse(state, worst))
			worst = state;
		awaited_emit(a, i, state != HEALTH_HEALTHY);
	}
	*ret_verdict = forbidden ? xstrdup(forbidden) : xasprintf("%s: %zu of %zu healthy", health_state_name(worst), counts[HEALTH_HEALTHY], total);
	if (worst == HEALTH_DEGRADED || worst == HEALTH_MISSING)
		return EXIT_DEGRADED;
	if (forbidden)
		return EXIT_DENIED;
	return health_is_fine(worst) ? EXIT_DONE : EXIT_PENDING;
}

int job_status(const struct job_context *context, const struct apply_options *options)
{
	struct run run;
	struct deploy_plan plan = { 0 };
	struct awaited awaited;
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *verdict = NULL;
	int code;
	int64_t recheck_ms;

	if (!begin(&run, context, options, "status", &plan, &code)) {
		deploy_plan_release(&plan);
		return code;
	}
	awaited_open(&awaited, &run, &plan, 0);
	int64_t due_ms = watcher_now_ms(awaited.watcher) + STATUS_LIMIT_MS;

	awaited_judge(&awaited, &recheck_ms);
	while (err.kind == ERR_NONE && watcher_now_ms(awaited.watcher) < due_ms && (!awaited_is_complete(&awaited) || awaited_wants_lines(&awaited))) {
		watcher_wait(awaited.watcher, run.cancel, due_ms, &err);
		awaited_judge(&awaited, &recheck_ms);
	}
	code = err.kind ? job_exit_of_error(&err, cancel_signal(run.cancel)) : judge_status(&awaited, &verdict);
	run_end(&run, code, err.kind ? err.message : verdict);
	awaited_close(&awaited);
	deploy_plan_release(&plan);
	return code;
}
