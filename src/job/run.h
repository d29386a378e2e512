/*
 * run: one execution of a job: who it is, what it says, and the plan it works on. Private to src/job.
 */
#ifndef SLOTDECK_JOB_RUN_H
#define SLOTDECK_JOB_RUN_H

#include "job/job.h"
#include "kube/client.h"
#include "model/stack.h"

struct run {
	const struct job_context *context;
	const struct apply_options *options;
	struct kube *kube;
	const struct stack *stack;
	struct cancel *cancel;
	struct clock *clock;
	char id[40];	/* "20261124-2231-7f3a9c" */
	uint64_t seq;
	int64_t started_ms;
	int64_t write_due_ms; /* no write begins after that; 0: no limit */
	size_t counts[CHANGE_COUNT];
	const char *step; /* the present one, or NULL */
	int64_t step_started_ms;
	const struct deploy_plan *plan; /* NULL until it is made */
	struct lease *lease; /* NULL: none needed */
	unsigned hooks_ran;  /* after the first write */
	bool namespace_is_new; /* the stack's: made by this run, so nothing of the plan is in it yet */
	struct run_record *record; /* NULL: it changes nothing (yet) */
};

void run_begin(struct run *run, const struct job_context *context, const struct apply_options *options, const char *what);
/* Sends JOB_FINISHED and returns exit_code. */
int run_end(struct run *run, int exit_code, const char *verdict);
/* Fills seq, time, run id and step, then calls the sink. */
void run_emit(struct run *run, struct job_event *event);
void run_note(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void run_step(struct run *run, const char *step);
void run_step_end(struct run *run, bool ok, const char *summary);
/* Whether writing may go on: not cancelled, time left, lease still ours. Waits while a renewal of the lease is overdue, 20 s at most. */
bool run_may_write(struct run *run, struct error *err);

/* Applies one object of our own making (a Secret of a hook, the inventory) by force, if writing may go on. what: for the error. */
bool run_apply(struct run *run, const struct kube_resource *resource, const char *namespace, const char *name, struct str body, const char *what,
	       struct error *err);

/* ---- what it changes, as one record of the history (run_record.c, job/history.h) ---- */

/*
 * Before the first change: the record is written as begun, with what is planned ("PATCH /apis/…"; planned is taken). From then on each
 * changing request of the run's client is noted, but for those about its Lease, and each hook that runs. Where it can't be written that is a
 * note of the run, which goes on: a machine of CI may have no place for it. verb: of the command that does the same ("images mirror").
 */
void run_record_begin(struct run *run, const char *action, const char *verb, char **planned, size_t nplanned);
/* A request that does not go by the run's client. Any thread. Nothing without a record. */
void run_record_note(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Writes it as done or failed, and forgets it; run_end() does. */
void run_record_end(struct run *run, int exit_code, const char *verdict);

/* ---- plan (plan.c) ---- */

struct deploy_object {
	const struct stack_item *item;
	const char *item_name;	/* "" for none */
	char *api_version, *kind, *namespace, *name; /* namespace "" when cluster-scoped */
	const char *file;	/* borrowed from the stack */
	unsigned line;
	unsigned layer;
	char *json;		/* compact text, with our labels */
	size_t json_len;
	const struct kube_resource *resource; /* NULL until known (its CRD is in the plan) */
	/* outcome */
	enum job_change change;
	bool asked_for;		/* look_at_live() had it */
	bool looked_at;		/* whether it is there is known, and what it is */
	char *live_version;	/* resourceVersion before we wrote; NULL: it was not there, or was not looked at */
	char *live;		/* JSON as it was; NULL: absent, not kept or not looked at */
	char *uid;
	char *message;		/* of a failure */
	int64_t generation;	/* applied; -1: none */
	bool from_client_side;	/* made by client-side apply: its fields become ours */
};

struct deploy_plan {
	struct deploy_object *objects; /* in services.yaml order */
	size_t len, cap;
	struct selection *selection;
};

/* Renders the stack into a plan: labels added, namespace filled by discovery's scope, duplicates and unknown kinds found.
 * Findings are emitted; false when one is an error. */
bool deploy_plan_make(struct run *run, struct deploy_plan *plan, struct error *err);
void deploy_plan_release(struct deploy_plan *plan);
/* "group kind namespace/name", without version: the same object whatever version it was written in. Gives. */
char *deploy_identity(const struct deploy_object *object);
struct job_object deploy_job_object(const struct deploy_object *object);

/* ---- hooks (hooks.c) ---- */

/* Runs one stage in file order: HOOK_BEFORE_ALL, HOOK_BEFORE_APPLY (infra, then services), … Only items of the plan's selection, unless
 * hooks_of_all. False when a hook without continueOnError failed. */
bool hooks_run(struct run *run, enum hook_stage stage, struct error *err);

/* ---- wait (wait.c) ---- */

/* Watches the plan's objects until done, hopeless, deadline or cancel; emits JOB_WAIT, JOB_CAUSE, JOB_PROGRESS. Returns an exit code;
 * verdict (one line) is given. */
int wait_for_plan(struct run *run, struct deploy_plan *plan, char **ret_verdict);

#endif
