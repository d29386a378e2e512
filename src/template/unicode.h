/*
 * unicode: the few questions about characters that Go's lexer and printers ask, answered from Go's own tables.
 */
#ifndef SLOTDECK_TEMPLATE_UNICODE_H
#define SLOTDECK_TEMPLATE_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

/* A letter, a decimal digit or '_'. */
bool unicode_is_word(uint32_t rune);
/* unicode.IsPrint: of all spaces only U+0020. */
bool unicode_is_printable(uint32_t rune);
uint32_t unicode_to_lower(uint32_t rune);

#endif
