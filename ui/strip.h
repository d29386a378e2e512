/*
 * strip: the record of health (live/health_strip.h) as people see it. Private to ui.
 */
#ifndef SLOTDECK_UI_STRIP_H
#define SLOTDECK_UI_STRIP_H

#include "live/health_strip.h"
#include "ui/canvas.h"

/* The newest cells that have room, the present one at col + width - 1. */
void strip_draw(struct canvas *canvas, int row, int col, int width, const char *cells);
/* "healthy 5h20m, degraded 10m, no data 30m": for ears, and for text. */
void strip_words(const char *cells, struct buf *out);

#endif
