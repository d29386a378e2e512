/*
 * quota: ResourceQuota and LimitRange, as admission and the quota controller see them. Private to src/sim; under the lock.
 */
#ifndef SLOTDECK_SIM_QUOTA_H
#define SLOTDECK_SIM_QUOTA_H

#include "sim/world.h"

/* False when a quota of ns forbids one more such object: "exceeded quota: q, requested: pods=1, used: …, limited: …". */
bool quota_admit(struct sim *sim, const struct resource *resource, const char *ns, const json_t *tree, bool dry_run,
		 struct error *err);
/* Fills in the defaults of the namespace's LimitRanges. Always true. */
bool limits_admit(struct sim *sim, const struct resource *resource, const char *ns, json_t *tree);
/* Gives {"pods": "2", …}: what is used of each key of hard. */
json_t *quota_used(struct sim *sim, const char *ns, const json_t *hard);

#endif
