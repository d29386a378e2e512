/* Commands in containers, on the simulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "kube/exec.h"
#include "pods.h"

/* What came of one command. */
struct outcome {
	struct buf out, errors;
	int exit_code;
	struct error err;
	bool ended;
};

static void outcome_release(struct outcome *outcome)
{
	buf_release(&outcome->out);
	buf_release(&outcome->errors);
	error_release(&outcome->err);
}
DEFINE_AUTO_RELEASE(outcome);

/* Waits for the next event; false: nothing for 20 s. */
static bool await(struct exec *exec, struct exec_event *ret)
{
	int64_t end = clock_now_ms(NULL) + 20000;

	while (!exec_next(exec, ret)) {
		struct pollfd fd = { .fd = exec_fd(exec), .events = POLLIN };

		if (clock_now_ms(NULL) > end)
			return false;
		poll(&fd, 1, 100);
	}
	return true;
}

static void collect(struct exec *exec, struct outcome *ret, const char *until)
{
	AUTO_RELEASE(exec_event) event = { 0 };

	while (!ret->ended && !(until && str_find(buf_str(&ret->out), str_of(until)) >= 0)) {
		if (!await(exec, &event))
			fail_msg("nothing more comes after \"%s\"", buf_cstr(&ret->out));
		if (event.kind == EXEC_STDOUT)
			buf_add_str(&ret->out, buf_str(&event.bytes));
		if (event.kind == EXEC_STDERR)
			buf_add_str(&ret->errors, buf_str(&event.bytes));
		if (event.kind != EXEC_ENDED)
			continue;
		if (until)
			fail_msg("ended after \"%s\": %s", buf_cstr(&ret->out), event.error.kind ? event.error.message : "");
		ret->ended = true;
		ret->exit_code = event.exit_code;
		error_move(&ret->err, &event.error);
	}
}

static struct exec *start(struct kube_bed *bed, const struct exec_options *options)
{
	AUTO_RELEASE(error) err = { 0 };
	struct exec *exec = exec_open(bed->kube, options, &err);

	if (!exec)
		fail_msg("%s", err.message);
	return exec;
}

#define COMMAND(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct outcome run(struct kube_bed *bed, const char *pod, const char *const *command)
{
	struct outcome outcome = { 0 };
	AUTO(exec) exec = start(bed, &(struct exec_options){ .namespace = "default", .pod = pod, .command = command });

	collect(exec, &outcome, NULL);
	return outcome;
}

static void expect_refusal(struct outcome outcome, enum err_kind kind, const char *text)
{
	if (outcome.err.kind != kind || !strstr(outcome.err.message, text))
		fail_msg("%d %s", outcome.err.kind, outcome.err.message ? outcome.err.message : "no error");
	outcome_release(&outcome);
}

/* ---- tests ---- */

static void a_command_gives_its_output_apart_and_its_exit_code(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);

	(void)state;
	pods_make(&bed, "web", "");
	AUTO_RELEASE(outcome) good = run(&bed, "web", COMMAND("echo", "a  b", "c&d=é"));

	assert_int_equal(good.err.kind, ERR_NONE);
	assert_int_equal(good.exit_code, 0);
	assert_string_equal(buf_cstr(&good.out), "a  b c&d=é\n");
	AUTO_RELEASE(outcome) bad = run(&bed, "web", COMMAND("sh", "-c", "echo $COLOUR; nonsense; exit 42"));

	assert_int_equal(bad.err.kind, ERR_NONE);
	assert_int_equal(bad.exit_code, 42);
	assert_string_equal(buf_cstr(&bad.out), "green\n");
	assert_string_equal(buf_cstr(&bad.errors), "sh: nonsense: not found\n");
}

static void input_reaches_the_command_up_to_its_end(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(outcome) outcome = { 0 };
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	(void)state;
	pods_make(&bed, "web", "");
	AUTO(exec) exec = start(&bed, &(struct exec_options){ .namespace = "default", .pod = "web", .command = COMMAND("wc", "-c"), .input = true, .must_end_input = true });

	buf_add_repeat(&line, 'x', 9999);
	buf_addc(&line, '\n');
	for (int i = 0; i < 500; i++)
		exec_write(exec, buf_str(&line));
	exec_end_input(exec);
	collect(exec, &outcome, NULL);
	assert_string_equal(buf_cstr(&outcome.out), "5000000\n");
	assert_int_equal(outcome.exit_code, 0);
}

static void who_writes_much_is_told_to_wait_and_to_go_on(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(exec_event) event = { 0 };
	AUTO_RELEASE(buf) chunk = BUF_INIT(0);
	size_t written = 0;

	(void)state;
	pods_make(&bed, "web", "");
	/* sleep reads nothing for a second, so that all buffers on the way get full. */
	AUTO(exec) exec = start(&bed, &(struct exec_options){ .namespace = "default", .pod = "web", .command = COMMAND("sh", "-c", "stty >/dev/null; cat"), .input = true });

	buf_add_repeat(&chunk, 'x', 65535);
	buf_addc(&chunk, '\n');
	while (written < (16 << 20)) {
		while (exec_unsent(exec) < EXEC_UNSENT_MAX) {
			exec_write(exec, buf_str(&chunk));
			written += chunk.len;
		}
		assert_true(exec_unsent(exec) < EXEC_UNSENT_MAX + chunk.len);
		do {
			assert_true(await(exec, &event));
			assert_int_not_equal(event.kind, EXEC_ENDED);
		} while (event.kind != EXEC_DRAINED);
	}
}

/* Keeps the net thread from doing anything else. */
static void stand_still(void *arg)
{
	sem_t *gates = arg;

	sem_post(&gates[0]);
	sem_wait(&gates[1]);
}

static void output_that_nobody_takes_holds_the_command_back(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(outcome) outcome = { 0 };
	AUTO_RELEASE(exec_event) event = { 0 };
	sem_t gates[2];

	(void)state;
	pods_make(&bed, "web", "");
	AUTO(exec) exec = start(&bed, &(struct exec_options){ .namespace = "default", .pod = "web", .command = COMMAND("seq", "3000000") });

	usleep(300000); /* time to send too much; the less there is, the less this test can see, but it cannot fail by that */
	sem_init(&gates[0], 0, 0);
	sem_init(&gates[1], 0, 0);
	net_post(bed.net, stand_still, gates);
	sem_wait(&gates[0]);
	while (exec_next(exec, &event))
		buf_add_str(&outcome.out, buf_str(&event.bytes));
	assert_in_range(outcome.out.len, 0, (1 << 20) + (128 << 10));
	sem_post(&gates[1]);
	collect(exec, &outcome, NULL);
	assert_int_equal(outcome.exit_code, 0);
	assert_int_equal(outcome.out.len, 22888896);
	assert_true(str_ends(buf_str(&outcome.out), STR("2999999\n3000000\n")));
	sem_destroy(&gates[0]);
	sem_destroy(&gates[1]);
}

static void a_terminal_echoes_and_knows_its_size(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(outcome) outcome = { 0 };

	(void)state;
	pods_make(&bed, "web", "");
	AUTO(exec) exec = start(&bed, &(struct exec_options){ .namespace = "default", .pod = "web", .command = COMMAND("sh"), .input = true, .tty = true, .columns = 100, .rows = 30 });

	collect(exec, &outcome, "/ # ");
	exec_write(exec, STR("stty sizx\x7f""e\r"));
	collect(exec, &outcome, "30 100\r\n/ # ");
	exec_resize(exec, 120, 40);
	exec_write(exec, STR("stty size\r"));
	collect(exec, &outcome, "40 120\r\n/ # ");
	exec_write(exec, STR("sleep 100\r\x03"));
	collect(exec, &outcome, "^C\r\n/ # ");
	exec_write(exec, STR("exit 3\r"));
	collect(exec, &outcome, NULL);
	assert_int_equal(outcome.exit_code, 3);
	assert_int_equal(outcome.errors.len, 0);
}

static void what_keeps_a_command_from_starting_is_told(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	pods_make(&bed, "web", "");
	pods_make(&bed, "bare", "'sim/no-shell':'true'");
	pods_make_pending(&bed, "pending");
	pods_make_unpullable(&bed, "unpulled");
	expect_refusal(run(&bed, "nobody", COMMAND("ls")), ERR_NOT_FOUND, "run a command in pod nobody: pods \"nobody\" not found");
	expect_refusal(run(&bed, "pending", COMMAND("ls")), ERR_SERVER, "does not have a host assigned");
	expect_refusal(run(&bed, "web", COMMAND("vim")), ERR_SERVER, "\"vim\": executable file not found");
	struct outcome outcome = run(&bed, "bare", COMMAND("sh"));

	assert_string_equal(outcome.err.hint, "the image has no such program; many have no shell at all");
	outcome_release(&outcome);
	outcome = run(&bed, "unpulled", COMMAND("ls"));
	assert_non_null(strstr(outcome.err.message, "container not found (\"main\")"));
	assert_non_null(strstr(outcome.err.hint, "does not run now"));
	outcome_release(&outcome);
	assert_null(exec_open(bed.kube, &(struct exec_options){ .namespace = "default", .pod = "..", .command = COMMAND("ls") }, &err));
	assert_int_equal(err.kind, ERR_INVALID);
}

static void missing_rights_name_the_verb(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);

	(void)state;
	pods_make(&bed, "web", "");
	kube_bed_deny(&bed, "[{'verb':'create','resource':'pods/exec'}]");
	struct outcome outcome = run(&bed, "web", COMMAND("ls"));

	assert_int_equal(outcome.err.kind, ERR_DENIED);
	assert_non_null(strstr(outcome.err.hint, "create on pods/exec"));
	outcome_release(&outcome);
}

static void a_read_only_client_opens_no_shell(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(&(struct kube_bed_options){ .read_only = true });

	(void)state;
	pods_make(&bed, "web", "");
	expect_refusal(run(&bed, "web", COMMAND("ls")), ERR_DENIED, "--read-only");
}

static void an_old_server_is_spoken_to_in_v4(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(&(struct kube_bed_options){ .features_off = "exec-v5" });
	AUTO_RELEASE(outcome) ended = { 0 };

	(void)state;
	pods_make(&bed, "web", "");
	AUTO_RELEASE(outcome) plain = run(&bed, "web", COMMAND("false"));

	assert_int_equal(plain.err.kind, ERR_NONE);
	assert_int_equal(plain.exit_code, 1);
	expect_refusal(run(&bed, "web", COMMAND("vim")), ERR_SERVER, "HTTP 500");
	AUTO(exec) exec = start(&bed, &(struct exec_options){ .namespace = "default", .pod = "web", .command = COMMAND("cat"), .input = true, .must_end_input = true });

	collect(exec, &ended, NULL);
	assert_int_equal(ended.err.kind, ERR_SERVER);
	assert_non_null(strstr(ended.err.message, "no word for the end of the input"));
}

static void a_cut_connection_is_never_taken_for_success(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);

	(void)state;
	pods_make(&bed, "web", "");
	/* The output is 2 + 1 + 6 bytes, the Status and the goodbye follow: cut in and before each. */
	for (unsigned at = 0; at < 30; at++) {
		AUTO_FREE char *faults = xasprintf("[{'path':'/exec','action':'cut','at':%u}]", at);

		kube_bed_faults(&bed, faults);
		AUTO_RELEASE(outcome) outcome = run(&bed, "web", COMMAND("echo", "hello"));

		assert_int_equal(outcome.err.kind, ERR_NETWORK);
		assert_non_null(strstr(outcome.err.hint, "unknown"));
	}
}

static void attaching_shows_what_the_process_says_from_now_on(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(outcome) outcome = { 0 };

	(void)state;
	pods_make(&bed, "web", "'testbed/log-rate':'100'");
	AUTO(exec) exec = start(&bed, &(struct exec_options){ .namespace = "default", .pod = "web" });

	collect(exec, &outcome, " of web/main\n");
}

static void closing_early_leaves_nothing_behind(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);

	(void)state;
	pods_make(&bed, "web", "");
	for (int i = 0; i < 20; i++) {
		struct exec *exec = start(&bed, &(struct exec_options){ .namespace = "default", .pod = "web", .command = COMMAND("seq", "1000000"), .input = true });
		AUTO_RELEASE(exec_event) event = { 0 };

		exec_write(exec, STR("x"));
		for (int events = 0; events < i % 5; events++)
			assert_true(await(exec, &event));
		exec_close(exec);
	}
}

static void a_status_gives_the_exit_code_or_the_reason(void **state)
{
	static const struct {
		const char *json;
		bool good;
		int code;
		const char *text;
	} rows[] = {
		{ "{\"metadata\":{},\"status\":\"Success\"}", true, 0, NULL },
		{ "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"137\"}]}}", true, 137, NULL },
		{ "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"message\":\"odd\"}", false, 0, "odd" },
		{ "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"message\":\"zero\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"0\"}]}}", false, 0, "zero" },
		{ "{\"status\":\"Failure\",\"message\":\"no\\u001b[31m way\"}", false, 0, "no way" },
		{ "{\"status\":\"Failure\"}", false, 0, "no reason" },
		{ "exit 0", false, 0, "unknown" },
		{ "[]", false, 0, "no reason" },
		{ "", false, 0, "unknown" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(error) err = { 0 };
		int code = -1;

		assert_int_equal(exec_read_status(str_of(rows[i].json), &code, &err), rows[i].good);
		if (rows[i].good)
			assert_int_equal(code, rows[i].code);
		else if (!strstr(err.message, rows[i].text))
			fail_msg("%s: %s", rows[i].json, err.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_gives_its_output_apart_and_its_exit_code),
		cmocka_unit_test(input_reaches_the_command_up_to_its_end),
		cmocka_unit_test(who_writes_much_is_told_to_wait_and_to_go_on),
		cmocka_unit_test(output_that_nobody_takes_holds_the_command_back),
		cmocka_unit_test(a_terminal_echoes_and_knows_its_size),
		cmocka_unit_test(what_keeps_a_command_from_starting_is_told),
		cmocka_unit_test(missing_rights_name_the_verb),
		cmocka_unit_test(a_read_only_client_opens_no_shell),
		cmocka_unit_test(an_old_server_is_spoken_to_in_v4),
		cmocka_unit_test(a_cut_connection_is_never_taken_for_success),
		cmocka_unit_test(attaching_shows_what_the_process_says_from_now_on),
		cmocka_unit_test(closing_early_leaves_nothing_behind),
		cmocka_unit_test(a_status_gives_the_exit_code_or_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
