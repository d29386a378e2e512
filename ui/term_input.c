#include "ui/term_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

#define EMPTY_READS_MAX 3     /* readable without a byte: the other side has gone */
#define RESIZE_EVERY_MS 33
#define PASTE_MAX	((size_t)64 << 10)
#define PASTE_QUIET_MS	500   /* a paste whose end got lost must not swallow keys for ever */
#define SEQUENCE_MS	25    /* between the bytes of one sequence */
#define SEQUENCE_MAX	32

enum { CODE_PASTE_BEGIN = 0x2000, CODE_PASTE_END, CODE_MOUSE, CODE_OLD_MOUSE }; /* above those of ncurses */

/* Written by the handlers, which run on whatever thread the signal came on; read and reset by term_key(). */
static atomic_int leave, stop_asked, continued, size_changed;
/* Written by term_watch() and term_unwatch(), used by the handlers. */
static atomic_int wake_read = -1, wake_write = -1;
static struct sigaction before[NSIG];
static char signal_stack[64 << 10]; /* of the main thread, for an overflow of its own */

/* ---- signals ---- */

static void wake(void)
{
	int kept = errno;

	(void)!write(wake_write, "", 1);
	errno = kept;
}

static void on_fatal(int number, siginfo_t *info, void *context)
{
	(void)context;
	term_restore_in_handler();
	sigaction(number, &before[number], NULL);
	/* A fault comes again by itself when we return; a signal that was sent does not. */
	if (info->si_code <= 0)
		raise(number);
}

static void on_leave(int number, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	leave = number;
	wake();
}

static void on_event(int number, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	if (number == SIGTSTP)
		stop_asked = 1;
	else if (number == SIGCONT)
		continued = 1;
	else
		size_changed = 1;
	wake();
}

static void on_nothing(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
}

static const struct {
	int number;
	void (*handler)(int number, siginfo_t *info, void *context);
	int flags;
} watched[] = {
	{ SIGSEGV, on_fatal, SA_ONSTACK }, { SIGABRT, on_fatal, SA_ONSTACK }, { SIGBUS, on_fatal, SA_ONSTACK }, { SIGFPE, on_fatal, SA_ONSTACK },
	{ SIGILL, on_fatal, SA_ONSTACK },  { SIGTERM, on_leave, SA_RESTART },	      { SIGHUP, on_leave, SA_RESTART },	        { SIGQUIT, on_leave, SA_RESTART },
	{ SIGINT, on_leave, SA_RESTART }, /* from elsewhere: Ctrl-C is a key. Left to ncurses the mouse would stay on */
	{ SIGTSTP, on_event, SA_RESTART },	   { SIGCONT, on_event, SA_RESTART },	      { SIGWINCH, on_event, SA_RESTART },	{ SIGPIPE, on_nothing, SA_RESTART },
};

static void set_handler(int number, void (*handler)(int number, siginfo_t *info, void *context), int flags, struct sigaction *ret_before)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&action.sa_mask);
	sigaction(number, &action, ret_before);
}

static bool add_to_epoll(int epoll_fd, int fd)
{
	return fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.fd = fd }) == 0;
}

bool term_watch(struct term *term, struct error *err)
{
	struct term_input *in = &term->input;

	int fds[2] = { -1, -1 };

	leave = stop_asked = continued = size_changed = 0;
	in->fd = epoll_create1(EPOLL_CLOEXEC);
	in->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	in->pasted = (struct buf)BUF_INIT(PASTE_MAX);
	if (in->fd < 0 || pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0 || !add_to_epoll(in->fd, STDIN_FILENO) || !add_to_epoll(in->fd, fds[0]) ||
	    !add_to_epoll(in->fd, in->timer_fd))
		return error_errno(err, "watching the terminal");
	wake_read = fds[0];
	wake_write = fds[1];
	sigaltstack(&(stack_t){ .ss_sp = signal_stack, .ss_size = sizeof signal_stack }, NULL);
	for (size_t i = 0; i < ARRAY_LEN(watched); i++)
		set_handler(watched[i].number, watched[i].handler, watched[i].flags, &before[watched[i].number]);
	return true;
}

void term_unwatch(struct term *term)
{
	const int fds[] = { term->input.fd, term->input.timer_fd, wake_read, wake_write };

	for (size_t i = 0; i < ARRAY_LEN(watched); i++)
		sigaction(watched[i].number, &before[watched[i].number], NULL);
	sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
	wake_read = wake_write = -1;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	buf_release(&term->input.pasted);
}

void term_default_stop(bool on)
{
	static struct sigaction interrupt, quit; /* from before; used between two calls only */

	if (!on) {
		set_handler(SIGTSTP, on_event, SA_RESTART, NULL);
		sigaction(SIGINT, &interrupt, NULL);
		sigaction(SIGQUIT, &quit, NULL);
		continued = 0; /* what it tells we know */
		return;
	}
	signal(SIGTSTP, SIG_DFL);
	set_handler(SIGINT, on_nothing, SA_RESTART, &interrupt); /* a handler, not SIG_IGN: that one would pass on to a child */
	set_handler(SIGQUIT, on_nothing, SA_RESTART, &quit);
}

int term_signal(void)
{
	return leave;
}

int term_fd(const struct term *term)
{
	return term->input.fd;
}

/* ---- bytes ---- */

void term_define_keys(void)
{
	/* Arrows as terminals send them that do not heed the mode in which terminfo describes them. */
	static const struct {
		const char *bytes;
		int code;
	} keys[] = { { "\033[200~", CODE_PASTE_BEGIN }, { "\033[201~", CODE_PASTE_END }, { "\033[<", CODE_MOUSE }, { "\033[M", CODE_OLD_MOUSE },
		     { "\033[A", KEY_UP },	      { "\033[B", KEY_DOWN },	     { "\033[C", KEY_RIGHT }, { "\033[D", KEY_LEFT },
		     { "\033[H", KEY_HOME },	      { "\033[F", KEY_END } };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		define_key(keys[i].bytes, keys[i].code);
}

static bool has_hung_up(void)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* Readable without a byte to read. */
static bool is_at_end(void)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
	int bytes = 1;

	return poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN) && ioctl(STDIN_FILENO, FIONREAD, &bytes) == 0 && bytes == 0;
}

/* The next character of a sequence that has begun; false when it does not come at once. */
static bool next_of_sequence(wint_t *ret_key)
{
	int kind = get_wch(ret_key);

	if (kind == ERR && poll(&(struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN }, 1, SEQUENCE_MS) > 0)
		kind = get_wch(ret_key);
	return kind == OK;
}

/* "b;col;row" and M or m, as xterm's mode 1006 sends it after "ESC [ <". */
static uint32_t read_mouse(struct term *term)
{
	unsigned numbers[3] = { 0 };
	size_t at = 0;
	wint_t key;

	for (size_t i = 0; i < SEQUENCE_MAX && next_of_sequence(&key); i++) {
		if (key == ';' && at < 2)
			at++;
		else if (key >= '0' && key <= '9' && numbers[at] < 10000)
			numbers[at] = numbers[at] * 10 + (unsigned)(key - '0');
		else if (key == 'M' || key == 'm') {
			bool wheel = numbers[0] & 64;
			enum mouse_kind pressed = numbers[0] & 32 ? MOUSE_DRAG : MOUSE_PRESS;

			if (at < 2 || !numbers[1] || !numbers[2] || (wheel && (numbers[0] & 2)))
				return KEY_TERM_NONE; /* a wheel that tilts */
			term->input.mouse = (struct mouse){ .kind = wheel ? (numbers[0] & 1 ? MOUSE_WHEEL_DOWN : MOUSE_WHEEL_UP) : key == 'm' ? MOUSE_RELEASE : pressed,
							    .button = wheel ? 0 : (int)(numbers[0] & 3) + 1,
							    .row = (int)numbers[2] - 1,
							    .col = (int)numbers[1] - 1 };
			return KEY_TERM_MOUSE;
		} else
			return KEY_TERM_NONE;
	}
	return KEY_TERM_NONE;
}

struct mouse term_mouse(const struct term *term)
{
	return term->input.mouse;
}

const char *term_pasted(const struct term *term)
{
	return buf_cstr(&term->input.pasted);
}

static void take_pasted(struct term_input *in, wint_t key)
{
	in->paste_ms = clock_machine_us() / 1000;
	if (key == '\r')
		key = '\n';
	else if (key == '\t')
		key = ' ';
	if (key == '\n' || (key >= ' ' && (key < 0x7f || key > 0x9f)))
		buf_add_rune(&in->pasted, (uint32_t)key);
}

static uint32_t special_key(struct term *term, wint_t key)
{
	static const struct {
		wint_t curses;
		uint32_t ours;
	} keys[] = { { KEY_UP, KEY_TERM_UP },	      { KEY_DOWN, KEY_TERM_DOWN },	{ KEY_LEFT, KEY_TERM_LEFT },	   { KEY_RIGHT, KEY_TERM_RIGHT },
		     { KEY_PPAGE, KEY_TERM_PAGE_UP }, { KEY_NPAGE, KEY_TERM_PAGE_DOWN }, { KEY_HOME, KEY_TERM_HOME },	   { KEY_END, KEY_TERM_END },
		     { KEY_ENTER, KEY_TERM_ENTER },   { KEY_BTAB, KEY_TERM_BACKTAB },	{ KEY_BACKSPACE, KEY_TERM_BACKSPACE }, { KEY_DC, KEY_TERM_DELETE },
		     { KEY_IC, KEY_TERM_INSERT } };

	if (key == CODE_MOUSE)
		return read_mouse(term);
	if (key == CODE_OLD_MOUSE) {
		for (int i = 0; i < 3 && next_of_sequence(&key); i++)
			;
		return KEY_TERM_NONE;
	}
	if (key >= (wint_t)KEY_F(1) && key <= (wint_t)KEY_F(12))
		return KEY_TERM_F1 + (uint32_t)(key - (wint_t)KEY_F(1));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].curses == key)
			return keys[i].ours;
	return KEY_TERM_NONE;
}

/* After "ESC [": a sequence that terminfo does not know, or a person who types fast. */
static uint32_t unknown_sequence(void)
{
	wint_t key;

	if (get_wch(&key) != OK) {
		unget_wch('[');
		return KEY_TERM_ESCAPE;
	}
	for (int i = 0; i < SEQUENCE_MAX && key >= 0x20 && key < 0x40; i++)
		if (!next_of_sequence(&key))
			break;
	return KEY_TERM_NONE;
}

static uint32_t after_escape(void)
{
	wint_t key;

	if (get_wch(&key) != OK)
		return KEY_TERM_ESCAPE;
	if (key >= '0' && key <= '9')
		return key == '0' ? KEY_TERM_F10 : KEY_TERM_F1 + (uint32_t)(key - '1');
	if (key == '[')
		return unknown_sequence();
	unget_wch((wchar_t)key);
	return KEY_TERM_ESCAPE;
}

static uint32_t character_key(wint_t key)
{
	static const struct {
		wint_t character;
		uint32_t ours;
	} keys[] = { { 0, KEY_TERM_CTRL_SPACE }, { 8, KEY_TERM_BACKSPACE }, { 127, KEY_TERM_BACKSPACE }, { '\r', KEY_TERM_ENTER }, { '\n', KEY_TERM_ENTER } };

	if (key == 27)
		return after_escape();
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].character == key)
			return keys[i].ours;
	return (uint32_t)key;
}

/* Between the two ends of a paste nothing is a key. */
static uint32_t pasted_key(struct term_input *in, int kind, wint_t key)
{
	if (kind == KEY_CODE_YES && key == CODE_PASTE_BEGIN) {
		buf_reset(&in->pasted);
		in->paste_ms = clock_machine_us() / 1000;
		in->pasting = true;
	} else if (kind == KEY_CODE_YES && key == CODE_PASTE_END) {
		bool was = in->pasting;

		in->pasting = false;
		return was ? KEY_TERM_PASTE : KEY_TERM_NONE;
	} else if (kind == OK) {
		take_pasted(in, key);
	}
	return KEY_TERM_NONE;
}

static uint32_t next_key(struct term *term)
{
	struct term_input *in = &term->input;
	uint32_t ours;
	wint_t key;
	int kind;

	while ((kind = get_wch(&key)) != ERR) {
		in->empty_reads = 0;
		if (in->pasting || (kind == KEY_CODE_YES && (key == CODE_PASTE_BEGIN || key == CODE_PASTE_END))) {
			ours = pasted_key(in, kind, key);
		} else if (kind == OK && key == KEY_CTRL('z')) {
			term_suspend(term); /* raw() keeps it from the line discipline */
			ours = KEY_TERM_RESIZE;
		} else {
			ours = kind == KEY_CODE_YES ? special_key(term, key) : character_key(key);
		}
		if (ours != KEY_TERM_NONE)
			return ours;
	}
	if (in->pasting && clock_machine_us() / 1000 - in->paste_ms > PASTE_QUIET_MS) {
		in->pasting = false;
		return KEY_TERM_PASTE;
	}
	in->empty_reads = is_at_end() ? in->empty_reads + 1 : 0;
	return in->empty_reads > EMPTY_READS_MAX || has_hung_up() ? KEY_TERM_GONE : KEY_TERM_NONE;
}

/* ---- what comes beside keys ---- */

static void drain(int fd)
{
	char bytes[64];

	while (read(fd, bytes, sizeof bytes) > 0)
		;
}

static bool take(atomic_int *flag)
{
	return atomic_exchange(flag, 0) != 0;
}

/* Whether a resize is to be told now; a storm of them is held back by the timer. */
static bool resize_is_due(struct term_input *in)
{
	int64_t now_ms = clock_machine_us() / 1000, left_ms = in->resize_ms + RESIZE_EVERY_MS - now_ms;

	in->resized = take(&size_changed) || in->resized;
	if (!in->resized)
		return false;
	if (left_ms > 0) {
		timerfd_settime(in->timer_fd, 0, &(struct itimerspec){ .it_value.tv_nsec = left_ms * 1000000 }, NULL);
		return false;
	}
	in->resized = false;
	in->resize_ms = now_ms;
	return true;
}

uint32_t term_key(struct term *term)
{
	drain(wake_read);
	drain(term->input.timer_fd);
	if (leave)
		return KEY_TERM_GONE;
	if (take(&stop_asked)) {
		term_suspend(term);
		return KEY_TERM_RESIZE;
	}
	if (take(&continued)) { /* stopped without having been asked: whoever did it may have changed anything */
		term_pause(term);
		term_resume(term);
		return KEY_TERM_RESIZE;
	}
	if (resize_is_due(&term->input)) {
		term_adopt_size(term);
		return KEY_TERM_RESIZE;
	}
	return next_key(term);
}
