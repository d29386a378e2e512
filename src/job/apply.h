/*
 * apply: the writing side of a deployment. Private to src/job.
 */
#ifndef SLOTDECK_JOB_APPLY_H
#define SLOTDECK_JOB_APPLY_H

#include "job/run.h"

#define APPLY_PARALLEL 64 /* requests at a time, unless options say other */

/* How the writes of one run went. */
struct outcome {
	size_t written, unchanged, failed, conflicts, denied, skipped, unknown; /* unknown: sent, and cancelled before the answer came */
};

/* look_at_live() for all objects whose kind is known, before the first layer; apply_layer() does it for the rest. */
bool look_at_plan(struct run *run, struct deploy_plan *plan, struct error *err);
/* Applies the objects of one layer (namespace.c, apply_layer.c). False when going on is useless: cancelled, lease lost, no server.
 * Failures of single objects are in outcome. */
bool apply_layer(struct run *run, struct deploy_plan *plan, unsigned layer, struct outcome *outcome, struct error *err);
/* Sends one object and judges the answer; for the namespace, which comes before everything. */
bool apply_objects(struct run *run, struct deploy_object **objects, size_t n, struct outcome *outcome, struct error *err);

/*
 * Marks what is proven unchanged (CHANGE_UNCHANGED), by one list per kind and namespace, several at a time; fills live_version, uid,
 * generation, and with keep the text of what differs; what was asked for before is left alone. Objects made by client-side apply are migrated on the way, unless it is a dry run.
 */
bool look_at_live(struct run *run, struct deploy_object **objects, size_t n, bool keep, struct error *err);

/* Makes sure that the stack's namespace is there and not on its way out. */
bool namespace_ensure(struct run *run, struct deploy_plan *plan, bool *ret_created, struct outcome *outcome, struct error *err);

#endif
