/*
 * key: names of keys, as people write them in settings and read them in help. Any thread.
 *
 * A character is its own name ("A", "!", "й"); others are "Space", "Tab", "Shift-Tab", "Enter", "Esc", "Backspace", "Delete", "Insert",
 * "Up", "Down", "Left", "Right", "PgUp", "PgDn", "Home", "End", "F1" to "F12", "Ctrl-A" to "Ctrl-Z" and "Ctrl-Space".
 */
#ifndef SLOTDECK_UI_KEY_H
#define SLOTDECK_UI_KEY_H

#include "base/str.h"

/* The case of names does not matter, that of characters does. False when text is no key. */
bool key_parse(const char *text, uint32_t *ret_key);
void key_add_name(struct buf *out, uint32_t key);
/* Ctrl with a letter: what people press by habit, so that no change may hang on it. */
bool key_is_control(uint32_t key);

#endif
