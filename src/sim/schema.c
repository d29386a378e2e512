#include "sim/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct schema {
	struct arena *arena;
	struct map kinds; /* "group/version/Kind" to struct type */
	struct map types; /* by name */
};

const struct type type_any = { .kind = TYPE_ANY, .atomic = true };
const struct type type_deduced = { .kind = TYPE_DEDUCED };

static struct type *named(struct schema *s, struct str name)
{
	struct type *type = map_get(&s->types, name);

	if (!type) {
		type = arena_alloc(s->arena, sizeof *type);
		type->kind = TYPE_STRUCT;
		type->name = arena_strndup(s->arena, name.p, name.len);
		map_set(&s->types, name, type);
	}
	return type;
}

static const struct type *scalar(char letter)
{
	static const struct type types[] = {
		['s'] = { .kind = TYPE_STRING },   ['b'] = { .kind = TYPE_BOOL },
		['i'] = { .kind = TYPE_INT },	   ['n'] = { .kind = TYPE_NUMBER },
		['q'] = { .kind = TYPE_QUANTITY }, ['x'] = { .kind = TYPE_INT_OR_STRING },
		['t'] = { .kind = TYPE_TIME },	   ['a'] = { .kind = TYPE_ANY, .atomic = true },
	};

	return letter > 0 && (size_t)letter < ARRAY_LEN(types) ? &types[(size_t)letter] : &type_any;
}

static struct type *spelled(struct schema *s, struct str text)
{
	struct type *type;

	if (text.len && text.p[0] == '@')
		return named(s, (struct str){ text.p + 1, text.len - 1 });
	if (text.len && (text.p[0] == '[' || text.p[0] == '{')) {
		type = arena_alloc(s->arena, sizeof *type);
		type->kind = text.p[0] == '[' ? TYPE_LIST : TYPE_MAP;
		type->atomic = type->kind == TYPE_LIST;
		type->element = spelled(s, (struct str){ text.p + 1, text.len - 1 });
		return type;
	}
	return (struct type *)scalar(text.len ? text.p[0] : 'a');
}

static void split_keys(struct schema *s, struct type *type, struct str list)
{
	struct str key;

	type->keys = arena_alloc(s->arena, 4 * sizeof *type->keys);
	while (type->nkeys < 4) {
		bool more = str_cut(&list, ',', &key);

		if (!more)
			key = list;
		type->keys[type->nkeys++] = arena_strndup(s->arena, key.p, key.len);
		if (!more)
			break;
	}
}

static void read_option(struct schema *s, struct field *field, struct type *type, struct str word)
{
	struct str name = word, value = word;

	if (str_cut(&value, '=', &name) && str_is(name, "map")) {
		split_keys(s, type, value);
		type->atomic = false;
	} else if (str_is(name, "merge")) {
		type->merge = true;
		type->merge_key = value.len ? arena_strndup(s->arena, value.p, value.len) : NULL;
	} else if (str_is(name, "default")) {
		field->fallback = arena_strndup(s->arena, value.p, value.len);
	} else if (str_is(word, "set")) {
		type->set = true;
		type->atomic = false;
	} else if (str_is(word, "atomic")) {
		type->atomic = true;
	} else if (str_is(word, "retain")) {
		type->retain = true;
	} else if (str_is(word, "required")) {
		field->required = true;
	}
}

static bool next_word(struct str *rest, struct str *word)
{
	if (!rest->len)
		return false;
	if (!str_cut(rest, ' ', word)) {
		*word = *rest;
		*rest = (struct str){ rest->p + rest->len, 0 };
	}
	return true;
}

static void read_field(struct schema *s, struct type *owner, struct str line, size_t *cap)
{
	struct str name, spelling, word;

	if (!next_word(&line, &name) || !next_word(&line, &spelling))
		return;
	if (owner->nfields == *cap) {
		struct field *larger = arena_alloc(s->arena, (*cap = *cap ? *cap * 2 : 8) * sizeof *larger);

		if (owner->nfields)
			memcpy(larger, owner->fields, owner->nfields * sizeof *larger);
		owner->fields = larger;
	}
	struct field *field = &owner->fields[owner->nfields++];
	struct type *type = spelled(s, spelling);

	field->name = arena_strndup(s->arena, name.p, name.len);
	if (line.len && type->kind == TYPE_STRUCT) { /* options of a field must not change the shared type */
		bool only_required = str_is(line, "required");

		if (!only_required) {
			struct type *own = arena_alloc(s->arena, sizeof *own);

			own->kind = TYPE_STRUCT;
			own->name = type->name;
			own->element = type; /* resolved by type_field() */
			own->open = false;
			type = own;
		}
	} else if (line.len && type->kind != TYPE_LIST && type->kind != TYPE_MAP) {
		struct type *own = arena_alloc(s->arena, sizeof *own);

		*own = *type;
		type = own;
	}
	while (next_word(&line, &word))
		read_option(s, field, type, word);
	field->type = type;
}

struct schema *schema_create(struct str text, struct error *err)
{
	struct schema *s = xcalloc(1, sizeof *s);
	struct type *owner = NULL;
	struct str line;
	size_t cap = 0;

	s->arena = arena_create();
	while (str_cut(&text, '\n', &line)) {
		struct str word;

		if (line.len && line.p[0] == ' ') {
			if (owner)
				read_field(s, owner, (struct str){ line.p + 1, line.len - 1 }, &cap);
			continue;
		}
		if (!next_word(&line, &word))
			continue;
		if (str_is(word, "T") && next_word(&line, &word)) {
			owner = named(s, word);
			owner->atomic = str_is(line, "atomic");
			cap = 0;
		} else if (str_is(word, "K")) {
			struct str group, version, kind;

			if (!next_word(&line, &group) || !next_word(&line, &version) || !next_word(&line, &kind))
				continue;
			AUTO_FREE char *key = xasprintf("%.*s/%.*s/%.*s", str_is(group, "-") ? 0 : (int)group.len, group.p,
							STR_ARG(version), STR_ARG(kind));

			map_set(&s->kinds, str_of(key), named(s, line));
		}
	}
	if (!s->kinds.len) {
		schema_destroy(s);
		error_set(err, ERR_BUG, "the schema of the simulation is empty");
		return NULL;
	}
	return s;
}

void schema_destroy(struct schema *s)
{
	if (!s)
		return;
	map_release(&s->kinds);
	map_release(&s->types);
	arena_destroy(s->arena);
	free(s);
}

const struct type *schema_kind(const struct schema *s, const char *group, const char *version, const char *kind)
{
	AUTO_FREE char *key = xasprintf("%s/%s/%s", group, version, kind);

	return map_get(&s->kinds, str_of(key));
}

const struct field *type_field(const struct type *type, const char *name)
{
	if (type->kind != TYPE_STRUCT)
		return NULL;
	if (!type->fields && type->element && !type->open)
		type = type->element;
	for (size_t low = 0, high = type->nfields; low < high;) {
		size_t middle = (low + high) / 2;
		int order = strcmp(name, type->fields[middle].name);

		if (!order)
			return &type->fields[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct type *type_below(const struct type *type, const char *key)
{
	if (type->kind == TYPE_STRUCT) {
		const struct field *field = type_field(type, key);

		return field ? field->type : type->open && type->element ? type->element : &type_deduced;
	}
	if (type->kind == TYPE_MAP && type->element)
		return type->element;
	return &type_deduced;
}

static const struct type *custom(struct schema *s, const json_t *open_api, bool root);

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct field *)a)->name, ((const struct field *)b)->name);
}

static void custom_fields(struct schema *s, struct type *type, const json_t *open_api, bool root)
{
	json_t *properties = json_object_get(open_api, "properties"), *required = json_object_get(open_api, "required");
	const char *key;
	json_t *value;

	type->kind = TYPE_STRUCT;
	type->fields = arena_alloc(s->arena, (json_object_size(properties) + 3) * sizeof *type->fields);
	json_object_foreach(properties, key, value) {
		struct field *field = &type->fields[type->nfields];
		json_t *fallback = json_object_get(value, "default");

		if (root && (!strcmp(key, "metadata") || !strcmp(key, "kind") || !strcmp(key, "apiVersion")))
			continue;
		type->nfields++;
		field->name = arena_strndup(s->arena, key, strlen(key));
		field->type = custom(s, value, false);
		if (json_is_string(fallback))
			field->fallback = arena_strndup(s->arena, json_string_value(fallback),
							strlen(json_string_value(fallback)));
		for (size_t i = 0; i < json_array_size(required); i++) {
			const char *name = json_string_value(json_array_get(required, i));

			field->required = field->required || (name && !strcmp(name, key));
		}
	}
	if (root) {
		type->fields[type->nfields++] = (struct field){ .name = "apiVersion", .type = scalar('s') };
		type->fields[type->nfields++] = (struct field){ .name = "kind", .type = scalar('s') };
		type->fields[type->nfields++] =
			(struct field){ .name = "metadata", .type = named(s, STR("meta.v1.ObjectMeta")) };
	}
	qsort(type->fields, type->nfields, sizeof *type->fields, by_name);
	type->open = json_is_true(json_object_get(open_api, "x-kubernetes-preserve-unknown-fields"));
	type->element = type->open ? &type_deduced : NULL;
}

static void custom_list(struct schema *s, struct type *type, const json_t *open_api)
{
	json_t *keys = json_object_get(open_api, "x-kubernetes-list-map-keys");
	const char *how = json_string_value(json_object_get(open_api, "x-kubernetes-list-type"));

	type->kind = TYPE_LIST;
	type->element = custom(s, json_object_get(open_api, "items"), false);
	type->set = how && !strcmp(how, "set");
	if (how && !strcmp(how, "map")) {
		type->keys = arena_alloc(s->arena, (json_array_size(keys) + 1) * sizeof *type->keys);
		for (size_t i = 0; i < json_array_size(keys); i++) {
			const char *key = json_string_value(json_array_get(keys, i));

			type->keys[type->nkeys++] = arena_strndup(s->arena, key ? key : "", key ? strlen(key) : 0);
		}
	}
	type->atomic = !type->set && !type->nkeys;
}

static const struct type *custom(struct schema *s, const json_t *open_api, bool root)
{
	const char *kind = json_string_value(json_object_get(open_api, "type"));
	const char *map = json_string_value(json_object_get(open_api, "x-kubernetes-map-type"));
	struct type *type = arena_alloc(s->arena, sizeof *type);

	if (json_is_true(json_object_get(open_api, "x-kubernetes-int-or-string")))
		return scalar('x');
	if (!kind)
		return &type_deduced;
	if (!strcmp(kind, "object") || root) {
		json_t *additional = json_object_get(open_api, "additionalProperties");

		if (json_object_get(open_api, "properties") || root) {
			custom_fields(s, type, open_api, root);
		} else if (json_is_object(additional)) {
			type->kind = TYPE_MAP;
			type->element = custom(s, additional, false);
		} else if (json_is_true(additional) ||
			   json_is_true(json_object_get(open_api, "x-kubernetes-preserve-unknown-fields"))) {
			return &type_deduced;
		} else {
			custom_fields(s, type, open_api, false);
		}
		type->atomic = map && !strcmp(map, "atomic");
		return type;
	}
	if (!strcmp(kind, "array")) {
		custom_list(s, type, open_api);
		return type;
	}
	return scalar(kind[0]); /* string, boolean, integer, number */
}

const struct type *schema_custom(struct schema *s, const json_t *open_api)
{
	if (!json_is_object(open_api)) {
		json_t *empty = json_pack("{s:s,s:b}", "type", "object", "x-kubernetes-preserve-unknown-fields", 1);
		const struct type *type = custom(s, empty, true);

		json_decref(empty);
		return type;
	}
	return custom(s, open_api, true);
}
