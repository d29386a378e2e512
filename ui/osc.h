/*
 * osc: what is written to a terminal beside the screen: its title, its clipboard. Source: xterm's ctlseqs, "Operating System Commands".
 * Any thread.
 */
#ifndef SLOTDECK_UI_OSC_H
#define SLOTDECK_UI_OSC_H

#include "base/str.h"

#define COPY_MAX_BYTES 74994 /* 100,000 bytes of base64 and frame: what common terminals take */

/*
 * Appends OSC 52 with text for the clipboard. In tmux it is written twice, once for tmux itself and once wrapped for the terminal
 * behind it, because either may be switched off. False, nothing appended, when text is empty or longer than COPY_MAX_BYTES.
 */
bool osc_copy(struct buf *out, struct str text, bool tmux);
/* Appends a title of at most 120 characters: control characters of text go. */
void osc_title(struct buf *out, const char *text);

#endif
