#include "job/inspect.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "job/manifest.h"
#include "kube/client.h"

/* ---- values on a line ---- */

/* Scalars as they are, lists and maps as compact JSON; nothing for what is absent. */
static void add_value(struct buf *out, const json_t *value)
{
	AUTO_FREE char *json = NULL;

	if (json_is_string(value)) {
		buf_add_plain(out, str_of(json_string_value(value)));
		return;
	}
	json = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	buf_add_plain(out, str_of(json));
}

static void add_line(struct buf *out, int indent, const char *name, const json_t *value)
{
	if (!value || json_is_null(value))
		return;
	buf_addf(out, "%*s%-*s ", indent, "", 22 - indent, name);
	add_value(out, value);
	buf_addc(out, '\n');
}

static void add_pairs(struct buf *out, const char *title, const json_t *map)
{
	const char *key;
	json_t *value;

	if (!json_object_size(map))
		return;
	buf_addf(out, "%s\n", title);
	json_object_foreach((json_t *)map, key, value) {
		buf_addf(out, "  %s = ", key);
		add_value(out, value);
		buf_addc(out, '\n');
	}
}

/* ---- the summary ---- */

static void add_owners(struct buf *out, const json_t *metadata)
{
	size_t i;
	json_t *owner;

	json_array_foreach(json_object_get(metadata, "ownerReferences"), i, owner)
		buf_addf(out, "owned by               %s %s\n", json_string_value(json_object_get(owner, "kind")),
			 json_string_value(json_object_get(owner, "name")));
}

static void add_managers(struct buf *out, const json_t *metadata)
{
	size_t i;
	json_t *entry;

	json_array_foreach(json_object_get(metadata, "managedFields"), i, entry) {
		if (!i)
			buf_adds(out, "fields set by\n");
		buf_addf(out, "  %-28s %s %s%s\n", json_string_value(json_object_get(entry, "manager")), json_string_value(json_object_get(entry, "operation")),
			 json_string_value(json_object_get(entry, "time")) ? json_string_value(json_object_get(entry, "time")) : "",
			 json_object_get(entry, "subresource") ? " (status)" : "");
	}
}

static void add_container(struct buf *out, const json_t *c)
{
	static const char *const fields[][2] = { { "image", "image" },	    { "command", "command" }, { "args", "args" },	     { "ports", "ports" },
						 { "resources", "limits" }, { "env", "environment" }, { "envFrom", "environment of" }, { "volumeMounts", "mounts" },
						 { "readinessProbe", "readiness" }, { "livenessProbe", "liveness" }, { "startupProbe", "startup" } };

	buf_addf(out, "  %s\n", json_string_value(json_object_get(c, "name")));
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const json_t *value = json_object_get(c, fields[i][0]);
		size_t n;
		json_t *item;

		if (!json_is_array(value) || !json_is_object(json_array_get(value, 0))) {
			add_line(out, 4, fields[i][1], value);
			continue;
		}
		json_array_foreach(value, n, item)
			add_line(out, 4, n ? "" : fields[i][1], item);
	}
}

static void add_containers(struct buf *out, const char *title, const json_t *containers)
{
	size_t i;
	json_t *container;

	if (json_array_size(containers))
		buf_addf(out, "%s\n", title);
	json_array_foreach(containers, i, container)
		add_container(out, container);
}

static void add_pod_spec(struct buf *out, const json_t *spec)
{
	add_line(out, 0, "service account", json_object_get(spec, "serviceAccountName"));
	add_line(out, 0, "node", json_object_get(spec, "nodeName"));
	add_line(out, 0, "node selector", json_object_get(spec, "nodeSelector"));
	add_containers(out, "init containers", json_object_get(spec, "initContainers"));
	add_containers(out, "containers", json_object_get(spec, "containers"));
	add_line(out, 0, "volumes", json_object_get(spec, "volumes"));
}

static void add_conditions(struct buf *out, const json_t *status)
{
	size_t i;
	json_t *c;

	json_array_foreach(json_object_get(status, "conditions"), i, c) {
		if (!i)
			buf_adds(out, "conditions\n");
		buf_addf(out, "  %-26s %-8s ", json_string_value(json_object_get(c, "type")), json_string_value(json_object_get(c, "status")));
		add_value(out, json_object_get(c, "reason") ? json_object_get(c, "reason") : json_object_get(c, "status"));
		buf_addc(out, ' ');
		if (json_object_get(c, "message"))
			add_value(out, json_object_get(c, "message"));
		buf_addc(out, '\n');
	}
}

/* What no section above has shown. */
static void add_rest(struct buf *out, const char *title, const json_t *map)
{
	static const char *const shown[] = { "template", "containers", "initContainers", "volumes", "conditions", "containerStatuses", "initContainerStatuses",
					     "serviceAccountName", "serviceAccount", "nodeName", "nodeSelector", "tolerations" };
	const char *key;
	json_t *value;
	bool any = false;

	json_object_foreach((json_t *)map, key, value) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(shown); i++)
			known = known || strcmp(shown[i], key) == 0;
		if (known)
			continue;
		if (!any)
			buf_addf(out, "%s\n", title);
		any = true;
		add_line(out, 2, key, value);
	}
}

static void add_summary(const json_t *object, struct buf *out)
{
	const json_t *metadata = json_object_get(object, "metadata"), *spec = json_object_get(object, "spec"), *status = json_object_get(object, "status");
	const json_t *template = json_object_get(spec, "template");
	const char *kind = json_string_value(json_object_get(object, "kind"));

	add_line(out, 0, "name", json_object_get(metadata, "name"));
	add_line(out, 0, "namespace", json_object_get(metadata, "namespace"));
	add_line(out, 0, "kind", json_object_get(object, "kind"));
	add_line(out, 0, "API version", json_object_get(object, "apiVersion"));
	add_line(out, 0, "made", json_object_get(metadata, "creationTimestamp"));
	add_line(out, 0, "being deleted since", json_object_get(metadata, "deletionTimestamp"));
	add_line(out, 0, "finalizers", json_object_get(metadata, "finalizers"));
	add_owners(out, metadata);
	if (template)
		add_pod_spec(out, json_object_get(template, "spec"));
	else if (kind && strcmp(kind, "Pod") == 0)
		add_pod_spec(out, spec);
	if (kind && strcmp(kind, "Secret") == 0)
		buf_addf(out, "keys                   %zu, values are hidden: b shows one\n", json_object_size(json_object_get(object, "data")));
	else
		add_pairs(out, "data", json_object_get(object, "data"));
	add_conditions(out, status);
	add_rest(out, "status", status);
	add_pairs(out, "labels", json_object_get(metadata, "labels"));
	add_pairs(out, "annotations", json_object_get(metadata, "annotations"));
	add_rest(out, "wanted", spec);
	add_managers(out, metadata);
}

static void summary(json_t *object, struct buf *out)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));

	if (kind && strcmp(kind, "Secret") == 0)
		manifest_hide_values(object, NULL);
	json_object_del(json_object_get(json_object_get(object, "metadata"), "annotations"), "kubectl.kubernetes.io/last-applied-configuration");
	add_summary(object, out);
}

/* ---- revisions ---- */

struct revision {
	int64_t number;
	char *text;
};
struct revision_list {
	const char *owner_uid;
	struct revision *items;
	size_t len, cap;
};

static void add_images(struct buf *out, const json_t *containers)
{
	size_t i;
	json_t *container;

	json_array_foreach(containers, i, container)
		buf_addf(out, "%s%s=%s", i ? ", " : "", json_string_value(json_object_get(container, "name")),
			 json_string_value(json_object_get(container, "image")) ? json_string_value(json_object_get(container, "image")) : "");
}

static bool on_revision(struct str text, void *arg, struct error *err)
{
	struct revision_list *list = arg;
	json_t *o = json_loadb(text.p, text.len, JSON_ALLOW_NUL, NULL), *metadata = json_object_get(o, "metadata");
	const json_t *data = json_object_get(o, "data"), *template = json_object_get(json_object_get(data ? data : o, "spec"), "template");
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	(void)err;
	if (o && manifest_is_owned_by(o, list->owner_uid)) {
		int64_t revision = manifest_revision(o);

		buf_addf(&line, "%-6lld %-22s ", (long long)revision, json_string_value(json_object_get(metadata, "creationTimestamp")));
		add_images(&line, json_object_get(json_object_get(template, "spec"), "containers"));
		if (json_integer_value(json_object_get(json_object_get(o, "spec"), "replicas")) > 0)
			buf_adds(&line, "  (runs)");
		LIST_PUSH(list->items, list->len, list->cap) = (struct revision){ revision, buf_give(&line) };
	}
	json_decref(o);
	return true;
}

static int newest_first(const void *a, const void *b)
{
	const struct revision *x = a, *y = b;

	return x->number > y->number ? -1 : x->number < y->number;
}

static bool revisions(struct kube *kube, const struct object_ref *object, const json_t *body, const struct cancel *cancel, struct buf *out,
		      struct error *err)
{
	const char *kind = strcmp(object->kind, "Deployment") == 0 ? "ReplicaSet" : "ControllerRevision";
	const struct kube_resource *resource = kube_find_kind(kube, "apps/v1", kind, cancel, err);
	const struct kube_list_options options = { .namespace = object->namespace };
	const char *uid = json_string_value(json_object_get(json_object_get(body, "metadata"), "uid"));
	struct revision_list list = { .owner_uid = uid ? uid : "" };
	bool good = resource && kube_list(kube, resource, &options, cancel, on_revision, &list, NULL, err);

	qsort(list.items, list.len, sizeof *list.items, newest_first);
	for (size_t i = 0; i < list.len; i++) {
		buf_addf(out, "%s\n", list.items[i].text);
		free(list.items[i].text);
	}
	free(list.items);
	if (!resource && !err->kind)
		return error_set(err, ERR_NOT_FOUND, "the server has no kind %s", kind);
	return good;
}

/* ---- keys and values ---- */

static void keys(const json_t *body, struct buf *out)
{
	static const char *const sections[] = { "data", "binaryData" };

	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		const char *key;
		json_t *value;

		json_object_foreach(json_object_get(body, sections[i]), key, value)
			buf_addf(out, "%s\n", key);
	}
}

static bool value_of(const json_t *body, const struct object_ref *object, const char *key, struct buf *out, struct error *err)
{
	const char *text = json_string_value(json_object_get(json_object_get(body, "data"), key));

	if (!text)
		return error_set(err, ERR_NOT_FOUND, "%s %s has no key %s any more", object->kind, object->name, key);
	if (strcmp(object->kind, "Secret") != 0)
		buf_adds(out, text);
	else if (!base64_decode(out, str_of(text), BASE64_STANDARD))
		return error_set(err, ERR_SERVER, "%s %s: the value of %s is not base64", object->kind, object->name, key);
	return true;
}

bool inspect(struct kube *kube, enum inspect_what what, const struct object_ref *object, const char *key, const struct cancel *cancel, struct buf *out,
	     struct error *err)
{
	const struct kube_resource *resource = kube_find_kind(kube, object->api_version, object->kind, cancel, err);
	json_t *body = NULL;
	bool good = true;

	if (!resource)
		return err->kind ? false : error_set(err, ERR_NOT_FOUND, "the server has no kind %s of %s", object->kind, object->api_version);
	if (!kube_get(kube, resource, object->namespace, object->name, cancel, &body, err))
		return false;
	if (what == INSPECT_MANIFEST)
		manifest_text(body, out);
	else if (what == INSPECT_SUMMARY)
		summary(body, out);
	else if (what == INSPECT_REVISIONS)
		good = revisions(kube, object, body, cancel, out, err);
	else if (what == INSPECT_KEYS)
		keys(body, out);
	else
		good = value_of(body, object, key, out, err);
	json_decref(body);
	return good;
}
