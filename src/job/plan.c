#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"
#include "job/layers.h"
#include "job/run.h"
#include "kube/api_version.h"

#define LABEL_MAX 63

/* ---- labels ---- */

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void label_value(struct buf *out, struct str text)
{
	size_t start = out->len;

	for (size_t i = 0; i < text.len && out->len - start < LABEL_MAX; i++) {
		char c = text.p[i];

		if (is_label_char(c))
			buf_addc(out, c);
		else if (out->len > start)
			buf_addc(out, c == '_' || c == '.' ? c : '-');
	}
	while (out->len > start && !is_label_char(out->p[out->len - 1]))
		buf_truncate(out, out->len - 1);
}

static void set_label(struct arena *arena, struct yaml_node *labels, const char *key, struct str text)
{
	AUTO_RELEASE(buf) value = BUF_INIT(0);

	label_value(&value, text);
	if (value.len)
		yaml_map_set_string(arena, labels, key, buf_str(&value));
}

static void add_labels(const struct stack *stack, const char *item, struct arena *arena, struct yaml_node *root)
{
	struct yaml_node *metadata = yaml_map_get(root, "metadata");
	struct yaml_node *labels = yaml_map_get(metadata, "labels");
	char slot[24];

	if (!yaml_is_map(labels)) {
		labels = yaml_new_map(arena);
		yaml_map_set(arena, metadata, "labels", labels);
	}
	set_label(arena, labels, "app.kubernetes.io/managed-by", STR("slotdeck"));
	set_label(arena, labels, "slotdeck.dev/project", str_of(stack->project.text));
	set_label(arena, labels, "slotdeck.dev/env", str_of(stack->env));
	set_label(arena, labels, "slotdeck.dev/item", str_of(item));
	if (!stack->slot)
		return;
	snprintf(slot, sizeof slot, "%lld", stack->slot);
	set_label(arena, labels, "slotdeck.dev/slot", str_of(slot));
}

/* ---- making ---- */

struct making {
	struct run *run;
	struct deploy_plan *plan;
	struct map by_identity; /* "apiVersion kind namespace/name" → index + 1 */
	size_t errors;
};

static void finding(struct making *m, const struct deploy_object *object, enum diag_severity severity, const char *hint, const char *fmt,
		    ...) __attribute__((format(printf, 5, 6)));

static void finding(struct making *m, const struct deploy_object *object, enum diag_severity severity, const char *hint, const char *fmt,
		    ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	m->errors += severity == DIAG_ERROR;
	run_emit(m->run, &(struct job_event){ .kind = JOB_FINDING,
					      .severity = severity,
					      .text = buf_cstr(&text),
					      .detail = hint,
					      .object = deploy_job_object(object),
					      .place = { object->file, object->line, 0 } });
}

struct job_object deploy_job_object(const struct deploy_object *o)
{
	return (struct job_object){ .item = o->item_name,
				    .is_infra = o->item && o->item->is_infra,
				    .layer = o->layer,
				    .api_version = o->api_version,
				    .kind = o->kind,
				    .namespace = o->namespace,
				    .name = o->name,
				    .file = o->file ? o->file : "",
				    .line = o->line };
}

static void object_release(struct deploy_object *o)
{
	free(o->api_version);
	free(o->kind);
	free(o->namespace);
	free(o->name);
	free(o->json);
	free(o->uid);
	free(o->message);
	free(o->live_version);
	free(o->live);
}

void deploy_plan_release(struct deploy_plan *plan)
{
	for (size_t i = 0; i < plan->len; i++)
		object_release(&plan->objects[i]);
	free(plan->objects);
	selection_destroy(plan->selection);
	*plan = (struct deploy_plan){ 0 };
}

char *deploy_identity(const struct deploy_object *o)
{
	struct str group = api_version_split(o->api_version).group;

	return xasprintf("%.*s %s %s/%s", STR_ARG(group), o->kind, o->namespace, o->name);
}

/* The same object twice: equal text is said, different text can't be meant. */
static bool is_duplicate(struct making *m, struct deploy_object *o)
{
	AUTO_FREE char *identity = deploy_identity(o);
	size_t first = (size_t)map_get(&m->by_identity, str_of(identity));

	if (!first) {
		map_set(&m->by_identity, str_of(identity), (void *)(m->plan->len + 1));
		return false;
	}
	const struct deploy_object *other = &m->plan->objects[first - 1];
	bool same = strcmp(other->json, o->json) == 0;

	finding(m, o, same ? DIAG_WARNING : DIAG_ERROR, NULL, "%s %s is defined twice, first by %s:%u%s", o->kind, o->name,
		other->file ? other->file : "", other->line, same ? " with the same content" : "");
	return true;
}

static char *text_of(const struct yaml_node *map, const char *key)
{
	return str_dup(yaml_map_text(map, key));
}

/* Where the manifest names no namespace, kubectl's rule holds: the one of the context. */
static void settle_namespace(struct making *m, struct deploy_object *o, struct arena *arena, struct yaml_node *metadata)
{
	bool cluster_scoped = o->resource ? !o->resource->namespaced : render_kind_is_cluster_scoped(o->kind);

	if (cluster_scoped) {
		yaml_map_remove(metadata, "namespace");
		free(o->namespace);
		o->namespace = xstrdup("");
	} else if (!*o->namespace) {
		free(o->namespace);
		o->namespace = xstrdup(kube_namespace(m->run->kube));
		yaml_map_set_string(arena, metadata, "namespace", str_of(o->namespace));
	}
}

static bool add_object(struct making *m, const struct render_object *rendered, struct yaml_node *root, struct error *err)
{
	struct yaml_node *metadata = yaml_map_get(root, "metadata");
	struct deploy_object o = { .item = rendered->item,
				   .item_name = rendered->item ? rendered->item->name.text : "",
				   .api_version = text_of(root, "apiVersion"),
				   .kind = text_of(root, "kind"),
				   .namespace = text_of(metadata, "namespace"),
				   .name = text_of(metadata, "name"),
				   .file = rendered->manifest->path.text, /* the stack's, which outlives the plan */
				   .line = rendered->line,
				   .generation = -1 };
	AUTO_RELEASE(buf) json = BUF_INIT(0);
	AUTO_RELEASE(error) why = { 0 };

	if (!*o.api_version || !*o.kind || !*o.name) {
		finding(m, &o, DIAG_ERROR, NULL, "an object without %s", !*o.api_version ? "apiVersion" : !*o.kind ? "kind" : "metadata.name");
		object_release(&o);
		return true;
	}
	o.resource = kube_find_kind(m->run->kube, o.api_version, o.kind, m->run->cancel, &why);
	if (why.kind) {
		object_release(&o);
		return error_move(err, &why);
	}
	o.layer = layer_of(o.api_version, o.kind);
	settle_namespace(m, &o, rendered->arena, metadata);
	add_labels(m->run->stack, o.item_name, rendered->arena, root);
	if (!yaml_to_json(root, &json, err)) {
		object_release(&o);
		return error_wrap(err, "%s:%u: %s", rendered->file, rendered->line, o.kind);
	}
	o.json_len = json.len;
	o.json = buf_give(&json);
	if (is_duplicate(m, &o))
		object_release(&o);
	else
		LIST_PUSH(m->plan->objects, m->plan->len, m->plan->cap) = o;
	return true;
}

/* kind: List is what kubectl expands, too. */
static bool on_object(const struct render_object *rendered, void *arg, struct error *err)
{
	struct making *m = arg;
	struct yaml_node *items = yaml_map_get(rendered->root, "items");

	if (!str_is(yaml_map_text(rendered->root, "kind"), "List") || !yaml_is_seq(items))
		return add_object(m, rendered, rendered->root, err);
	for (size_t i = 0; i < items->seq.n; i++)
		if (!add_object(m, rendered, items->seq.items[i], err))
			return false;
	return true;
}

static enum render_scope scope_of(const char *api_version, const char *kind, void *arg)
{
	struct run *run = arg;
	AUTO_RELEASE(error) ignored = { 0 };
	const struct kube_resource *r = kube_find_kind(run->kube, api_version, kind, run->cancel, &ignored);

	return !r ? SCOPE_UNKNOWN : r->namespaced ? SCOPE_NAMESPACED : SCOPE_CLUSTER;
}

/* Whether a CustomResourceDefinition of the plan defines that group and kind. */
static bool plan_defines(const struct deploy_plan *plan, const struct deploy_object *wanted)
{
	struct str group = api_version_split(wanted->api_version).group;

	if (!group.len)
		return false;
	AUTO_FREE char *group_text = xasprintf("\"group\":\"%.*s\"", STR_ARG(group));
	AUTO_FREE char *kind_text = xasprintf("\"kind\":\"%s\"", wanted->kind);

	for (size_t i = 0; i < plan->len; i++) {
		const struct deploy_object *o = &plan->objects[i];

		if (strcmp(o->kind, "CustomResourceDefinition") == 0 && strstr(o->json, group_text) && strstr(o->json, kind_text))
			return true;
	}
	return false;
}

static void find_unknown_kinds(struct making *m)
{
	for (size_t i = 0; i < m->plan->len; i++) {
		const struct deploy_object *o = &m->plan->objects[i];

		if (!o->resource && !plan_defines(m->plan, o))
			finding(m, o, DIAG_ERROR, "install its CustomResourceDefinition first, or leave the item out with --skip-infra",
				"the server has no kind %s in %s", o->kind, o->api_version);
	}
}

static void emit_diags(struct run *run, const struct diags *diags)
{
	for (size_t i = 0; i < diags->len; i++) {
		const struct diag *d = &diags->items[i];

		run_emit(run, &(struct job_event){ .kind = JOB_FINDING, .severity = d->severity, .text = d->message, .detail = d->hint,
						   .place = { d->file, d->line, d->column } });
	}
}

bool deploy_plan_make(struct run *run, struct deploy_plan *plan, struct error *err)
{
	struct making m = { .run = run, .plan = plan };
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	const struct render_options options = { .filters = run->options->filters,
						.scope = scope_of,
						.scope_arg = run,
						.cancel = run->cancel };
	bool good = kube_discover(run->kube, run->cancel, err) &&
		    stack_select(run->stack, &run->options->filters, &plan->selection, &diags, err) &&
		    stack_render(run->stack, &options, on_object, &m, &diags, err);

	map_release(&m.by_identity);
	emit_diags(run, &diags);
	if (!good)
		return false;
	run->plan = plan;
	find_unknown_kinds(&m);
	if (m.errors)
		return error_set(err, ERR_INVALID, "%zu finding%s make%s it useless to go on; nothing was written", m.errors,
				 m.errors == 1 ? "" : "s", m.errors == 1 ? "s" : "");
	return true;
}
