/*
 * feed_known: which objects a feed delivered, and in which version, at 24 bytes each: a hash of the uid, and the resource version.
 *
 * Zeroed memory is an empty set; known_clear() makes one again. One thread.
 */
#ifndef SLOTDECK_KUBE_FEED_KNOWN_H
#define SLOTDECK_KUBE_FEED_KNOWN_H

#include <stdbool.h>

#include "base/mem.h"
#include "base/str.h"

struct known {
	uint64_t uid, version;
	uint32_t round; /* the audit round that saw it last */
};

struct known_set { /* open addressing; uid 0 is free, 1 was deleted */
	struct known *slots;
	size_t n, used, live;
};

/* Never 0 or 1. */
uint64_t known_hash(struct str s);
/* A resource version: its number, or for a text of another form a hash that is above all numbers. */
uint64_t known_version(struct str s);
/* The version that we have is later than the other; both are numbers (Kubernetes API concepts, "Resource versions"). */
bool known_is_later(uint64_t ours, uint64_t other);
/* NULL: never delivered, or gone. Valid until the next known_put(). */
struct known *known_find(const struct known_set *set, uint64_t uid);
/* Adds item, or replaces the one with its uid. */
void known_put(struct known_set *set, struct known item);
void known_drop(struct known_set *set, uint64_t uid);
void known_clear(struct known_set *set);

#endif
