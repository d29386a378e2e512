/*
 * pty_program: a program on a pseudo-terminal, under a small shell of its own with job control, and what its screen shows.
 *
 * The screen is kept by libvterm; what the program wrote is kept too. Functions that wait fail the test after PTY_LIMIT_MS.
 */
#ifndef SLOTDECK_TESTS_PTY_PROGRAM_H
#define SLOTDECK_TESTS_PTY_PROGRAM_H

#include <sys/types.h>
#include <termios.h>
#include <vterm.h>

#include "base/str.h"

#define PTY_LIMIT_MS 30000

struct pty_options {
	int cols, rows;	       /* 0: 80 by 24 */
	const char *term;      /* TERM; NULL: xterm-256color */
	const char *locale;    /* LC_ALL; NULL: C.UTF-8 */
	const char *variable;  /* "NAME=value", one more; or NULL */
	const char *folder;    /* where it runs; NULL: here */
	const char *const *argv; /* ends with NULL; argv[0] NULL: $SLOTDECK_BIN. Or, when argv is NULL: */
	int (*run)(void);      /* in the child; its result is the exit status */
	bool deaf;	       /* the shell does not pass on that the terminal has gone: no SIGHUP */
};

struct pty {
	pid_t pid, shell;
	int fd, cols, rows, report_fd, command_fd;
	VTerm *vterm;
	struct termios before; /* the terminal's modes when the program began */
	struct buf output;     /* everything that was written */
	int status;	       /* of the program that ended */
	/* Called again and again while what was written comes to the screen, so that nothing that was there for a moment is missed. NULL: not. */
	void (*look)(struct pty *pty, void *arg);
	void *look_arg;
	bool lends; /* a shell may run in the program's place: what it writes is not judged */
};

void pty_start(struct pty *pty, const struct pty_options *options);
/* Takes in what comes within a moment. False when the other side is closed. */
bool pty_pump(struct pty *pty);
/* The same, waiting so long for the first byte. */
bool pty_pump_for(struct pty *pty, int wait_ms);
/* Until the program has read all keys; false when it has ended instead. */
bool pty_settle(struct pty *pty);
/* The screen as lines; gives. */
char *pty_screen(const struct pty *pty);
void pty_wait_for(struct pty *pty, const char *text);
void pty_wait_gone(struct pty *pty, const char *text);
/* Until the output has text somewhere after its byte from. */
void pty_wait_for_output(struct pty *pty, size_t from, const char *text);
void pty_type(struct pty *pty, const char *keys);
void pty_resize(struct pty *pty, int cols, int rows);
/* Waits until the program has stopped (SIGTSTP, SIGSTOP). */
void pty_wait_stopped(struct pty *pty);
/* Brings it to the foreground again, as `fg` does. */
void pty_continue(struct pty *pty);
/* Whether the terminal's modes are those from before. */
bool pty_modes_are_restored(const struct pty *pty);
/* The program's side is closed as when a window closes. */
void pty_hang_up(struct pty *pty);
/* Waits for the end and frees. Gives the wait status; output stays until pty_release(). */
int pty_finish(struct pty *pty);
void pty_release(struct pty *pty);

/* Fails unless the output holds only sequences that the program has a use for, and no other control characters. */
void pty_check_repertoire(const struct pty *pty);

#endif
