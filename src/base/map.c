#include "base/map.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a */
static uint32_t hash_of(struct str key)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.p[i]) * 16777619u;
	return h;
}

void map_release(struct map *map)
{
	for (size_t i = 0; i < map->len; i++) {
		free(map->entries[i].key);
		if (map->free_value)
			map->free_value(map->entries[i].value);
	}
	free(map->entries);
	free(map->slots);
	*map = (struct map){ .free_value = map->free_value };
}

static void map_index(struct map *map, size_t nslots)
{
	free(map->slots);
	map->slots = xcalloc(nslots, sizeof *map->slots);
	map->nslots = nslots;
	for (size_t i = 0; i < map->len; i++) {
		size_t at = map->entries[i].hash & (nslots - 1);

		while (map->slots[at])
			at = (at + 1) & (nslots - 1);
		map->slots[at] = (uint32_t)i + 1;
	}
}

static struct map_entry *map_find(const struct map *map, struct str key, uint32_t hash)
{
	if (!map->nslots)
		return NULL;
	for (size_t at = hash & (map->nslots - 1); map->slots[at]; at = (at + 1) & (map->nslots - 1)) {
		struct map_entry *e = &map->entries[map->slots[at] - 1];

		if (e->hash == hash && str_eq((struct str){ e->key, e->key_len }, key))
			return e;
	}
	return NULL;
}

void map_set(struct map *map, struct str key, void *value)
{
	uint32_t hash = hash_of(key);
	struct map_entry *e = map_find(map, key, hash);

	if (e) {
		if (map->free_value && e->value != value)
			map->free_value(e->value);
		e->value = value;
		return;
	}
	LIST_PUSH(map->entries, map->len, map->cap) = (struct map_entry){ str_dup(key), key.len, value, hash };
	if (map->len * 4 > map->nslots * 3) {
		map_index(map, map->nslots ? map->nslots * 2 : 16);
		return;
	}
	size_t at = hash & (map->nslots - 1);

	while (map->slots[at])
		at = (at + 1) & (map->nslots - 1);
	map->slots[at] = (uint32_t)map->len;
}

void *map_get(const struct map *map, struct str key)
{
	struct map_entry *e = map_find(map, key, hash_of(key));

	return e ? e->value : NULL;
}

bool map_has(const struct map *map, struct str key)
{
	return map_find(map, key, hash_of(key)) != NULL;
}

bool map_remove(struct map *map, struct str key)
{
	struct map_entry *e = map_find(map, key, hash_of(key));

	if (!e)
		return false;
	size_t at = (size_t)(e - map->entries);

	free(e->key);
	if (map->free_value)
		map->free_value(e->value);
	memmove(e, e + 1, (map->len - at - 1) * sizeof *e);
	map->len--;
	map_index(map, map->nslots);
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct map_entry *x = a, *y = b;

	return str_cmp((struct str){ x->key, x->key_len }, (struct str){ y->key, y->key_len });
}

void map_sort(struct map *map)
{
	if (map->len < 2)
		return;
	qsort(map->entries, map->len, sizeof *map->entries, by_key);
	map_index(map, map->nslots);
}

void map_set_text(struct map *map, const char *key, const char *value)
{
	map_set(map, str_of(key), xstrdup(value));
}

const char *map_text(const struct map *map, const char *key)
{
	return map_get(map, str_of(key));
}
