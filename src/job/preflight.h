/*
 * preflight: what would go wrong, all of it at once, before the first write.
 *
 * Always: namespaces that nobody makes (unknown kinds were found by the plan). With --preflight: rights (access
 * reviews), quota that is certain to be broken; warnings: storage and ingress classes, claims, Secrets and ConfigMaps that
 * nobody makes, image hosts that can't be resolved from here. Private to src/job.
 */
#ifndef SLOTDECK_JOB_PREFLIGHT_H
#define SLOTDECK_JOB_PREFLIGHT_H

#include "job/run.h"

/* False when a finding is an error; all are emitted. */
bool preflight(struct run *run, const struct deploy_plan *plan, struct error *err);

#endif
