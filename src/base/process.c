#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_LINE_BYTES    ((size_t)64 << 10)
#define DEFAULT_KILL_AFTER_MS 5000
#define READ_CHUNK_BYTES      ((size_t)32 << 10)
/* How long output is still read after the child itself ended: a grandchild may hold the pipe for ever. */
#define DRAIN_MS 500

extern char **environ;

/* One pipe from the child. */
struct outlet {
	enum process_stream stream;
	int fd; /* -1: ended */
	struct buf line;
	bool cutting; /* the line is over its limit; the rest of it is dropped */
	struct buf *kept;
};

struct run {
	const struct process_options *options;
	const struct cancel *cancel;
	struct process_result *result;
	struct error *err;
	pid_t pid;
	int pid_fd;
	int stdin_fd; /* -1: closed */
	struct str stdin_rest;
	struct outlet outlets[2];
	int64_t started_ms, due_ms;
	int64_t kill_ms;  /* when SIGKILL follows; INT64_MAX before SIGTERM was sent */
	int64_t drain_ms; /* when reading ends; INT64_MAX while the child lives */
	int status;
	bool ended;
};

void process_result_release(struct process_result *result)
{
	buf_release(&result->out);
	buf_release(&result->err);
	*result = (struct process_result){ 0 };
}

static size_t line_limit(const struct run *run)
{
	return run->options->max_line_bytes ? run->options->max_line_bytes : DEFAULT_LINE_BYTES;
}

static void emit_line(struct run *run, struct outlet *outlet, bool truncated)
{
	struct str line = buf_str(&outlet->line);

	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	run->options->on_line(outlet->stream, line, truncated, run->options->arg);
	buf_reset(&outlet->line);
}

static void add_lines(struct run *run, struct outlet *outlet, struct str bytes)
{
	while (bytes.len) {
		ptrdiff_t end = str_find_char(bytes, '\n');
		size_t n = end < 0 ? bytes.len : (size_t)end;
		size_t room = line_limit(run) - outlet->line.len;

		if (!outlet->cutting)
			buf_add(&outlet->line, bytes.p, n < room ? n : room);
		if (!outlet->cutting && n > room) {
			emit_line(run, outlet, true);
			outlet->cutting = true;
		}
		if (end < 0)
			return;
		if (!outlet->cutting)
			emit_line(run, outlet, false);
		outlet->cutting = false;
		bytes = (struct str){ bytes.p + end + 1, bytes.len - (size_t)end - 1 };
	}
}

static void send_signal(struct run *run, int number)
{
	if (run->options->inherit_stdin)
		kill(run->pid, number);
	else
		kill(-run->pid, number);
}

/* Begins the end: SIGTERM now, SIGKILL later. The first reason stays. */
static void stop_child(struct run *run, enum err_kind kind, const char *why)
{
	if (run->kill_ms != INT64_MAX)
		return;
	unsigned patience = run->options->kill_after_ms ? run->options->kill_after_ms : DEFAULT_KILL_AFTER_MS;

	error_set(run->err, kind, "%s: %s", run->options->argv[0], why);
	run->kill_ms = clock_now_ms(run->options->clock) + patience;
	send_signal(run, SIGTERM);
	send_signal(run, SIGCONT); /* a stopped child hears nothing else */
}

static void keep(struct run *run, struct outlet *outlet, struct str bytes)
{
	size_t max = run->options->max_output_bytes;
	size_t room = max - outlet->kept->len;

	if (!max)
		return;
	buf_add(outlet->kept, bytes.p, bytes.len < room ? bytes.len : room);
	if (bytes.len > room && run->options->limit_is_error && outlet->stream == PROCESS_STDOUT)
		stop_child(run, ERR_LIMIT, "wrote more than allowed");
}

static void end_outlet(struct run *run, struct outlet *outlet)
{
	if (outlet->fd < 0)
		return;
	close(outlet->fd);
	outlet->fd = -1;
	if (run->options->on_line && outlet->line.len)
		emit_line(run, outlet, false);
}

static void read_outlet(struct run *run, struct outlet *outlet)
{
	char chunk[READ_CHUNK_BYTES];
	ssize_t n = read(outlet->fd, chunk, sizeof chunk);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		end_outlet(run, outlet);
		return;
	}
	struct str bytes = { chunk, (size_t)n };

	keep(run, outlet, bytes);
	if (run->options->on_line)
		add_lines(run, outlet, bytes);
}

static void close_stdin(struct run *run)
{
	if (run->stdin_fd >= 0)
		close(run->stdin_fd);
	run->stdin_fd = -1;
}

static void feed_stdin(struct run *run)
{
	/* A socket pair instead of a pipe: MSG_NOSIGNAL spares the program a SIGPIPE when the child does not read. */
	ssize_t n = send(run->stdin_fd, run->stdin_rest.p, run->stdin_rest.len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0)
		run->stdin_rest = (struct str){ run->stdin_rest.p + n, run->stdin_rest.len - (size_t)n };
	if (n < 0 || !run->stdin_rest.len)
		close_stdin(run);
}

/* Descriptors of the child's side, closed when it has them. */
struct ends {
	int child[3];
	int mine[3];
};

static void ends_release(struct ends *ends)
{
	for (int i = 0; i < 3; i++) {
		if (ends->child[i] >= 0)
			close(ends->child[i]);
		if (ends->mine[i] >= 0)
			close(ends->mine[i]);
	}
	*ends = (struct ends){ { -1, -1, -1 }, { -1, -1, -1 } };
}
DEFINE_AUTO_RELEASE(ends);

static bool open_ends(const struct process_options *options, struct ends *ends, struct error *err)
{
	int pair[2];

	if (options->stdin_text.len) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return error_errno(err, "socketpair");
		ends->child[0] = pair[0];
		ends->mine[0] = pair[1];
	} else if (!options->inherit_stdin) {
		ends->child[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (ends->child[0] < 0)
			return error_errno(err, "/dev/null");
	}
	for (int i = 1; i < 3; i++) {
		if (pipe2(pair, O_CLOEXEC) < 0)
			return error_errno(err, "pipe");
		ends->child[i] = pair[1];
		ends->mine[i] = pair[0];
		(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	}
	return true;
}

/* A NAME=value list with ours in front and additions over it; the strings stay borrowed. */
static char **merge_env(const char *const *additions)
{
	char **list = NULL;
	size_t n = 0, cap = 0;

	for (char **e = environ; e && *e; e++)
		LIST_PUSH(list, n, cap) = *e;
	for (; additions && *additions; additions++) {
		const char *equals = strchr(*additions, '=');
		size_t len = equals ? (size_t)(equals - *additions) + 1 : strlen(*additions), at = 0;

		while (at < n && strncmp(list[at], *additions, len) != 0)
			at++;
		if (at == n)
			(void)LIST_PUSH(list, n, cap);
		list[at] = (char *)*additions;
	}
	LIST_PUSH(list, n, cap) = NULL;
	return list;
}

static int spawn(const struct process_options *options, const struct ends *ends, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	char **env = merge_env(options->env);

	posix_spawn_file_actions_init(&actions);
	for (int i = 0; i < 3; i++)
		if (ends->child[i] >= 0)
			posix_spawn_file_actions_adddup2(&actions, ends->child[i], i);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (options->cwd)
		posix_spawn_file_actions_addchdir_np(&actions, options->cwd);
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	if (!options->inherit_stdin) {
		flags |= POSIX_SPAWN_SETPGROUP;
		posix_spawnattr_setpgroup(&attributes, 0);
	}
	posix_spawnattr_setflags(&attributes, flags);
	int code = posix_spawnp(ret_pid, options->argv[0], &actions, &attributes, (char *const *)options->argv, env);

	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(env);
	return code;
}

static bool start(struct run *run)
{
	const struct process_options *options = run->options;
	AUTO_RELEASE(ends) ends = { { -1, -1, -1 }, { -1, -1, -1 } };

	if (!open_ends(options, &ends, run->err))
		return false;
	if (options->cwd && access(options->cwd, X_OK) < 0)
		return error_errno(run->err, "%s", options->cwd);
	int code = spawn(options, &ends, &run->pid);

	if (code == ENOENT)
		return error_set(run->err, ERR_NOT_FOUND, "%s: command not found", options->argv[0]);
	if (code) {
		errno = code;
		return error_errno(run->err, "%s", options->argv[0]);
	}
	run->pid_fd = (int)syscall(SYS_pidfd_open, run->pid, 0);
	run->stdin_fd = ends.mine[0];
	run->outlets[0].fd = ends.mine[1];
	run->outlets[1].fd = ends.mine[2];
	ends.mine[0] = ends.mine[1] = ends.mine[2] = -1;
	return true;
}

/* WNOWAIT first: while the zombie stands, its process group id cannot be another's, and the last SIGKILL is safe. */
static bool child_has_ended(struct run *run)
{
	siginfo_t info = { 0 };

	if (run->ended)
		return true;
	if (waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == run->pid)
		run->ended = true;
	return run->ended;
}

static bool output_open(const struct run *run)
{
	return run->outlets[0].fd >= 0 || run->outlets[1].fd >= 0;
}

static int64_t earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Without pidfd_open (old kernels, sandboxes) the child's end is looked for every 50 ms. */
static int poll_ms(const struct run *run)
{
	if (run->options->clock)
		return 10;
	int64_t due = earliest(run->kill_ms, run->drain_ms);

	if (run->kill_ms == INT64_MAX)
		due = earliest(due, run->due_ms);
	int64_t left = due == INT64_MAX ? 60000 : due - clock_now_ms(NULL);

	if (run->pid_fd < 0 && left > 50)
		left = 50;
	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void wait_and_serve(struct run *run)
{
	bool stopping = run->kill_ms != INT64_MAX;
	struct pollfd fds[] = {
		{ .fd = run->outlets[0].fd, .events = POLLIN },
		{ .fd = run->outlets[1].fd, .events = POLLIN },
		{ .fd = run->stdin_fd, .events = POLLOUT },
		{ .fd = run->ended ? -1 : run->pid_fd, .events = POLLIN },
		{ .fd = stopping ? -1 : cancel_fd(run->cancel), .events = POLLIN },
	};

	if (poll(fds, ARRAY_LEN(fds), poll_ms(run)) <= 0)
		return;
	for (int i = 0; i < 2; i++)
		if (fds[i].revents)
			read_outlet(run, &run->outlets[i]);
	if (fds[2].revents)
		feed_stdin(run);
}

static void check_deadlines(struct run *run)
{
	int64_t now = clock_now_ms(run->options->clock);

	if (cancel_requested(run->cancel))
		stop_child(run, ERR_CANCELLED, "cancelled");
	if (now >= run->due_ms)
		stop_child(run, ERR_TIMEOUT, "took too long");
	if (now >= run->kill_ms) {
		send_signal(run, SIGKILL);
		run->kill_ms = now + 1000;
	}
	if (child_has_ended(run) && run->drain_ms == INT64_MAX)
		run->drain_ms = now + DRAIN_MS;
}

static void serve(struct run *run)
{
	for (;;) {
		check_deadlines(run);
		if (run->ended && (!output_open(run) || clock_now_ms(run->options->clock) >= run->drain_ms))
			return;
		wait_and_serve(run);
	}
}

static void finish(struct run *run)
{
	/* What the child left behind in its group goes with it when it was stopped; a background child of a hook may
	 * stay. */
	if (run->kill_ms != INT64_MAX)
		send_signal(run, SIGKILL);
	while (waitpid(run->pid, &run->status, 0) < 0 && errno == EINTR)
		;
	close_stdin(run);
	for (int i = 0; i < 2; i++) {
		end_outlet(run, &run->outlets[i]);
		buf_release(&run->outlets[i].line);
	}
	if (run->pid_fd >= 0)
		close(run->pid_fd);
	run->result->exit_code = WIFEXITED(run->status) ? WEXITSTATUS(run->status) : -1;
	run->result->signal_number = WIFSIGNALED(run->status) ? WTERMSIG(run->status) : 0;
	run->result->elapsed_ms = clock_now_ms(run->options->clock) - run->started_ms;
}

bool process_run(const struct process_options *options, const struct cancel *cancel, struct process_result *ret,
		 struct error *err)
{
	AUTO_RELEASE(error) why = { 0 };
	int64_t now = clock_now_ms(options->clock);
	struct run run = {
		.options = options,
		.cancel = cancel,
		.result = ret,
		.err = &why,
		.pid_fd = -1,
		.stdin_fd = -1,
		.stdin_rest = options->stdin_text,
		.started_ms = now,
		.kill_ms = INT64_MAX,
		.drain_ms = INT64_MAX,
		.due_ms = options->timeout_ms ? now + options->timeout_ms : INT64_MAX,
		.outlets = { { .stream = PROCESS_STDOUT, .fd = -1, .kept = &ret->out },
			     { .stream = PROCESS_STDERR, .fd = -1, .kept = &ret->err } },
	};

	process_result_release(ret);
	if (!cancel_check(cancel, err))
		return false;
	if (!start(&run))
		return error_move(err, &why);
	serve(&run);
	finish(&run);
	if (why.kind)
		return error_move(err, &why);
	return true;
}
