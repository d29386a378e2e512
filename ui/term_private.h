/*
 * term_private: what term.c (the screen) and term_input.c (keys, mouse, signals) share.
 */
#ifndef SLOTDECK_UI_TERM_PRIVATE_H
#define SLOTDECK_UI_TERM_PRIVATE_H

#define _XOPEN_SOURCE_EXTENDED 1
#include <ncurses.h>
#include <signal.h>
#include <termios.h>

#include "ui/term.h"
#include "ui/theme.h"

struct term_input {
	int fd;	      /* epoll over the three below and stdin */
	int timer_fd; /* runs while a resize is held back */
	bool resized; /* held back */
	int64_t resize_ms; /* when the last one was told */
	unsigned empty_reads;
	struct mouse mouse;
	bool pasting;
	int64_t paste_ms; /* of its last character */
	struct buf pasted;
};

struct term {
	SCREEN *screen;
	bool ascii, xterm; /* xterm: takes its private modes or ignores them */
	bool mouse, paused;
	char *title; /* NULL: not set */
	int cols, rows;
	enum depth depth;
	struct theme *theme;
	struct cell *shown; /* what the terminal shows, cols * rows; a rune of UNSHOWN: unknown */
	struct term_input input;
	struct termios modes; /* from before */
};

/* term_input.c */
bool term_watch(struct term *term, struct error *err); /* before newterm(): ncurses leaves signals alone that have a handler */
void term_define_keys(void);
void term_unwatch(struct term *term);
void term_default_stop(bool on); /* SIGTSTP stops at once, as for a program without a screen */

/* term.c */
void term_adopt_size(struct term *term);
void term_suspend(struct term *term);
void term_forget_shown(struct term *term);
void term_restore_in_handler(void); /* async-signal-safe */

#endif
