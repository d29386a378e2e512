#include "template/value.h"

#include <stdlib.h>
#include <string.h>

#define BASIC(basic_kind, go_name)                                                                                     \
	{                                                                                                              \
		.kind = (basic_kind), .name = (go_name)                                                                \
	}

const struct value_type value_type_bool = BASIC(VALUE_BOOL, "bool");
const struct value_type value_type_int = BASIC(VALUE_INT, "int");
const struct value_type value_type_int64 = BASIC(VALUE_INT64, "int64");
const struct value_type value_type_uint8 = BASIC(VALUE_UINT8, "uint8");
const struct value_type value_type_uint = BASIC(VALUE_UINT, "uint");
const struct value_type value_type_float64 = BASIC(VALUE_FLOAT64, "float64");
const struct value_type value_type_complex128 = BASIC(VALUE_COMPLEX128, "complex128");
const struct value_type value_type_string = BASIC(VALUE_STRING, "string");
const struct value_type value_type_any = BASIC(VALUE_INTERFACE, "interface {}");
const struct value_type value_type_strings = VALUE_TYPE_SLICE("[]string", &value_type_string);
const struct value_type value_type_anys = VALUE_TYPE_SLICE("[]interface {}", &value_type_any);
const struct value_type value_type_string_map = VALUE_TYPE_MAP("map[string]string", &value_type_string);
const struct value_type value_type_any_map = VALUE_TYPE_MAP("map[string]interface {}", &value_type_any);

/* Below this, comparing keys one by one beats hashing. */
#define UNHASHED_MAX 4

struct value_map {
	size_t len;
	struct value_entry *entries; /* sorted by key, which is the order of range and of printing */
	uint32_t *slots;	     /* index of an entry + 1; NULL for small maps */
	uint32_t mask;
};

struct value value_none(void)
{
	return (struct value){ 0 };
}

struct value value_bool(bool b)
{
	return (struct value){ .type = &value_type_bool, .boolean = b };
}

struct value value_int(int64_t i)
{
	return (struct value){ .type = &value_type_int, .integer = i };
}

struct value value_float(double f)
{
	return (struct value){ .type = &value_type_float64, .real = f };
}

struct value value_string(struct str s)
{
	return (struct value){ .type = &value_type_string, .string = s };
}

struct value value_text(const char *text)
{
	return value_string(str_of(text));
}

struct value value_time(int64_t seconds, int32_t nanoseconds)
{
	struct value v = { .type = &value_type_time };

	v.time.seconds = seconds;
	v.time.nanoseconds = nanoseconds;
	return v;
}

struct value value_zero(const struct value_type *type)
{
	if (type == &value_type_time)
		return value_time(VALUE_TIME_ZERO, 0);
	return (struct value){ .type = type, .boxed = type->kind == VALUE_INTERFACE };
}

struct value value_box(struct value v)
{
	if (!v.type)
		return value_zero(&value_type_any);
	v.boxed = true;
	return v;
}

struct value value_list(const struct value_type *type, const struct value *items, size_t n)
{
	struct value v = { .type = type };

	v.list.items = items;
	v.list.len = v.list.cap = (uint32_t)n;
	return v;
}

struct value value_list_of_texts(struct arena *arena, const char *const *items, size_t n)
{
	if (!items)
		return value_zero(&value_type_strings);

	struct value *values = arena_alloc(arena, (n ? n : 1) * sizeof *values);

	for (size_t i = 0; i < n; i++)
		values[i] = value_text(items[i]);
	return value_list(&value_type_strings, values, n);
}

static uint32_t key_hash(struct str key)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (unsigned char)key.p[i]) * 16777619u;
	return hash ^ hash >> 15;
}

/* The later of two equal keys sorts first, so that the first of each run is the one to keep. */
static int entry_order(const void *a, const void *b)
{
	const struct value_entry *const *x = a, *const *y = b;
	int order = str_cmp((*x)->key, (*y)->key);

	return order ? order : *x < *y ? 1 : -1;
}

static void map_index(struct arena *arena, struct value_map *map)
{
	uint32_t size = 8;

	while (size < map->len * 2)
		size *= 2;
	map->slots = arena_alloc(arena, size * sizeof *map->slots);
	map->mask = size - 1;
	for (size_t i = 0; i < map->len; i++) {
		uint32_t at = key_hash(map->entries[i].key) & map->mask;

		while (map->slots[at])
			at = (at + 1) & map->mask;
		map->slots[at] = (uint32_t)i + 1;
	}
}

struct value value_map(struct arena *arena, const struct value_type *type, const struct value_entry *entries, size_t n)
{
	if (!entries)
		return value_zero(type);

	struct value_map *map = arena_alloc(arena, sizeof *map);
	AUTO_FREE const struct value_entry **order = xmalloc((n ? n : 1) * sizeof *order);

	for (size_t i = 0; i < n; i++)
		order[i] = &entries[i];
	if (n > 1)
		qsort(order, n, sizeof *order, entry_order);
	map->entries = arena_alloc(arena, (n ? n : 1) * sizeof *map->entries);
	for (size_t i = 0; i < n; i++)
		if (!i || !str_eq(order[i]->key, order[i - 1]->key))
			map->entries[map->len++] = *order[i];
	if (map->len > UNHASHED_MAX)
		map_index(arena, map);
	return (struct value){ .type = type, .map = map };
}

struct value value_map_of_texts(struct arena *arena, const struct map *texts)
{
	AUTO_FREE struct value_entry *entries = xmalloc((texts->len ? texts->len : 1) * sizeof *entries);

	for (size_t i = 0; i < texts->len; i++) {
		const struct map_entry *from = &texts->entries[i];

		entries[i].key = (struct str){ from->key, from->key_len };
		entries[i].value = value_text(from->value);
	}
	return value_map(arena, &value_type_string_map, entries, texts->len);
}

struct value *value_fields(struct arena *arena, const struct value_type *type)
{
	struct value *fields = arena_alloc(arena, (type->nfields ? type->nfields : 1) * sizeof *fields);

	for (size_t i = 0; i < type->nfields; i++)
		fields[i] = value_zero(type->fields[i].type);
	return fields;
}

struct value value_struct(const struct value_type *type, const struct value *fields)
{
	return (struct value){ .type = type, .fields = fields };
}

struct value value_pointer(struct arena *arena, const struct value_type *type, struct value target)
{
	struct value *copy = arena_alloc(arena, sizeof *copy);

	*copy = target;
	return (struct value){ .type = type, .target = copy };
}

size_t value_map_len(const struct value_map *map)
{
	return map ? map->len : 0;
}

const struct value_entry *value_map_at(const struct value_map *map, size_t n)
{
	return &map->entries[n];
}

const struct value *value_map_get(const struct value_map *map, struct str key)
{
	if (!map)
		return NULL;
	if (!map->slots) {
		for (size_t i = 0; i < map->len; i++)
			if (str_eq(map->entries[i].key, key))
				return &map->entries[i].value;
		return NULL;
	}
	for (uint32_t at = key_hash(key) & map->mask; map->slots[at]; at = (at + 1) & map->mask) {
		const struct value_entry *entry = &map->entries[map->slots[at] - 1];

		if (str_eq(entry->key, key))
			return &entry->value;
	}
	return NULL;
}

bool value_is_true(struct value v)
{
	switch (value_kind(v)) {
	case VALUE_INVALID:
	case VALUE_INTERFACE:
		return false;
	case VALUE_BOOL:
		return v.boolean;
	case VALUE_INT:
	case VALUE_INT64:
		return v.integer != 0;
	case VALUE_UINT8:
	case VALUE_UINT:
		return v.uinteger != 0;
	case VALUE_FLOAT64:
		return v.real != 0;
	case VALUE_COMPLEX128:
		return v.complex != 0;
	case VALUE_STRING:
		return v.string.len > 0;
	case VALUE_SLICE:
		return v.list.len > 0;
	case VALUE_MAP:
		return value_map_len(v.map) > 0;
	case VALUE_POINTER:
		return v.target != NULL;
	case VALUE_STRUCT:
		return true;
	}
	return false;
}
