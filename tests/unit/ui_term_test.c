/* The terminal layer on a pty: a small program that shows what it was told, and the bytes that it wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "pty_program.h"
#include "ui/sgr.h"
#include "ui/term.h"

/* ---- the program ---- */

struct shower {
	struct term *term;
	char *lines[64]; /* what came, newest last */
	size_t nlines;
	int draws;
	bool done;
};

static void say(struct shower *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct shower *s, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	if (s->nlines == ARRAY_LEN(s->lines)) {
		free(s->lines[0]);
		memmove(s->lines, s->lines + 1, sizeof s->lines - sizeof *s->lines);
		s->nlines--;
	}
	s->lines[s->nlines++] = buf_give(&text);
}

static void draw(struct shower *s)
{
	int cols, rows;

	term_size(s->term, &cols, &rows);
	AUTO(canvas) canvas = canvas_create(cols, rows, term_is_ascii(s->term));

	canvas_textf(canvas, 0, 0, cols, ROLE_TITLE, "ready %dx%d é中\u0301", cols, rows);
	for (int i = 0; i < rows - 1 && i < (int)s->nlines; i++)
		canvas_text(canvas, i + 1, 0, cols, ROLE_TEXT, s->lines[s->nlines - 1 - (size_t)i]);
	canvas_text(canvas, rows - 1, 0, cols, ROLE_BAD, "last line");
	term_show(s->term, canvas);
	s->draws++;
}

static void lend_to_another(struct shower *s)
{
	char line[64] = "";

	term_pause(s->term);
	printf("lent\n");
	fflush(stdout);
	if (fgets(line, sizeof line, stdin))
		line[strcspn(line, "\n")] = '\0';
	term_resume(s->term);
	say(s, "another read %s", line);
}

static void on_mouse(struct shower *s)
{
	static const char *const kinds[] = { "press", "release", "drag", "up", "down" };
	struct mouse mouse = term_mouse(s->term);

	say(s, "mouse %s %d at %d,%d", kinds[mouse.kind], mouse.button, mouse.row, mouse.col);
}

static void on_key(struct shower *s, uint32_t key)
{
	AUTO_RELEASE(error) err = { 0 };
	static char *large;

	if (key == KEY_TERM_MOUSE)
		on_mouse(s);
	else if (key == KEY_TERM_PASTE)
		say(s, "pasted %zu [%s]", strlen(term_pasted(s->term)), term_pasted(s->term));
	else if (key == KEY_TERM_RESIZE)
		;
	else if (key < KEY_TERM_UP)
		say(s, "key U+%04X", key);
	else
		say(s, "key +%u", key - KEY_TERM_UP);
	if (key == 'Q' || key == KEY_TERM_GONE)
		s->done = true;
	else if (key == 'P')
		lend_to_another(s);
	else if (key == 'M')
		term_set_mouse(s->term, !term_has_mouse(s->term));
	else if (key == 'T')
		term_set_title(s->term, "one\033]0;evil\007 title");
	else if (key == 'C')
		say(s, "copied %d", term_copy(s->term, "hello"));
	else if (key == 'L') {
		large = xmalloc(100001);
		memset(large, 'x', 100000);
		large[100000] = '\0';
		say(s, "copied %d", term_copy(s->term, large));
		free(large);
	} else if (key == 'N')
		say(s, "theme %d", term_set_theme(s->term, "light", NULL, &err));
	else if (key == 'D')
		say(s, "draws %d", s->draws);
	else if (key == 'R')
		term_redraw(s->term);
}

static int show_with(const struct term_options *options)
{
	AUTO_RELEASE(error) err = { 0 };
	struct shower s = { .term = term_open(options, &err) };

	if (!s.term) {
		printf("refused: %s (%s)\n", err.message, err.hint);
		return 3;
	}
	draw(&s);
	while (!s.done) {
		bool any = false;

		poll(&(struct pollfd){ .fd = term_fd(s.term), .events = POLLIN }, 1, 60000);
		for (uint32_t key; !s.done && (key = term_key(s.term)) != KEY_TERM_NONE; any = true)
			on_key(&s, key);
		if (any && !s.done)
			draw(&s);
	}
	term_close(s.term);
	for (size_t i = 0; i < s.nlines; i++)
		free(s.lines[i]);
	return term_signal() ? 128 + term_signal() : 0;
}

static int show(void)
{
	return show_with(&(struct term_options){ 0 });
}

static int show_without_colour(void)
{
	return show_with(&(struct term_options){ .no_colour = true });
}

static void *sleep_long(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

/* Signals reach another thread than the one that draws. */
static int show_beside_a_thread(void)
{
	pthread_t thread;
	sigset_t all;

	if (pthread_create(&thread, NULL, sleep_long, NULL))
		return 4;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	return show();
}

static volatile bool deeper = true;

static int overflow_the_stack(volatile char *up)
{
	volatile char room[1 << 16];

	room[0] = up ? up[0] : 0;
	return deeper ? overflow_the_stack(room) + room[0] : 0;
}

static int show_and_overflow(void)
{
	AUTO_RELEASE(error) err = { 0 };
	struct term *term = term_open(&(struct term_options){ 0 }, &err);

	return term ? overflow_the_stack(NULL) : 3;
}

/* ---- helpers ---- */

static void start(struct pty *pty, struct pty_options options)
{
	if (!options.run)
		options.run = show;
	pty_start(pty, &options);
	pty_wait_for(pty, "last line");
}

static bool has(const struct pty *pty, size_t from, const char *text)
{
	return str_find((struct str){ pty->output.p + from, pty->output.len - from }, str_of(text)) >= 0;
}

/* Whether a colour was set: an SGR sequence with a parameter of 30 or more that is not the default one. */
static bool has_colour(const struct pty *pty)
{
	struct str rest = buf_str(&pty->output);

	for (ptrdiff_t at; (at = str_find(rest, STR("\033["))) >= 0;) {
		rest = (struct str){ rest.p + at + 2, rest.len - (size_t)at - 2 };
		size_t len = strspn(rest.p, "0123456789;:");
		struct str parameters = { rest.p, len }, one;

		for (bool more = rest.p[len] == 'm'; more;) {
			if (!(more = str_cut(&parameters, ';', &one)))
				one = parameters;
			int number = atoi(one.p);

			if (number >= 30 && number != 39 && number != 49)
				return true;
		}
	}
	return false;
}

/* Ends with Q; everything must be as before. */
static void leave(struct pty *pty)
{
	pty_type(pty, "Q");
	int status = pty_finish(pty);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(pty_modes_are_restored(pty));
	pty_check_repertoire(pty);
	pty_release(pty);
}

/* ---- keys ---- */

static void every_key_arrives_as_what_it_is(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t key;
	} cases[] = {
		{ "\033[A", KEY_TERM_UP },	{ "\033OA", KEY_TERM_UP },	  { "\033[5~", KEY_TERM_PAGE_UP },  { "\t", KEY_TERM_TAB },
		{ "\033[Z", KEY_TERM_BACKTAB }, { "\033[3~", KEY_TERM_DELETE },	  { "\033[2~", KEY_TERM_INSERT },   { "\177", KEY_TERM_BACKSPACE },
		{ "\b", KEY_TERM_BACKSPACE },	{ "\r", KEY_TERM_ENTER },	  { "\033OP", KEY_TERM_F1 },	    { "\033[15~", KEY_TERM_F5 },
		{ "\033[24~", KEY_TERM_F12 },	{ "\0333", KEY_TERM_F3 },	  { "\0330", KEY_TERM_F10 },	    { "\004", KEY_CTRL('d') },
		{ "\033", KEY_TERM_ESCAPE },	{ "й", 0x439 },			  { "中", 0x4e2d },		    { "\003", KEY_CTRL('c') },
	};
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FREE char *want = cases[i].key < KEY_TERM_UP ? xasprintf("\nkey U+%04X ", cases[i].key) : xasprintf("\nkey +%u ", cases[i].key - KEY_TERM_UP);

		pty_type(&pty, cases[i].bytes);
		pty_wait_for(&pty, want);
		pty_type(&pty, "R"); /* something else comes between */
		pty_wait_for(&pty, "\nkey U+0052 ");
	}
	assert_int_equal(write(pty.fd, "\0", 1), 1);
	AUTO_FREE char *space = xasprintf("\nkey +%u ", KEY_TERM_CTRL_SPACE - KEY_TERM_UP);

	pty_wait_for(&pty, space);
	leave(&pty);
}

static void a_sequence_that_nobody_knows_is_no_key(void **state)
{
	static const char *const unknown[] = { "\033[27;5;65~", "\033[1;9Q", "\033[?1;2c", "\033[M !!", "\033[<0;99M", "\033[<66;1;1M", "\033[200;1A" };
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		pty_type(&pty, unknown[i]);
	pty_type(&pty, "x");
	pty_wait_for(&pty, "key U+0078");
	AUTO_FREE char *screen = pty_screen(&pty);

	assert_null(strstr(strstr(screen, "key U+0078") + 4, "key"));
	leave(&pty);
}

static void a_paste_is_text_and_never_a_key(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	pty_wait_for_output(&pty, 0, "\033[?2004h");
	pty_type(&pty, "\033[200~QQ\rP\033[A\001\tok");
	pty_type(&pty, "!\033[201~");
	pty_wait_for(&pty, "pasted 8 [QQ P ok!]"); /* the line break shows as a blank */
	AUTO_FREE char *screen = pty_screen(&pty);

	assert_null(strstr(screen, "key"));
	leave(&pty);
	assert_true(WIFEXITED(pty.status));
}

static void a_large_paste_is_cut(void **state)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	pty_type(&pty, "\033[200~");
	for (int i = 0; i < 200; i++) {
		buf_reset(&text);
		buf_add_repeat(&text, 'a', 1000);
		pty_type(&pty, text.p);
		pty_pump(&pty);
	}
	pty_type(&pty, "\033[201~");
	pty_wait_for(&pty, "pasted 65536 [aaa");
	leave(&pty);
}

static void a_paste_without_an_end_gives_the_keys_back(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	pty_type(&pty, "\033[200~abc");
	pty_wait_for_output(&pty, 0, "last line");
	poll(NULL, 0, 600); /* the terminal layer measures real silence here */
	kill(pty.pid, SIGWINCH); /* wakes it without a key */
	pty_wait_for(&pty, "pasted 3 [abc]");
	leave(&pty);
}

static void the_mouse_is_told_until_it_is_released(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	pty_wait_for_output(&pty, 0, "\033[?1006h");
	pty_type(&pty, "\033[<0;5;3M");
	pty_wait_for(&pty, "mouse press 1 at 2,4");
	pty_type(&pty, "\033[<0;5;3m");
	pty_wait_for(&pty, "mouse release 1 at 2,4");
	pty_type(&pty, "\033[<34;300;9M");
	pty_wait_for(&pty, "mouse drag 3 at 8,299");
	pty_type(&pty, "\033[<64;1;1M\033[<65;1;1M");
	pty_wait_for(&pty, "mouse down 0 at 0,0");
	size_t from = pty.output.len;

	pty_type(&pty, "M");
	pty_wait_for_output(&pty, from, "\033[?1000l");
	from = pty.output.len;
	pty_type(&pty, "M");
	pty_wait_for_output(&pty, from, "\033[?1000h");
	from = pty.output.len;
	pty_type(&pty, "Q");
	pty_finish(&pty);
	assert_true(has(&pty, from, "\033[?1000l"));
	assert_true(has(&pty, from, "\033[?2004l"));
	pty_release(&pty);
}

/* ---- drawing ---- */

static void nothing_is_written_when_nothing_changed(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	kill(pty.pid, SIGWINCH);
	pty_wait_for(&pty, "last line");
	while (pty.output.len == 0 || poll(&(struct pollfd){ .fd = pty.fd, .events = POLLIN }, 1, 200) > 0)
		pty_pump(&pty);
	size_t before = pty.output.len;

	pty_type(&pty, "x");
	pty_wait_for(&pty, "key U+0078");
	if (pty.output.len - before > 60)
		fail_msg("%zu bytes for one new line", pty.output.len - before);
	leave(&pty);
}

static void ctrl_l_writes_everything_anew(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	size_t from = pty.output.len;

	pty_type(&pty, "R");
	pty_wait_for_output(&pty, from, "last line");
	leave(&pty);
}

static void another_theme_shows_at_once(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	pty_wait_for_output(&pty, 0, "38;5;203m"); /* #ff6b6b of dark */
	pty_type(&pty, "N");
	pty_wait_for(&pty, "theme 1");
	pty_wait_for_output(&pty, 0, "38;5;160m"); /* #c4161c of light */
	leave(&pty);
}

/* ---- where it runs ---- */

static void it_starts_in_any_locale_and_on_any_terminal(void **state)
{
	static const struct {
		const char *term, *locale;
		const char *shows;
		bool ascii, xterm, colour;
	} cases[] = {
		{ "xterm-256color", "C.UTF-8", "80x24 é中", false, true, true }, { "xterm-256color", "C", "80x24 ??", true, true, true },
		{ "xterm-256color", "POSIX", "80x24 ??", true, true, true },	 { "xterm-256color", "nonsense.ISO-8859-1", "80x24 ??", true, true, true },
		{ "linux", "C.UTF-8", "80x24 é", false, false, true },		 { "vt100", "C.UTF-8", "80x24 é", false, false, false },
		{ "screen-256color", "C.UTF-8", "80x24 é中", false, true, true }, { "tmux-256color", "C.UTF-8", "80x24 é中", false, true, true },
		{ "xterm", "C.UTF-8", "80x24 é中", false, true, true },		 { "xterm-16color", "C.UTF-8", "80x24 é中", false, true, true },
		{ "xterm-direct", "C.UTF-8", "80x24 é中", false, true, true },	 { "xterm-mono", "C.UTF-8", "80x24 é中", false, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pty pty;

		start(&pty, (struct pty_options){ .term = cases[i].term, .locale = cases[i].locale });
		pty_wait_for(&pty, cases[i].shows);
		if (has(&pty, 0, "\033[?2004h") != cases[i].xterm)
			fail_msg("%s: modes of xterm are asked for where they must not, or not where they may", cases[i].term);
		bool colour = has_colour(&pty);

		if (colour != cases[i].colour)
			fail_msg("%s: colours %s", cases[i].term, colour ? "where there are none" : "are missing");
		for (size_t k = 0; cases[i].ascii && k < pty.output.len; k++)
			assert_true((unsigned char)pty.output.p[k] < 0x80);
		pty_type(&pty, "Q");
		assert_int_equal(pty_finish(&pty), 0);
		assert_true(pty_modes_are_restored(&pty));
		pty_release(&pty);
	}
}

static void a_terminal_that_cannot_do_it_is_named(void **state)
{
	static const struct {
		const char *term, *says;
	} cases[] = { { "nonsense", "nothing is known of the terminal type \"nonsense\"" }, { "dumb", "cannot move its cursor" }, { "", "nothing is known" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pty pty;

		pty_start(&pty, &(struct pty_options){ .term = cases[i].term, .run = show });
		pty_wait_for(&pty, cases[i].says);
		assert_int_equal(WEXITSTATUS(pty_finish(&pty)), 3);
		assert_true(pty_modes_are_restored(&pty));
		pty_release(&pty);
	}
}

static void no_colour_means_none(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ .run = show_without_colour });
	assert_false(has_colour(&pty));
	assert_false(has(&pty, 0, "\033]104"));
	leave(&pty);
}

/* ---- sizes ---- */

static void any_resize_ends_in_the_right_size(void **state)
{
	static const struct {
		int cols, rows;
	} sizes[] = { { 1, 1 }, { 1, 200 }, { 500, 2 }, { 2, 1 }, { 999, 300 }, { 3, 40 }, { 0, 0 }, { 40, 10 } };
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		pty_resize(&pty, sizes[i].cols, sizes[i].rows);
		pty_type(&pty, "R");
		pty_pump(&pty);
	}
	pty_wait_for(&pty, "ready 40x10");
	pty_wait_for(&pty, "last line");
	leave(&pty);
}

static void a_storm_of_resizes_is_drawn_a_few_times(void **state)
{
	struct pty pty;
	int64_t start_ms, took_ms;
	int draws = 0;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	start_ms = clock_now_ms(NULL);
	for (int i = 0; i < 1000; i++) {
		pty_resize(&pty, 60 + i % 21, 20 + i % 5);
		if (i % 20 == 0)
			pty_pump(&pty);
	}
	pty_resize(&pty, 77, 23);
	took_ms = clock_now_ms(NULL) - start_ms;
	pty_wait_for(&pty, "ready 77x23");
	pty_type(&pty, "D");
	pty_wait_for(&pty, "draws ");
	AUTO_FREE char *screen = pty_screen(&pty);

	sscanf(strstr(screen, "draws "), "draws %d", &draws);
	if (draws > took_ms / 33 + 4)
		fail_msg("%d draws in %lld ms", draws, (long long)took_ms);
	leave(&pty);
}

/* ---- leaving ---- */

/* Less than the second after which the loop would have looked by itself; sanitizers take their time to end. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define AT_ONCE_MS 10000
#else
#define AT_ONCE_MS 1000
#endif

static void a_signal_ends_it_at_once_and_restores_everything(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(signals); i++) {
		struct pty pty;
		int number = signals[i / 2];

		start(&pty, (struct pty_options){ .run = i % 2 ? show_beside_a_thread : show });
		size_t from = pty.output.len;
		int64_t start_ms = clock_now_ms(NULL);

		kill(pty.pid, number);
		int status = pty_finish(&pty);

		assert_true(clock_now_ms(NULL) - start_ms < AT_ONCE_MS);
		assert_int_equal(WEXITSTATUS(status), 128 + number);
		assert_true(has(&pty, from, "\033[?1049l"));
		assert_true(pty_modes_are_restored(&pty));
		pty_release(&pty);
	}
}

static void a_crash_restores_everything_and_keeps_its_signal(void **state)
{
	static const int signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct pty pty;

		start(&pty, (struct pty_options){ 0 });
		size_t from = pty.output.len;

		kill(pty.pid, signals[i]);
		int status = pty_finish(&pty);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), signals[i]);
		assert_true(has(&pty, from, "\033[?1049l"));
		assert_true(has(&pty, from, "\033[?1000l"));
		assert_true(has(&pty, from, "\033[?2004l"));
		assert_true(pty_modes_are_restored(&pty));
		pty_release(&pty);
	}
}

static void an_overflow_of_the_stack_restores_too(void **state)
{
	struct pty pty;

	(void)state;
	pty_start(&pty, &(struct pty_options){ .run = show_and_overflow });
	int status = pty_finish(&pty);

	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(has(&pty, 0, "\033[?1049l"));
	assert_true(pty_modes_are_restored(&pty));
	pty_release(&pty);
}

static void a_terminal_that_goes_ends_it_without_spinning(void **state)
{
	(void)state;
	for (int deaf = 0; deaf < 2; deaf++) {
		struct rusage before, after;
		struct pty pty;

		start(&pty, (struct pty_options){ .deaf = deaf });
		getrusage(RUSAGE_CHILDREN, &before);
		int64_t start_ms = clock_now_ms(NULL);

		pty_hang_up(&pty);
		pty_finish(&pty);
		assert_true(clock_now_ms(NULL) - start_ms < 1000);
		getrusage(RUSAGE_CHILDREN, &after);
		assert_true(after.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_utime.tv_sec - before.ru_stime.tv_sec < 1);
		pty_release(&pty);
	}
}

/* ---- stopping and lending ---- */

static void check_stop(struct pty *pty, size_t from)
{
	pty_wait_stopped(pty);
	assert_true(has(pty, from, "\033[?1049l"));
	assert_true(has(pty, from, "\033[?1000l"));
	assert_true(pty_modes_are_restored(pty));
	from = pty->output.len;
	pty_resize(pty, 70, 20); /* while it stands still */
	pty_continue(pty);
	pty_wait_for_output(pty, from, "\033[?1049h");
	pty_wait_for_output(pty, from, "\033[?1000h");
	pty_wait_for(pty, "ready 70x20");
	pty_wait_for(pty, "last line");
	assert_false(pty_modes_are_restored(pty));
}

static void ctrl_z_and_sigtstp_stop_it_and_fg_brings_it_back(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	size_t from = pty.output.len;

	pty_type(&pty, "\032");
	check_stop(&pty, from);
	from = pty.output.len;
	kill(pty.pid, SIGTSTP);
	check_stop(&pty, from);
	pty_type(&pty, "x");
	pty_wait_for(&pty, "key U+0078");
	leave(&pty);
}

static void a_stop_that_nobody_asked_for_is_repaired(void **state)
{
	struct pty pty;
	struct termios modes;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	kill(pty.pid, SIGSTOP);
	pty_wait_stopped(&pty);
	modes = pty.before; /* a shell sets its own */
	tcsetattr(pty.fd, TCSANOW, &modes);
	size_t from = pty.output.len;

	pty_continue(&pty);
	pty_wait_for_output(&pty, from, "last line");
	pty_type(&pty, "x");
	pty_wait_for(&pty, "key U+0078");
	assert_false(pty_modes_are_restored(&pty));
	leave(&pty);
}

static void the_terminal_can_be_lent_to_another_program(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	size_t from = pty.output.len;

	pty_type(&pty, "P");
	pty_wait_for_output(&pty, from, "lent");
	assert_true(pty_modes_are_restored(&pty));
	assert_true(has(&pty, from, "\033[?2004l"));
	kill(pty.pid, SIGINT); /* is for the other one */
	pty_type(&pty, "abc\r");
	pty_wait_for(&pty, "another read abc");
	leave(&pty);
}

static void it_can_be_stopped_while_the_terminal_is_lent(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	size_t from = pty.output.len;

	pty_type(&pty, "P");
	pty_wait_for_output(&pty, from, "lent");
	pty_type(&pty, "\032"); /* to all in the foreground, as the line discipline does */
	pty_wait_stopped(&pty);
	pty_continue(&pty);
	pty_type(&pty, "again\r");
	pty_wait_for(&pty, "another read again");
	leave(&pty);
}

/* ---- beside the screen ---- */

static void the_title_is_set_plainly_and_given_back(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	pty_type(&pty, "T");
	pty_wait_for_output(&pty, 0, "\033[22;2t\033]2;one title\a");
	size_t from = pty.output.len;

	pty_type(&pty, "Q");
	pty_finish(&pty);
	assert_true(has(&pty, from, "\033[23;2t"));
	pty_check_repertoire(&pty);
	pty_release(&pty);
}

static void text_is_copied_by_osc_52(void **state)
{
	struct pty pty;

	(void)state;
	start(&pty, (struct pty_options){ 0 });
	pty_type(&pty, "C");
	pty_wait_for_output(&pty, 0, "\033]52;c;aGVsbG8=\a");
	pty_wait_for(&pty, "copied 1");
	pty_type(&pty, "L");
	pty_wait_for(&pty, "copied 0"); /* too long for a terminal */
	leave(&pty);
	start(&pty, (struct pty_options){ .term = "tmux-256color", .variable = "TMUX=/tmp/tmux,1,0" });
	pty_type(&pty, "C");
	pty_wait_for_output(&pty, 0, "\033]52;c;aGVsbG8=\a\033Ptmux;\033\033]52;c;aGVsbG8=\a\033\\");
	pty_type(&pty, "Q");
	pty_finish(&pty);
	pty_release(&pty);
	start(&pty, (struct pty_options){ .term = "linux" });
	pty_type(&pty, "C");
	pty_wait_for(&pty, "copied 0");
	leave(&pty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_arrives_as_what_it_is),
		cmocka_unit_test(a_sequence_that_nobody_knows_is_no_key),
		cmocka_unit_test(a_paste_is_text_and_never_a_key),
		cmocka_unit_test(a_large_paste_is_cut),
		cmocka_unit_test(a_paste_without_an_end_gives_the_keys_back),
		cmocka_unit_test(the_mouse_is_told_until_it_is_released),
		cmocka_unit_test(nothing_is_written_when_nothing_changed),
		cmocka_unit_test(ctrl_l_writes_everything_anew),
		cmocka_unit_test(another_theme_shows_at_once),
		cmocka_unit_test(it_starts_in_any_locale_and_on_any_terminal),
		cmocka_unit_test(a_terminal_that_cannot_do_it_is_named),
		cmocka_unit_test(no_colour_means_none),
		cmocka_unit_test(any_resize_ends_in_the_right_size),
		cmocka_unit_test(a_storm_of_resizes_is_drawn_a_few_times),
		cmocka_unit_test(a_signal_ends_it_at_once_and_restores_everything),
		cmocka_unit_test(a_crash_restores_everything_and_keeps_its_signal),
		cmocka_unit_test(an_overflow_of_the_stack_restores_too),
		cmocka_unit_test(a_terminal_that_goes_ends_it_without_spinning),
		cmocka_unit_test(ctrl_z_and_sigtstp_stop_it_and_fg_brings_it_back),
		cmocka_unit_test(a_stop_that_nobody_asked_for_is_repaired),
		cmocka_unit_test(the_terminal_can_be_lent_to_another_program),
		cmocka_unit_test(it_can_be_stopped_while_the_terminal_is_lent),
		cmocka_unit_test(the_title_is_set_plainly_and_given_back),
		cmocka_unit_test(text_is_copied_by_osc_52),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
