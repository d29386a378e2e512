#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "job/apply.h"
#include "job/layers.h"

#define TERMINATING_LIMIT_MS (5 * 60 * 1000)

enum namespace_state { NAMESPACE_ABSENT, NAMESPACE_ACTIVE, NAMESPACE_TERMINATING };

/* What still blocks a namespace that is being deleted, in the server's words; "" when it does not say. */
static void add_blockers(const json_t *object, struct buf *out)
{
	size_t i;
	json_t *condition;

	json_array_foreach(json_object_get(json_object_get(object, "status"), "conditions"), i, condition) {
		const char *status = json_string_value(json_object_get(condition, "status"));
		const char *message = json_string_value(json_object_get(condition, "message"));

		if (status && strcmp(status, "True") == 0 && message)
			buf_addf(out, "%s%s", out->len ? "; " : "", message);
	}
}

static bool look(struct run *run, const char *name, enum namespace_state *ret, char **ret_uid, struct buf *blockers, struct error *err)
{
	AUTO_RELEASE(error) why = { 0 };
	const struct kube_resource *resource = kube_find_kind(run->kube, "v1", "Namespace", run->cancel, err);
	json_t *object;

	if (!resource)
		return err->kind ? false : error_set(err, ERR_SERVER, "the server has no kind Namespace");
	if (!kube_get(run->kube, resource, NULL, name, run->cancel, &object, &why)) {
		*ret = NAMESPACE_ABSENT;
		return why.kind == ERR_NOT_FOUND || error_move(err, &why);
	}
	const json_t *metadata = json_object_get(object, "metadata");
	const char *uid = json_string_value(json_object_get(metadata, "uid"));

	*ret = json_object_get(metadata, "deletionTimestamp") ? NAMESPACE_TERMINATING : NAMESPACE_ACTIVE;
	free(*ret_uid);
	*ret_uid = xstrdup(uid ? uid : "");
	add_blockers(object, blockers);
	json_decref(object);
	return true;
}

static bool wait_until_gone(struct run *run, const char *name, struct error *err)
{
	int64_t due_ms = clock_now_ms(run->clock) + TERMINATING_LIMIT_MS, pause_ms = 500;

	for (;;) {
		AUTO_RELEASE(buf) blockers = BUF_INIT(4096);
		AUTO_FREE char *uid = NULL;
		enum namespace_state state;

		if (!look(run, name, &state, &uid, &blockers, err))
			return false;
		if (state != NAMESPACE_TERMINATING)
			return true;
		if (clock_now_ms(run->clock) > due_ms)
			return error_set(err, ERR_TIMEOUT, "namespace %s is being deleted and does not go away%s%s", name, blockers.len ? ": " : "",
					 buf_cstr(&blockers));
		AUTO_FREE char *text = xasprintf("namespace %s is being deleted%s%s", name, blockers.len ? ": " : "", buf_cstr(&blockers));

		run_emit(run, &(struct job_event){ .kind = JOB_RETRY, .text = text, .elapsed_ms = pause_ms });
		if (!clock_sleep(run->clock, run->cancel, pause_ms, err))
			return false;
		pause_ms = pause_ms < 4000 ? pause_ms * 2 : 5000;
	}
}

static struct deploy_object *find_in_plan(struct deploy_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->len; i++)
		if (strcmp(plan->objects[i].kind, "Namespace") == 0 && strcmp(plan->objects[i].name, name) == 0)
			return &plan->objects[i];
	return NULL;
}

/* A namespace that services.yaml does not render: made as codexctl makes it, with nothing but its name. */
static bool create_bare(struct run *run, const char *name, bool *ret_created, struct error *err)
{
	AUTO_RELEASE(buf) body = BUF_INIT(0);
	AUTO_RELEASE(kube_status) status = { 0 };
	struct json_writer w = JSON_WRITER_INIT(&body);
	const struct kube_resource *resource = kube_find_kind(run->kube, "v1", "Namespace", run->cancel, err);

	json_put_object(&w);
	json_put_key(&w, "apiVersion");
	json_put_text(&w, "v1");
	json_put_key(&w, "kind");
	json_put_text(&w, "Namespace");
	json_put_key(&w, "metadata");
	json_put_object(&w);
	json_put_key(&w, "name");
	json_put_text(&w, name);
	json_put_end_object(&w);
	json_put_end_object(&w);
	if (!resource)
		return false;
	if (kube_create(run->kube, resource, NULL, buf_str(&body), run->cancel, NULL, &status, err)) {
		run_note(run, "namespace %s created", name);
		*ret_created = true;
		return true;
	}
	if (!kube_status_is(&status, "AlreadyExists"))
		return false;
	error_release(err);
	return true;
}

bool namespace_ensure(struct run *run, struct deploy_plan *plan, bool *ret_created, struct outcome *outcome, struct error *err)
{
	const char *name = run->stack->namespace;
	AUTO_RELEASE(buf) blockers = BUF_INIT(4096);
	AUTO_FREE char *uid = NULL;
	enum namespace_state state;
	struct deploy_object *object = find_in_plan(plan, name);

	*ret_created = false;
	if (!*name)
		return true;
	if (!look(run, name, &state, &uid, &blockers, err))
		return false;
	if (state == NAMESPACE_TERMINATING && !wait_until_gone(run, name, err))
		return false;
	if (state == NAMESPACE_ACTIVE)
		return true;
	if (!run_may_write(run, err))
		return false;
	if (!object)
		return create_bare(run, name, ret_created, err);
	if (!apply_objects(run, &object, 1, outcome, err))
		return false;
	*ret_created = object->change == CHANGE_CREATED;
	return true;
}
