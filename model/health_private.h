/*
 * health_private: what the engine (health.c) and the rules (health_*.c) share.
 *
 * A rule looks at one object and says one state with look_say(); what it leaves open (since when, grace, chain) the
 * engine fills in from the object's memory.
 */
#ifndef SLOTDECK_MODEL_HEALTH_PRIVATE_H
#define SLOTDECK_MODEL_HEALTH_PRIVATE_H

#include "model/health.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)

enum look_grace {
	GRACE_WOBBLE,  /* 60 s: it may heal */
	GRACE_CERTAIN, /* 10 s: it will not, but a look at the next seconds costs little */
	GRACE_NONE
};

struct log_line {
	char *container, *line;
	int32_t restarts;
	bool known; /* else only wished for */
};

/* What is remembered of one object. Freed by the store's forget hook. */
struct memory {
	bool judged, fresh;
	uint64_t tree_serial, space_serial;
	struct verdict verdict;
	char *reason, *message;	      /* what verdict points to */
	int64_t generation;	      /* a new wish starts with a new grace */
	int64_t bad_since_ms, good_since_ms; /* 0: not */
	int64_t limited_since_ms;     /* a registry limits the rate */
	/* The last two moments at which a container ended. */
	int64_t restart_ms[2];
	int64_t restarts; /* -1: not looked yet */
	/* A rollout's counts and when they last moved. */
	uint64_t progress;
	int64_t progress_ms;
	struct log_line *logs;
	size_t nlogs, logs_cap;
};

struct look {
	struct health *health;
	struct entry *entry;
	const struct row *row;
	struct memory *memory;
	int64_t now_ms;
	/* What the rule says. */
	struct verdict verdict; /* reason and message stay empty: the buffers hold them */
	struct buf reason, message;
	enum look_grace grace;
	int64_t bad_since_ms; /* when the trouble began, where the object tells; 0 */
	int64_t counts_ms;    /* when it counts, where another object decides that; 0 */
	struct entry *cause;  /* whose chain explains it; NULL: the object's own */
};

struct health_rule {
	void (*judge)(struct look *look);
	bool reads_namespace; /* looks at other objects of its namespace, not only at what it owns */
};

extern const struct health_rule health_rule_deployment, health_rule_stateful_set, health_rule_daemon_set,
	health_rule_replica_set, health_rule_pod, health_rule_job, health_rule_cron_job, health_rule_claim,
	health_rule_service, health_rule_ingress, health_rule_namespace, health_rule_autoscaler, health_rule_crd,
	health_rule_other;

/* The rule's word. reason is one word or ""; fmt gives the line for a person. */
void look_say(struct look *look, enum health_state state, unsigned rule, const char *rule_id, const char *reason,
	      const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Judge again at at_ms, even if nothing changes. */
void look_recheck(struct look *look, int64_t at_ms);
/* The verdict on another object; this one is judged again when that one would be. */
const struct verdict *look_at(struct look *look, struct entry *entry);
bool look_is_fresh(const struct look *look, const struct kind *kind);
const struct health_config *look_config(const struct look *look);
struct store *look_store(const struct look *look);
/* The newest ReplicaSet of a Deployment's entry; NULL. */
struct entry *health_newest_replica_set(const struct entry *deployment);
/* A pod's last log line, NULL when not known; notes a wish for it. */
const char *look_log_line(struct look *look, const struct row_container *container);
/* The newest event of a failed probe of a pod; NULL. */
const struct row *health_failed_probe(const struct entry *pod);
/* The container that explains a pod's trouble; NULL. */
const struct row_container *health_worst_container(const struct row *pod);
/* Fills in verdict.causes. */
void look_explain(struct look *look);
/* "0:42", "3 min" */
void health_format_span(int64_t ms, struct buf *out);

/* model/health_cron.c: the two moments after after_ms at which a schedule fires (UTC). False: not understood. */
bool cron_next_two(const char *schedule, int64_t after_ms, int64_t *ret_first_ms, int64_t *ret_second_ms);

#endif
