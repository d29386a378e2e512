/*
 * Nodes: making, finding, changing, comparing. Reading is in yaml_read.c, the generic form in yaml_generic.c, writing
 * in yaml_emit.c.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml_private.h"

const char *yaml_kind_name(unsigned kind)
{
	static const char *const names[] = {
		[YAML_NULL] = "null",	  [YAML_BOOL] = "bool",		  [YAML_INT] = "int",
		[YAML_UINT] = "uint",	  [YAML_FLOAT] = "float",	  [YAML_STRING] = "string",
		[YAML_TIMESTAMP] = "timestamp", [YAML_SEQUENCE] = "sequence", [YAML_MAPPING] = "mapping",
	};

	return kind < ARRAY_LEN(names) ? names[kind] : "?";
}

void yaml_doc_destroy(struct yaml_doc *doc)
{
	if (doc)
		arena_destroy(doc->arena); /* doc lives in it */
}

struct yaml_doc *yaml_doc_create(void)
{
	struct arena *arena = arena_create();
	struct yaml_doc *doc = arena_alloc(arena, sizeof *doc);

	doc->arena = arena;
	doc->root = yaml_new_map(arena);
	return doc;
}

void yaml_add_place(struct buf *out, const char *name, unsigned line, unsigned column)
{
	if (name)
		buf_addf(out, "%s:%u:%u: ", name, line, column);
}

/* ---- making ---- */

static struct yaml_node *new_node(struct arena *arena, enum yaml_kind kind)
{
	struct yaml_node *node = arena_alloc(arena, sizeof *node);

	node->kind = (uint8_t)kind;
	node->text = STR("");
	return node;
}

struct yaml_node *yaml_new_null(struct arena *arena)
{
	return new_node(arena, YAML_NULL);
}

struct yaml_node *yaml_new_bool(struct arena *arena, bool value)
{
	struct yaml_node *node = new_node(arena, YAML_BOOL);

	node->b = value;
	node->text = value ? STR("true") : STR("false");
	return node;
}

struct yaml_node *yaml_new_int(struct arena *arena, int64_t value)
{
	struct yaml_node *node = new_node(arena, YAML_INT);
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	node->i = value;
	buf_addf(&text, "%lld", (long long)value);
	node->text = (struct str){ arena_strndup(arena, text.p, text.len), text.len };
	return node;
}

struct yaml_node *yaml_new_float(struct arena *arena, double value)
{
	struct yaml_node *node = new_node(arena, YAML_FLOAT);
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	node->f = value;
	yaml_format_float(&text, value);
	node->text = (struct str){ arena_strndup(arena, text.p, text.len), text.len };
	return node;
}

struct yaml_node *yaml_new_string(struct arena *arena, struct str text)
{
	struct yaml_node *node = new_node(arena, YAML_STRING);

	node->text = (struct str){ arena_strndup(arena, text.p, text.len), text.len };
	return node;
}

struct yaml_node *yaml_new_map(struct arena *arena)
{
	return new_node(arena, YAML_MAPPING);
}

struct yaml_node *yaml_new_seq(struct arena *arena)
{
	return new_node(arena, YAML_SEQUENCE);
}

struct yaml_node *yaml_copy(struct arena *arena, const struct yaml_node *node)
{
	struct yaml_node *copy = arena_alloc(arena, sizeof *copy);

	*copy = *node;
	if (node->kind == YAML_SEQUENCE) {
		copy->seq.cap = copy->seq.n;
		copy->seq.items = arena_alloc(arena, copy->seq.n * sizeof *copy->seq.items);
		for (uint32_t i = 0; i < copy->seq.n; i++)
			copy->seq.items[i] = yaml_copy(arena, node->seq.items[i]);
	} else if (node->kind == YAML_MAPPING) {
		copy->map.cap = copy->map.n;
		copy->map.pairs = arena_alloc(arena, copy->map.n * sizeof *copy->map.pairs);
		for (uint32_t i = 0; i < copy->map.n; i++)
			copy->map.pairs[i] = (struct yaml_pair){ yaml_copy(arena, node->map.pairs[i].key),
								 yaml_copy(arena, node->map.pairs[i].value) };
	} else {
		copy->text.p = arena_strndup(arena, node->text.p, node->text.len);
	}
	return copy;
}

/* ---- finding ---- */

bool yaml_is_map(const struct yaml_node *node)
{
	return node && node->kind == YAML_MAPPING;
}

bool yaml_is_seq(const struct yaml_node *node)
{
	return node && node->kind == YAML_SEQUENCE;
}

bool yaml_is_string(const struct yaml_node *node, struct str *ret_text)
{
	if (!node || node->kind != YAML_STRING)
		return false;
	*ret_text = node->text;
	return true;
}

static struct yaml_pair *find_pair(const struct yaml_node *map, struct str key)
{
	if (!yaml_is_map(map))
		return NULL;
	for (uint32_t i = 0; i < map->map.n; i++) {
		const struct yaml_node *k = map->map.pairs[i].key;

		if (k->kind == YAML_STRING && str_eq(k->text, key))
			return &map->map.pairs[i];
	}
	return NULL;
}

struct yaml_node *yaml_map_get_str(const struct yaml_node *map, struct str key)
{
	struct yaml_pair *pair = find_pair(map, key);

	return pair ? pair->value : NULL;
}

struct yaml_node *yaml_map_get(const struct yaml_node *map, const char *key)
{
	return yaml_map_get_str(map, str_of(key));
}

struct yaml_node *yaml_path(const struct yaml_node *node, ...)
{
	va_list ap;

	va_start(ap, node);
	for (const char *key; (key = va_arg(ap, const char *)) != NULL;)
		node = yaml_map_get(node, key);
	va_end(ap);
	return (struct yaml_node *)node;
}

struct str yaml_map_text(const struct yaml_node *map, const char *key)
{
	struct str text = STR("");

	yaml_is_string(yaml_map_get(map, key), &text);
	return text;
}

/* ---- changing ---- */

static void *grown(struct arena *arena, void *items, uint32_t n, uint32_t *cap, size_t item_size_bytes)
{
	if (n < *cap)
		return items;
	*cap = *cap ? *cap * 2 : 4;
	void *larger = arena_alloc(arena, *cap * item_size_bytes);

	if (n)
		memcpy(larger, items, n * item_size_bytes);
	return larger;
}

void yaml_map_set(struct arena *arena, struct yaml_node *map, const char *key, struct yaml_node *value)
{
	struct yaml_pair *pair = find_pair(map, str_of(key));

	if (pair) {
		pair->value = value;
		return;
	}
	map->map.pairs = grown(arena, map->map.pairs, map->map.n, &map->map.cap, sizeof *map->map.pairs);
	map->map.pairs[map->map.n++] = (struct yaml_pair){ yaml_new_string(arena, str_of(key)), value };
}

void yaml_map_set_string(struct arena *arena, struct yaml_node *map, const char *key, struct str value)
{
	yaml_map_set(arena, map, key, yaml_new_string(arena, value));
}

bool yaml_map_remove(struct yaml_node *map, const char *key)
{
	struct yaml_pair *pair = find_pair(map, str_of(key));

	if (!pair)
		return false;
	map->map.n--;
	memmove(pair, pair + 1, (size_t)(map->map.pairs + map->map.n - pair) * sizeof *pair);
	return true;
}

void yaml_seq_push(struct arena *arena, struct yaml_node *seq, struct yaml_node *item)
{
	seq->seq.items = grown(arena, seq->seq.items, seq->seq.n, &seq->seq.cap, sizeof *seq->seq.items);
	seq->seq.items[seq->seq.n++] = item;
}

void yaml_seq_remove(struct yaml_node *seq, size_t at)
{
	seq->seq.n--;
	memmove(seq->seq.items + at, seq->seq.items + at + 1, (seq->seq.n - at) * sizeof *seq->seq.items);
}

/* ---- comparing ---- */

static bool maps_equal(const struct yaml_node *a, const struct yaml_node *b)
{
	if (a->map.n != b->map.n)
		return false;
	for (uint32_t i = 0; i < a->map.n; i++) {
		bool found = false;

		for (uint32_t k = 0; k < b->map.n && !found; k++) {
			uint32_t at = (i + k) % b->map.n; /* mostly the same order */

			found = yaml_equal(a->map.pairs[i].key, b->map.pairs[at].key) &&
				yaml_equal(a->map.pairs[i].value, b->map.pairs[at].value);
		}
		if (!found)
			return false;
	}
	return true;
}

bool yaml_equal(const struct yaml_node *a, const struct yaml_node *b)
{
	if (a->kind != b->kind)
		return false;
	switch ((enum yaml_kind)a->kind) {
	case YAML_NULL:
		return true;
	case YAML_BOOL:
		return a->b == b->b;
	case YAML_INT:
		return a->i == b->i;
	case YAML_UINT:
		return a->u == b->u;
	case YAML_FLOAT:
		return a->f == b->f || (a->f != a->f && b->f != b->f);
	case YAML_STRING:
		return str_eq(a->text, b->text);
	case YAML_TIMESTAMP:
		return a->time.unix_s == b->time.unix_s && a->time.ns == b->time.ns &&
		       a->time.offset_s == b->time.offset_s;
	case YAML_MAPPING:
		return maps_equal(a, b);
	case YAML_SEQUENCE:
		break;
	}
	if (a->seq.n != b->seq.n)
		return false;
	for (uint32_t i = 0; i < a->seq.n; i++)
		if (!yaml_equal(a->seq.items[i], b->seq.items[i]))
			return false;
	return true;
}

/* yaml.v3 calls two keys equal when both are scalars of the same source text (or both are lists, or both mappings). */
static bool same_key(const struct yaml_node *a, const struct yaml_node *b, bool by_value)
{
	if (by_value)
		return yaml_equal(a, b);
	bool scalars = a->kind < YAML_SEQUENCE && b->kind < YAML_SEQUENCE;

	return scalars ? str_eq(a->text, b->text) : a->kind == b->kind;
}

#define FEW_PAIRS 16

struct key_at {
	const struct yaml_node *key;
	size_t at;
};

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static int by_text(const void *x, const void *y)
{
	const struct key_at *a = x, *b = y;
	unsigned ka = a->key->kind < YAML_SEQUENCE ? 0 : a->key->kind, kb = b->key->kind < YAML_SEQUENCE ? 0 : b->key->kind;
	int order = ORDER(ka, kb);

	if (!order && !ka)
		order = str_cmp(a->key->text, b->key->text);
	return order ? order : ORDER(a->at, b->at);
}

static int by_kind_and_value(const void *x, const void *y)
{
	const struct key_at *a = x, *b = y;
	int order = ORDER(a->key->kind, b->key->kind);

	if (!order && a->key->kind == YAML_STRING)
		order = str_cmp(a->key->text, b->key->text);
	else if (!order && a->key->kind == YAML_BOOL)
		order = ORDER(a->key->b, b->key->b);
	else if (!order && a->key->kind == YAML_FLOAT)
		order = ORDER(a->key->f, b->key->f);
	else if (!order && a->key->kind == YAML_TIMESTAMP)
		order = ORDER(a->key->time.unix_s, b->key->time.unix_s);
	else if (!order && (a->key->kind == YAML_INT || a->key->kind == YAML_UINT))
		order = ORDER(a->key->u, b->key->u);
	return order ? order : ORDER(a->at, b->at);
}

/* Sorted rather than hashed: no input can make it slow. */
static struct key_at *sorted_keys(const struct yaml_pair *pairs, size_t n, bool by_value)
{
	struct key_at *keys = xreallocarray(NULL, n, sizeof *keys);

	for (size_t i = 0; i < n; i++)
		keys[i] = (struct key_at){ pairs[i].key, i };
	qsort(keys, n, sizeof *keys, by_value ? by_kind_and_value : by_text);
	return keys;
}

size_t yaml_drop_later(struct yaml_pair *pairs, size_t n, size_t first, bool by_value)
{
	AUTO_FREE struct key_at *keys = sorted_keys(pairs, n, by_value);
	size_t left = 0;

	for (size_t i = 1; i < n; i++)
		if (keys[i].at >= first && same_key(keys[i - 1].key, keys[i].key, by_value))
			pairs[keys[i].at].value = NULL;
	for (size_t i = 0; i < n; i++)
		if (pairs[i].value)
			pairs[left++] = pairs[i];
	return left;
}

static bool find_duplicate_of_many(const struct yaml_pair *pairs, size_t n, bool by_value, size_t *ret_earlier,
				   size_t *ret_later)
{
	AUTO_FREE struct key_at *keys = sorted_keys(pairs, n, by_value);
	size_t first = n;

	for (size_t i = 1; i < n; i++) {
		if (keys[i].at >= first || !same_key(keys[i - 1].key, keys[i].key, by_value))
			continue;
		first = *ret_later = keys[i].at;
		*ret_earlier = keys[i - 1].at;
	}
	return first < n;
}

bool yaml_find_duplicate(const struct yaml_pair *pairs, size_t n, bool by_value, size_t *ret_earlier, size_t *ret_later)
{
	if (n > FEW_PAIRS)
		return find_duplicate_of_many(pairs, n, by_value, ret_earlier, ret_later);
	for (size_t later = 1; later < n; later++)
		for (size_t earlier = 0; earlier < later; earlier++)
			if (same_key(pairs[earlier].key, pairs[later].key, by_value)) {
				*ret_earlier = earlier;
				*ret_later = later;
				return true;
			}
	return false;
}
