#include "sim/world.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBDOMAIN                                                                                                      \
	"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define LABEL                                                                                                          \
	"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define LABEL1035                                                                                                      \
	"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
#define LABEL_VALUE                                                                                                    \
	"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

static void cause(json_t *causes, const char *field, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void cause(json_t *causes, const char *field, const char *reason, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	json_array_append_new(causes, json_pack("{s:s,s:s,s:s}", "reason", reason, "message", buf_cstr(&text), "field", field));
}

static void required(json_t *causes, const char *field, const char *detail)
{
	cause(causes, field, "FieldValueRequired", "Required value%s%s", *detail ? ": " : "", detail);
}

static void invalid(json_t *causes, const char *field, const json_t *value, const char *detail)
{
	AUTO_RELEASE(buf) text = BUF_INIT(4096);

	jx_dump(value, &text);
	cause(causes, field, "FieldValueInvalid", "Invalid value: %s: %s", value ? buf_cstr(&text) : "null", detail);
}

static bool label_ok(struct str s, bool dots, size_t max)
{
	if (!s.len || s.len > max)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (word)
			continue;
		if (i == 0 || i + 1 == s.len || (c != '-' && !(dots && c == '.')))
			return false;
		if (c == '.' && (s.p[i - 1] == '.' || s.p[i - 1] == '-' || s.p[i + 1] == '-' || s.p[i + 1] == '.'))
			return false;
	}
	return true;
}

static bool label_value_ok(struct str s)
{
	if (s.len > 63)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.p[i]) && (i == 0 || i + 1 == s.len || !strchr("-_.", s.p[i])))
			return false;
	return true;
}

static const char *const label_names[] = { "Namespace" };
static const char *const service_names[] = { "Service" };
static const char *const free_names[] = { "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding" };

static bool among(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static void check_name(const struct resource *r, const json_t *tree, json_t *causes)
{
	json_t *value = jget(tree, "metadata", "name");
	struct str name = str_of(json_string_value(value));

	if (!name.len) {
		required(causes, "metadata.name", "name or generateName is required");
		return;
	}
	if (among(free_names, ARRAY_LEN(free_names), r->kind) && !(r->flags & KIND_CUSTOM)) {
		if (memchr(name.p, '/', name.len) || memchr(name.p, '%', name.len))
			invalid(causes, "metadata.name", value, "may not contain '/'");
		return;
	}
	if (among(label_names, ARRAY_LEN(label_names), r->kind)) {
		if (name.len > 63)
			invalid(causes, "metadata.name", value, "must be no more than 63 characters");
		else if (!label_ok(name, false, 63))
			invalid(causes, "metadata.name", value, LABEL);
		return;
	}
	if (among(service_names, ARRAY_LEN(service_names), r->kind) && !*r->group) {
		if (!label_ok(name, false, 63) || !isalpha((unsigned char)name.p[0]))
			invalid(causes, "metadata.name", value, LABEL1035);
		return;
	}
	if (name.len > 253)
		invalid(causes, "metadata.name", value, "must be no more than 253 characters");
	else if (!label_ok(name, true, 253))
		invalid(causes, "metadata.name", value, SUBDOMAIN);
}

static void check_labels(const json_t *labels, const char *field, json_t *causes)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)labels, key, value)
		if (!label_value_ok((struct str){ json_string_value(value), json_string_length(value) }))
			invalid(causes, field, value, json_string_length(value) > 63 ? "must be no more than 63 bytes" : LABEL_VALUE);
}

static void check_annotations(const json_t *annotations, json_t *causes)
{
	size_t total = 0;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)annotations, key, value)
		total += strlen(key) + json_string_length(value);
	if (total > 256 * 1024)
		cause(causes, "metadata.annotations", "FieldValueTooLong", "Too long: may not be more than 262144 bytes");
}

static void immutable(const json_t *before, const json_t *tree, const char *path, json_t *causes)
{
	const json_t *old = before, *new = tree;
	struct str rest = str_of(path), step;

	if (!before)
		return;
	while (rest.len) {
		if (!str_cut(&rest, '.', &step)) {
			step = rest;
			rest.len = 0;
		}
		AUTO_FREE char *key = str_dup(step);

		old = json_object_get(old, key);
		new = json_object_get(new, key);
	}
	if ((old || new) && !(old && new && json_equal(old, new)))
		invalid(causes, path, new, "field is immutable");
}

/* ---- pods ---- */

static void containers(const json_t *list, const char *path, bool need_one, json_t *causes)
{
	if (need_one && !json_array_size(list)) {
		required(causes, path, "");
		return;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i), *ports = json_object_get(c, "ports"), *env = json_object_get(c, "env");
		AUTO_FREE char *name_at = xasprintf("%s[%zu].name", path, i), *image_at = xasprintf("%s[%zu].image", path, i);
		const char *name = jstr(c, "name");

		if (!*name)
			required(causes, name_at, "");
		else if (!label_ok(str_of(name), false, 63))
			invalid(causes, name_at, json_object_get(c, "name"), LABEL);
		else if (jx_find(list, "name", name) < (ptrdiff_t)i)
			cause(causes, name_at, "FieldValueDuplicate", "Duplicate value: \"%s\"", name);
		if (!*jstr(c, "image"))
			required(causes, image_at, "");
		else if (isspace((unsigned char)jstr(c, "image")[0]) || isspace((unsigned char)jstr(c, "image")[strlen(jstr(c, "image")) - 1]))
			invalid(causes, image_at, json_object_get(c, "image"), "must not have leading or trailing whitespace");
		for (size_t k = 0; k < json_array_size(ports); k++) {
			int64_t port = jint(0, json_array_get(ports, k), "containerPort");
			AUTO_FREE char *at = xasprintf("%s[%zu].ports[%zu].containerPort", path, i, k);

			if (!port)
				required(causes, at, "");
			else if (port < 1 || port > 65535)
				invalid(causes, at, json_object_get(json_array_get(ports, k), "containerPort"),
					"must be between 1 and 65535, inclusive");
		}
		for (size_t k = 0; k < json_array_size(env); k++) {
			AUTO_FREE char *at = xasprintf("%s[%zu].env[%zu].name", path, i, k);

			if (!*jstr(json_array_get(env, k), "name"))
				required(causes, at, "");
		}
		static const char *const names[] = { "cpu", "memory" };

		for (size_t n = 0; n < 2; n++) {
			const char *limit = jstr(c, "resources", "limits", names[n]), *request = jstr(c, "resources", "requests", names[n]);
			AUTO_FREE char *at = xasprintf("%s[%zu].resources.requests", path, i);

			if (*limit && *request && jx_milli(request) > jx_milli(limit))
				cause(causes, at, "FieldValueInvalid", "Invalid value: \"%s\": must be less than or equal to %s limit of %s",
				      request, names[n], limit);
		}
	}
}

static void mounts(const json_t *spec, const char *list_name, const char *path, json_t *causes)
{
	const json_t *list = json_object_get(spec, list_name), *volumes = json_object_get(spec, "volumes");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *items = json_object_get(json_array_get(list, i), "volumeMounts");

		for (size_t k = 0; k < json_array_size(items); k++) {
			const char *name = jstr(json_array_get(items, k), "name");
			AUTO_FREE char *at = xasprintf("%s.%s[%zu].volumeMounts[%zu].name", path, list_name, i, k);

			if (!*name)
				required(causes, at, "");
			else if (jx_find(volumes, "name", name) < 0)
				cause(causes, at, "FieldValueNotFound", "Not found: \"%s\"", name);
		}
	}
}

static void pod_spec(const json_t *spec, const char *path, const char *restart, json_t *causes)
{
	AUTO_FREE char *list = xasprintf("%s.containers", path), *init = xasprintf("%s.initContainers", path);
	AUTO_FREE char *policy = xasprintf("%s.restartPolicy", path), *volumes_at = xasprintf("%s.volumes", path);
	const json_t *volumes = json_object_get(spec, "volumes");

	for (size_t i = 0; i < json_array_size(volumes); i++) {
		const char *name = jstr(json_array_get(volumes, i), "name");
		AUTO_FREE char *at = xasprintf("%s[%zu].name", volumes_at, i);

		if (!*name)
			required(causes, at, "");
		else if (jx_find(volumes, "name", name) < (ptrdiff_t)i)
			cause(causes, at, "FieldValueDuplicate", "Duplicate value: \"%s\"", name);
	}
	containers(json_object_get(spec, "containers"), list, true, causes);
	containers(json_object_get(spec, "initContainers"), init, false, causes);
	mounts(spec, "containers", path, causes);
	mounts(spec, "initContainers", path, causes);
	if (restart && !strstr(restart, jstr(spec, "restartPolicy"))) {
		if (!strcmp(restart, "\"Always\""))
			cause(causes, policy, "FieldValueNotSupported", "Unsupported value: \"%s\": supported values: \"Always\"",
			      jstr(spec, "restartPolicy"));
		else
			cause(causes, policy, "FieldValueRequired", "Required value: valid values: %s", restart);
	}
}

static void of_pod(const json_t *before, const json_t *tree, json_t *causes)
{
	if (!before) {
		pod_spec(json_object_get(tree, "spec"), "spec", NULL, causes);
		return;
	}
	/* nearly everything of a living pod is fixed: compare without what may change */
	json_t *old = json_deep_copy(json_object_get(before, "spec")), *new = json_deep_copy(json_object_get(tree, "spec"));
	json_t *sides[2] = { old, new };

	for (size_t s = 0; s < 2; s++) {
		json_t *list = json_object_get(sides[s], "containers");

		for (size_t i = 0; i < json_array_size(list); i++) {
			json_object_del(json_array_get(list, i), "image");
			json_object_del(json_array_get(list, i), "resources");
		}
		json_object_del(sides[s], "nodeName");
		json_object_del(sides[s], "tolerations");
		json_object_del(sides[s], "activeDeadlineSeconds");
		json_object_del(sides[s], "terminationGracePeriodSeconds");
		json_object_del(sides[s], "ephemeralContainers");
	}
	if (!json_equal(old, new))
		cause(causes, "spec", "FieldValueForbidden",
		      "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)");
	json_decref(old);
	json_decref(new);
}

static void selector_of_template(const json_t *before, const json_t *tree, const char *kind, json_t *causes)
{
	const json_t *selector = jget(tree, "spec", "selector"), *labels = jget(tree, "spec", "template", "metadata", "labels");
	struct selector *parsed = NULL;

	(void)kind;
	if (!selector || json_is_null(selector))
		required(causes, "spec.selector", "");
	else if (jx_empty(json_object_get(selector, "matchLabels")) && jx_empty(json_object_get(selector, "matchExpressions")))
		invalid(causes, "spec.selector", selector, "empty selector is invalid for deployment");
	selector_of_object(selector, &parsed);
	if (!selector || !selector_labels(parsed, labels)) {
		json_t *none = json_object();

		invalid(causes, "spec.template.metadata.labels", labels ? labels : none,
			"`selector` does not match template `labels`");
		json_decref(none);
	}
	selector_destroy(parsed);
	check_labels(labels, "spec.template.labels", causes);
	if (before)
		immutable(before, tree, "spec.selector", causes);
}

static void of_workload(const json_t *before, const json_t *tree, json_t *causes)
{
	int64_t replicas = jint(0, tree, "spec", "replicas");

	if (replicas < 0)
		invalid(causes, "spec.replicas", jget(tree, "spec", "replicas"), "must be greater than or equal to 0");
	selector_of_template(before, tree, "", causes);
	pod_spec(jget(tree, "spec", "template", "spec"), "spec.template.spec", "\"Always\"", causes);
}

static void of_stateful_set(const json_t *before, const json_t *tree, json_t *causes)
{
	static const char *const may_change[] = { "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
						  "persistentVolumeClaimRetentionPolicy", "minReadySeconds" };
	json_t *sides[2];

	selector_of_template(NULL, tree, "", causes);
	json_t *spec = json_copy(jget(tree, "spec", "template", "spec")), *volumes = json_copy(json_object_get(spec, "volumes"));
	json_t *claims = jget(tree, "spec", "volumeClaimTemplates");

	if (spec && json_array_size(claims)) { /* each claim template is a volume of the pods */
		if (!volumes)
			volumes = json_array();
		for (size_t i = 0; i < json_array_size(claims); i++) {
			json_t *name = jget(json_array_get(claims, i), "metadata", "name");

			if (name && jx_find(volumes, "name", json_string_value(name)) < 0)
				json_array_append_new(volumes, json_pack("{s:O}", "name", name));
		}
		json_object_set(spec, "volumes", volumes);
	}
	pod_spec(spec, "spec.template.spec", "\"Always\"", causes);
	json_decref(volumes);
	json_decref(spec);
	if (!before)
		return;
	sides[0] = json_copy(json_object_get(before, "spec"));
	sides[1] = json_copy(json_object_get(tree, "spec"));
	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; i < ARRAY_LEN(may_change); i++)
			json_object_del(sides[s], may_change[i]);
	if (!json_equal(sides[0], sides[1]))
		cause(causes, "spec", "FieldValueForbidden",
		      "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
	json_decref(sides[0]);
	json_decref(sides[1]);
}

static void of_job(const json_t *before, const json_t *tree, json_t *causes)
{
	pod_spec(jget(tree, "spec", "template", "spec"), "spec.template.spec", "\"OnFailure\", \"Never\"", causes);
	immutable(before, tree, "spec.template", causes);
	immutable(before, tree, "spec.selector", causes);
	immutable(before, tree, "spec.completionMode", causes);
}

static void of_cron_job(const json_t *before, const json_t *tree, json_t *causes)
{
	(void)before;
	if (!*jstr(tree, "spec", "schedule"))
		required(causes, "spec.schedule", "");
	pod_spec(jget(tree, "spec", "jobTemplate", "spec", "template", "spec"), "spec.jobTemplate.spec.template.spec",
		 "\"OnFailure\", \"Never\"", causes);
}

static void of_service(const json_t *before, const json_t *tree, json_t *causes)
{
	const json_t *spec = json_object_get(tree, "spec"), *ports = json_object_get(spec, "ports");
	const char *type = jstr(spec, "type");
	const json_t *old_ip = jget(before, "spec", "clusterIP"), *ip = json_object_get(spec, "clusterIP");

	if (!json_array_size(ports) && strcmp(type, "ExternalName") && strcmp(jstr(spec, "clusterIP"), "None"))
		required(causes, "spec.ports", "");
	for (size_t i = 0; i < json_array_size(ports); i++) {
		const json_t *p = json_array_get(ports, i);
		AUTO_FREE char *at = xasprintf("spec.ports[%zu].port", i), *name_at = xasprintf("spec.ports[%zu].name", i);
		int64_t port = jint(0, p, "port");

		if (json_array_size(ports) > 1 && !*jstr(p, "name"))
			required(causes, name_at, "");
		if (port < 1 || port > 65535)
			invalid(causes, at, json_object_get(p, "port"), "must be between 1 and 65535, inclusive");
		for (size_t k = 0; k < i; k++) {
			const json_t *q = json_array_get(ports, k);

			if (jint(0, q, "port") == port && !strcmp(jstr(q, "protocol"), jstr(p, "protocol"))) {
				AUTO_FREE char *dup_at = xasprintf("spec.ports[%zu]", i);

				cause(causes, dup_at, "FieldValueDuplicate", "Duplicate value: {\"port\":%lld,\"protocol\":\"%s\"}",
				      (long long)port, jstr(p, "protocol"));
			}
		}
	}
	if (before && old_ip && ip && !json_equal(old_ip, ip) && strcmp(jstr(before, "spec", "type"), "ExternalName"))
		invalid(causes, "spec.clusterIPs[0]", json_object_get(spec, "clusterIPs"),
			"may not change once set");
}

static void data_keys(const json_t *map, const char *field, json_t *causes)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)map, key, value) {
		size_t len = strlen(key);
		bool good = len > 0 && len <= 253;

		for (size_t i = 0; i < len; i++)
			good = good && (isalnum((unsigned char)key[i]) || strchr("-_.", key[i]));
		if (!good) {
			AUTO_FREE char *at = xasprintf("%s[%s]", field, key);

			cause(causes, at, "FieldValueInvalid",
			      "Invalid value: \"%s\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
			      key);
		}
	}
}

static void of_config_map(const json_t *before, const json_t *tree, json_t *causes)
{
	data_keys(json_object_get(tree, "data"), "data", causes);
	if (json_is_true(json_object_get(before, "immutable"))) {
		json_t *old = json_object_get(before, "data"), *new = json_object_get(tree, "data");

		if ((old || new) && !(old && new && json_equal(old, new)))
			cause(causes, "data", "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set");
	}
}

static void of_secret(const json_t *before, const json_t *tree, json_t *causes)
{
	data_keys(json_object_get(tree, "data"), "data", causes);
	immutable(before, tree, "type", causes);
	if (!strcmp(jstr(tree, "type"), "kubernetes.io/tls")) {
		if (!jget(tree, "data", "tls.crt"))
			required(causes, "data[tls.crt]", "");
		if (!jget(tree, "data", "tls.key"))
			required(causes, "data[tls.key]", "");
	}
}

static void of_claim(const json_t *before, const json_t *tree, json_t *causes)
{
	if (!json_array_size(jget(tree, "spec", "accessModes")))
		required(causes, "spec.accessModes", "at least 1 access mode is required");
	if (!*jstr(tree, "spec", "resources", "requests", "storage"))
		required(causes, "spec.resources[storage]", "");
	if (!before)
		return;
	json_t *sides[2] = { json_copy(json_object_get(before, "spec")), json_copy(json_object_get(tree, "spec")) };

	for (size_t s = 0; s < 2; s++) {
		json_object_del(sides[s], "resources");
		json_object_del(sides[s], "volumeAttributesClassName");
		if (!*jstr(before, "spec", "volumeName"))
			json_object_del(sides[s], "volumeName");
	}
	if (!json_equal(sides[0], sides[1]))
		cause(causes, "spec", "FieldValueForbidden",
		      "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims");
	else if (jx_milli(jstr(tree, "spec", "resources", "requests", "storage")) <
		 jx_milli(jstr(before, "spec", "resources", "requests", "storage")))
		cause(causes, "spec.resources.requests.storage", "FieldValueForbidden",
		      "Forbidden: field can not be less than status.capacity");
	json_decref(sides[0]);
	json_decref(sides[1]);
}

static void of_binding(const json_t *before, const json_t *tree, json_t *causes)
{
	const json_t *old = json_object_get(before, "roleRef"), *new = json_object_get(tree, "roleRef");

	if (!*jstr(tree, "roleRef", "name"))
		required(causes, "roleRef.name", "");
	if (before && !(old && new && json_equal(old, new)))
		invalid(causes, "roleRef", new, "cannot change roleRef");
}

static void of_ingress(const json_t *before, const json_t *tree, json_t *causes)
{
	const json_t *rules = jget(tree, "spec", "rules");

	(void)before;
	if (!json_array_size(rules) && !jget(tree, "spec", "defaultBackend"))
		cause(causes, "spec", "FieldValueInvalid", "Invalid value: {}: either `defaultBackend` or `rules` must be specified");
	for (size_t i = 0; i < json_array_size(rules); i++) {
		const json_t *paths = jget(json_array_get(rules, i), "http", "paths");

		for (size_t k = 0; k < json_array_size(paths); k++) {
			AUTO_FREE char *at = xasprintf("spec.rules[%zu].http.paths[%zu].pathType", i, k);

			if (!*jstr(json_array_get(paths, k), "pathType"))
				required(causes, at, "pathType must be specified");
		}
	}
}

static void of_definition(const json_t *before, const json_t *tree, json_t *causes)
{
	AUTO_FREE char *name = xasprintf("%s.%s", jstr(tree, "spec", "names", "plural"), jstr(tree, "spec", "group"));

	(void)before;
	if (strcmp(name, jstr(tree, "metadata", "name")))
		invalid(causes, "metadata.name", jget(tree, "metadata", "name"),
			"must be spec.names.plural+\".\"+spec.group");
	if (!json_array_size(jget(tree, "spec", "versions")))
		required(causes, "spec.versions", "");
}

static void of_storage_class(const json_t *before, const json_t *tree, json_t *causes)
{
	if (!*jstr(tree, "provisioner"))
		required(causes, "provisioner", "");
	if (before && strcmp(jstr(before, "provisioner"), jstr(tree, "provisioner")))
		cause(causes, "provisioner", "FieldValueForbidden", "Forbidden: updates to provisioner are forbidden.");
	if (before && strcmp(jstr(before, "reclaimPolicy"), jstr(tree, "reclaimPolicy")))
		cause(causes, "reclaimPolicy", "FieldValueForbidden", "Forbidden: updates to reclaimPolicy are forbidden.");
}

static const struct {
	const char *kind;
	void (*check)(const json_t *before, const json_t *tree, json_t *causes);
} checks[] = {
	{ "Pod", of_pod },
	{ "Deployment", of_workload },
	{ "ReplicaSet", of_workload },
	{ "DaemonSet", of_workload },
	{ "StatefulSet", of_stateful_set },
	{ "Job", of_job },
	{ "CronJob", of_cron_job },
	{ "Service", of_service },
	{ "ConfigMap", of_config_map },
	{ "Secret", of_secret },
	{ "PersistentVolumeClaim", of_claim },
	{ "RoleBinding", of_binding },
	{ "ClusterRoleBinding", of_binding },
	{ "Ingress", of_ingress },
	{ "CustomResourceDefinition", of_definition },
	{ "StorageClass", of_storage_class },
};

/* ---- custom kinds: what their schema asks of values ---- */

static const char *open_api_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT: return "object";
	case JSON_ARRAY: return "array";
	case JSON_STRING: return "string";
	case JSON_INTEGER: return "integer";
	case JSON_REAL: return "number";
	case JSON_NULL: return "null";
	default: return "boolean";
	}
}

static bool of_type(const json_t *schema, const json_t *value, const char *path, json_t *causes)
{
	const char *type = jstr(schema, "type"), *have = open_api_name(value);

	if (!*type || json_is_true(json_object_get(schema, "x-kubernetes-int-or-string")) || !strcmp(type, have) ||
	    (!strcmp(type, "number") && json_is_number(value)) || json_is_true(json_object_get(schema, "nullable")))
		return true;
	cause(causes, path, "FieldValueTypeInvalid", "Invalid value: \"%s\": %s in body must be of type %s: \"%s\"", have, path, type, have);
	return false;
}

static void of_enum(const json_t *list, const json_t *value, const char *path, json_t *causes)
{
	AUTO_RELEASE(buf) supported = BUF_INIT(0), text = BUF_INIT(0);

	for (size_t i = 0; i < json_array_size(list); i++) {
		if (json_equal(json_array_get(list, i), value))
			return;
		if (i)
			buf_adds(&supported, ", ");
		jx_dump(json_array_get(list, i), &supported);
	}
	jx_dump(value, &text);
	cause(causes, path, "FieldValueNotSupported", "Unsupported value: %s: supported values: %s", buf_cstr(&text), buf_cstr(&supported));
}

static void of_range(const json_t *schema, const json_t *value, const char *path, json_t *causes)
{
	const json_t *low = json_object_get(schema, "minimum"), *high = json_object_get(schema, "maximum");
	AUTO_RELEASE(buf) text = BUF_INIT(0), limit = BUF_INIT(0);
	bool small = low && json_number_value(value) < json_number_value(low);
	bool large = high && json_number_value(value) > json_number_value(high);

	if (!json_is_number(value) || (!small && !large))
		return;
	jx_dump(value, &text);
	jx_dump(small ? low : high, &limit);
	cause(causes, path, "FieldValueInvalid", "Invalid value: %s: %s in body should be %s than or equal to %s", buf_cstr(&text), path,
	      small ? "greater" : "less", buf_cstr(&limit));
}

static void custom_value(const json_t *schema, const json_t *value, const char *path, unsigned depth, json_t *causes)
{
	json_t *properties = json_object_get(schema, "properties"), *needed = json_object_get(schema, "required"), *child;
	const char *key;

	if (depth > 100 || !json_is_object(schema) || !of_type(schema, value, path, causes))
		return;
	if (json_object_get(schema, "enum"))
		of_enum(json_object_get(schema, "enum"), value, path, causes);
	of_range(schema, value, path, causes);
	for (size_t i = 0; json_is_object(value) && i < json_array_size(needed); i++) {
		const char *name = json_string_value(json_array_get(needed, i));
		AUTO_FREE char *at = xasprintf("%s%s%s", path, *path ? "." : "", name ? name : "");

		if (name && !json_object_get(value, name))
			required(causes, at, "");
	}
	if (json_is_object(value))
		json_object_foreach((json_t *)value, key, child) {
			AUTO_FREE char *at = xasprintf("%s%s%s", path, *path ? "." : "", key);
			const json_t *below = json_object_get(properties, key);

			custom_value(below ? below : json_object_get(schema, "additionalProperties"), child, at, depth + 1, causes);
		}
	for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
		AUTO_FREE char *at = xasprintf("%s[%zu]", path, i);

		custom_value(json_object_get(schema, "items"), json_array_get(value, i), at, depth + 1, causes);
	}
}

void validate_object(const struct resource *resource, const json_t *before, const json_t *tree, json_t *causes)
{
	check_name(resource, tree, causes);
	check_labels(jget(tree, "metadata", "labels"), "metadata.labels", causes);
	check_annotations(jget(tree, "metadata", "annotations"), causes);
	if (resource->flags & KIND_CUSTOM) {
		custom_value(resource->open_api, tree, "", 0, causes);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		if (!strcmp(checks[i].kind, resource->kind))
			checks[i].check(before, tree, causes);
}
