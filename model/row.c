#include "model/row.h"

#include <stdlib.h>
#include <string.h>

#include "model/row_private.h"

/*
 * Words that rows are full of: a row points here instead of holding them. Sorted by bytes, for the binary search; the
 * store test checks the order.
 */
static const char *const common_texts[] = {
	"", "0", "1", "25%", "Active", "Always", "Available", "BackOff", "Bound", "Bundle", "ClusterIP",
	"Completed", "ConfigMap", "ConfigMapList", "ContainersNotReady", "ContainersReady", "CrashLoopBackOff",
	"CronJob", "DaemonSet", "Deployment", "ErrImagePull", "Error", "Failed", "Guaranteed", "IfNotPresent",
	"ImagePullBackOff", "Initialized", "Job", "MinimumReplicasAvailable", "MinimumReplicasUnavailable",
	"Never", "NewReplicaSetAvailable", "NewReplicaSetCreated", "Node", "Normal", "OOMKilled", "OnDelete",
	"OnFailure", "Pending", "Pod", "PodReadyToStartContainers", "PodScheduled", "Progressing", "Pulled",
	"Ready", "Recreate", "ReplicaSet", "ReplicaSetUpdated", "RollingUpdate", "Running", "Scheduled",
	"Service", "StatefulSet", "Succeeded", "SuccessfulCreate", "TCP", "UDP", "Unschedulable", "Warning",
	"app", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/name",
	"app.kubernetes.io/part-of", "batch.kubernetes.io/job-name", "codexctl", "controller-uid", "default",
	"default-scheduler", "deployment.kubernetes.io/revision", "job-name", "k3s", "kube-controller-manager",
	"kube-scheduler", "kubectl", "kubectl-client-side-apply", "kubelet", "pod-template-hash", "slotdeck",
	"slotdeck.dev/env", "slotdeck.dev/item", "slotdeck.dev/project", "slotdeck.dev/slot", "standard",
};

const char *row_common_text(struct str text)
{
	size_t low = 0, high = ARRAY_LEN(common_texts);

	while (low < high) {
		size_t middle = (low + high) / 2;
		const char *common = common_texts[middle];
		/* Most differ in their first byte, and need no more than that. */
		int order = text.len ? (unsigned char)text.p[0] - (unsigned char)common[0] : 0;

		if (!order)
			order = str_cmp(text, str_of(common));
		if (!order)
			return common;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* ---- layouts ---- */

#define TEXTS(name, ...) static const uint16_t name##_texts[] = { __VA_ARGS__ }
#define AT(type, member) offsetof(struct type, member)
#define LAYOUT(name) { .size = sizeof(struct name), .ntexts = ARRAY_LEN(name##_texts), .texts = name##_texts }
#define LAYOUT_WITH(name)                                                                                              \
	{                                                                                                              \
		.size = sizeof(struct name), .ntexts = ARRAY_LEN(name##_texts), .texts = name##_texts,                 \
		.narrays = ARRAY_LEN(name##_arrays), .arrays = name##_arrays                                           \
	}

TEXTS(row_pair, AT(row_pair, key), AT(row_pair, value));
TEXTS(row_image, AT(row_image, container), AT(row_image, image));
TEXTS(row_condition, AT(row_condition, type), AT(row_condition, reason), AT(row_condition, message));
TEXTS(row_container, AT(row_container, name), AT(row_container, image), AT(row_container, reason),
      AT(row_container, message), AT(row_container, last_reason), AT(row_container, last_message));
TEXTS(row_port, AT(row_port, name), AT(row_port, protocol), AT(row_port, target));
TEXTS(row_workload, AT(row_workload, strategy), AT(row_workload, max_unavailable), AT(row_workload, current_revision),
      AT(row_workload, update_revision));
TEXTS(row_pod, AT(row_pod, phase), AT(row_pod, reason), AT(row_pod, message), AT(row_pod, node), AT(row_pod, ip),
      AT(row_pod, restart_policy));
TEXTS(row_cron_job, AT(row_cron_job, schedule), AT(row_cron_job, time_zone));
TEXTS(row_claim, AT(row_claim, phase), AT(row_claim, class_name), AT(row_claim, volume), AT(row_claim, requested),
      AT(row_claim, capacity));
TEXTS(row_service, AT(row_service, type), AT(row_service, cluster_ip), AT(row_service, addresses),
      AT(row_service, external_name));
TEXTS(row_ingress, AT(row_ingress, class_name), AT(row_ingress, addresses), AT(row_ingress, hosts));
TEXTS(row_event, AT(row_event, about_uid), AT(row_event, about_kind), AT(row_event, about_name),
      AT(row_event, about_namespace), AT(row_event, type), AT(row_event, reason), AT(row_event, message),
      AT(row_event, reporter));
TEXTS(row_namespace, AT(row_namespace, phase));
TEXTS(row_record, AT(row_record, slot), AT(row_record, env), AT(row_record, namespace), AT(row_record, owner),
      AT(row_record, issue), AT(row_record, pr), AT(row_record, created_at));
TEXTS(row_storage_class, AT(row_storage_class, provisioner), AT(row_storage_class, binding_mode));
TEXTS(row_autoscaler, AT(row_autoscaler, target_kind), AT(row_autoscaler, target_name));
TEXTS(row_other, AT(row_other, phase));
TEXTS(row, AT(row, uid), AT(row, name), AT(row, namespace), AT(row, resource_version), AT(row, owner_uid),
      AT(row, owner_kind), AT(row, owner_name), AT(row, manager), AT(row, finalizers));

static const struct layout pair_layout = LAYOUT(row_pair);
static const struct layout image_layout = LAYOUT(row_image);
static const struct layout condition_layout = LAYOUT(row_condition);
static const struct layout container_layout = LAYOUT(row_container);
static const struct layout port_layout = LAYOUT(row_port);

static const struct layout_array row_workload_arrays[] = {
	{ AT(row_workload, selector), AT(row_workload, nselector), &pair_layout },
	{ AT(row_workload, images), AT(row_workload, nimages), &image_layout },
};
static const struct layout_array row_pod_arrays[] = {
	{ AT(row_pod, containers), AT(row_pod, ncontainers), &container_layout },
	{ AT(row_pod, ephemeral), AT(row_pod, nephemeral), &container_layout },
	{ AT(row_pod, claims), AT(row_pod, nclaims), &pair_layout },
};
static const struct layout_array row_service_arrays[] = {
	{ AT(row_service, selector), AT(row_service, nselector), &pair_layout },
	{ AT(row_service, ports), AT(row_service, nports), &port_layout },
};
static const struct layout_array row_arrays[] = {
	{ AT(row, labels), AT(row, nlabels), &pair_layout },
	{ AT(row, annotations), AT(row, nannotations), &pair_layout },
	{ AT(row, conditions), AT(row, nconditions), &condition_layout },
};

const struct layout row_layout = LAYOUT_WITH(row);
const struct layout row_shape_layouts[SHAPE_COUNT] = {
	[SHAPE_OTHER] = LAYOUT(row_other),
	[SHAPE_WORKLOAD] = LAYOUT_WITH(row_workload),
	[SHAPE_POD] = LAYOUT_WITH(row_pod),
	[SHAPE_JOB] = { .size = sizeof(struct row_job) },
	[SHAPE_CRON_JOB] = LAYOUT(row_cron_job),
	[SHAPE_CLAIM] = LAYOUT(row_claim),
	[SHAPE_SERVICE] = LAYOUT_WITH(row_service),
	[SHAPE_INGRESS] = LAYOUT(row_ingress),
	[SHAPE_EVENT] = LAYOUT(row_event),
	[SHAPE_NAMESPACE] = LAYOUT(row_namespace),
	[SHAPE_RECORD] = LAYOUT(row_record),
	[SHAPE_STORAGE_CLASS] = LAYOUT(row_storage_class),
	[SHAPE_AUTOSCALER] = LAYOUT(row_autoscaler),
};

void row_detail_defaults(enum kind_shape shape, void *detail)
{
	if (shape == SHAPE_WORKLOAD) {
		struct row_workload *w = detail;

		w->want = 1;
		w->partition = w->progress_deadline_s = -1;
	} else if (shape == SHAPE_JOB) {
		struct row_job *job = detail;

		job->parallelism = job->completions = job->backoff_limit = -1;
	} else if (shape == SHAPE_CRON_JOB) {
		((struct row_cron_job *)detail)->starting_deadline_s = -1;
	} else if (shape == SHAPE_EVENT) {
		((struct row_event *)detail)->count = 1;
	}
}

/* ---- copying into one block ---- */

static const char *text_at(const void *base, uint16_t at)
{
	const char *text = *(const char *const *)((const char *)base + at);

	return text ? text : "";
}

static size_t padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

struct measure {
	size_t structs, texts;
};

static void measure_content(const struct layout *layout, const void *base, struct measure *m)
{
	for (size_t i = 0; i < layout->ntexts; i++) {
		struct str text = str_of(text_at(base, layout->texts[i]));

		if (!row_common_text(text))
			m->texts += text.len + 1;
	}
	for (size_t i = 0; i < layout->narrays; i++) {
		const struct layout_array *array = &layout->arrays[i];
		const char *items = *(const char *const *)((const char *)base + array->at);
		uint16_t n = *(const uint16_t *)((const char *)base + array->count_at);

		m->structs += padded((size_t)n * array->of->size);
		for (size_t k = 0; k < n; k++)
			measure_content(array->of, items + k * array->of->size, m);
	}
}

struct packing {
	char *structs, *texts; /* where the next of each goes */
};

static const char *pack_text(struct packing *to, const char *text)
{
	const char *common = row_common_text(str_of(text));
	char *copy = to->texts;
	size_t len;

	if (common)
		return common;
	len = strlen(text) + 1;
	memcpy(copy, text, len);
	to->texts += len;
	return copy;
}

static void *pack_struct(struct packing *to, const void *from, size_t size)
{
	void *copy = to->structs;

	if (size)
		memcpy(copy, from, size);
	to->structs += padded(size);
	return copy;
}

static void pack_content(struct packing *to, const struct layout *layout, void *base)
{
	for (size_t i = 0; i < layout->ntexts; i++)
		*(const char **)((char *)base + layout->texts[i]) = pack_text(to, text_at(base, layout->texts[i]));
	for (size_t i = 0; i < layout->narrays; i++) {
		const struct layout_array *array = &layout->arrays[i];
		void **items = (void **)((char *)base + array->at);
		uint16_t n = *(const uint16_t *)((const char *)base + array->count_at);

		*items = n ? pack_struct(to, *items, (size_t)n * array->of->size) : NULL;
		for (size_t k = 0; k < n; k++)
			pack_content(to, array->of, (char *)*items + k * array->of->size);
	}
}

struct row *row_copy(const struct row *row)
{
	const struct layout *shape = &row_shape_layouts[row->kind->shape];
	struct measure m = { .structs = padded(sizeof *row) + padded(shape->size) };
	struct packing to;
	struct row *copy;
	void *detail;

	measure_content(&row_layout, row, &m);
	measure_content(shape, row->detail, &m);
	to.structs = xmalloc(m.structs + m.texts);
	to.texts = to.structs + m.structs;
	copy = pack_struct(&to, row, sizeof *row);
	detail = pack_struct(&to, row->detail, shape->size);
	copy->detail = detail;
	copy->size_bytes = (uint32_t)(m.structs + m.texts);
	pack_content(&to, &row_layout, copy);
	pack_content(&to, shape, detail);
	return copy;
}

struct row *row_create_bare(const struct kind *kind, const char *namespace, const char *name, const char *uid)
{
	_Alignas(8) char detail[512] = { 0 };
	struct row row = {
		.kind = kind,
		.namespace = namespace,
		.name = name,
		.uid = uid,
		.observed_generation = -1,
		.detail = detail,
	};

	_Static_assert(sizeof detail >= sizeof(struct row_workload) && sizeof detail >= sizeof(struct row_pod), "room");
	row_detail_defaults(kind->shape, detail);
	return row_copy(&row);
}

void row_destroy(struct row *row)
{
	free(row);
}

/* ---- questions ---- */

static const char *pair_value(const struct row_pair *pairs, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(pairs[i].key, key))
			return pairs[i].value;
	}
	return NULL;
}

const char *row_label(const struct row *row, const char *key)
{
	const char *value = pair_value(row->labels, row->nlabels, key);

	return value ? value : "";
}

const char *row_annotation(const struct row *row, const char *key)
{
	const char *value = pair_value(row->annotations, row->nannotations, key);

	return value ? value : "";
}

bool row_keeps_annotation(struct str key)
{
	return str_is(key, "deployment.kubernetes.io/revision") || str_starts(key, STR("slotdeck.dev/")) ||
	       str_is(key, "kubectl.kubernetes.io/restartedAt") || str_is(key, "volume.kubernetes.io/selected-node");
}

const struct row_condition *row_condition(const struct row *row, const char *type)
{
	for (size_t i = 0; i < row->nconditions; i++) {
		if (!strcmp(row->conditions[i].type, type))
			return &row->conditions[i];
	}
	return NULL;
}

bool row_condition_is(const struct row *row, const char *type, enum row_tri status)
{
	const struct row_condition *condition = row_condition(row, type);

	return condition && condition->status == status;
}

int row_event_compare(const struct row *a, const struct row *b)
{
	int64_t a_s = a->event->last_ms / 1000, b_s = b->event->last_ms / 1000;
	size_t a_len = strlen(a->resource_version), b_len = strlen(b->resource_version);

	if (a_s != b_s)
		return a_s < b_s ? -1 : 1;
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return strcmp(a->resource_version, b->resource_version);
}

bool row_matches(const struct row *row, const struct row_pair *selector, size_t nselector)
{
	for (size_t i = 0; i < nselector; i++) {
		const char *value = pair_value(row->labels, row->nlabels, selector[i].key);

		if (!value || strcmp(value, selector[i].value))
			return false;
	}
	return nselector > 0;
}

/* ---- batches ---- */

struct row_batch *row_batch_create(const struct kind *kind, const char *namespace, int64_t at_ms)
{
	struct row_batch *batch = xcalloc(1, sizeof *batch);

	batch->kind = kind;
	batch->namespace = xstrdup(namespace ? namespace : "");
	batch->at_ms = at_ms;
	return batch;
}

void row_batch_destroy(struct row_batch *batch)
{
	if (!batch)
		return;
	for (size_t i = 0; i < batch->len; i++)
		row_destroy(batch->changes[i].row);
	free(batch->changes);
	free(batch->namespace);
	free(batch);
}

void row_batch_add(struct row_batch *batch, enum row_op op, struct row *row)
{
	LIST_PUSH(batch->changes, batch->len, batch->cap) = (struct row_change){ .op = op, .row = row };
}
