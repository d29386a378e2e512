/* job_diff: what apply would change, by the server's own dry run. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "job/apply.h"
#include "job/conflicts.h"
#include "job/layers.h"
#include "job/manifest.h"
#include "job/prune.h"
#include "job/text_diff.h"
#include "kube/apply.h"

#define CHUNK	      32 /* dry runs whose answers are held at a time */
#define CONTEXT_LINES 3

struct comparison { /* one job_diff() */
	struct run run;
	struct apply_options options;
	struct deploy_plan plan;
	struct inventory inventory;
	size_t differences, conflicts, failed, denied;
};

/* ---- showing an object ---- */

static void hide_secret(json_t *live, json_t *after)
{
	json_t *before = live ? json_deep_copy(live) : json_object();

	manifest_hide_values(live, NULL);
	manifest_hide_values(after, before);
	json_decref(before);
}

/* ---- effects ---- */

static bool is_workload(const char *kind)
{
	return strcmp(kind, "Deployment") == 0 || strcmp(kind, "StatefulSet") == 0 || strcmp(kind, "DaemonSet") == 0;
}

static char *effect_of(const struct deploy_object *o, const json_t *live, const json_t *after)
{
	const json_t *before_spec = json_object_get(live, "spec"), *after_spec = json_object_get(after, "spec");
	const json_t *replicas = json_object_get(after_spec, "replicas");

	if (!live || !is_workload(o->kind) || json_equal(json_object_get(before_spec, "template"), json_object_get(after_spec, "template")))
		return xstrdup("");
	if (strcmp(o->kind, "DaemonSet") == 0)
		replicas = json_object_get(json_object_get(live, "status"), "desiredNumberScheduled");
	long long pods = json_is_integer(replicas) ? json_integer_value(replicas) : 1;

	return xasprintf("restarts %lld pod%s", pods, pods == 1 ? "" : "s");
}

static void emit_diff(struct comparison *c, const struct deploy_object *o, enum job_change change, json_t *live, json_t *after,
		      const char *effect)
{
	AUTO_RELEASE(buf) before_text = BUF_INIT(0);
	AUTO_RELEASE(buf) after_text = BUF_INIT(0);
	AUTO_RELEASE(buf) diff = BUF_INIT(4 << 20);

	manifest_hide_noise(live);
	manifest_hide_noise(after);
	if (strcmp(o->kind, "Secret") == 0)
		hide_secret(live, after);
	manifest_yaml(live, &before_text);
	manifest_yaml(after, &after_text);
	text_diff(buf_str(&before_text), buf_str(&after_text), CONTEXT_LINES, &diff);
	if (!diff.len) {
		c->run.counts[CHANGE_UNCHANGED]++;
		return; /* only what is not shown moves: the owner of fields, a generation */
	}
	c->differences++;
	run_emit(&c->run, &(struct job_event){ .kind = JOB_DIFF, .object = deploy_job_object(o), .change = change, .text = buf_cstr(&diff),
					       .detail = effect });
}

/* ---- judging one dry run ---- */

/* What is there now; *ret NULL when it is not. False when the server would not say. */
static bool live_of(struct comparison *c, const struct deploy_object *o, json_t **ret, struct error *err)
{
	*ret = o->live ? json_loads(o->live, JSON_ALLOW_NUL, NULL) : NULL;
	if (*ret) { /* items of a list do not say what they are */
		json_object_set_new(*ret, "apiVersion", json_string(o->api_version));
		json_object_set_new(*ret, "kind", json_string(o->kind));
	}
	if (o->looked_at || kube_get(c->run.kube, o->resource, o->namespace, o->name, c->run.cancel, ret, err))
		return true;
	*ret = NULL;
	if (err->kind != ERR_NOT_FOUND)
		return false;
	error_release(err);
	return true;
}

static void emit_failed(struct comparison *c, const struct deploy_object *o, bool denied, const char *message)
{
	if (denied)
		c->denied++;
	else
		c->failed++;
	run_emit(&c->run, &(struct job_event){ .kind = JOB_OBJECT, .object = deploy_job_object(o), .change = CHANGE_FAILED, .text = message });
}

static bool is_immutable(const struct kube_status *status)
{
	return status->code == 422 && status->message && (strstr(status->message, "immutable") || strstr(status->message, "Forbidden: updates to"));
}

/* What the server could not compare is shown as it stands in the manifest. */
static void emit_local(struct comparison *c, const struct deploy_object *o, enum job_change change, json_t *live, const char *why)
{
	json_t *wanted = json_loadb(o->json, o->json_len, 0, NULL);

	emit_diff(c, o, change, live, wanted, why);
	json_decref(wanted);
}

static void judge(struct comparison *c, struct kube_apply *apply)
{
	struct deploy_object *o = apply->tag;
	AUTO_RELEASE(error) err = { 0 };
	json_t *live;
	const char *message = apply->status.code ? apply->status.message : apply->error.message;

	if (!live_of(c, o, &live, &err)) {
		emit_failed(c, o, err.kind == ERR_DENIED, err.message);
		return;
	}
	if (apply->ok) {
		AUTO_FREE char *effect = effect_of(o, live, apply->object);

		emit_diff(c, o, live ? CHANGE_WOULD_CONFIGURE : CHANGE_WOULD_CREATE, live, apply->object, effect);
	} else if (apply->nconflicts) {
		c->conflicts++;
		run_emit(&c->run, &(struct job_event){ .kind = JOB_OBJECT, .object = deploy_job_object(o), .change = CHANGE_CONFLICT, .text = message });
		conflicts_tell(&c->run, o, apply, live);
	} else if (is_immutable(&apply->status)) {
		AUTO_FREE char *why = xasprintf("must be recreated: %s", message);

		emit_local(c, o, CHANGE_WOULD_RECREATE, live, why);
	} else if (apply->status.code == 404 && !live) {
		emit_local(c, o, CHANGE_WOULD_CREATE, NULL, "not checked by the server: its namespace or kind comes with this plan");
	} else {
		emit_failed(c, o, apply->status.code == 403 || apply->status.code == 401, message);
	}
	json_decref(live);
}

/*
 * What client-side apply owns moves to us before an apply, so conflicts with it alone are none: then the dry run is asked by force. A
 * conflict with anybody else stays one, as it will at apply.
 */
static bool ask_again_without_client_side(struct comparison *c, struct kube_apply *apply, struct error *err)
{
	struct deploy_object *o = apply->tag;

	if (!o->from_client_side || !conflicts_end_with_migration(apply))
		return true;
	kube_apply_release(apply);
	*apply = (struct kube_apply){ .resource = o->resource, .namespace = o->namespace, .name = o->name, .body = { o->json, o->json_len },
				      .dry_run = true, .force = true, .want_object = true, .tag = o };
	return kube_apply_many(c->run.kube, apply, 1, 1, c->run.cancel, NULL, err);
}

static bool compare_chunk(struct comparison *c, struct deploy_object **objects, size_t n, struct error *err)
{
	struct kube_apply *applies = xcalloc(n, sizeof *applies);

	for (size_t i = 0; i < n; i++)
		applies[i] = (struct kube_apply){ .resource = objects[i]->resource,
						  .namespace = objects[i]->namespace,
						  .name = objects[i]->name,
						  .body = { objects[i]->json, objects[i]->json_len },
						  .dry_run = true,
						  .force = c->options.force_conflicts,
						  .want_object = true,
						  .tag = objects[i] };
	bool good = kube_apply_many(c->run.kube, applies, n, c->options.parallel ? c->options.parallel : APPLY_PARALLEL, c->run.cancel, NULL, err);

	for (size_t i = 0; i < n; i++) {
		good = good && ask_again_without_client_side(c, &applies[i], err);
		if (good)
			judge(c, &applies[i]);
		kube_apply_release(&applies[i]);
	}
	free(applies);
	return good;
}

static bool compare_layer(struct comparison *c, unsigned layer, struct error *err)
{
	struct deploy_object **objects = xcalloc(c->plan.len ? c->plan.len : 1, sizeof *objects);
	size_t n = 0, left = 0;

	for (size_t i = 0; i < c->plan.len; i++)
		if (c->plan.objects[i].layer == layer)
			objects[n++] = &c->plan.objects[i];
	bool good = look_at_live(&c->run, objects, n, true, err);

	for (size_t i = 0; i < n && good; i++) {
		if (objects[i]->change == CHANGE_UNCHANGED)
			c->run.counts[CHANGE_UNCHANGED]++;
		else if (!objects[i]->resource)
			emit_local(c, objects[i], CHANGE_WOULD_CREATE, NULL, "not checked by the server: its kind comes with this plan");
		else
			objects[left++] = objects[i];
	}
	for (size_t i = 0; i < left && good; i += CHUNK)
		good = compare_chunk(c, objects + i, left - i < CHUNK ? left - i : CHUNK, err);
	free(objects);
	return good;
}

static bool find_prunes(struct comparison *c, struct error *err)
{
	struct prune_list list = { 0 };
	char api_version[128];
	bool good = inventory_load(&c->run, &c->inventory, err) && prune_find(&c->run, &c->plan, &c->inventory, &list, err);

	for (size_t i = 0; i < list.len && good; i++) {
		const struct prune_object *o = &list.items[i];

		if (o->kept) {
			run_note(&c->run, "%s %s: no longer rendered; %s", o->resource->kind, o->name, o->kept);
			continue;
		}
		c->differences += c->options.prune;
		run_emit(&c->run, &(struct job_event){ .kind = JOB_OBJECT, .object = prune_job_object(o, api_version), .change = CHANGE_WOULD_PRUNE,
						       .text = c->options.prune ? NULL : "only with --prune" });
	}
	prune_list_release(&list);
	return good;
}

static int verdict(struct comparison *c)
{
	AUTO_FREE char *text = xasprintf("%zu of %zu objects differ%s", c->differences, c->plan.len, c->conflicts ? ", some in conflict" : "");
	int code = c->failed ? EXIT_DEGRADED : c->denied ? EXIT_DENIED : c->conflicts ? EXIT_CONFLICT : c->differences ? EXIT_DIFFERENCES : EXIT_DONE;

	return run_end(&c->run, code, c->differences || c->conflicts || c->failed || c->denied ? text : "no differences");
}

int job_diff(const struct job_context *context, const struct apply_options *options)
{
	struct comparison c = { .options = *options };
	AUTO_RELEASE(error) err = { 0 };

	c.options.dry_run = true;
	run_begin(&c.run, context, &c.options, "diff");
	bool good = deploy_plan_make(&c.run, &c.plan, &err);

	for (size_t i = 0; i < c.plan.len && good; i++)
		run_emit(&c.run, &(struct job_event){ .kind = JOB_PLANNED, .object = deploy_job_object(&c.plan.objects[i]) });
	for (unsigned layer = 0; layer < LAYERS && good; layer++)
		good = compare_layer(&c, layer, &err);
	if (good && *c.run.stack->namespace)
		good = find_prunes(&c, &err);
	int code = good ? verdict(&c) : run_end(&c.run, job_exit_of_error(&err, cancel_signal(c.run.cancel)), err.message);

	inventory_release(&c.inventory);
	deploy_plan_release(&c.plan);
	return code;
}
