/*
 * F26: the terminal is given back whatever ends the program, on every screen, over every dialog and while a job runs. Each place meets one
 * signal, every second one a signal that crashes, in turn; SIGNALS=all sends every signal in every place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "pty_program.h"

#define STEPS_MAX 5

struct place {
	const char *name, *open; /* open: what it begins with; NULL: the environments */
	struct {
		const char *keys, *shows;
	} steps[STEPS_MAX]; /* that lead there */
};

#define COMPARED { "/slot 2\r", ">✗ slot 2" }, { "A", "A asks before it applies" }
#define ASKED	 COMPARED, { "A", "Type y to go on" }
#define APPLIED	 ASKED, { "y", "wait" }

static const struct place places[] = {
	{ "Envs", NULL, { { "", "[1 Envs]" } } },
	{ "Slots", NULL, { { "2", "[2 Slots]" } } },
	{ "Deploy", NULL, { { "3", "[3 Deploy]" } } },
	{ "a workload", NULL, { { "3", "[3 Deploy]" }, { "\r", "Tab: " } } },
	{ "Runs", NULL, { { "4", "[4 Runs]" } } },
	{ "Apply", NULL, { { "5", "[5 Apply]" } } },
	{ "Review", NULL, { { "6", "[6 Review]" } } },
	{ "the browser", "pods", { { "", "[Browse]" } } },
	{ "an object", "deployments/web", { { "", "Deployment web" } } },
	{ "logs", NULL, { { "l", "[Logs]" }, { "", "received" } } },
	{ "a choice over the logs", NULL, { { "l", "[Logs]" }, { "", "received" }, { "\r", "show the lines of" } } },
	{ "the keys", NULL, { { "?", "─ keys ─" } } },
	{ "the palette", NULL, { { ":", "jump to, or do" } } },
	{ "the menu", NULL, { { "a", "actions on " } } },
	{ "a line that is typed", NULL, { { "/nowhere", "nowhere" } } },
	{ "a comparison", NULL, { COMPARED } },
	{ "a question", NULL, { ASKED } },
	{ "a job", NULL, { APPLIED } },
	{ "a question over a job", NULL, { APPLIED, { "Q", "leaving cancels it" } } },
};

#define LEAVE_SIGNALS "handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0"

static const int endings[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT }, crashes[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };

static void go_to(struct pty *pty, const struct place *place)
{
	const char *const argv[] = { NULL, "--demo", place->open ? "--open" : NULL, place->open, "-n", "shop-dev", NULL };

	pty_start(pty, &(struct pty_options){ .cols = 120, .rows = 40, .argv = argv });
	if (!place->open)
		pty_wait_for(pty, "✗ slot 2");
	for (size_t i = 0; i < STEPS_MAX && place->steps[i].shows; i++) {
		pty_type(pty, place->steps[i].keys);
		pty_wait_for(pty, place->steps[i].shows);
	}
}

static bool gives_back(const struct pty *pty, size_t from)
{
	static const char *const wanted[] = { "\033[?1049l", "25h", "\033[?1000l", "\033[?2004l" };
	struct str rest = { pty->output.p + from, pty->output.len - from };

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (str_find(rest, str_of(wanted[i])) < 0)
			return false;
	return pty_modes_are_restored(pty);
}

static void check(const struct place *place, int number, bool crash)
{
	struct pty pty;

	go_to(&pty, place);
	size_t from = pty.output.len;

	kill(pty.pid, number);
	int status = pty_finish(&pty);
	bool ended = crash ? WIFSIGNALED(status) && WTERMSIG(status) == number : WIFEXITED(status) && WEXITSTATUS(status) == 128 + number;

	if (!ended || !gives_back(&pty, from))
		fail_msg("%s, %s: status %x, the terminal is %sgiven back", place->name, strsignal(number), status, gives_back(&pty, from) ? "" : "not ");
	pty_release(&pty);
}

static void check_places(const int *signals, size_t n, bool crash)
{
	const char *which = getenv("SIGNALS");
	bool all = which && strcmp(which, "all") == 0;

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		for (size_t k = 0; k < n; k++)
			if (all || (i % 2 == crash && k == i / 2 % n))
				check(&places[i], signals[k], crash);
}

static void whatever_asks_it_to_end_it_gives_the_terminal_back_in_every_place(void **state)
{
	(void)state;
	check_places(endings, ARRAY_LEN(endings), false);
}

static void whatever_crashes_it_it_gives_the_terminal_back_in_every_place(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* its wrapper of handlers needs more stack than a crash has left */
#endif
	check_places(crashes, ARRAY_LEN(crashes), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_asks_it_to_end_it_gives_the_terminal_back_in_every_place),
		cmocka_unit_test(whatever_crashes_it_it_gives_the_terminal_back_in_every_place),
	};

	/* Else a sanitizer ends a program that crashes with a status of its own. */
	setenv("ASAN_OPTIONS", LEAVE_SIGNALS, 1);
	setenv("TSAN_OPTIONS", LEAVE_SIGNALS, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
