/*
 * rune: what kind of character a Unicode code point is, as Go's package unicode says (Unicode 15.0). Any thread.
 */
#ifndef SLOTDECK_BASE_RUNE_H
#define SLOTDECK_BASE_RUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool rune_is_letter(uint32_t rune); /* category L */
bool rune_is_digit(uint32_t rune);  /* category Nd */

struct rune_range {
	uint32_t first, last;
};
/* ranges are sorted and do not overlap. */
bool rune_is_among(const struct rune_range *ranges, size_t n, uint32_t rune);

#endif
