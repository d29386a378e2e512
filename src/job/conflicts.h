/*
 * conflicts: fields of one object that other managers hold, told with both values. Private to src/job.
 */
#ifndef SLOTDECK_JOB_CONFLICTS_H
#define SLOTDECK_JOB_CONFLICTS_H

#include "job/run.h"
#include "kube/apply.h"

/* JOB_CONFLICT for each conflict of apply. live: the object as it is, NULL when unknown. A Secret's values are not shown. */
void conflicts_tell(struct run *run, const struct deploy_object *object, const struct kube_apply *apply, const json_t *live);

/* All are with client-side apply, whose fields become ours before the real apply. */
bool conflicts_end_with_migration(const struct kube_apply *apply);

#endif
