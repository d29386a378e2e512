#include "job/act.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/url.h"
#include "base/utc.h"
#include "job/manifest.h"
#include "kube/client.h"

#define MERGE	  "application/merge-patch+json"
#define STRATEGIC "application/strategic-merge-patch+json"
#define JSON_OPS  "application/json-patch+json"

struct work { /* one act_prepare() */
	struct kube *kube;
	const struct act *act;
	const struct cancel *cancel;
	const struct kube_resource *resource;
	json_t *object;
	struct act_plan *plan;
};

struct rule {
	const char *name, *title;
	unsigned kinds; /* bits of enum known_kind; 0: any */
	const char *verb, *subresource;
	bool destructive;
	bool (*build)(struct work *work, struct error *err);
};
static const struct rule rules[ACT_COUNT];

/* ---- plans ---- */

void act_release(struct act *act)
{
	object_ref_release(&act->object);
}

void act_plan_release(struct act_plan *plan)
{
	for (size_t i = 0; i < plan->nlines; i++)
		free(plan->lines[i]);
	for (size_t i = 0; i < plan->nrequests; i++) {
		free(plan->requests[i].path);
		free(plan->requests[i].body);
	}
	free(plan->lines);
	free(plan->requests);
	free(plan->title);
	free(plan->command);
	object_ref_release(&plan->object);
	*plan = (struct act_plan){ 0 };
}

static void say(struct work *work, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct work *work, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	LIST_PUSH(work->plan->lines, work->plan->nlines, work->plan->lines_cap) = buf_give(&text);
}

static void set_command(struct work *work, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void set_command(struct work *work, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	if (*work->act->object.namespace)
		buf_addf(&text, " -n %s", work->act->object.namespace);
	buf_adds(&text, kube_context_flag(work->kube));
	free(work->plan->command);
	work->plan->command = buf_give(&text);
}

/* Takes body. subresource NULL: the object itself; name NULL: the collection. */
static bool add_request(struct work *work, const struct kube_resource *resource, const char *method, const char *name, const char *subresource,
			const char *content_type, json_t *body, struct error *err)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	bool good = kube_path(resource, work->act->object.namespace, name, &path, err);

	if (good) {
		if (subresource)
			buf_addf(&path, "/%s", subresource);
		if (strcmp(method, "DELETE") != 0)
			url_add_query(&path, "fieldManager", str_of(kube_field_manager(work->kube)));
		LIST_PUSH(work->plan->requests, work->plan->nrequests, work->plan->requests_cap) = (struct act_request){
			.method = method, .path = buf_give(&path), .content_type = content_type, .body = body ? json_dumps(body, JSON_COMPACT) : NULL
		};
	}
	json_decref(body);
	return good;
}

static bool patch(struct work *work, const char *subresource, const char *content_type, json_t *body, struct error *err)
{
	return add_request(work, work->resource, "PATCH", work->act->object.name, subresource, content_type, body, err);
}

/* ---- what is read ---- */

static const json_t *at(const json_t *object, const char *path)
{
	AUTO_FREE char *copy = xstrdup(path);

	for (char *rest = copy, *name; object && (name = strsep(&rest, "/"));)
		object = json_object_get(object, name);
	return object;
}

static const char *text_at(const json_t *object, const char *path)
{
	const char *text = json_string_value(at(object, path));

	return text ? text : "";
}

static int64_t int_at(const json_t *object, const char *path, int64_t otherwise)
{
	const json_t *value = at(object, path);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static const char *uid_of(const struct work *work)
{
	return text_at(work->object, "metadata/uid");
}

/* ---- restart, scale ---- */

static bool build_restart(struct work *work, struct error *err)
{
	char now[UTC_TEXT_MAX];
	int64_t pods = int_at(work->object, "spec/replicas", int_at(work->object, "status/desiredNumberScheduled", 1));
	const char *strategy = text_at(work->object, "spec/strategy/type");

	utc_format(clock_wall_us(NULL), now);
	say(work, "restarts %lld pod%s%s", (long long)pods, pods == 1 ? "" : "s",
	    strcmp(strategy, "Recreate") == 0 ? ", all at once (strategy Recreate)" : ", one after another as its strategy says");
	set_command(work, "kubectl rollout restart %s/%s", work->resource->singular, work->act->object.name);
	return patch(work, NULL, STRATEGIC,
		     json_pack("{s:{s:{s:{s:{s:s}}}}}", "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt", now), err);
}

static bool build_scale(struct work *work, struct error *err)
{
	int64_t before = int_at(work->object, "spec/replicas", 1), wanted = work->act->number;

	if (wanted < 0 || wanted > 10000)
		return error_set(err, ERR_INVALID, "%lld is no number of replicas (0 to 10000)", (long long)wanted);
	say(work, "replicas %lld -> %lld", (long long)before, (long long)wanted);
	if (wanted == 0)
		say(work, "all its pods stop");
	set_command(work, "kubectl scale %s/%s --replicas=%lld", work->resource->singular, work->act->object.name, (long long)wanted);
	return patch(work, "scale", MERGE, json_pack("{s:{s:I}}", "spec", "replicas", (json_int_t)wanted), err);
}

/* ---- undo ---- */

struct revisions { /* of one workload, found by its owner reference */
	const char *owner_uid;
	int64_t wanted, present; /* wanted 0: the newest below present */
	int64_t found;
	json_t *body; /* the object that holds it */
};

static bool on_revision(struct str text, void *arg, struct error *err)
{
	struct revisions *r = arg;
	json_t *object = json_loadb(text.p, text.len, JSON_ALLOW_NUL, NULL);
	int64_t revision = object ? manifest_revision(object) : 0;
	bool fits = object && manifest_is_owned_by(object, r->owner_uid) && (r->wanted ? revision == r->wanted : revision < r->present && revision > r->found);

	(void)err;
	if (fits) {
		json_decref(r->body);
		r->body = json_incref(object);
		r->found = revision;
	}
	json_decref(object);
	return true;
}

static bool find_revision(struct work *work, const char *kind, struct revisions *r, struct error *err)
{
	const struct kube_resource *resource = kube_find_kind(work->kube, "apps/v1", kind, work->cancel, err);
	const struct kube_list_options options = { .namespace = work->act->object.namespace };

	if (!resource)
		return err->kind ? false : error_set(err, ERR_NOT_FOUND, "the server has no kind %s", kind);
	if (!kube_list(work->kube, resource, &options, work->cancel, on_revision, r, NULL, err))
		return false;
	if (!r->body && r->wanted)
		return error_set(err, ERR_NOT_FOUND, "%s %s has no revision %lld any more", work->act->object.kind, work->act->object.name,
				 (long long)r->wanted);
	return r->body ? true : error_set(err, ERR_NOT_FOUND, "%s %s has no earlier revision to go back to", work->act->object.kind, work->act->object.name);
}

static void say_images(struct work *work, const json_t *before, const json_t *after)
{
	size_t i;
	json_t *container;

	json_array_foreach(at(after, "spec/containers"), i, container) {
		const char *old = text_at(json_array_get(at(before, "spec/containers"), i), "image"), *new = text_at(container, "image");

		if (strcmp(old, new) != 0)
			say(work, "image %s: %s -> %s", text_at(container, "name"), old, new);
	}
}

/* A Deployment's revisions are its ReplicaSets: the template goes back whole. */
static bool undo_deployment(struct work *work, struct error *err)
{
	struct revisions r = { .owner_uid = uid_of(work), .wanted = work->act->number, .present = manifest_revision(work->object) };
	bool good = find_revision(work, "ReplicaSet", &r, err);

	if (good) {
		json_t *template = json_deep_copy(at(r.body, "spec/template"));

		json_object_del(json_object_get(json_object_get(template, "metadata"), "labels"), "pod-template-hash");
		say(work, "revision %lld -> %lld", (long long)r.present, (long long)r.found);
		say_images(work, at(work->object, "spec/template"), template);
		good = patch(work, NULL, JSON_OPS,
			     json_pack("[{s:s,s:s,s:s},{s:s,s:s,s:o}]", "op", "test", "path", "/metadata/uid", "value", uid_of(work), "op", "replace", "path",
				       "/spec/template", "value", template),
			     err);
	}
	json_decref(r.body);
	set_command(work, "kubectl rollout undo deployment/%s --to-revision=%lld", work->act->object.name, (long long)r.found);
	return good;
}

/* A StatefulSet's and a DaemonSet's are ControllerRevisions: their data is a strategic merge patch. */
static bool undo_by_controller_revision(struct work *work, struct error *err)
{
	struct revisions r = { .owner_uid = uid_of(work), .wanted = work->act->number, .present = INT64_MAX };
	struct revisions newest = r;
	bool good;

	newest.wanted = 0;
	if (!find_revision(work, "ControllerRevision", &newest, err))
		return false;
	r.present = newest.found;
	json_decref(newest.body);
	good = find_revision(work, "ControllerRevision", &r, err);
	if (good) {
		say(work, "revision %lld -> %lld", (long long)r.present, (long long)r.found);
		say_images(work, at(work->object, "spec/template"), at(r.body, "data/spec/template"));
		good = patch(work, NULL, STRATEGIC, json_deep_copy(at(r.body, "data")), err);
	}
	json_decref(r.body);
	set_command(work, "kubectl rollout undo %s/%s --to-revision=%lld", work->resource->singular, work->act->object.name, (long long)r.found);
	return good;
}

static bool build_undo(struct work *work, struct error *err)
{
	say(work, "restarts its pods; what the pods did meanwhile is not undone");
	return strcmp(work->act->object.kind, "Deployment") == 0 ? undo_deployment(work, err) : undo_by_controller_revision(work, err);
}

/* ---- delete, free ---- */

static json_t *delete_body(const char *uid)
{
	return json_pack("{s:s,s:s,s:s,s:{s:s}}", "apiVersion", "v1", "kind", "DeleteOptions", "propagationPolicy", "Background", "preconditions", "uid",
			 uid);
}

static bool build_delete(struct work *work, struct error *err)
{
	const json_t *owner = json_array_get(at(work->object, "metadata/ownerReferences"), 0);
	size_t finalizers = json_array_size(at(work->object, "metadata/finalizers"));

	if (owner)
		say(work, "%s %s owns it and may make it anew", text_at(owner, "kind"), text_at(owner, "name"));
	if (strcmp(work->act->object.kind, "Namespace") == 0)
		say(work, "everything in the namespace goes with it");
	if (strcmp(work->act->object.kind, "CustomResourceDefinition") == 0)
		say(work, "every object of that kind goes with it");
	if (strcmp(work->act->object.kind, "PersistentVolumeClaim") == 0)
		say(work, "its data goes with it, unless the volume is kept by its policy");
	if (finalizers)
		say(work, "%zu finalizer%s must agree first; it may stay Terminating", finalizers, finalizers == 1 ? "" : "s");
	set_command(work, "kubectl delete %s %s", work->resource->resource, work->act->object.name);
	return add_request(work, work->resource, "DELETE", work->act->object.name, NULL, "application/json", delete_body(uid_of(work)), err);
}

static bool build_free(struct work *work, struct error *err)
{
	const char *namespace = text_at(work->object, "data/namespace"), *env = text_at(work->object, "data/env");
	const struct kube_resource *namespaces = kube_find_kind(work->kube, "v1", "Namespace", work->cancel, err);
	json_t *found = NULL;

	if (!namespaces)
		return false;
	if (strcmp(env, "ai") != 0)
		return error_set(err, ERR_INVALID, "slot %s belongs to %s, which has no namespace of its own to delete", text_at(work->object, "data/slot"),
				 *env ? env : "no environment");
	say(work, "issue %s, pull request %s, owner %s", text_at(work->object, "data/issue"), text_at(work->object, "data/pr"),
	    text_at(work->object, "data/owner"));
	if (*namespace && kube_get(work->kube, namespaces, NULL, namespace, work->cancel, &found, err)) {
		bool good;

		say(work, "namespace %s with everything in it goes: workloads, data, workspace", namespace);
		good = add_request(work, namespaces, "DELETE", namespace, NULL, "application/json", delete_body(text_at(found, "metadata/uid")), err);
		json_decref(found);
		if (!good)
			return false;
	} else if (*namespace && err->kind != ERR_NOT_FOUND) {
		return false;
	}
	error_release(err);
	say(work, "then its record goes and the slot is free");
	set_command(work, "kubectl delete namespace %s%s && kubectl delete configmap %s", namespace, kube_context_flag(work->kube), work->act->object.name);
	return add_request(work, work->resource, "DELETE", work->act->object.name, NULL, "application/json", delete_body(uid_of(work)), err);
}

/* ---- CronJobs ---- */

static bool suspend(struct work *work, bool on, struct error *err)
{
	say(work, on ? "no new Job is made until it is resumed; what runs goes on" : "Jobs are made again by its schedule %s", text_at(work->object, "spec/schedule"));
	set_command(work, "kubectl patch cronjob %s -p '{\"spec\":{\"suspend\":%s}}'", work->act->object.name, on ? "true" : "false");
	return patch(work, NULL, MERGE, json_pack("{s:{s:b}}", "spec", "suspend", on), err);
}

static bool build_suspend(struct work *work, struct error *err)
{
	return suspend(work, true, err);
}

static bool build_resume(struct work *work, struct error *err)
{
	return suspend(work, false, err);
}

static bool build_trigger(struct work *work, struct error *err)
{
	const struct kube_resource *jobs = kube_find_kind(work->kube, "batch/v1", "Job", work->cancel, err);
	const char *cron = work->act->object.name;
	AUTO_FREE char *name = xasprintf("%.40s-manual-%lld", cron, (long long)(clock_wall_us(NULL) / 1000000 % 1000000));
	json_t *template, *metadata;

	if (!jobs)
		return false;
	template = json_deep_copy(at(work->object, "spec/jobTemplate"));
	if (!json_object_get(template, "metadata"))
		json_object_set_new(template, "metadata", json_object());
	metadata = json_object_get(template, "metadata");
	if (!json_object_get(metadata, "annotations"))
		json_object_set_new(metadata, "annotations", json_object());
	json_object_set_new(json_object_get(metadata, "annotations"), "cronjob.kubernetes.io/instantiate", json_string("manual"));
	json_object_set_new(metadata, "name", json_string(name));
	json_object_set_new(metadata, "ownerReferences",
			    json_pack("[{s:s,s:s,s:s,s:s,s:b}]", "apiVersion", "batch/v1", "kind", "CronJob", "name", cron, "uid", uid_of(work), "controller", 1));
	json_object_set_new(template, "apiVersion", json_string("batch/v1"));
	json_object_set_new(template, "kind", json_string("Job"));
	say(work, "makes Job %s now, beside what the schedule makes", name);
	set_command(work, "kubectl create job %s --from=cronjob/%s", name, cron);
	return add_request(work, jobs, "POST", NULL, NULL, "application/json", template, err);
}

/* ---- the table ---- */

enum known_kind { KNOWN_DEPLOYMENT = 1, KNOWN_STATEFUL_SET = 2, KNOWN_DAEMON_SET = 4, KNOWN_REPLICA_SET = 8, KNOWN_CRON_JOB = 16, KNOWN_RECORD = 32 };
#define WORKLOADS (KNOWN_DEPLOYMENT | KNOWN_STATEFUL_SET | KNOWN_DAEMON_SET)

static const struct rule rules[ACT_COUNT] = {
	[ACT_RESTART] = { "restart", "Restart", WORKLOADS, "patch", NULL, false, build_restart },
	[ACT_SCALE] = { "scale", "Scale", KNOWN_DEPLOYMENT | KNOWN_STATEFUL_SET | KNOWN_REPLICA_SET, "patch", "scale", false, build_scale },
	[ACT_UNDO] = { "undo", "Undo", WORKLOADS, "patch", NULL, false, build_undo },
	[ACT_DELETE] = { "delete", "Delete", 0, "delete", NULL, true, build_delete },
	[ACT_SUSPEND] = { "suspend", "Suspend", KNOWN_CRON_JOB, "patch", NULL, false, build_suspend },
	[ACT_RESUME] = { "resume", "Resume", KNOWN_CRON_JOB, "patch", NULL, false, build_resume },
	[ACT_TRIGGER] = { "run now", "Run now", KNOWN_CRON_JOB, "get", NULL, false, build_trigger },
	[ACT_FREE_SLOT] = { "free", "Free the slot of", KNOWN_RECORD, "delete", NULL, true, build_free },
};

const char *act_name(enum act_kind kind)
{
	return rules[kind].name;
}

static unsigned known_kind(const char *api_version, const char *kind)
{
	static const struct {
		const char *api_version, *kind;
		enum known_kind known;
	} kinds[] = { { "apps/v1", "Deployment", KNOWN_DEPLOYMENT },   { "apps/v1", "StatefulSet", KNOWN_STATEFUL_SET },
		      { "apps/v1", "DaemonSet", KNOWN_DAEMON_SET },    { "apps/v1", "ReplicaSet", KNOWN_REPLICA_SET },
		      { "batch/v1", "CronJob", KNOWN_CRON_JOB },       { "v1", "ConfigMap", KNOWN_RECORD } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].api_version, api_version) == 0 && strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].known;
	return 0;
}

bool act_fits(enum act_kind kind, const char *api_version, const char *object_kind)
{
	return !rules[kind].kinds || (rules[kind].kinds & known_kind(api_version, object_kind));
}

/* ---- prepare, perform ---- */

/* Requests for a Namespace count as requests inside of it. */
static struct kube_access need(const char *verb, const char *group, const char *resource, const char *subresource, const char *namespace, const char *name)
{
	bool is_namespace = !*group && strcmp(resource, "namespaces") == 0;

	return (struct kube_access){ .verb = verb, .group = group, .resource = resource, .subresource = subresource,
				     .namespace = is_namespace ? name : namespace, .name = name };
}

size_t act_needs(enum act_kind kind, const struct object_ref *object, const struct kube_resource *resource, const char *slot_namespace,
		 struct kube_access ret[ACT_NEEDS_MAX])
{
	const struct rule *rule = &rules[kind];
	size_t n = 0;

	ret[n++] = need(rule->verb, resource->group, resource->resource, rule->subresource, object->namespace, object->name);
	if (kind == ACT_TRIGGER)
		ret[n++] = need("create", "batch", "jobs", NULL, object->namespace, NULL);
	if (kind == ACT_UNDO)
		ret[n++] = need("list", "apps", strcmp(object->kind, "Deployment") == 0 ? "replicasets" : "controllerrevisions", NULL, object->namespace, NULL);
	if (kind == ACT_FREE_SLOT && slot_namespace && *slot_namespace)
		ret[n++] = need("delete", "", "namespaces", NULL, NULL, slot_namespace);
	return n;
}

static bool check_rights(struct work *work, struct error *err)
{
	struct kube_access questions[ACT_NEEDS_MAX];
	size_t n = act_needs(work->act->kind, &work->act->object, work->resource, text_at(work->object, "data/namespace"), questions);
	bool good = kube_can(work->kube, questions, n, work->cancel, err);

	for (size_t i = 0; i < n; i++) {
		if (good && !questions[i].allowed)
			good = error_set(err, ERR_DENIED, "no right to %s %s%s%s%s%s", questions[i].verb, questions[i].resource,
					 questions[i].subresource ? "/" : "", questions[i].subresource ? questions[i].subresource : "",
					 questions[i].namespace && *questions[i].namespace ? " in namespace " : "",
					 questions[i].namespace ? questions[i].namespace : "");
		free(questions[i].reason);
	}
	return good;
}

static bool send(struct work *work, const struct act_request *request, bool dry_run, struct error *err)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_FREE char *what = xasprintf("%s %s", request->method, request->path);

	buf_adds(&path, request->path);
	if (dry_run)
		url_add_query(&path, "dryRun", STR("All"));
	return kube_call(work->kube,
			 &(struct http_request){ .method = request->method,
						 .path = buf_cstr(&path),
						 .content_type = request->content_type,
						 .body = str_of(request->body),
						 .safe = dry_run,
						 .idempotent = dry_run },
			 what, work->cancel, &response, NULL, err);
}

static bool read_object(struct work *work, struct error *err)
{
	const struct object_ref *o = &work->act->object;

	work->resource = kube_find_kind(work->kube, o->api_version, o->kind, work->cancel, err);
	if (!work->resource)
		return err->kind ? false : error_set(err, ERR_NOT_FOUND, "the server has no kind %s of %s", o->kind, o->api_version);
	if (!kube_get(work->kube, work->resource, o->namespace, o->name, work->cancel, &work->object, err))
		return false;
	if (*o->uid && strcmp(o->uid, uid_of(work)) != 0)
		return error_set(err, ERR_CONFLICT, "%s %s is another object by now: it was deleted and made anew", o->kind, o->name);
	return true;
}

static bool prepare(struct work *work, struct error *err)
{
	const struct rule *rule = &rules[work->act->kind];
	const struct object_ref *o = &work->act->object;

	if (kube_is_read_only(work->kube))
		return error_set(err, ERR_DENIED, "the program was started with --read-only");
	if (!act_fits(work->act->kind, o->api_version, o->kind))
		return error_set(err, ERR_INVALID, "%s cannot be done to a %s", rule->name, o->kind);
	if (!read_object(work, err) || !check_rights(work, err) || !rule->build(work, err))
		return false;
	for (size_t i = 0; i < work->plan->nrequests; i++)
		if (!send(work, &work->plan->requests[i], true, err))
			return error_wrap(err, "dry run");
	for (size_t i = 0; i < work->plan->nrequests; i++)
		say(work, "will send: %s %.*s", work->plan->requests[i].method, (int)strcspn(work->plan->requests[i].path, "?"), work->plan->requests[i].path);
	return true;
}

bool act_prepare(struct kube *kube, const struct act *act, const struct cancel *cancel, struct act_plan *ret, struct error *err)
{
	struct work work = { .kube = kube, .act = act, .cancel = cancel, .plan = ret };
	bool good;

	ret->kind = act->kind;
	object_ref_copy(&ret->object, &act->object);
	ret->title = xasprintf("%s %s %s", rules[act->kind].title, act->object.kind, act->object.name);
	ret->destructive = rules[act->kind].destructive;
	good = prepare(&work, err);
	json_decref(work.object);
	return good;
}

bool act_perform(struct kube *kube, const struct act_plan *plan, const struct cancel *cancel, struct error *err)
{
	struct work work = { .kube = kube, .cancel = cancel };

	for (size_t i = 0; i < plan->nrequests; i++) {
		if (send(&work, &plan->requests[i], false, err))
			continue;
		if (i)
			error_hint(err, "done before it: %s %s", plan->requests[0].method, plan->requests[0].path);
		return false;
	}
	return true;
}
