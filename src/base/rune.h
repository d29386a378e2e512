/*
 * rune: what kind of character a Unicode code point is, as Go's package unicode says (Unicode 15.0). Any thread.
 */
#ifndef SLOTDECK_BASE_RUNE_H
#define SLOTDECK_BASE_RUNE_H

#include <stdbool.h>
#include <stdint.h>

bool rune_is_letter(uint32_t rune); /* category L */
bool rune_is_digit(uint32_t rune);  /* category Nd */

#endif
