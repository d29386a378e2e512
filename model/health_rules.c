/* The rules of kinds other than workloads and pods: 6 (CronJob), 7, 8, 10. */
#include <string.h>

#include "model/health_private.h"

/* ---- CronJob ---- */

static struct entry *newest_finished_job(const struct entry *cron_job)
{
	struct entry *newest = NULL;

	for (struct entry *e = cron_job->children; e; e = e->next_child) {
		bool finished = e->row && e->row->kind->shape == SHAPE_JOB &&
				(row_condition_is(e->row, "Complete", ROW_TRUE) || row_condition_is(e->row, "Failed", ROW_TRUE));

		if (finished && (!newest || e->row->created_ms > newest->row->created_ms))
			newest = e;
	}
	return newest;
}

/* More than twice its period late. */
static bool missed_schedule(struct look *look, const struct row_cron_job *cron)
{
	int64_t last = cron->last_schedule_ms ? cron->last_schedule_ms : look->row->created_ms;
	int64_t first, second, due;

	/* Resumed or changed schedules count from then on. */
	if (look->row->managed_ms > last)
		last = look->row->managed_ms;
	if (!cron_next_two(cron->schedule, last, &first, &second))
		return false;
	due = first + 2 * (second - first);
	look_recheck(look, due + 1);
	return look->now_ms > due;
}

static void judge_cron_job(struct look *look)
{
	const struct row_cron_job *cron = look->row->cron_job;
	struct entry *job = newest_finished_job(look->entry);

	if (cron->suspended) {
		look_say(look, HEALTH_SUSPENDED, 6, "cronjob.suspended", "Suspended", "suspended");
		return;
	}
	if (job && row_condition_is(job->row, "Failed", ROW_TRUE)) {
		const struct verdict *v = look_at(look, job);

		look_say(look, HEALTH_DEGRADED, 6, "cronjob.failed", "LastRunFailed", "last run %s failed: %s", job->row->name,
			 v->message);
		look->cause = job;
		look->bad_since_ms = v->since_ms;
		look->grace = GRACE_NONE;
	} else if (missed_schedule(look, cron)) {
		look_say(look, HEALTH_DEGRADED, 6, "cronjob.missed", "MissedSchedule",
			 "has not run for more than twice its period (%s)", cron->schedule);
	} else if (cron->active) {
		look_say(look, HEALTH_HEALTHY, 6, "cronjob", "", "%d running", cron->active);
	} else {
		look_say(look, HEALTH_HEALTHY, 6, "cronjob", "", "%s", "");
	}
}
const struct health_rule health_rule_cron_job = { .judge = judge_cron_job };

/* ---- PersistentVolumeClaim ---- */

static bool claim_is_used(struct look *look, int64_t *ret_since_ms)
{
	const struct row *row = look->row;
	bool used = false;

	for (struct entry *e = store_first(look_store(look), &kind_pod, row->namespace); e; e = store_next(e, row->namespace)) {
		for (size_t i = 0; i < e->row->pod->nclaims; i++) {
			if (strcmp(e->row->pod->claims[i].value, row->name))
				continue;
			used = true;
			if (e->row->created_ms > *ret_since_ms)
				*ret_since_ms = e->row->created_ms;
		}
	}
	return used;
}

/* By its class; where that cannot be read, by what the controller says. */
static bool waits_for_first_consumer(struct look *look)
{
	const char *class_name = look->row->claim->class_name;
	struct entry *class = *class_name ? store_find_name(look_store(look), &kind_storage_class, "", class_name) : NULL;

	if (class)
		return !strcmp(class->row->storage_class->binding_mode, "WaitForFirstConsumer");
	for (const struct entry *e = look->entry->events; e; e = e->next_event) {
		if (e->row && !strcmp(e->row->event->reason, "WaitForFirstConsumer"))
			return true;
	}
	return false;
}

static void judge_claim(struct look *look)
{
	const struct row *row = look->row;
	const struct row *warning = store_last_warning(look->entry);
	int64_t since = row->created_ms;
	bool used, class_missing;

	if (!strcmp(row->claim->phase, "Bound")) {
		look_say(look, HEALTH_HEALTHY, 7, "claim.bound", "", "%s", "");
		return;
	}
	if (!strcmp(row->claim->phase, "Lost")) {
		look_say(look, HEALTH_DEGRADED, 7, "claim.lost", "Lost", "its volume %s is gone", row->claim->volume);
		look->grace = GRACE_NONE;
		look->verdict.hopeless = true;
		return;
	}
	used = claim_is_used(look, &since);
	if (!used && waits_for_first_consumer(look)) {
		look_say(look, HEALTH_HEALTHY, 7, "claim.unused", "", "waits for the first pod that uses it");
		return;
	}
	class_missing = warning && strstr(warning->event->message, "storageclass.storage.k8s.io") &&
			strstr(warning->event->message, "not found");
	if (look->now_ms < since + MINUTE_MS && !class_missing) {
		look_say(look, HEALTH_PROGRESSING, 7, "claim.pending", "Pending", "waits for its volume%s%s%s%s",
			 *row->claim->class_name ? ", class " : "", row->claim->class_name, warning ? ": " : "",
			 warning ? warning->event->message : "");
		look->verdict.deadline_ms = since + MINUTE_MS;
		look_recheck(look, since + MINUTE_MS);
		return;
	}
	look_say(look, HEALTH_DEGRADED, 7, class_missing ? "claim.class" : "claim.unbound",
		 warning ? warning->event->reason : "Pending", "not bound%s%s%s%s", *row->claim->class_name ? ", class " : "",
		 row->claim->class_name, warning ? ": " : "", warning ? warning->event->message : "");
	look->verdict.since_ms = since;
	look->bad_since_ms = class_missing ? since : since + MINUTE_MS;
	look->verdict.hopeless = class_missing;
	look->grace = class_missing ? GRACE_CERTAIN : GRACE_WOBBLE;
}
const struct health_rule health_rule_claim = { .judge = judge_claim, .reads_namespace = true };

/* ---- Service, Ingress ---- */

static bool pod_serves(const struct row *pod, const struct row_service *service)
{
	return !pod->deleted_ms && (service->publish_not_ready || row_condition_is(pod, "Ready", ROW_TRUE));
}

/* All of want is among have. */
static bool pairs_include(const struct row_pair *have, size_t nhave, const struct row_pair *want, size_t nwant)
{
	size_t found = 0;

	for (size_t i = 0; i < nwant; i++) {
		for (size_t k = 0; k < nhave; k++) {
			if (!strcmp(have[k].key, want[i].key) && !strcmp(have[k].value, want[i].value)) {
				found++;
				break;
			}
		}
	}
	return nwant && found == nwant;
}

/* Whether what should serve is scaled to 0 by wish. */
static bool workload_sleeps(struct look *look, const struct row_service *service)
{
	static const struct kind *const kinds[] = { &kind_deployment, &kind_stateful_set };
	const char *ns = look->row->namespace;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		for (struct entry *e = store_first(look_store(look), kinds[i], ns); e; e = store_next(e, ns)) {
			const struct row_workload *w = e->row->workload;

			if (w->want == 0 && pairs_include(w->selector, w->nselector, service->selector, service->nselector))
				return true;
		}
	}
	return false;
}

/* False: it has endpoints, or we cannot know. */
static bool say_no_endpoints(struct look *look)
{
	const struct row_service *service = look->row->service;
	const char *ns = look->row->namespace;
	struct entry *coming = NULL, *broken = NULL;
	size_t selected = 0;

	if (!service->nselector || !look_is_fresh(look, &kind_pod)) {
		look->verdict.confidence = service->nselector ? HEALTH_LIKELY : HEALTH_CERTAIN;
		return false;
	}
	for (struct entry *e = store_first(look_store(look), &kind_pod, ns); e; e = store_next(e, ns)) {
		if (!row_matches(e->row, service->selector, service->nselector))
			continue;
		if (pod_serves(e->row, service))
			return false;
		selected++;
		if (look_at(look, e)->state == HEALTH_DEGRADED)
			broken = e;
		else if (!coming || e->row->created_ms > coming->row->created_ms)
			coming = e;
	}
	if (!selected && workload_sleeps(look, service)) {
		look_say(look, HEALTH_HEALTHY, 8, "service.asleep", "", "no endpoints: scaled to 0");
		return true;
	}
	if (coming && !broken)
		look_say(look, HEALTH_PROGRESSING, 8, "service.endpoints", "NoEndpoints", "no endpoints yet: none of %zu pod%s is ready",
			 selected, selected == 1 ? "" : "s");
	else if (selected)
		look_say(look, HEALTH_DEGRADED, 8, "service.endpoints", "NoEndpoints", "no endpoints: none of %zu pod%s is ready",
			 selected, selected == 1 ? "" : "s");
	else
		look_say(look, HEALTH_DEGRADED, 8, "service.endpoints", "NoEndpoints", "no endpoints: its selector matches no pod");
	look->cause = broken ? broken : coming;
	return true;
}

static bool class_is_silent(const struct look *look, const char *class_name)
{
	const char *const *classes = look_config(look)->silent_ingress_classes;

	for (; classes && *classes; classes++) {
		if (!strcmp(*classes, class_name))
			return true;
	}
	return false;
}

static void say_address(struct look *look, const char *addresses, bool silent)
{
	int64_t due = look->row->created_ms + 2 * MINUTE_MS;

	if (*addresses || silent) {
		look_say(look, HEALTH_HEALTHY, 8, "address", "", "%s", "");
	} else if (look->now_ms < due) {
		look_say(look, HEALTH_PROGRESSING, 8, "address.pending", "NoAddress", "waits for an address");
		look->verdict.deadline_ms = due;
		look_recheck(look, due);
		look->verdict.lets_wait_go = true;
	} else {
		look_say(look, HEALTH_HEALTHY, 8, "address.none", "", "no address written");
	}
}

static void judge_service(struct look *look)
{
	const struct row_service *service = look->row->service;
	bool balanced = !strcmp(service->type, "LoadBalancer");

	if (!strcmp(service->type, "ExternalName"))
		look_say(look, HEALTH_HEALTHY, 8, "service.external", "", "%s", "");
	else if (!say_no_endpoints(look))
		say_address(look, service->addresses, !balanced);
}
const struct health_rule health_rule_service = { .judge = judge_service, .reads_namespace = true };

static void judge_ingress(struct look *look)
{
	say_address(look, look->row->ingress->addresses, class_is_silent(look, look->row->ingress->class_name));
}
const struct health_rule health_rule_ingress = { .judge = judge_ingress };

/* ---- cluster things ---- */

static void judge_namespace(struct look *look)
{
	if (!strcmp(look->row->ns->phase, "Terminating"))
		look_say(look, HEALTH_DELETING, 2, "deleting", "Deleting", "%s", "");
	else
		look_say(look, HEALTH_HEALTHY, 10, "namespace", "", "%s", "");
}
const struct health_rule health_rule_namespace = { .judge = judge_namespace };

static void judge_crd(struct look *look)
{
	const struct row_condition *names = row_condition(look->row, "NamesAccepted");

	if (row_condition_is(look->row, "Established", ROW_TRUE)) {
		look_say(look, HEALTH_HEALTHY, 10, "crd", "", "%s", "");
	} else if (names && names->status == ROW_FALSE) {
		look_say(look, HEALTH_DEGRADED, 10, "crd.names", names->reason, "%s", names->message);
		look->verdict.hopeless = true;
		look->grace = GRACE_CERTAIN;
		look->bad_since_ms = names->since_ms;
	} else {
		look_say(look, HEALTH_PROGRESSING, 10, "crd.pending", "NotEstablished", "not served yet");
	}
}
const struct health_rule health_rule_crd = { .judge = judge_crd };

static void judge_autoscaler(struct look *look)
{
	static const char *const types[] = { "AbleToScale", "ScalingActive" };

	look_say(look, HEALTH_HEALTHY, 10, "autoscaler", "", "%s", "");
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		const struct row_condition *c = row_condition(look->row, types[i]);

		/* Switched off, as its target is scaled to 0, is a wish. */
		if (!c || c->status != ROW_FALSE || !strcmp(c->reason, "ScalingDisabled"))
			continue;
		look_say(look, HEALTH_DEGRADED, 10, "autoscaler.stopped", c->reason, "%s", c->message);
		look->verdict.lets_wait_go = true;
		look->bad_since_ms = c->since_ms;
		return;
	}
}
const struct health_rule health_rule_autoscaler = { .judge = judge_autoscaler };

/* ---- rule 10: custom kinds ---- */

static void judge_other(struct look *look)
{
	const struct row_condition *stalled = row_condition(look->row, "Stalled");
	const struct row_condition *busy = row_condition(look->row, "Reconciling");
	const struct row_condition *ready = row_condition(look->row, "Ready");
	int64_t due;

	if (stalled && stalled->status == ROW_TRUE) {
		look_say(look, HEALTH_DEGRADED, 10, "custom.stalled", *stalled->reason ? stalled->reason : "Stalled", "%s",
			 stalled->message);
		look->verdict.hopeless = true;
		look->verdict.since_ms = look->bad_since_ms = stalled->since_ms;
	} else if (busy && busy->status == ROW_TRUE) {
		look_say(look, HEALTH_PROGRESSING, 10, "custom.reconciling", *busy->reason ? busy->reason : "Reconciling", "%s",
			 busy->message);
		look->verdict.since_ms = busy->since_ms;
	} else if (!ready) {
		look_say(look, HEALTH_HEALTHY, 10, "custom.silent", "", "%s", "");
		look->verdict.confidence = HEALTH_LIKELY;
	} else if (ready->status == ROW_TRUE) {
		look_say(look, HEALTH_HEALTHY, 10, "custom.ready", "", "%s", "");
		look->verdict.since_ms = ready->since_ms;
	} else {
		due = (ready->since_ms ? ready->since_ms : look->row->created_ms) + 10 * MINUTE_MS;
		look->verdict.since_ms = ready->since_ms;
		look_say(look, look->now_ms < due ? HEALTH_PROGRESSING : HEALTH_DEGRADED, 10, "custom.not-ready",
			 *ready->reason ? ready->reason : "NotReady", "%s", ready->message);
		if (look->now_ms < due)
			look->verdict.deadline_ms = due;
		else
			look->bad_since_ms = due;
		look_recheck(look, due);
	}
}
const struct health_rule health_rule_other = { .judge = judge_other };
