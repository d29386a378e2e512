/*
 * exec: a command in a container, or the container's own process (attach), with its input, output and terminal.
 *
 * Source of truth: the API server's remotecommand subprotocols v5.channel.k8s.io and, for servers before 1.30, v4. The
 * traffic runs on the net thread; what happens arrives as events that the caller takes out, on one thread of its own:
 *
 *     exec = exec_open(kube, &options, &err);
 *     poll exec_fd(), then  while (exec_next(exec, &event)) …       the last event is EXEC_ENDED
 *     exec_write() / exec_resize() / exec_end_input() at any time; exec_close() at the end
 *
 * Bounded both ways: at most 1 MiB of output waits for the caller, then the server is held back; who writes looks at
 * exec_unsent() and waits for EXEC_DRAINED.
 */
#ifndef SLOTDECK_KUBE_EXEC_H
#define SLOTDECK_KUBE_EXEC_H

#include "kube/client.h"

struct exec;

struct exec_options {
	const char *namespace, *pod;
	const char *container;	    /* NULL: the server's choice */
	const char *const *command; /* NULL at the end; NULL: attach */
	bool input;		    /* the command gets a stdin */
	bool must_end_input;	    /* it waits for the end of it: refused where the server (v4) cannot tell it */
	bool tty;		    /* then stderr comes as stdout */
	unsigned columns, rows;	    /* of the terminal at first; 0: unknown */
};

enum exec_event_kind {
	EXEC_OPENED,  /* what was written before is on its way */
	EXEC_STDOUT,
	EXEC_STDERR,
	EXEC_DRAINED, /* exec_unsent() fell below half of what it may be */
	EXEC_ENDED    /* nothing follows */
};
struct exec_event {
	enum exec_event_kind kind;
	struct buf bytes; /* of the output; not sanitised */
	/*
	 * EXEC_ENDED: without error the command ended by itself with exit_code. Else it did not begin (ERR_DENIED,
	 * ERR_NOT_FOUND, ERR_SERVER …), or was cut off (ERR_NETWORK): then its end is unknown, and no success.
	 */
	int exit_code;
	struct error error;
};
void exec_event_release(struct exec_event *event);
DEFINE_AUTO_RELEASE(exec_event);

/* Starts. ERR_INVALID: a name that cannot be one. Not on the net thread. */
struct exec *exec_open(struct kube *kube, const struct exec_options *options, struct error *err);
/* Cuts the connection if it is still there, and frees. Before net_destroy(). NULL is fine. */
void exec_close(struct exec *exec);
static inline void exec_destroy(struct exec *exec)
{
	exec_close(exec);
}
DEFINE_AUTO(exec);
/* Readable while an event waits. Borrowed; never read from it. */
int exec_fd(const struct exec *exec);
/* Gives the next event into ret, whose former content is released; false: none is there now. */
bool exec_next(struct exec *exec, struct exec_event *ret);
/* The same for the command's stdin; a copy is kept until the server takes it. What comes after the end is dropped. */
void exec_write(struct exec *exec, struct str bytes);
/* How many bytes the server has not taken yet. Stop writing at EXEC_UNSENT_MAX. */
#define EXEC_UNSENT_MAX ((size_t)256 << 10)
size_t exec_unsent(const struct exec *exec);
/* No more input. With v4 nothing is sent, as that has no word for it. */
void exec_end_input(struct exec *exec);
void exec_resize(struct exec *exec, unsigned columns, unsigned rows);

/* Whether and how the command of a Status at the end of an exec ended; false: err says why there is no exit code. */
bool exec_read_status(struct str json, int *ret_exit_code, struct error *err);

#endif
