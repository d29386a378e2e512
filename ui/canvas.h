/*
 * canvas: a grid of cells that screens draw into. No terminal, no clock, no I/O: what a screen shows is a function of its input.
 *
 * Every text from outside comes in through canvas_text() and friends, which are the one sanitiser of the program's screens: control
 * characters, escape sequences, C1 and direction marks never become cells; bytes that are not UTF-8 show as U+FFFD. Columns are
 * counted by our own width table (glyph.h). Drawing outside the grid is clipped.
 */
#ifndef SLOTDECK_UI_CANVAS_H
#define SLOTDECK_UI_CANVAS_H

#include "base/str.h"
#include "ui/glyph.h"

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
	ROLE_MARKED,  /* rows marked with Space */
	ROLE_MATCH,   /* what a search found */
	ROLE_WARNING, /* log levels and events; errors are ROLE_BAD */
	ROLE_BORDER,
	ROLE_FOCUS, /* border and title of the pane that takes the keys */
	ROLE_SERIES, /* + 0 … ROLE_SERIES_COUNT - 1: colours to tell pods apart; they mean nothing */
	ROLE_SERIES_LAST = ROLE_SERIES + 5,
	ROLE_COUNT
};
#define ROLE_SERIES_COUNT (ROLE_COUNT - ROLE_SERIES)

/* A colour that a program chose for its own text. */
#define COLOUR_OF_ROLE	    0u
#define COLOUR_INDEX(n)	    (1u << 24 | (uint32_t)(n)) /* of the 256; 0 to 15 are the terminal's own */
#define COLOUR_RGB(r, g, b) (2u << 24 | (uint32_t)(r) << 16 | (uint32_t)(g) << 8 | (uint32_t)(b))
#define COLOUR_IS_RGB(c)    ((c) >> 24 == 2)
#define COLOUR_VALUE(c)	    ((c) & 0xffffffu)

enum { STYLE_BOLD = 1, STYLE_DIM = 2, STYLE_ITALIC = 4, STYLE_UNDERLINE = 8, STYLE_REVERSE = 16 };

struct style { /* all zero: as the role says */
	uint32_t fg, bg;
	uint8_t attributes; /* STYLE_… besides those of the role */
};

struct run { /* text of one style; borrows */
	struct str text;
	struct style style;
};

struct cell {
	uint32_t rune; /* 0: the second half of a wide character */
	uint32_t marks[GLYPH_MARKS];
	struct style style;
	uint8_t role;
	bool selected; /* under the cursor: shown reversed, and marked by '>' so that colour is never alone */
};

struct theme;
struct canvas {
	int cols, rows;
	const struct theme *theme; /* of pictures; borrowed, NULL: dark */
	bool ascii; /* marks and borders as ASCII */
	struct cell *cells; /* row by row */
	uint32_t *hot;	    /* what a click on a cell stands for, see canvas_hot() */
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
/* Puts all of from at row, col; what lies outside is clipped. For panes that stand side by side. */
void canvas_paste(struct canvas *canvas, int row, int col, const struct canvas *from);
/* Cells that text takes. */
int text_width(const char *text);

/*
 * Puts runs at row, col in at most width cells, beginning with the cell number skip of their text. Gives the cells of the text
 * that were used, so that skip + used is where the next line of a wrapped text begins (a wide character is never split). Nothing
 * tells that text was cut: the caller knows.
 */
int canvas_styled(struct canvas *canvas, int row, int col, int width, int skip, enum role role, const struct run *runs, size_t n);
/* Cells that the text of all runs takes. */
int runs_width(const struct run *runs, size_t n);
/* Gives cells that are drawn already another role and takes away colours of their own: search matches. */
void canvas_paint(struct canvas *canvas, int row, int col, int width, enum role role);

/* A click on these cells is the key; HOT_MOVE(by): it moves the cursor by so many rows, 0 opens what is there. */
void canvas_hot(struct canvas *canvas, int row, int col, int width, uint32_t key);
/* What lies below a dialog cannot be clicked. */
void canvas_cool(struct canvas *canvas);
/* 0: nothing. */
uint32_t canvas_hot_at(const struct canvas *canvas, int row, int col);
#define HOT_MOVE(by)	 (0x80000000u + (uint32_t)((by) + 0x10000000))
#define HOT_IS_MOVE(hot) ((hot) >= 0x80000000u)
#define HOT_MOVE_BY(hot) ((int)((hot) - 0x80000000u) - 0x10000000)

/* Which part of a list is in view: a thumb in one column. Nothing when all of it is. */
void canvas_scrollbar(struct canvas *canvas, int row, int col, int rows, size_t first, size_t shown, size_t total);
/* The last width values, each as one cell of eight heights below max; NAN is a blank. Returns the cells used. */
int canvas_strip(struct canvas *canvas, int row, int col, int width, enum role role, const double *values, size_t n, double max);

/* ---- lists ---- */

enum cut { CUT_END, CUT_MIDDLE /* names */ };

struct list_column {
	const char *title;
	int min;   /* cells; a column that cannot have them is left out */
	int want;  /* cells that its contents would like; at least min */
	int rank;  /* 1 stays longest; the order in which columns go and in which they grow to want */
	int grow;  /* its share of what is left when all have what they want; 0: none */
	bool right; /* numbers: stand at the right and are never cut, so min is their widest */
	enum cut cut;
};
struct list_cell {
	const char *text;
	enum role role;
};

/*
 * Shares width cells among columns with a blank between them. ret_widths[i] is 0 for a column that is left out. The column of the
 * lowest rank always stays, cut if need be.
 */
void list_fit(const struct list_column *columns, size_t n, int width, int *ret_widths);
/* Gives the columns, with widths of list_fit(), at row, col on. */
void canvas_list_head(struct canvas *canvas, int row, int col, const struct list_column *columns, const int *widths, size_t n);
void canvas_list_row(struct canvas *canvas, int row, int col, const struct list_column *columns, const int *widths, size_t n,
			const struct list_cell *cells);

/* As lines without trailing blanks, for tests and --dump text. */
void canvas_dump_text(const struct canvas *canvas, struct buf *out);
void canvas_dump_svg(const struct canvas *canvas, struct buf *out);

#endif
