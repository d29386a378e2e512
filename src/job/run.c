#include "job/run.h"

#include <stdarg.h>
#include <string.h>
#include <sys/random.h>

#include "base/utc.h"
#include "kube/apply.h"
#include "kube/lease.h"

#define LEASE_PATIENCE_MS 20000
#define LEASE_LOOK_MS	  50

static void make_id(char *id, size_t size, int64_t wall_ms)
{
	struct utc_fields t = utc_split(wall_ms * 1000);
	unsigned char random[3] = { 0 };

	(void)!getrandom(random, sizeof random, 0);
	snprintf(id, size, "%04d%02d%02d-%02d%02d-%02x%02x%02x", (int)t.year % 10000, t.month % 100, t.day % 100, t.hour % 100, t.minute % 100,
		 random[0], random[1], random[2]);
}

void run_begin(struct run *run, const struct job_context *context, const struct apply_options *options, const char *what)
{
	*run = (struct run){ .context = context,
			     .options = options,
			     .kube = context->kube,
			     .stack = context->stack,
			     .cancel = context->cancel,
			     .clock = context->clock,
			     .started_ms = clock_now_ms(context->clock) };
	if (context->run_id)
		snprintf(run->id, sizeof run->id, "%s", context->run_id);
	else
		make_id(run->id, sizeof run->id, clock_wall_ms(context->clock));
	AUTO_RELEASE(buf) where = BUF_INIT(0);

	if (run->stack) {
		buf_adds(&where, run->stack->env);
		if (run->stack->slot)
			buf_addf(&where, " slot %lld", run->stack->slot);
		if (*run->stack->namespace)
			buf_addf(&where, " in namespace %s", run->stack->namespace);
	}
	run_emit(run, &(struct job_event){ .kind = JOB_STARTED, .text = what, .detail = buf_cstr(&where) });
}

int run_end(struct run *run, int exit_code, const char *verdict)
{
	struct job_event event = { .kind = JOB_FINISHED,
				   .exit_code = exit_code,
				   .text = verdict,
				   .elapsed_ms = clock_now_ms(run->clock) - run->started_ms };

	run->step = NULL;
	run_record_end(run, exit_code, verdict);
	memcpy(event.counts, run->counts, sizeof event.counts);
	run_emit(run, &event);
	return exit_code;
}

void run_emit(struct run *run, struct job_event *event)
{
	event->seq = ++run->seq;
	event->time_ms = clock_wall_ms(run->clock);
	event->run = run->id;
	if (!event->step)
		event->step = run->step;
	if (event->kind == JOB_OBJECT || event->kind == JOB_DIFF)
		run->counts[event->change]++;
	if (event->kind == JOB_HOOK && event->change != CHANGE_SKIPPED)
		run_record_note(run, "hook %s", event->text);
	if (run->context->sink)
		run->context->sink(event, run->context->sink_arg);
}

void run_note(struct run *run, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	run_emit(run, &(struct job_event){ .kind = JOB_NOTE, .text = buf_cstr(&text) });
}

void run_step(struct run *run, const char *step)
{
	run->step = step;
	run->step_started_ms = clock_now_ms(run->clock);
	run_emit(run, &(struct job_event){ .kind = JOB_STEP_STARTED });
}

void run_step_end(struct run *run, bool ok, const char *summary)
{
	run_emit(run, &(struct job_event){ .kind = JOB_STEP_FINISHED,
					   .ok = ok,
					   .text = summary,
					   .elapsed_ms = clock_now_ms(run->clock) - run->step_started_ms });
	run->step = NULL;
}

/* After an outage the renewing thread finds out first whether the lease is still ours. */
static bool lease_is_ours(struct run *run, struct error *err)
{
	int64_t due_ms = clock_now_ms(run->clock) + LEASE_PATIENCE_MS;

	while (!lease_held(run->lease, err)) {
		if (lease_is_lost(run->lease) || clock_now_ms(run->clock) >= due_ms)
			return false;
		error_release(err);
		if (!clock_sleep(run->clock, run->cancel, LEASE_LOOK_MS, err))
			return false;
	}
	return true;
}

bool run_may_write(struct run *run, struct error *err)
{
	if (run->write_due_ms && clock_now_ms(run->clock) > run->write_due_ms)
		return error_set(err, ERR_TIMEOUT, "the time for writing is over (--timeout)");
	return cancel_check(run->cancel, err) && (!run->lease || lease_is_ours(run, err));
}

bool run_apply(struct run *run, const struct kube_resource *resource, const char *namespace, const char *name, struct str body, const char *what,
	       struct error *err)
{
	struct kube_apply apply = { .resource = resource, .namespace = namespace, .name = name, .body = body, .force = true };
	bool good = run_may_write(run, err) && kube_apply_many(run->kube, &apply, 1, 1, run->cancel, NULL, err);

	if (good && !apply.ok)
		good = apply.status.code ? kube_status_error(&apply.status, what, err) : error_move(err, &apply.error);
	kube_apply_release(&apply);
	return good;
}
