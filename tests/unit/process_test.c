#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"

static void keep_line(enum process_stream stream, struct str line, bool truncated, void *arg)
{
	buf_addf(arg, "%s%.*s%s\n", stream == PROCESS_STDERR ? "! " : "", STR_ARG(line), truncated ? "…" : "");
}

static bool bash(const char *script, struct process_options *options, const struct cancel *cancel,
		 struct process_result *ret, struct error *err)
{
	const char *const argv[] = { "bash", "-c", script, NULL };

	options->argv = argv;
	return process_run(options, cancel, ret, err);
}

static void lines_come_live_and_the_exit_status_is_told(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) lines = BUF_INIT(0);
	struct process_options options = { .on_line = keep_line, .arg = &lines };

	(void)state;
	assert_true(bash("echo one; echo two >&2; sleep 0.05; printf 'three\\r\\nfour'; exit 7", &options, NULL,
			 &result, &err));
	assert_int_equal(result.exit_code, 7);
	assert_non_null(strstr(lines.p, "one\n"));
	assert_non_null(strstr(lines.p, "! two\n"));
	assert_non_null(strstr(lines.p, "three\nfour\n"));
}

static void a_signal_is_no_exit_code(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	struct process_options options = { 0 };

	(void)state;
	assert_true(bash("kill -11 $$", &options, NULL, &result, &err));
	assert_int_equal(result.exit_code, -1);
	assert_int_equal(result.signal_number, 11);
}

static void standard_input_is_a_text_or_empty(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *large = xmalloc(1000001);
	struct process_options options = { .max_output_bytes = 1 << 21 };

	(void)state;
	assert_true(bash("cat", &options, NULL, &result, &err));
	assert_int_equal(result.out.len, 0);
	memset(large, 'x', 1000000);
	options.stdin_text = (struct str){ large, 1000000 };
	assert_true(bash("cat", &options, NULL, &result, &err));
	assert_int_equal(result.out.len, 1000000);
	assert_true(bash("exit 0", &options, NULL, &result, &err)); /* nobody reads: no SIGPIPE for us */
}

static void the_environment_is_ours_with_additions(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	const char *const env[] = { "ADDED=1", "REPLACED=new", NULL };
	struct process_options options = { .env = env, .cwd = "/", .max_output_bytes = 1000 };

	(void)state;
	setenv("REPLACED", "old", 1);
	setenv("KEPT", "yes", 1);
	assert_true(bash("echo $ADDED $REPLACED $KEPT $PWD; env | grep -c REPLACED=", &options, NULL, &result, &err));
	assert_string_equal(buf_cstr(&result.out), "1 new yes /\n1\n");
}

static void no_descriptor_of_ours_leaks(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	struct process_options options = { .max_output_bytes = 1000 };
	int fd = open("/etc/passwd", O_RDONLY); /* deliberately without CLOEXEC */

	(void)state;
	assert_true(bash("ls /proc/self/fd | sort -n | tr '\\n' ' '", &options, NULL, &result, &err));
	assert_string_equal(buf_cstr(&result.out), "0 1 2 3 "); /* 3 is ls' own */
	close(fd);
}

static void signals_are_at_their_defaults_in_the_child(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	struct process_options options = { .max_output_bytes = 1000 };
	sigset_t all, kept;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &kept);
	assert_true(bash(
		"grep SigBlk /proc/self/status; echo $((0x$(sed -n 's/SigIgn:.//p' /proc/self/status) & 0x7fffffff))",
		&options, NULL, &result, &err));
	pthread_sigmask(SIG_SETMASK, &kept, NULL);
	assert_string_equal(buf_cstr(&result.out), "SigBlk:\t0000000000000000\n0\n");
}

static void a_missing_program_is_not_found(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	const char *const argv[] = { "no-such-program-at-all", NULL };
	struct process_options options = { .argv = argv };

	(void)state;
	assert_false(process_run(&options, NULL, &result, &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.message, "no-such-program-at-all: command not found");
	options.argv = (const char *const[]){ "/etc/passwd", NULL };
	assert_false(process_run(&options, NULL, &result, &err));
	assert_int_equal(err.kind, ERR_DENIED);
	options.argv = (const char *const[]){ "true", NULL };
	options.cwd = "/no/such/folder";
	assert_false(process_run(&options, NULL, &result, &err));
	assert_non_null(strstr(err.message, "/no/such/folder"));
}

static void a_timeout_ends_the_whole_group(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) lines = BUF_INIT(0);
	struct process_options options = {
		.timeout_ms = 100, .kill_after_ms = 200, .on_line = keep_line, .arg = &lines
	};
	int64_t start = clock_now_ms(NULL);

	(void)state;
	assert_false(bash("trap '' TERM; sleep 100 & echo $!; wait; sleep 100", &options, NULL, &result, &err));
	assert_int_equal(err.kind, ERR_TIMEOUT);
	assert_int_equal(result.signal_number, SIGKILL);
	assert_in_range(clock_now_ms(NULL) - start, 100, 5000);
	pid_t grandchild = atoi(buf_cstr(&lines));

	assert_true(grandchild > 1);
	int i = 0;

	/* Its new parent may take a moment to reap it. */
	for (; i < 500; i++) {
		AUTO_FREE char *path = xasprintf("/proc/%d/stat", grandchild);
		FILE *file = fopen(path, "r");
		char status = 'X';

		if (!file)
			break;
		if (fscanf(file, "%*d (%*[^)]) %c", &status) != 1)
			status = 'X';
		fclose(file);
		if (status == 'Z' || status == 'X')
			break;
		usleep(10000);
	}
	assert_true(i < 500);
}

static void *cancel_soon(void *arg)
{
	usleep(50000);
	cancel_request(arg, SIGINT);
	return NULL;
}

static void cancel_lets_the_child_end_cleanly(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO(cancel) cancel = cancel_create();
	struct process_options options = { .max_output_bytes = 100 };
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, cancel_soon, cancel);
	assert_false(
		bash("trap 'echo bye; exit 3' TERM; while :; do sleep 0.01; done", &options, cancel, &result, &err));
	pthread_join(thread, NULL);
	assert_int_equal(err.kind, ERR_CANCELLED);
	assert_int_equal(result.exit_code, 3);
	assert_string_equal(buf_cstr(&result.out), "bye\n");
}

static void too_long_lines_and_outputs_are_cut(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) lines = BUF_INIT(0);
	struct process_options options = {
		.on_line = keep_line, .arg = &lines, .max_line_bytes = 5, .max_output_bytes = 8
	};

	(void)state;
	assert_true(bash("echo 12345; echo 1234567890; echo ab", &options, NULL, &result, &err));
	assert_string_equal(buf_cstr(&lines), "12345\n12345…\nab\n");
	assert_string_equal(buf_cstr(&result.out), "12345\n12");
	options.limit_is_error = true;
	options.on_line = NULL;
	assert_false(bash("yes", &options, NULL, &result, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void a_background_child_does_not_hold_us(void **state)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	struct process_options options = { .max_output_bytes = 100 };
	int64_t start = clock_now_ms(NULL);

	(void)state;
	assert_true(bash("sleep 5 & echo $!", &options, NULL, &result, &err));
	assert_int_equal(result.exit_code, 0);
	assert_in_range(clock_now_ms(NULL) - start, 0, 4000);
	kill(atoi(buf_cstr(&result.out)), SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_live_and_the_exit_status_is_told),
		cmocka_unit_test(a_signal_is_no_exit_code),
		cmocka_unit_test(standard_input_is_a_text_or_empty),
		cmocka_unit_test(the_environment_is_ours_with_additions),
		cmocka_unit_test(no_descriptor_of_ours_leaks),
		cmocka_unit_test(signals_are_at_their_defaults_in_the_child),
		cmocka_unit_test(a_missing_program_is_not_found),
		cmocka_unit_test(a_timeout_ends_the_whole_group),
		cmocka_unit_test(cancel_lets_the_child_end_cleanly),
		cmocka_unit_test(too_long_lines_and_outputs_are_cut),
		cmocka_unit_test(a_background_child_does_not_hold_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
