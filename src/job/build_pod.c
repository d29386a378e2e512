#include <stdlib.h>
#include <string.h>

#include "job/build_private.h"

void build_look_release(struct build_look *look)
{
	free(look->pod);
	free(look->pod_uid);
	free(look->waiting);
	free(look->digest);
	error_release(&look->end);
	*look = (struct build_look){ 0 };
}

/* ---- reading JSON that may lack anything ---- */

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static json_t *named(const json_t *list, const char *key, const char *name)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
		if (strcmp(text_at(item, key), name) == 0)
			return item;
	return NULL;
}

static bool is_true(const json_t *condition)
{
	return strcmp(text_at(condition, "status"), "True") == 0;
}

static json_t *state_of(const json_t *status, const char *list, const char *container)
{
	return json_object_get(named(json_object_get(status, list), "name", container), "state");
}

/* ---- the Job ---- */

static void read_job(const json_t *job, const struct build *b, struct build_look *ret)
{
	const json_t *conditions = json_object_get(json_object_get(job, "status"), "conditions"), *failed = named(conditions, "type", "Failed");

	ret->complete = is_true(named(conditions, "type", "Complete"));
	ret->failed |= is_true(failed);
	if (!is_true(failed))
		return;
	if (strcmp(text_at(failed, "reason"), "DeadlineExceeded") == 0) { /* which is why its container ended, however */
		ret->wants_log = false;
		error_set(&ret->end, ERR_TIMEOUT, "the build took longer than %u s (DeadlineExceeded)",
			  (b->options->build_timeout_ms ? b->options->build_timeout_ms : 3600 * 1000) / 1000);
		error_hint(&ret->end, "--build-timeout allows more");
	} else if (!ret->end.kind) {
		error_set(&ret->end, ERR_SERVER, "%s: %s", text_at(failed, "reason"), text_at(failed, "message"));
	}
}

/* ---- the pod ---- */

static void wait_for(struct build_look *ret, const char *what, const char *why)
{
	free(ret->waiting);
	ret->waiting = xasprintf("%s%s%s", what, *why ? ": " : "", why);
}

/* Why a container does not start. */
static void read_waiting(const json_t *state, struct build_look *ret)
{
	static const char *const pulls[] = { "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError" };
	const json_t *waiting = json_object_get(state, "waiting");
	const char *reason = text_at(waiting, "reason");

	for (size_t i = 0; i < ARRAY_LEN(pulls); i++)
		ret->pull_fails |= strcmp(reason, pulls[i]) == 0;
	if (waiting && *text_at(waiting, "message"))
		wait_for(ret, reason, text_at(waiting, "message"));
}

static void end_by_container(const json_t *ended, const char *container, const struct build *b, struct build_look *ret)
{
	long long code = json_integer_value(json_object_get(ended, "exitCode"));

	if (strcmp(text_at(ended, "reason"), "OOMKilled") == 0) {
		error_set(&ret->end, ERR_SERVER, "the %s was killed for want of memory (OOMKilled, exit code %lld)", container, code);
		error_hint(&ret->end, "--builder-memory asks for more than %s", b->options->memory ? b->options->memory : "what the namespace gives by itself");
		return;
	}
	error_set(&ret->end, ERR_SERVER, "the %s ended with exit code %lld", container, code);
	ret->wants_log = true;
}

static void read_builder(const json_t *status, const struct build *b, struct build_look *ret)
{
	const json_t *state = state_of(status, "containerStatuses", BUILD_BUILDER), *ended = json_object_get(state, "terminated");

	ret->started = ended || json_object_get(state, "running");
	if (ended && *text_at(ended, "message"))
		ret->digest = str_dup(str_trim(str_of(text_at(ended, "message"))));
	if (ended && json_integer_value(json_object_get(ended, "exitCode")))
		end_by_container(ended, BUILD_BUILDER, b, ret);
}

static void read_pod(const json_t *pod, const struct build *b, struct build_look *ret)
{
	const json_t *metadata = json_object_get(pod, "metadata"), *status = json_object_get(pod, "status");
	const json_t *upload = state_of(status, "initContainerStatuses", BUILD_UPLOADER), *uploaded = json_object_get(upload, "terminated");
	const json_t *scheduled = named(json_object_get(status, "conditions"), "type", "PodScheduled");

	ret->pod = xstrdup(text_at(metadata, "name"));
	ret->pod_uid = xstrdup(text_at(metadata, "uid"));
	ret->wants_context = json_object_get(upload, "running") != NULL;
	ret->has_context = uploaded && !json_integer_value(json_object_get(uploaded, "exitCode"));
	read_waiting(upload, ret);
	read_waiting(state_of(status, "containerStatuses", BUILD_BUILDER), ret);
	if (scheduled && !is_true(scheduled))
		wait_for(ret, "no node takes the pod", text_at(scheduled, "message"));
	if (uploaded && !ret->has_context)
		end_by_container(uploaded, BUILD_UPLOADER, b, ret);
	read_builder(status, b, ret);
	if (strcmp(text_at(status, "phase"), "Failed") == 0 && *text_at(status, "reason")) {
		error_set(&ret->end, ERR_SERVER, "the pod was ended (%s): %s", text_at(status, "reason"), text_at(status, "message"));
		ret->wants_log = false;
	}
}

static bool on_pod(struct str object, void *arg, struct error *err)
{
	json_t **newest = arg, *pod = json_loadb(object.p, object.len, 0, NULL);

	(void)err;
	if (pod && *newest && strcmp(text_at(json_object_get(pod, "metadata"), "creationTimestamp"),
				     text_at(json_object_get(*newest, "metadata"), "creationTimestamp")) < 0) {
		json_decref(pod);
		return true;
	}
	if (pod) {
		json_decref(*newest);
		*newest = pod;
	}
	return true;
}

/* ---- why there is no pod ---- */

static bool on_event(struct str object, void *arg, struct error *err)
{
	struct build_look *look = arg;
	json_t *event = json_loadb(object.p, object.len, 0, NULL);

	(void)err;
	if (strcmp(text_at(event, "type"), "Warning") == 0)
		wait_for(look, text_at(event, "reason"), text_at(event, "message"));
	json_decref(event);
	return true;
}

/* A quota or a policy may refuse the pod, which only an event of the Job tells. Who may not see events waits without a reason. */
static void ask_events(const struct build *b, const struct build_image *image, const struct cancel *cancel, struct build_look *ret)
{
	AUTO_RELEASE(error) ignored = { 0 };
	AUTO_FREE char *selector = xasprintf("involvedObject.kind=Job,involvedObject.name=%s", image->name);
	const struct kube_resource *events = kube_find_kind(b->run->kube, "v1", "Event", cancel, &ignored);

	if (events)
		kube_list(b->run->kube, events, &(struct kube_list_options){ .namespace = b->namespace, .field_selector = selector }, cancel, on_event, ret, NULL,
			  &ignored);
}

bool build_look(const struct build *b, const struct build_image *image, const struct cancel *cancel, struct build_look *ret, struct error *err)
{
	struct kube *kube = b->run->kube;
	const struct kube_resource *jobs = kube_find_kind(kube, "batch/v1", "Job", cancel, err);
	const struct kube_resource *pods = jobs ? kube_find_kind(kube, "v1", "Pod", cancel, err) : NULL;
	AUTO_FREE char *selector = xasprintf(BUILD_LABEL "=%s", image->name);
	json_auto_t *job = NULL, *pod = NULL;

	build_look_release(ret);
	if (!pods || !kube_get(kube, jobs, b->namespace, image->name, cancel, &job, err) ||
	    !kube_list(kube, pods, &(struct kube_list_options){ .namespace = b->namespace, .label_selector = selector }, cancel, on_pod, &pod, NULL, err))
		return false;
	if (pod)
		read_pod(pod, b, ret);
	else
		ask_events(b, image, cancel, ret);
	ret->failed = ret->end.kind != ERR_NONE;
	read_job(job, b, ret);
	return true;
}
