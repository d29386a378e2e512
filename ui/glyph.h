/*
 * glyph: text as what a terminal shows in its cells: a character with the marks above and below it, and its width.
 *
 * Whatever the bytes are, what comes out is safe to show: control characters, marks of writing direction and invisible characters
 * become '?', a tab or a line break a blank, bytes that are not UTF-8 U+FFFD. What terminals measure differently is reduced to what
 * all of them measure alike: joiners, variation selectors and skin tones go, so that an emoji sequence shows as its parts, and the
 * letters of a flag show as letters. Any thread.
 */
#ifndef SLOTDECK_UI_GLYPH_H
#define SLOTDECK_UI_GLYPH_H

#include "base/str.h"

#define GLYPH_MARKS 2 /* kept with one character; more are left out */

struct glyph {
	uint32_t rune;
	uint32_t marks[GLYPH_MARKS]; /* unused ones are 0 */
	int width;		     /* cells: 1 or 2 */
};

/* Moves text past its next glyph. False at the end. */
bool glyph_next(struct str *text, struct glyph *ret);
/* Cells that text takes. */
int glyph_width(struct str text);

#endif
