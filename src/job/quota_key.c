#include "job/quota_key.h"

#include <stdlib.h>
#include <string.h>

#define STORAGE_CLASS_INFIX ".storageclass.storage.k8s.io/"
#define ONE		    ((struct quantity){ 1000000000 })
#define NOTHING		    ((struct quantity){ 0 })

/* ---- quantities ---- */

struct quantity quota_amount(const json_t *value)
{
	AUTO_FREE char *number = json_is_number(value) ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
	const char *text = number ? number : json_string_value(value);
	struct quantity q;

	return text && quantity_parse(str_of(text), &q) ? q : NOTHING;
}

/* Sums that would overflow stay as they are: nothing real comes near. */
static void add(struct quantity *sum, struct quantity q)
{
	quantity_add(*sum, q, sum);
}

static struct quantity larger(struct quantity a, struct quantity b)
{
	return quantity_cmp(a, b) > 0 ? a : b;
}

/* ---- what one object takes ---- */

/* A request that is missing is what the limit is. */
static const json_t *said_by(const struct quota_key *key, const json_t *container)
{
	const json_t *resources = json_object_get(container, "resources");
	const json_t *value = json_object_get(json_object_get(resources, key->group), key->what);

	return value ? value : json_object_get(json_object_get(resources, "limits"), key->what);
}

/* Containers run together with the init containers that stay (restartPolicy Always); the others run before, one by one. */
static struct quantity measure_pod(const struct quota_key *key, const json_t *spec)
{
	struct quantity together = NOTHING, peak = NOTHING;
	const json_t *whole = json_object_get(json_object_get(json_object_get(spec, "resources"), key->group), key->what);
	size_t i;
	json_t *container;

	if (whole)
		return quota_amount(whole);
	json_array_foreach(json_object_get(spec, "initContainers"), i, container) {
		const char *policy = json_string_value(json_object_get(container, "restartPolicy"));
		struct quantity now = quota_amount(said_by(key, container));

		add(&now, together);
		peak = larger(peak, now);
		if (policy && strcmp(policy, "Always") == 0)
			together = now;
	}
	json_array_foreach(json_object_get(spec, "containers"), i, container)
		add(&together, quota_amount(said_by(key, container)));
	return larger(together, peak);
}

static bool is_text(const json_t *spec, const char *name, const char *wanted)
{
	const char *text = json_string_value(json_object_get(spec, name));

	return text && strcmp(text, wanted) == 0;
}

static bool has_class(const struct quota_key *key, const json_t *spec)
{
	return !key->what || is_text(spec, "storageClassName", key->what);
}

static struct quantity measure_one(const struct quota_key *key, const json_t *spec)
{
	return has_class(key, spec) ? ONE : NOTHING;
}

static struct quantity measure_storage(const struct quota_key *key, const json_t *spec)
{
	const json_t *requests = json_object_get(json_object_get(spec, "resources"), "requests");

	return has_class(key, spec) ? quota_amount(json_object_get(requests, "storage")) : NOTHING;
}

static struct quantity measure_load_balancer(const struct quota_key *key, const json_t *spec)
{
	(void)key;
	return is_text(spec, "type", "LoadBalancer") ? ONE : NOTHING;
}

static struct quantity measure_node_ports(const struct quota_key *key, const json_t *spec)
{
	(void)key;
	return is_text(spec, "type", "NodePort") ? (struct quantity){ ONE.nano * (__int128)json_array_size(json_object_get(spec, "ports")) } : NOTHING;
}

struct quantity quota_key_takes(const struct quota_key *key, const json_t *spec)
{
	return key->measure(key, spec);
}

static bool is_compute(const struct quota_key *key)
{
	return key->measure == measure_pod && (strcmp(key->what, "cpu") == 0 || strcmp(key->what, "memory") == 0);
}

const char *quota_key_silent_container(const struct quota_key *key, const json_t *pod_spec)
{
	static const char *const lists[] = { "initContainers", "containers" };
	size_t i;
	json_t *container;

	if (!is_compute(key) || json_object_get(pod_spec, "resources"))
		return NULL;
	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		json_array_foreach(json_object_get(pod_spec, lists[l]), i, container) {
			const char *name = json_string_value(json_object_get(container, "name"));

			if (!said_by(key, container))
				return name ? name : "";
		}
	}
	return NULL;
}

/* ---- the keys ---- */

static const struct {
	const char *text, *word;
	quota_measure_fn *measure;
	const char *group, *what;
} rows[] = {
	{ "pods", "pods", measure_one, NULL, NULL },
	{ "services", "services", measure_one, NULL, NULL },
	{ "configmaps", "configmaps", measure_one, NULL, NULL },
	{ "secrets", "secrets", measure_one, NULL, NULL },
	{ "persistentvolumeclaims", "persistentvolumeclaims", measure_one, NULL, NULL },
	{ "replicationcontrollers", "replicationcontrollers", measure_one, NULL, NULL },
	{ "services.loadbalancers", "services", measure_load_balancer, NULL, NULL },
	{ "services.nodeports", "services", measure_node_ports, NULL, NULL },
	{ "requests.storage", "persistentvolumeclaims", measure_storage, NULL, NULL },
	{ "cpu", "pods", measure_pod, "requests", "cpu" },
	{ "memory", "pods", measure_pod, "requests", "memory" },
	{ "ephemeral-storage", "pods", measure_pod, "requests", "ephemeral-storage" },
};

static bool starts(struct str text, struct str prefix, const char **ret_rest)
{
	*ret_rest = text.p + prefix.len;
	return str_starts(text, prefix);
}

static bool parse_plain(const char *text, struct quota_key *ret)
{
	struct str all = str_of(text);
	const char *rest;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].text, text) != 0)
			continue;
		*ret = (struct quota_key){ .word = rows[i].word, .measure = rows[i].measure, .group = rows[i].group,
					   .what = rows[i].what ? xstrdup(rows[i].what) : NULL };
		return true;
	}
	if (starts(all, STR("count/"), &rest))
		*ret = (struct quota_key){ .word = rest, .measure = measure_one };
	else if (starts(all, STR("requests."), &rest))
		*ret = (struct quota_key){ .word = "pods", .measure = measure_pod, .group = "requests", .what = xstrdup(rest) };
	else if (starts(all, STR("limits."), &rest))
		*ret = (struct quota_key){ .word = "pods", .measure = measure_pod, .group = "limits", .what = xstrdup(rest) };
	else
		return false;
	return true;
}

bool quota_key_parse(const char *text, struct quota_key *ret)
{
	const char *infix = strstr(text, STORAGE_CLASS_INFIX);
	struct quota_key key;

	if (!parse_plain(infix ? infix + strlen(STORAGE_CLASS_INFIX) : text, &key))
		return false;
	if (infix) {
		free(key.what);
		key.what = xmemdup0(text, (size_t)(infix - text));
	}
	*ret = key;
	return true;
}

void quota_key_release(struct quota_key *key)
{
	free(key->what);
}

void quota_key_format(const struct quota_key *key, struct quantity amount, struct buf *out)
{
	static const char *const units[] = { "Gi", "Mi", "Ki" };
	bool bytes = key->measure == measure_storage || (key->measure == measure_pod && strcmp(key->what, "cpu") != 0);
	int64_t milli = quantity_milli(amount), whole = milli / 1000;

	if (milli % 1000) {
		buf_addf(out, "%lldm", (long long)milli);
		return;
	}
	for (size_t i = 0; bytes && whole && i < ARRAY_LEN(units); i++) {
		int64_t unit = (int64_t)1 << (30 - 10 * i);

		if (whole % unit == 0) {
			buf_addf(out, "%lld%s", (long long)(whole / unit), units[i]);
			return;
		}
	}
	buf_addf(out, "%lld", (long long)whole);
}
