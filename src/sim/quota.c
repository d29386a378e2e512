#include "sim/quota.h"

#include <stdio.h>
#include <string.h>

/* What one object uses of a quota's key, in thousandths; 0 when the key does not concern it. */
static int64_t usage(const struct resource *r, const json_t *tree, const char *key)
{
	const char *dot = strchr(key, '.');
	json_t *containers = jget(tree, "spec", "containers");
	int64_t sum = 0;

	if (!strncmp(key, "count/", 6)) {
		char name[256];

		snprintf(name, sizeof name, "%s%s%s", r->plural, *r->group ? "." : "", r->group);
		return !strcmp(key + 6, name) ? 1000 : 0;
	}
	if (!strcmp(key, r->plural) && !*r->group)
		return 1000;
	if (!strcmp(key, "requests.storage") && !strcmp(r->kind, "PersistentVolumeClaim"))
		return jx_milli(jstr(tree, "spec", "resources", "requests", "storage"));
	if (!strcmp(key, "services.loadbalancers") || !strcmp(key, "services.nodeports"))
		return !strcmp(r->kind, "Service") &&
			       !strcmp(jstr(tree, "spec", "type"), strstr(key, "load") ? "LoadBalancer" : "NodePort") ? 1000 : 0;
	if (strcmp(r->kind, "Pod") || *r->group)
		return 0;
	const char *part = !strncmp(key, "limits.", 7) ? "limits" : "requests", *what = dot ? dot + 1 : key;

	if (strcmp(what, "cpu") && strcmp(what, "memory") && !strchr(what, '/')) /* "nvidia.com/gpu" */
		return 0;
	for (size_t i = 0; i < json_array_size(containers); i++)
		sum += jx_milli(jstr(json_array_get(containers, i), "resources", part, what));
	return sum;
}

static bool counts(const struct resource *r, const json_t *tree)
{
	const char *phase = jstr(tree, "status", "phase");

	return strcmp(r->kind, "Pod") || (strcmp(phase, "Succeeded") && strcmp(phase, "Failed"));
}

static json_t *quantity(int64_t milli, const char *like)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	if (milli % 1000)
		buf_addf(&text, "%lldm", (long long)milli);
	else if (strchr(like, 'i') && milli / 1000 % 1024 == 0 && milli)
		buf_addf(&text, "%lldKi", (long long)(milli / 1000 / 1024));
	else
		buf_addf(&text, "%lld", (long long)(milli / 1000));
	AUTO_FREE char *canonical = jx_quantity(buf_cstr(&text));

	return json_string(canonical ? canonical : "0");
}

json_t *quota_used(struct sim *sim, const char *ns, const json_t *hard)
{
	json_t *used = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)hard, key, value) {
		int64_t sum = 0;

		for (size_t i = 0; i < sim->nresources; i++) {
			struct resource *r = sim->resources[i];
			size_t n, from;

			if (!r->namespaced || r->storage != r)
				continue;
			from = store_range(r, ns, &n);
			for (size_t k = from; k < from + n; k++) {
				json_t *tree = store_tree(r->objects[k]);

				if (counts(r, tree))
					sum += usage(r, tree, key);
				json_decref(tree);
			}
		}
		json_object_set_new(used, key, quantity(sum, json_string_value(value) ? json_string_value(value) : ""));
	}
	return used;
}

static void add(struct buf *out, const char *key, const json_t *value)
{
	buf_addf(out, "%s%s=%s", out->len ? "," : "", key, json_string_value(value));
}

static bool one_quota(struct sim *sim, const struct resource *r, const struct object *quota, const json_t *tree,
		      struct error *err)
{
	AUTO_RELEASE(buf) requested = BUF_INIT(0), used_text = BUF_INIT(0), limited = BUF_INIT(0), missing = BUF_INIT(0);
	json_t *q = store_tree(quota), *hard = jget(q, "spec", "hard"), *used = NULL, *value;
	const char *key;

	json_object_foreach(hard, key, value) {
		int64_t wants = usage(r, tree, key), have;

		if (!wants && !strcmp(r->kind, "Pod") && !*r->group &&
		    (strstr(key, "cpu") || strstr(key, "memory")))
			buf_addf(&missing, "%s%s for: %s", missing.len ? "; " : "", key,
				 jstr(json_array_get(jget(tree, "spec", "containers"), 0), "name"));
		if (!wants)
			continue;
		if (!used)
			used = quota_used(sim, quota->ns, hard);
		have = jx_milli(jstr(used, key));
		if (have + wants > jx_milli(json_string_value(value))) {
			json_t *text = quantity(wants, json_string_value(value));

			add(&requested, key, text);
			add(&used_text, key, json_object_get(used, key));
			add(&limited, key, value);
			json_decref(text);
		}
	}
	json_decref(used);
	json_decref(q);
	if (missing.len)
		return error_set(err, ERR_DENIED, "failed quota: %s: must specify %s", quota->name, buf_cstr(&missing));
	if (requested.len)
		return error_set(err, ERR_DENIED, "exceeded quota: %s, requested: %s, used: %s, limited: %s", quota->name,
				 buf_cstr(&requested), buf_cstr(&used_text), buf_cstr(&limited));
	return true;
}

static bool account_exists(struct sim *sim, const char *ns, const json_t *tree, struct error *err)
{
	const char *name = jstr(tree, "spec", "serviceAccountName");

	if (!*name || store_find(kinds_plural(sim, "", "v1", "serviceaccounts"), ns, name))
		return true;
	return error_set(err, ERR_DENIED, "error looking up service account %s/%s: serviceaccount \"%s\" not found", ns, name,
			 name);
}

bool quota_admit(struct sim *sim, const struct resource *resource, const char *ns, const json_t *tree, bool dry_run,
		 struct error *err)
{
	const struct resource *quotas = kinds_plural(sim, "", "v1", "resourcequotas");
	size_t n, from;

	(void)dry_run;
	if (!resource->namespaced)
		return true;
	if (!strcmp(resource->kind, "Pod") && !*resource->group && !account_exists(sim, ns, tree, err))
		return false;
	from = store_range(quotas, ns, &n);
	for (size_t i = from; i < from + n; i++)
		if (!one_quota(sim, resource, quotas->objects[i], tree, err))
			return false;
	return true;
}

static void fill_limits(json_t *container, const char *part, const json_t *defaults)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)defaults, key, value)
		if (!jget(container, "resources", part, key))
			jset(container, json_incref(value), "resources", part, key);
}

bool limits_admit(struct sim *sim, const struct resource *resource, const char *ns, json_t *tree)
{
	const struct resource *ranges = kinds_plural(sim, "", "v1", "limitranges");
	size_t n, from;

	if (strcmp(resource->kind, "Pod") || *resource->group)
		return true;
	from = store_range(ranges, ns, &n);
	for (size_t i = from; i < from + n; i++) {
		json_t *range = store_tree(ranges->objects[i]), *limits = jget(range, "spec", "limits");
		json_t *containers = jget(tree, "spec", "containers");

		for (size_t k = 0; k < json_array_size(limits); k++)
			for (size_t c = 0; c < json_array_size(containers); c++) {
				json_t *limit = json_array_get(limits, k), *container = json_array_get(containers, c);

				if (strcmp(jstr(limit, "type"), "Container"))
					continue;
				fill_limits(container, "limits", json_object_get(limit, "default"));
				fill_limits(container, "requests", json_object_get(limit, "defaultRequest"));
				fill_limits(container, "requests", jget(container, "resources", "limits"));
			}
		json_decref(range);
	}
	return true;
}
