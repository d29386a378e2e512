/*
 * health: what the state of an object is, by which rule, since when, and why.
 *
 * The rules are those of docs/health.md (1 to 14), one small function per kind, in the table of health_rules.c. The live
 * screen and the `wait` job use the same engine. Reads a store; keeps a memory per object beside it (since when a state
 * holds, restarts seen, log lines). The clock is an argument everywhere: now_ms as in model/store.h, never going back.
 * Thread: the store's.
 */
#ifndef SLOTDECK_MODEL_HEALTH_H
#define SLOTDECK_MODEL_HEALTH_H

#include "model/cause.h"
#include "model/store.h"

enum health_state { /* from best to worst, as rule 12 rolls up */
	HEALTH_HEALTHY,
	HEALTH_SUSPENDED,
	HEALTH_PROGRESSING,
	HEALTH_DELETING,
	HEALTH_MISSING,
	HEALTH_UNKNOWN,
	HEALTH_DEGRADED
};
/* "healthy", … */
const char *health_state_name(enum health_state state);
/* Whether a is worse than b. */
bool health_is_worse(enum health_state a, enum health_state b);
/* Healthy, or suspended by somebody's wish: nobody waits for anything. */
bool health_is_fine(enum health_state state);

enum health_confidence { HEALTH_CERTAIN, HEALTH_LIKELY };

struct verdict {
	enum health_state state;
	enum health_confidence confidence;
	unsigned rule;	     /* number in docs/health.md */
	const char *rule_id; /* stable word: "deployment.quota", "pod.image" */
	const char *reason;  /* one word: "ImagePullBackOff", "FailedCreate"; "" when healthy without a note */
	const char *message; /* one line for a person; "" when there is nothing to say */
	int64_t since_ms;    /* since when this state holds, as well as we know */
	int64_t deadline_ms; /* when it will be called degraded unless it changes; 0: never by time */
	int64_t counts_ms;   /* degraded only: from when on it counts (rule 11) */
	int64_t inputs_ms;   /* age of the oldest input: its proof; 0: none */
	int64_t recheck_ms;  /* when time alone may change this verdict; INT64_MAX: never */
	bool hopeless;	     /* does not heal by itself: a wait that sees it counting fails */
	bool lets_wait_go;   /* a wait need not wait for it, although it is not healthy (rule 8) */
	struct causes causes; /* from the object down; empty when healthy */
};
/* Whether it is degraded and past its grace. */
bool verdict_counts(const struct verdict *verdict, int64_t now_ms);
/* The state for roll-ups: degraded within its grace is progressing. */
enum health_state verdict_counted_state(const struct verdict *verdict, int64_t now_ms);
/* "crash loop x6, exit 1: fatal: env DB_DSN is not set": the deepest cause on one line. */
void verdict_format_why(const struct verdict *verdict, int64_t now_ms, struct buf *out);

struct health_config { /* zero: the defaults of docs/health.md */
	int64_t grace_ms;	  /* 60 s */
	int64_t certain_grace_ms; /* 10 s: certain causes count within 15 s of the event */
	int64_t stale_ms;	  /* 30 s */
	const char *const *silent_ingress_classes; /* never write an address; NULL at the end; or NULL */
};

struct health;
/* Borrows store until health_destroy(). Copies config (NULL: defaults). */
struct health *health_create(struct store *store, const struct health_config *config);
void health_destroy(struct health *health);
DEFINE_AUTO(health);
struct store *health_store(const struct health *health);

/* The verdict on one object. Borrowed until the next change of the store or the next call for the same object. Cheap when
 * nothing changed. */
const struct verdict *health_of(struct health *health, struct entry *entry, int64_t now_ms);
/* The same by name; missing objects get a verdict too (borrowed until the next call). */
const struct verdict *health_of_name(struct health *health, const struct kind *kind, const char *namespace,
				     const char *name, int64_t now_ms);

/* Rule 1 by itself: whether what scope covers is proven. NULL is not. */
bool health_is_fresh(const struct health *health, const struct scope *scope, int64_t now_ms);
/* Why it is not: "no data for 95 s: connection refused", "no right to list or watch pods"; nothing when it is. */
void health_format_scope(const struct health *health, const struct scope *scope, int64_t now_ms, struct buf *out);

/* Last log lines come from outside: who wants one, and what it is. */
struct health_log_wish {
	const char *namespace, *pod, *pod_uid, *container;
	int32_t restarts; /* hand it back with the line */
	bool previous;	  /* of the former run */
};
/* Calls fn for each crashed container seen by health_of() whose line is not known for its newest run. */
void health_log_wishes(struct health *health, void (*fn)(const struct health_log_wish *wish, void *arg), void *arg);
/* line may be "" (there is none); kept as a copy, cut at ROW_MESSAGE_MAX. */
void health_set_log_line(struct health *health, const char *pod_uid, const char *container, int32_t restarts,
			 const char *line);

/*
 * Rule 14: a plan of objects and whether all of it is done.
 */
struct plan_object {
	const struct kind *kind;
	const char *namespace, *name; /* copied */
	const char *uid;	      /* of the object as applied; "" when unknown */
	int64_t generation;	      /* of our own apply's answer; 0: the kind has none */
};
enum plan_state { PLAN_WAITING, PLAN_SETTLING /* all healthy, not yet for long enough */, PLAN_DONE, PLAN_FAILED };
struct plan_entry {
	struct plan_object object;
	const struct verdict *verdict; /* borrowed as by health_of_name() */
	bool done;		       /* at the applied generation and healthy, or nothing to wait for */
	bool failed;		       /* hopeless, and it counts */
	bool dropped;		       /* left the plan: plan_drop() */
	char *note;		       /* why it was dropped; NULL */
};
struct plan;
struct plan *plan_create(struct health *health, int64_t settle_ms);
void plan_destroy(struct plan *plan);
DEFINE_AUTO(plan);
void plan_add(struct plan *plan, const struct plan_object *object);
/* A hook of this run deleted it: it no longer counts. False: not in the plan. */
bool plan_drop(struct plan *plan, const struct kind *kind, const char *namespace, const char *name, const char *note);
/* Judges everything. ret_recheck_ms: when to call again although nothing changed (INT64_MAX: never). */
enum plan_state plan_check(struct plan *plan, int64_t now_ms, int64_t *ret_recheck_ms);
size_t plan_count(const struct plan *plan);
const struct plan_entry *plan_at(const struct plan *plan, size_t n);
size_t plan_done_count(const struct plan *plan);

/*
 * Rule 12: many verdicts as one.
 */
struct roll_up {
	enum health_state state;
	struct entry *worst;	       /* NULL: nothing to say */
	const struct verdict *verdict; /* of worst */
	size_t counts[HEALTH_DEGRADED + 1];
	size_t total;
	int64_t since_ms;
};
void roll_up_add(struct roll_up *roll_up, struct entry *entry, const struct verdict *verdict, int64_t now_ms);

#endif
