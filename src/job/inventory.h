/*
 * inventory: which objects a stack has in the cluster, kept in a ConfigMap of its namespace.
 *
 * Named slotdeck-inventory-<project>-<env>[-<slot>]; data.objects has one line per object: "apiVersion kind namespace name", "-" for no
 * namespace. Written before the first write as the union of what was and what will be, after pruning as what is: a crash at
 * any moment leaves a superset. Private to src/job.
 */
#ifndef SLOTDECK_JOB_INVENTORY_H
#define SLOTDECK_JOB_INVENTORY_H

#include "base/map.h"
#include "job/run.h"

struct inventory {
	char *name;
	struct map lines; /* each line → NULL, sorted when written */
	char *written;	  /* text as the cluster has it; NULL: there is no ConfigMap */
};

/* "<project>-<env>[-<slot>]" as names of objects have it: what inventory and Lease of a stack are called after. Gives. */
char *inventory_stem(const struct stack *stack);
/* Reads it; an absent one is empty. */
bool inventory_load(struct run *run, struct inventory *inventory, struct error *err);
void inventory_release(struct inventory *inventory);
void inventory_add_plan(struct inventory *inventory, const struct deploy_plan *plan);
/* Takes out every line whose object is not in left ("group kind namespace/name", as deploy_identity() gives). */
void inventory_keep(struct inventory *inventory, const struct map *left);
/* Writes it unless the cluster has exactly that. */
bool inventory_save(struct run *run, struct inventory *inventory, struct error *err);
/* Splits a line into its four words (borrowed views). */
bool inventory_split(const char *line, struct str words[4]);

#endif
