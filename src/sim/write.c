/*
 * The writing half of the REST layer: one struct writing goes through the steps of a create, update or apply in the
 * order of the real server (decode, default, managed fields, admission, validation, quota, store).
 */
#include "sim/rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"
#include "sim/managed.h"
#include "sim/quota.h"
#include "sim/webhook.h"

enum { BODY_MAX = 16 << 20 };

struct writing {
	struct sim *sim;
	const struct request *request; /* NULL for controllers */
	struct resource *resource;
	struct reply *reply;
	const char *ns, *name, *sub, *manager;
	struct object *object; /* NULL: not there */
	json_t *live, *next;
	bool dry_run, force;
};

static void writing_release(struct writing *w)
{
	json_decref(w->live);
	json_decref(w->next);
}
DEFINE_AUTO_RELEASE(writing);

static bool begin(struct writing *w, struct sim *sim, const struct request *request, const struct target *target,
		  struct reply *reply, char manager[129])
{
	const char *dry = query_text(request, "dryRun");

	*w = (struct writing){ .sim = sim, .request = request, .resource = target->resource, .reply = reply, .ns = target->ns,
			       .name = target->name, .sub = *target->sub ? target->sub : NULL };
	w->manager = manager_of(request, manager);
	w->dry_run = *dry;
	w->force = query_is(request, "force");
	if (*dry && strcmp(dry, "All")) {
		reply_status(reply, 422, "Invalid",
			     json_pack("{s:s,s:s,s:[{s:s,s:s,s:s}]}", "group", "meta.k8s.io", "kind", "CreateOptions", "causes",
				       "reason", "FieldValueNotSupported", "message",
				       "Unsupported value: supported values: \"All\"", "field", "dryRun"),
			     "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: []string{\"%s\"}: supported values: \"All\"",
			     dry);
		return false;
	}
	if (*w->name && w->resource->stored) {
		w->object = store_find(w->resource, w->ns, w->name);
		if (w->object)
			w->live = store_tree(w->object);
	}
	return true;
}

static json_t *parse_body(struct writing *w, struct str body)
{
	const char *type = w->request->content_type;
	AUTO_FREE char *why = NULL;
	json_t *tree;

	if (type && *type && !starts_with(type, "application/json") && !starts_with(type, "*/*")) {
		reply_status(w->reply, 415, "UnsupportedMediaType", json_object(),
			     "the body of the request was in an unknown format - accepted media types include: application/json");
		return NULL;
	}
	tree = jx_parse(body.p, body.len, &why);
	if (tree && json_is_object(tree))
		return tree;
	json_decref(tree);
	reply_status(w->reply, 400, "BadRequest", NULL,
		     "the object provided is unrecognized (must be of type %s): couldn't get version/kind; json parse error: %s (%.*s)",
		     w->resource->kind, why ? why : "not an object", (int)(body.len > 64 ? 64 : body.len), body.p ? body.p : "");
	return NULL;
}

static bool check_kind(struct writing *w, json_t *tree)
{
	const struct resource *r = w->resource;
	const char *kind = jstr(tree, "kind"), *version = jstr(tree, "apiVersion");
	const char *wanted = w->sub && !strcmp(w->sub, "scale") ? "Scale" : r->kind;
	const char *slash = strrchr(version, '/');

	if (!*kind)
		json_object_set_new(tree, "kind", json_string(wanted));
	if (!*version)
		json_object_set_new(tree, "apiVersion", json_string(r->api_version));
	if (!strcmp(wanted, "Scale"))
		return true;
	if (*kind && strcmp(kind, r->kind)) {
		if (kinds_kind(w->sim, version, kind))
			reply_status(w->reply, 400, "BadRequest", NULL,
				     "%s in version \"%s\" cannot be handled as a %s: converting (%s.%s) to (core.%s): unknown conversion",
				     kind, slash ? slash + 1 : version, r->kind, slash ? slash + 1 : version, kind, r->kind);
		else
			reply_status(w->reply, 400, "BadRequest", NULL,
				     "%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is registered for version \"%s\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
				     kind, slash ? slash + 1 : version, r->kind, kind, version);
		return false;
	}
	if (*version && strcmp(version, r->api_version)) {
		reply_status(w->reply, 400, "BadRequest", NULL,
			     "the API version in the data (%s) does not match the expected API version (%s)", version,
			     r->api_version);
		return false;
	}
	return true;
}

static bool check_place(struct writing *w, json_t *tree)
{
	const char *ns = jstr(tree, "metadata", "namespace"), *name = jstr(tree, "metadata", "name");

	if (w->resource->namespaced && *ns && strcmp(ns, w->ns)) {
		reply_status(w->reply, 400, "BadRequest", NULL,
			     "the namespace of the provided object does not match the namespace sent on the request");
		return false;
	}
	if (!json_is_object(json_object_get(tree, "metadata")))
		json_object_set_new(tree, "metadata", json_object());
	if (*w->name && *name && strcmp(name, w->name)) {
		reply_status(w->reply, 400, "BadRequest", NULL, "the name of the object (%s) does not match the name on the URL (%s)",
			     name, w->name);
		return false;
	}
	if (w->resource->namespaced)
		jset(tree, json_string(w->ns), "metadata", "namespace");
	else
		jdel(tree, "metadata", "namespace");
	if (*w->name)
		jset(tree, json_string(w->name), "metadata", "name");
	return true;
}

/* Types and names of fields; unknown ones are warned of or refused as fieldValidation says. */
static bool check_fields(struct writing *w, json_t *tree)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);
	json_t *unknown = json_array();
	const char *how = w->request ? query_text(w->request, "fieldValidation") : "Ignore";
	bool good = decode_check(w->resource, tree, unknown, &message);

	if (!sim_has(w->sim, FEATURE_VALIDATION))
		how = "Ignore";
	if (!good) {
		reply_status(w->reply, 400, "BadRequest", NULL, "%s", buf_cstr(&message));
	} else if (json_array_size(unknown) && !strcmp(how, "Strict")) {
		buf_reset(&message);
		for (size_t i = 0; i < json_array_size(unknown); i++)
			buf_addf(&message, "%sunknown field \"%s\"", i ? ", " : "",
				 json_string_value(json_array_get(unknown, i)));
		reply_status(w->reply, 400, "BadRequest", NULL,
			     "%s in version \"%s\" cannot be handled as a %s: strict decoding error: %s", w->resource->kind,
			     w->resource->version, w->resource->kind, buf_cstr(&message));
		good = false;
	} else if (strcmp(how, "Ignore")) {
		for (size_t i = 0; i < json_array_size(unknown); i++) {
			AUTO_FREE char *text = xasprintf("299 - \"unknown field \\\"%s\\\"\"",
							 json_string_value(json_array_get(unknown, i)));

			reply_header(w->reply, "Warning", text);
		}
	}
	json_decref(unknown);
	return good;
}

static bool check_namespace(struct writing *w)
{
	const struct resource *namespaces = kinds_plural(w->sim, "", "v1", "namespaces");
	struct object *ns;

	if (!w->resource->namespaced)
		return true;
	ns = store_find(namespaces, "", w->ns);
	if (!ns) {
		reply_not_found(w->reply, namespaces, w->ns);
		return false;
	}
	if (ns->deleting && !(w->resource->flags & KIND_ALIAS) && strcmp(w->resource->plural, "events")) {
		char label[256];
		json_t *details = details_of(w->resource, jstr(w->next, "metadata", "name"));

		json_object_set_new(details, "causes",
				    json_pack("[{s:s,s:o,s:s}]", "reason", "NamespaceTerminating", "message",
					      json_sprintf("namespace %s is being terminated", w->ns), "field",
					      "metadata.namespace"));
		reply_status(w->reply, 403, "Forbidden", details,
			     "%s \"%s\" is forbidden: unable to create new content in namespace %s because it is being terminated",
			     resource_label(w->resource, label), jstr(w->next, "metadata", "name"), w->ns);
		return false;
	}
	return true;
}

static bool check_valid(struct writing *w)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);
	json_t *causes = json_array(), *details;
	const struct resource *r = w->resource;
	const char *name = jstr(w->next, "metadata", "name");
	size_t n;

	validate_object(r, w->live, w->next, causes);
	n = json_array_size(causes);
	if (!n) {
		json_decref(causes);
		return true;
	}
	for (size_t i = 0; i < n; i++)
		buf_addf(&message, "%s%s: %s", i ? ", " : n > 1 ? "[" : "", jstr(json_array_get(causes, i), "field"),
			 jstr(json_array_get(causes, i), "message"));
	details = json_object();
	if (*name)
		json_object_set_new(details, "name", json_string(name));
	if (*r->group)
		json_object_set_new(details, "group", json_string(r->group));
	json_object_set_new(details, "kind", json_string(r->kind));
	json_object_set_new(details, "causes", causes);
	reply_status(w->reply, 422, "Invalid", details, "%s%s%s \"%s\" is invalid: %s%s", r->kind, *r->group ? "." : "", r->group,
		     name, buf_cstr(&message), n > 1 ? "]" : "");
	return false;
}

static struct writer field_writer(const struct writing *w)
{
	return (struct writer){ .type = w->resource->type, .api_version = w->resource->api_version, .manager = w->manager,
				.subresource = w->sub, .zero = w->resource->zero, .now_ms = sim_wall_ms(), .force = w->force };
}

static json_t *without_status(const json_t *tree)
{
	json_t *copy = json_copy((json_t *)tree);

	json_object_del(copy, "metadata");
	json_object_del(copy, "status");
	return copy;
}

static void count_generation(struct writing *w)
{
	if (!(w->resource->flags & KIND_GENERATION))
		return;
	int64_t generation = jint(1, w->live, "metadata", "generation");
	json_t *before = without_status(w->live), *after = without_status(w->next);

	if (!json_equal(before, after))
		generation++;
	json_decref(before);
	json_decref(after);
	jset(w->next, json_integer(generation), "metadata", "generation");
}

static void birth(struct writing *w)
{
	json_t *meta = json_object_get(w->next, "metadata");
	char uid[37], suffix[6];
	static const char *const foreign[] = { "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink" };

	if (!*jstr(meta, "name") && *jstr(meta, "generateName")) {
		sim_suffix(w->sim, suffix, 5);
		json_object_set_new(meta, "name", json_sprintf("%.58s%s", jstr(meta, "generateName"), suffix));
	}
	sim_uid(w->sim, uid);
	json_object_set_new(meta, "uid", json_string(uid));
	json_object_set_new(meta, "creationTimestamp", jx_time(sim_wall_ms()));
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		json_object_del(meta, foreign[i]);
	if (w->resource->flags & KIND_GENERATION)
		json_object_set_new(meta, "generation", json_integer(1));
	else
		json_object_del(meta, "generation");
	if (w->resource->flags & KIND_STATUS)
		json_object_del(w->next, "status");
	if (json_object_get(w->resource->zero, "status"))
		json_object_set_new(w->next, "status", json_deep_copy(json_object_get(w->resource->zero, "status")));
}

/* The answer after a write: what is stored, or what would be. */
static void answer(struct writing *w, unsigned code)
{
	if (!w->request)
		return;
	if (w->object && !w->dry_run && form_wanted(w->request) == FORM_OBJECT &&
	    !strcmp(w->resource->api_version, w->resource->storage->api_version)) {
		buf_reset(&w->reply->body);
		buf_add(&w->reply->body, w->object->current->text, w->object->current->len);
		buf_addc(&w->reply->body, '\n');
		w->reply->status = code;
		w->reply->content_type = "application/json";
		return;
	}
	reply_object(w->reply, w->request, w->resource, code, w->next);
}

static bool check_quota(struct writing *w)
{
	AUTO_RELEASE(error) err = { 0 };
	char label[256];

	if (quota_admit(w->sim, w->resource, w->ns, w->next, w->dry_run, &err))
		return true;
	reply_status(w->reply, 403, "Forbidden", details_of(w->resource, jstr(w->next, "metadata", "name")),
		     "%s \"%s\" is forbidden: %s", resource_label(w->resource, label), jstr(w->next, "metadata", "name"),
		     err.message);
	return false;
}

static bool check_webhooks(struct writing *w)
{
	AUTO_RELEASE(error) err = { 0 };

	if (w->sub || webhooks_admit(w->sim, w->resource, w->ns, w->next, w->live ? "UPDATE" : "CREATE", &err))
		return true;
	reply_status(w->reply, 403, "Forbidden", details_of(w->resource, jstr(w->next, "metadata", "name")), "%s", err.message);
	return false;
}

static bool finish_create(struct writing *w, bool applied)
{
	char label[256];

	birth(w);
	if (w->resource->storage->terminating) {
		reply_status(w->reply, 405, "MethodNotAllowed", details_of(w->resource, jstr(w->next, "metadata", "name")),
			     "create not allowed while custom resource definition is terminating");
		return false;
	}
	if (!check_namespace(w))
		return false;
	defaults_fill(w->resource, w->next);
	decode_normalise(w->resource->type, w->next);
	if (!applied) {
		struct writer writer = field_writer(w);

		managed_update(&writer, NULL, w->next);
	}
	if (!limits_admit(w->sim, w->resource, w->ns, w->next) || !check_webhooks(w) || !check_valid(w))
		return false;
	defaults_admit(w->sim, w->resource, NULL, w->next);
	decode_normalise(w->resource->type, w->next);
	if (!check_quota(w))
		return false;
	struct object *there = store_find(w->resource, w->ns, jstr(w->next, "metadata", "name"));

	if (there) {
		reply_status(w->reply, 409, "AlreadyExists", details_of(w->resource, there->name), "%s%s \"%s\" already exists",
			     there->deleting ? "object is being deleted: " : "", resource_label(w->resource, label), there->name);
		return false;
	}
	if (!w->dry_run)
		w->object = store_put(w->sim, w->resource, NULL, w->next);
	answer(w, 201);
	return true;
}

static bool conflict(struct writing *w, const char *fmt, const char *a, const char *b)
{
	char label[256];

	AUTO_RELEASE(buf) text = BUF_INIT(0);
	if (fmt)
		buf_addf(&text, "Precondition failed: UID in precondition: %s, UID in object meta: %s", a, b);
	else
		buf_adds(&text, "the object has been modified; please apply your changes to the latest version and try again");
	reply_status(w->reply, 409, "Conflict", details_of(w->resource, w->name),
		     "Operation cannot be fulfilled on %s \"%s\": %s", resource_label(w->resource, label), w->name,
		     buf_cstr(&text));
	return false;
}

/* uid and resourceVersion, when given, must be those of the living object. */
static bool check_preconditions(struct writing *w)
{
	json_t *meta = json_object_get(w->next, "metadata"), *live = json_object_get(w->live, "metadata");
	const char *rv = jstr(meta, "resourceVersion"), *uid = jstr(meta, "uid");

	if (*uid && strcmp(uid, jstr(live, "uid")))
		return conflict(w, "uid", uid, jstr(live, "uid"));
	if (*rv && strcmp(rv, jstr(live, "resourceVersion")))
		return conflict(w, NULL, "", "");
	return true;
}

static void keep_identity(struct writing *w)
{
	static const char *const kept[] = { "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
					    "deletionGracePeriodSeconds", "generation", "generateName", "resourceVersion" };
	json_t *meta = json_object_get(w->next, "metadata"), *live = json_object_get(w->live, "metadata");

	if (!json_is_object(meta)) {
		meta = json_object();
		json_object_set_new(w->next, "metadata", meta);
	}
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		if (json_object_get(live, kept[i]))
			json_object_set(meta, kept[i], json_object_get(live, kept[i]));
		else
			json_object_del(meta, kept[i]);
	}
}

/* Which parts of an update count: all but status, or status alone. */
static void keep_other_half(struct writing *w)
{
	json_t *status = json_object_get(w->live, "status");

	if (w->sub && !strcmp(w->sub, "status")) {
		json_t *mixed = json_deep_copy(w->live), *annotations = jget(w->next, "metadata", "annotations");

		if (json_object_get(w->next, "status"))
			json_object_set(mixed, "status", json_object_get(w->next, "status"));
		if (annotations)
			jset(mixed, json_incref(annotations), "metadata", "annotations");
		if (jget(w->next, "metadata", "managedFields"))
			jset(mixed, json_incref(jget(w->next, "metadata", "managedFields")), "metadata", "managedFields");
		json_decref(w->next);
		w->next = mixed;
	} else if (w->resource->flags & KIND_STATUS) {
		if (status)
			json_object_set(w->next, "status", status);
		else
			json_object_del(w->next, "status");
	}
}

bool rest_finish_delete(struct sim *sim, struct object *object)
{
	json_t *tree = store_tree(object);
	bool held = json_array_size(jget(tree, "metadata", "finalizers")) > 0 || !object->deleting;

	if (!strcmp(object->resource->kind, "Namespace") && json_array_size(jget(tree, "spec", "finalizers")))
		held = true;
	if (!strcmp(object->resource->kind, "Pod") && jint(0, tree, "metadata", "deletionGracePeriodSeconds") > 0)
		held = true;
	json_decref(tree);
	if (held)
		return false;
	store_remove(sim, object);
	return true;
}

static bool finish_update(struct writing *w, bool applied)
{
	if (!check_preconditions(w))
		return false;
	keep_identity(w);
	if (!applied)
		keep_other_half(w);
	defaults_fill(w->resource, w->next);
	decode_normalise(w->resource->type, w->next);
	defaults_admit(w->sim, w->resource, w->live, w->next);
	if (!applied) {
		struct writer writer = field_writer(w);

		managed_update(&writer, w->live, w->next);
	}
	if (!check_webhooks(w) || (!(w->sub && !strcmp(w->sub, "status")) && !check_valid(w)))
		return false;
	count_generation(w);
	if (managed_same(w->live, w->next)) {
		json_decref(w->next);
		w->next = json_incref(w->live);
	} else if (!w->dry_run) {
		store_put(w->sim, w->resource, w->object, w->next);
		answer(w, 200);
		if (w->object->deleting)
			rest_finish_delete(w->sim, w->object);
		return true;
	}
	answer(w, 200);
	return true;
}

void rest_create(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply)
{
	AUTO_RELEASE(writing) w = { 0 };
	char manager[129];

	if (!begin(&w, sim, request, target, reply, manager))
		return;
	w.next = parse_body(&w, request->body);
	if (!w.next || !check_kind(&w, w.next) || !check_place(&w, w.next) || !check_fields(&w, w.next))
		return;
	if (*jstr(w.next, "metadata", "resourceVersion")) {
		reply_status(reply, 500, "InternalError", NULL, "resourceVersion should not be set on objects to be created");
		return;
	}
	finish_create(&w, false);
}

/* ---- scale: replicas of the object in other words ---- */

static json_t *scale_of(const struct resource *r, const json_t *tree)
{
	AUTO_RELEASE(buf) selector = BUF_INIT(0);
	json_t *labels = jget(tree, "spec", "selector", "matchLabels"), *value;
	const char *key;

	(void)r;
	json_object_foreach(labels, key, value)
		buf_addf(&selector, "%s%s=%s", selector.len ? "," : "", key, json_string_value(value));
	return json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:s,s:s},s:{s:I},s:{s:I,s:s}}", "kind", "Scale", "apiVersion", "autoscaling/v1",
			 "metadata", "name", jstr(tree, "metadata", "name"), "namespace", jstr(tree, "metadata", "namespace"), "uid",
			 jstr(tree, "metadata", "uid"), "resourceVersion", jstr(tree, "metadata", "resourceVersion"),
			 "creationTimestamp", jstr(tree, "metadata", "creationTimestamp"), "spec", "replicas",
			 (json_int_t)jint(0, tree, "spec", "replicas"), "status", "replicas",
			 (json_int_t)jint(0, tree, "status", "replicas"), "selector", buf_cstr(&selector));
}

static void scale_to(struct writing *w, json_t *scale)
{
	json_t *replicas = jget(scale, "spec", "replicas"), *rv = jget(scale, "metadata", "resourceVersion");

	w->next = json_deep_copy(w->live);
	if (json_is_integer(replicas))
		jset(w->next, json_incref(replicas), "spec", "replicas");
	if (rv)
		jset(w->next, json_incref(rv), "metadata", "resourceVersion");
	json_decref(scale);
	if (finish_update(w, false))
		reply_json(w->reply, 200, scale_of(w->resource, w->next));
}

void rest_update(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply)
{
	AUTO_RELEASE(writing) w = { 0 };
	char manager[129];

	if (!begin(&w, sim, request, target, reply, manager))
		return;
	w.next = parse_body(&w, request->body);
	if (!w.next || !check_kind(&w, w.next) || !check_place(&w, w.next))
		return;
	if (!w.object) {
		reply_not_found(reply, w.resource, w.name);
		return;
	}
	if (w.sub && !strcmp(w.sub, "scale")) {
		json_t *scale = GIVE(w.next);

		scale_to(&w, scale);
		return;
	}
	if (!check_fields(&w, w.next))
		return;
	if (w.sub && !strcmp(w.sub, "finalize")) {
		json_t *finalizers = jget(w.next, "spec", "finalizers");
		json_t *mixed = json_deep_copy(w.live);

		jset(mixed, finalizers ? json_incref(finalizers) : json_array(), "spec", "finalizers");
		json_decref(w.next);
		w.next = mixed;
		store_put(sim, w.resource, w.object, w.next);
		answer(&w, 200);
		rest_finish_delete(sim, w.object);
		return;
	}
	finish_update(&w, false);
}

/* ---- patches ---- */

static void reject_patch(struct reply *reply)
{
	reply_status(reply, 422, "Invalid", json_object(), "the server rejected our request due to an error in our request");
}

static json_t *patched(struct writing *w, json_t *base, const char *type, json_t *patch)
{
	AUTO_RELEASE(error) err = { 0 };
	json_t *out = NULL;

	if (!strncmp(type, "application/json-patch+json", 27)) {
		out = json_incref(base);
		if (!json_is_array(patch) || !patch_json(&out, patch, &err)) {
			json_decref(out);
			reject_patch(w->reply);
			return NULL;
		}
	} else if (!strncmp(type, "application/merge-patch+json", 28)) {
		out = patch_merge(base, patch);
	} else {
		out = patch_strategic(w->resource->type, base, patch);
	}
	json_t *copy = json_deep_copy(out);

	json_decref(out);
	return copy;
}

static void apply_patch(struct writing *w, json_t *config)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);
	struct writer writer;
	json_t *causes = NULL, *next = NULL;
	AUTO_FREE char *stated_ns = xstrdup(jstr(config, "metadata", "namespace"));

	if (!check_kind(w, config) || !check_place(w, config))
		return;
	if (!jx_empty(jget(config, "metadata", "managedFields"))) {
		reply_status(w->reply, 400, "BadRequest", NULL, "metadata.managedFields must be nil");
		return;
	}
	if (w->object && *jstr(config, "metadata", "uid") && strcmp(jstr(config, "metadata", "uid"), w->object->uid)) {
		conflict(w, "uid", jstr(config, "metadata", "uid"), w->object->uid);
		return;
	}
	jdel(config, "metadata", "managedFields");
	if (w->sub && !strcmp(w->sub, "status")) {
		json_t *status = json_object_get(config, "status"), *bare;

		bare = json_pack("{s:O,s:O,s:O}", "kind", json_object_get(config, "kind"), "apiVersion",
				 json_object_get(config, "apiVersion"), "metadata", json_object_get(config, "metadata"));
		if (status)
			json_object_set(bare, "status", status);
		json_object_clear(config);
		json_object_update(config, bare);
		json_decref(bare);
	} else if (w->resource->flags & KIND_STATUS) {
		json_object_del(config, "status");
	}
	writer = field_writer(w);
	switch (managed_apply(&writer, w->live, config, &next, &message, &causes)) {
	case APPLY_INVALID:
		reply_status(w->reply, 500, "", NULL, "failed to create typed patch object (%s/%s; %s/%s, Kind=%s): %s%s",
			     stated_ns, jstr(config, "metadata", "name"), w->resource->group, w->resource->version,
			     w->resource->kind, strchr(buf_cstr(&message), '\n') ? "errors:\n" : "", buf_cstr(&message));
		return;
	case APPLY_CONFLICT:
		reply_status(w->reply, 409, "Conflict", json_pack("{s:o}", "causes", causes), "%s", buf_cstr(&message));
		return;
	case APPLY_DONE:
		break;
	}
	w->next = next;
	if (!check_fields(w, w->next))
		return;
	if (w->object)
		finish_update(w, true);
	else
		finish_create(w, true);
}

/* An apply patch may be YAML; what other clients send is JSON, which is quicker to read. */
static json_t *parse_yaml(struct str text)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) json = BUF_INIT(BODY_MAX);
	AUTO(yaml_stream) stream = yaml_stream_create(text, "body", NULL);
	struct yaml_doc *doc = NULL;
	json_t *tree = NULL;

	if (yaml_stream_next(stream, &doc, &err) && doc && yaml_doc_make_generic(doc, "body", NULL, &err) &&
	    yaml_to_json(doc->root, &json, &err))
		tree = jx_parse(json.p, json.len, NULL);
	yaml_doc_destroy(doc);
	return tree;
}

static json_t *parse_patch(struct writing *w, const struct request *request)
{
	AUTO_FREE char *why = NULL;
	json_t *patch = jx_parse(request->body.p, request->body.len, &why);

	if (!patch && strstr(request->content_type, "yaml"))
		patch = parse_yaml(request->body);

	if (!patch)
		reply_status(w->reply, 400, "BadRequest", NULL, "error decoding patch: %s", why ? why : "not JSON");
	return patch;
}

static bool apply_possible(struct writing *w)
{
	if (!*query_text(w->request, "fieldManager")) {
		reply_status(w->reply, 422, "Invalid",
			     json_pack("{s:s,s:s,s:[{s:s,s:s,s:s}]}", "group", "meta.k8s.io", "kind", "PatchOptions", "causes",
				       "reason", "FieldValueRequired", "message", "Required value: is required for apply patch",
				       "field", "fieldManager"),
			     "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch");
		return false;
	}
	return true;
}

void rest_patch(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply)
{
	static const char *const types[] = { "application/json-patch+json", "application/merge-patch+json",
					     "application/strategic-merge-patch+json", "application/apply-patch+yaml" };
	AUTO_RELEASE(writing) w = { 0 };
	const char *type = request->content_type ? request->content_type : "";
	size_t which = 0;
	char manager[129];
	json_t *patch;

	while (which < ARRAY_LEN(types) && strncmp(type, types[which], strlen(types[which])))
		which++;
	if (which == 2 && (target->resource->flags & KIND_CUSTOM)) {
		reply_status(reply, 415, "UnsupportedMediaType", NULL,
			     "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
		return;
	}
	if (which == ARRAY_LEN(types) || (which == 3 && !sim_has(sim, FEATURE_APPLY))) {
		reply_status(reply, 415, "UnsupportedMediaType", json_object(), "415: Unsupported Media Type");
		return;
	}
	if (!begin(&w, sim, request, target, reply, manager))
		return;
	if (which == 3 && !apply_possible(&w))
		return;
	patch = parse_patch(&w, request);
	if (!patch)
		return;
	if (which == 3) {
		apply_patch(&w, patch);
	} else if (!w.object) {
		reply_not_found(reply, w.resource, w.name);
	} else if (w.sub && !strcmp(w.sub, "scale")) {
		json_t *base = scale_of(w.resource, w.live), *next = patched(&w, base, type, patch);

		json_decref(base);
		if (next)
			scale_to(&w, next);
	} else {
		w.next = patched(&w, w.live, type, patch);
		if (w.next && check_kind(&w, w.next) && check_place(&w, w.next) && check_fields(&w, w.next))
			finish_update(&w, false);
	}
	json_decref(patch);
}

/* ---- deletion ---- */

static bool has_finalizer(const json_t *tree, const char *name)
{
	json_t *list = jget(tree, "metadata", "finalizers");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (jx_is(json_array_get(list, i), name))
			return true;
	return false;
}

static void orphan_dependents(struct sim *sim, const char *uid)
{
	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];

		for (size_t k = 0; k < r->n; k++) {
			ptrdiff_t at = jx_find(r->objects[k]->owners, "uid", uid);

			if (at < 0)
				continue;
			json_t *tree = store_tree(r->objects[k]);

			json_array_remove(jget(tree, "metadata", "ownerReferences"), (size_t)at);
			store_put(sim, r, r->objects[k], tree);
			json_decref(tree);
		}
	}
}

void rest_remove(struct sim *sim, struct object *object, const char *policy, int64_t grace_s)
{
	bool pod = !strcmp(object->resource->kind, "Pod") && !*object->resource->group;
	bool namespace = !strcmp(object->resource->kind, "Namespace") && !*object->resource->group;
	json_t *tree = store_tree(object);
	bool first = !object->deleting, foreground = !strcmp(policy, "Foreground");
	int64_t grace = !pod ? 0 : grace_s >= 0 ? grace_s : jint(30, tree, "spec", "terminationGracePeriodSeconds");

	if (pod && (!*jstr(tree, "spec", "nodeName") || !strcmp(jstr(tree, "status", "phase"), "Succeeded") ||
		    !strcmp(jstr(tree, "status", "phase"), "Failed")))
		grace = 0;
	if (!strcmp(policy, "Orphan"))
		orphan_dependents(sim, object->uid);
	if (foreground && !has_finalizer(tree, "foregroundDeletion")) {
		json_t *list = jget(tree, "metadata", "finalizers");

		if (!list) {
			list = json_array();
			jset(tree, list, "metadata", "finalizers");
		}
		json_array_append_new(list, json_string("foregroundDeletion"));
	}
	if (first) {
		jset(tree, jx_time(sim_wall_ms() + grace * 1000), "metadata", "deletionTimestamp");
		if (!namespace)
			jset(tree, json_integer(grace), "metadata", "deletionGracePeriodSeconds");
		if (object->resource->flags & KIND_GENERATION)
			jset(tree, json_integer(jint(1, tree, "metadata", "generation") + 1), "metadata", "generation");
	} else if (pod && grace < jint(0, tree, "metadata", "deletionGracePeriodSeconds")) {
		jset(tree, json_integer(grace), "metadata", "deletionGracePeriodSeconds");
	}
	if (namespace)
		jset(tree, json_string("Terminating"), "status", "phase");
	/* what nothing holds goes at once, without a version in between */
	bool held = json_array_size(jget(tree, "metadata", "finalizers")) > 0 || (pod && grace > 0) ||
		    (namespace && json_array_size(jget(tree, "spec", "finalizers")) > 0);

	if (held)
		store_put(sim, object->resource, object, tree);
	else
		store_remove(sim, object);
	json_decref(tree);
}

static bool delete_allowed(struct writing *w, const json_t *options)
{
	const char *uid = jstr(options, "preconditions", "uid"), *rv = jstr(options, "preconditions", "resourceVersion");
	const struct resource *r = w->resource;
	const char *label = *r->group ? r->group : "";
	json_t *details = json_object();

	json_object_set_new(details, "name", json_string(w->name));
	if (*label)
		json_object_set_new(details, "group", json_string(label));
	json_object_set_new(details, "kind", json_string(r->kind));
	if (*uid && strcmp(uid, w->object->uid)) {
		reply_status(w->reply, 409, "Conflict", details,
			     "Operation cannot be fulfilled on %s%s%s \"%s\": the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated",
			     r->kind, *label ? "." : "", label, w->name, uid, w->object->uid);
		return false;
	}
	if (*rv && strcmp(rv, jstr(w->live, "metadata", "resourceVersion"))) {
		reply_status(w->reply, 409, "Conflict", details,
			     "Operation cannot be fulfilled on %s%s%s \"%s\": the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s). The object might have been modified",
			     r->kind, *label ? "." : "", label, w->name, rv, jstr(w->live, "metadata", "resourceVersion"));
		return false;
	}
	json_decref(details);
	return true;
}

static json_t *delete_options(const struct request *request, struct reply *reply)
{
	AUTO_FREE char *why = NULL;
	json_t *options = request->body.len ? jx_parse(request->body.p, request->body.len, &why) : json_object();

	if (!json_is_object(options)) {
		json_decref(options);
		reply_status(reply, 400, "BadRequest", NULL, "couldn't get version/kind; json parse error: %s", why ? why : "");
		return NULL;
	}
	if (*query_text(request, "propagationPolicy") && !json_object_get(options, "propagationPolicy"))
		json_object_set_new(options, "propagationPolicy", json_string(query_text(request, "propagationPolicy")));
	if (*query_text(request, "gracePeriodSeconds") && !json_object_get(options, "gracePeriodSeconds"))
		json_object_set_new(options, "gracePeriodSeconds",
				    json_integer(strtol(query_text(request, "gracePeriodSeconds"), NULL, 10)));
	return options;
}

static const char *policy_of(struct writing *w, const json_t *options)
{
	const char *policy = jstr(options, "propagationPolicy");

	if (*policy)
		return policy;
	if (!strcmp(w->resource->kind, "Job") && !strcmp(w->resource->group, "batch")) {
		reply_header(w->reply, "Warning",
			     "299 - \"child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning\"");
		return "Orphan";
	}
	if (json_is_true(json_object_get(options, "orphanDependents")))
		return "Orphan";
	return "Background";
}

void rest_delete(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply)
{
	AUTO_RELEASE(writing) w = { 0 };
	char manager[129];
	json_t *options = NULL;

	if (!begin(&w, sim, request, target, reply, manager))
		return;
	if (!w.object) {
		reply_not_found(reply, w.resource, w.name);
		return;
	}
	options = delete_options(request, reply);
	if (!options)
		return;
	if (json_array_size(json_object_get(options, "dryRun")))
		w.dry_run = true;
	if (delete_allowed(&w, options)) {
		AUTO_FREE char *uid = xstrdup(w.object->uid);
		json_t *details = details_of(w.resource, w.name);
		struct object *left = w.object;

		json_object_set_new(details, "uid", json_string(uid));
		if (!w.dry_run) {
			rest_remove(sim, w.object, policy_of(&w, options), jint(-1, options, "gracePeriodSeconds"));
			left = store_find(w.resource, w.ns, w.name);
		}
		if (left && !w.dry_run && !strcmp(left->uid, uid)) {
			json_t *tree = store_tree(left);

			json_decref(details);
			w.object = left;
			json_decref(w.next);
			w.next = tree;
			answer(&w, 200);
		} else {
			reply_json(reply, 200,
				   json_pack("{s:s,s:s,s:{},s:s,s:o}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
					     "Success", "details", details));
		}
	}
	json_decref(options);
}

void rest_delete_collection(struct sim *sim, const struct request *request, const struct target *target,
			    struct reply *reply)
{
	AUTO_RELEASE(error) err = { 0 };
	struct selector *labels = NULL, *fields = NULL;
	struct writing w = { .sim = sim, .request = request, .resource = target->resource, .reply = reply };
	json_t *options = delete_options(request, reply);

	if (!options)
		return;
	if (!selector_parse(query_text(request, "labelSelector"), &labels, &err) ||
	    !selector_parse(query_text(request, "fieldSelector"), &fields, &err)) {
		reply_status(reply, 400, "BadRequest", NULL, "%s", err.message);
	} else {
		size_t n, from = store_range(target->resource, target->ns, &n);
		char **names = xcalloc(n + 1, sizeof *names), **spaces = xcalloc(n + 1, sizeof *spaces);
		size_t chosen = 0;

		for (size_t i = from; i < from + n; i++) {
			struct object *o = target->resource->storage->objects[i];

			if (selector_labels(labels, o->current->labels) && selector_fields(fields, o->current)) {
				names[chosen] = xstrdup(o->name);
				spaces[chosen++] = xstrdup(o->ns);
			}
		}
		for (size_t i = 0; i < chosen; i++) {
			struct object *o = store_find(target->resource, spaces[i], names[i]);

			if (o && !*query_text(request, "dryRun"))
				rest_remove(sim, o, policy_of(&w, options), jint(-1, options, "gracePeriodSeconds"));
			free(names[i]);
			free(spaces[i]);
		}
		free(names);
		free(spaces);
		reply_json(reply, 200, json_pack("{s:s,s:s,s:{},s:s}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
						 "Success"));
	}
	selector_destroy(labels);
	selector_destroy(fields);
	json_decref(options);
}

/* ---- what controllers write ---- */

struct object *rest_write(struct sim *sim, struct object *object, json_t *tree, const char *manager, const char *subresource)
{
	struct writing w = { .sim = sim, .resource = object->resource, .manager = manager, .sub = subresource,
			     .object = object, .live = store_tree(object), .next = tree };
	struct writer writer = field_writer(&w);

	decode_normalise(w.resource->type, w.next);
	managed_update(&writer, w.live, w.next);
	if (!subresource || !strcmp(subresource, "scale")) /* a status, or the node of a pod, is no new wish */
		count_generation(&w);
	if (!managed_same(w.live, w.next))
		store_put(sim, w.resource, object, w.next);
	writing_release(&w);
	return object;
}

struct object *rest_add(struct sim *sim, struct resource *resource, json_t *tree, const char *manager, json_t **ret_status)
{
	AUTO_RELEASE(reply) reply = { 0 };
	AUTO_FREE char *ns = xstrdup(jstr(tree, "metadata", "namespace"));
	struct writing w = { .sim = sim, .resource = resource, .reply = &reply, .ns = ns, .name = "", .manager = manager,
			     .next = tree };
	bool made = finish_create(&w, false);
	struct object *object = w.object;

	if (!made && ret_status)
		*ret_status = jx_parse(reply.body.p, reply.body.len, NULL);
	writing_release(&w);
	return made ? object : NULL;
}
