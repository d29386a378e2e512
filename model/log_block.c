#include "model/log_block.h"

#include <stdlib.h>
#include <string.h>

/*
 * A line: varint source << 5 | level << 2 | kind, varint of the time since the line before (zigzag), varint length << 1 | longer, if longer a
 * varint of the bytes left out, then the bytes.
 */
#define HEAD_MAX 28

struct log_block *log_block_create(size_t cap)
{
	struct log_block *block = xmalloc(sizeof *block + cap);

	*block = (struct log_block){ .cap = cap };
	atomic_init(&block->refs, 1);
	return block;
}

struct log_block *log_block_ref(struct log_block *block)
{
	atomic_fetch_add(&block->refs, 1);
	return block;
}

void log_block_unref(struct log_block *block)
{
	if (block && atomic_fetch_sub(&block->refs, 1) == 1)
		free(block);
}

static unsigned char *put(unsigned char *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (unsigned char)(value | 0x80);
	*at++ = (unsigned char)value;
	return at;
}

static uint64_t get(const unsigned char *bytes, size_t *offset)
{
	uint64_t value = 0;

	for (unsigned shift = 0;; shift += 7) {
		unsigned char byte = bytes[(*offset)++];

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
}

size_t log_line_bytes(const struct log_line *line)
{
	return HEAD_MAX + line->text.len;
}

bool log_block_add(struct log_block *block, const struct log_line *line)
{
	uint64_t step = (uint64_t)line->time_ns - (uint64_t)block->last_ns;
	unsigned char *at = block->bytes + block->len;

	if (block->cap - block->len < log_line_bytes(line))
		return false;
	at = put(at, (uint64_t)line->source << 5 | (uint64_t)line->level << 2 | line->kind);
	at = put(at, step << 1 ^ (step >> 63 ? ~UINT64_C(0) : 0));
	at = put(at, (uint64_t)line->text.len << 1 | (line->more_bytes != 0));
	if (line->more_bytes)
		at = put(at, line->more_bytes);
	if (line->text.len)
		memcpy(at, line->text.p, line->text.len);
	block->len = (size_t)(at - block->bytes) + line->text.len;
	block->last_ns = line->time_ns;
	block->nlines++;
	return true;
}

struct log_block *log_block_trim(struct log_block *block)
{
	block = xrealloc(block, sizeof *block + block->len);
	block->cap = block->len;
	return block;
}

bool log_block_next(const struct log_block *block, struct log_cursor *at, struct log_line *ret)
{
	uint64_t head, step, len;

	if (at->offset >= block->len)
		return false;
	head = get(block->bytes, &at->offset);
	step = get(block->bytes, &at->offset);
	len = get(block->bytes, &at->offset);
	at->time_ns = (int64_t)((uint64_t)at->time_ns + (step >> 1 ^ (step & 1 ? ~UINT64_C(0) : 0)));
	*ret = (struct log_line){ .source = (uint16_t)(head >> 5), .level = head >> 2 & 7, .kind = head & 3, .time_ns = at->time_ns };
	if (len & 1)
		ret->more_bytes = (uint32_t)get(block->bytes, &at->offset);
	ret->text = (struct str){ (const char *)block->bytes + at->offset, len >> 1 };
	at->offset += len >> 1;
	return true;
}
