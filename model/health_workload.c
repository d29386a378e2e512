/* Rules 4, 5 and 6: Deployment, ReplicaSet, StatefulSet, DaemonSet, Job. */
#include <stdlib.h>
#include <string.h>

#include "model/health_private.h"

#define NO_PROGRESS_MS (600 * SECOND_MS)

/* ---- pods below ---- */

struct pods {
	struct entry *hopeless, *recovering;
	const struct verdict *verdict; /* of hopeless */
};

static bool blames_workload(const struct verdict *v, bool of_job)
{
	if (v->state != HEALTH_DEGRADED || !v->hopeless)
		return false;
	/* A Job runs its pods again by itself, up to its limit. */
	return !of_job || (strcmp(v->rule_id, "pod.crash") && strcmp(v->rule_id, "pod.oom") && strcmp(v->rule_id, "pod.failed"));
}

static struct pods look_at_pods(struct look *look, struct entry *owner)
{
	bool of_job = owner->row && owner->row->kind->shape == SHAPE_JOB;
	struct pods pods = { 0 };

	for (struct entry *e = owner->children; e; e = e->next_child) {
		const struct verdict *v;

		if (!e->row || e->row->kind->shape != SHAPE_POD || e->row->deleted_ms)
			continue;
		v = look_at(look, e);
		if (blames_workload(v, of_job)) {
			if (!pods.hopeless || v->counts_ms < pods.verdict->counts_ms) {
				pods.hopeless = e;
				pods.verdict = v;
			}
		} else if (!strcmp(v->rule_id, "pod.recovering")) {
			pods.recovering = e;
		}
	}
	return pods;
}

static void say_hopeless(struct look *look, const struct pods *pods, unsigned rule)
{
	const struct verdict *v = pods->verdict;

	look_say(look, HEALTH_DEGRADED, rule, v->rule_id, v->reason, "pod %s: %s", pods->hopeless->row->name, v->message);
	look->verdict.hopeless = true;
	look->cause = pods->hopeless;
	look->bad_since_ms = v->since_ms;
	/* The workload's grace ends with the pod's, or with its own if new pods have the same trouble again. */
	look->counts_ms = v->counts_ms;
}

static void say_recovering(struct look *look, const struct pods *pods, unsigned rule)
{
	const struct verdict *v = look_at(look, pods->recovering);

	look_say(look, HEALTH_PROGRESSING, rule, "pod.recovering", v->reason, "pod %s: %s", pods->recovering->row->name,
		 v->message);
	look->cause = pods->recovering;
}

/* ---- the controller may not make pods ---- */

static bool say_replica_failure(struct look *look, unsigned rule, int32_t replicas)
{
	const struct row_condition *c = row_condition(look->row, "ReplicaFailure");
	bool quota, denied;

	if (!c || c->status != ROW_TRUE)
		return false;
	quota = strstr(c->message, "exceeded quota") || strstr(c->message, "failed quota");
	denied = strstr(c->message, "denied the request") || strstr(c->message, "violates PodSecurity");
	look_say(look, HEALTH_DEGRADED, rule,
		 quota ? "workload.quota" : strstr(c->message, "webhook") ? "workload.webhook" : "workload.replica-failure",
		 c->reason, "%s", c->message);
	look->verdict.hopeless = true;
	look->bad_since_ms = c->since_ms;
	/* Beside running pods a full quota may free itself as they go. */
	look->grace = !quota && !denied ? GRACE_WOBBLE : replicas ? GRACE_CERTAIN : GRACE_NONE;
	return true;
}

/* ---- no progress ---- */

/* When the counts last moved, as far as we saw. */
static int64_t progressed_ms(struct look *look)
{
	const struct row_workload *w = look->row->workload;
	const int64_t parts[] = { look->row->generation, w->want, w->replicas, w->updated, w->ready, w->available, w->current };
	uint64_t now = 14695981039346656037u;
	struct memory *m = look->memory;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		now = (now ^ (uint64_t)parts[i]) * 1099511628211u;
	if (now != m->progress) {
		bool first = !m->progress_ms;
		int64_t at = look->row->managed_ms > look->row->created_ms ? look->row->managed_ms : look->row->created_ms;

		m->progress = now;
		m->progress_ms = first && at && at < look->now_ms ? at : look->now_ms;
	}
	return m->progress_ms;
}

static void degrade_if_stuck(struct look *look, unsigned rule)
{
	int64_t due = progressed_ms(look) + NO_PROGRESS_MS;

	look->verdict.deadline_ms = due;
	look_recheck(look, due);
	if (look->now_ms < due)
		return;
	look_say(look, HEALTH_DEGRADED, rule, "workload.stuck", "NoProgress", "no progress for 10 min: %s", buf_cstr(&look->message));
	look->verdict.deadline_ms = 0;
	look->verdict.confidence = HEALTH_LIKELY;
	look->verdict.hopeless = true;
	look->bad_since_ms = due;
}

/* ---- Deployment ---- */

static long revision_of(const struct row *row)
{
	return strtol(row_annotation(row, "deployment.kubernetes.io/revision"), NULL, 10);
}

struct entry *health_newest_replica_set(const struct entry *deployment)
{
	struct entry *newest = NULL;

	for (struct entry *e = deployment->children; e; e = e->next_child) {
		if (!e->row || !kind_same(e->row->kind, &kind_replica_set))
			continue;
		if (!newest || revision_of(e->row) > revision_of(newest->row) ||
		    (revision_of(e->row) == revision_of(newest->row) && e->row->created_ms > newest->row->created_ms))
			newest = e;
	}
	return newest;
}

/* kstatus' steps; "" when all are done. */
static void rollout_step(const struct row *row, struct buf *out)
{
	const struct row_workload *w = row->workload;
	const struct row_condition *progress = row_condition(row, "Progressing");
	bool has_deadline = w->progress_deadline_s >= 0 && w->progress_deadline_s != INT32_MAX;

	if (w->updated < w->want)
		buf_addf(out, "%d of %d new pods made", w->updated, w->want);
	else if (w->replicas > w->want)
		buf_addf(out, "%d old pod%s still end%s", w->replicas - w->want, w->replicas - w->want == 1 ? "" : "s",
			 w->replicas - w->want == 1 ? "s" : "");
	else if (w->ready < w->want)
		buf_addf(out, "%d of %d pods ready", w->ready, w->want);
	else if (w->available < w->want)
		buf_addf(out, "%d of %d pods available", w->available, w->want);
	else if (w->replicas < w->want)
		buf_addf(out, "%d of %d pods made", w->replicas, w->want);
	else if (has_deadline && (!progress || strcmp(progress->reason, "NewReplicaSetAvailable")))
		buf_adds(out, "the rollout is not reported complete");
	else if (!row_condition_is(row, "Available", ROW_TRUE))
		buf_adds(out, "not reported available");
}

static void say_rolling(struct look *look, const char *step)
{
	const struct row_workload *w = look->row->workload;
	const struct row_condition *progress = row_condition(look->row, "Progressing");
	const struct row_condition *available = row_condition(look->row, "Available");
	bool rolled_out = progress && !strcmp(progress->reason, "NewReplicaSetAvailable");

	/* After a rollout there is no deadline any more, but what serves nobody is broken. */
	if (rolled_out && available && available->status == ROW_FALSE) {
		int64_t due = available->since_ms + MINUTE_MS;

		look_say(look, look->now_ms < due ? HEALTH_PROGRESSING : HEALTH_DEGRADED, 4, "deployment.unavailable", available->reason,
			 "%s", step);
		look->verdict.since_ms = available->since_ms;
		look->verdict.deadline_ms = look->now_ms < due ? due : 0;
		look->bad_since_ms = due;
		look_recheck(look, due);
		return;
	}
	look_say(look, HEALTH_PROGRESSING, 4, "deployment.rollout", "Rollout", "%s", step);
	if (!rolled_out && progress && w->progress_deadline_s > 0 && w->progress_deadline_s != INT32_MAX && progress->updated_ms)
		look->verdict.deadline_ms = progress->updated_ms + w->progress_deadline_s * SECOND_MS;
}

static void judge_deployment(struct look *look)
{
	const struct row_workload *w = look->row->workload;
	const struct row_condition *progress = row_condition(look->row, "Progressing");
	struct entry *set = health_newest_replica_set(look->entry);
	struct pods pods = { 0 };
	AUTO_RELEASE(buf) step = BUF_INIT(0);

	if (w->paused) {
		look_say(look, HEALTH_SUSPENDED, 4, "deployment.paused", "Paused", "paused");
		return;
	}
	if (say_replica_failure(look, 4, w->replicas))
		return;
	rollout_step(look->row, &step);
	if (set)
		pods = look_at_pods(look, set);
	if (step.len && pods.hopeless) {
		say_hopeless(look, &pods, 4);
	} else if (progress && !strcmp(progress->reason, "ProgressDeadlineExceeded")) {
		look_say(look, HEALTH_DEGRADED, 4, "deployment.deadline", progress->reason, "%s", progress->message);
		look->verdict.hopeless = true;
		look->verdict.since_ms = look->bad_since_ms = progress->since_ms;
	} else if (step.len) {
		say_rolling(look, buf_cstr(&step));
	} else if (pods.recovering) {
		say_recovering(look, &pods, 4);
	} else {
		look_say(look, HEALTH_HEALTHY, 4, "deployment", "", "%s", w->want ? "" : "scaled to 0");
		if (row_condition(look->row, "Available"))
			look->verdict.since_ms = row_condition(look->row, "Available")->since_ms;
		if (!look_is_fresh(look, &kind_pod))
			look->verdict.confidence = HEALTH_LIKELY;
	}
}
const struct health_rule health_rule_deployment = { .judge = judge_deployment };

/* ---- ReplicaSet ---- */

static void judge_replica_set(struct look *look)
{
	const struct row_workload *w = look->row->workload;
	struct pods pods;

	if (say_replica_failure(look, 4, w->replicas))
		return;
	pods = look_at_pods(look, look->entry);
	if (w->replicas == w->want && w->available >= w->want)
		look_say(look, HEALTH_HEALTHY, 4, "replicaset", "", "%s", w->want ? "" : "scaled to 0");
	else if (pods.hopeless)
		say_hopeless(look, &pods, 4);
	else
		look_say(look, HEALTH_PROGRESSING, 4, "replicaset", "Scaling", "%d of %d pods available", w->available, w->want);
}
const struct health_rule health_rule_replica_set = { .judge = judge_replica_set };

/* ---- StatefulSet, DaemonSet ---- */

static void stateful_step(const struct row_workload *w, struct buf *out)
{
	int32_t partition = w->partition > 0 ? w->partition : 0;
	bool on_delete = !strcmp(w->strategy, "OnDelete");

	if (w->replicas < w->want)
		buf_addf(out, "%d of %d pods made", w->replicas, w->want);
	else if (w->ready < w->want)
		buf_addf(out, "%d of %d pods ready", w->ready, w->want);
	else if (w->replicas > w->want)
		buf_addf(out, "%d pod%s too many", w->replicas - w->want, w->replicas - w->want == 1 ? "" : "s");
	else if (on_delete)
		return;
	else if (partition && w->updated < w->want - partition)
		buf_addf(out, "%d of %d pods updated", w->updated, w->want - partition);
	else if (!partition && strcmp(w->current_revision, w->update_revision))
		buf_addf(out, "%d of %d pods updated", w->updated, w->want);
	else if (w->available < w->want && w->min_ready_s)
		buf_addf(out, "%d of %d pods available", w->available, w->want);
}

static void daemon_step(const struct row_workload *w, struct buf *out)
{
	bool on_delete = !strcmp(w->strategy, "OnDelete");

	if (w->current < w->want)
		buf_addf(out, "on %d of %d nodes", w->current, w->want);
	else if (!on_delete && w->updated < w->want)
		buf_addf(out, "%d of %d pods updated", w->updated, w->want);
	else if (w->ready < w->want)
		buf_addf(out, "%d of %d pods ready", w->ready, w->want);
	else if (w->available < w->want)
		buf_addf(out, "%d of %d pods available", w->available, w->want);
}

/* Both kinds: the counts are reached or not; what is not, is rolling, hopeless or stuck. */
static void judge_counts(struct look *look, const char *rule_id, const char *step, const char *note)
{
	struct pods pods = look_at_pods(look, look->entry);

	if (!*step && pods.recovering) {
		say_recovering(look, &pods, 5);
	} else if (!*step) {
		progressed_ms(look);
		look_say(look, HEALTH_HEALTHY, 5, rule_id, "", "%s", note);
	} else if (pods.hopeless) {
		say_hopeless(look, &pods, 5);
	} else {
		look_say(look, HEALTH_PROGRESSING, 5, rule_id, "Rollout", "%s", step);
		degrade_if_stuck(look, 5);
	}
}

static void judge_stateful_set(struct look *look)
{
	const struct row_workload *w = look->row->workload;
	bool old = !strcmp(w->strategy, "OnDelete") && strcmp(w->current_revision, w->update_revision);
	AUTO_RELEASE(buf) step = BUF_INIT(0);

	stateful_step(w, &step);
	judge_counts(look, "statefulset", buf_cstr(&step),
		     old ? "some pods are of an older revision, until they are deleted (OnDelete)" : w->want ? "" : "scaled to 0");
}
const struct health_rule health_rule_stateful_set = { .judge = judge_stateful_set };

static void judge_daemon_set(struct look *look)
{
	const struct row_workload *w = look->row->workload;
	bool old = !strcmp(w->strategy, "OnDelete") && w->updated < w->want;
	AUTO_RELEASE(buf) step = BUF_INIT(0);

	daemon_step(w, &step);
	judge_counts(look, "daemonset", buf_cstr(&step),
		     old ? "some pods are of an older revision, until they are deleted (OnDelete)" : w->want ? "" : "no node wants it");
}
const struct health_rule health_rule_daemon_set = { .judge = judge_daemon_set };

/* ---- Job ---- */

static struct entry *newest_failed_pod(const struct entry *job)
{
	struct entry *newest = NULL;

	for (struct entry *e = job->children; e; e = e->next_child) {
		if (e->row && e->row->kind->shape == SHAPE_POD && !strcmp(e->row->pod->phase, "Failed") &&
		    (!newest || e->row->created_ms > newest->row->created_ms))
			newest = e;
	}
	/* With restartPolicy OnFailure the pods are deleted or still there, not failed. */
	if (!newest && job->children && job->children->row && job->children->row->kind->shape == SHAPE_POD)
		newest = job->children;
	return newest;
}

static void say_job_failed(struct look *look, const struct row_condition *failed)
{
	struct entry *pod = newest_failed_pod(look->entry);
	const struct row_container *c = pod ? health_worst_container(pod->row) : NULL;

	if (c)
		look_say(look, HEALTH_DEGRADED, 6, "job.failed", failed->reason, "%s: container %s ended with exit code %d (%s)",
			 failed->message, c->name, c->state == ROW_TERMINATED ? c->exit_code : c->last_exit_code,
			 c->state == ROW_TERMINATED ? c->reason : c->last_reason);
	else
		look_say(look, HEALTH_DEGRADED, 6, "job.failed", failed->reason, "%s", failed->message);
	look->cause = pod;
	look->verdict.hopeless = true;
	look->grace = GRACE_NONE;
	look->verdict.since_ms = look->bad_since_ms = failed->since_ms;
}

static void judge_job(struct look *look)
{
	const struct row_job *job = look->row->job;
	const struct row_condition *failed = row_condition(look->row, "Failed");
	struct pods pods;

	if (!failed || failed->status != ROW_TRUE)
		failed = row_condition(look->row, "FailureTarget");
	if (row_condition_is(look->row, "Complete", ROW_TRUE)) {
		look_say(look, HEALTH_HEALTHY, 6, "job.complete", "", "complete");
		look->verdict.since_ms = job->completed_ms;
		return;
	}
	if (failed && failed->status == ROW_TRUE) {
		say_job_failed(look, failed);
		return;
	}
	if (job->suspended) {
		look_say(look, HEALTH_SUSPENDED, 6, "job.suspended", "Suspended", "suspended");
		return;
	}
	pods = look_at_pods(look, look->entry);
	if (pods.hopeless) {
		say_hopeless(look, &pods, 6);
		return;
	}
	look_say(look, HEALTH_PROGRESSING, 6, "job.running", "Running", "%d active, %d of %d succeeded, %d failed", job->active,
		 job->succeeded, job->completions < 0 ? 1 : job->completions, job->failed);
	look->verdict.since_ms = job->started_ms;
}
const struct health_rule health_rule_job = { .judge = judge_job };
