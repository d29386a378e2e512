/* yaml_private: what the yaml files share. Nobody else includes it. */
#ifndef SLOTDECK_BASE_YAML_PRIVATE_H
#define SLOTDECK_BASE_YAML_PRIVATE_H

#include "base/yaml.h"

enum yaml_mark {
	YAML_MARK_ANCHOR = 1, /* has an anchor (or more) in this document */
	YAML_MARK_OPEN = 2,   /* an anchored collection that is still being read */
	YAML_MARK_MERGE = 4,  /* a `<<` that merges when it is a key */
	YAML_MARK_TAGGED = 8, /* a string by its tag (!local, !!binary): as a key it makes its mapping general */
	YAML_MARK_ALIAS = 16, /* a collection that stands where an alias stood */
};

/* A timestamp whatever the tag of the scalar. */
bool yaml_looks_like_time(struct str text, struct yaml_node *ret);
/* "NAME:LINE:COLUMN: ", or nothing without a name. */
void yaml_add_place(struct buf *out, const char *name, unsigned line, unsigned column);

/* The first pair whose key equals that of an earlier one, by text or by value. */
bool yaml_find_duplicate(const struct yaml_pair *pairs, size_t n, bool by_value, size_t *ret_earlier, size_t *ret_later);
/* Removes pairs from first on whose key equals that of an earlier pair; gives the new number. */
size_t yaml_drop_later(struct yaml_pair *pairs, size_t n, size_t first, bool by_value);

#endif
