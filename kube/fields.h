/*
 * fields: managedFields as sets, and whether an apply would change anything.
 *
 * Source of truth: structured-merge-diff's fieldsV1 (keys "f:name", "k:{…}", "v:…", "i:n", "."). Pure functions on jansson
 * trees; any thread.
 */
#ifndef SLOTDECK_KUBE_FIELDS_H
#define SLOTDECK_KUBE_FIELDS_H

#include <jansson.h>

#include "base/error.h"

/* Whether live carries a client-side apply: the last-applied annotation, and an Update entry that owns it. */
bool fields_made_by_client_side_apply(const json_t *live);
/*
 * The managedFields that live should have for `manager` to own what the client-side managers own (kube-client 12, step 3).
 * api_version is the one that we apply with. Gives a new array, or NULL when there is nothing to migrate.
 */
json_t *fields_migrated(const json_t *live, const char *manager, const char *api_version);

/*
 * Whether applying `wanted` (a manifest) as manager is proven to change nothing: our Apply entry of the same apiVersion is
 * exactly the set of fields in wanted, and every value in wanted equals live's (quantities by value; a list of maps by its
 * key; nothing that the server may have defaulted counts). False means "not proven", never "different".
 */
bool fields_unchanged(const json_t *wanted, const json_t *live, const char *manager);

/* Value at ".spec.template.spec.containers[name=\"web\"].image" as conflicts name it; borrowed; NULL if absent. */
const json_t *fields_value_at(const json_t *object, const char *path);
/* The manager (and its time, may be NULL) that owns path; Apply entries first. Borrowed from object; NULL: nobody. */
const char *fields_owner(const json_t *object, const char *path, const char **ret_time);

#endif
