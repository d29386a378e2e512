/*
 * shell: the terminal handed over to a command in a container, and given back.
 *
 *     term suspended by the caller ─► raw mode ─► keys ──► exec channel 0          ┐ until the command ends,
 *     term resumed by the caller   ◄─ restored ◄─ screen ◄ exec channels 1 and 2   ┘ or the person leaves
 *
 * With a terminal on both sides it is an interactive shell: raw mode, size changes go to the other side, Ctrl-] twice
 * leaves (one Ctrl-] and any other key go through as typed), SIGTSTP restores, stops, and sets up again. With `tty` off it
 * joins stdin, stdout and stderr with the command's, for scripts; the end of stdin is passed on.
 *
 * shell_run() blocks its thread until the end; that may be the main thread, as nothing else draws meanwhile. Signal
 * handlers for SIGWINCH, SIGTSTP and SIGCONT are ours while it runs, and put back; one shell at a time per program.
 */
#ifndef SLOTDECK_LIVE_SHELL_H
#define SLOTDECK_LIVE_SHELL_H

#include "kube/client.h"

struct shell_options {
	const char *namespace, *pod;
	const char *container;	    /* NULL: the server chooses, which it does for pods with one container */
	const char *const *command; /* NULL at the end; NULL: a login to bash or sh, whichever the image has */
	bool attach;		    /* join the container's own process instead of starting a command */
	bool tty;		    /* a terminal on the other side; needs one on in_fd */
	bool no_input;		    /* in_fd is not read, the command gets no stdin */
	int in_fd, out_fd, error_fd; /* all 0: 0, 1 and 2; error_fd is not used with tty */
	/*
	 * Called about four times a second, from inside shell_run(): keep the model fresh here. False leaves the shell, as
	 * Ctrl-] twice does. May be NULL.
	 */
	bool (*tick)(void *arg);
	void *arg;
	const struct cancel *cancel; /* NULL: none */
};

enum shell_end {
	SHELL_ENDED,   /* the command ended by itself: exit_code */
	SHELL_DETACHED /* the person left; what becomes of the command is the container's affair */
};

struct shell_result {
	enum shell_end end;
	int exit_code; /* as the command's own, 128 + n when a signal ended it */
};

/*
 * True: it ran; the terminal is as it was. False, err set: it did not begin (ERR_DENIED: no right or --read-only,
 * ERR_NOT_FOUND: no such pod, ERR_SERVER: the container does not run, has no shell), or it was cut off (ERR_NETWORK:
 * then nothing is known of the command's end), or cancelled. Not on the net thread.
 */
bool shell_run(struct kube *kube, const struct shell_options *options, struct shell_result *ret, struct error *err);

/*
 * For scripts and jobs: runs a command without a terminal, gives it input (unless no_input), collects what it says (NULL:
 * thrown away; what goes over a buf's limit is thrown away, too, and the buf's overflow tells). Of the options it reads who,
 * what and cancel. *ret_exit_code counts on true only.
 */
bool shell_call(struct kube *kube, const struct shell_options *options, struct str input, struct buf *ret_out,
		struct buf *ret_error, int *ret_exit_code, struct error *err);

#endif
