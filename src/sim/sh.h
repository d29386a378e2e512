/*
 * sh: the shell of a simulated container. Private to src/sim.
 *
 * Enough of one to look around and to test with: words, quotes, $variables, `;`, `&&`, `||`, `>&2`, output thrown away by
 * `>`, and the commands that `help` names. There are no processes: everything happens on the caller's thread.
 */
#ifndef SLOTDECK_SIM_SH_H
#define SLOTDECK_SIM_SH_H

#include "base/map.h"
#include "base/str.h"

enum sh_output { SH_STDOUT = 1, SH_STDERR = 2 };
enum sh_read { SH_LINE, SH_END, SH_INTERRUPTED };

struct sh_io {
	void (*write)(enum sh_output output, struct str bytes, void *arg);
	/* Appends the next line, \n included where there was one. */
	enum sh_read (*read)(struct buf *line, void *arg);
	/* False: interrupted, or nobody is there any more. */
	bool (*sleep)(int64_t milliseconds, void *arg);
	void (*size)(unsigned *ret_columns, unsigned *ret_rows, void *arg); /* 0: no terminal */
	void *arg;
};

struct sh {
	const struct sh_io *io;
	struct map env;		   /* texts */
	const char *host, *process; /* the pod; what PID 1 runs */
	const char *folder;	   /* borrowed, static */
	int status;		   /* of the last command */
	bool over;		   /* exit was called */
	enum sh_redirection { SH_NONE, SH_NOWHERE, SH_TO_STDERR } redirection; /* of stdout, for one command */
};

/* Whether a container can start it. */
bool sh_knows(const char *command);
/* Runs argv as a container's command and gives its exit status. */
int sh_run(struct sh *sh, char *const *argv, size_t argc);

#endif
