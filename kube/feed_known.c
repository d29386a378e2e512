#include "kube/feed_known.h"

#include <stdlib.h>

uint64_t known_hash(struct str s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	h ^= h >> 32;
	return h < 2 ? h + 2 : h;
}

#define NO_NUMBER (UINT64_C(1) << 63)

uint64_t known_version(struct str s)
{
	int64_t number;

	return str_number(s, &number) ? (uint64_t)number : known_hash(s) | NO_NUMBER;
}

bool known_is_later(uint64_t ours, uint64_t other)
{
	return ours < NO_NUMBER && other < NO_NUMBER && ours > other;
}

struct known *known_find(const struct known_set *set, uint64_t uid)
{
	for (size_t i = uid; set->n; i++) {
		struct known *at = &set->slots[i & (set->n - 1)];

		if (at->uid == uid)
			return at;
		if (!at->uid)
			return NULL;
	}
	return NULL;
}

void known_put(struct known_set *set, struct known item)
{
	struct known *at = known_find(set, item.uid);

	if (at) {
		*at = item;
		return;
	}
	if (set->used * 4 >= set->n * 3) {
		struct known_set bigger = { .n = set->live * 2 > 32 ? set->n * 2 : 64 };

		bigger.slots = xcalloc(bigger.n, sizeof *bigger.slots);
		for (size_t i = 0; i < set->n; i++) {
			if (set->slots[i].uid > 1)
				known_put(&bigger, set->slots[i]);
		}
		free(set->slots);
		*set = bigger;
	}
	for (size_t i = item.uid;; i++) {
		at = &set->slots[i & (set->n - 1)];
		if (!at->uid)
			break;
	}
	*at = item;
	set->used++;
	set->live++;
}

void known_drop(struct known_set *set, uint64_t uid)
{
	struct known *at = known_find(set, uid);

	if (at) {
		at->uid = 1;
		set->live--;
	}
}

void known_clear(struct known_set *set)
{
	free(set->slots);
	*set = (struct known_set){ 0 };
}
