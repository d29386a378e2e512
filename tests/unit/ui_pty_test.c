/* The real program on a pty, read back through libvterm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <vterm.h>

#include "base/clock.h"
#include "base/str.h"

#define LIMIT_MS 30000

struct program {
	pid_t pid;
	int fd, cols, rows;
	VTerm *vterm;
	struct termios before;
	bool restored; /* the alternate screen was left */
	struct buf tail;
};

static struct program start(int cols, int rows, const char *first, const char *second)
{
	struct program p = { .cols = cols, .rows = rows, .tail = BUF_INIT(0) };
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols };
	const char *bin = getenv("SLOTDECK_BIN");

	p.pid = forkpty(&p.fd, NULL, NULL, &size);
	assert_true(p.pid >= 0);
	if (p.pid == 0) {
		setenv("TERM", "xterm-256color", 1);
		setenv("LC_ALL", "C.UTF-8", 1);
		execl(bin, bin, first, second, (char *)NULL);
		_exit(127);
	}
	tcgetattr(p.fd, &p.before);
	p.vterm = vterm_new(rows, cols);
	vterm_set_utf8(p.vterm, 1);
	vterm_screen_reset(vterm_obtain_screen(p.vterm), 1);
	return p;
}

/* Feeds what comes within a moment; false when the program closed its side. */
static bool pump(struct program *p)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLIN };
	char bytes[65536];

	if (poll(&fd, 1, 50) <= 0)
		return true;
	ssize_t n = read(p->fd, bytes, sizeof bytes);

	if (n <= 0)
		return n < 0 && errno == EINTR;
	vterm_input_write(p->vterm, bytes, (size_t)n);
	buf_add(&p->tail, bytes, (size_t)n);
	p->restored = p->restored || str_find((struct str){ bytes, (size_t)n }, STR("\033[?1049l")) >= 0;
	return true;
}

static char *screen_text(const struct program *p)
{
	struct buf out = BUF_INIT(0);
	VTermScreen *screen = vterm_obtain_screen(p->vterm);

	for (int row = 0; row < p->rows; row++) {
		for (int col = 0; col < p->cols; col++) {
			VTermScreenCell cell;

			vterm_screen_get_cell(screen, (VTermPos){ row, col }, &cell);
			if (cell.chars[0] != (uint32_t)-1)
				buf_add_rune(&out, cell.chars[0] ? cell.chars[0] : ' ');
		}
		buf_addc(&out, '\n');
	}
	return buf_give(&out);
}

static void wait_for(struct program *p, const char *text)
{
	int64_t due_ms = clock_now_ms(NULL) + LIMIT_MS;

	for (;;) {
		AUTO_FREE char *now = screen_text(p);

		if (strstr(now, text))
			return;
		if (!pump(p) || clock_now_ms(NULL) > due_ms)
			fail_msg("\"%s\" did not come; the screen was:\n%s", text, now);
	}
}

static void type(struct program *p, const char *keys)
{
	assert_int_equal(write(p->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* Waits for the end, gives the exit status. */
static int finish(struct program *p)
{
	int64_t due_ms = clock_now_ms(NULL) + LIMIT_MS;
	int status;

	while (pump(p) && clock_now_ms(NULL) < due_ms)
		if (waitpid(p->pid, &status, WNOHANG) == p->pid)
			goto ended;
	if (waitpid(p->pid, &status, 0) != p->pid)
		fail_msg("the program did not end");
ended:
	while (p->fd >= 0) {
		struct pollfd fd = { .fd = p->fd, .events = POLLIN };
		char bytes[4096];
		ssize_t n = poll(&fd, 1, 100) > 0 ? read(p->fd, bytes, sizeof bytes) : 0;

		if (n <= 0)
			break;
		p->restored = p->restored || str_find((struct str){ bytes, (size_t)n }, STR("\033[?1049l")) >= 0;
	}
	vterm_free(p->vterm);
	buf_release(&p->tail);
	if (p->fd >= 0)
		close(p->fd);
	return status;
}

static void the_demo_shows_what_is_broken_and_why_at_every_size(void **state)
{
	static const struct {
		int cols, rows;
	} sizes[] = { { 80, 24 }, { 120, 40 }, { 40, 10 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct program p = start(sizes[i].cols, sizes[i].rows, "--demo", NULL);

		wait_for(&p, "✗ slot 2");
		wait_for(&p, "Crash");
		type(&p, "q");
		assert_int_equal(finish(&p), 0);
		assert_true(p.restored);
	}
}

static void a_session_compares_asks_and_applies(void **state)
{
	(void)state;
	struct program p = start(120, 40, "--demo", NULL);

	wait_for(&p, "✗ slot 2");
	type(&p, "A");
	wait_for(&p, "would-configure");
	wait_for(&p, "A asks before it applies");
	type(&p, "A");
	wait_for(&p, "Type y to go on");
	type(&p, "A"); /* the key that asked does not confirm */
	wait_for(&p, "A asks before it applies");
	type(&p, "A");
	wait_for(&p, "Type y to go on");
	type(&p, "y");
	wait_for(&p, "wait");
	type(&p, "q");
	wait_for(&p, "[1 Envs]");
	type(&p, "q");
	wait_for(&p, "leaving cancels it");
	type(&p, "y");
	assert_int_equal(finish(&p), 0);
	assert_true(p.restored);
}

static void help_names_every_key_and_an_unknown_key_is_answered(void **state)
{
	(void)state;
	struct program p = start(100, 40, "--demo", NULL);

	wait_for(&p, "✗ slot 2");
	type(&p, "%");
	wait_for(&p, "this key does nothing here");
	type(&p, "[");
	wait_for(&p, "this key works on Deploy");
	type(&p, "?");
	wait_for(&p, "a page up");
	type(&p, "/compare\r");
	wait_for(&p, "compare the stack with the cluster");
	type(&p, "Q");
	assert_int_equal(finish(&p), 0);
}

static void read_only_compares_but_does_not_apply(void **state)
{
	(void)state;
	struct program p = start(120, 40, "--demo", "--read-only");

	wait_for(&p, "RO");
	wait_for(&p, "✗ slot 2");
	type(&p, "A");
	wait_for(&p, "A asks before it applies");
	type(&p, "A");
	wait_for(&p, "read-only: nothing is applied");
	type(&p, "Q");
	assert_int_equal(finish(&p), 0);
}

static void a_signal_restores_the_terminal(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGSEGV };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct program p = start(80, 24, "--demo", NULL);

		wait_for(&p, "✗ slot 2");
		kill(p.pid, signals[i]);
		int status = finish(&p);

		assert_true(p.restored);
		if (signals[i] == SIGSEGV)
			assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

static void any_size_is_survived(void **state)
{
	(void)state;
	struct program p = start(80, 24, "--demo", NULL);

	wait_for(&p, "✗ slot 2");
	for (int i = 0; i < 60; i++) {
		struct winsize size = { .ws_row = (unsigned short)(1 + i * 7 % 50), .ws_col = (unsigned short)(1 + i * 13 % 200) };

		ioctl(p.fd, TIOCSWINSZ, &size);
		pump(&p);
	}
	struct winsize size = { .ws_row = 24, .ws_col = 80 };

	ioctl(p.fd, TIOCSWINSZ, &size);
	type(&p, "?");
	wait_for(&p, "Move");
	type(&p, "Q");
	assert_int_equal(finish(&p), 0);
}

static void a_lost_terminal_ends_the_program_within_a_moment(void **state)
{
	(void)state;
	struct program p = start(80, 24, "--demo", NULL);
	int64_t due_ms;
	int status;

	wait_for(&p, "✗ slot 2");
	close(p.fd);
	p.fd = -1;
	due_ms = clock_now_ms(NULL) + 5000;
	while (waitpid(p.pid, &status, WNOHANG) != p.pid) {
		assert_true(clock_now_ms(NULL) < due_ms);
		poll(NULL, 0, 20);
	}
	vterm_free(p.vterm);
	buf_release(&p.tail);
}

static void without_a_terminal_it_says_so(void **state)
{
	(void)state;
	AUTO_FREE char *command = xasprintf("%s --demo < /dev/null 2>&1 | grep -q 'needs a terminal'", getenv("SLOTDECK_BIN"));

	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_demo_shows_what_is_broken_and_why_at_every_size),
		cmocka_unit_test(a_session_compares_asks_and_applies),
		cmocka_unit_test(help_names_every_key_and_an_unknown_key_is_answered),
		cmocka_unit_test(read_only_compares_but_does_not_apply),
		cmocka_unit_test(a_signal_restores_the_terminal),
		cmocka_unit_test(any_size_is_survived),
		cmocka_unit_test(a_lost_terminal_ends_the_program_within_a_moment),
		cmocka_unit_test(without_a_terminal_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
