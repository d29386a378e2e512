/*
 * term: the terminal, through ncursesw. The term*.c files alone call it; one terminal per program, main thread only.
 *
 * Whatever happens (exit, signal, crash, suspension) the terminal is given back as it was. Nothing is written when nothing changed,
 * and nothing that came from outside except through a canvas, a title or a copied text, which are all made harmless here.
 */
#ifndef SLOTDECK_UI_TERM_H
#define SLOTDECK_UI_TERM_H

#include "base/error.h"
#include "ui/canvas.h"

/* Keys that are no character; others are Unicode, and 1 to 26 are Ctrl-A to Ctrl-Z. */
#define KEY_CTRL(letter) ((uint32_t)(letter) & 31u)
enum {
	KEY_TERM_NONE = 0,
	KEY_TERM_TAB = 9,
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
	KEY_TERM_BACKTAB,
	KEY_TERM_BACKSPACE,
	KEY_TERM_DELETE,
	KEY_TERM_INSERT,
	KEY_TERM_CTRL_SPACE,
	KEY_TERM_F1, /* to F12 in a row; Alt with a digit is the same (Alt-0 is F10), for terminals that keep F-keys for themselves */
	KEY_TERM_F2,
	KEY_TERM_F3,
	KEY_TERM_F4,
	KEY_TERM_F5,
	KEY_TERM_F6,
	KEY_TERM_F7,
	KEY_TERM_F8,
	KEY_TERM_F9,
	KEY_TERM_F10,
	KEY_TERM_F11,
	KEY_TERM_F12,
	KEY_TERM_MOUSE,	 /* ask term_mouse() */
	KEY_TERM_PASTE,	 /* ask term_pasted(): text for a text field, never keys */
	KEY_TERM_RESIZE, /* another size, or back from suspension: draw; term_size() tells the size */
	KEY_TERM_GONE	 /* the terminal is no more, or SIGTERM, SIGHUP, SIGQUIT: leave */
};

struct theme;
struct term_options {
	bool ascii;		  /* besides what the locale says */
	bool no_colour;		  /* NO_COLOR: whatever the theme */
	bool no_mouse;		  /* leave the mouse to the terminal */
	const char *theme;	  /* name; NULL: "dark" */
	const char *theme_folder; /* of the person; NULL: none */
};

struct term;
/* ERR_IO with a plain sentence when stdout is no terminal or TERM is unknown, ERR_INVALID for a theme that is none. */
struct term *term_open(const struct term_options *options, struct error *err);
/* Gives the terminal back. NULL is fine. */
void term_close(struct term *term);
/* At least 1 by 1. */
void term_size(const struct term *term, int *ret_cols, int *ret_rows);
bool term_is_ascii(const struct term *term);
/* Shows canvas; only cells that differ from before are written. */
void term_show(struct term *term, const struct canvas *canvas);
/* Writes everything anew (Ctrl-L). */
void term_redraw(struct term *term);
/* Shows everything in another theme from the next term_show() on. Without colours it stays "mono". */
bool term_set_theme(struct term *term, const char *name, const char *folder, struct error *err);

/* ---- input ---- */

/*
 * The next key that was typed, KEY_TERM_NONE when there is none. Ctrl-Z and SIGTSTP are dealt with inside: the program stops, and when
 * it goes on the next key is KEY_TERM_RESIZE. Resizes are told at most 30 times a second.
 */
uint32_t term_key(struct term *term);
/* Readable when term_key() has something: for poll(). It wakes for signals on any thread too. Borrowed; never read from it. */
int term_fd(const struct term *term);
/* The signal that asked us to leave; 0: none. */
int term_signal(void);

enum mouse_kind { MOUSE_PRESS, MOUSE_RELEASE, MOUSE_DRAG, MOUSE_WHEEL_UP, MOUSE_WHEEL_DOWN };
struct mouse {
	enum mouse_kind kind;
	int button; /* 1 left, 2 middle, 3 right; 0 for a wheel */
	int row, col;
};
/* Where the last KEY_TERM_MOUSE was. */
struct mouse term_mouse(const struct term *term);
/* Takes the mouse or leaves it to the terminal, so that text can be selected there. */
void term_set_mouse(struct term *term, bool on);
bool term_has_mouse(const struct term *term);
/* The text of the last KEY_TERM_PASTE, cut at 64 KiB: line breaks as '\n', no other control characters. Borrowed until the next key. */
const char *term_pasted(const struct term *term);

/* ---- the terminal for somebody else ---- */

/*
 * Gives the terminal to a shell or an editor as it was before term_open(), and takes it back. In between nothing here may be called but
 * term_resume(), SIGINT and SIGQUIT reach the other program alone, and SIGTSTP stops both. Draw after term_resume().
 */
void term_pause(struct term *term);
void term_resume(struct term *term);

/* ---- beside the screen ---- */

/* The title of the window; the former one comes back at the end. Nothing happens where that is not possible. */
void term_set_title(struct term *term, const char *title);
/* Copies text to the clipboard by OSC 52, also through tmux. False if it is too long for terminals (COPY_MAX_BYTES of osc.h). */
bool term_copy(struct term *term, const char *text);

#endif
