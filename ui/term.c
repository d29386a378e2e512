#define _XOPEN_SOURCE_EXTENDED 1
#include "ui/term.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define EMPTY_READS_MAX 3 /* readable without a key: the other side has gone */

struct term {
	SCREEN *screen;
	bool ascii, colour;
	int cols, rows;
	unsigned empty_reads;
};

/* Written by term_open(), read by the handlers of fatal signals. */
static char restore_text[256];
static struct termios restore_modes; /* without them a shell would neither echo nor take Ctrl-C */
static volatile sig_atomic_t restore_len;
static volatile sig_atomic_t leave;

static void restore(void)
{
	if (!restore_len)
		return;
	(void)!write(STDOUT_FILENO, restore_text, (size_t)restore_len);
	tcsetattr(STDIN_FILENO, TCSANOW, &restore_modes);
}

static void on_fatal(int number)
{
	restore();
	signal(number, SIG_DFL);
	raise(number);
}

static void on_leave(int number)
{
	leave = number;
}

static void add_capability(const char *name)
{
	const char *text = tigetstr(name);

	if (!text || text == (char *)-1 || restore_len + strlen(text) >= sizeof restore_text)
		return;
	memcpy(restore_text + restore_len, text, strlen(text));
	restore_len += (sig_atomic_t)strlen(text);
}

static void watch_signals(void)
{
	static const int fatal[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL }, ending[] = { SIGTERM, SIGHUP };

	for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
		signal(fatal[i], on_fatal);
	for (size_t i = 0; i < ARRAY_LEN(ending); i++)
		sigaction(ending[i], &(struct sigaction){ .sa_handler = on_leave }, NULL);
	signal(SIGPIPE, SIG_IGN);
	mem_set_panic_hook(restore);
}

static void start_colours(struct term *term, const struct term_options *options)
{
	static const short dark[ROLE_COUNT] = { -1, COLOR_BLUE, -1, COLOR_GREEN, COLOR_YELLOW, COLOR_RED, COLOR_MAGENTA, COLOR_CYAN, COLOR_GREEN, COLOR_RED,
						 COLOR_CYAN, COLOR_YELLOW, COLOR_YELLOW, -1, -1, COLOR_CYAN, COLOR_GREEN, COLOR_YELLOW, COLOR_MAGENTA,
						 COLOR_RED, -1 };
	bool mono = options->theme && strcmp(options->theme, "mono") == 0, light = options->theme && strcmp(options->theme, "light") == 0;

	term->colour = !options->no_colour && !mono && has_colors() && start_color() == OK && use_default_colors() == OK;
	for (short role = 0; term->colour && role < ROLE_COUNT; role++) {
		short colour = dark[role];

		if (role == ROLE_DIM)
			colour = COLORS >= 256 ? (light ? 240 : 245) : -1;
		if (role == ROLE_PROGRESS && light)
			colour = COLORS >= 256 ? 130 : COLOR_MAGENTA;
		init_pair((short)(role + 1), colour, -1);
	}
}

struct term *term_open(const struct term_options *options, struct error *err)
{
	const char *name = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		error_set(err, ERR_IO, "the dashboard needs a terminal; stdin or stdout is none");
		error_hint(err, "for scripts there is `slotdeck status --env ENV` and `slotdeck --dump text`");
		return NULL;
	}
	setlocale(LC_CTYPE, "");
	setenv("ESCDELAY", "25", 0);
	tcgetattr(STDIN_FILENO, &restore_modes);
	SCREEN *screen = newterm(NULL, stdout, stdin);

	if (!screen) {
		error_set(err, ERR_IO, "nothing is known of the terminal type \"%s\"", name ? name : "");
		error_hint(err, "set TERM to a known one, for example TERM=xterm-256color, or install ncurses-term");
		return NULL;
	}
	struct term *term = xcalloc(1, sizeof *term);

	term->screen = screen;
	term->ascii = options->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	add_capability("rmcup");
	add_capability("cnorm");
	add_capability("sgr0");
	add_capability("rmkx");
	watch_signals();
	raw();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	start_colours(term, options);
	getmaxyx(stdscr, term->rows, term->cols);
	return term;
}

void term_close(struct term *term)
{
	if (!term)
		return;
	endwin();
	delscreen(term->screen);
	restore_len = 0;
	mem_set_panic_hook(NULL);
	free(term);
}

void term_size(const struct term *term, int *ret_cols, int *ret_rows)
{
	*ret_cols = term->cols;
	*ret_rows = term->rows;
}

bool term_is_ascii(const struct term *term)
{
	return term->ascii;
}

static attr_t attributes_of(const struct term *term, const struct cell *cell)
{
	attr_t attributes = cell->selected ? A_REVERSE : 0;

	if (cell->role == ROLE_TITLE || cell->role == ROLE_KEY || cell->role == ROLE_BAD)
		attributes |= A_BOLD;
	if (cell->role == ROLE_DIM && !term->colour)
		attributes |= A_DIM;
	return attributes;
}

void term_show(struct term *term, const struct canvas *canvas)
{
	for (int row = 0; row < canvas->rows && row < term->rows; row++) {
		for (int col = 0; col < canvas->cols && col < term->cols; col++) {
			const struct cell *cell = &canvas->cells[row * canvas->cols + col];
			wchar_t text[GLYPH_MARKS + 2] = { (wchar_t)cell->rune, (wchar_t)cell->marks[0], (wchar_t)cell->marks[1] };
			cchar_t character;

			if (!cell->rune)
				continue;
			setcchar(&character, text, attributes_of(term, cell), term->colour ? (short)(cell->role + 1) : 0, NULL);
			mvadd_wch(row, col, &character);
		}
	}
	refresh();
}

void term_redraw(struct term *term)
{
	(void)term;
	clearok(curscr, TRUE);
	refresh();
}

static uint32_t special_key(wint_t key)
{
	static const struct {
		wint_t curses;
		uint32_t ours;
	} keys[] = { { KEY_UP, KEY_TERM_UP },	      { KEY_DOWN, KEY_TERM_DOWN },	{ KEY_LEFT, KEY_TERM_LEFT },
		     { KEY_RIGHT, KEY_TERM_RIGHT },   { KEY_PPAGE, KEY_TERM_PAGE_UP },	{ KEY_NPAGE, KEY_TERM_PAGE_DOWN },
		     { KEY_HOME, KEY_TERM_HOME },     { KEY_END, KEY_TERM_END },	{ KEY_ENTER, KEY_TERM_ENTER },
		     { KEY_BTAB, KEY_TERM_BACKTAB },  { KEY_BACKSPACE, KEY_TERM_BACKSPACE }, { KEY_DC, KEY_TERM_DELETE } };

	if (key >= KEY_F(1) && key <= KEY_F(12))
		return KEY_TERM_F1 + (uint32_t)(key - KEY_F(1));

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].curses == key)
			return keys[i].ours;
	return KEY_TERM_NONE;
}

/* Whether the terminal hung up although nobody told us by signal. */
static bool is_gone(void)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static bool is_readable(void)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN);
}

uint32_t term_key(struct term *term)
{
	wint_t key;
	bool readable = is_readable();
	int kind = leave ? ERR : get_wch(&key);

	if (leave || is_gone())
		return KEY_TERM_GONE;
	if (kind == ERR) {
		term->empty_reads = readable ? term->empty_reads + 1 : 0;
		return term->empty_reads > EMPTY_READS_MAX ? KEY_TERM_GONE : KEY_TERM_NONE;
	}
	term->empty_reads = 0;
	if (kind == KEY_CODE_YES && key == KEY_RESIZE) {
		getmaxyx(stdscr, term->rows, term->cols);
		erase();
		return KEY_TERM_RESIZE;
	}
	if (kind == KEY_CODE_YES)
		return special_key(key);
	if (key == 26) { /* Ctrl-Z; raw() keeps it from the line discipline */
		endwin();
		raise(SIGTSTP);
		refresh();
		return KEY_TERM_RESIZE;
	}
	if (key == '\r' || key == '\n')
		return KEY_TERM_ENTER;
	if (key == 127 || key == 8)
		return KEY_TERM_BACKSPACE;
	return key == 27 ? KEY_TERM_ESCAPE : key == 0 ? KEY_TERM_NONE : (uint32_t)key;
}

int term_fd(const struct term *term)
{
	(void)term;
	return STDIN_FILENO;
}

int term_signal(void)
{
	return leave;
}
