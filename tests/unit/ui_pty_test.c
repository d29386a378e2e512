/* The real program on a pty, read back through libvterm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "pty_program.h"

static void start(struct pty *pty, int cols, int rows, const char *first, const char *second)
{
	const char *const argv[] = { NULL, first, second, NULL };

	pty_start(pty, &(struct pty_options){ .cols = cols, .rows = rows, .argv = argv });
}

/* Ends well, with the terminal as it was and nothing written that is not the program's own. */
static void finish(struct pty *pty)
{
	assert_int_equal(pty_finish(pty), 0);
	assert_true(pty_modes_are_restored(pty));
	assert_true(str_find(buf_str(&pty->output), STR("\033[?1049l")) >= 0);
	pty_check_repertoire(pty);
	pty_release(pty);
}

static void the_demo_shows_what_is_broken_and_why_at_every_size(void **state)
{
	static const struct {
		int cols, rows;
	} sizes[] = { { 80, 24 }, { 120, 40 }, { 40, 10 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct pty p;

	start(&p, sizes[i].cols, sizes[i].rows, "--demo", NULL);

		pty_wait_for(&p, "✗ slot 2");
		pty_wait_for(&p, "Crash");
		pty_type(&p, "q");
		finish(&p);
	}
}

/* The reasons stand some rows lower on the second screen: curses would move them with SU, which many a terminal does not know. */
static void rows_of_another_view_are_written_and_not_moved(void **state)
{
	struct pty p;
	size_t from;

	(void)state;
	start(&p, 120, 40, "--demo", NULL);
	pty_wait_for(&p, "last warning: BackOff");
	from = p.output.len;
	pty_type(&p, "3");
	pty_wait_for(&p, "[3 Deploy]");
	pty_wait_for(&p, "last warning: BackOff");
	pty_type(&p, "1");
	pty_wait_for(&p, "[1 Envs]");
	for (const char *at = buf_cstr(&p.output) + from; (at = strstr(at, "\033[")); at += 2) {
		char final = at[2 + strspn(at + 2, "0123456789;?")];

		assert_true(final != 'S' && final != 'T');
	}
	pty_type(&p, "Q");
	finish(&p);
}

static void a_session_compares_asks_and_applies(void **state)
{
	(void)state;
	struct pty p;

	start(&p, 120, 40, "--demo", NULL);

	pty_wait_for(&p, "✗ slot 2");
	pty_type(&p, "/slot 2\r");
	pty_wait_for(&p, ">✗ slot 2");
	pty_type(&p, "A");
	pty_wait_for(&p, "would-configure");
	pty_wait_for(&p, "A asks before it applies");
	pty_type(&p, "A");
	pty_wait_for(&p, "Type y to go on");
	pty_type(&p, "A"); /* the key that asked does not confirm */
	pty_wait_gone(&p, "Type y to go on");
	pty_type(&p, "A");
	pty_wait_for(&p, "Type y to go on");
	pty_type(&p, "y");
	pty_wait_for(&p, "wait");
	pty_type(&p, "q");
	pty_wait_for(&p, "[1 Envs]");
	pty_type(&p, "q");
	pty_wait_for(&p, "leaving cancels it");
	pty_type(&p, "y");
	finish(&p);
}

static void help_names_every_key_and_an_unknown_key_is_answered(void **state)
{
	(void)state;
	struct pty p;

	start(&p, 100, 40, "--demo", NULL);

	pty_wait_for(&p, "✗ slot 2");
	pty_type(&p, "%");
	pty_wait_for(&p, "this key does nothing here");
	pty_type(&p, "[");
	pty_wait_for(&p, "this key works on Deploy");
	pty_type(&p, "?");
	pty_wait_for(&p, "a page up");
	pty_type(&p, "/compare\r");
	pty_wait_for(&p, "compare the stack with the cluster");
	pty_type(&p, "Q");
	finish(&p);
}

/* Where text begins on the screen, as xterm tells a click there. */
static char *click_on(const struct pty *p, const char *text, char end)
{
	AUTO_FREE char *screen = pty_screen(p);
	struct str rest = str_of(screen), line;
	int row = 0;

	while (str_cut(&rest, '\n', &line)) {
		ptrdiff_t at = str_find(line, str_of(text));

		row++;
		if (at < 0)
			continue;
		int col = 1;
		uint32_t rune;

		for (struct str before = { line.p, (size_t)at }; utf8_next(&before, &rune);)
			col++;
		return xasprintf("\033[<0;%d;%d%c", col, row, end);
	}
	fail_msg("\"%s\" is not on the screen:\n%s", text, screen);
	return NULL;
}

static void click(struct pty *p, const char *text)
{
	AUTO_FREE char *press = click_on(p, text, 'M'), *release = click_on(p, text, 'm');

	pty_type(p, press);
	pty_type(p, release);
}

static void a_click_is_the_key_that_stands_there(void **state)
{
	(void)state;
	struct pty p;

	start(&p, 120, 40, "--demo", NULL);
	pty_wait_for(&p, ">✗ slot 2");
	pty_wait_for(&p, "✓ dev");
	click(&p, "✓ dev");
	pty_wait_for(&p, ">✓ dev");
	click(&p, "2 Slots");
	pty_wait_for(&p, "[2 Slots]");
	click(&p, "1 Envs");
	pty_wait_for(&p, "[1 Envs]");
	pty_type(&p, "\033[<65;5;5M"); /* the wheel */
	pty_type(&p, "\033[<64;5;5M\033[<64;5;5M\033[<64;5;5M");
	pty_wait_for(&p, ">✗ slot 2");
	click(&p, "F10");
	finish(&p);
}

static void no_click_says_yes(void **state)
{
	(void)state;
	struct pty p;

	start(&p, 100, 30, "--demo", NULL);
	pty_wait_for(&p, ">✗ slot 2");
	pty_type(&p, "A");
	pty_wait_for(&p, "A asks before it applies");
	for (int cell = 0; cell < 100 * 30; cell += 61) {
		AUTO_FREE char *press = xasprintf("\033[<0;%d;%dM", cell % 100 + 1, cell / 100 + 1);

		pty_type(&p, "A");
		pty_wait_for(&p, "Type y to go on");
		pty_type(&p, press);
		pty_type(&p, "\033[24~"); /* F12: a no, if it is still asked */
		pty_wait_gone(&p, "Type y to go on");
	}
	pty_type(&p, "Q");
	finish(&p);
}

static void a_paste_is_typed_where_text_is_typed_and_nowhere_else(void **state)
{
	(void)state;
	struct pty p;

	start(&p, 120, 40, "--demo", NULL);
	pty_wait_for(&p, ">✗ slot 2");
	pty_type(&p, "\033[200~QQAy\033[201~");
	pty_wait_for(&p, "pasted text is no command");
	pty_type(&p, "/");
	pty_type(&p, "\033[200~slot\nQQ\033[201~");
	pty_wait_for(&p, "/slot");
	pty_type(&p, "\033");
	pty_type(&p, "Q");
	finish(&p);
}

static void a_name_is_copied_to_the_clipboard(void **state)
{
	(void)state;
	struct pty p;

	start(&p, 120, 40, "--demo", NULL);
	pty_wait_for(&p, ">✗ slot 2");
	pty_type(&p, "Y");
	pty_wait_for_output(&p, 0, "\033]52;c;");
	pty_wait_for(&p, "copied: ");
	pty_type(&p, "Q");
	finish(&p);
}

static void f7_gives_the_mouse_to_the_terminal(void **state)
{
	(void)state;
	struct pty p;

	start(&p, 120, 40, "--demo", NULL);
	pty_wait_for(&p, ">✗ slot 2");
	size_t from = p.output.len;

	pty_type(&p, "\033[18~");
	pty_wait_for_output(&p, from, "\033[?1000l");
	pty_wait_for(&p, "F7 takes it back");
	pty_type(&p, "Q");
	finish(&p);
}

static void write_text(const char *path, const char *text)
{
	AUTO_RELEASE(error) err = { 0 };

	if (!file_write_atomic(path, str_of(text), 0600, &err))
		fail_msg("%s", err.message);
}

static void write_settings(const char *folder, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/slotdeck/config.yaml", folder);

	write_text(path, text);
}

struct with_settings {
	char folder[32];
	struct pty pty;
};

static void start_with_settings(struct with_settings *w, const char *text, const char *option, const char *value)
{
	const char *const argv[] = { NULL, "--demo", option, value, NULL };
	AUTO_RELEASE(error) err = { 0 };

	*w = (struct with_settings){ .folder = "/tmp/settings-XXXXXX" };
	assert_non_null(mkdtemp(w->folder));
	AUTO_FREE char *inner = xasprintf("%s/slotdeck", w->folder), *variable = xasprintf("XDG_CONFIG_HOME=%s", w->folder);

	assert_true(file_make_folders(inner, 0700, &err));
	write_settings(w->folder, text);
	pty_start(&w->pty, &(struct pty_options){ .cols = 120, .rows = 40, .argv = argv, .variable = variable });
}

static void finish_with_settings(struct with_settings *w)
{
	AUTO_FREE char *clean = xasprintf("rm -rf '%s'", w->folder);

	pty_type(&w->pty, "Q");
	finish(&w->pty);
	assert_int_equal(system(clean), 0);
}

static void settings_hold_and_a_change_is_taken_over_at_once(void **state)
{
	struct with_settings w;
	struct pty *p = &w.pty;

	(void)state;
	start_with_settings(&w, "theme: light\nkeys: { help: x }\n", NULL, NULL);
	pty_wait_for(p, "✗ slot 2");
	pty_wait_for_output(p, 0, "38;5;160m"); /* "bad" of light */
	pty_wait_for(p, "x keys");
	size_t from = p->output.len;

	write_settings(w.folder, "theme: dark\n");
	pty_wait_for(p, "the settings have changed");
	pty_wait_for_output(p, from, "38;5;203m"); /* "bad" of dark */
	write_settings(w.folder, "language: ru\n");
	pty_wait_for(p, "[1 Окружения]");
	write_settings(w.folder, "theme: drak\n");
	pty_wait_for(p, "config.yaml:1:8:");
	pty_type(p, "?");
	pty_wait_for(p, "на страницу вверх"); /* what was right before still holds */
	finish_with_settings(&w);
}

static void chosen_columns_are_shown_in_their_order(void **state)
{
	struct with_settings w;

	(void)state;
	start_with_settings(&w, "columns: { deployments: [age, Available, Name] }\n", "--open", "deployments");
	pty_wait_for(&w.pty, "Age Available Name");
	AUTO_FREE char *screen = pty_screen(&w.pty);

	assert_null(strstr(screen, "Up-to-date"));
	finish_with_settings(&w);
}

static void a_chosen_slot_asks_for_its_name(void **state)
{
	struct with_settings w;

	(void)state;
	start_with_settings(&w, "confirm: { type-name: ['slot [2]'] }\n", NULL, NULL);
	pty_wait_for(&w.pty, ">✗ slot 2");
	pty_type(&w.pty, "A");
	pty_wait_for(&w.pty, "A asks before it applies");
	pty_type(&w.pty, "A");
	pty_wait_for(&w.pty, "Type slot 2, then Enter");
	pty_type(&w.pty, "\033");
	finish_with_settings(&w);
}

static void read_only_compares_but_does_not_apply(void **state)
{
	(void)state;
	struct pty p;

	start(&p, 120, 40, "--demo", "--read-only");

	pty_wait_for(&p, "RO");
	pty_wait_for(&p, "✗ slot 2");
	pty_type(&p, "A");
	pty_wait_for(&p, "A asks before it applies");
	pty_type(&p, "A");
	pty_wait_for(&p, "read-only: nothing is applied");
	pty_type(&p, "Q");
	finish(&p);
}

static void a_signal_ends_it_at_once_and_restores_the_terminal(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGSEGV };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct pty p;

		start(&p, 80, 24, "--demo", NULL);
		pty_wait_for(&p, "✗ slot 2");
		int64_t start_ms = clock_now_ms(NULL);

		kill(p.pid, signals[i]);
		int status = pty_finish(&p);

		assert_true(clock_now_ms(NULL) - start_ms < 3000);
		assert_true(pty_modes_are_restored(&p));
		assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		pty_release(&p);
	}
}

/* F22: sizes of every kind, back to the same view after. */
static void every_size_is_survived(void **state)
{
	static const char *const views[] = { "1", "5", "?", "2", "3j\r", "4", "6", ":pods\r", "\r", "1l", "1w", "1:" };
	struct pty p;

	(void)state;
	start(&p, 80, 24, "--demo", NULL);
	pty_wait_for(&p, "✗ slot 2");
	for (size_t v = 0; v < ARRAY_LEN(views); v++) {
		pty_type(&p, views[v]);
		for (int cols = 0; cols <= 40; cols += 1 + cols / 4)
			for (int rows = 0; rows <= 12; rows += 1 + rows / 4) {
				pty_resize(&p, cols, rows);
				pty_type(&p, "\f");
				pty_pump(&p);
			}
		pty_resize(&p, 500, 2);
		pty_pump(&p);
		pty_resize(&p, 1, 200);
		pty_pump(&p);
	}
	pty_resize(&p, 80, 24);
	pty_wait_for(&p, "jump to, or do"); /* the view from before */
	pty_type(&p, "\033");
	pty_wait_gone(&p, "jump to, or do");
	pty_type(&p, "1");
	pty_wait_for(&p, "✗ slot 2");
	pty_type(&p, "Q");
	finish(&p);
}

/* F24 */
static void it_stops_and_goes_on(void **state)
{
	struct pty p;

	(void)state;
	start(&p, 80, 24, "--demo", NULL);
	pty_wait_for(&p, "✗ slot 2");
	pty_type(&p, "\032");
	pty_wait_stopped(&p);
	assert_true(pty_modes_are_restored(&p));
	size_t from = p.output.len;

	pty_continue(&p);
	pty_wait_for_output(&p, from, "slot 2");
	pty_wait_for(&p, "live");
	pty_type(&p, "q");
	finish(&p);
}

/* F25 */
static void a_lost_terminal_ends_the_program_within_a_moment(void **state)
{
	(void)state;
	for (int deaf = 0; deaf < 2; deaf++) {
		static const char *const argv[] = { NULL, "--demo", NULL };
		struct pty p;

		pty_start(&p, &(struct pty_options){ .argv = argv, .deaf = deaf });
		pty_wait_for(&p, "✗ slot 2");
		int64_t start_ms = clock_now_ms(NULL);

		pty_hang_up(&p);
		pty_finish(&p);
		assert_true(clock_now_ms(NULL) - start_ms < 3000);
		pty_release(&p);
	}
}

static void without_a_terminal_it_says_so(void **state)
{
	(void)state;
	AUTO_FREE char *command = xasprintf("%s --demo < /dev/null 2>&1 | grep -q 'needs a terminal'", getenv("SLOTDECK_BIN"));

	assert_int_equal(system(command), 0);
}

static void a_services_yaml_that_cannot_be_read_is_told_with_its_place_and_what_to_do(void **state)
{
	(void)state;
	char folder[] = "/tmp/slotdeck-broken-XXXXXX";
	struct pty p;

	assert_non_null(mkdtemp(folder));
	AUTO_FREE char *stack = xasprintf("%s/services.yaml", folder);

	write_text(stack, "project: shop\nservices:\n  - name: [\n");
	pty_start(&p, &(struct pty_options){ .folder = folder, .argv = (const char *[]){ NULL, NULL } });
	pty_wait_for(&p, "services.yaml:4:1:");
	pty_wait_for(&p, "slotdeck validate");
	assert_int_equal(WEXITSTATUS(pty_finish(&p)), 2);
	pty_release(&p);
	unlink(stack);
	rmdir(folder);
}

static void as_lines_it_tells_what_is_broken_and_takes_commands(void **state)
{
	(void)state;
	static const char *const words[] = { "slot 2 degraded: api: CrashLoopBackOff", "cause: ", "Pod api-", "w NAME: why" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		AUTO_FREE char *command = xasprintf("printf 'h\\nw slot 2\\nx\\nq\\n' | LC_ALL=C.UTF-8 %s --demo --linear > lines.$$ 2>&1; status=$?; grep -q '%s' lines.$$ "
						    "&& ! grep -q \"$(printf '\\033')\" lines.$$; found=$?; rm -f lines.$$; [ $status = 0 ] && [ $found = 0 ]",
						    getenv("SLOTDECK_BIN"), words[i]);

		assert_int_equal(system(command), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_demo_shows_what_is_broken_and_why_at_every_size),
		cmocka_unit_test(rows_of_another_view_are_written_and_not_moved),
		cmocka_unit_test(a_session_compares_asks_and_applies),
		cmocka_unit_test(help_names_every_key_and_an_unknown_key_is_answered),
		cmocka_unit_test(a_click_is_the_key_that_stands_there),
		cmocka_unit_test(no_click_says_yes),
		cmocka_unit_test(a_paste_is_typed_where_text_is_typed_and_nowhere_else),
		cmocka_unit_test(a_name_is_copied_to_the_clipboard),
		cmocka_unit_test(f7_gives_the_mouse_to_the_terminal),
		cmocka_unit_test(settings_hold_and_a_change_is_taken_over_at_once),
		cmocka_unit_test(chosen_columns_are_shown_in_their_order),
		cmocka_unit_test(a_chosen_slot_asks_for_its_name),
		cmocka_unit_test(read_only_compares_but_does_not_apply),
		cmocka_unit_test(a_signal_ends_it_at_once_and_restores_the_terminal),
		cmocka_unit_test(every_size_is_survived),
		cmocka_unit_test(it_stops_and_goes_on),
		cmocka_unit_test(a_lost_terminal_ends_the_program_within_a_moment),
		cmocka_unit_test(without_a_terminal_it_says_so),
		cmocka_unit_test(a_services_yaml_that_cannot_be_read_is_told_with_its_place_and_what_to_do),
		cmocka_unit_test(as_lines_it_tells_what_is_broken_and_takes_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
