/*
 * metrics.k8s.io: what the containers that run would use. Each has a load of its own, which swings over minutes and trembles
 * over seconds, as a share of what it asked for; a node uses what its pods use, and a little itself. All follows from names
 * and the time, so that nothing needs to be kept.
 */
#include <math.h>
#include <string.h>

#include "sim/rest.h"

#define MIB (INT64_C(1) << 20)

struct load {
	int64_t cpu_u, memory_b; /* millionths of a core */
};

static double between(uint64_t *seed, double low, double high)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return low + (high - low) * (double)(*seed >> 40) / (double)(1 << 24);
}

static uint64_t seed_of(const char *uid, const char *container)
{
	uint64_t h = 14695981039346656037u;

	for (const char *p = uid; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	for (const char *p = container; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	return h;
}

/* From 0 to 1: a slow wave, a quicker one on it, and a tremble. */
static double swing(uint64_t *seed, double t)
{
	double slow = between(seed, 180, 600), quick = between(seed, 25, 70), phase = between(seed, 0, 2 * M_PI);

	return 0.5 + 0.3 * sin(2 * M_PI * t / slow + phase) + 0.15 * sin(2 * M_PI * t / quick + 2 * phase) + 0.05 * sin(t * 1.7 + phase);
}

static int64_t asked(const json_t *container, const char *what, int64_t otherwise)
{
	const char *limit = jstr(container, "resources", "limits", what), *request = jstr(container, "resources", "requests", what);
	int64_t milli = jx_milli(*limit ? limit : request);

	return milli ? milli : otherwise;
}

static struct load load_of(const json_t *pod, const json_t *container)
{
	uint64_t seed = seed_of(jstr(pod, "metadata", "uid"), jstr(container, "name"));
	const char *cpu = jstr(pod, "metadata", "annotations", "testbed/cpu");
	const char *memory = jstr(pod, "metadata", "annotations", "testbed/memory");
	double t = (double)sim_wall_ms() / 1000;
	double busy = swing(&seed, t) * between(&seed, 0.3, 0.9), full = between(&seed, 0.35, 0.6) + 0.25 * swing(&seed, t / 3);
	struct load load = { .cpu_u = (int64_t)((double)asked(container, "cpu", 100) * 1000 * busy),
			     .memory_b = (int64_t)((double)asked(container, "memory", 128 * MIB * 1000) / 1000 * full) };

	if (*cpu)
		load.cpu_u = jx_milli(cpu) * 1000;
	if (*memory)
		load.memory_b = jx_milli(memory) / 1000;
	return load;
}

static bool runs(const json_t *pod, const char *container)
{
	json_t *list = jget(pod, "status", "containerStatuses");
	ptrdiff_t at = jx_find(list, "name", container);

	return at >= 0 && jget(json_array_get(list, (size_t)at), "state", "running");
}

static json_t *usage(struct load load)
{
	return json_pack("{s:o,s:o}", "cpu", json_sprintf("%lldn", (long long)load.cpu_u * 1000), "memory",
			 json_sprintf("%lldKi", (long long)(load.memory_b / 1024)));
}

static json_t *pod_metrics(const json_t *pod)
{
	json_t *list = jget(pod, "spec", "containers"), *containers = json_array();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);

		if (runs(pod, jstr(c, "name")))
			json_array_append_new(containers, json_pack("{s:s,s:o}", "name", jstr(c, "name"), "usage", usage(load_of(pod, c))));
	}
	return json_pack("{s:s,s:s,s:{s:s,s:s},s:o,s:s,s:o}", "kind", "PodMetrics", "apiVersion", "metrics.k8s.io/v1beta1", "metadata",
			 "name", jstr(pod, "metadata", "name"), "namespace", jstr(pod, "metadata", "namespace"), "timestamp",
			 jx_time(sim_wall_ms()), "window", "15s", "containers", containers);
}

static json_t *node_metrics(struct sim *sim, const json_t *node)
{
	const struct resource *pods = kinds_plural(sim, "", "v1", "pods");
	struct load sum = { .cpu_u = 180000, .memory_b = 900 * MIB }; /* the system's own */

	for (size_t i = 0; i < pods->n; i++) {
		json_t *pod = store_tree(pods->objects[i]), *list = jget(pod, "spec", "containers");

		for (size_t c = 0; c < json_array_size(list); c++) {
			const json_t *container = json_array_get(list, c);
			struct load load = { 0 };

			if (!strcmp(jstr(pod, "spec", "nodeName"), jstr(node, "metadata", "name")) && runs(pod, jstr(container, "name")))
				load = load_of(pod, container);
			sum.cpu_u += load.cpu_u;
			sum.memory_b += load.memory_b;
		}
		json_decref(pod);
	}
	return json_pack("{s:s,s:s,s:{s:s},s:o,s:s,s:o}", "kind", "NodeMetrics", "apiVersion", "metrics.k8s.io/v1beta1", "metadata", "name",
			 jstr(node, "metadata", "name"), "timestamp", jx_time(sim_wall_ms()), "window", "15s", "usage", usage(sum));
}

void rest_metrics(struct sim *sim, const struct request *request, const struct target *t, struct reply *reply)
{
	const struct resource *source = kinds_plural(sim, "", "v1", t->resource->plural);
	bool pods = t->resource->namespaced;
	AUTO_RELEASE(error) err = { 0 };
	struct selector *labels = NULL;
	json_t *items = json_array();

	selector_parse(query_text(request, "labelSelector"), &labels, &err);
	size_t n, from = store_range(source, t->ns, &n);

	for (size_t i = from; i < from + n; i++) {
		struct object *o = source->objects[i];
		json_t *tree;

		if ((*t->name && strcmp(t->name, o->name)) || !selector_labels(labels, o->current->labels))
			continue;
		tree = store_tree(o);
		json_t *item = pods ? pod_metrics(tree) : node_metrics(sim, tree);

		if (!pods || json_array_size(json_object_get(item, "containers")))
			json_array_append(items, item);
		json_decref(item);
		json_decref(tree);
	}
	selector_destroy(labels);
	if (!*t->name) {
		reply_json(reply, 200, json_pack("{s:s,s:s,s:{},s:o}", "kind", t->resource->list_kind, "apiVersion",
						 t->resource->api_version, "metadata", "items", items));
		return;
	}
	if (json_array_size(items))
		reply_json(reply, 200, json_incref(json_array_get(items, 0)));
	else
		reply_not_found(reply, t->resource, t->name);
	json_decref(items);
}
