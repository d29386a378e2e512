/* The dashboard lends its terminal to a shell in a container, and gets it back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "pty_program.h"

static bool shows(const struct pty *p, const char *text)
{
	AUTO_FREE char *screen = pty_screen(p);

	return strstr(screen, text) != NULL;
}

/* The list of pods may be on the screen before the model knows whether they run: asked again, then. */
static void ask_for_shell(struct pty *p)
{
	int64_t end = clock_now_ms(NULL) + PTY_LIMIT_MS;

	while (!shows(p, "shell: which container") && clock_now_ms(NULL) < end) {
		int64_t again = clock_now_ms(NULL) + 2000;

		pty_type(p, "X");
		while (!shows(p, "shell: which container") && clock_now_ms(NULL) < again)
			pty_pump(p);
	}
	pty_wait_for(p, "shell: which container");
}

/* The demo, with a shell open in the first pod of slot 1. */
static void open_shell(struct pty *p)
{
	static const char *const argv[] = { NULL, "--demo", "--open", "pods", "-n", "shop-dev-1", NULL };

	pty_start(p, &(struct pty_options){ .cols = 100, .rows = 30, .argv = argv });
	pty_wait_for(p, ">api-");
	pty_wait_for(p, "live");
	ask_for_shell(p);
	pty_type(p, "\r");
	pty_wait_for(p, "Type y to go on");
	pty_type(p, "y");
	pty_wait_for(p, "/ # ");
}

static void a_shell_has_the_terminal_until_it_ends(void **state)
{
	struct pty p;

	(void)state;
	open_shell(&p);
	pty_type(&p, "stty size\r");
	pty_wait_for(&p, "30 100");
	pty_resize(&p, 110, 35);
	pty_type(&p, "sleep 0.2; stty size\r");
	pty_wait_for(&p, "35 110");
	pty_type(&p, "exit 3\r");
	pty_wait_for(&p, "ended with 3");
	pty_wait_for(&p, ">api-");
	pty_type(&p, "Q");
	assert_int_equal(pty_finish(&p), 0);
	assert_true(pty_modes_are_restored(&p));
	pty_release(&p);
}

static void the_detach_keys_lead_back_to_the_dashboard(void **state)
{
	struct pty p;

	(void)state;
	open_shell(&p);
	pty_type(&p, "\035\035");
	pty_wait_for(&p, "what ran there may go on");
	pty_type(&p, "Q");
	assert_int_equal(pty_finish(&p), 0);
	assert_true(pty_modes_are_restored(&p));
	pty_release(&p);
}

static void a_signal_ends_the_dashboard_also_while_a_shell_has_the_terminal(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct pty p;

		open_shell(&p);
		kill(p.pid, signals[i]);
		int status = pty_finish(&p);

		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 128 + signals[i]);
		assert_true(pty_modes_are_restored(&p));
		pty_release(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shell_has_the_terminal_until_it_ends),
		cmocka_unit_test(the_detach_keys_lead_back_to_the_dashboard),
		cmocka_unit_test(a_signal_ends_the_dashboard_also_while_a_shell_has_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
