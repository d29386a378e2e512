/*
 * manifest: an object of the server as YAML for people, without what only machines read and without secret values. Any thread.
 */
#ifndef SLOTDECK_JOB_MANIFEST_H
#define SLOTDECK_JOB_MANIFEST_H

#include <jansson.h>

#include "base/str.h"

/* Removes managedFields, the copy that client-side apply leaves, status, and what the server counts (resourceVersion, uid, …). */
void manifest_hide_noise(json_t *object);
/* Values of data and stringData of a Secret become "(hidden)"; where other (may be NULL) has another value: "(hidden, changed)". */
void manifest_hide_values(json_t *object, const json_t *other);
/* Whether uid is among its owners. */
bool manifest_is_owned_by(const json_t *object, const char *uid);
/* The revision that a ReplicaSet (by annotation) or a ControllerRevision holds; 0: none. */
int64_t manifest_revision(const json_t *object);
/* Appends object as it is; keys sorted. */
void manifest_yaml(const json_t *object, struct buf *out);
/* Appends what a person wants to see of a live object: all of it but managedFields, with values of Secrets hidden. */
void manifest_text(const json_t *object, struct buf *out);

#endif
