#include "job/apply.h"

#include <stdlib.h>
#include <string.h>

#include "job/deadline.h"
#include "job/history.h"
#include "job/inventory.h"
#include "job/layers.h"
#include "job/preflight.h"
#include "job/prune.h"
#include "kube/lease.h"

#define RATE_PER_S 1000 /* a deployment may go faster than a dashboard */
#define BURST	   500
#define WRITE_LIMIT_MS (10 * 60 * 1000) /* hooks included; more for large stacks */
#define PER_OBJECT_MS  500

struct application { /* one job_apply() */
	struct run run;
	struct deploy_plan plan;
	struct inventory inventory;
	struct outcome outcome;
	struct error err;
	size_t pruned;
	bool layers_begun; /* before that nothing is half done */
	struct deadline *deadline; /* of all but the wait; NULL: there is none */
};

static bool wants_writes(const struct application *a)
{
	return !a->run.options->dry_run;
}

/* ---- lease ---- */

static void on_lease_wait(const char *holder, int64_t seconds_left, void *arg)
{
	struct run *run = arg;
	AUTO_FREE char *text = xasprintf("another deployment is under way: %s", holder);

	run_emit(run, &(struct job_event){ .kind = JOB_RETRY, .text = text, .elapsed_ms = seconds_left * 1000 });
}

static char *identity_of(const struct run *run)
{
	AUTO_FREE char *who = history_who();

	return xasprintf("%s run %s", who, run->id);
}

/* The workflow run, where there is one. */
static char *run_url(void)
{
	const char *server = getenv("GITHUB_SERVER_URL"), *repository = getenv("GITHUB_REPOSITORY"), *id = getenv("GITHUB_RUN_ID");

	return server && repository && id ? xasprintf("%s/%s/actions/runs/%s", server, repository, id) : NULL;
}

static bool take_lease(struct application *a, struct error *err)
{
	struct run *run = &a->run;
	AUTO_FREE char *identity = identity_of(run), *url = run_url(), *stem = inventory_stem(run->stack);
	AUTO_FREE char *name = xasprintf("slotdeck-%s", stem);
	const char *namespace = *run->stack->namespace ? run->stack->namespace : kube_namespace(run->kube);

	return lease_acquire(run->kube,
			     &(struct lease_options){ .namespace = namespace, .name = name, .identity = identity, .run_url = url,
						      .wait_ms = run->options->lease_wait_ms, .on_wait = on_lease_wait, .arg = run },
			     run->cancel, &run->lease, err);
}

/* ---- steps ---- */

static bool step_namespace(struct application *a, struct error *err)
{
	bool created;

	if (!wants_writes(a))
		return true;
	run_step(&a->run, "namespace");
	bool good = namespace_ensure(&a->run, &a->plan, &created, &a->outcome, err);

	good = good && !a->outcome.failed && !a->outcome.denied && !a->outcome.conflicts;
	a->run.namespace_is_new = good && created;
	run_step_end(&a->run, good, err->kind ? err->message : !good ? "not there" : created ? "created" : "there");
	return good || (err->kind ? false : error_set(err, ERR_SERVER, "namespace %s could not be made", a->run.stack->namespace));
}

static bool step_lease(struct application *a, struct error *err)
{
	if (!wants_writes(a))
		return inventory_load(&a->run, &a->inventory, err);
	run_step(&a->run, "lease");
	bool good = take_lease(a, err) && inventory_load(&a->run, &a->inventory, err);

	run_step_end(&a->run, good, good ? "ours" : err->message);
	return good;
}

static bool step_hooks(struct application *a, const char *step, const enum hook_stage stages[2], struct error *err)
{
	bool good = true;

	if (!wants_writes(a) || a->run.options->no_hooks)
		return true;
	run_step(&a->run, step);
	for (size_t i = 0; i < 2 && good; i++)
		good = run_may_write(&a->run, err) && hooks_run(&a->run, stages[i], err);
	run_step_end(&a->run, good, good ? "done" : err->message);
	return good;
}

static bool outcome_is_good(const struct outcome *o)
{
	return !o->failed && !o->denied && !o->conflicts;
}

static bool has_layer(const struct deploy_plan *plan, unsigned layer)
{
	for (size_t i = 0; i < plan->len; i++)
		if (plan->objects[i].layer == layer)
			return true;
	return false;
}

static bool step_layers(struct application *a, struct error *err)
{
	a->layers_begun = true;
	a->run.namespace_is_new &= a->run.hooks_ran == 0; /* hooks may have filled it */
	a->run.hooks_ran = 0; /* only hooks that come after the writes can delete what was written */
	if (!look_at_plan(&a->run, &a->plan, err))
		return false;
	for (unsigned layer = 0; layer < LAYERS; layer++) {
		char step[16];

		if (!has_layer(&a->plan, layer))
			continue;
		struct outcome before = a->outcome;

		snprintf(step, sizeof step, "layer %u", layer);
		run_step(&a->run, step);
		bool good = apply_layer(&a->run, &a->plan, layer, &a->outcome, err);
		AUTO_FREE char *summary = xasprintf("%zu written, %zu unchanged, %zu failed", a->outcome.written - before.written,
						    a->outcome.unchanged - before.unchanged,
						    a->outcome.failed + a->outcome.denied + a->outcome.conflicts - before.failed - before.denied - before.conflicts);

		run_step_end(&a->run, good && outcome_is_good(&a->outcome), summary);
		if (!good)
			return false;
		if (!outcome_is_good(&a->outcome))
			return true; /* later layers stand on this one */
	}
	return true;
}

static void tell_prune_list(struct run *run, const struct prune_list *list, enum job_change change)
{
	char api_version[128];

	for (size_t i = 0; i < list->len; i++) {
		const struct prune_object *o = &list->items[i];

		if (o->kept)
			run_note(run, "%s %s: no longer rendered; %s", o->resource->kind, o->name, o->kept);
		else if (change == CHANGE_WOULD_PRUNE)
			run_emit(run, &(struct job_event){ .kind = JOB_OBJECT, .object = prune_job_object(o, api_version), .change = change });
		else
			run_note(run, "will prune %s %s", o->resource->kind, o->name);
	}
}

static bool step_prune(struct application *a, struct error *err)
{
	struct prune_list list = { 0 };

	if (!a->run.options->prune)
		return true;
	run_step(&a->run, "prune");
	bool good = prune_find(&a->run, &a->plan, &a->inventory, &list, err);

	if (good)
		tell_prune_list(&a->run, &list, wants_writes(a) ? CHANGE_PRUNED : CHANGE_WOULD_PRUNE);
	if (good && wants_writes(a))
		good = prune_delete(&a->run, &a->plan, &list, &a->inventory, err) && inventory_save(&a->run, &a->inventory, err);
	AUTO_FREE char *summary = xasprintf("%zu object%s", list.going, list.going == 1 ? "" : "s");

	a->pruned = good ? list.going : 0;
	run_step_end(&a->run, good, good ? summary : err->message);
	prune_list_release(&list);
	return good;
}

/* Objects that were not reached are told, so that nobody takes them for done. */
static void tell_skipped(struct application *a)
{
	for (size_t i = 0; i < a->plan.len; i++) {
		struct deploy_object *o = &a->plan.objects[i];

		if (o->change != CHANGE_NONE)
			continue;
		o->change = CHANGE_SKIPPED;
		a->outcome.skipped++;
		run_emit(&a->run, &(struct job_event){ .kind = JOB_OBJECT, .object = deploy_job_object(o), .change = CHANGE_SKIPPED, .text = "not reached" });
	}
}

/* ---- the whole ---- */

/* What will be sent, unless it turns out to be there as it is. */
static void begin_record(struct application *a)
{
	char **planned = xcalloc(a->plan.len + 1, sizeof *planned);
	AUTO_RELEASE(error) ignored = { 0 };

	for (size_t i = 0; i < a->plan.len; i++) {
		const struct deploy_object *o = &a->plan.objects[i];
		AUTO_RELEASE(buf) path = BUF_INIT(0);

		if (o->resource && kube_path(o->resource, o->namespace, o->name, &path, &ignored))
			planned[i] = xasprintf("PATCH %s", buf_cstr(&path));
		else
			planned[i] = xasprintf("PATCH %s %s/%s", o->kind, o->namespace, o->name);
	}
	run_record_begin(&a->run, "apply", "apply", planned, a->plan.len);
}

static bool write_all(struct application *a, struct error *err)
{
	static const enum hook_stage before[] = { HOOK_BEFORE_ALL, HOOK_BEFORE_APPLY }, after[] = { HOOK_AFTER_APPLY, HOOK_AFTER_ALL };

	if (wants_writes(a) && !kube_is_read_only(a->run.kube))
		begin_record(a);
	if (!step_namespace(a, err) || !step_lease(a, err))
		return false;
	inventory_add_plan(&a->inventory, &a->plan);
	if (!step_hooks(a, "hooks before", before, err))
		return false;
	if (wants_writes(a) && !inventory_save(&a->run, &a->inventory, err))
		return false;
	if (!step_layers(a, err))
		return false;
	if (!outcome_is_good(&a->outcome))
		return true;
	return step_hooks(a, "hooks after", after, err) && step_prune(a, err);
}

static int exit_of_outcome(const struct outcome *o)
{
	if (o->conflicts && !o->failed && !o->denied)
		return EXIT_CONFLICT;
	if (!o->failed && !o->denied && !o->conflicts)
		return EXIT_DONE;
	if (o->written)
		return EXIT_PART_DONE;
	return o->denied && !o->failed ? EXIT_DENIED : EXIT_DEGRADED;
}

static char *describe(const struct application *a)
{
	const struct outcome *o = &a->outcome;
	struct buf text = BUF_INIT(0);

	buf_addf(&text, "%zu written, %zu unchanged", o->written, o->unchanged);
	if (a->pruned)
		buf_addf(&text, ", %zu pruned", a->pruned);
	if (o->failed + o->denied)
		buf_addf(&text, ", %zu failed", o->failed + o->denied);
	if (o->conflicts)
		buf_addf(&text, ", %zu in conflict", o->conflicts);
	if (o->unknown)
		buf_addf(&text, ", %zu unknown", o->unknown);
	if (o->skipped)
		buf_addf(&text, ", %zu not reached", o->skipped);
	return buf_give(&text);
}

static int finish_broken(struct application *a)
{
	if (a->err.kind == ERR_CANCELLED && a->deadline && deadline_is_over(a->deadline)) {
		AUTO_FREE char *amid = xstrdup(a->err.message);

		error_set(&a->err, ERR_TIMEOUT, "the time for writing is over (--timeout): %s", amid);
	}
	int code = job_exit_of_error(&a->err, cancel_signal(a->run.cancel));
	AUTO_FREE char *counts = describe(a);
	AUTO_FREE char *verdict = xasprintf("%s: %s", a->err.message, counts);

	if (code == EXIT_DEGRADED && a->outcome.written)
		code = EXIT_PART_DONE;
	if (a->err.hint)
		run_note(&a->run, "hint: %s", a->err.hint);
	return run_end(&a->run, code, verdict);
}

static int finish(struct application *a)
{
	AUTO_FREE char *counts = describe(a), *wait_verdict = NULL, *verdict = NULL;
	int code = exit_of_outcome(&a->outcome);

	if (code == EXIT_DONE && a->run.options->wait && wants_writes(a)) {
		a->run.cancel = a->run.context->cancel;
		lease_release(GIVE(a->run.lease)); /* nothing is written any more: the next deployer need not wait for the wait */
		code = wait_for_plan(&a->run, &a->plan, &wait_verdict);
	}
	verdict = wait_verdict ? xasprintf("%s; %s", counts, wait_verdict) : xstrdup(counts);
	return run_end(&a->run, code, verdict);
}

static void release(struct application *a)
{
	lease_release(a->run.lease);
	inventory_release(&a->inventory);
	deploy_plan_release(&a->plan);
	error_release(&a->err);
	deadline_destroy(a->deadline);
}

/* All but the wait may take so long, hooks included; by default a large plan has more time than a small one. */
static void set_deadline(struct application *a)
{
	struct run *run = &a->run;
	int64_t limit_ms = run->options->apply_timeout_ms ? (int64_t)run->options->apply_timeout_ms : WRITE_LIMIT_MS + (int64_t)a->plan.len * PER_OBJECT_MS;

	run->write_due_ms = run->started_ms + limit_ms;
	run->cancel = run->context->cancel;
	deadline_destroy(a->deadline);
	a->deadline = deadline_create(run->clock, run->cancel, run->write_due_ms);
	if (a->deadline)
		run->cancel = deadline_cancel(a->deadline);
}

static void tell_plan(struct application *a)
{
	for (size_t i = 0; i < a->plan.len; i++)
		run_emit(&a->run, &(struct job_event){ .kind = JOB_PLANNED, .object = deploy_job_object(&a->plan.objects[i]) });
	if (!a->plan.len)
		run_note(&a->run, "nothing is selected: no item of services.yaml renders an object here");
}

int job_apply(const struct job_context *context, const struct apply_options *options)
{
	struct application a = { 0 };

	run_begin(&a.run, context, options, options->dry_run ? "apply (dry run)" : options->operation ? options->operation : "apply");
	http_set_rate(kube_http(a.run.kube), RATE_PER_S, BURST);
	set_deadline(&a);
	run_step(&a.run, "plan");
	bool good = deploy_plan_make(&a.run, &a.plan, &a.err);

	run_step_end(&a.run, good, good ? "made" : a.err.message);
	if (good) {
		tell_plan(&a);
		set_deadline(&a);
	}
	good = good && (!a.plan.len || (preflight(&a.run, &a.plan, &a.err) && write_all(&a, &a.err)));
	if ((!good || !outcome_is_good(&a.outcome)) && a.layers_begun)
		tell_skipped(&a);
	int code = good ? finish(&a) : finish_broken(&a);

	release(&a);
	return code;
}
