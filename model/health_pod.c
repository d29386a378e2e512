/* Rule 9: pods. */
#include <inttypes.h>
#include <string.h>

#include "model/health_private.h"

#define CRASH_WINDOW_MS (10 * MINUTE_MS)
#define READY_MS (10 * SECOND_MS)	 /* a pod is ready for good after so long, or minReadySeconds */
#define RECOVERED_MS (30 * SECOND_MS)	 /* the same after a crash loop */
#define UNSCHEDULABLE_MS (15 * SECOND_MS)

/* ---- hopeless reasons of a waiting container ---- */

enum waiting_class { WAIT_IMAGE, WAIT_OTHER };

static const struct waiting_rule {
	const char *reason, *rule_id;
	enum waiting_class class;
	enum look_grace grace;
} waiting_rules[] = {
	{ "InvalidImageName", "pod.image-name", WAIT_OTHER, GRACE_NONE },
	{ "ErrImagePull", "pod.image", WAIT_IMAGE, GRACE_CERTAIN },
	{ "ImagePullBackOff", "pod.image", WAIT_IMAGE, GRACE_CERTAIN },
	{ "ErrImageNeverPull", "pod.image", WAIT_OTHER, GRACE_CERTAIN },
	{ "RegistryUnavailable", "pod.image", WAIT_OTHER, GRACE_WOBBLE },
	{ "SignatureValidationFailed", "pod.image", WAIT_OTHER, GRACE_CERTAIN },
	{ "CreateContainerConfigError", "pod.config", WAIT_OTHER, GRACE_CERTAIN },
	{ "CreateContainerError", "pod.create", WAIT_OTHER, GRACE_WOBBLE },
	{ "RunContainerError", "pod.run", WAIT_OTHER, GRACE_WOBBLE },
	{ "CrashLoopBackOff", "pod.crash", WAIT_OTHER, GRACE_WOBBLE },
};

static bool has_limit_words(const char *text)
{
	static const char *const words[] = { "429", "toomanyrequests", "Too Many Requests", "rate limit", "rate-limit" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcasestr(text, words[i]))
			return true;
	}
	return false;
}

static bool registry_limits(const struct look *look, const struct row_container *c)
{
	if (has_limit_words(c->message))
		return true;
	for (const struct entry *e = look->entry->events; e; e = e->next_event) {
		if (e->row && !strcmp(e->row->event->reason, "Failed") && has_limit_words(e->row->event->message))
			return true;
	}
	return false;
}

/* When the first event of that reason happened; 0: there is none. */
static int64_t first_event_ms(const struct look *look, const char *reason)
{
	int64_t first = 0;

	for (const struct entry *e = look->entry->events; e; e = e->next_event) {
		if (e->row && !strcmp(e->row->event->reason, reason) && (!first || e->row->event->first_ms < first))
			first = e->row->event->first_ms;
	}
	return first;
}

/* ---- restarts ---- */

static int64_t restarts_of(const struct row_pod *pod)
{
	int64_t sum = 0;

	for (size_t i = 0; i < pod->ncontainers; i++)
		sum += pod->containers[i].restarts;
	return sum;
}

/* Keeps the moments of the last two restarts. What happened before our time is known only as far as the pod tells. */
static void remember_restarts(struct look *look)
{
	struct memory *m = look->memory;
	int64_t now = restarts_of(look->row->pod);
	int64_t old = m->restarts;

	if (old < 0) {
		/* At first sight: all of a young pod's restarts are recent. */
		bool young = look->row->pod->started_ms && look->now_ms - look->row->pod->started_ms < CRASH_WINDOW_MS;

		old = young ? 0 : now;
	}
	for (int64_t i = old; i < now && i < old + 2; i++) {
		m->restart_ms[0] = m->restart_ms[1];
		m->restart_ms[1] = look->now_ms;
	}
	m->restarts = now;
}

static bool crashes_repeat(struct look *look)
{
	int64_t before_last = look->memory->restart_ms[0];

	if (!before_last || look->now_ms - before_last >= CRASH_WINDOW_MS)
		return false;
	look_recheck(look, before_last + CRASH_WINDOW_MS);
	return true;
}

/* ---- words ---- */

static const struct row_condition *ready_condition(const struct look *look)
{
	return row_condition(look->row, "Ready");
}

static int64_t not_ready_since(const struct look *look)
{
	const struct row_condition *ready = ready_condition(look);

	return ready && ready->status != ROW_TRUE ? ready->since_ms : 0;
}

static const char *message_of(const struct look *look, const struct row_container *c)
{
	const struct row *warning;

	if (*c->message)
		return c->message;
	warning = store_last_warning(look->entry);
	return warning ? warning->event->message : "";
}

static const char *init_word(const struct row_container *c)
{
	return c->role == ROW_INIT ? "init container" : "container";
}

/* ---- the steps of the rule; each returns whether it spoke ---- */

static bool say_ended(struct look *look)
{
	const struct row *row = look->row;
	const struct row_pod *pod = row->pod;
	const struct row_container *c;
	bool of_job = !strcmp(row->owner_kind, "Job");

	if (!strcmp(pod->phase, "Succeeded")) {
		look_say(look, HEALTH_HEALTHY, 9, "pod.succeeded", "", "completed");
		return true;
	}
	if (strcmp(pod->phase, "Failed"))
		return false;
	c = health_worst_container(row);
	if (*pod->reason)
		look_say(look, HEALTH_DEGRADED, 9, "pod.failed", pod->reason, "%s", pod->message);
	else if (c)
		look_say(look, HEALTH_DEGRADED, 9, "pod.failed", *c->reason ? c->reason : "Failed", "%s %s ended with exit code %d",
			 init_word(c), c->name, c->exit_code);
	else
		look_say(look, HEALTH_DEGRADED, 9, "pod.failed", "Failed", "%s", *pod->message ? pod->message : "failed");
	/* A Job makes another; whether that was the last one, its own rule knows. */
	look->verdict.hopeless = !of_job;
	look->grace = GRACE_CERTAIN;
	look->bad_since_ms = c && c->finished_ms ? c->finished_ms : not_ready_since(look);
	return true;
}

static bool autoscaler_helps(const struct look *look)
{
	for (const struct entry *e = look->entry->events; e; e = e->next_event) {
		if (e->row && !strcmp(e->row->event->reason, "TriggeredScaleUp") &&
		    look->now_ms - e->row->event->last_ms < 10 * MINUTE_MS)
			return true;
	}
	return false;
}

/* An unbound claim of the pod, as the cause. */
static struct entry *claim_in_the_way(const struct look *look)
{
	const struct row_pod *pod = look->row->pod;

	for (size_t i = 0; i < pod->nclaims; i++) {
		struct entry *e = store_find_name(look_store(look), &kind_claim, look->row->namespace, pod->claims[i].value);

		if (e && strcmp(e->row->claim->phase, "Bound"))
			return e;
	}
	return NULL;
}

static bool say_unscheduled(struct look *look)
{
	const struct row_condition *c = row_condition(look->row, "PodScheduled");
	int64_t due;

	if (!c || c->status != ROW_FALSE || !strcmp(c->reason, "SchedulingGated"))
		return false;
	due = c->since_ms + UNSCHEDULABLE_MS;
	look->verdict.since_ms = c->since_ms;
	if (autoscaler_helps(look)) {
		look_say(look, HEALTH_PROGRESSING, 9, "pod.scale-up", c->reason, "the autoscaler adds a node: %s", c->message);
		look_recheck(look, look->now_ms + MINUTE_MS);
	} else if (look->now_ms <= due) {
		look_say(look, HEALTH_PROGRESSING, 9, "pod.unschedulable", c->reason, "%s", c->message);
		look->verdict.deadline_ms = due;
		look_recheck(look, due + 1);
	} else {
		look_say(look, HEALTH_DEGRADED, 9, "pod.unschedulable", c->reason, "%s", c->message);
		look->verdict.hopeless = true;
		look->bad_since_ms = c->since_ms;
	}
	look->cause = claim_in_the_way(look);
	return true;
}

/* A registry that limits us gets the grace to change its mind; then it is trouble like any other. */
static bool say_limited(struct look *look, const struct row_container *c)
{
	struct memory *m = look->memory;
	int64_t due;

	if (!registry_limits(look, c))
		return false;
	if (!m->limited_since_ms)
		m->limited_since_ms = look->now_ms;
	due = m->limited_since_ms + look_config(look)->grace_ms;
	if (look->now_ms >= due)
		return false;
	look_say(look, HEALTH_PROGRESSING, 9, "pod.image-limit", c->reason, "the registry limits the rate: %s", message_of(look, c));
	look->verdict.since_ms = m->limited_since_ms;
	look->verdict.deadline_ms = due;
	look_recheck(look, due);
	return true;
}

static bool say_waiting(struct look *look, const struct row_container *c)
{
	const struct waiting_rule *rule = NULL;

	for (size_t i = 0; i < ARRAY_LEN(waiting_rules) && !rule; i++) {
		if (!strcmp(waiting_rules[i].reason, c->reason))
			rule = &waiting_rules[i];
	}
	if (!rule)
		return false;
	if (rule->class == WAIT_IMAGE) {
		if (say_limited(look, c))
			return true;
		look->bad_since_ms = first_event_ms(look, "Failed");
	}
	if (!strcmp(rule->rule_id, "pod.crash")) {
		look_say(look, HEALTH_DEGRADED, 9, rule->rule_id, c->reason, "%s %s restarted %d time%s, last exit code %d", init_word(c),
			 c->name, c->restarts, c->restarts == 1 ? "" : "s", c->last_exit_code);
		if (c->restarts >= 3)
			look->bad_since_ms = not_ready_since(look);
	} else {
		look_say(look, HEALTH_DEGRADED, 9, rule->rule_id, c->reason, "%s %s: %s", init_word(c), c->name,
			 *message_of(look, c) ? message_of(look, c) : c->reason);
		if (!look->bad_since_ms)
			look->bad_since_ms = c->restarts ? 0 : rule->grace == GRACE_WOBBLE ? 0 : not_ready_since(look);
	}
	look->verdict.hopeless = true;
	look->grace = rule->grace;
	return true;
}

static bool say_crashing(struct look *look, const struct row_container *c, bool repeats)
{
	bool oom = !strcmp(c->last_reason, "OOMKilled") || (c->state == ROW_TERMINATED && !strcmp(c->reason, "OOMKilled"));
	bool ended_badly = c->state == ROW_TERMINATED && c->exit_code != 0;
	bool down = c->state != ROW_RUNNING || !c->ready;

	if (!down || !c->restarts)
		return false;
	if (oom && c->restarts >= 2 && (repeats || ended_badly)) {
		look_say(look, HEALTH_DEGRADED, 9, "pod.oom", "OOMKilled", "%s %s ran out of memory %d times", init_word(c), c->name,
			 c->restarts);
	} else if (repeats && c->restarts >= 2) {
		look_say(look, HEALTH_DEGRADED, 9, "pod.crash", *c->last_reason ? c->last_reason : "Restarts",
			 "%s %s restarted %d times, last exit code %d", init_word(c), c->name, c->restarts, c->last_exit_code);
	} else {
		return false;
	}
	look->verdict.hopeless = true;
	if (c->restarts >= 3)
		look->bad_since_ms = not_ready_since(look);
	return true;
}

static int32_t min_ready_s(const struct look *look)
{
	for (const struct entry *e = look->entry->owner; e; e = e->owner) {
		if (e->row && e->row->kind->shape == SHAPE_WORKLOAD)
			return e->row->workload->min_ready_s;
	}
	return 0;
}

static bool say_ready(struct look *look, bool repeats)
{
	const struct row_condition *ready = ready_condition(look);
	int64_t need = min_ready_s(look) * SECOND_MS, due;

	if (!ready || ready->status != ROW_TRUE || strcmp(look->row->pod->phase, "Running"))
		return false;
	if (need < READY_MS)
		need = READY_MS;
	look->verdict.since_ms = ready->since_ms;
	if (repeats && look->now_ms < ready->since_ms + RECOVERED_MS) {
		AUTO_RELEASE(buf) span = BUF_INIT(32);

		health_format_span(look->now_ms - ready->since_ms, &span);
		look_say(look, HEALTH_PROGRESSING, 9, "pod.recovering", "Recovering", "ready for %s after %" PRId64 " restarts",
			 buf_cstr(&span), restarts_of(look->row->pod));
		look_recheck(look, ready->since_ms + RECOVERED_MS);
		return true;
	}
	due = ready->since_ms + need;
	if (look->now_ms < due) {
		look_say(look, HEALTH_PROGRESSING, 9, "pod.fresh", "JustReady", "ready, for less than %d s", (int)(need / 1000));
		look_recheck(look, due);
	} else {
		look_say(look, HEALTH_HEALTHY, 9, "pod.ready", "", "%s", "");
	}
	return true;
}

const struct row *health_failed_probe(const struct entry *pod)
{
	const struct row *newest = NULL;

	for (const struct entry *e = pod->events; e; e = e->next_event) {
		if (e->row && !strcmp(e->row->event->reason, "Unhealthy") && (!newest || e->row->event->last_ms > newest->event->last_ms))
			newest = e->row;
	}
	return newest;
}

/* Not ready for longer than its probes need: name the probe and what it said last. */
static bool say_probe(struct look *look, const struct row_container *c)
{
	const struct row *said = health_failed_probe(look->entry);
	int64_t window = c->started || !c->startup_window_s ? c->readiness_window_s : c->startup_window_s;

	if (c->state != ROW_RUNNING || c->ready || c->role == ROW_INIT)
		return false;
	look->verdict.since_ms = not_ready_since(look);
	if (look->now_ms < c->started_ms + window * SECOND_MS) {
		look_recheck(look, c->started_ms + window * SECOND_MS);
		if (!said)
			return false;
	}
	if (!said && !window)
		return false;
	look_say(look, HEALTH_PROGRESSING, 9, "pod.probe", "Unready", "container %s: %s%s", c->name,
		 said ? said->event->message : "its readiness probe does not succeed",
		 c->startup_window_s && !c->started ? " (startup probe)" : "");
	return true;
}

static void say_starting(struct look *look)
{
	const struct row *row = look->row;
	const struct row *warning = store_last_warning(look->entry);
	const struct row_condition *scheduled = row_condition(row, "PodScheduled");

	look->verdict.since_ms = not_ready_since(look);
	if (scheduled && scheduled->status == ROW_FALSE) {
		look_say(look, HEALTH_SUSPENDED, 9, "pod.gated", scheduled->reason, "%s", scheduled->message);
		return;
	}
	for (size_t i = 0; i < row->pod->ncontainers; i++) {
		const struct row_container *c = &row->pod->containers[i];

		if (c->state == ROW_RUNNING && c->role == ROW_INIT) {
			look_say(look, HEALTH_PROGRESSING, 9, "pod.init", "Init", "init container %s runs", c->name);
			return;
		}
		if (c->state == ROW_TERMINATED && c->exit_code != 0) {
			look_say(look, HEALTH_PROGRESSING, 9, "pod.ended", *c->reason ? c->reason : "Error",
				 "%s %s ended with exit code %d", init_word(c), c->name, c->exit_code);
			return;
		}
		if (c->state == ROW_WAITING && *c->reason) {
			look_say(look, HEALTH_PROGRESSING, 9, "pod.starting", c->reason, "%s %s: %s%s%s", init_word(c), c->name,
				 c->reason, warning ? ": " : "", warning ? warning->event->message : "");
			return;
		}
	}
	look_say(look, HEALTH_PROGRESSING, 9, "pod.starting", row->pod->phase, "%s",
		 !strcmp(row->pod->phase, "Running") ? "running, not ready" : "starting");
}

static void judge_pod(struct look *look)
{
	const struct row_pod *pod = look->row->pod;
	bool repeats;

	remember_restarts(look);
	repeats = crashes_repeat(look);
	if (say_ended(look) || say_unscheduled(look))
		return;
	if (!strcmp(pod->phase, "Unknown")) {
		look_say(look, HEALTH_UNKNOWN, 9, "pod.lost", "NodeLost", "its node %s does not answer", pod->node);
		return;
	}
	for (size_t i = 0; i < pod->ncontainers; i++) {
		const struct row_container *c = &pod->containers[i];

		if ((c->state == ROW_WAITING && say_waiting(look, c)) || say_crashing(look, c, repeats))
			return;
	}
	if (look->memory->limited_since_ms)
		look->memory->limited_since_ms = 0;
	if (say_ready(look, repeats))
		return;
	for (size_t i = 0; i < pod->ncontainers; i++) {
		if (say_probe(look, &pod->containers[i]))
			return;
	}
	say_starting(look);
}
const struct health_rule health_rule_pod = { .judge = judge_pod, .reads_namespace = false };
