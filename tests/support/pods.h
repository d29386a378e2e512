/* Pods for tests of what goes into them: exec, shells, port-forward. In namespace default. */
#ifndef SLOTDECK_TESTS_PODS_H
#define SLOTDECK_TESTS_PODS_H

#include "kube_bed.h"

/* A simulated cluster in which pods can be made. options may be NULL. */
struct kube_bed pods_bed(const struct kube_bed_options *options);
/* Makes a pod with one container, "main", label app=web, and waits until it runs. annotations: "'a':'b'", or "". */
void pods_make(struct kube_bed *bed, const char *name, const char *annotations);
/* A pod that never gets to a node. */
void pods_make_pending(struct kube_bed *bed, const char *name);
/* A pod whose image cannot be pulled, so that its container never runs; waits until that is known. */
void pods_make_unpullable(struct kube_bed *bed, const char *name);
/* Removes it at once, and waits until it is gone. */
void pods_drop(struct kube_bed *bed, const char *name);

#endif
