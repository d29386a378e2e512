/*
 * log_block: log lines of many containers, packed: some five bytes of head for each line, then its bytes as they came.
 *
 * Built by one thread, then handed on; once nobody adds to it any more it is immutable and may be shared by references.
 * Times are nanoseconds since 1970 UTC by the node's clock. Which container a source is, its owner knows.
 */
#ifndef SLOTDECK_MODEL_LOG_BLOCK_H
#define SLOTDECK_MODEL_LOG_BLOCK_H

#include <stdatomic.h>

#include "model/log_level.h"

#define LOG_LINE_MAX	16384 /* bytes of one line that are kept; of the rest only the number */
#define LOG_BLOCK_BYTES 65536 /* of a full block */

enum log_line_kind {
	LOG_LINE,  /* by the program */
	LOG_CUT,   /* ours: "container web exited, code 1, restart 6" */
	LOG_GAP    /* ours: here lines are missing, and how many nobody can say */
};

struct log_line {
	struct str text; /* without line end; any bytes; borrowed */
	int64_t time_ns;
	uint32_t more_bytes; /* that the line had beyond text */
	uint16_t source;
	uint8_t kind;  /* enum log_line_kind */
	uint8_t level; /* enum log_level */
};

struct log_block {
	_Atomic unsigned refs;
	uint32_t nlines;
	size_t len, cap; /* of bytes */
	int64_t last_ns;
	unsigned char bytes[];
};

/* Holds cap bytes of packed lines. Gives one reference. */
struct log_block *log_block_create(size_t cap);
struct log_block *log_block_ref(struct log_block *block);
void log_block_unref(struct log_block *block);
/* What adding line takes at most. */
size_t log_line_bytes(const struct log_line *line);
/* Copies line behind the others; false when it does not fit. Only while nobody else has a reference. */
bool log_block_add(struct log_block *block, const struct log_line *line);
/* Gives the memory back that is not used; the block moves. Only while nobody else has a reference. */
struct log_block *log_block_trim(struct log_block *block);

/* Walks the lines in order: struct log_cursor at = { 0 }; while (log_block_next(block, &at, &line)) … */
struct log_cursor {
	size_t offset;
	int64_t time_ns;
};
bool log_block_next(const struct log_block *block, struct log_cursor *at, struct log_line *ret);

#endif
