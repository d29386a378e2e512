/*
 * prune: what this stack and environment once applied and no longer renders.
 *
 * Candidates are found by the labels of this project, environment and slot, in the kinds and namespaces of inventory and plan. Left alone:
 * Namespaces, CustomResourceDefinitions, PersistentVolumes and their claims unless named, what another environment's
 * inventory has too, and with filters the items that were not selected. Private to src/job.
 */
#ifndef SLOTDECK_JOB_PRUNE_H
#define SLOTDECK_JOB_PRUNE_H

#include "job/inventory.h"
#include "job/run.h"

struct prune_object {
	const struct kube_resource *resource;
	char *namespace, *name, *uid, *item, *resource_version;
	const char *kept; /* why it is left alone; NULL: it goes */
};

struct prune_list {
	struct prune_object *items;
	size_t len, cap;
	size_t going; /* without what is kept */
};

/* Looks only. */
bool prune_find(struct run *run, const struct deploy_plan *plan, const struct inventory *inventory, struct prune_list *ret,
		struct error *err);
void prune_list_release(struct prune_list *list);
struct job_object prune_job_object(const struct prune_object *object, char api_version[128]);
/*
 * Deletes what goes, last layer first, guarded by uid; then inventory has what is planned or was kept, and nothing else: not what an
 * earlier run deleted before it was killed. False when something stayed.
 */
bool prune_delete(struct run *run, const struct deploy_plan *plan, struct prune_list *list, struct inventory *inventory, struct error *err);

#endif
