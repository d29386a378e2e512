/*
 * managed: metadata.managedFields, kept as the real server keeps them.
 *
 * Every write goes through managed_update() (POST, PUT, patches; operation Update) or managed_apply() (server-side
 * apply). Objects are whole trees with metadata. Not thread-safe; no state between calls.
 */
#ifndef SLOTDECK_SIM_MANAGED_H
#define SLOTDECK_SIM_MANAGED_H

#include "sim/schema.h"

struct writer {
	const struct type *type;
	const char *api_version; /* "apps/v1" */
	const char *manager;
	const char *subresource; /* NULL for the object itself */
	const json_t *zero;	 /* what an object without any value has: {"spec": {...}} of non-pointer structs */
	int64_t now_ms;
	bool force;
};

/* Sets next.metadata.managedFields for an update of live (NULL: a creation). */
void managed_update(const struct writer *writer, const json_t *live, json_t *next);

enum apply_outcome { APPLY_DONE, APPLY_INVALID, APPLY_CONFLICT };
/*
 * Gives *ret, live (NULL: nothing there yet) with applied merged in and managedFields set. APPLY_INVALID: *message tells
 * what is wrong with applied. APPLY_CONFLICT: *message and *ret_causes (given) as the server words them.
 */
enum apply_outcome managed_apply(const struct writer *writer, json_t *live, json_t *applied, json_t **ret,
				 struct buf *message, json_t **ret_causes);
/* Whether two objects differ in nothing but the times of managedFields. */
bool managed_same(const json_t *a, const json_t *b);

#endif
