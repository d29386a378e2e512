/*
 * ref: which object is meant, as plain texts, so that it may cross threads and outlive the row it was read from.
 */
#ifndef SLOTDECK_MODEL_REF_H
#define SLOTDECK_MODEL_REF_H

#include "model/row.h"

struct object_ref { /* owns its texts; never NULL once set */
	char *api_version, *kind; /* "apps/v1", "Deployment" */
	char *namespace, *name;	  /* namespace "" for cluster-wide ones */
	char *uid;		  /* "" when not known */
};
/* Replaces what ref held by copies (NULL is ""). */
void object_ref_set(struct object_ref *ref, const char *api_version, const char *kind, const char *namespace, const char *name,
		    const char *uid);
void object_ref_of_row(struct object_ref *ref, const struct row *row);
void object_ref_copy(struct object_ref *to, const struct object_ref *from);
void object_ref_release(struct object_ref *ref);
DEFINE_AUTO_RELEASE(object_ref);
/* Nothing is meant. */
bool object_ref_is_empty(const struct object_ref *ref);
bool object_ref_same(const struct object_ref *a, const struct object_ref *b);
/* "Deployment users" */
void object_ref_format(const struct object_ref *ref, struct buf *out);

#endif
