/*
 * piece: small things that every screen shows the same way. Private to ui.
 */
#ifndef SLOTDECK_UI_PIECE_H
#define SLOTDECK_UI_PIECE_H

#include "model/health.h"
#include "ui/canvas.h"

/* Rows of the canvas that a screen may draw into: from top to before bottom. */
struct area {
	int top, bottom;
};

enum role role_of_state(enum health_state state);
/* One cell: healthy, progressing, degraded, … */
const char *mark_of_state(enum health_state state);
/* "41s", "3m", "2h", "12d" */
void add_age(struct buf *out, int64_t ms);
/* "22:31:07", local time. */
void add_clock(struct buf *out, int64_t wall_ms);
/* The chain, each step indented; moves *row on. */
void draw_causes(const struct causes *causes, enum health_state state, struct canvas *canvas, int *row, int end);
/* "[Logs] Events  Manifest" on a rule; note stands at its right end, may be NULL. */
void draw_tabs(struct canvas *canvas, int row, const char *const *names, size_t n, size_t current, const char *note);

#endif
