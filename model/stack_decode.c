#include "model/stack_decode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/yaml.h"

/* The way from the root to the node at hand, for messages: a chain of frames on the C stack. */
struct path {
	const struct path *up;
	const char *key;   /* of a mapping, or NULL */
	struct str text;   /* a key that comes from the file; p NULL otherwise */
	size_t index;	   /* of a list, when neither is set */
	struct str name;   /* the `name` of that list entry, if it has one */
};

static void path_add(struct buf *out, const struct path *path)
{
	if (!path)
		return;
	path_add(out, path->up);
	if (path->key || path->text.p) {
		if (out->len)
			buf_addc(out, '.');
		if (path->key)
			buf_adds(out, path->key);
		else
			buf_add_str(out, path->text);
		return;
	}
	if (path->name.len)
		buf_addf(out, "[%.*s]", STR_ARG(path->name));
	else
		buf_addf(out, "[%zu]", path->index);
}

static struct spot spot_of(const struct decoder *d, const struct yaml_node *node)
{
	if (!node->line)
		return (struct spot){ 0 };
	return d->spot ? d->spot(d->spot_arg, node->line, node->column) : (struct spot){ node->line, node->column };
}

static struct place place_of(const struct decoder *d, const struct yaml_node *node)
{
	struct spot spot = spot_of(d, node);

	return (struct place){ d->file, spot.line, spot.column };
}

static const char *found_word(const struct yaml_node *node)
{
	static const char *const words[] = {
		[YAML_NULL] = "nothing",    [YAML_BOOL] = "a bool",	  [YAML_INT] = "a number",
		[YAML_UINT] = "a number",   [YAML_FLOAT] = "a number",	  [YAML_STRING] = "text",
		[YAML_TIMESTAMP] = "a date", [YAML_SEQUENCE] = "a list",  [YAML_MAPPING] = "a mapping",
	};

	return words[node->kind];
}

static void wrong_type(const struct decoder *d, const struct path *path, const struct yaml_node *node,
		       const char *expected)
{
	AUTO_RELEASE(buf) where = { 0 };

	path_add(&where, path);
	diags_add(d->diags, DIAG_ERROR, place_of(d, node), "wrong-type", "%s: expected %s, found %s",
		  where.len ? buf_cstr(&where) : d->file, expected, found_word(node));
	if (node->kind == YAML_MAPPING && node->map.n == 1 && node->map.pairs[0].key->kind == YAML_MAPPING)
		diags_hint(d->diags, "put the action into quotes: '{{ … }}'");
}

static struct str final_text(const struct decoder *d, struct str text, unsigned flags)
{
	return d->unmask && !(flags & FIELD_TEMPLATE) ? d->unmask(d->unmask_arg, d->arena, text) : text;
}

/* The text of any scalar; null is "". */
static bool text_of(const struct decoder *d, const struct path *path, const struct yaml_node *node, unsigned flags,
		    struct stack_text *ret)
{
	if (node->kind == YAML_SEQUENCE || node->kind == YAML_MAPPING) {
		wrong_type(d, path, node, "text");
		return false;
	}
	*ret = (struct stack_text){ "", spot_of(d, node) };
	if (node->kind == YAML_NULL)
		return true;
	struct str text = final_text(d, node->text, flags);

	if (memchr(text.p, '\0', text.len)) {
		AUTO_RELEASE(buf) where = { 0 };

		path_add(&where, path);
		diags_add(d->diags, DIAG_ERROR, place_of(d, node), "nul-byte", "%s: the text holds a NUL character",
			  buf_cstr(&where));
		return false;
	}
	ret->text = text.p;
	return true;
}

static void decode_text(const struct decoder *d, const struct path *path, const struct field *field,
			const struct yaml_node *node, void *at)
{
	text_of(d, path, node, field->flags, at);
}

static void decode_number(const struct decoder *d, const struct path *path, const struct field *field,
			  const struct yaml_node *node, void *at)
{
	struct stack_number *number = at;

	(void)field;
	if (node->kind == YAML_NULL)
		return;
	if (node->kind == YAML_FLOAT && fabs(node->f) < 0x1p62) {
		AUTO_RELEASE(buf) where = { 0 };

		path_add(&where, path);
		number->value = (int64_t)node->f;
		if ((double)number->value != node->f) {
			diags_add(d->diags, d->lenient ? DIAG_WARNING : DIAG_ERROR, place_of(d, node), "cut-number",
				  "%s: expected a whole number, found %.*s", buf_cstr(&where), STR_ARG(node->text));
			diags_hint(d->diags, "codexctl cuts it to %lld", (long long)number->value);
		}
	} else if (node->kind == YAML_INT) {
		number->value = node->i;
	} else {
		wrong_type(d, path, node, "a whole number");
		return;
	}
	number->at = spot_of(d, node);
}

static void decode_flag(const struct decoder *d, const struct path *path, const struct field *field,
			const struct yaml_node *node, void *at)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = { { "y", true }, { "Y", true }, { "yes", true }, { "on", true },
		      { "n", false }, { "N", false }, { "no", false }, { "off", false } };
	struct stack_flag *flag = at;

	(void)field;
	if (node->kind == YAML_NULL)
		return;
	flag->at = spot_of(d, node);
	if (node->kind == YAML_BOOL) {
		flag->value = node->b;
		return;
	}
	for (size_t i = 0; node->kind == YAML_STRING && i < ARRAY_LEN(words); i++)
		if (str_is(node->text, words[i].word)) {
			flag->value = words[i].value;
			return;
		}
	wrong_type(d, path, node, "true or false");
}

static void decode_text_list(const struct decoder *d, const struct path *path, const struct field *field,
			     const struct yaml_node *node, void *at)
{
	struct stack_text_list *list = at;

	if (node->kind == YAML_NULL)
		return;
	if (node->kind != YAML_SEQUENCE) {
		wrong_type(d, path, node, "a list of texts");
		return;
	}
	list->items = arena_alloc(d->arena, (node->seq.n + 1) * sizeof *list->items);
	for (size_t i = 0; i < node->seq.n; i++) {
		const struct path here = { path, NULL, { 0 }, i, { 0 } };

		if (node->seq.items[i]->kind != YAML_NULL &&
		    text_of(d, &here, node->seq.items[i], field->flags, &list->items[list->n]))
			list->n++;
	}
}

/* A key of a free mapping: any scalar but null, which would be lost. */
static bool key_of(const struct decoder *d, const struct path *path, const struct yaml_node *key,
		   struct stack_text *ret)
{
	if (key->kind == YAML_NULL) {
		AUTO_RELEASE(buf) where = { 0 };

		path_add(&where, path);
		diags_add(d->diags, d->lenient ? DIAG_WARNING : DIAG_ERROR, place_of(d, key), "null-key",
			  "%s: an entry without a name is ignored", buf_cstr(&where));
		return false;
	}
	return text_of(d, path, key, 0, ret);
}

/* Only the raw pass meets them: later the reader itself refuses duplicate keys. */
static void report_duplicates(const struct decoder *d, const struct path *path, const struct yaml_node *map)
{
	AUTO_RELEASE(map) seen = MAP_INIT(NULL);

	for (size_t i = 0; i < map->map.n; i++) {
		struct yaml_node *key = map->map.pairs[i].key;
		const struct yaml_node *first = key->kind < YAML_SEQUENCE ? map_get(&seen, key->text) : NULL;
		AUTO_RELEASE(buf) where = { 0 };

		if (key->kind >= YAML_SEQUENCE)
			continue;
		if (!first) {
			map_set(&seen, key->text, key);
			continue;
		}
		path_add(&where, path);
		diags_add(d->diags, DIAG_ERROR, place_of(d, key), "duplicate-key",
			  "%s%skey \"%.*s\" is already set in line %u", buf_cstr(&where), where.len ? ": " : "",
			  STR_ARG(key->text), spot_of(d, first).line);
	}
}

static void decode_text_map(const struct decoder *d, const struct path *path, const struct field *field,
			    const struct yaml_node *node, void *at)
{
	struct stack_text_map *map = at;

	if (node->kind == YAML_NULL)
		return;
	if (node->kind != YAML_MAPPING) {
		wrong_type(d, path, node, "a mapping of texts");
		return;
	}
	if (d->only_flags)
		report_duplicates(d, path, node);
	map->items = arena_alloc(d->arena, (node->map.n + 1) * sizeof *map->items);
	for (size_t i = 0; i < node->map.n; i++) {
		const struct yaml_pair *pair = &node->map.pairs[i];
		const struct path here = { path, NULL, pair->key->text, 0, { 0 } };
		struct stack_text_pair *item = &map->items[map->n];

		if (key_of(d, path, pair->key, &item->name) &&
		    text_of(d, &here, pair->value, field->flags, &item->value))
			map->n++;
	}
}

static void decode_fields(const struct decoder *d, const struct path *path, const struct shape *shape,
			  const struct yaml_node *node, char *target);

/* A text is never NULL, whether its field stands in the file or not. */
static void init_texts(const struct shape *shape, char *target)
{
	for (size_t i = 0; i < shape->n; i++) {
		const struct field *field = &shape->fields[i];

		if (field->type == FIELD_TEXT)
			((struct stack_text *)(void *)(target + field->offset))->text = "";
		else if (field->type == FIELD_STRUCT)
			init_texts(field->shape, target + field->offset);
	}
}

static bool is_old_key(const struct shape *shape, struct str key)
{
	for (size_t i = 0; shape->old && shape->old[i]; i++)
		if (str_is(key, shape->old[i]))
			return true;
	return false;
}

static void unknown_key(const struct decoder *d, const struct path *path, const struct shape *shape,
			const struct yaml_node *key)
{
	AUTO_RELEASE(buf) where = { 0 };
	const char *names[64];
	AUTO_FREE char *typed = str_dup(key->text);
	const char *nearest;
	size_t n = 0;

	for (; n < shape->n && n < ARRAY_LEN(names); n++)
		names[n] = shape->fields[n].key;
	nearest = str_nearest(typed, names, n);
	path_add(&where, path);
	diags_add(d->diags, DIAG_WARNING, place_of(d, key), "unknown-key", "%s%sunknown key \"%s\" in %s is ignored",
		  buf_cstr(&where), where.len ? ": " : "", typed, shape->what);
	if (is_old_key(shape, key->text))
		diags_hint(d->diags, "it belongs to an older version of the format and does nothing any more");
	else if (nearest)
		diags_hint(d->diags, "did you mean \"%s\"?", nearest);
}

static void decode_struct(const struct decoder *d, const struct path *path, const struct field *field,
			  const struct yaml_node *node, void *at)
{
	decode_fields(d, path, field->shape, node, at);
}

static void decode_optional(const struct decoder *d, const struct path *path, const struct field *field,
			    const struct yaml_node *node, void *at)
{
	void *target;

	if (node->kind == YAML_NULL)
		return;
	target = arena_alloc(d->arena, field->shape->size);
	*(void **)at = target;
	init_texts(field->shape, target);
	decode_fields(d, path, field->shape, node, target);
}

struct any_list { /* what FIELD_LIST and FIELD_MAP fill */
	char *items;
	size_t n;
};

static void decode_list(const struct decoder *d, const struct path *path, const struct field *field,
			const struct yaml_node *node, void *at)
{
	struct any_list *list = at;
	size_t size = field->shape->size;

	if (node->kind == YAML_NULL)
		return;
	if (node->kind != YAML_SEQUENCE) {
		wrong_type(d, path, node, "a list");
		return;
	}
	list->items = arena_alloc(d->arena, (node->seq.n + 1) * size);
	for (size_t i = 0; i < node->seq.n; i++) {
		const struct yaml_node *item = node->seq.items[i];
		const struct path here = { path, NULL, { 0 }, i, yaml_map_text(item, "name") };

		if (item->kind == YAML_NULL)
			continue;
		init_texts(field->shape, list->items + list->n * size);
		decode_fields(d, &here, field->shape, item, list->items + list->n * size);
		list->n++;
	}
}

static void decode_map(const struct decoder *d, const struct path *path, const struct field *field,
		       const struct yaml_node *node, void *at)
{
	const struct shape *shape = field->shape;
	struct any_list *list = at;

	if (node->kind == YAML_NULL)
		return;
	if (node->kind != YAML_MAPPING) {
		wrong_type(d, path, node, "a mapping");
		return;
	}
	list->items = arena_alloc(d->arena, (node->map.n + 1) * shape->size);
	for (size_t i = 0; i < node->map.n; i++) {
		const struct yaml_pair *pair = &node->map.pairs[i];
		const struct path here = { path, NULL, pair->key->text, 0, { 0 } };
		char *target = list->items + list->n * shape->size;

		if (!key_of(d, path, pair->key, (struct stack_text *)(void *)(target + shape->key_offset)))
			continue;
		init_texts(shape, target);
		decode_fields(d, &here, shape, pair->value, target);
		if (shape->spot_offset != NO_OFFSET)
			*(struct spot *)(void *)(target + shape->spot_offset) = spot_of(d, pair->key);
		list->n++;
	}
}

/* Text inside of a free tree loses its masks, in place. */
static void unmask_tree(const struct decoder *d, struct yaml_node *node)
{
	if (node->kind == YAML_STRING)
		node->text = d->unmask(d->unmask_arg, d->arena, node->text);
	for (size_t i = 0; node->kind == YAML_SEQUENCE && i < node->seq.n; i++)
		unmask_tree(d, node->seq.items[i]);
	for (size_t i = 0; node->kind == YAML_MAPPING && i < node->map.n; i++) {
		unmask_tree(d, node->map.pairs[i].key);
		unmask_tree(d, node->map.pairs[i].value);
	}
}

static void decode_node(const struct decoder *d, const struct path *path, const struct field *field,
			const struct yaml_node *node, void *at)
{
	struct yaml_node *copy;

	(void)field;
	if (node->kind == YAML_NULL)
		return;
	if (node->kind != YAML_MAPPING) {
		wrong_type(d, path, node, "a mapping");
		return;
	}
	copy = yaml_copy(d->arena, node);
	if (d->unmask && !(field->flags & FIELD_TEMPLATE))
		unmask_tree(d, copy);
	*(struct yaml_node **)at = copy;
}

typedef void decode_fn(const struct decoder *d, const struct path *path, const struct field *field,
		       const struct yaml_node *node, void *at);

static decode_fn *const decoders[] = {
	[FIELD_TEXT] = decode_text,	      [FIELD_NUMBER] = decode_number,	  [FIELD_FLAG] = decode_flag,
	[FIELD_TEXT_LIST] = decode_text_list, [FIELD_TEXT_MAP] = decode_text_map, [FIELD_STRUCT] = decode_struct,
	[FIELD_OPTIONAL] = decode_optional,   [FIELD_LIST] = decode_list,	  [FIELD_MAP] = decode_map,
	[FIELD_NODE] = decode_node,
};

static const struct field *find_field(const struct shape *shape, struct str key)
{
	for (size_t i = 0; i < shape->n; i++)
		if (str_is(key, shape->fields[i].key))
			return &shape->fields[i];
	return NULL;
}

static void decode_fields(const struct decoder *d, const struct path *path, const struct shape *shape,
			  const struct yaml_node *node, char *target)
{
	if (!node || node->kind == YAML_NULL)
		return;
	if (node->kind != YAML_MAPPING) {
		wrong_type(d, path, node, "a mapping");
		return;
	}
	if (shape->spot_offset != NO_OFFSET)
		*(struct spot *)(void *)(target + shape->spot_offset) = spot_of(d, node);
	if (d->only_flags)
		report_duplicates(d, path, node);
	for (size_t i = 0; i < node->map.n; i++) {
		const struct yaml_pair *pair = &node->map.pairs[i];
		const struct field *field = pair->key->kind < YAML_SEQUENCE ? find_field(shape, pair->key->text) : NULL;

		if (!field) {
			if (d->unknown_keys)
				unknown_key(d, path, shape, pair->key);
			continue;
		}
		if (d->only_flags && !(field->flags & d->only_flags))
			continue;
		const struct path here = { path, field->key, { 0 }, 0, { 0 } };

		decoders[field->type](d, &here, field, pair->value, target + field->offset);
	}
}

void stack_decode(const struct decoder *decoder, const struct shape *shape, const struct yaml_node *root, void *target)
{
	init_texts(shape, target);
	decode_fields(decoder, NULL, shape, root, target);
}
