/*
 * terminal COLSxROWS COMMAND...: runs a program on a pty behind a terminal emulator (libvterm) and measures it from outside. Prints
 * "PID TIME" at its start, then answers each line of stdin with one line:
 *
 *     wait SECONDS REGEX   TIME at which the extended regular expression matched the screen; "-" after that long
 *     key SECONDS KEYS     seconds from writing the keys (\e is escape) until a cell changed; "-" after that long
 *     type KEYS            ok
 *     bytes                how many bytes the program has written
 *     show                 ok; the screen goes to stderr
 *     end                  exit code after SIGTERM (128 + n after signal n); ends this program too, as the end of stdin does
 *
 * TIME is that of CLOCK_MONOTONIC in seconds. While nothing is asked the program's output is read all the same.
 */
#include <poll.h>
#include <pty.h>
#include <regex.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vterm.h>

#define MAX_CELL_BYTES 4

static struct {
	pid_t pid;
	int fd, cols, rows;
	bool ended, changed;
	unsigned long long bytes;
	double read_at; /* when the last bytes came */
	VTerm *vterm;
	char *text; /* the screen, a line per row */
} program;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int on_damage(VTermRect rect, void *arg)
{
	(void)rect;
	(void)arg;
	program.changed = true;
	return 1;
}

/* What the emulator answers when the program asks who it is. */
static void on_answer(const char *bytes, size_t len, void *arg)
{
	(void)arg;
	(void)!write(program.fd, bytes, len);
}

static void start(const char *size, char **argv)
{
	static const VTermScreenCallbacks callbacks = { .damage = on_damage };

	if (sscanf(size, "%dx%d", &program.cols, &program.rows) != 2 || program.cols < 1 || program.rows < 1)
		exit(EXIT_FAILURE);
	struct winsize window = { .ws_col = (unsigned short)program.cols, .ws_row = (unsigned short)program.rows };

	printf("%d", program.pid = forkpty(&program.fd, NULL, NULL, &window));
	if (program.pid == 0) {
		setenv("TERM", "xterm-256color", 1);
		setenv("COLORTERM", "truecolor", 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	printf(" %.6f\n", now());
	program.text = malloc((size_t)program.rows * ((size_t)program.cols * MAX_CELL_BYTES + 1) + 1);
	program.vterm = vterm_new(program.rows, program.cols);
	vterm_set_utf8(program.vterm, 1);
	vterm_output_set_callback(program.vterm, on_answer, NULL);
	VTermScreen *screen = vterm_obtain_screen(program.vterm);

	vterm_screen_set_callbacks(screen, &callbacks, NULL);
	vterm_screen_enable_altscreen(screen, 1);
	vterm_screen_reset(screen, 1);
}

/* Takes what the program has written, at most that long in waiting for it. With asked, also returns for a line of stdin. */
static void pump(double seconds, bool asked)
{
	struct pollfd fds[] = { { .fd = program.ended ? -1 : program.fd, .events = POLLIN }, { .fd = asked ? STDIN_FILENO : -1, .events = POLLIN } };
	char bytes[65536];

	if (poll(fds, 2, seconds < 0 ? -1 : (int)(seconds * 1e3 + 0.999)) <= 0 || !fds[0].revents)
		return;
	ssize_t n = read(program.fd, bytes, sizeof bytes);

	program.read_at = now();
	program.ended = n <= 0;
	if (n <= 0)
		return;
	program.bytes += (unsigned long long)n;
	vterm_input_write(program.vterm, bytes, (size_t)n);
}

static char *put_rune(char *out, uint32_t rune)
{
	if (rune < 0x80) {
		*out++ = (char)rune;
		return out;
	}
	int more = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;

	*out++ = (char)((0xf00 >> (more + 1) & 0xff) | rune >> (6 * more));
	while (more--)
		*out++ = (char)(0x80 | (rune >> (6 * more) & 0x3f));
	return out;
}

static const char *screen_text(void)
{
	VTermScreen *screen = vterm_obtain_screen(program.vterm);
	char *out = program.text;

	for (int row = 0; row < program.rows; row++) {
		for (int col = 0; col < program.cols; col++) {
			VTermScreenCell cell;

			vterm_screen_get_cell(screen, (VTermPos){ row, col }, &cell);
			if (cell.chars[0] != (uint32_t)-1) /* the right half of a wide character */
				out = put_rune(out, cell.chars[0] ? cell.chars[0] : ' ');
		}
		*out++ = '\n';
	}
	*out = '\0';
	return program.text;
}

static void wait_for(double seconds, const char *pattern)
{
	double due = now() + seconds;
	regex_t regex;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB) != 0) {
		puts("-");
		return;
	}
	program.changed = true;
	program.read_at = now();
	for (;;) {
		if (program.changed && regexec(&regex, screen_text(), 0, NULL, 0) == 0) {
			printf("%.6f\n", program.read_at);
			break;
		}
		program.changed = false;
		if (program.ended || now() >= due) {
			puts("-");
			break;
		}
		pump(due - now(), false);
	}
	regfree(&regex);
}

static void type(char *keys)
{
	for (char *at = keys; (at = strstr(at, "\\e"));) {
		*at = '\033';
		memmove(at + 1, at + 2, strlen(at + 2) + 1);
	}
	(void)!write(program.fd, keys, strlen(keys));
}

static void press(double seconds, char *keys)
{
	double begin, due;

	program.changed = false;
	begin = now();
	due = begin + seconds;
	type(keys);
	while (!program.changed && !program.ended && now() < due)
		pump(due - now(), false);
	if (program.changed)
		printf("%.6f\n", program.read_at - begin);
	else
		puts("-");
}

static void end(void)
{
	int status;

	kill(program.pid, SIGTERM);
	for (double due = now() + 10; !program.ended && now() < due;)
		pump(due - now(), false);
	if (!program.ended)
		kill(program.pid, SIGKILL);
	waitpid(program.pid, &status, 0);
	printf("%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* False: that was the last. */
static bool answer(char *line)
{
	char *rest = strchr(line, ' '), *argument = rest ? strchr(rest + 1, ' ') : NULL;
	double seconds = rest ? atof(rest + 1) : 0;

	if (strncmp(line, "wait ", 5) == 0 && argument)
		wait_for(seconds, argument + 1);
	else if (strncmp(line, "key ", 4) == 0 && argument)
		press(seconds, argument + 1);
	else if (strncmp(line, "type ", 5) == 0)
		type(rest + 1), puts("ok");
	else if (strcmp(line, "bytes") == 0)
		printf("%llu\n", program.bytes);
	else if (strcmp(line, "show") == 0)
		fputs(screen_text(), stderr), puts("ok");
	else
		return end(), false;
	return true;
}

int main(int argc, char **argv)
{
	char line[1024];

	if (argc < 3)
		return EXIT_FAILURE;
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	start(argv[1], argv + 2);
	for (;;) {
		struct pollfd asked = { .fd = STDIN_FILENO, .events = POLLIN };

		while (poll(&asked, 1, 0) == 0)
			pump(-1, true);
		if (!fgets(line, sizeof line, stdin))
			strcpy(line, "end");
		line[strcspn(line, "\n")] = '\0';
		if (!answer(line))
			return EXIT_SUCCESS;
	}
}
