/*
 * evidence: what is worth keeping before something is deleted or undone, as one tar file.
 *
 * For an object and its pods: manifests (Secret values masked), the namespace's events, the last lines of every container's log and of
 * its former run. Lies in the state folder (job/history.h) below evidence/, mode 0600, 8 MiB at most: what does not fit is named in
 * MISSING.txt inside, and so is what could not be read. Blocks; any thread.
 */
#ifndef SLOTDECK_JOB_EVIDENCE_H
#define SLOTDECK_JOB_EVIDENCE_H

#include "base/cancel.h"
#include "model/ref.h"

struct kube;

/* object: a workload, a pod, a namespace (all of it), or anything else (its manifest and events). Gives the file's path; NULL with err when no
 * file could be written. */
char *evidence_save(struct kube *kube, const struct object_ref *object, const struct cancel *cancel, struct error *err);

#endif
