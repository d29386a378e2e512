/*
 * stack_source: from a place in rendered text back to the place in the file as written.
 *
 * Fed by the template engine while it executes: which bytes of the output came from which bytes of the source. Text copied
 * from the source maps byte by byte, what an action printed maps to the action's first byte.
 */
#ifndef SLOTDECK_MODEL_STACK_SOURCE_H
#define SLOTDECK_MODEL_STACK_SOURCE_H

#include "base/str.h"
#include "model/stack.h"

struct source_segment {
	uint32_t out, source; /* byte offsets */
	bool literal;
};

struct text_lines {
	struct str text;
	uint32_t *starts; /* byte offset of each line */
	size_t n, cap;
	/* The last place looked for: places come nearly in order, and a line may be the whole file. */
	size_t offset;
	struct spot at;
};

struct source_map {
	struct source_segment *segments;
	size_t n, cap;
	struct text_lines source, output;
};

void source_map_release(struct source_map *map);
DEFINE_AUTO_RELEASE(source_map);
/* Empties, and borrows source. */
void source_map_reset(struct source_map *map, struct str source);
/* Segments come in the order of out. */
void source_map_add(struct source_map *map, size_t out, size_t source, bool literal);
/* line and column (from 1, in characters) of the output; output is the whole rendered text, borrowed, always the same. */
struct spot source_map_find(struct source_map *map, struct str output, unsigned line, unsigned column);

#endif
