/*
 * row: one watched object as a small typed record, and the way from its JSON to it.
 *
 * A row holds what columns and health rules read, nothing else; the JSON text is dropped after decoding and no tree is
 * built. Sources of truth: the Kubernetes API reference of each kind. One allocation per row: all texts and arrays lie behind
 * the struct, so a row crosses threads as one pointer and changes its owner there; nobody shares it. Rows are never
 * changed after row_decode().
 *
 * Texts are NUL-terminated, never NULL ("" when absent), valid UTF-8 is not promised, and control characters are not
 * removed: whoever prints to a terminal sanitises. Times are milliseconds since 1970 UTC by the server's clock, 0 when
 * absent. Counts are -1 when absent where 0 would mean something else. Messages are cut at ROW_MESSAGE_MAX bytes.
 */
#ifndef SLOTDECK_MODEL_ROW_H
#define SLOTDECK_MODEL_ROW_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define ROW_MESSAGE_MAX 1024 /* bytes of one message */
#define ROW_LIST_MAX 256     /* elements of one list; more are dropped */

struct kind;

struct row_pair {
	const char *key, *value;
};

enum row_tri { ROW_UNKNOWN, ROW_FALSE, ROW_TRUE };

struct row_condition {
	const char *type, *reason, *message;
	int64_t since_ms;	     /* lastTransitionTime */
	int64_t updated_ms;	     /* lastUpdateTime: a Deployment's last progress */
	int64_t observed_generation; /* -1: not told */
	enum row_tri status;
};

struct row_image {
	const char *container, *image;
};

/* Deployment, StatefulSet, DaemonSet, ReplicaSet. For a DaemonSet the status numbers stand for: want =
 * desiredNumberScheduled, replicas = current = currentNumberScheduled, the rest by their names. */
struct row_workload {
	int32_t want; /* spec.replicas; 1 when absent */
	int32_t replicas, updated, ready, available, current, labelled;
	int32_t partition;	    /* StatefulSet; -1: none */
	int32_t min_ready_s;
	int32_t progress_deadline_s; /* -1: none told */
	bool paused;
	const char *strategy;	     /* "RollingUpdate", "Recreate", "OnDelete" */
	const char *max_unavailable; /* "1", "25%" */
	const char *current_revision, *update_revision;
	const struct row_pair *selector; /* matchLabels */
	const struct row_image *images;
	uint16_t nselector, nimages;
};

enum row_container_role { ROW_MAIN, ROW_INIT, ROW_SIDECAR /* an init container that restarts always */, ROW_EPHEMERAL /* of kubectl debug */ };
enum row_container_state { ROW_NO_STATE, ROW_WAITING, ROW_RUNNING, ROW_TERMINATED };

struct row_container {
	const char *name, *image;
	const char *reason, *message;	/* of the present state */
	const char *last_reason;	/* of the former, ended run */
	const char *last_message;
	int64_t started_ms, finished_ms; /* of the present state */
	int64_t last_finished_ms;	 /* 0: it never ended before */
	int32_t restarts;
	int32_t exit_code, last_exit_code;
	int32_t readiness_window_s; /* initialDelay + period × failureThreshold; 0: no readiness probe */
	int32_t startup_window_s;   /* the same of its startup probe */
	uint8_t role;		    /* enum row_container_role */
	uint8_t state;		    /* enum row_container_state */
	bool ready, started;
};

struct row_pod {
	const char *phase, *reason, *message, *node, *ip, *restart_policy;
	int64_t started_ms;
	int64_t cpu_request_m, cpu_limit_m;	    /* thousandths of a core, all containers; 0: none */
	int64_t memory_request_b, memory_limit_b; /* bytes */
	const struct row_container *containers;
	const struct row_container *ephemeral; /* those of kubectl debug: they have a log, but no part in the pod's health */
	const struct row_pair *claims; /* key: volume, value: PersistentVolumeClaim */
	uint16_t ncontainers, nephemeral, nclaims;
};

/* All of them in turn, ephemeral ones last; NULL past the end. */
static inline const struct row_container *row_pod_container(const struct row_pod *pod, size_t n)
{
	if (n < pod->ncontainers)
		return &pod->containers[n];
	n -= pod->ncontainers;
	return n < pod->nephemeral ? &pod->ephemeral[n] : NULL;
}

struct row_job {
	int32_t parallelism, completions, backoff_limit; /* -1: not told */
	int32_t active, succeeded, failed;
	int64_t started_ms, completed_ms;
	bool suspended;
};

struct row_cron_job {
	const char *schedule, *time_zone;
	int64_t last_schedule_ms, last_success_ms;
	int32_t starting_deadline_s; /* -1: none */
	int32_t active;
	bool suspended;
};

struct row_claim {
	const char *phase, *class_name, *volume, *requested, *capacity;
};

struct row_port {
	const char *name, *protocol, *target;
	int32_t port, node_port;
};

struct row_service {
	const char *type, *cluster_ip;
	const char *addresses; /* of the load balancer, joined by ','; "": none */
	const char *external_name;
	const struct row_pair *selector;
	const struct row_port *ports;
	uint16_t nselector, nports;
	bool publish_not_ready;
};

struct row_ingress {
	const char *class_name;
	const char *addresses; /* joined by ',' */
	const char *hosts;     /* joined by ',' */
};

struct row_event {
	const char *about_uid, *about_kind, *about_name, *about_namespace;
	const char *type, *reason, *message, *reporter;
	int64_t first_ms, last_ms;
	int32_t count; /* 1 at least */
};

struct row_namespace {
	const char *phase;
};

/* A ConfigMap: only the keys of a slot record are kept (slots-and-state 1). */
struct row_record {
	const char *slot, *env, *namespace, *owner, *issue, *pr, *created_at;
};

struct row_storage_class {
	const char *provisioner, *binding_mode;
};

struct row_autoscaler {
	int32_t min, max, current, desired;
	const char *target_kind, *target_name;
};

/* What does not fit a kind of its own: custom resources and the plain built-in kinds. */
struct row_other {
	const char *phase; /* status.phase, where it is a text */
};

struct row {
	const struct kind *kind; /* borrowed for ever (built in), or as long as whoever made it keeps it */
	const char *uid, *name, *namespace, *resource_version;
	const char *owner_uid, *owner_kind, *owner_name; /* the controlling owner, else the first */
	const char *manager;				 /* who last changed metadata or spec, by managedFields */
	const char *finalizers;				 /* joined by ',' */
	int64_t managed_ms;	    /* when that was */
	int64_t created_ms;
	int64_t deleted_ms;	    /* deletionTimestamp: when its grace ends or ended; 0: lives */
	int64_t generation;	    /* 0: the kind has none */
	int64_t observed_generation; /* -1: not told */
	int32_t deletion_grace_s;
	uint32_t size_bytes; /* of this allocation */
	const struct row_pair *labels;
	const struct row_pair *annotations; /* only those of row_keeps_annotation() */
	const struct row_condition *conditions;
	uint16_t nlabels, nannotations, nconditions;
	/* Which one holds is kind->shape (model/kinds.h). */
	union {
		const void *detail;
		const struct row_workload *workload;
		const struct row_pod *pod;
		const struct row_job *job;
		const struct row_cron_job *cron_job;
		const struct row_claim *claim;
		const struct row_service *service;
		const struct row_ingress *ingress;
		const struct row_event *event;
		const struct row_namespace *ns;
		const struct row_record *record;
		const struct row_storage_class *storage_class;
		const struct row_autoscaler *autoscaler;
		const struct row_other *other;
	};
};

/* Scratch memory for decoding, reused from object to object. One thread at a time; one per watch or net thread. */
struct row_decoder;
struct row_decoder *row_decoder_create(void);
void row_decoder_destroy(struct row_decoder *decoder);
DEFINE_AUTO(row_decoder);
/*
 * Decodes one object (a JSON object, as in a watch event's "object" or a list's "items"). Gives a row. Keys that are not
 * known are skipped, values of another type than expected are ignored. ERR_SERVER: no valid JSON, or an object without
 * a name; ERR_LIMIT: nested deeper than 256.
 */
bool row_decode(struct row_decoder *decoder, const struct kind *kind, struct str json, struct row **ret, struct error *err);
/* Gives a row that has only an identity: for a DELETED of which nothing else is known, and for tests. */
struct row *row_create_bare(const struct kind *kind, const char *namespace, const char *name, const char *uid);
void row_destroy(struct row *row);
DEFINE_AUTO(row);
/* Gives a copy. */
struct row *row_copy(const struct row *row);

/* "" when it has none. Borrowed from row. */
const char *row_label(const struct row *row, const char *key);
const char *row_annotation(const struct row *row, const char *key);
bool row_keeps_annotation(struct str key);
/* NULL when it has none. */
const struct row_condition *row_condition(const struct row *row, const char *type);
bool row_condition_is(const struct row *row, const char *type, enum row_tri status);
/* Below 0: event a is the older. By second, as most events have no finer time; then by version, which for most servers counts up. */
int row_event_compare(const struct row *a, const struct row *b);
/* True when every pair of selector is among the labels of row; an empty selector matches nothing. */
bool row_matches(const struct row *row, const struct row_pair *selector, size_t nselector);

/*
 * What a watch says, in the order of the server. A batch is of one kind and one scope (namespace, "" for the whole cluster).
 */
enum row_op {
	ROW_LIST_BEGIN,	/* a (new) full list starts: rows come as ROW_PUT */
	ROW_LIST_END,	/* it is whole: what was not in it is gone */
	ROW_PUT,	/* added or changed */
	ROW_GONE,	/* deleted: row is the last state */
	ROW_PROOF	/* nothing changed: a bookmark, an answered ping, an audit that agrees */
};

struct row_change {
	enum row_op op;
	struct row *row; /* NULL but for PUT and GONE */
};

struct row_batch {
	const struct kind *kind;
	char *namespace; /* "": all */
	int64_t at_ms;	 /* when it was received */
	struct row_change *changes;
	size_t len, cap;
};
/* namespace is copied. */
struct row_batch *row_batch_create(const struct kind *kind, const char *namespace, int64_t at_ms);
void row_batch_destroy(struct row_batch *batch);
DEFINE_AUTO(row_batch);
/* Takes row. */
void row_batch_add(struct row_batch *batch, enum row_op op, struct row *row);

#endif
