#include "job/conflicts.h"

#include <stdlib.h>
#include <string.h>

#include "kube/fields.h"

static char *value_at(const json_t *object, const char *field, bool hidden)
{
	const json_t *value = object ? fields_value_at(object, field) : NULL;
	char *text = hidden || !value ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	return text ? text : xstrdup(hidden ? "(hidden)" : "(absent)");
}

void conflicts_tell(struct run *run, const struct deploy_object *object, const struct kube_apply *apply, const json_t *live)
{
	json_t *wanted = json_loadb(object->json, object->json_len, 0, NULL);
	bool hidden = strcmp(object->kind, "Secret") == 0;

	for (size_t i = 0; i < apply->nconflicts; i++) {
		const struct kube_conflict *c = &apply->conflicts[i];
		AUTO_FREE char *theirs = value_at(live, c->field, hidden), *ours = value_at(wanted, c->field, hidden);

		run_emit(run, &(struct job_event){ .kind = JOB_CONFLICT, .object = deploy_job_object(object), .field = c->field, .text = c->manager,
						   .detail = c->detail, .theirs = theirs, .ours = ours });
	}
	json_decref(wanted);
}

bool conflicts_end_with_migration(const struct kube_apply *apply)
{
	for (size_t i = 0; i < apply->nconflicts; i++)
		if (!starts_with(apply->conflicts[i].manager, "kubectl-client-side-apply") && strcmp(apply->conflicts[i].manager, "before-first-apply") != 0)
			return false;
	return apply->nconflicts > 0;
}
