/*
 * log_line: what a program wrote into its log, made ready for the screen. Private to ui.
 *
 * The program's colours stay (ui/sgr.h); a line of JSON may be folded to columns: its level, its message, then key=value. The cells
 * themselves are made by canvas_styled(), which shows nothing that could control a terminal.
 */
#ifndef SLOTDECK_UI_LOG_LINE_H
#define SLOTDECK_UI_LOG_LINE_H

#include "ui/sgr.h"

struct log_lines; /* scratch for one line at a time */

struct log_lines *log_lines_create(void);
void log_lines_destroy(struct log_lines *lines);
DEFINE_AUTO(log_lines);
/* The runs of text, borrowed until the next call and from text. fold: a JSON object becomes columns. */
const struct runs *log_lines_runs(struct log_lines *lines, struct str text, bool fold);
/* The same as plain text, for searches: borrowed alike. */
struct str log_lines_plain(struct log_lines *lines, struct str text, bool fold);

#endif
