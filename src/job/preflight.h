/*
 * preflight: what would go wrong, all of it at once, before the first write.
 *
 * Always: namespaces that nobody makes (unknown kinds were found by the plan). With --preflight: rights (access
 * reviews of what is asked for by the plan's kinds, the Lease, the inventory, what new Roles and bindings grant and, with --wait, the watches), quotas that are
 * certain to be broken; warnings: storage and ingress classes, claims, Secrets and ConfigMaps that nobody makes, image hosts that can't be resolved from here. Private to src/job.
 */
#ifndef SLOTDECK_JOB_PREFLIGHT_H
#define SLOTDECK_JOB_PREFLIGHT_H

#include "job/run.h"

/* A step of its own. False when a finding is an error (ERR_DENIED: a missing right is among them); all are emitted. */
bool preflight(struct run *run, const struct deploy_plan *plan, struct error *err);
/* The same inside of another step, always the whole list: what the hook `preflight` does. summary gets its result in a few words. */
bool preflight_full(struct run *run, struct buf *summary, struct error *err);

#endif
