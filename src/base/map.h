/*
 * map: strings to values, with insertion order kept.
 *
 * Open hash over an entry array; iteration is `for (size_t i = 0; i < map->len; i++) map->entries[i]`. Removal keeps
 * the order of the others and costs O(n). Keys are copied. Not thread-safe.
 */
#ifndef SLOTDECK_BASE_MAP_H
#define SLOTDECK_BASE_MAP_H

#include "base/str.h"

struct map_entry {
	char *key;
	size_t key_len;
	void *value;
	uint32_t hash;
};

struct map {
	struct map_entry *entries;
	size_t len, cap;
	uint32_t *slots; /* index of an entry + 1 */
	size_t nslots;
	void (*free_value)(void *value); /* may be NULL */
};

#define MAP_INIT(free_value_fn) { .free_value = (free_value_fn) }

void map_release(struct map *map);
DEFINE_AUTO_RELEASE(map);
/* Takes value; replaces (and frees) a former one. */
void map_set(struct map *map, struct str key, void *value);
/* Borrowed, NULL if absent. */
void *map_get(const struct map *map, struct str key);
bool map_has(const struct map *map, struct str key);
bool map_remove(struct map *map, struct str key);
/* Sorts entries by key, byte order. */
void map_sort(struct map *map);

/* For maps whose values are plain strings (free_value = free). */
void map_set_text(struct map *map, const char *key, const char *value);
const char *map_text(const struct map *map, const char *key);

#endif
