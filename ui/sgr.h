/*
 * sgr: the colours and attributes that a program wrote into its log, as runs for canvas_styled(). Source: ECMA-48 8.3.117 (SGR) and
 * the 256 and direct colours of xterm. Any thread.
 *
 * Of all escape sequences only these have an effect; the others are taken out. Blinking and concealed text is shown plainly, and so
 * is text in the colour of its background: nothing in a line can be there without being seen.
 */
#ifndef SLOTDECK_UI_SGR_H
#define SLOTDECK_UI_SGR_H

#include "ui/canvas.h"

struct runs {
	struct run *items;
	size_t len, cap;
};
void runs_release(struct runs *runs);
DEFINE_AUTO_RELEASE(runs);

/* Empties ret and fills it with the runs of line, which they borrow. The style at the start is the default one. */
void sgr_parse(struct str line, struct runs *ret);
/* Appends what is to be read: the line without its escape sequences. For searches; other control characters stay. */
void sgr_plain(struct str line, struct buf *out);

#endif
