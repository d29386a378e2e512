/*
 * layers: in which order kinds are written. A layer is finished before the next begins; within one, order does not matter.
 * Source: the kube-client specification, section 16. Private to src/job.
 */
#ifndef SLOTDECK_JOB_LAYERS_H
#define SLOTDECK_JOB_LAYERS_H

#include "base/str.h"

#define LAYERS 6

unsigned layer_of(const char *api_version, const char *kind);
/* Appends text as a valid label value (at most 63 characters; what is not allowed becomes '-'). */
void label_value(struct buf *out, struct str text);

#endif
