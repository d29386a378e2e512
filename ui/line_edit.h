/*
 * line_edit: one line that is being typed. Private to ui.
 */
#ifndef SLOTDECK_UI_LINE_EDIT_H
#define SLOTDECK_UI_LINE_EDIT_H

#include "ui/canvas.h"

struct line_edit {
	char text[256]; /* UTF-8, NUL-terminated; what does not fit is not taken */
	size_t len, at; /* bytes; at: where the cursor stands */
};

void line_edit_set(struct line_edit *edit, const char *text);
/* True when key was one of its own: a character, Backspace, Delete, arrows, Home, End, Ctrl-U, Ctrl-W. */
bool line_edit_key(struct line_edit *edit, uint32_t key);
/* prefix, then the text with its cursor; the end is shown when it does not fit. */
void line_edit_draw(const struct line_edit *edit, struct canvas *canvas, int row, int col, int width, const char *prefix);

#endif
