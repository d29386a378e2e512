/*
 * control: what the controllers share. Private to src/sim; everything runs under the lock on the controller's thread.
 *
 * A reconciler looks at one object as it is now and does the next step; it is called again whenever the object or
 * something that it owns changed, and when a timer that it set is over. It must not assume that the object survives
 * what it calls.
 */
#ifndef SLOTDECK_SIM_CONTROL_H
#define SLOTDECK_SIM_CONTROL_H

#include "sim/rest.h"

#define KCM "kube-controller-manager"

typedef void reconcile_fn(struct sim *sim, struct object *object, json_t *tree);

/* Calls the reconciler of object again in so many (unscaled) milliseconds, or sooner. */
void control_wake(struct sim *sim, struct object *object, int64_t ms);
/* The same at once. */
void control_queue(struct sim *sim, struct object *object);
/* Lets so many milliseconds pass, with all that the controllers do in them. Only before their thread runs. */
void control_fast_forward(struct sim *sim, int64_t ms);
/* Queues everything there is. */
void control_queue_all(struct sim *sim);
/* Queues all objects of a kind in ns, each after so many milliseconds, so that many changes make one step. */
void control_wake_all(struct sim *sim, const char *group, const char *plural, const char *ns, int64_t ms);

struct resource *core(const struct sim *sim, const char *plural); /* of v1 */
/* The objects of resource in ns that owner controls, in a list ended by NULL; free() it. */
struct object **owned_by(const struct resource *resource, const char *ns, const char *uid, size_t *ret_n);
json_t *owner_reference(const struct resource *resource, const json_t *tree, bool controller);

/* status.conditions: sets one, keeps the time of the last change when the status is the same. True when it changed. */
bool condition_set(json_t *status, const char *type, const char *value, const char *reason, const char *message, bool update_time);
const char *condition_reason(const json_t *tree, const char *type);
bool condition_true(const json_t *tree, const char *type);

/* Writes status (taken) if it differs. */
void status_write(struct sim *sim, struct object *object, json_t *tree, json_t *status, const char *manager);
/* Emits an event about tree, or counts one more of the same. */
void event_emit(struct sim *sim, const json_t *tree, const char *type, const char *component, const char *reason,
		const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* The fault that a label or annotation `testbed/fault` plays, "" for none; and other annotations. */
const char *fault_of(const json_t *tree);
int64_t duration_of(const json_t *tree, const char *annotation, int64_t otherwise_ms);
/* A short name of a template: the pod-template-hash. */
void template_hash(const json_t *template, char out[12]);

reconcile_fn deployment_step, replica_set_step, stateful_set_step, daemon_set_step, job_step, cron_job_step, pod_step, claim_step,
	service_step, node_step, ingress_step, definition_step, quota_step, budget_step, autoscaler_step, namespace_step;

#endif
