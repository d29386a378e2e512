/*
 * term: the terminal, through ncursesw. The only file that calls it; one per program, main thread only.
 *
 * Whatever happens (exit, signal, crash) the terminal is given back as it was. Nothing is written when nothing changed.
 */
#ifndef SLOTDECK_UI_TERM_H
#define SLOTDECK_UI_TERM_H

#include "base/error.h"
#include "ui/canvas.h"

enum { /* keys that are no character; others are Unicode */
	KEY_TERM_NONE = 0,
	KEY_TERM_UP = 0x110000,
	KEY_TERM_DOWN,
	KEY_TERM_LEFT,
	KEY_TERM_RIGHT,
	KEY_TERM_PAGE_UP,
	KEY_TERM_PAGE_DOWN,
	KEY_TERM_HOME,
	KEY_TERM_END,
	KEY_TERM_ENTER,
	KEY_TERM_ESCAPE,
	KEY_TERM_BACKTAB, /* Shift-Tab; Tab is '\t' */
	KEY_TERM_BACKSPACE,
	KEY_TERM_DELETE,
	KEY_TERM_F1, /* F1 to F12 follow each other: KEY_TERM_F1 + 9 is F10 */
	KEY_TERM_F12 = KEY_TERM_F1 + 11,
	KEY_TERM_RESIZE, /* another size: ask term_size() */
	KEY_TERM_GONE	 /* the terminal is no more, or SIGTERM, SIGHUP: leave */
};

struct term_options {
	bool ascii;	   /* besides what the locale says */
	bool no_colour;	   /* NO_COLOR */
	const char *theme; /* "dark" (NULL), "light", "mono" */
};

struct term;
/* ERR_IO with a plain sentence when stdout is no terminal or TERM is unknown. */
struct term *term_open(const struct term_options *options, struct error *err);
/* Gives the terminal back. NULL is fine. */
void term_close(struct term *term);
void term_size(const struct term *term, int *ret_cols, int *ret_rows);
bool term_is_ascii(const struct term *term);
/* Shows canvas; only cells that differ from before are written. */
void term_show(struct term *term, const struct canvas *canvas);
/* Writes everything anew (Ctrl-L). */
void term_redraw(struct term *term);
/* The next key that was typed, KEY_TERM_NONE when there is none. Poll term_fd() for reading before. */
uint32_t term_key(struct term *term);
int term_fd(const struct term *term);
/* The signal that asked us to leave; 0: none. */
int term_signal(void);

#endif
