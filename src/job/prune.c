#include "job/prune.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "job/layers.h"

static const char *const guarded_kinds[] = { "Namespace", "CustomResourceDefinition", "PersistentVolumeClaim", "PersistentVolume" };

struct finding { /* while lists are read */
	struct run *run;
	const struct kube_resource *resource;
	const struct map *planned; /* "group kind namespace/name" */
	const struct map *others;  /* lines of other inventories */
	const struct deploy_plan *plan;
	struct prune_list *list;
	struct json_fields *fields;
	struct prune_object now;
	bool deleted;
};

void prune_list_release(struct prune_list *list)
{
	for (size_t i = 0; i < list->len; i++) {
		free(list->items[i].namespace);
		free(list->items[i].name);
		free(list->items[i].uid);
		free(list->items[i].item);
		free(list->items[i].resource_version);
	}
	free(list->items);
	*list = (struct prune_list){ 0 };
}

static const char *api_version_of(const struct kube_resource *r, char out[128])
{
	snprintf(out, 128, "%s%s%s", r->group, *r->group ? "/" : "", r->version);
	return out;
}

struct job_object prune_job_object(const struct prune_object *o, char api_version[128])
{
	return (struct job_object){ .item = o->item,
				    .layer = layer_of(api_version_of(o->resource, api_version), o->resource->kind),
				    .api_version = api_version,
				    .kind = o->resource->kind,
				    .namespace = o->namespace,
				    .name = o->name,
				    .file = "" };
}

static bool on_field(const struct json_field *field, void *arg, struct error *err)
{
	struct finding *f = arg;
	char **texts[] = { &f->now.name, &f->now.namespace, &f->now.uid, &f->now.item, &f->now.resource_version };

	(void)err;
	if (field->path >= ARRAY_LEN(texts)) {
		f->deleted = true;
		return true;
	}
	free(*texts[field->path]);
	*texts[field->path] = str_dup(field->text);
	return true;
}

static bool is_named(const struct run *run, const struct prune_object *o)
{
	AUTO_FREE char *name = xasprintf("%s/%s", o->resource->kind, o->name);

	for (const char *const *also = run->options->prune_also; also && *also; also++)
		if (strcasecmp(*also, name) == 0)
			return true;
	return false;
}

static bool is_guarded(const char *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(guarded_kinds); i++)
		if (strcmp(guarded_kinds[i], kind) == 0)
			return true;
	return false;
}

static bool has_filters(const struct render_filters *f)
{
	return (f->only_infra && *f->only_infra) || (f->skip_infra && *f->skip_infra) || (f->only_services && *f->only_services) ||
	       (f->skip_services && *f->skip_services);
}

/* With filters only what belongs to a selected item may go: the others were not rendered. */
static bool is_selected(const struct finding *f, const char *item)
{
	const struct stack *stack = f->run->stack;
	const struct stack_item_list *lists[] = { &stack->infrastructure, &stack->services };

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		for (size_t i = 0; i < lists[l]->n; i++) {
			AUTO_RELEASE(buf) label = BUF_INIT(0);

			label_value(&label, str_of(lists[l]->items[i].name.text));
			if (strcmp(buf_cstr(&label), item) == 0 && selection_has(f->plan->selection, &lists[l]->items[i]))
				return true;
		}
	}
	return false;
}

static const char *why_kept(const struct finding *f, const struct prune_object *o)
{
	char api_version[128];
	AUTO_FREE char *line = xasprintf("%s %s %s %s", api_version_of(o->resource, api_version), o->resource->kind,
					 *o->namespace ? o->namespace : "-", o->name);

	if (is_guarded(o->resource->kind) && !is_named(f->run, o))
		return "kept: this kind goes only with --prune-also KIND/NAME";
	if (map_has(f->others, str_of(line)))
		return "kept: another environment has it in its inventory";
	if (has_filters(&f->run->options->filters) && !is_selected(f, o->item))
		return "kept: its item was left out by filters";
	return NULL;
}

static char *identity_of(const struct kube_resource *resource, const char *namespace, const char *name)
{
	return xasprintf("%s %s %s/%s", resource->group, resource->kind, namespace, name);
}

static bool on_object(struct str object, void *arg, struct error *err)
{
	struct finding *f = arg;

	f->now = (struct prune_object){ .resource = f->resource, .name = xstrdup(""), .namespace = xstrdup(""), .uid = xstrdup(""),
					.item = xstrdup(""), .resource_version = xstrdup("") };
	f->deleted = false;
	bool good = json_visit(f->fields, object, on_field, f, err);
	AUTO_FREE char *identity = identity_of(f->resource, f->now.namespace, f->now.name);

	LIST_PUSH(f->list->items, f->list->len, f->list->cap) = f->now;
	if (!good || f->deleted || map_has(f->planned, str_of(identity))) {
		struct prune_list one = { .items = xmalloc(sizeof(struct prune_object)), .len = 1 };

		one.items[0] = f->list->items[--f->list->len];
		prune_list_release(&one);
		return good;
	}
	struct prune_object *newest = &f->list->items[f->list->len - 1];

	newest->kept = why_kept(f, newest);
	f->list->going += newest->kept == NULL;
	return true;
}

static char *selector_of(const struct stack *stack)
{
	struct buf out = BUF_INIT(0);

	buf_adds(&out, "app.kubernetes.io/managed-by=slotdeck,slotdeck.dev/project=");
	label_value(&out, str_of(stack->project.text));
	buf_adds(&out, ",slotdeck.dev/env=");
	label_value(&out, str_of(stack->env));
	if (stack->slot)
		buf_addf(&out, ",slotdeck.dev/slot=%lld", stack->slot);
	else
		buf_adds(&out, ",!slotdeck.dev/slot");
	return buf_give(&out);
}

/* Where to look: each kind and namespace of inventory and plan, once. Value of the map: the resource. */
static bool add_place(struct run *run, struct map *places, struct str api_version, struct str kind, struct str namespace, struct error *err)
{
	AUTO_FREE char *version = str_dup(api_version), *kind_text = str_dup(kind);
	AUTO_FREE char *place = NULL;
	const struct kube_resource *r = kube_find_kind(run->kube, version, kind_text, run->cancel, err);

	if (!r)
		return err->kind == ERR_NONE; /* a kind that is gone took its objects with it */
	place = xasprintf("%s.%s %.*s", r->resource, r->group, STR_ARG(namespace));
	map_set(places, str_of(place), (void *)(uintptr_t)r);
	return true;
}

static bool find_places(struct run *run, const struct deploy_plan *plan, const struct inventory *inventory, struct map *places,
			struct error *err)
{
	struct str w[4];

	for (size_t i = 0; i < inventory->lines.len; i++)
		if (inventory_split(inventory->lines.entries[i].key, w) && !add_place(run, places, w[0], w[1], w[2], err))
			return false;
	for (size_t i = 0; i < plan->len; i++) {
		const struct deploy_object *o = &plan->objects[i];

		if (!add_place(run, places, str_of(o->api_version), str_of(o->kind), str_of(o->namespace), err))
			return false;
	}
	return true;
}

static void add_planned(const struct deploy_plan *plan, struct map *planned)
{
	for (size_t i = 0; i < plan->len; i++) {
		AUTO_FREE char *identity = deploy_identity(&plan->objects[i]);

		map_set(planned, str_of(identity), NULL);
	}
}

struct others {
	struct map *lines;
	const char *own_name, *own_namespace;
};

static bool on_inventory(struct str object, void *arg, struct error *err)
{
	struct others *others = arg;
	json_t *config_map = json_loadb(object.p, object.len, 0, NULL);
	const json_t *metadata = json_object_get(config_map, "metadata");
	const char *name = json_string_value(json_object_get(metadata, "name"));
	const char *namespace = json_string_value(json_object_get(metadata, "namespace"));
	const char *text = json_string_value(json_object_get(json_object_get(config_map, "data"), "objects"));
	bool own = name && namespace && strcmp(name, others->own_name) == 0 && strcmp(namespace, others->own_namespace) == 0;
	struct str rest = str_of(text), line;

	(void)err;
	while (!own && str_cut(&rest, '\n', &line))
		map_set(others->lines, line, NULL);
	json_decref(config_map);
	return true;
}

/* Without the right to see them all, nothing outside the own namespace may go. */
static bool find_others(struct run *run, const struct inventory *inventory, struct map *lines, struct error *err)
{
	AUTO_RELEASE(buf) selector = BUF_INIT(0);
	struct others others = { lines, inventory->name, run->stack->namespace };
	const struct kube_resource *resource = kube_find_kind(run->kube, "v1", "ConfigMap", run->cancel, err);

	if (!resource)
		return false;
	buf_adds(&selector, "slotdeck.dev/inventory=");
	label_value(&selector, str_of(run->stack->project.text));
	struct kube_list_options options = { .label_selector = buf_cstr(&selector) };

	return kube_list(run->kube, resource, &options, run->cancel, on_inventory, &others, NULL, err) ||
	       error_wrap(err, "find out what other environments own");
}

bool prune_find(struct run *run, const struct deploy_plan *plan, const struct inventory *inventory, struct prune_list *ret, struct error *err)
{
	static const char *const paths[] = { "metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels[\"slotdeck.dev/item\"]",
					     "metadata.resourceVersion", "metadata.deletionTimestamp" };
	AUTO_RELEASE(map) places = MAP_INIT(NULL);
	AUTO_RELEASE(map) planned = MAP_INIT(NULL);
	AUTO_RELEASE(map) others = MAP_INIT(NULL);
	AUTO_FREE char *selector = selector_of(run->stack);
	struct finding f = { .run = run, .planned = &planned, .others = &others, .plan = plan, .list = ret,
			     .fields = json_fields_create(paths, ARRAY_LEN(paths)) };
	bool good = find_places(run, plan, inventory, &places, err) && find_others(run, inventory, &others, err);

	add_planned(plan, &planned);
	for (size_t i = 0; good && i < places.len; i++) {
		const char *namespace = strchr(places.entries[i].key, ' ') + 1;
		struct kube_list_options options = { .namespace = namespace, .label_selector = selector, .metadata_only = true };

		f.resource = places.entries[i].value;
		if (f.resource->can_list)
			good = kube_list(run->kube, f.resource, &options, run->cancel, on_object, &f, NULL, err);
	}
	json_fields_destroy(f.fields);
	return good;
}

static bool delete_one(struct run *run, struct prune_object *o, struct error *err)
{
	struct kube_delete_options options = { .uid = o->uid };

	return run_may_write(run, err) &&
	       kube_delete(run->kube, o->resource, o->namespace, o->name, &options, run->cancel, NULL, err);
}

static void keep_what_is_left(struct inventory *inventory, const struct deploy_plan *plan, const struct prune_list *list)
{
	AUTO_RELEASE(map) left = MAP_INIT(NULL);

	add_planned(plan, &left);
	for (size_t i = 0; i < list->len; i++) {
		const struct prune_object *o = &list->items[i];
		AUTO_FREE char *identity = identity_of(o->resource, o->namespace, o->name);

		if (o->kept)
			map_set(&left, str_of(identity), NULL);
	}
	inventory_keep(inventory, &left);
}

bool prune_delete(struct run *run, const struct deploy_plan *plan, struct prune_list *list, struct inventory *inventory, struct error *err)
{
	char api_version[128];

	for (unsigned layer = LAYERS; layer-- > 0;) {
		for (size_t i = 0; i < list->len; i++) {
			struct prune_object *o = &list->items[i];
			struct job_object object = prune_job_object(o, api_version);

			if (o->kept || object.layer != layer)
				continue;
			if (!delete_one(run, o, err)) {
				run_emit(run, &(struct job_event){ .kind = JOB_OBJECT, .object = object, .change = CHANGE_FAILED, .text = err->message });
				return false;
			}
			run_emit(run, &(struct job_event){ .kind = JOB_OBJECT, .object = object, .change = CHANGE_PRUNED });
		}
	}
	keep_what_is_left(inventory, plan, list);
	return true;
}
