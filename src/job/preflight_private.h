/*
 * preflight_private: what the parts of preflight share. Private to src/job/preflight*.c.
 */
#ifndef SLOTDECK_JOB_PREFLIGHT_PRIVATE_H
#define SLOTDECK_JOB_PREFLIGHT_PRIVATE_H

#include <jansson.h>

#include "base/map.h"
#include "job/preflight.h"

struct preflight {
	struct run *run;
	const struct deploy_plan *plan;
	size_t errors, warnings;
	bool denied;
	struct map made;  /* "Kind namespace/name" of the plan */
	struct map asked; /* "Kind namespace/name" of what was looked up → enum preflight_presence */
	struct map hosts; /* image hosts → first object that names it */
};

/* Emits a finding. o may be NULL: about the run as a whole; so may hint. */
void preflight_tell(struct preflight *p, const struct deploy_object *o, enum diag_severity severity, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
enum preflight_presence { PREFLIGHT_ABSENT, PREFLIGHT_THERE, PREFLIGHT_GOING /* being deleted */ };
/* Whether the cluster has it, asked once for each. What can't be looked at is not called absent. */
enum preflight_presence preflight_look(struct preflight *p, const char *api_version, const char *kind, const char *namespace, const char *name);
/* Whether the plan makes it. */
bool preflight_is_made(struct preflight *p, const char *kind, const char *namespace, const char *name);
/* The pod spec inside of an object's tree; NULL if the kind has none. Borrowed. */
const json_t *preflight_pod_spec(const struct deploy_object *o, const json_t *tree);

/* Tells each right that the run needs and has not. False only when the server could not be asked. */
bool preflight_rights(struct preflight *p, struct error *err); /* preflight_rights.c */
/* Tells each quota that is certain to be broken. */
void preflight_quotas(struct preflight *p); /* preflight_quota.c */

#endif
