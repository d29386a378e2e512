/*
 * fset: sets of field paths, and what server-side apply does with typed values.
 *
 * Follows structured-merge-diff v6 (the library inside the real server). A set is a trie whose edges are path elements
 * in the spelling of fieldsV1: "f:name", "k:{json keys}", "v:json value". Everything lives in the arena given.
 */
#ifndef SLOTDECK_SIM_FSET_H
#define SLOTDECK_SIM_FSET_H

#include "sim/schema.h"

struct fset {
	bool member; /* the path up to here is in the set */
	size_t n, cap;
	struct fset_edge {
		const char *step;
		struct fset *below;
	} *edges; /* sorted by step */
};

struct fset *fset_create(struct arena *arena);
struct fset *fset_below(struct arena *arena, struct fset *set, const char *step); /* made when absent */
const struct fset *fset_find(const struct fset *set, const char *step);		  /* or NULL */
bool fset_empty(const struct fset *set);
bool fset_equal(const struct fset *a, const struct fset *b);
struct fset *fset_union(struct arena *arena, const struct fset *a, const struct fset *b);
struct fset *fset_intersection(struct arena *arena, const struct fset *a, const struct fset *b);
struct fset *fset_difference(struct arena *arena, const struct fset *a, const struct fset *b);
/* fieldsV1 in and out; a foreign shape is read as far as it makes sense. */
struct fset *fset_read(struct arena *arena, const json_t *fields_v1, unsigned depth);
json_t *fset_write(const struct fset *set);
/* Calls fn with each member's path as the server prints it: .spec.containers[name="c"].image */
void fset_each(const struct fset *set, void (*fn)(const char *path, void *arg), void *arg);

/* Checks a value against its type as apply does; errors are appended, one a line. */
bool typed_check(const struct type *type, const json_t *value, struct buf *errors);
/* The paths that an applier of value owns. */
struct fset *typed_fields(struct arena *arena, const struct type *type, const json_t *value);
struct typed_diff {
	struct fset *added, *modified, *removed;
};
struct typed_diff typed_compare(struct arena *arena, const struct type *type, const json_t *before, const json_t *after);
/* Gives live with applied merged over it. */
json_t *typed_merge(struct arena *arena, const struct type *type, json_t *live, json_t *applied);
/* Gives value without the paths that are in former and not in kept. */
json_t *typed_prune(struct arena *arena, const struct type *type, json_t *value, const struct fset *former,
		    const struct fset *kept);
/* The step of a list element, NULL when a key is missing. */
const char *typed_step(struct arena *arena, const struct type *list, const json_t *element);

#endif
