/*
 * Quotas that are certain to be broken (kubernetes.io, "Resource Quotas").
 *
 * Compared is what will be there when all is up: the plan's objects and the pods that they want, and what else is in the namespace. The
 * usage in a quota's status would count what this plan replaces twice, so the objects themselves are counted. Whatever is doubtful counts
 * as nothing: quotas with scopes, pods that end by themselves, defaults of a LimitRange, nodes that a DaemonSet does not have yet, with
 * --prune everything of others. A limit is not broken by a plan that takes no more of it than it has already.
 */
#include <stdlib.h>
#include <string.h>

#include "job/preflight_private.h"
#include "kube/api_version.h"
#include "model/quantity.h"

#define STORAGE_CLASS_INFIX ".storageclass.storage.k8s.io/"
#define ONE		    ((struct quantity){ 1000000000 })

struct limit;
/* What one object of the limit's resource takes; a pod's spec for pods. */
typedef struct quantity measure_fn(const struct limit *limit, const json_t *spec);

struct limit { /* one key of one quota */
	char *quota, *key, *hard_text;
	const struct kube_resource *resource; /* whose objects count */
	measure_fn *measure;
	const char *group; /* of containers: "requests" or "limits" */
	char *what;	   /* "cpu", or the storage class; NULL: any */
	bool bytes;
	struct quantity hard;
	struct quantity others, ours; /* in the cluster now */
	struct quantity planned, once; /* what stays; the largest that comes once (a Job's pod) */
	struct quantity largest;
	const struct deploy_object *largest_object;
	bool is_unknown; /* the cluster did not tell what is there */
};

struct quotas { /* of one namespace */
	struct preflight *p;
	const char *namespace;
	struct limit *limits;
	size_t n, cap;
	struct map plan;       /* "Kind/name" → struct deploy_object */
	struct map owners;     /* "ReplicaSet/name" → "Deployment/name" */
	struct map pods_of;    /* "DaemonSet/name" → how many pods it has */
	struct map minimums;   /* "Deployment/name" → least replicas of its HorizontalPodAutoscaler */
	const struct kube_resource *listed; /* at present */
	struct map seen;       /* names of the list: one that starts anew gives objects again */
};

/* ---- quantities ---- */

static struct quantity quantity_of(const json_t *value)
{
	AUTO_FREE char *number = json_is_number(value) ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
	const char *text = number ? number : json_string_value(value);
	struct quantity q = { 0 };

	return text && quantity_parse(str_of(text), &q) ? q : (struct quantity){ 0 };
}

/* Sums that would overflow stay as they are: nothing real comes near. */
static void add(struct quantity *sum, struct quantity q)
{
	quantity_add(*sum, q, sum);
}

static struct quantity times(struct quantity q, int64_t n)
{
	struct quantity product = { 0 };

	return __builtin_mul_overflow(q.nano, (__int128)n, &product.nano) ? q : product;
}

static struct quantity larger(struct quantity a, struct quantity b)
{
	return quantity_cmp(a, b) > 0 ? a : b;
}

/* As people write it: 1500m, 3; bytes as 512Mi. */
static void add_amount(struct buf *out, struct quantity q, bool bytes)
{
	static const char *const units[] = { "Gi", "Mi", "Ki" };
	int64_t milli = quantity_milli(q), whole = milli / 1000;

	if (milli % 1000) {
		buf_addf(out, "%lldm", (long long)milli);
		return;
	}
	for (size_t i = 0; bytes && i < ARRAY_LEN(units); i++) {
		int64_t unit = (int64_t)1 << (30 - 10 * i);

		if (whole && whole % unit == 0) {
			buf_addf(out, "%lld%s", (long long)(whole / unit), units[i]);
			return;
		}
	}
	buf_addf(out, "%lld", (long long)whole);
}

/* ---- what one object takes ---- */

/* A request that is missing is what the limit is. */
static struct quantity container_takes(const struct limit *limit, const json_t *container)
{
	const json_t *resources = json_object_get(container, "resources");
	const json_t *value = json_object_get(json_object_get(resources, limit->group), limit->what);

	return quantity_of(value ? value : json_object_get(json_object_get(resources, "limits"), limit->what));
}

/* Containers run together with the init containers that stay (restartPolicy Always); the others run before, one by one. */
static struct quantity measure_pod(const struct limit *limit, const json_t *spec)
{
	struct quantity together = { 0 }, peak = { 0 };
	const json_t *whole = json_object_get(json_object_get(json_object_get(spec, "resources"), limit->group), limit->what);
	size_t i;
	json_t *container;

	if (whole)
		return quantity_of(whole);
	json_array_foreach(json_object_get(spec, "initContainers"), i, container) {
		const char *policy = json_string_value(json_object_get(container, "restartPolicy"));
		struct quantity now = container_takes(limit, container);

		add(&now, together);
		peak = larger(peak, now);
		if (policy && strcmp(policy, "Always") == 0)
			together = now;
	}
	json_array_foreach(json_object_get(spec, "containers"), i, container)
		add(&together, container_takes(limit, container));
	return larger(together, peak);
}

static bool has_class(const struct limit *limit, const json_t *spec)
{
	const char *class = json_string_value(json_object_get(spec, "storageClassName"));

	return !limit->what || (class && strcmp(class, limit->what) == 0);
}

static struct quantity measure_one(const struct limit *limit, const json_t *spec)
{
	return has_class(limit, spec) ? ONE : (struct quantity){ 0 };
}

static struct quantity measure_storage(const struct limit *limit, const json_t *spec)
{
	const json_t *requests = json_object_get(json_object_get(spec, "resources"), "requests");

	return has_class(limit, spec) ? quantity_of(json_object_get(requests, "storage")) : (struct quantity){ 0 };
}

static bool is_of_type(const json_t *spec, const char *type)
{
	const char *own = json_string_value(json_object_get(spec, "type"));

	return own && strcmp(own, type) == 0;
}

static struct quantity measure_load_balancer(const struct limit *limit, const json_t *spec)
{
	(void)limit;
	return is_of_type(spec, "LoadBalancer") ? ONE : (struct quantity){ 0 };
}

static struct quantity measure_node_port(const struct limit *limit, const json_t *spec)
{
	(void)limit;
	return is_of_type(spec, "NodePort") ? ONE : (struct quantity){ 0 };
}

/* ---- the keys of a quota ---- */

struct meaning {
	const char *key, *word; /* of the resource, as people type it */
	measure_fn *measure;
	const char *group, *what;
};

static const struct meaning meanings[] = {
	{ "pods", "pods", measure_one, NULL, NULL },
	{ "services", "services", measure_one, NULL, NULL },
	{ "configmaps", "configmaps", measure_one, NULL, NULL },
	{ "secrets", "secrets", measure_one, NULL, NULL },
	{ "persistentvolumeclaims", "persistentvolumeclaims", measure_one, NULL, NULL },
	{ "replicationcontrollers", "replicationcontrollers", measure_one, NULL, NULL },
	{ "services.loadbalancers", "services", measure_load_balancer, NULL, NULL },
	{ "services.nodeports", "services", measure_node_port, NULL, NULL },
	{ "requests.storage", "persistentvolumeclaims", measure_storage, NULL, NULL },
	{ "cpu", "pods", measure_pod, "requests", "cpu" },
	{ "memory", "pods", measure_pod, "requests", "memory" },
	{ "ephemeral-storage", "pods", measure_pod, "requests", "ephemeral-storage" },
};

/* False: a key that we make nothing of. */
static bool find_meaning(const char *key, struct meaning *ret)
{
	static const struct {
		const char *prefix;
		struct meaning meaning; /* but for what stands behind the prefix */
	} prefixes[] = { { "requests.", { NULL, "pods", measure_pod, "requests", NULL } }, { "limits.", { NULL, "pods", measure_pod, "limits", NULL } } };

	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		if (strcmp(meanings[i].key, key) == 0) {
			*ret = meanings[i];
			return true;
		}
	}
	if (starts_with(key, "count/")) {
		*ret = (struct meaning){ .word = key + strlen("count/"), .measure = measure_one };
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		if (starts_with(key, prefixes[i].prefix)) {
			*ret = prefixes[i].meaning;
			ret->what = key + strlen(prefixes[i].prefix);
			return true;
		}
	}
	return false;
}

static bool counts_bytes(const struct meaning *meaning)
{
	return meaning->measure == measure_storage || (meaning->measure == measure_pod && strcmp(meaning->what, "cpu") != 0);
}

static void add_limit(struct quotas *q, const char *quota, const char *key, const json_t *hard)
{
	AUTO_RELEASE(error) ignored = { 0 };
	const char *infix = strstr(key, STORAGE_CLASS_INFIX);
	struct meaning meaning;

	if (!find_meaning(infix ? infix + strlen(STORAGE_CLASS_INFIX) : key, &meaning))
		return;
	const struct kube_resource *resource = kube_find_word(q->p->run->kube, meaning.word, q->p->run->cancel, &ignored);
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	if (!resource)
		return;
	add_amount(&text, quantity_of(hard), counts_bytes(&meaning));
	LIST_PUSH(q->limits, q->n, q->cap) = (struct limit){ .quota = xstrdup(quota),
							     .key = xstrdup(key),
							     .hard_text = buf_give(&text),
							     .resource = resource,
							     .measure = meaning.measure,
							     .bytes = counts_bytes(&meaning),
							     .group = meaning.group,
							     .what = infix ? xmemdup0(key, (size_t)(infix - key)) : meaning.what ? xstrdup(meaning.what) : NULL,
							     .hard = quantity_of(hard) };
}

static const char *name_of(const json_t *object)
{
	const char *name = json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));

	return name ? name : "";
}

static void add_quota(struct quotas *q, const json_t *quota)
{
	const json_t *spec = json_object_get(quota, "spec");
	const char *key;
	json_t *hard;

	if (json_array_size(json_object_get(spec, "scopes")) || json_object_get(spec, "scopeSelector"))
		return;
	json_object_foreach(json_object_get(spec, "hard"), key, hard)
		add_limit(q, name_of(quota), key, hard);
}

/* ---- the plan ---- */

static const struct deploy_object *find_planned(const struct quotas *q, const char *kind, const char *name)
{
	AUTO_FREE char *key = xasprintf("%s/%s", kind, name);

	return map_get(&q->plan, str_of(key));
}

static void add_autoscaler(struct quotas *q, const json_t *autoscaler)
{
	const json_t *spec = json_object_get(autoscaler, "spec");
	const json_t *target = json_object_get(spec, "scaleTargetRef"), *minimum = json_object_get(spec, "minReplicas");
	const char *kind = json_string_value(json_object_get(target, "kind")), *name = json_string_value(json_object_get(target, "name"));
	AUTO_FREE char *key = xasprintf("%s/%s", kind ? kind : "", name ? name : "");

	map_set(&q->minimums, str_of(key), (void *)(uintptr_t)(json_is_integer(minimum) ? json_integer_value(minimum) : 1));
}

/* What the plan says about the namespace besides its workloads. */
static void read_plan(struct quotas *q)
{
	static const struct {
		const char *kind;
		void (*read)(struct quotas *q, const json_t *tree);
	} rows[] = { { "ResourceQuota", add_quota }, { "HorizontalPodAutoscaler", add_autoscaler } };

	for (size_t i = 0; i < q->p->plan->len; i++) {
		const struct deploy_object *o = &q->p->plan->objects[i];

		if (strcmp(o->namespace, q->namespace) != 0)
			continue;
		AUTO_FREE char *key = xasprintf("%s/%s", o->kind, o->name);

		map_set(&q->plan, str_of(key), (void *)o);
		for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
			if (strcmp(o->kind, rows[r].kind) != 0)
				continue;
			json_t *tree = json_loadb(o->json, o->json_len, 0, NULL);

			rows[r].read(q, tree);
			json_decref(tree);
		}
	}
}

static bool is_pod_limit(const struct limit *limit)
{
	return strcmp(limit->resource->resource, "pods") == 0 && !*limit->resource->group;
}

static bool ends_by_itself(const json_t *pod_spec)
{
	const char *policy = json_string_value(json_object_get(pod_spec, "restartPolicy"));

	return policy && strcmp(policy, "Always") != 0;
}

static int64_t replicas(const struct quotas *q, const char *key, const json_t *spec)
{
	const json_t *wanted = json_object_get(spec, "replicas");
	int64_t n = json_is_integer(wanted) ? json_integer_value(wanted) : 1;
	int64_t least = map_has(&q->minimums, str_of(key)) ? (int64_t)(uintptr_t)map_get(&q->minimums, str_of(key)) : n;

	return least < n ? least : n;
}

static int64_t pods_there(const struct quotas *q, const char *key, const json_t *spec)
{
	(void)spec;
	return (int64_t)(uintptr_t)map_get(&q->pods_of, str_of(key));
}

static int64_t one_pod(const struct quotas *q, const char *key, const json_t *spec)
{
	(void)q, (void)key, (void)spec;
	return 1;
}

/* How many pods a workload wants for certain. */
static int64_t pods_wanted(const struct quotas *q, const struct deploy_object *o, const json_t *spec)
{
	static const struct {
		const char *group, *kind;
		int64_t (*count)(const struct quotas *q, const char *key, const json_t *spec);
	} rows[] = { { "apps", "Deployment", replicas }, { "apps", "StatefulSet", replicas }, { "apps", "ReplicaSet", replicas },
		     { "", "ReplicationController", replicas }, { "apps", "DaemonSet", pods_there }, { "batch", "Job", one_pod },
		     { "", "Pod", one_pod } };
	AUTO_FREE char *key = xasprintf("%s/%s", o->kind, o->name);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].kind, o->kind) == 0 && str_is(api_version_split(o->api_version).group, rows[i].group))
			return rows[i].count(q, key, spec);
	return 0;
}

static void note_largest(struct limit *limit, struct quantity amount, const struct deploy_object *o)
{
	if (quantity_cmp(amount, limit->largest) <= 0)
		return;
	limit->largest = amount;
	limit->largest_object = o;
}

static void count_pods_of(struct quotas *q, struct limit *limit, const struct deploy_object *o, const json_t *tree)
{
	const json_t *pod = preflight_pod_spec(o, tree);
	struct quantity amount = times(limit->measure(limit, pod), pods_wanted(q, o, json_object_get(tree, "spec")));

	if (!ends_by_itself(pod)) {
		add(&limit->planned, amount);
	} else if (preflight_look(q->p, o->api_version, o->kind, o->namespace, o->name) == PREFLIGHT_ABSENT) {
		limit->once = larger(limit->once, amount);
	} else {
		return;
	}
	note_largest(limit, amount, o);
}

static void count_object(struct limit *limit, const struct deploy_object *o, const json_t *tree)
{
	struct quantity amount = limit->measure(limit, json_object_get(tree, "spec"));

	if (!o->resource || strcmp(o->resource->resource, limit->resource->resource) != 0 || strcmp(o->resource->group, limit->resource->group) != 0)
		return;
	add(&limit->planned, amount);
	note_largest(limit, amount, o);
}

static void count_plan(struct quotas *q)
{
	for (size_t i = 0; i < q->plan.len; i++) {
		const struct deploy_object *o = q->plan.entries[i].value;
		json_t *tree = json_loadb(o->json, o->json_len, 0, NULL);

		for (size_t k = 0; k < q->n; k++)
			if (!is_pod_limit(&q->limits[k]))
				count_object(&q->limits[k], o, tree);
			else if (preflight_pod_spec(o, tree))
				count_pods_of(q, &q->limits[k], o, tree);
		json_decref(tree);
	}
}

/* ---- the cluster ---- */

static const json_t *controller_of(const json_t *metadata)
{
	size_t i;
	json_t *owner;

	json_array_foreach(json_object_get(metadata, "ownerReferences"), i, owner)
		if (json_is_true(json_object_get(owner, "controller")))
			return owner;
	return NULL;
}

static char *owner_key(const json_t *owner)
{
	const char *kind = json_string_value(json_object_get(owner, "kind")), *name = json_string_value(json_object_get(owner, "name"));

	return xasprintf("%s/%s", kind ? kind : "", name ? name : "");
}

static bool on_replica_set(struct str object, void *arg, struct error *err)
{
	struct quotas *q = arg;
	json_t *tree = json_loadb(object.p, object.len, JSON_ALLOW_NUL, NULL);
	const json_t *owner = controller_of(json_object_get(tree, "metadata"));
	AUTO_FREE char *key = xasprintf("ReplicaSet/%s", name_of(tree));

	(void)err;
	if (owner)
		map_set(&q->owners, str_of(key), owner_key(owner));
	json_decref(tree);
	return true;
}

/* Whether a pod is the plan's; counts those of DaemonSets. */
static bool is_pod_of_plan(struct quotas *q, const json_t *owner)
{
	AUTO_FREE char *key = owner_key(owner);
	const char *top = map_has(&q->owners, str_of(key)) ? map_get(&q->owners, str_of(key)) : key;

	if (!map_has(&q->plan, str_of(top)))
		return false;
	map_set(&q->pods_of, str_of(top), (char *)map_get(&q->pods_of, str_of(top)) + 1);
	return true;
}

/* What goes or ends by itself is not there. */
static bool stays(const json_t *tree, bool is_pod)
{
	const char *phase = json_string_value(json_object_get(json_object_get(tree, "status"), "phase"));

	if (json_object_get(json_object_get(tree, "metadata"), "deletionTimestamp"))
		return false;
	return !is_pod || !(ends_by_itself(json_object_get(tree, "spec")) || (phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)));
}

static bool on_live(struct str object, void *arg, struct error *err)
{
	struct quotas *q = arg;
	json_t *tree = json_loadb(object.p, object.len, JSON_ALLOW_NUL, NULL);
	bool is_pod = strcmp(q->listed->kind, "Pod") == 0, again = map_has(&q->seen, str_of(name_of(tree)));
	const json_t *owner = controller_of(json_object_get(tree, "metadata"));
	bool ours = find_planned(q, q->listed->kind, name_of(tree)) || (is_pod && owner && !again && is_pod_of_plan(q, owner));
	/* Other objects with a controller come and go with it. */
	bool counts = !again && stays(tree, is_pod) && (is_pod || ours || !owner);

	(void)err;
	map_set(&q->seen, str_of(name_of(tree)), NULL);
	for (size_t i = 0; counts && i < q->n; i++) {
		struct limit *limit = &q->limits[i];

		if (limit->resource == q->listed)
			add(ours ? &limit->ours : &limit->others, limit->measure(limit, json_object_get(tree, "spec")));
	}
	json_decref(tree);
	return true;
}

static bool list(struct quotas *q, const struct kube_resource *resource, bool metadata_only, kube_item_fn *on_item)
{
	AUTO_RELEASE(error) ignored = { 0 };
	struct kube_list_options options = { .namespace = q->namespace, .metadata_only = metadata_only };

	return kube_list(q->p->run->kube, resource, &options, q->p->run->cancel, on_item, q, NULL, &ignored);
}

static bool list_replica_sets(struct quotas *q)
{
	AUTO_RELEASE(error) ignored = { 0 };
	const struct kube_resource *r = kube_find_kind(q->p->run->kube, "apps/v1", "ReplicaSet", q->p->run->cancel, &ignored);

	return r && list(q, r, true, on_replica_set);
}

/* Once for each resource that a limit is about. */
static void count_cluster(struct quotas *q)
{
	AUTO_RELEASE(map) known = MAP_INIT(NULL); /* resource.group → whether it could be listed */

	for (size_t i = 0; i < q->n; i++) {
		struct limit *limit = &q->limits[i];
		AUTO_FREE char *key = xasprintf("%s.%s", limit->resource->resource, limit->resource->group);

		if (!map_has(&known, str_of(key))) {
			q->listed = limit->resource;
			map_release(&q->seen);
			bool good = (!is_pod_limit(limit) || list_replica_sets(q)) && list(q, limit->resource, strcmp(limit->resource->resource, "secrets") == 0, on_live);

			map_set(&known, str_of(key), good ? (void *)1 : NULL);
		}
		limit->is_unknown = !map_get(&known, str_of(key));
	}
}

/* ---- the whole ---- */

static void judge(struct quotas *q, const struct limit *limit)
{
	struct quantity wanted = limit->planned, total;
	AUTO_RELEASE(buf) ours = BUF_INIT(0);
	AUTO_RELEASE(buf) others = BUF_INIT(0);
	AUTO_RELEASE(buf) largest = BUF_INIT(0);

	add(&wanted, limit->once);
	total = wanted;
	if (!q->p->run->options->prune)
		add(&total, limit->others);
	if (limit->is_unknown || quantity_cmp(total, limit->hard) <= 0 || quantity_cmp(wanted, limit->ours) <= 0)
		return;
	add_amount(&ours, wanted, limit->bytes);
	add_amount(&others, limit->others, limit->bytes);
	add_amount(&largest, limit->largest, limit->bytes);
	AUTO_FREE char *hint = xasprintf("the most, %s, is for %s %s: let it want less, or raise the quota", buf_cstr(&largest), limit->largest_object->kind,
					 limit->largest_object->name);
	AUTO_FREE char *rest = limit->others.nano ? xasprintf(", what else is there takes %s", buf_cstr(&others)) : xstrdup("");

	preflight_tell(q->p, limit->largest_object, DIAG_ERROR, hint, "quota %s of namespace %s allows %s of %s; this plan takes %s%s", limit->quota,
		       q->namespace, limit->hard_text, limit->key, buf_cstr(&ours), rest);
}

static bool on_quota(struct str object, void *arg, struct error *err)
{
	struct quotas *q = arg;
	json_t *quota = json_loadb(object.p, object.len, JSON_ALLOW_NUL, NULL);

	(void)err;
	if (!find_planned(q, "ResourceQuota", name_of(quota))) /* the plan's own is the one that will hold */
		add_quota(q, quota);
	json_decref(quota);
	return true;
}

static void check_namespace(struct preflight *p, const char *namespace)
{
	AUTO_RELEASE(error) why = { 0 };
	struct quotas q = { .p = p, .namespace = namespace, .owners.free_value = free };
	const struct kube_resource *r = kube_find_kind(p->run->kube, "v1", "ResourceQuota", p->run->cancel, &why);
	struct kube_list_options options = { .namespace = namespace };

	read_plan(&q);
	if (r && !kube_list(p->run->kube, r, &options, p->run->cancel, on_quota, &q, NULL, &why))
		preflight_tell(p, NULL, DIAG_WARNING, NULL, "quotas of namespace %s can't be looked at: %s", namespace, why.message);
	count_cluster(&q);
	count_plan(&q);
	for (size_t i = 0; i < q.n; i++) {
		judge(&q, &q.limits[i]);
		free(q.limits[i].quota);
		free(q.limits[i].key);
		free(q.limits[i].hard_text);
		free(q.limits[i].what);
	}
	free(q.limits);
	map_release(&q.plan);
	map_release(&q.owners);
	map_release(&q.pods_of);
	map_release(&q.minimums);
	map_release(&q.seen);
}

void preflight_quotas(struct preflight *p)
{
	AUTO_RELEASE(map) seen = MAP_INIT(NULL);

	for (size_t i = 0; i < p->plan->len; i++) {
		const char *namespace = p->plan->objects[i].namespace;

		if (!*namespace || map_has(&seen, str_of(namespace)))
			continue;
		map_set(&seen, str_of(namespace), NULL);
		check_namespace(p, namespace);
	}
}
