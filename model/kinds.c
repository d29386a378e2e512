#include "model/kinds.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utc.h"
#include "model/health_private.h"
#include "model/row_private.h"

/* ---- fields ---- */

#define DETAIL(type_, shape_, path_, member_)                                                                          \
	{ .path = path_, .type = FIELD_##type_, .place = IN_DETAIL, .offset = offsetof(struct shape_, member_) }
#define DETAIL_MARK(shape_, path_, member_, value_)                                                                    \
	{ .path = path_, .type = FIELD_MARK, .place = IN_DETAIL, .offset = offsetof(struct shape_, member_), .value = value_ }
#define ELEMENT(type_, list_, path_, member_)                                                                          \
	{ .path = path_, .type = FIELD_##type_, .place = IN_ELEMENT, .list = LIST_##list_,                             \
	  .offset = offsetof(struct field_element, member_) }
#define ELEMENT_MARK(list_, path_, member_, value_)                                                                    \
	{ .path = path_, .type = FIELD_MARK, .place = IN_ELEMENT, .list = LIST_##list_,                                \
	  .offset = offsetof(struct field_element, member_), .value = value_ }
#define END(list_, path_) { .path = path_, .type = FIELD_END, .place = IN_ELEMENT, .list = LIST_##list_ }
#define PAIRS(list_, path_) { .path = path_, .type = FIELD_PAIR, .list = LIST_##list_ }
#define WORKLOAD(type_, path_, member_) DETAIL(type_, row_workload, path_, member_)

/* What workloads with replicas share. */
#define TEMPLATE_FIELDS                                                                                                \
	PAIRS(SELECTOR, "spec.selector.matchLabels.*"),                                                                \
	ELEMENT(TEXT, IMAGES, "spec.template.spec.containers[].name", image.container),                                \
	ELEMENT(TEXT, IMAGES, "spec.template.spec.containers[].image", image.image),                                   \
	END(IMAGES, "spec.template.spec.containers[]"), WORKLOAD(I32, "spec.minReadySeconds", min_ready_s)
#define REPLICA_FIELDS                                                                                                 \
	WORKLOAD(I32, "spec.replicas", want), WORKLOAD(I32, "status.replicas", replicas),                              \
	WORKLOAD(I32, "status.readyReplicas", ready), WORKLOAD(I32, "status.availableReplicas", available)

static const struct field deployment_fields[] = {
	TEMPLATE_FIELDS,
	REPLICA_FIELDS,
	WORKLOAD(I32, "status.updatedReplicas", updated),
	WORKLOAD(I32, "spec.progressDeadlineSeconds", progress_deadline_s),
	WORKLOAD(BOOL, "spec.paused", paused),
	WORKLOAD(TEXT, "spec.strategy.type", strategy),
	WORKLOAD(SCALAR, "spec.strategy.rollingUpdate.maxUnavailable", max_unavailable),
};
static const struct field stateful_set_fields[] = {
	TEMPLATE_FIELDS,
	REPLICA_FIELDS,
	WORKLOAD(I32, "status.updatedReplicas", updated),
	WORKLOAD(I32, "status.currentReplicas", current),
	WORKLOAD(TEXT, "status.currentRevision", current_revision),
	WORKLOAD(TEXT, "status.updateRevision", update_revision),
	WORKLOAD(TEXT, "spec.updateStrategy.type", strategy),
	WORKLOAD(I32, "spec.updateStrategy.rollingUpdate.partition", partition),
	WORKLOAD(SCALAR, "spec.updateStrategy.rollingUpdate.maxUnavailable", max_unavailable),
};
static const struct field daemon_set_fields[] = {
	TEMPLATE_FIELDS,
	WORKLOAD(I32, "status.desiredNumberScheduled", want),
	WORKLOAD(I32, "status.currentNumberScheduled", replicas),
	WORKLOAD(I32, "status.currentNumberScheduled", current),
	WORKLOAD(I32, "status.updatedNumberScheduled", updated),
	WORKLOAD(I32, "status.numberReady", ready),
	WORKLOAD(I32, "status.numberAvailable", available),
	WORKLOAD(TEXT, "spec.updateStrategy.type", strategy),
	WORKLOAD(SCALAR, "spec.updateStrategy.rollingUpdate.maxUnavailable", max_unavailable),
};
static const struct field replica_set_fields[] = {
	TEMPLATE_FIELDS,
	REPLICA_FIELDS,
	WORKLOAD(I32, "status.fullyLabeledReplicas", labelled),
};

#define PROBE_FIELDS(list, path, prefix)                                                                               \
	ELEMENT(I32, list, path ".initialDelaySeconds", prefix##_delay),                                               \
	ELEMENT(I32, list, path ".periodSeconds", prefix##_period),                                                    \
	ELEMENT(I32, list, path ".failureThreshold", prefix##_failures)
#define CONTAINER_FIELDS(list, path)                                                                                   \
	ELEMENT(TEXT, list, path ".name", container.name), ELEMENT(TEXT, list, path ".image", container.image),        \
	ELEMENT(TEXT, list, path ".restartPolicy", restart_policy),                                                    \
	PROBE_FIELDS(list, path ".readinessProbe", probe), PROBE_FIELDS(list, path ".startupProbe", startup),          \
	END(list, path)
#define STATUS_FIELDS(list, path)                                                                                      \
	ELEMENT(TEXT, list, path ".name", container.name), ELEMENT(TEXT, list, path ".image", container.image),        \
	ELEMENT(BOOL, list, path ".ready", container.ready), ELEMENT(BOOL, list, path ".started", container.started),  \
	ELEMENT(I32, list, path ".restartCount", container.restarts),                                                  \
	ELEMENT_MARK(list, path ".state.waiting", container.state, ROW_WAITING),                                       \
	ELEMENT_MARK(list, path ".state.running", container.state, ROW_RUNNING),                                       \
	ELEMENT_MARK(list, path ".state.terminated", container.state, ROW_TERMINATED),                                 \
	ELEMENT(TEXT, list, path ".state.waiting.reason", container.reason),                                           \
	ELEMENT(MESSAGE, list, path ".state.waiting.message", container.message),                                      \
	ELEMENT(TIME, list, path ".state.running.startedAt", container.started_ms),                                    \
	ELEMENT(TEXT, list, path ".state.terminated.reason", container.reason),                                        \
	ELEMENT(MESSAGE, list, path ".state.terminated.message", container.message),                                   \
	ELEMENT(I32, list, path ".state.terminated.exitCode", container.exit_code),                                    \
	ELEMENT(TIME, list, path ".state.terminated.startedAt", container.started_ms),                                 \
	ELEMENT(TIME, list, path ".state.terminated.finishedAt", container.finished_ms),                               \
	ELEMENT(TEXT, list, path ".lastState.terminated.reason", container.last_reason),                               \
	ELEMENT(MESSAGE, list, path ".lastState.terminated.message", container.last_message),                          \
	ELEMENT(I32, list, path ".lastState.terminated.exitCode", container.last_exit_code),                           \
	ELEMENT(TIME, list, path ".lastState.terminated.finishedAt", container.last_finished_ms),                      \
	END(list, path)
#define POD(type_, path_, member_) DETAIL(type_, row_pod, path_, member_)

static const struct field pod_fields[] = {
	POD(TEXT, "spec.nodeName", node),
	POD(TEXT, "spec.restartPolicy", restart_policy),
	POD(TEXT, "status.phase", phase),
	POD(TEXT, "status.reason", reason),
	POD(MESSAGE, "status.message", message),
	POD(TEXT, "status.podIP", ip),
	POD(TIME, "status.startTime", started_ms),
	POD(MILLI_SUM, "spec.containers[].resources.requests.cpu", cpu_request_m),
	POD(MILLI_SUM, "spec.containers[].resources.limits.cpu", cpu_limit_m),
	POD(WHOLE_SUM, "spec.containers[].resources.requests.memory", memory_request_b),
	POD(WHOLE_SUM, "spec.containers[].resources.limits.memory", memory_limit_b),
	CONTAINER_FIELDS(CONTAINERS, "spec.containers[]"),
	CONTAINER_FIELDS(INIT_CONTAINERS, "spec.initContainers[]"),
	STATUS_FIELDS(STATUSES, "status.containerStatuses[]"),
	STATUS_FIELDS(INIT_STATUSES, "status.initContainerStatuses[]"),
	STATUS_FIELDS(EPHEMERAL_STATUSES, "status.ephemeralContainerStatuses[]"),
	ELEMENT(TEXT, CLAIMS, "spec.volumes[].name", pair.key),
	ELEMENT(TEXT, CLAIMS, "spec.volumes[].persistentVolumeClaim.claimName", pair.value),
	END(CLAIMS, "spec.volumes[]"),
};

#define JOB(type_, path_, member_) DETAIL(type_, row_job, path_, member_)
static const struct field job_fields[] = {
	JOB(I32, "spec.parallelism", parallelism), JOB(I32, "spec.completions", completions),
	JOB(I32, "spec.backoffLimit", backoff_limit), JOB(BOOL, "spec.suspend", suspended),
	JOB(I32, "status.active", active),	   JOB(I32, "status.succeeded", succeeded),
	JOB(I32, "status.failed", failed),	   JOB(TIME, "status.startTime", started_ms),
	JOB(TIME, "status.completionTime", completed_ms),
};

#define CRON(type_, path_, member_) DETAIL(type_, row_cron_job, path_, member_)
static const struct field cron_job_fields[] = {
	CRON(TEXT, "spec.schedule", schedule),
	CRON(TEXT, "spec.timeZone", time_zone),
	CRON(BOOL, "spec.suspend", suspended),
	CRON(I32, "spec.startingDeadlineSeconds", starting_deadline_s),
	CRON(TIME, "status.lastScheduleTime", last_schedule_ms),
	CRON(TIME, "status.lastSuccessfulTime", last_success_ms),
	CRON(COUNT, "status.active[]", active),
};

#define CLAIM(type_, path_, member_) DETAIL(type_, row_claim, path_, member_)
static const struct field claim_fields[] = {
	CLAIM(TEXT, "status.phase", phase),
	CLAIM(TEXT, "spec.storageClassName", class_name),
	CLAIM(TEXT, "spec.volumeName", volume),
	CLAIM(SCALAR, "spec.resources.requests.storage", requested),
	CLAIM(SCALAR, "status.capacity.storage", capacity),
};

#define SERVICE(type_, path_, member_) DETAIL(type_, row_service, path_, member_)
static const struct field service_fields[] = {
	SERVICE(TEXT, "spec.type", type),
	SERVICE(TEXT, "spec.clusterIP", cluster_ip),
	SERVICE(TEXT, "spec.externalName", external_name),
	SERVICE(BOOL, "spec.publishNotReadyAddresses", publish_not_ready),
	SERVICE(JOIN, "status.loadBalancer.ingress[].ip", addresses),
	SERVICE(JOIN, "status.loadBalancer.ingress[].hostname", addresses),
	PAIRS(SELECTOR, "spec.selector.*"),
	ELEMENT(TEXT, PORTS, "spec.ports[].name", port.name),
	ELEMENT(TEXT, PORTS, "spec.ports[].protocol", port.protocol),
	ELEMENT(SCALAR, PORTS, "spec.ports[].targetPort", port.target),
	ELEMENT(I32, PORTS, "spec.ports[].port", port.port),
	ELEMENT(I32, PORTS, "spec.ports[].nodePort", port.node_port),
	END(PORTS, "spec.ports[]"),
};

#define INGRESS(type_, path_, member_) DETAIL(type_, row_ingress, path_, member_)
static const struct field ingress_fields[] = {
	INGRESS(TEXT, "spec.ingressClassName", class_name),
	INGRESS(JOIN, "status.loadBalancer.ingress[].ip", addresses),
	INGRESS(JOIN, "status.loadBalancer.ingress[].hostname", addresses),
	INGRESS(JOIN, "spec.rules[].host", hosts),
};

#define EVENT(type_, path_, member_) DETAIL(type_, row_event, path_, member_)
static const struct field event_fields[] = {
	EVENT(TEXT, "involvedObject.uid", about_uid),
	EVENT(TEXT, "involvedObject.kind", about_kind),
	EVENT(TEXT, "involvedObject.name", about_name),
	EVENT(TEXT, "involvedObject.namespace", about_namespace),
	EVENT(TEXT, "type", type),
	EVENT(TEXT, "reason", reason),
	EVENT(MESSAGE, "message", message),
	EVENT(TEXT, "source.component", reporter),
	EVENT(TIME, "firstTimestamp", first_ms),
	EVENT(TIME, "lastTimestamp", last_ms),
	EVENT(TIME, "eventTime", last_ms),
	EVENT(TIME, "series.lastObservedTime", last_ms),
	EVENT(I32, "count", count),
	EVENT(I32, "series.count", count),
};

static const struct field namespace_fields[] = { DETAIL(TEXT, row_namespace, "status.phase", phase) };

#define RECORD(path_, member_) DETAIL(TEXT, row_record, path_, member_)
static const struct field config_map_fields[] = {
	RECORD("data.slot", slot),   RECORD("data.env", env),	RECORD("data.namespace", namespace),
	RECORD("data.owner", owner), RECORD("data.issue", issue), RECORD("data.pr", pr),
	RECORD("data.createdAt", created_at),
};

static const struct field storage_class_fields[] = {
	DETAIL(TEXT, row_storage_class, "provisioner", provisioner),
	DETAIL(TEXT, row_storage_class, "volumeBindingMode", binding_mode),
};

#define SCALER(type_, path_, member_) DETAIL(type_, row_autoscaler, path_, member_)
static const struct field autoscaler_fields[] = {
	SCALER(I32, "spec.minReplicas", min),
	SCALER(I32, "spec.maxReplicas", max),
	SCALER(I32, "status.currentReplicas", current),
	SCALER(I32, "status.desiredReplicas", desired),
	SCALER(TEXT, "spec.scaleTargetRef.kind", target_kind),
	SCALER(TEXT, "spec.scaleTargetRef.name", target_name),
};

static const struct field other_fields[] = { DETAIL(TEXT, row_other, "status.phase", phase) };

/* ---- cells ---- */

static void cell_name(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->name);
}

static void cell_age(const struct row *row, int64_t now_ms, struct buf *out)
{
	char text[UTC_TEXT_MAX];

	if (row->created_ms)
		buf_adds(out, duration_format_short(now_ms > row->created_ms ? (now_ms - row->created_ms) / 1000 * 1000 : 0, text));
}

static void cell_ready_of_want(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_addf(out, "%d/%d", row->workload->ready, row->workload->want);
}

static void cell_updated(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_addf(out, "%d", row->workload->updated);
}

static void cell_available(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_addf(out, "%d", row->workload->available);
}

static void cell_images(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	for (size_t i = 0; i < row->workload->nimages; i++)
		buf_addf(out, "%s%s", i ? "," : "", row->workload->images[i].image);
}

static void cell_pod_ready(const struct row *row, int64_t now_ms, struct buf *out)
{
	unsigned ready = 0, all = 0;

	(void)now_ms;
	for (size_t i = 0; i < row->pod->ncontainers; i++) {
		if (row->pod->containers[i].role == ROW_MAIN) {
			all++;
			ready += row->pod->containers[i].ready;
		}
	}
	buf_addf(out, "%u/%u", ready, all);
}

/* The word that says most: Terminating, a container's trouble, the pod's reason, the phase. */
static void cell_pod_status(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	if (row->deleted_ms) {
		buf_adds(out, "Terminating");
		return;
	}
	for (size_t i = 0; i < row->pod->ncontainers; i++) {
		const struct row_container *c = &row->pod->containers[i];
		bool ended_well = c->state == ROW_TERMINATED && c->exit_code == 0;

		if (c->role == ROW_INIT && (ended_well || c->state == ROW_NO_STATE))
			continue;
		if (*c->reason && strcmp(c->reason, "PodInitializing") && !(ended_well && c->role == ROW_INIT)) {
			buf_addf(out, "%s%s", c->role == ROW_INIT ? "Init:" : "", c->reason);
			return;
		}
	}
	buf_adds(out, *row->pod->reason ? row->pod->reason : row->pod->phase);
}

static void cell_pod_restarts(const struct row *row, int64_t now_ms, struct buf *out)
{
	int64_t restarts = 0;

	(void)now_ms;
	for (size_t i = 0; i < row->pod->ncontainers; i++)
		restarts += row->pod->containers[i].restarts;
	buf_addf(out, "%" PRId64, restarts);
}

static void cell_pod_node(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->pod->node);
}

static void cell_pod_ip(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->pod->ip);
}

static void cell_job_done(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_addf(out, "%d/%d", row->job->succeeded, row->job->completions < 0 ? 1 : row->job->completions);
}

static void cell_job_status(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row_condition_is(row, "Complete", ROW_TRUE) ? "Complete"
		      : row_condition_is(row, "Failed", ROW_TRUE) ? "Failed"
		      : row->job->suspended			  ? "Suspended"
								  : "Running");
}

static void cell_cron_schedule(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->cron_job->schedule);
}

static void cell_cron_suspended(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->cron_job->suspended ? "yes" : "no");
}

static void cell_cron_active(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_addf(out, "%d", row->cron_job->active);
}

static void cell_cron_last(const struct row *row, int64_t now_ms, struct buf *out)
{
	char text[UTC_TEXT_MAX];
	int64_t last = row->cron_job->last_schedule_ms;

	if (last)
		buf_adds(out, duration_format_short(now_ms > last ? (now_ms - last) / 1000 * 1000 : 0, text));
}

static void cell_claim_phase(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->claim->phase);
}

static void cell_claim_size(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, *row->claim->capacity ? row->claim->capacity : row->claim->requested);
}

static void cell_claim_class(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->claim->class_name);
}

static void cell_service_type(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->service->type);
}

static void cell_service_address(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, *row->service->addresses ? row->service->addresses : row->service->cluster_ip);
}

static void cell_service_ports(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	for (size_t i = 0; i < row->service->nports; i++) {
		const struct row_port *port = &row->service->ports[i];

		buf_addf(out, "%s%d/%s", i ? "," : "", port->port, port->protocol);
	}
}

static void cell_ingress_class(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->ingress->class_name);
}

static void cell_ingress_hosts(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->ingress->hosts);
}

static void cell_ingress_address(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->ingress->addresses);
}

static void cell_event_type(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->event->type);
}

static void cell_event_last(const struct row *row, int64_t now_ms, struct buf *out)
{
	char text[UTC_TEXT_MAX];

	buf_adds(out, duration_format_short(
			      now_ms > row->event->last_ms ? (now_ms - row->event->last_ms) / 1000 * 1000 : 0, text));
}

static void cell_event_about(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_addf(out, "%s %s", row->event->about_kind, row->event->about_name);
}

static void cell_event_reason(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->event->reason);
}

static void cell_event_message(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->event->message);
}

static void cell_event_count(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_addf(out, "%d", row->event->count);
}

static void cell_namespace_phase(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->ns->phase);
}

static void cell_storage_provisioner(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->storage_class->provisioner);
}

static void cell_storage_mode(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, row->storage_class->binding_mode);
}

static void cell_scaler_replicas(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_addf(out, "%d (%d-%d)", row->autoscaler->current, row->autoscaler->min, row->autoscaler->max);
}

static void cell_scaler_target(const struct row *row, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_addf(out, "%s %s", row->autoscaler->target_kind, row->autoscaler->target_name);
}

static void cell_other_status(const struct row *row, int64_t now_ms, struct buf *out)
{
	const struct row_condition *ready = row_condition(row, "Ready");

	(void)now_ms;
	if (ready)
		buf_adds(out, ready->status == ROW_TRUE ? "Ready" : *ready->reason ? ready->reason : "not ready");
	else
		buf_adds(out, row->other->phase);
}

#define NAME { .title = "NAME", .width = 32, .cell = cell_name }
#define AGE { .title = "AGE", .width = 6, .right = true, .cell = cell_age }

static const struct column workload_columns[] = {
	NAME,
	{ .title = "READY", .width = 7, .right = true, .cell = cell_ready_of_want },
	{ .title = "UPDATED", .width = 7, .right = true, .cell = cell_updated },
	{ .title = "AVAILABLE", .width = 9, .right = true, .cell = cell_available },
	AGE,
	{ .title = "IMAGES", .width = 40, .cell = cell_images },
};
static const struct column pod_columns[] = {
	NAME,
	{ .title = "READY", .width = 5, .right = true, .cell = cell_pod_ready },
	{ .title = "STATUS", .width = 18, .cell = cell_pod_status },
	{ .title = "RESTARTS", .width = 8, .right = true, .cell = cell_pod_restarts },
	AGE,
	{ .title = "IP", .width = 15, .cell = cell_pod_ip },
	{ .title = "NODE", .width = 20, .cell = cell_pod_node },
};
static const struct column job_columns[] = {
	NAME,
	{ .title = "STATUS", .width = 9, .cell = cell_job_status },
	{ .title = "DONE", .width = 6, .right = true, .cell = cell_job_done },
	AGE,
};
static const struct column cron_job_columns[] = {
	NAME,
	{ .title = "SCHEDULE", .width = 15, .cell = cell_cron_schedule },
	{ .title = "SUSPENDED", .width = 9, .cell = cell_cron_suspended },
	{ .title = "ACTIVE", .width = 6, .right = true, .cell = cell_cron_active },
	{ .title = "LAST", .width = 6, .right = true, .cell = cell_cron_last },
	AGE,
};
static const struct column claim_columns[] = {
	NAME,
	{ .title = "STATUS", .width = 8, .cell = cell_claim_phase },
	{ .title = "SIZE", .width = 8, .right = true, .cell = cell_claim_size },
	{ .title = "CLASS", .width = 16, .cell = cell_claim_class },
	AGE,
};
static const struct column service_columns[] = {
	NAME,
	{ .title = "TYPE", .width = 12, .cell = cell_service_type },
	{ .title = "ADDRESS", .width = 16, .cell = cell_service_address },
	{ .title = "PORTS", .width = 20, .cell = cell_service_ports },
	AGE,
};
static const struct column ingress_columns[] = {
	NAME,
	{ .title = "CLASS", .width = 10, .cell = cell_ingress_class },
	{ .title = "HOSTS", .width = 32, .cell = cell_ingress_hosts },
	{ .title = "ADDRESS", .width = 16, .cell = cell_ingress_address },
	AGE,
};
static const struct column event_columns[] = {
	{ .title = "LAST", .width = 6, .right = true, .cell = cell_event_last },
	{ .title = "TYPE", .width = 7, .cell = cell_event_type },
	{ .title = "OBJECT", .width = 28, .cell = cell_event_about },
	{ .title = "REASON", .width = 18, .cell = cell_event_reason },
	{ .title = "MESSAGE", .width = 50, .cell = cell_event_message },
	{ .title = "COUNT", .width = 5, .right = true, .cell = cell_event_count },
};
static const struct column namespace_columns[] = {
	NAME,
	{ .title = "STATUS", .width = 11, .cell = cell_namespace_phase },
	AGE,
};
static const struct column storage_class_columns[] = {
	NAME,
	{ .title = "PROVISIONER", .width = 30, .cell = cell_storage_provisioner },
	{ .title = "BINDING", .width = 20, .cell = cell_storage_mode },
	AGE,
};
static const struct column autoscaler_columns[] = {
	NAME,
	{ .title = "TARGET", .width = 28, .cell = cell_scaler_target },
	{ .title = "REPLICAS", .width = 10, .right = true, .cell = cell_scaler_replicas },
	AGE,
};
static const struct column plain_columns[] = { NAME, AGE };
static const struct column other_columns[] = {
	NAME,
	{ .title = "STATUS", .width = 20, .cell = cell_other_status },
	AGE,
};

/* ---- the table ---- */

#define FIELDS(f) .fields = f, .nfields = ARRAY_LEN(f)
#define COLUMNS(c) .columns = c, .ncolumns = ARRAY_LEN(c)

const struct kind kind_deployment = {
	.group = "apps", .version = "v1", .kind = "Deployment", .resource = "deployments", .singular = "deployment",
	.alias = "deploy", .namespaced = true, .shape = SHAPE_WORKLOAD, FIELDS(deployment_fields),
	COLUMNS(workload_columns), .rule = &health_rule_deployment,
};
const struct kind kind_stateful_set = {
	.group = "apps", .version = "v1", .kind = "StatefulSet", .resource = "statefulsets", .singular = "statefulset",
	.alias = "sts", .namespaced = true, .shape = SHAPE_WORKLOAD, FIELDS(stateful_set_fields),
	COLUMNS(workload_columns), .rule = &health_rule_stateful_set,
};
const struct kind kind_daemon_set = {
	.group = "apps", .version = "v1", .kind = "DaemonSet", .resource = "daemonsets", .singular = "daemonset",
	.alias = "ds", .namespaced = true, .shape = SHAPE_WORKLOAD, FIELDS(daemon_set_fields), COLUMNS(workload_columns),
	.rule = &health_rule_daemon_set,
};
const struct kind kind_replica_set = {
	.group = "apps", .version = "v1", .kind = "ReplicaSet", .resource = "replicasets", .singular = "replicaset",
	.alias = "rs", .namespaced = true, .shape = SHAPE_WORKLOAD, FIELDS(replica_set_fields), COLUMNS(workload_columns),
	.rule = &health_rule_replica_set,
};
const struct kind kind_pod = {
	.group = "", .version = "v1", .kind = "Pod", .resource = "pods", .singular = "pod", .alias = "po",
	.namespaced = true, .shape = SHAPE_POD, .chatty = true, FIELDS(pod_fields), COLUMNS(pod_columns), .rule = &health_rule_pod,
};
const struct kind kind_job = {
	.group = "batch", .version = "v1", .kind = "Job", .resource = "jobs", .singular = "job", .alias = "",
	.namespaced = true, .shape = SHAPE_JOB, FIELDS(job_fields), COLUMNS(job_columns), .rule = &health_rule_job,
};
const struct kind kind_cron_job = {
	.group = "batch", .version = "v1", .kind = "CronJob", .resource = "cronjobs", .singular = "cronjob", .alias = "cj",
	.namespaced = true, .shape = SHAPE_CRON_JOB, FIELDS(cron_job_fields), COLUMNS(cron_job_columns),
	.rule = &health_rule_cron_job,
};
const struct kind kind_claim = {
	.group = "", .version = "v1", .kind = "PersistentVolumeClaim", .resource = "persistentvolumeclaims",
	.singular = "persistentvolumeclaim", .alias = "pvc", .namespaced = true, .shape = SHAPE_CLAIM,
	FIELDS(claim_fields), COLUMNS(claim_columns), .rule = &health_rule_claim,
};
const struct kind kind_service = {
	.group = "", .version = "v1", .kind = "Service", .resource = "services", .singular = "service", .alias = "svc",
	.namespaced = true, .shape = SHAPE_SERVICE, FIELDS(service_fields), COLUMNS(service_columns),
	.rule = &health_rule_service,
};
const struct kind kind_ingress = {
	.group = "networking.k8s.io", .version = "v1", .kind = "Ingress", .resource = "ingresses", .singular = "ingress",
	.alias = "ing", .namespaced = true, .shape = SHAPE_INGRESS, FIELDS(ingress_fields), COLUMNS(ingress_columns),
	.rule = &health_rule_ingress,
};
const struct kind kind_event = {
	.group = "", .version = "v1", .kind = "Event", .resource = "events", .singular = "event", .alias = "ev",
	.namespaced = true, .shape = SHAPE_EVENT, .chatty = true, .still = true, FIELDS(event_fields), COLUMNS(event_columns),
	/* What every pod of every rollout says when all goes well. */
	.crowd_selector = "reason!=Scheduled,reason!=Pulling,reason!=Pulled,reason!=Created,reason!=Started,reason!=Killing,"
			  "reason!=SuccessfulCreate,reason!=SuccessfulDelete",
};
const struct kind kind_namespace = {
	.group = "", .version = "v1", .kind = "Namespace", .resource = "namespaces", .singular = "namespace", .alias = "ns",
	.shape = SHAPE_NAMESPACE, FIELDS(namespace_fields), COLUMNS(namespace_columns), .rule = &health_rule_namespace,
};
const struct kind kind_config_map = {
	.group = "", .version = "v1", .kind = "ConfigMap", .resource = "configmaps", .singular = "configmap", .alias = "cm",
	.namespaced = true, .shape = SHAPE_RECORD, .still = true, FIELDS(config_map_fields), COLUMNS(plain_columns),
};
const struct kind kind_storage_class = {
	.group = "storage.k8s.io", .version = "v1", .kind = "StorageClass", .resource = "storageclasses",
	.singular = "storageclass", .alias = "sc", .shape = SHAPE_STORAGE_CLASS, .still = true,
	FIELDS(storage_class_fields), COLUMNS(storage_class_columns),
};
const struct kind kind_autoscaler = {
	.group = "autoscaling", .version = "v2", .kind = "HorizontalPodAutoscaler", .resource = "horizontalpodautoscalers",
	.singular = "horizontalpodautoscaler", .alias = "hpa", .namespaced = true, .shape = SHAPE_AUTOSCALER,
	FIELDS(autoscaler_fields), COLUMNS(autoscaler_columns), .rule = &health_rule_autoscaler,
};
const struct kind kind_crd = {
	.group = "apiextensions.k8s.io", .version = "v1", .kind = "CustomResourceDefinition",
	.resource = "customresourcedefinitions", .singular = "customresourcedefinition", .alias = "crd",
	.shape = SHAPE_OTHER, FIELDS(other_fields), COLUMNS(other_columns), .rule = &health_rule_crd,
};

/* Kinds that are there or not, without a state of their own. */
#define STILL(symbol, group_, version_, kind_, resource_, singular_, alias_, namespaced_)                              \
	static const struct kind symbol = {                                                                            \
		.group = group_, .version = version_, .kind = kind_, .resource = resource_, .singular = singular_,     \
		.alias = alias_, .namespaced = namespaced_, .shape = SHAPE_OTHER, .still = true,                       \
		FIELDS(other_fields), COLUMNS(plain_columns),                                                          \
	}
const struct kind kind_secret = {
	.group = "", .version = "v1", .kind = "Secret", .resource = "secrets", .singular = "secret", .alias = "",
	.namespaced = true, .shape = SHAPE_OTHER, .still = true, FIELDS(other_fields), COLUMNS(plain_columns),
};
STILL(kind_service_account, "", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", "sa", true);
STILL(kind_quota, "", "v1", "ResourceQuota", "resourcequotas", "resourcequota", "quota", true);
STILL(kind_limits, "", "v1", "LimitRange", "limitranges", "limitrange", "limits", true);
STILL(kind_endpoints, "", "v1", "Endpoints", "endpoints", "endpoints", "ep", true);
STILL(kind_volume, "", "v1", "PersistentVolume", "persistentvolumes", "persistentvolume", "pv", false);
STILL(kind_role, "rbac.authorization.k8s.io", "v1", "Role", "roles", "role", "", true);
STILL(kind_role_binding, "rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "rolebinding", "", true);
STILL(kind_cluster_role, "rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "clusterrole", "", false);
STILL(kind_cluster_role_binding, "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings",
      "clusterrolebinding", "", false);
STILL(kind_network_policy, "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "networkpolicy", "netpol", true);
STILL(kind_ingress_class, "networking.k8s.io", "v1", "IngressClass", "ingressclasses", "ingressclass", "", false);
STILL(kind_disruption_budget, "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget", "pdb",
      true);
STILL(kind_priority_class, "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "priorityclass", "pc", false);
STILL(kind_lease, "coordination.k8s.io", "v1", "Lease", "leases", "lease", "", true);

static const struct kind *const kinds[] = {
	&kind_pod,	     &kind_deployment,	  &kind_stateful_set,	   &kind_daemon_set,	 &kind_replica_set,
	&kind_job,	     &kind_cron_job,	  &kind_claim,		   &kind_service,	 &kind_ingress,
	&kind_event,	     &kind_namespace,	  &kind_config_map,	   &kind_secret,	 &kind_storage_class,
	&kind_autoscaler,    &kind_crd,		  &kind_service_account,   &kind_quota,		 &kind_limits,
	&kind_endpoints,     &kind_volume,	  &kind_role,		   &kind_role_binding,	 &kind_cluster_role,
	&kind_cluster_role_binding, &kind_network_policy, &kind_ingress_class, &kind_disruption_budget,
	&kind_priority_class, &kind_lease,
};

const struct kind *kind_at(size_t n)
{
	return n < ARRAY_LEN(kinds) ? kinds[n] : NULL;
}

const struct kind *kind_find(const char *group, const char *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!strcmp(kinds[i]->kind, kind) && !strcmp(kinds[i]->group, group))
			return kinds[i];
	}
	return NULL;
}

const struct kind *kind_find_api(const char *api_version, const char *kind)
{
	struct str rest = str_of(api_version), group;

	if (!str_cut(&rest, '/', &group))
		group = STR("");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!strcmp(kinds[i]->kind, kind) && str_is(group, kinds[i]->group))
			return kinds[i];
	}
	return NULL;
}

const struct kind *kind_find_word(const char *word)
{
	struct str group = str_of(word), name = group;
	bool with_group = str_cut(&group, '.', &name);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct kind *k = kinds[i];
		const char *const names[] = { k->resource, k->singular, k->alias, k->kind };

		if (with_group && !str_is(group, k->group))
			continue;
		for (size_t n = 0; n < ARRAY_LEN(names); n++) {
			if (name.len && str_ieq(name, str_of(names[n])))
				return k;
		}
	}
	return NULL;
}

void kind_api_version(const struct kind *kind, struct buf *out)
{
	buf_addf(out, "%s%s%s", kind->group, *kind->group ? "/" : "", kind->version);
}

bool kind_same(const struct kind *a, const struct kind *b)
{
	return a == b || (!strcmp(a->kind, b->kind) && !strcmp(a->group, b->group));
}

struct kind *kind_create_other(const char *group, const char *version, const char *kind, const char *resource,
			       bool namespaced)
{
	struct kind *k = xcalloc(1, sizeof *k);

	*k = (struct kind){
		.group = xstrdup(group),
		.version = xstrdup(version),
		.kind = xstrdup(kind),
		.resource = xstrdup(resource),
		.singular = xstrdup(kind),
		.alias = "",
		.namespaced = namespaced,
		.shape = SHAPE_OTHER,
		FIELDS(other_fields),
		COLUMNS(other_columns),
	};
	return k;
}

void kind_destroy(struct kind *kind)
{
	if (!kind)
		return;
	free((char *)kind->group);
	free((char *)kind->version);
	free((char *)kind->kind);
	free((char *)kind->resource);
	free((char *)kind->singular);
	free(kind);
}
