/* The interactive shell on a pty, and its use by scripts, on the simulation. This program is also the one that runs on the pty. */
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "live/shell.h"
#include "pods.h"

#define LIMIT_MS 20000

/* ---- the program on the pty ---- */

static bool tick_thrice(void *arg)
{
	return ++*(int *)arg < 3;
}

/* shell_test KUBECONFIG POD MODE [COMMAND…]: mode has t (tty), l (leave at the third tick), h (SIGHUP is ignored). */
static int be_the_shell(char **argv)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO(net) net = net_create(NULL, &err);
	AUTO(kube) kube = NULL;
	struct shell_result result = { 0 };
	int ticks = 0;
	struct shell_options options = { .namespace = "default",
					 .pod = argv[2],
					 .command = argv[4] ? (const char *const *)argv + 4 : NULL,
					 .tty = strchr(argv[3], 't'),
					 .tick = strchr(argv[3], 'l') ? tick_thrice : NULL,
					 .arg = &ticks };

	if (strchr(argv[3], 'h'))
		signal(SIGHUP, SIG_IGN);
	if (!kube_open(net, &(struct kube_options){ .kubeconfig = { .path = argv[1] } }, &kube, &err) || !shell_run(kube, &options, &result, &err))
		printf("failed: %s\n", err.message);
	else
		printf("%s %d\n", result.end == SHELL_ENDED ? "ended" : "left", result.exit_code);
	fflush(stdout);
	return 0;
}

static char *self; /* argv[0], written by main */

struct program {
	pid_t pid;
	int fd; /* of the pty's other side */
	struct buf seen;
	char kubeconfig[40];
};

static void write_kubeconfig(struct program *p, struct kube_bed *bed)
{
	strcpy(p->kubeconfig, "/tmp/slotdeck-shell-XXXXXX");
	int fd = mkstemp(p->kubeconfig);

	assert_true(fd >= 0);
	dprintf(fd, "{apiVersion: v1, kind: Config, current-context: a, clusters: [{name: a, cluster: {server: \"%s\"}}], "
		    "users: [{name: a, user: {}}], contexts: [{name: a, context: {cluster: a, user: a}}]}\n", sim_url(bed->sim));
	close(fd);
}

static void program_start(struct program *p, struct kube_bed *bed, const char *mode, const char *const *command)
{
	const char *argv[12] = { self, NULL, "web", mode };
	struct winsize size = { .ws_row = 30, .ws_col = 100 };

	*p = (struct program){ 0 };
	write_kubeconfig(p, bed);
	argv[1] = p->kubeconfig;
	for (size_t i = 0; command && command[i]; i++)
		argv[4 + i] = command[i];
	p->pid = forkpty(&p->fd, NULL, NULL, &size);
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		execv(self, (char *const *)argv);
		_exit(127);
	}
}

static void program_release(struct program *p)
{
	if (p->pid) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	if (p->fd >= 0)
		close(p->fd);
	buf_release(&p->seen);
	unlink(p->kubeconfig);
}
DEFINE_AUTO_RELEASE(program);

static void type(struct program *p, const char *keys)
{
	assert_int_equal(write(p->fd, keys, strlen(keys)), strlen(keys));
}

/* Waits until text appears behind what was already expected, and forgets all up to it. */
static void expect(struct program *p, const char *text)
{
	int64_t end = clock_now_ms(NULL) + LIMIT_MS;
	ptrdiff_t at;
	char bytes[65536];

	while ((at = str_find(buf_str(&p->seen), str_of(text))) < 0) {
		struct pollfd fd = { .fd = p->fd, .events = POLLIN };

		if (clock_now_ms(NULL) > end)
			fail_msg("\"%s\" does not come after \"%s\"", text, buf_cstr(&p->seen));
		if (poll(&fd, 1, 100) <= 0)
			continue;
		ssize_t n = read(p->fd, bytes, sizeof bytes);

		if (n <= 0 && errno != EINTR)
			fail_msg("it ended without \"%s\" after \"%s\"", text, buf_cstr(&p->seen));
		if (n > 0)
			buf_add(&p->seen, bytes, (size_t)n);
	}
	buf_consume(&p->seen, (size_t)at + strlen(text));
}

/* The same for the last that it says; then it ends, with no complaint of a sanitizer. */
static void expect_end(struct program *p, const char *text)
{
	int status;

	expect(p, text);
	while (waitpid(p->pid, &status, WNOHANG) == 0) {
		struct pollfd fd = { .fd = p->fd, .events = POLLIN };
		char bytes[65536];

		if (poll(&fd, 1, 1) > 0)
			(void)!read(p->fd, bytes, sizeof bytes);
	}
	p->pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static bool is_raw(const struct program *p)
{
	struct termios modes;

	tcgetattr(p->fd, &modes);
	return !(modes.c_lflag & (ICANON | ECHO | ISIG));
}

/* The process changes the modes by itself: a moment may pass. */
static void await_modes(const struct program *p, bool raw)
{
	int64_t end = clock_now_ms(NULL) + LIMIT_MS;

	while (is_raw(p) != raw && clock_now_ms(NULL) < end)
		usleep(1000);
	assert_int_equal(is_raw(p), raw);
}

/* ---- tests on the pty ---- */

static void a_shell_takes_keys_follows_the_size_and_gives_the_exit_code(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(program) p;
	struct winsize size = { .ws_row = 41, .ws_col = 121 };

	(void)state;
	pods_make(&bed, "web", "");
	program_start(&p, &bed, "t", NULL);
	expect(&p, "/ # ");
	await_modes(&p, true);
	type(&p, "stty size\r");
	expect(&p, "30 100\r\n/ # ");
	ioctl(p.fd, TIOCSWINSZ, &size); /* the kernel sends SIGWINCH */
	type(&p, "sleep 0.2; stty size\r");
	expect(&p, "41 121\r\n/ # ");
	type(&p, "echo $COLOUR\r");
	expect(&p, "green\r\n/ # ");
	type(&p, "exit 7\r");
	expect(&p, "\033[?25h"); /* what may be left switched on is switched off */
	await_modes(&p, false);
	expect_end(&p, "ended 7");
}

static void the_detach_key_leaves_when_it_is_typed_twice(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(program) p;

	(void)state;
	pods_make(&bed, "web", "");
	program_start(&p, &bed, "t", NULL);
	expect(&p, "/ # ");
	type(&p, "\035echo still $COLOUR\r\035");
	expect(&p, "still green\r\n/ # ");
	type(&p, "x\035");
	type(&p, "\035");
	await_modes(&p, false);
	expect_end(&p, "left 0");
}

static void a_stop_restores_the_terminal_and_going_on_sets_it_up_again(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(program) p;
	int status;

	(void)state;
	pods_make(&bed, "web", "");
	program_start(&p, &bed, "t", NULL);
	expect(&p, "/ # ");
	await_modes(&p, true);
	kill(p.pid, SIGTSTP);
	assert_int_equal(waitpid(p.pid, &status, WUNTRACED), p.pid);
	assert_true(WIFSTOPPED(status));
	assert_false(is_raw(&p));
	kill(p.pid, SIGCONT);
	await_modes(&p, true);
	type(&p, "exit\r");
	expect_end(&p, "ended 0");
}

static void a_terminal_that_hangs_up_ends_it_at_once(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(program) p;
	int64_t end;

	(void)state;
	pods_make(&bed, "web", "");
	program_start(&p, &bed, "th", NULL);
	expect(&p, "/ # ");
	end = clock_now_ms(NULL) + LIMIT_MS;
	close(p.fd);
	p.fd = -1;
	while (waitpid(p.pid, NULL, WNOHANG) == 0 && clock_now_ms(NULL) < end)
		usleep(1000);
	assert_true(clock_now_ms(NULL) < end);
	p.pid = 0;
}

static void a_flood_that_the_terminal_does_not_take_still_lets_one_leave(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(program) p;

	(void)state;
	pods_make(&bed, "web", "");
	program_start(&p, &bed, "t", NULL);
	expect(&p, "/ # ");
	type(&p, "seq 10000000\r");
	expect(&p, "\r\n1000\r\n"); /* and no more is read from now on */
	type(&p, "\035\035");
	await_modes(&p, false);
	expect_end(&p, "left 0");
}

static void a_cut_connection_is_told_and_the_terminal_restored(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(program) p;

	(void)state;
	pods_make(&bed, "web", "");
	kube_bed_faults(&bed, "[{'path':'/exec','action':'cut','at':60}]");
	program_start(&p, &bed, "t", NULL);
	expect(&p, "/ # ");
	type(&p, "echo a long line that is longer than what may pass\r");
	expect(&p, "failed: run a command in pod web: ");
	await_modes(&p, false);
}

static void the_program_behind_it_can_end_the_shell(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(program) p;

	(void)state;
	pods_make(&bed, "web", "");
	program_start(&p, &bed, "tl", NULL);
	await_modes(&p, false);
	expect_end(&p, "left 0");
}

static void an_image_without_a_shell_is_told(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(program) p;

	(void)state;
	pods_make(&bed, "web", "'sim/no-shell':'true'");
	program_start(&p, &bed, "t", NULL);
	expect(&p, "failed: run a command in pod web: ");
	expect(&p, "\"sh\": executable file not found");
}

/* ---- without a terminal ---- */

#define COMMAND(...) ((const char *const[]){ __VA_ARGS__, NULL })

struct pipes {
	int in[2], out[2], error[2];
};

static void pipes_open(struct pipes *pipes)
{
	assert_int_equal(pipe(pipes->in) | pipe(pipes->out) | pipe(pipes->error), 0);
}

static void read_all(int fd, struct buf *into)
{
	char bytes[4096];
	ssize_t n;

	buf_adds(into, "");
	while ((n = read(fd, bytes, sizeof bytes)) > 0)
		buf_add(into, bytes, (size_t)n);
	close(fd);
}

static void scripts_join_their_streams_with_those_of_the_command(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(buf) errors = BUF_INIT(0);
	struct shell_result result;
	struct pipes pipes;

	(void)state;
	pods_make(&bed, "web", "");
	pipes_open(&pipes);
	assert_int_equal(write(pipes.in[1], "echo out $COLOUR\nnonsense\nexit 5\n", 33), 33);
	close(pipes.in[1]);
	assert_true(shell_run(bed.kube, &(struct shell_options){ .namespace = "default", .pod = "web", .command = COMMAND("sh"), .in_fd = pipes.in[0], .out_fd = pipes.out[1], .error_fd = pipes.error[1] }, &result, &err));
	close(pipes.out[1]);
	close(pipes.error[1]);
	close(pipes.in[0]);
	read_all(pipes.out[0], &out);
	read_all(pipes.error[0], &errors);
	assert_int_equal(result.end, SHELL_ENDED);
	assert_int_equal(result.exit_code, 5);
	assert_string_equal(buf_cstr(&out), "out green\n");
	assert_string_equal(buf_cstr(&errors), "sh: nonsense: not found\n");
}

static void a_call_gives_input_and_collects_output(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) input = BUF_INIT(0);
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(buf) short_out = BUF_INIT(10);
	struct shell_options options = { .namespace = "default", .pod = "web", .command = COMMAND("cat") };
	int exit_code = -1;

	(void)state;
	pods_make(&bed, "web", "");
	for (int i = 0; i < 200000; i++)
		buf_addf(&input, "%d\n", i);
	assert_true(shell_call(bed.kube, &options, buf_str(&input), &out, NULL, &exit_code, &err));
	assert_int_equal(exit_code, 0);
	assert_true(str_eq(buf_str(&out), buf_str(&input)));
	options.command = COMMAND("sh", "-c", "echo too long a line; false");
	options.no_input = true;
	assert_true(shell_call(bed.kube, &options, STR(""), &short_out, NULL, &exit_code, &err));
	assert_int_equal(exit_code, 1);
	assert_true(short_out.overflow);
}

static void cancelling_ends_a_call_and_a_shell(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(error) other = { 0 };
	AUTO(cancel) cancel = cancel_create();
	struct shell_options options = { .namespace = "default", .pod = "web", .command = COMMAND("sleep", "1000"), .no_input = true, .cancel = cancel };
	struct shell_result result;
	int exit_code;

	(void)state;
	pods_make(&bed, "web", "");
	cancel_request(cancel, 0);
	assert_false(shell_call(bed.kube, &options, STR(""), NULL, NULL, &exit_code, &err));
	assert_int_equal(err.kind, ERR_CANCELLED);
	assert_false(shell_run(bed.kube, &options, &result, &other));
	assert_int_equal(other.kind, ERR_CANCELLED);
}

static void an_interactive_shell_without_a_terminal_is_refused(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(error) err = { 0 };
	struct shell_result result;
	struct pipes pipes;

	(void)state;
	pipes_open(&pipes);
	assert_false(shell_run(bed.kube, &(struct shell_options){ .namespace = "default", .pod = "web", .tty = true, .in_fd = pipes.in[0], .out_fd = pipes.out[1], .error_fd = pipes.error[1] }, &result, &err));
	assert_int_equal(err.kind, ERR_IO);
	for (int *fd = pipes.in; fd < pipes.error + 2; fd++)
		close(*fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shell_takes_keys_follows_the_size_and_gives_the_exit_code),
		cmocka_unit_test(the_detach_key_leaves_when_it_is_typed_twice),
		cmocka_unit_test(a_stop_restores_the_terminal_and_going_on_sets_it_up_again),
		cmocka_unit_test(a_terminal_that_hangs_up_ends_it_at_once),
		cmocka_unit_test(a_flood_that_the_terminal_does_not_take_still_lets_one_leave),
		cmocka_unit_test(a_cut_connection_is_told_and_the_terminal_restored),
		cmocka_unit_test(the_program_behind_it_can_end_the_shell),
		cmocka_unit_test(an_image_without_a_shell_is_told),
		cmocka_unit_test(scripts_join_their_streams_with_those_of_the_command),
		cmocka_unit_test(a_call_gives_input_and_collects_output),
		cmocka_unit_test(cancelling_ends_a_call_and_a_shell),
		cmocka_unit_test(an_interactive_shell_without_a_terminal_is_refused),
	};

	if (argc > 3)
		return be_the_shell(argv);
	self = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
