#include "ui/term_private.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "ui/osc.h"

#define UNSHOWN	  UINT32_MAX
#define MAX_COLS  1000 /* more stays blank: a size is what somebody claims */
#define MAX_ROWS  500
#define NEW_ROW_SHARE 8 /* a row is mostly new when more than this part of its cells changed */
#define SYNC_CELLS 200 /* so many changed cells are worth the two sequences that show them at once */

/* Private modes of xterm. What a terminal does not know it ignores; those that print them instead are not asked (is_xterm_like). */
#define MOUSE_ON   "\033[?1000h\033[?1002h\033[?1006h"
#define MOUSE_OFF  "\033[?1006l\033[?1002l\033[?1000l"
#define PASTE_ON   "\033[?2004h"
#define PASTE_OFF  "\033[?2004l"
#define SYNC_BEGIN "\033[?2026h"
#define SYNC_END   "\033[?2026l"
#define TITLE_SAVE "\033[22;2t"
#define TITLE_BACK "\033[23;2t"

/* Written by prepare_restore(), read by the handlers of fatal signals. */
static char restore_text[256];
static struct termios restore_modes; /* without them a shell would neither echo nor take Ctrl-C */
static volatile sig_atomic_t restore_len;

void term_restore_in_handler(void)
{
	if (!restore_len)
		return;
	(void)!write(STDOUT_FILENO, restore_text, (size_t)restore_len);
	tcsetattr(STDIN_FILENO, TCSANOW, &restore_modes);
}

static void add_restore(const char *text)
{
	size_t len = text && text != (char *)-1 ? strlen(text) : 0;

	if (!len || restore_len + len >= sizeof restore_text)
		return;
	memcpy(restore_text + restore_len, text, len);
	restore_len += (sig_atomic_t)len;
}

static void prepare_restore(const struct term *term)
{
	static const char *const capabilities[] = { "rmcup", "cnorm", "sgr0", "rmkx" };

	restore_len = 0;
	restore_modes = term->modes;
	if (term->xterm)
		add_restore(SYNC_END MOUSE_OFF PASTE_OFF TITLE_BACK);
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
		add_restore(tigetstr(capabilities[i]));
}

/* Around ncurses, whose own buffer is empty between its calls. */
static void write_raw(const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);

		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = STDOUT_FILENO, .events = POLLOUT }, 1, 100);
		else if (n < 0 && errno != EINTR)
			return; /* it has gone; term_key() will tell */
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
}

static void write_modes(const struct term *term, const char *text)
{
	if (term->xterm)
		write_raw(text, strlen(text));
}

/* ---- colours ---- */

static enum depth depth_of_terminal(void)
{
	static const struct {
		int colours;
		enum depth depth;
	} depths[] = { { 1 << 24, DEPTH_DIRECT }, { 256, DEPTH_256 }, { 16, DEPTH_16 }, { 8, DEPTH_8 } };

	if (!has_colors() || start_color() != OK || use_default_colors() != OK)
		return DEPTH_MONO;
	for (size_t i = 0; i < ARRAY_LEN(depths); i++)
		if (COLORS >= depths[i].colours)
			return depths[i].depth;
	return DEPTH_MONO;
}

/* As ncurses numbers colours. With direct colours only the first 8 numbers are still entries of the palette. */
static int curses_colour(const struct term *term, uint32_t colour)
{
	if (colour == COLOUR_OF_ROLE)
		return -1;
	if (term->depth == DEPTH_DIRECT && !COLOUR_IS_RGB(colour) && COLOUR_VALUE(colour) >= 8)
		return (int)colour_rgb(colour);
	return (int)COLOUR_VALUE(colour);
}

static attr_t curses_attributes(unsigned attributes)
{
	static const attr_t bits[] = { A_BOLD, A_DIM, A_ITALIC, A_UNDERLINE, A_REVERSE }; /* in the order of STYLE_ */
	attr_t result = 0;

	for (size_t i = 0; i < ARRAY_LEN(bits); i++)
		if (attributes & 1u << i)
			result |= bits[i];
	return result;
}

bool term_set_theme(struct term *term, const char *name, const char *folder, struct error *err)
{
	AUTO(theme) theme = NULL;

	if (!theme_load(name, folder, &theme, err))
		return false;
	if (term->depth == DEPTH_MONO) {
		theme_destroy(GIVE(theme)); /* it was read for its mistakes only */
		if (!theme_load("mono", NULL, &theme, err))
			return false;
	}
	theme_destroy(term->theme);
	term->theme = GIVE(theme);
	term_forget_shown(term);
	return true;
}

/* ---- open and close ---- */

static bool is_xterm_like(void)
{
	const char *mouse = tigetstr("kmous"), *name = getenv("TERM");

	return mouse && mouse != (char *)-1 && name && !starts_with(name, "linux");
}

static void write_title(const struct term *term)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	osc_title(&text, term->title);
	write_modes(term, buf_cstr(&text));
}

static void enter_modes(const struct term *term)
{
	write_modes(term, PASTE_ON);
	if (term->mouse)
		write_modes(term, MOUSE_ON);
	if (term->title) {
		write_modes(term, TITLE_SAVE);
		write_title(term);
	}
}

static void leave_modes(const struct term *term)
{
	write_modes(term, PASTE_OFF MOUSE_OFF);
	if (term->title)
		write_modes(term, TITLE_BACK);
}

static struct term *refuse(struct term *term, struct error *err, const char *message, const char *hint)
{
	term_unwatch(term);
	free(term);
	error_set(err, ERR_IO, "%s", message);
	error_hint(err, "%s", hint);
	return NULL;
}

static bool has_cursor_motion(void)
{
	const char *text = tigetstr("cup");

	return text && text != (char *)-1;
}

static void start_curses(struct term *term, const struct term_options *options)
{
	raw();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	term_define_keys();
	term->xterm = is_xterm_like();
	term->mouse = term->xterm && !options->no_mouse;
	term->depth = options->no_colour ? DEPTH_MONO : depth_of_terminal();
	prepare_restore(term);
	mem_set_panic_hook(term_restore_in_handler);
	enter_modes(term);
	term_adopt_size(term);
}

struct term *term_open(const struct term_options *options, struct error *err)
{
	const char *name = getenv("TERM");
	AUTO(theme) theme = NULL; /* read before anything is changed */

	if (!theme_load(options->theme, options->theme_folder, &theme, err))
		return NULL;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		error_set(err, ERR_IO, "the dashboard needs a terminal; stdin or stdout is none");
		error_hint(err, "for scripts there is `slotdeck status --env ENV` and `slotdeck --dump text`");
		return NULL;
	}
	struct term *term = xcalloc(1, sizeof *term);
	AUTO_FREE char *unknown = xasprintf("nothing is known of the terminal type \"%s\"", name ? name : "");

	setlocale(LC_CTYPE, "");
	setenv("ESCDELAY", "25", 0);
	use_tioctl(TRUE); /* LINES and COLUMNS are often stale */
	tcgetattr(STDIN_FILENO, &term->modes);
	if (!term_watch(term, err))
		return refuse(term, err, "the terminal cannot be watched", "too many files are open");
	term->screen = newterm(NULL, stdout, stdin);
	if (!term->screen)
		return refuse(term, err, unknown, "set TERM to a known one, for example TERM=xterm-256color, or install ncurses-term");
	if (!has_cursor_motion()) {
		endwin();
		delscreen(term->screen);
		return refuse(term, err, "this terminal cannot move its cursor", "set TERM to what it is, for example TERM=xterm-256color");
	}
	term->ascii = options->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	start_curses(term, options);
	if (!term_set_theme(term, options->theme, options->theme_folder, err)) {
		term_close(term);
		return NULL;
	}
	return term;
}

void term_close(struct term *term)
{
	if (!term)
		return;
	if (!term->paused)
		leave_modes(term);
	endwin();
	delscreen(term->screen);
	restore_len = 0;
	mem_set_panic_hook(NULL);
	term_unwatch(term);
	theme_destroy(term->theme);
	free(term->shown);
	free(term->title);
	free(term);
}

/* ---- size ---- */

void term_forget_shown(struct term *term)
{
	for (int i = 0; i < term->cols * term->rows; i++)
		term->shown[i].rune = UNSHOWN;
}

static int within(int value, int most)
{
	return value < 1 ? 1 : value > most ? most : value;
}

void term_adopt_size(struct term *term)
{
	struct winsize size;

	/* 0 by 0 means that nobody knows. */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		resizeterm(within(size.ws_row, MAX_ROWS), within(size.ws_col, MAX_COLS));
	term->cols = within(getmaxx(stdscr), MAX_COLS);
	term->rows = within(getmaxy(stdscr), MAX_ROWS);
	term->shown = xreallocarray(term->shown, (size_t)term->cols * (size_t)term->rows, sizeof *term->shown);
	term_redraw(term);
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

/* ---- drawing ---- */

static bool same_cell(const struct cell *a, const struct cell *b)
{
	return a->rune == b->rune && memcmp(a->marks, b->marks, sizeof a->marks) == 0 && a->role == b->role && a->selected == b->selected &&
	       a->style.fg == b->style.fg && a->style.bg == b->style.bg && a->style.attributes == b->style.attributes;
}

/* A character that the C library measures otherwise than we do would shift the rest of its line. */
static uint32_t fitting(uint32_t rune, int width)
{
	return wcwidth((wchar_t)rune) == width ? rune : width == 1 ? '?' : 0x3013; /* 〓, the mark of a missing character */
}

static void write_cell(const struct term *term, int row, int col, const struct cell *cell, int width)
{
	wchar_t text[GLYPH_MARKS + 2] = { (wchar_t)fitting(cell->rune, width), (wchar_t)cell->marks[0], (wchar_t)cell->marks[1] };
	struct style style = theme_style(term->theme, term->depth, cell);
	attr_t attributes = curses_attributes(style.attributes);
	int pair = term->depth == DEPTH_MONO ? 0 : alloc_pair(curses_colour(term, style.fg), curses_colour(term, style.bg));
	cchar_t character;

	if (pair < 0)
		pair = 0; /* none left */
	if (setcchar(&character, text, attributes, 0, &pair) == ERR) {
		text[1] = 0; /* a mark that is none for the C library */
		setcchar(&character, text, attributes, 0, &pair);
	}
	mvadd_wch(row, col, &character);
}

/* Writes the cells of a row that are not shown yet; gives their number. */
static int show_row(struct term *term, int row, const struct cell *cells, int cols)
{
	struct cell *shown = term->shown + row * term->cols;
	int changed = 0;

	for (int col = 0; col < cols; col++) {
		if (same_cell(&cells[col], &shown[col]))
			continue;
		shown[col] = cells[col];
		changed++;
		if (cells[col].rune)
			write_cell(term, row, col, &cells[col], col + 1 < cols && !cells[col + 1].rune ? 2 : 1);
	}
	return changed;
}

/*
 * A row that is mostly new is written whole. Else curses would find it elsewhere on the screen and move it with SU or SD (ECMA-48
 * 8.3.147 and 8.3.113), which terminals in browsers, recorders and test tools claim to know and do not: rows of the view before stay.
 */
void term_show(struct term *term, const struct canvas *canvas)
{
	int all = 0, cols = canvas->cols < term->cols ? canvas->cols : term->cols;

	for (int row = 0; row < canvas->rows && row < term->rows; row++) {
		int changed = show_row(term, row, canvas->cells + row * canvas->cols, cols);

		if (changed > cols / NEW_ROW_SHARE)
			wredrawln(stdscr, row, 1);
		all += changed;
	}
	if (all > SYNC_CELLS)
		write_modes(term, SYNC_BEGIN);
	refresh();
	if (all > SYNC_CELLS)
		write_modes(term, SYNC_END);
}

void term_redraw(struct term *term)
{
	erase();
	clearok(curscr, TRUE);
	term_forget_shown(term);
}

/* ---- the terminal for somebody else ---- */

static void leave_screen(struct term *term)
{
	leave_modes(term);
	endwin();
	term->paused = true;
}

static void enter_screen(struct term *term)
{
	term->paused = false;
	reset_prog_mode();
	refresh(); /* the first one after endwin() enters the screen again */
	curs_set(0);
	enter_modes(term);
	term_adopt_size(term);
}

void term_suspend(struct term *term)
{
	leave_screen(term);
	term_default_stop(true);
	raise(SIGTSTP); /* here it stands still */
	term_default_stop(false);
	enter_screen(term);
}

void term_pause(struct term *term)
{
	leave_screen(term);
	term_default_stop(true);
}

void term_resume(struct term *term)
{
	term_default_stop(false);
	enter_screen(term);
}

/* ---- beside the screen ---- */

void term_set_mouse(struct term *term, bool on)
{
	term->mouse = on && term->xterm;
	write_modes(term, term->mouse ? MOUSE_ON : MOUSE_OFF);
}

bool term_has_mouse(const struct term *term)
{
	return term->mouse;
}

void term_set_title(struct term *term, const char *title)
{
	if (!term->title)
		write_modes(term, TITLE_SAVE);
	else if (strcmp(term->title, title) == 0)
		return;
	free(term->title);
	term->title = xstrdup(title);
	write_title(term);
}

bool term_copy(struct term *term, const char *text)
{
	AUTO_RELEASE(buf) sequence = BUF_INIT(0);

	if (!term->xterm || !osc_copy(&sequence, str_of(text), getenv("TMUX") != NULL))
		return false;
	write_raw(sequence.p, sequence.len);
	return true;
}
