#include "live/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "kube/exec.h"

#define TICK_MS 250
#define PENDING_MAX ((size_t)64 << 10) /* bytes of output that wait for our side; then no more are taken */
#define READ_BYTES 16384
#define DETACH_KEY 0x1d /* Ctrl-] */
#define INTERRUPT_KEY 0x03

/* What a program that was cut off may have left switched on: colours, hidden cursor, application keys, mouse, paste marks, the
 * alternate screen. */
static const char tidy[] = "\033[0m\033[?25h\033[?1l\033>\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?2004l\033[?47l";

enum { TO_OUT, TO_ERROR };

struct session {
	const struct shell_options *options;
	struct exec *exec;
	int in, out[2];
	bool terminal; /* ours is one, and the other side has one */
	struct termios before;
	struct buf pending[2];
	bool opened, held, in_ended; /* held: one detach key was typed */
	bool left;		     /* by the person, tick or cancel */
	bool ended;
	int exit_code;
	struct error err;
	int64_t tick_ms; /* when the next one is due */
};

/* ---- signals ---- */

static const int signals[] = { SIGWINCH, SIGTSTP, SIGCONT };

/* Written by shell_run(), read by the handler. */
static int wake_fd = -1;
static volatile sig_atomic_t resized, stopped;

static void on_signal(int number)
{
	int code = errno;
	uint64_t one = 1;

	if (number == SIGTSTP)
		stopped = 1;
	else
		resized = 1;
	(void)!write(wake_fd, &one, sizeof one);
	errno = code;
}

static void take_signals(struct sigaction former[ARRAY_LEN(signals)])
{
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	resized = stopped = 0;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_RESTART }, &former[i]);
}

static void give_signals_back(const struct sigaction former[ARRAY_LEN(signals)])
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &former[i], NULL);
	close(wake_fd);
	wake_fd = -1;
}

/* ---- the terminal ---- */

static void make_raw(struct session *s)
{
	struct termios raw = s->before;

	cfmakeraw(&raw);
	tcsetattr(s->in, TCSADRAIN, &raw);
}

static void restore(struct session *s)
{
	tcsetattr(s->in, TCSADRAIN, &s->before);
}

static bool terminal_size(const struct session *s, unsigned *ret_columns, unsigned *ret_rows)
{
	struct winsize size;

	if (!s->terminal || ioctl(s->in, TIOCGWINSZ, &size) != 0)
		return false;
	*ret_columns = size.ws_col;
	*ret_rows = size.ws_row;
	return true;
}

/* Raw mode, too: whoever stopped us, or ran meanwhile, may have set another. */
static void set_up_again(struct session *s)
{
	unsigned columns, rows;

	if (!terminal_size(s, &columns, &rows))
		return;
	make_raw(s);
	exec_resize(s->exec, columns, rows);
}

static void handle_signals(struct session *s)
{
	uint64_t count;

	(void)!read(wake_fd, &count, sizeof count);
	if (stopped) {
		stopped = 0;
		if (s->terminal)
			restore(s);
		raise(SIGSTOP);
		resized = 1;
	}
	if (resized) {
		resized = 0;
		set_up_again(s);
	}
}

/* ---- our side's descriptors ---- */

/*
 * One that does not block, where it is a terminal or a pipe: as an open file of our own, because others share the one that we
 * were given. A file or a socket does as it is.
 */
static int open_again(int fd)
{
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", fd);
	struct stat about;
	int again = -1;

	if (fstat(fd, &about) == 0 && (S_ISCHR(about.st_mode) || S_ISFIFO(about.st_mode)))
		again = open(path, (fcntl(fd, F_GETFL) & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return again >= 0 ? again : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void leave(struct session *s)
{
	s->left = true;
}

static void fail(struct session *s, const char *what)
{
	if (!s->err.kind)
		error_errno(&s->err, "%s", what);
	leave(s);
}

static void flush(struct session *s, size_t which)
{
	struct buf *pending = &s->pending[which];

	while (pending->len) {
		ssize_t n = write(s->out[which], pending->p, pending->len);

		if (n > 0)
			buf_consume(pending, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			return;
		else if (n >= 0 || errno != EINTR) {
			fail(s, "write the output");
			buf_reset(pending);
		}
	}
}

/* Keys, with the one that leaves taken out. */
static void take_keys(struct session *s, struct str bytes)
{
	AUTO_RELEASE(buf) typed = BUF_INIT(0);

	for (size_t i = 0; i < bytes.len && !s->left; i++) {
		bool detach = bytes.p[i] == DETACH_KEY;

		if ((detach && s->held) || (bytes.p[i] == INTERRUPT_KEY && !s->opened)) {
			leave(s);
		} else if (detach) {
			s->held = true;
		} else {
			if (s->held)
				buf_addc(&typed, DETACH_KEY);
			s->held = false;
			buf_addc(&typed, bytes.p[i]);
		}
	}
	if (typed.len && !s->left)
		exec_write(s->exec, buf_str(&typed));
}

static void end_input(struct session *s)
{
	s->in_ended = true;
	if (s->terminal)
		leave(s); /* it is gone */
	else
		exec_end_input(s->exec);
}

static void read_input(struct session *s)
{
	char bytes[READ_BYTES];
	ssize_t n = read(s->in, bytes, sizeof bytes);

	if (n > 0 && s->terminal)
		take_keys(s, (struct str){ bytes, (size_t)n });
	else if (n > 0)
		exec_write(s->exec, (struct str){ bytes, (size_t)n });
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		end_input(s);
}

/* ---- the other side ---- */

static void take_event(struct session *s, struct exec_event *event)
{
	switch (event->kind) {
	case EXEC_OPENED:
		s->opened = true;
		break;
	case EXEC_STDOUT:
	case EXEC_STDERR: {
		size_t which = event->kind == EXEC_STDERR ? TO_ERROR : TO_OUT;

		buf_add_str(&s->pending[which], buf_str(&event->bytes));
		flush(s, which);
		break;
	}
	case EXEC_ENDED:
		s->ended = true;
		s->exit_code = event->exit_code;
		error_move(&s->err, &event->error);
		break;
	case EXEC_DRAINED:
		break;
	}
}

static bool has_room(const struct session *s)
{
	return s->pending[TO_OUT].len < PENDING_MAX && s->pending[TO_ERROR].len < PENDING_MAX;
}

static void take_events(struct session *s)
{
	AUTO_RELEASE(exec_event) event = { 0 };

	while (!s->left && has_room(s) && exec_next(s->exec, &event))
		take_event(s, &event);
}

/* ---- the loop ---- */

static void tick(struct session *s)
{
	int64_t now = clock_now_ms(NULL);

	if (!s->options->tick || now < s->tick_ms)
		return;
	s->tick_ms = now + TICK_MS;
	if (!s->options->tick(s->options->arg))
		leave(s);
}

static void turn(struct session *s)
{
	bool reads = !s->in_ended && !s->ended && exec_unsent(s->exec) < EXEC_UNSENT_MAX;
	struct pollfd fds[] = {
		{ .fd = reads ? s->in : -1, .events = POLLIN },
		{ .fd = has_room(s) && !s->ended ? exec_fd(s->exec) : -1, .events = POLLIN },
		{ .fd = s->pending[TO_OUT].len ? s->out[TO_OUT] : -1, .events = POLLOUT },
		{ .fd = s->pending[TO_ERROR].len ? s->out[TO_ERROR] : -1, .events = POLLOUT },
		{ .fd = wake_fd, .events = POLLIN },
		{ .fd = cancel_fd(s->options->cancel), .events = POLLIN },
	};

	poll(fds, ARRAY_LEN(fds), s->options->tick ? TICK_MS : -1);
	if (cancel_requested(s->options->cancel)) {
		cancel_check(s->options->cancel, &s->err);
		leave(s);
		return;
	}
	if (fds[4].revents)
		handle_signals(s);
	for (size_t which = TO_OUT; which <= TO_ERROR; which++)
		if (fds[2 + which].revents)
			flush(s, which);
	if (fds[0].revents)
		read_input(s);
	take_events(s);
	tick(s);
}

static bool is_over(const struct session *s)
{
	return s->left || (s->ended && !s->pending[TO_OUT].len && !s->pending[TO_ERROR].len);
}

/* ---- beginning and end ---- */

static const char *const login[] = { "sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash || exec sh", NULL };

static struct exec *start(const struct session *s, struct kube *kube, struct error *err)
{
	const struct shell_options *o = s->options;
	struct exec_options options = { .namespace = o->namespace,
					.pod = o->pod,
					.container = o->container,
					.command = o->attach ? NULL : o->command ? o->command : login,
					.input = !o->no_input,
					.must_end_input = !o->no_input && !s->terminal,
					.tty = s->terminal };

	terminal_size(s, &options.columns, &options.rows);
	return exec_open(kube, &options, err);
}

static bool open_descriptors(struct session *s, struct error *err)
{
	const struct shell_options *o = s->options;
	bool standard = !o->in_fd && !o->out_fd && !o->error_fd;

	s->in = open_again(o->in_fd);
	s->out[TO_OUT] = open_again(standard ? STDOUT_FILENO : o->out_fd);
	s->out[TO_ERROR] = open_again(standard ? STDERR_FILENO : o->error_fd);
	if (s->in < 0 || s->out[TO_OUT] < 0 || s->out[TO_ERROR] < 0)
		return error_errno(err, "open the terminal");
	s->terminal = o->tty && !o->no_input;
	if (s->terminal && tcgetattr(s->in, &s->before) != 0)
		return error_set(err, ERR_IO, "an interactive shell needs a terminal; the input is none");
	s->in_ended = o->no_input;
	return true;
}

static void run(struct session *s)
{
	struct sigaction former[ARRAY_LEN(signals)];

	take_signals(former);
	if (s->terminal)
		make_raw(s);
	while (!is_over(s))
		turn(s);
	if (s->terminal) {
		/* Not flushed any more: what was typed or drawn meanwhile is for nobody. */
		(void)!write(s->out[TO_OUT], tidy, sizeof tidy - 1);
		restore(s);
	}
	give_signals_back(former);
}

static void release(struct session *s)
{
	exec_close(s->exec);
	close(s->in);
	for (size_t which = TO_OUT; which <= TO_ERROR; which++) {
		close(s->out[which]);
		buf_release(&s->pending[which]);
	}
	error_release(&s->err);
}

bool shell_run(struct kube *kube, const struct shell_options *options, struct shell_result *ret, struct error *err)
{
	struct session s = { .options = options, .in = -1, .out = { -1, -1 } };
	bool good = open_descriptors(&s, err) && (s.exec = start(&s, kube, err));

	if (good) {
		run(&s);
		good = !s.err.kind || error_move(err, &s.err);
		*ret = (struct shell_result){ s.ended ? SHELL_ENDED : SHELL_DETACHED, s.exit_code };
	}
	release(&s);
	return good;
}

/* ---- without a terminal ---- */

static void keep(struct buf *into, struct str bytes)
{
	if (into)
		buf_add_str(into, bytes);
}

static bool wait_for_event(struct exec *exec, const struct cancel *cancel, struct exec_event *ret, struct error *err)
{
	while (!exec_next(exec, ret)) {
		clock_wait_fd(NULL, cancel, exec_fd(exec), INT64_MAX);
		if (!cancel_check(cancel, err))
			return false;
	}
	return true;
}

/* Gives it as much of the input as may wait; true when that was the last of it. */
static bool feed(struct exec *exec, struct str *input)
{
	while (input->len && exec_unsent(exec) < EXEC_UNSENT_MAX) {
		size_t n = input->len < READ_BYTES ? input->len : READ_BYTES;

		exec_write(exec, (struct str){ input->p, n });
		*input = (struct str){ input->p + n, input->len - n };
	}
	return !input->len;
}

bool shell_call(struct kube *kube, const struct shell_options *o, struct str input, struct buf *ret_out, struct buf *ret_error,
		int *ret_exit_code, struct error *err)
{
	bool feeds = !o->no_input;
	AUTO(exec) exec = exec_open(kube,
				    &(struct exec_options){ .namespace = o->namespace,
							    .pod = o->pod,
							    .container = o->container,
							    .command = o->attach ? NULL : o->command ? o->command : login,
							    .input = feeds,
							    .must_end_input = feeds },
				    err);
	AUTO_RELEASE(exec_event) event = { 0 };

	if (!exec)
		return false;
	while (event.kind != EXEC_ENDED) {
		if (feeds && feed(exec, &input)) {
			exec_end_input(exec);
			feeds = false;
		}
		if (!wait_for_event(exec, o->cancel, &event, err))
			return false;
		if (event.kind == EXEC_STDOUT || event.kind == EXEC_STDERR)
			keep(event.kind == EXEC_STDOUT ? ret_out : ret_error, buf_str(&event.bytes));
	}
	*ret_exit_code = event.exit_code;
	return !event.error.kind || error_move(err, &event.error);
}
