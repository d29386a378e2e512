#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job/history.h"
#include "state_place.h"

static void write_record(const char *id, const char *state)
{
	char *request = xstrdup("PATCH /apis/apps/v1/namespaces/shop/deployments/web");
	AUTO_RELEASE(error) err = { 0 };
	struct history_record record = { .id = (char *)id, .time_ms = 1000, .cluster = (char *)"k3s", .action = (char *)"restart",
					 .object = (char *)"Deployment web", .namespace = (char *)"shop", .command = (char *)"kubectl rollout restart",
					 .state = (char *)state, .message = (char *)"", .evidence = (char *)"", .requests = &request, .nrequests = 1 };

	if (!history_write(&record, &err))
		fail_msg("%s", err.message);
	free(request);
}

static void refresh(struct history *history, size_t len)
{
	AUTO_RELEASE(error) err = { 0 };

	if (!history_refresh(200, history, &err))
		fail_msg("%s", err.message);
	assert_int_equal(history->len, len);
}

static void both_lines_of_a_change_are_one_record(void **state)
{
	(void)state;
	AUTO_RELEASE(history) history = { 0 };

	write_record("1", "begun");
	write_record("2", "begun");
	write_record("1", "done");
	refresh(&history, 2);
	assert_string_equal(history.items[0].id, "1");
	assert_string_equal(history.items[0].state, "done");
	assert_string_equal(history.items[1].state, "begun");
}

static void the_file_is_read_again_only_when_it_has_changed(void **state)
{
	(void)state;
	AUTO_RELEASE(history) history = { 0 };

	refresh(&history, 0);
	write_record("1", "begun");
	refresh(&history, 1);
	const struct history_record *before = history.items;

	refresh(&history, 1);
	assert_ptr_equal(history.items, before);
	write_record("2", "begun");
	refresh(&history, 2);
	assert_string_equal(history.items[0].id, "2");
}

static void what_was_begun_survives_kill_9(void **state)
{
	(void)state;
	AUTO_RELEASE(history) history = { 0 };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		for (int i = 0; i < 30; i++) {
			AUTO_FREE char *id = xasprintf("%d", i);

			write_record(id, "begun");
		}
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	refresh(&history, 30);
}

int main(void)
{
#define in_place(test) cmocka_unit_test_setup_teardown(test, state_place_open, state_place_close)
	const struct CMUnitTest tests[] = {
		in_place(both_lines_of_a_change_are_one_record),
		in_place(the_file_is_read_again_only_when_it_has_changed),
		in_place(what_was_begun_survives_kill_9),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
