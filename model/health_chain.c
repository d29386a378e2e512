/* The cause chain: from an object down to the container, its last log line and the last warning event. */
#include <stdlib.h>
#include <string.h>

#include "model/health_private.h"

/* How much a container says about its pod's trouble; 0: nothing. */
static int container_rank(const struct row_container *c)
{
	if (c->state == ROW_WAITING && strcmp(c->reason, "ContainerCreating") && strcmp(c->reason, "PodInitializing") && *c->reason)
		return 5;
	if (c->state == ROW_TERMINATED && c->exit_code != 0)
		return 4;
	if (c->state == ROW_RUNNING && !c->ready && c->role != ROW_INIT)
		return c->last_finished_ms ? 3 : 2;
	if (c->last_finished_ms && c->restarts)
		return 1;
	return 0;
}

const struct row_container *health_worst_container(const struct row *pod)
{
	const struct row_container *worst = NULL;

	for (size_t i = 0; i < pod->pod->ncontainers; i++) {
		const struct row_container *c = &pod->pod->containers[i];

		if (container_rank(c) > (worst ? container_rank(worst) : 0))
			worst = c;
	}
	return worst;
}

static struct cause *add_object(struct causes *causes, const struct row *row, const char *reason, const char *message)
{
	struct cause *cause = causes_add(causes, CAUSE_OBJECT, row->kind->kind, row->namespace, row->name, reason, message);

	free(cause->uid);
	cause->uid = xstrdup(row->uid);
	return cause;
}

/* ---- one link for each kind ---- */

static void deadline_words(const struct look *look, struct buf *out)
{
	int64_t left = look->verdict.deadline_ms - look->now_ms;

	if (look->verdict.deadline_ms && left > 0) {
		buf_adds(out, ", deadline in ");
		health_format_span(left, out);
	}
}

static void link_workload(struct look *look)
{
	const struct row_workload *w = look->row->workload;
	AUTO_RELEASE(buf) words = BUF_INIT(2 * ROW_MESSAGE_MAX);
	int32_t old = look->row->kind == &kind_deployment ? w->replicas - w->updated : 0;

	buf_addf(&words, "%d of %d available", w->available, w->want);
	if (old > 0) /* they may be all that is available */
		buf_addf(&words, ", %d pod%s of the old revision", old, old == 1 ? "" : "s");
	deadline_words(look, &words);
	add_object(&look->verdict.causes, look->row, look->cause ? "" : buf_cstr(&look->reason), buf_cstr(&words));
}

static void link_replica_set(struct causes *causes, const struct row *row)
{
	const struct row_condition *failure = row_condition(row, "ReplicaFailure");
	const char *revision = row_annotation(row, "deployment.kubernetes.io/revision");
	AUTO_RELEASE(buf) words = BUF_INIT(2 * ROW_MESSAGE_MAX);

	if (failure && failure->status == ROW_TRUE) {
		add_object(causes, row, failure->reason, failure->message);
		return;
	}
	buf_addf(&words, "%s%s", *revision ? "revision " : "", revision);
	for (size_t i = 0; i < row->workload->nimages; i++)
		buf_addf(&words, "%s%s", words.len ? ", image " : "image ", row->workload->images[i].image);
	add_object(causes, row, "", buf_cstr(&words));
}

static void add_container(struct causes *causes, const struct entry *entry, const struct row_container *c)
{
	const struct row *pod = entry->row, *probe = health_failed_probe(entry);
	bool ended = c->state == ROW_TERMINATED, unready = c->state == ROW_RUNNING && !c->ready && !c->last_finished_ms;
	struct cause *cause = causes_add(causes, CAUSE_CONTAINER, pod->kind->kind, pod->namespace, pod->name,
					 *c->reason ? c->reason : c->last_reason, *c->message ? c->message : c->last_message);

	if (unready) { /* it runs and says nothing: the probe tells */
		free(cause->reason);
		free(cause->message);
		cause->reason = xstrdup(probe ? "Unready" : "");
		cause->message = xstrdup(probe ? probe->event->message : "runs, not ready yet");
	}

	free(cause->uid);
	cause->uid = xstrdup(pod->uid);
	free(cause->container);
	cause->container = xstrdup(c->name);
	cause->restarts = c->restarts;
	cause->exit_code = ended ? c->exit_code : c->last_finished_ms ? c->last_exit_code : -1;
	cause->at_ms = ended ? c->finished_ms : c->last_finished_ms;
}

static bool container_ran(const struct row_container *c)
{
	return c->last_finished_ms || (c->state == ROW_TERMINATED && c->exit_code != 0);
}

static void link_pod(struct look *look)
{
	const struct row_container *c = health_worst_container(look->row);
	struct cause *cause = add_object(&look->verdict.causes, look->row, buf_cstr(&look->reason), buf_cstr(&look->message));
	const char *line;

	cause->restarts = c ? c->restarts : -1;
	if (!c)
		return;
	add_container(&look->verdict.causes, look->entry, c);
	line = container_ran(c) ? look_log_line(look, c) : NULL;
	if (line) {
		cause = causes_add(&look->verdict.causes, CAUSE_LOG, look->row->kind->kind, look->row->namespace, look->row->name,
				   "", line);
		free(cause->container);
		cause->container = xstrdup(c->name);
	}
}

/* ---- below ---- */

/* How much worse a pod is than others; the newest of equals. */
static int pod_rank(const struct verdict *v)
{
	return v->state == HEALTH_DEGRADED ? v->hopeless ? 4 : 3 : v->state == HEALTH_PROGRESSING ? 2 : v->state == HEALTH_HEALTHY ? 0 : 1;
}

static struct entry *worst_pod(struct look *look, struct entry *owner)
{
	struct entry *worst = NULL;
	int rank = 0;

	for (struct entry *e = owner->children; e; e = e->next_child) {
		int of_this;

		if (!e->row || e->row->kind->shape != SHAPE_POD || e->row->deleted_ms)
			continue;
		of_this = pod_rank(look_at(look, e));
		if (of_this > rank || (worst && of_this == rank && e->row->created_ms > worst->row->created_ms)) {
			worst = e;
			rank = of_this;
		}
	}
	return worst;
}

static void append_chain(struct look *look, struct entry *entry)
{
	const struct causes *from = &look_at(look, entry)->causes;

	for (size_t i = 0; i < from->len; i++) {
		const struct cause *c = &from->items[i];
		struct cause *copy =
			causes_add(&look->verdict.causes, c->what, c->kind, c->namespace, c->name, c->reason, c->message);

		free(copy->uid);
		copy->uid = xstrdup(c->uid);
		free(copy->container);
		copy->container = xstrdup(c->container);
		copy->exit_code = c->exit_code;
		copy->restarts = c->restarts;
		copy->at_ms = c->at_ms;
	}
}

static bool has_event(const struct causes *causes)
{
	return causes->len && causes->items[causes->len - 1].what == CAUSE_EVENT;
}

static void add_event(struct causes *causes, const struct entry *about)
{
	const struct row *warning = about ? store_last_warning(about) : NULL;
	struct cause *cause;

	if (!warning)
		return;
	cause = causes_add(causes, CAUSE_EVENT, warning->event->about_kind, warning->namespace, warning->event->about_name,
			   warning->event->reason, warning->event->message);
	cause->at_ms = warning->event->last_ms;
}

void look_explain(struct look *look)
{
	struct causes *causes = &look->verdict.causes;
	struct entry *below = look->cause, *set = NULL;

	switch (look->row->kind->shape) {
	case SHAPE_WORKLOAD:
		if (kind_same(look->row->kind, &kind_deployment))
			set = health_newest_replica_set(look->entry);
		if (!below && look->verdict.state != HEALTH_UNKNOWN && look->verdict.rule > 3)
			below = worst_pod(look, set ? set : look->entry);
		if (below)
			look->cause = below;
		if (kind_same(look->row->kind, &kind_replica_set))
			link_replica_set(causes, look->row);
		else
			link_workload(look);
		if (set)
			link_replica_set(causes, set->row);
		break;
	case SHAPE_POD: link_pod(look); break;
	default: add_object(causes, look->row, buf_cstr(&look->reason), buf_cstr(&look->message)); break;
	}
	if (below && below != look->entry)
		append_chain(look, below);
	if (!has_event(causes))
		add_event(causes, look->entry);
	if (!has_event(causes))
		add_event(causes, set);
}
