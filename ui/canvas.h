/*
 * canvas: a grid of cells that screens draw into. No terminal, no clock, no I/O: what a screen shows is a function of its input.
 *
 * Every text from outside comes in through canvas_text() and friends, which are the one sanitiser of the program's screens: control
 * characters, escape sequences, C1 and direction marks never become cells; bytes that are not UTF-8 show as U+FFFD. Columns are
 * counted by our own width table (East Asian wide characters take two cells, combining ones none and are left out).
 */
#ifndef SLOTDECK_UI_CANVAS_H
#define SLOTDECK_UI_CANVAS_H

#include "base/str.h"

enum role { /* what a cell means; themes give it a colour */
	ROLE_TEXT,
	ROLE_DIM,
	ROLE_TITLE,
	ROLE_HEALTHY,
	ROLE_PROGRESS,
	ROLE_BAD,
	ROLE_UNKNOWN,
	ROLE_KEY,
	ROLE_ADDED,
	ROLE_REMOVED,
	ROLE_COUNT
};

struct cell {
	uint32_t rune; /* 0: the second half of a wide character */
	uint8_t role;
	bool selected; /* under the cursor: shown reversed, and marked by '>' so that colour is never alone */
};

struct canvas {
	int cols, rows;
	bool ascii; /* marks and borders as ASCII */
	struct cell *cells;
};

struct canvas *canvas_create(int cols, int rows, bool ascii);
void canvas_destroy(struct canvas *canvas);
DEFINE_AUTO(canvas);
void canvas_clear(struct canvas *canvas);
/* Puts text at row, col in at most width cells; what does not fit ends in '~'. Gives the cells used. Outside is clipped. */
int canvas_text(struct canvas *canvas, int row, int col, int width, enum role role, const char *text);
int canvas_textf(struct canvas *canvas, int row, int col, int width, enum role role, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
/* The same, cut in the middle: for names. */
int canvas_name(struct canvas *canvas, int row, int col, int width, enum role role, const char *text);
/* Ends at col + width. */
void canvas_right(struct canvas *canvas, int row, int col, int width, enum role role, const char *text);
/* "─ title ─────" over the whole width; note stands at its right end, may be NULL. */
void canvas_rule(struct canvas *canvas, int row, const char *title, const char *note);
void canvas_column(struct canvas *canvas, int col, int row, int rows);
void canvas_select(struct canvas *canvas, int row, int col, int width);
/* A frame with blanks inside. */
void canvas_box(struct canvas *canvas, int row, int col, int rows, int cols, const char *title);
/* Cells that text takes. */
int text_width(const char *text);

/* As lines without trailing blanks, for tests and --dump text. */
void canvas_dump_text(const struct canvas *canvas, struct buf *out);
void canvas_dump_svg(const struct canvas *canvas, struct buf *out);

#endif
