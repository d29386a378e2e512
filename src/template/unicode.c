#include "template/unicode.h"

#include <stddef.h>

#include "base/mem.h"
#include "base/rune.h"

struct lower_range {
	uint32_t first, last, step;
	int32_t delta;
};

#include "template/unicode_table.inc"

bool unicode_is_word(uint32_t rune)
{
	if (rune < 0x80)
		return (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z') || (rune >= '0' && rune <= '9') ||
		       rune == '_';
	return rune_is_among(alphanumeric_ranges, ARRAY_LEN(alphanumeric_ranges), rune);
}

bool unicode_is_printable(uint32_t rune)
{
	if (rune < 0x80)
		return rune >= ' ' && rune < 0x7f;
	return rune_is_among(printable_ranges, ARRAY_LEN(printable_ranges), rune);
}

uint32_t unicode_to_lower(uint32_t rune)
{
	size_t low = 0, high = ARRAY_LEN(lower_ranges);

	if (rune < 0x80)
		return rune >= 'A' && rune <= 'Z' ? rune + ('a' - 'A') : rune;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (rune > lower_ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == ARRAY_LEN(lower_ranges) || rune < lower_ranges[low].first ||
	    (rune - lower_ranges[low].first) % lower_ranges[low].step)
		return rune;
	return (uint32_t)((int64_t)rune + lower_ranges[low].delta);
}
