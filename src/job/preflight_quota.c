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
#include "job/quota_key.h"
#include "kube/api_version.h"

struct limit { /* one key of one quota */
	char *quota, *text;
	struct quota_key key; /* what text means */
	const struct kube_resource *resource; /* whose objects count */
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
	struct map defaults;   /* "requests cpu" → what LimitRanges give containers without it; complete when looked_at_defaults */
	bool looked_at_defaults;
	const struct kube_resource *listed; /* at present */
	struct map seen;       /* names of the list: one that starts anew gives objects again */
};

static void limit_release(struct limit *limit)
{
	free(limit->quota);
	free(limit->text);
	quota_key_release(&limit->key);
}
DEFINE_AUTO_RELEASE(limit);

static void add_limit(struct quotas *q, const char *quota, const char *key, const json_t *hard)
{
	AUTO_RELEASE(error) ignored = { 0 };
	AUTO_RELEASE(limit) limit = { .quota = xstrdup(quota), .text = xstrdup(key), .hard = quota_amount(hard) };

	if (!quota_key_parse(limit.text, &limit.key))
		return;
	limit.resource = kube_find_word(q->p->run->kube, limit.key.word, q->p->run->cancel, &ignored);
	if (!limit.resource)
		return;
	LIST_PUSH(q->limits, q->n, q->cap) = limit;
	limit = (struct limit){ 0 };
}

/* Sums that would overflow stay as they are: nothing real comes near. */
static void add(struct quantity *sum, struct quantity q)
{
	quantity_add(*sum, q, sum);
}

static struct quantity times(struct quantity q, int64_t n)
{
	struct quantity product;

	return __builtin_mul_overflow(q.nano, (__int128)n, &product.nano) ? q : product;
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

static bool list(struct quotas *q, const struct kube_resource *resource, bool metadata_only, kube_item_fn *on_item)
{
	AUTO_RELEASE(error) ignored = { 0 };
	struct kube_list_options options = { .namespace = q->namespace, .metadata_only = metadata_only };

	return kube_list(q->p->run->kube, resource, &options, q->p->run->cancel, on_item, q, NULL, &ignored);
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

/* ---- what a quota wants every container to say ---- */

static bool on_limit_range(struct str object, void *arg, struct error *err)
{
	static const struct {
		const char *key, *group;
	} rows[] = { { "default", "limits" }, { "default", "requests" }, { "defaultRequest", "requests" } };
	struct quotas *q = arg;
	json_t *tree = json_loadb(object.p, object.len, JSON_ALLOW_NUL, NULL), *item, *value;
	const char *resource;
	size_t i;

	(void)err;
	json_array_foreach(json_object_get(json_object_get(tree, "spec"), "limits"), i, item) {
		for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
			json_object_foreach(json_object_get(item, rows[r].key), resource, value) {
				AUTO_FREE char *key = xasprintf("%s %s", rows[r].group, resource);

				map_set(&q->defaults, str_of(key), NULL);
			}
		}
	}
	json_decref(tree);
	return true;
}

/* Whether containers without it get it, as far as can be known. */
static bool has_default(struct quotas *q, const struct limit *limit)
{
	AUTO_RELEASE(error) ignored = { 0 };
	AUTO_FREE char *key = xasprintf("%s %s", limit->key.group, limit->key.what);
	const struct kube_resource *r = kube_find_kind(q->p->run->kube, "v1", "LimitRange", q->p->run->cancel, &ignored);

	for (size_t i = 0; i < q->plan.len; i++)
		if (starts_with(q->plan.entries[i].key, "LimitRange/"))
			return true;
	if (!q->looked_at_defaults && !(r && list(q, r, false, on_limit_range)))
		return true;
	q->looked_at_defaults = true;
	return map_has(&q->defaults, str_of(key));
}

/* Pods that are there already came in. */
static void check_silence(struct quotas *q, const struct limit *limit, const struct deploy_object *o, const json_t *pod)
{
	AUTO_FREE char *key = xasprintf("%s/%s", o->kind, o->name);
	const char *silent = quota_key_silent_container(&limit->key, pod);

	if (!silent || limit->is_unknown || map_has(&q->pods_of, str_of(key)) || has_default(q, limit))
		return;
	preflight_tell(q->p, o, DIAG_ERROR, "set it, or make a LimitRange with a default",
		       "quota %s of namespace %s lets in no pod without %s: container %s of %s %s sets none", limit->quota, q->namespace, limit->text,
		       silent, o->kind, o->name);
}

/* ---- counting the plan ---- */

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
	int64_t pods = pods_wanted(q, o, json_object_get(tree, "spec"));
	struct quantity amount = times(quota_key_takes(&limit->key, pod), pods);

	if (pods > 0 && !ends_by_itself(pod))
		check_silence(q, limit, o, pod);
	if (!ends_by_itself(pod)) {
		add(&limit->planned, amount);
	} else if (preflight_look(q->p, o->api_version, o->kind, o->namespace, o->name) == PREFLIGHT_ABSENT) {
		if (quantity_cmp(amount, limit->once) > 0)
			limit->once = amount;
	} else {
		return;
	}
	note_largest(limit, amount, o);
}

static void count_object(struct limit *limit, const struct deploy_object *o, const json_t *tree)
{
	struct quantity amount = quota_key_takes(&limit->key, json_object_get(tree, "spec"));

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
			add(ours ? &limit->ours : &limit->others, quota_key_takes(&limit->key, json_object_get(tree, "spec")));
	}
	json_decref(tree);
	return true;
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

static char *amount_text(const struct limit *limit, struct quantity amount)
{
	struct buf text = BUF_INIT(0);

	quota_key_format(&limit->key, amount, &text);
	return buf_give(&text);
}

static void tell_breach(struct quotas *q, const struct limit *limit, struct quantity wanted)
{
	AUTO_FREE char *hard = amount_text(limit, limit->hard), *ours = amount_text(limit, wanted);
	AUTO_FREE char *others = amount_text(limit, limit->others), *largest = amount_text(limit, limit->largest);
	AUTO_FREE char *rest = limit->others.nano ? xasprintf(", what else is there takes %s", others) : xstrdup("");
	AUTO_FREE char *hint = xasprintf("the most, %s, is for %s %s: let it want less, or raise the quota", largest, limit->largest_object->kind,
					 limit->largest_object->name);

	preflight_tell(q->p, limit->largest_object, DIAG_ERROR, hint, "quota %s of namespace %s allows %s of %s; this plan takes %s%s", limit->quota,
		       q->namespace, hard, limit->text, ours, rest);
}

static void judge(struct quotas *q, const struct limit *limit)
{
	struct quantity wanted = limit->planned, total;

	add(&wanted, limit->once);
	total = wanted;
	if (!q->p->run->options->prune)
		add(&total, limit->others);
	if (!limit->is_unknown && quantity_cmp(total, limit->hard) > 0 && quantity_cmp(wanted, limit->ours) > 0)
		tell_breach(q, limit, wanted);
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
		limit_release(&q.limits[i]);
	}
	free(q.limits);
	map_release(&q.plan);
	map_release(&q.owners);
	map_release(&q.pods_of);
	map_release(&q.minimums);
	map_release(&q.seen);
	map_release(&q.defaults);
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
