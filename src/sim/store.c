#include "sim/world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

enum { EVENTS_MAX = 4096 };

static const char *const meta_order[] = { "name", "generateName", "namespace", "uid", "resourceVersion", "generation",
					  "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels",
					  "annotations", "ownerReferences", "finalizers", "managedFields" };

void version_ref(struct version *version)
{
	version->refs++;
}

void version_unref(struct version *v)
{
	if (!v || --v->refs)
		return;
	json_decref(v->labels);
	free(v->text);
	free(v->ns);
	free(v->name);
	free(v);
}

static json_t *ordered_meta(const json_t *meta)
{
	json_t *out = json_object(), *value;
	const char *key;

	for (size_t i = 0; i < ARRAY_LEN(meta_order); i++)
		if ((value = json_object_get(meta, meta_order[i])) && !jx_empty(value))
			json_object_set(out, meta_order[i], value);
	json_object_foreach((json_t *)meta, key, value)
		if (!json_object_get(out, key) && !jx_empty(value))
			json_object_set(out, key, value);
	return out;
}

static struct version *version_create(const struct resource *r, json_t *tree, int64_t rv)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct version *v = xcalloc(1, sizeof *v);
	json_t *meta = ordered_meta(json_object_get(tree, "metadata")), *value;
	const char *key;

	v->refs = 1;
	v->rv = rv;
	buf_addf(&out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",", r->kind, r->api_version);
	v->meta = out.len;
	buf_adds(&out, "\"metadata\":");
	jx_dump(meta, &out);
	v->rest = out.len;
	json_object_foreach(tree, key, value) {
		if (!strcmp(key, "kind") || !strcmp(key, "apiVersion") || !strcmp(key, "metadata"))
			continue;
		buf_addc(&out, ',');
		json_t *name = json_string(key);

		jx_dump(name, &out);
		json_decref(name);
		buf_addc(&out, ':');
		jx_dump(value, &out);
	}
	buf_addc(&out, '}');
	v->len = out.len;
	v->text = buf_give(&out);
	v->ns = xstrdup(jstr(meta, "namespace"));
	v->name = xstrdup(jstr(meta, "name"));
	v->labels = json_incref(json_object_get(meta, "labels"));
	json_decref(meta);
	return v;
}

static int place(const struct object *o, const char *ns, const char *name)
{
	int order = strcmp(o->ns, ns);

	return order ? order : strcmp(o->name, name);
}

/* Index of the first object that is not before (ns, name). */
static size_t lower_bound(const struct resource *r, const char *ns, const char *name)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (place(r->objects[middle], ns, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct object *store_find(const struct resource *resource, const char *ns, const char *name)
{
	const struct resource *r = resource->storage;
	size_t at = lower_bound(r, r->namespaced ? ns : "", name);

	return at < r->n && !place(r->objects[at], r->namespaced ? ns : "", name) ? r->objects[at] : NULL;
}

size_t store_range(const struct resource *resource, const char *ns, size_t *ret_count)
{
	const struct resource *r = resource->storage;
	size_t from, to;

	if (!*ns) {
		*ret_count = r->n;
		return 0;
	}
	from = lower_bound(r, ns, "");
	for (to = from; to < r->n && !strcmp(r->objects[to]->ns, ns);)
		to++;
	*ret_count = to - from;
	return from;
}

json_t *version_tree(const struct version *version)
{
	return json_loadb(version->text, version->len, JSON_ALLOW_NUL, NULL);
}

json_t *store_tree(const struct object *object)
{
	return version_tree(object->current);
}

static void drop_events(struct resource *r, size_t n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n; i++) {
		r->compacted = r->events[i].now->rv;
		version_unref(r->events[i].now);
		version_unref(r->events[i].before);
	}
	memmove(r->events, r->events + n, (r->nevents - n) * sizeof *r->events);
	r->nevents -= n;
}

void store_compact(struct sim *sim, struct resource *r)
{
	drop_events(r, r->nevents);
	r->compacted = sim->rv;
}

static void announce(struct resource *r, enum event_type type, struct version *now, struct version *before)
{
	if (r->nevents >= EVENTS_MAX)
		drop_events(r, EVENTS_MAX / 4);
	version_ref(now);
	if (before)
		version_ref(before);
	LIST_PUSH(r->events, r->nevents, r->events_cap) = (struct event){ .type = type, .now = now, .before = before, .lost = r->lose > 0 };
	r->lose -= r->lose > 0;
	for (struct watcher *w = r->watchers; w; w = w->next)
		eventfd_write(w->wake_fd, 1);
}

static void remember_owners(struct object *o, const json_t *tree)
{
	json_t *owners = jget(tree, "metadata", "ownerReferences");

	json_decref(o->owners);
	o->owners = json_incref(owners);
	free(o->owner);
	o->owner = NULL;
	for (size_t i = 0; i < json_array_size(owners); i++)
		if (json_is_true(json_object_get(json_array_get(owners, i), "controller")))
			o->owner = xstrdup(jstr(json_array_get(owners, i), "uid"));
	o->deleting = jget(tree, "metadata", "deletionTimestamp") != NULL;
}

struct object *store_put(struct sim *sim, struct resource *resource, struct object *object, json_t *tree)
{
	struct resource *r = resource->storage;
	struct version *before = object ? object->current : NULL;

	sim->rv++;
	jset(tree, json_sprintf("%lld", (long long)sim->rv), "metadata", "resourceVersion");
	struct version *now = version_create(r, tree, sim->rv);

	if (!object) {
		size_t at = lower_bound(r, now->ns, now->name);

		object = xcalloc(1, sizeof *object);
		object->resource = r;
		object->ns = xstrdup(now->ns);
		object->name = xstrdup(now->name);
		object->uid = xstrdup(jstr(tree, "metadata", "uid"));
		(void)LIST_PUSH(r->objects, r->n, r->cap);
		memmove(&r->objects[at + 1], &r->objects[at], (r->n - 1 - at) * sizeof(struct object *));
		r->objects[at] = object;
	}
	object->current = now;
	remember_owners(object, tree);
	announce(r, before ? EVENT_MODIFIED : EVENT_ADDED, now, before);
	version_unref(before);
	control_notice(sim, object);
	return object;
}

static void object_free(struct object *o)
{
	version_unref(o->current);
	json_decref(o->owners);
	free(o->owner);
	free(o->ns);
	free(o->name);
	free(o->uid);
	free(o);
}

void store_remove(struct sim *sim, struct object *object)
{
	struct resource *r = object->resource;
	json_t *tree = store_tree(object);
	size_t at = lower_bound(r, object->ns, object->name);

	sim->rv++;
	jset(tree, json_sprintf("%lld", (long long)sim->rv), "metadata", "resourceVersion");
	struct version *last = version_create(r, tree, sim->rv);

	memmove(&r->objects[at], &r->objects[at + 1], (r->n - 1 - at) * sizeof(struct object *));
	r->n--;
	announce(r, EVENT_DELETED, last, object->current);
	version_unref(last);
	control_forget(sim, object);
	control_removed(sim, object, tree);
	json_decref(tree);
	object_free(object);
}

void store_free(struct sim *sim, struct resource *r)
{
	(void)sim;
	for (size_t i = 0; i < r->n; i++)
		object_free(r->objects[i]);
	drop_events(r, r->nevents);
	free(r->objects);
	free(r->events);
	r->objects = NULL;
	r->n = 0;
}
