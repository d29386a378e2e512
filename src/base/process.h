/*
 * process: runs a child to its end, in a process group of its own.
 *
 * Arguments are a list, never a shell line. The child inherits no descriptor but 0, 1 and 2 and has default signal
 * handling. On cancel or timeout its whole group gets SIGTERM, then SIGKILL after kill_after_ms. Blocks the calling
 * thread; never on the net or main thread.
 */
#ifndef SLOTDECK_BASE_PROCESS_H
#define SLOTDECK_BASE_PROCESS_H

#include "base/clock.h"
#include "base/str.h"

enum process_stream { PROCESS_STDOUT, PROCESS_STDERR };

struct process_options {
	const char *const *argv; /* NULL at the end; argv[0] is looked up in PATH unless it holds a slash */
	const char *const *env;	 /* "NAME=value" over our own environment, NULL at the end; or NULL */
	const char *cwd;	 /* NULL: ours */
	struct str stdin_text;	 /* empty: /dev/null */
	bool inherit_stdin; /* the terminal, for plugins that ask a person; the child stays in our process group then */
	/* Lines as they come, without their end, cut at max_line_bytes (then truncated is true). On the calling thread.
	 * May be NULL. */
	void (*on_line)(enum process_stream stream, struct str line, bool truncated, void *arg);
	void *arg;
	size_t max_line_bytes;	 /* 0: 64 KiB */
	size_t max_output_bytes; /* kept in ret->out and ret->err each; 0: nothing is kept; more is ERR_LIMIT when
				    limit_is_error */
	bool limit_is_error;	 /* stdout over max_output_bytes kills the child */
	unsigned timeout_ms;	 /* 0: none */
	unsigned kill_after_ms;	 /* 0: 5 s */
	struct clock *clock;	 /* NULL: the system's */
};

struct process_result {
	int exit_code;	   /* -1: killed by signal */
	int signal_number; /* 0: exited */
	struct buf out, err;
	int64_t elapsed_ms;
};
void process_result_release(struct process_result *result);
DEFINE_AUTO_RELEASE(process_result);

/*
 * True when the child ran and ended by itself, whatever its exit code. Else ERR_NOT_FOUND (no such program), ERR_IO,
 * ERR_TIMEOUT, ERR_CANCELLED, ERR_LIMIT; ret then holds what was read until then.
 */
bool process_run(const struct process_options *options, const struct cancel *cancel, struct process_result *ret,
		 struct error *err);

#endif
