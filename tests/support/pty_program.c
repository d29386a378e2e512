#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pty_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define LOOK_BYTES 64 /* less than a box on the screen takes */

struct report {
	enum { REPORT_STARTED, REPORT_STOPPED, REPORT_ENDED } kind;
	pid_t pid;
	int status;
};

static void set_variable(const char *variable)
{
	AUTO_FREE char *name = xstrdup(variable);
	char *value = strchr(name, '=');

	*value++ = '\0';
	setenv(name, value, 1);
}

static void run_program(const struct pty_options *options)
{
	setpgid(0, 0);
	tcsetpgrp(STDIN_FILENO, getpid());
	for (int number = 1; number < SIGRTMIN; number++)
		signal(number, SIG_DFL); /* cmocka has handlers of its own */
	setenv("TERM", options->term ? options->term : "xterm-256color", 1);
	setenv("LC_ALL", options->locale ? options->locale : "C.UTF-8", 1);
	unsetenv("TMUX");
	unsetenv("NO_COLOR");
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1); /* whoever runs the tests may have settings */
	if (options->variable)
		set_variable(options->variable);
	if (options->folder && chdir(options->folder) != 0)
		_exit(126);
	if (!options->argv) {
		int code = options->run();

		fflush(NULL);
		_exit(code); /* what the test itself holds is no leak of the program */
	}
	const char *bin = options->argv[0] ? options->argv[0] : getenv("SLOTDECK_BIN");
	const char *argv[16] = { bin };

	for (size_t i = 1; i < ARRAY_LEN(argv) - 1 && options->argv[i]; i++)
		argv[i] = options->argv[i];
	execv(bin, (char *const *)argv);
	_exit(127);
}

static pid_t foreground; /* of the shell, for its handler */

static void pass_hang_up_on(int number)
{
	kill(-foreground, number);
}

/* The shell: one program in the foreground; told when it stops, asked to go on with a byte. */
static void run_shell(const struct pty_options *options, int report_fd, int command_fd)
{
	struct report report = { REPORT_STARTED, 0, 0 };
	char command;

	signal(SIGTTOU, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	report.pid = fork();
	if (report.pid == 0) {
		close(report_fd);
		close(command_fd);
		run_program(options);
	}
	setpgid(report.pid, report.pid);
	tcsetpgrp(STDIN_FILENO, report.pid);
	foreground = report.pid;
	if (!options->deaf)
		sigaction(SIGHUP, &(struct sigaction){ .sa_handler = pass_hang_up_on }, NULL);
	(void)!write(report_fd, &report, sizeof report);
	for (;;) {
		if (waitpid(report.pid, &report.status, WUNTRACED) != report.pid)
			continue;
		report.kind = WIFSTOPPED(report.status) ? REPORT_STOPPED : REPORT_ENDED;
		if (report.kind == REPORT_STOPPED)
			tcsetpgrp(STDIN_FILENO, getpgrp());
		(void)!write(report_fd, &report, sizeof report);
		if (report.kind == REPORT_ENDED)
			_exit(0);
		while (read(command_fd, &command, 1) < 0 && errno == EINTR)
			;
		tcsetpgrp(STDIN_FILENO, report.pid);
		kill(-report.pid, SIGCONT);
	}
}

/* cmocka cuts a long message. */
static void fail_showing(const char *screen, const char *text, const char *what)
{
	for (const char *line = screen, *end; (end = strchr(line, '\n')); line = end + 1)
		print_error("|%.*s\n", (int)(end - line), line);
	fail_msg("\"%s\" %s", text, what);
}

static bool has_report(const struct pty *pty)
{
	return poll(&(struct pollfd){ .fd = pty->report_fd, .events = POLLIN }, 1, 0) > 0;
}

static struct report read_report(struct pty *pty)
{
	int64_t due_ms = clock_now_ms(NULL) + PTY_LIMIT_MS;
	struct report report;

	while (!has_report(pty)) {
		if (clock_now_ms(NULL) > due_ms) {
			AUTO_FREE char *screen = pty_screen(pty);

			kill(pty->pid, SIGKILL);
			fail_showing(screen, "the end or a stop of the program", "did not come");
		}
		if (pty->fd < 0 || !pty_pump(pty))
			poll(&(struct pollfd){ .fd = pty->report_fd, .events = POLLIN }, 1, 50);
	}
	assert_int_equal(read(pty->report_fd, &report, sizeof report), sizeof report);
	return report;
}

void pty_start(struct pty *pty, const struct pty_options *options)
{
	int report[2], command[2];

	*pty = (struct pty){ .cols = options->cols ? options->cols : 80, .rows = options->rows ? options->rows : 24, .output = BUF_INIT(0) };
	struct winsize size = { .ws_row = (unsigned short)pty->rows, .ws_col = (unsigned short)pty->cols };

	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	assert_int_equal(pipe2(command, O_CLOEXEC), 0);
	pty->shell = forkpty(&pty->fd, NULL, NULL, &size);
	assert_true(pty->shell >= 0);
	if (pty->shell == 0) {
		close(report[0]);
		close(command[1]);
		run_shell(options, report[1], command[0]);
	}
	close(report[1]);
	close(command[0]);
	fcntl(pty->fd, F_SETFD, FD_CLOEXEC);
	tcgetattr(pty->fd, &pty->before);
	pty->report_fd = report[0];
	pty->command_fd = command[1];
	pty->vterm = vterm_new(pty->rows, pty->cols);
	vterm_set_utf8(pty->vterm, 1);
	vterm_screen_enable_altscreen(vterm_obtain_screen(pty->vterm), 1);
	vterm_screen_reset(vterm_obtain_screen(pty->vterm), 1);
	pty->pid = read_report(pty).pid;
}

bool pty_pump_for(struct pty *pty, int wait_ms)
{
	char bytes[65536];

	if (poll(&(struct pollfd){ .fd = pty->fd, .events = POLLIN }, 1, wait_ms) <= 0)
		return true;
	ssize_t n = read(pty->fd, bytes, sizeof bytes);

	if (n <= 0)
		return n < 0 && errno == EINTR;
	buf_add(&pty->output, bytes, (size_t)n);
	for (size_t at = 0, step = pty->look ? LOOK_BYTES : (size_t)n; at < (size_t)n; at += step) {
		vterm_input_write(pty->vterm, bytes + at, (size_t)n - at < step ? (size_t)n - at : step);
		if (pty->look)
			pty->look(pty, pty->look_arg);
	}
	return true;
}

bool pty_pump(struct pty *pty)
{
	return pty_pump_for(pty, 20);
}

bool pty_settle(struct pty *pty)
{
	int64_t due_ms = clock_now_ms(NULL) + PTY_LIMIT_MS;
	char *name = ptsname(pty->fd);
	int slave = name ? open(name, O_RDONLY | O_NOCTTY | O_CLOEXEC) : -1, unread = 1;

	assert_true(slave >= 0);
	while (unread && !has_report(pty)) {
		pty_pump_for(pty, 0);
		ioctl(slave, FIONREAD, &unread);
		if (unread)
			pty_pump_for(pty, 1);
		if (clock_now_ms(NULL) > due_ms) {
			AUTO_FREE char *screen = pty_screen(pty);

			fail_showing(screen, "an answer to the keys", "did not come");
		}
	}
	close(slave);
	return !has_report(pty);
}

char *pty_screen(const struct pty *pty)
{
	struct buf out = BUF_INIT(0);
	VTermScreen *screen = vterm_obtain_screen(pty->vterm);

	for (int row = 0; row < pty->rows; row++) {
		for (int col = 0; col < pty->cols; col++) {
			VTermScreenCell cell;

			vterm_screen_get_cell(screen, (VTermPos){ row, col }, &cell);
			for (size_t i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i] && cell.chars[i] != (uint32_t)-1; i++)
				buf_add_rune(&out, cell.chars[i]);
			if (!cell.chars[0])
				buf_addc(&out, ' ');
		}
		buf_addc(&out, '\n');
	}
	return buf_give(&out);
}

static void wait_until(struct pty *pty, const char *text, bool there, const char *what)
{
	int64_t due_ms = clock_now_ms(NULL) + PTY_LIMIT_MS;

	for (;;) {
		AUTO_FREE char *now = pty_screen(pty);

		if (!strstr(now, text) == !there)
			return;
		if (!pty_pump(pty) || clock_now_ms(NULL) > due_ms)
			fail_showing(now, text, what);
	}
}

void pty_wait_for(struct pty *pty, const char *text)
{
	wait_until(pty, text, true, "did not come");
}

void pty_wait_gone(struct pty *pty, const char *text)
{
	wait_until(pty, text, false, "did not go");
}

void pty_wait_for_output(struct pty *pty, size_t from, const char *text)
{
	int64_t due_ms = clock_now_ms(NULL) + PTY_LIMIT_MS;

	for (;;) {
		struct str rest = buf_str(&pty->output);

		if (str_find((struct str){ rest.p + from, rest.len - from }, str_of(text)) >= 0)
			return;
		if (!pty_pump(pty) || clock_now_ms(NULL) > due_ms)
			fail_msg("\"%s\" was not written", text);
	}
}

void pty_type(struct pty *pty, const char *keys)
{
	assert_int_equal(write(pty->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

void pty_resize(struct pty *pty, int cols, int rows)
{
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols };

	ioctl(pty->fd, TIOCSWINSZ, &size);
	if (cols < 1 || rows < 1)
		return;
	vterm_set_size(pty->vterm, rows, cols);
	pty->cols = cols;
	pty->rows = rows;
}

void pty_wait_stopped(struct pty *pty)
{
	struct report report = read_report(pty);

	if (report.kind != REPORT_STOPPED)
		fail_msg("it ended with wait status %d instead of stopping", report.status);
	pty_pump(pty); /* what it wrote before is there */
}

void pty_continue(struct pty *pty)
{
	assert_int_equal(write(pty->command_fd, "c", 1), 1);
}

bool pty_modes_are_restored(const struct pty *pty)
{
	struct termios now;

	tcgetattr(pty->fd, &now);
	return now.c_iflag == pty->before.c_iflag && now.c_oflag == pty->before.c_oflag && now.c_cflag == pty->before.c_cflag &&
	       now.c_lflag == pty->before.c_lflag && memcmp(now.c_cc, pty->before.c_cc, sizeof now.c_cc) == 0;
}

void pty_hang_up(struct pty *pty)
{
	close(pty->fd);
	pty->fd = -1;
}

int pty_finish(struct pty *pty)
{
	struct report report = read_report(pty);

	assert_int_equal(report.kind, REPORT_ENDED);
	while (pty->fd >= 0 && poll(&(struct pollfd){ .fd = pty->fd, .events = POLLIN }, 1, 0) > 0)
		if (!pty_pump(pty))
			break;
	waitpid(pty->shell, NULL, 0);
	close(pty->report_fd);
	close(pty->command_fd);
	pty->status = report.status;
	return report.status;
}

void pty_release(struct pty *pty)
{
	vterm_free(pty->vterm);
	buf_release(&pty->output);
	if (pty->fd >= 0)
		close(pty->fd);
	pty->fd = -1;
}

/* ---- the repertoire ---- */

static bool is_allowed_csi(struct str parameters, char final)
{
	static const char *const private_modes[] = { "1", "7", "12", "25", "1000", "1002", "1006", "1049", "2004", "2026", "12;25" };

	for (size_t i = 0; i < parameters.len; i++)
		if (!strchr("0123456789;?", parameters.p[i]))
			return false;
	if (parameters.len && parameters.p[0] == '?') {
		struct str mode = { parameters.p + 1, parameters.len - 1 };

		for (size_t i = 0; i < ARRAY_LEN(private_modes); i++)
			if ((final == 'h' || final == 'l') && str_is(mode, private_modes[i]))
				return true;
		return final == 'c' && mode.len == 1; /* the shape of the cursor, linux */
	}
	if (final == 't')
		return str_is(parameters, "22;0;0") || str_is(parameters, "23;0;0") || str_is(parameters, "22;2") || str_is(parameters, "23;2");
	return strchr("ABCDGHJKLMPXabdfhilmrST@", final) != NULL;
}

/* What follows an ESC; 0 if it is none of ours, else its length. */
static size_t allowed_sequence(struct str s)
{
	if (s.len && strchr("78=>DEHM", s.p[0]))
		return 1;
	if (s.len > 1 && strchr("()", s.p[0]) && strchr("0B", s.p[1]))
		return 2;
	if (s.len > 1 && s.p[0] == '[') {
		size_t end = 1;

		while (end < s.len && s.p[end] >= 0x20 && s.p[end] < 0x40)
			end++;
		return end < s.len && is_allowed_csi((struct str){ s.p + 1, end - 1 }, s.p[end]) ? end + 1 : 0;
	}
	if (str_starts(s, STR("]104\a")))
		return 5; /* ncurses gives the palette back */
	if (str_starts(s, STR("]2;")) || str_starts(s, STR("]52;c;"))) {
		size_t end = 1;

		while (end < s.len && (unsigned char)s.p[end] >= 0x20 && s.p[end] != 0x7f)
			end++;
		return end < s.len && s.p[end] == '\a' ? end + 1 : 0;
	}
	return 0;
}

/* From where the program leaves its screen to where it enters it again, or to the end. */
static struct str behind_loan(struct str rest)
{
	ptrdiff_t at = str_find(rest, STR("\033[?1049h"));

	return at < 0 ? (struct str){ 0 } : (struct str){ rest.p + at, rest.len - (size_t)at };
}

void pty_check_repertoire(const struct pty *pty)
{
	struct str rest = buf_str(&pty->output);
	uint32_t rune;

	for (struct str at = rest; utf8_next(&rest, &rune); at = rest) {
		size_t used = rune == '\033' ? allowed_sequence(rest) : 1;

		if (!used || (rune < ' ' && !strchr("\b\t\n\r\033\016\017", (int)rune)) || (rune >= 0x7f && rune < 0xa0) || (rune >= 0x202a && rune <= 0x202e))
			fail_msg("U+%04X and what follows is not ours: %.*s", rune, (int)(at.len < 60 ? at.len : 60), at.p + (rune == '\033'));
		if (rune == '\033')
			rest = (struct str){ rest.p + used, rest.len - used };
		if (pty->lends && str_starts(at, STR("\033[?1049l")))
			rest = behind_loan(rest);
	}
}
