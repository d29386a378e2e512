/*
 * inspect: one object on demand, as texts for the screens. Blocks; any thread.
 */
#ifndef SLOTDECK_JOB_INSPECT_H
#define SLOTDECK_JOB_INSPECT_H

#include "base/cancel.h"
#include "model/ref.h"

struct kube;

enum inspect_what {
	INSPECT_MANIFEST,  /* YAML, values of Secrets hidden */
	INSPECT_SUMMARY,   /* what it is, wants and has, for a person */
	INSPECT_REVISIONS, /* of a workload: one a line, newest first: number, images, when */
	INSPECT_KEYS,	   /* of a Secret or ConfigMap: one key a line */
	INSPECT_VALUE	   /* one key's value, decoded; key names it */
};

/* Appends the text. key is for INSPECT_VALUE only. */
bool inspect(struct kube *kube, enum inspect_what what, const struct object_ref *object, const char *key, const struct cancel *cancel, struct buf *out,
	     struct error *err);

#endif
