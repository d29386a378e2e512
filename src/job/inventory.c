#include "job/inventory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "job/layers.h"
#include "kube/api_version.h"

static void add_line(struct inventory *inventory, const char *api_version, const char *kind, const char *namespace, const char *name)
{
	AUTO_FREE char *line = xasprintf("%s %s %s %s", api_version, kind, *namespace ? namespace : "-", name);

	map_set(&inventory->lines, str_of(line), NULL);
}

void inventory_add_plan(struct inventory *inventory, const struct deploy_plan *plan)
{
	for (size_t i = 0; i < plan->len; i++) {
		const struct deploy_object *o = &plan->objects[i];

		add_line(inventory, o->api_version, o->kind, o->namespace, o->name);
	}
}

bool inventory_split(const char *line, struct str words[4])
{
	struct str rest = str_of(line);

	for (size_t i = 0; i < 3; i++)
		if (!str_cut(&rest, ' ', &words[i]))
			return false;
	words[3] = rest;
	if (str_is(words[2], "-"))
		words[2] = STR("");
	return rest.len > 0;
}

void inventory_keep(struct inventory *inventory, const struct map *left)
{
	struct map lines = MAP_INIT(NULL);
	struct str w[4];

	for (size_t i = 0; i < inventory->lines.len; i++) {
		const char *line = inventory->lines.entries[i].key;

		if (!inventory_split(line, w))
			continue;
		AUTO_FREE char *api_version = str_dup(w[0]);
		AUTO_FREE char *identity = xasprintf("%.*s %.*s %.*s/%.*s", STR_ARG(api_version_split(api_version).group), STR_ARG(w[1]), STR_ARG(w[2]),
						     STR_ARG(w[3]));

		if (map_has(left, str_of(identity)))
			map_set(&lines, str_of(line), NULL);
	}
	map_release(&inventory->lines);
	inventory->lines = lines;
}

char *inventory_stem(const struct stack *stack)
{
	AUTO_RELEASE(buf) project = BUF_INIT(0);
	struct buf name = BUF_INIT(0);

	label_value(&project, str_of(stack->project.text));
	buf_addf(&name, "%s-%s", buf_cstr(&project), stack->env);
	if (stack->slot)
		buf_addf(&name, "-%lld", stack->slot);
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (c >= 'A' && c <= 'Z')
			name.p[i] = (char)(c - 'A' + 'a');
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.'))
			name.p[i] = '-';
	}
	return buf_give(&name);
}

static const struct kube_resource *config_maps(struct run *run, struct error *err)
{
	const struct kube_resource *resource = kube_find_kind(run->kube, "v1", "ConfigMap", run->cancel, err);

	if (!resource && !err->kind)
		error_set(err, ERR_SERVER, "the server has no kind ConfigMap");
	return resource;
}

static void read_lines(struct inventory *inventory, const char *text)
{
	struct str rest = str_of(text), line;

	while (str_cut(&rest, '\n', &line))
		if (line.len)
			map_set(&inventory->lines, line, NULL);
	if (rest.len)
		map_set(&inventory->lines, rest, NULL);
}

bool inventory_load(struct run *run, struct inventory *inventory, struct error *err)
{
	AUTO_RELEASE(error) why = { 0 };
	const struct kube_resource *resource = config_maps(run, err);
	json_t *object;

	AUTO_FREE char *stem = inventory_stem(run->stack);

	*inventory = (struct inventory){ .name = xasprintf("slotdeck-inventory-%s", stem) };
	if (!resource)
		return false;
	if (!kube_get(run->kube, resource, run->stack->namespace, inventory->name, run->cancel, &object, &why))
		return why.kind == ERR_NOT_FOUND || error_move(err, &why);
	const char *text = json_string_value(json_object_get(json_object_get(object, "data"), "objects"));

	inventory->written = xstrdup(text ? text : "");
	read_lines(inventory, inventory->written);
	json_decref(object);
	return true;
}

void inventory_release(struct inventory *inventory)
{
	free(inventory->name);
	free(inventory->written);
	map_release(&inventory->lines);
	*inventory = (struct inventory){ 0 };
}

static void put_label(struct json_writer *w, const char *key, struct str text)
{
	AUTO_RELEASE(buf) value = BUF_INIT(0);

	label_value(&value, text);
	json_put_key(w, key);
	json_put_str(w, buf_str(&value));
}

static void write_body(struct run *run, const struct inventory *inventory, const char *text, struct buf *out)
{
	struct json_writer w = JSON_WRITER_INIT(out);

	json_put_object(&w);
	json_put_key(&w, "apiVersion");
	json_put_text(&w, "v1");
	json_put_key(&w, "kind");
	json_put_text(&w, "ConfigMap");
	json_put_key(&w, "metadata");
	json_put_object(&w);
	json_put_key(&w, "name");
	json_put_text(&w, inventory->name);
	json_put_key(&w, "namespace");
	json_put_text(&w, run->stack->namespace);
	json_put_key(&w, "labels");
	json_put_object(&w);
	/* Not the labels of what the stack renders: nobody shall prune it. */
	put_label(&w, "slotdeck.dev/inventory", str_of(run->stack->project.text));
	json_put_end_object(&w);
	json_put_end_object(&w);
	json_put_key(&w, "data");
	json_put_object(&w);
	json_put_key(&w, "objects");
	json_put_text(&w, text);
	json_put_end_object(&w);
	json_put_end_object(&w);
}

bool inventory_save(struct run *run, struct inventory *inventory, struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(buf) body = BUF_INIT(0);
	const struct kube_resource *resource = config_maps(run, err);

	if (!resource)
		return false;
	map_sort(&inventory->lines);
	for (size_t i = 0; i < inventory->lines.len; i++)
		buf_addf(&text, "%s\n", inventory->lines.entries[i].key);
	if (inventory->written && strcmp(inventory->written, buf_cstr(&text)) == 0)
		return true;
	write_body(run, inventory, buf_cstr(&text), &body);
	if (!run_apply(run, resource, run->stack->namespace, inventory->name, buf_str(&body), "write the inventory", err))
		return error_wrap(err, "ConfigMap %s", inventory->name);
	free(inventory->written);
	inventory->written = buf_give(&text);
	return true;
}
