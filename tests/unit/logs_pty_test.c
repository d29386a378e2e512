/* Whole sessions on the log screen, typed key by key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "pty_program.h"

static void open_logs(struct pty *pty, int cols, int rows)
{
	static const char *const argv[] = { NULL, "--demo", NULL };

	pty_start(pty, &(struct pty_options){ .cols = cols, .rows = rows, .argv = argv });
	pty_wait_for(pty, "✗ slot 2");
	pty_type(pty, "g"); /* the cursor stays on its row when worse ones come */
	pty_wait_for(pty, cols < 60 ? "✗ slot 2" : ">✗ slot 2");
	pty_type(pty, "l");
	pty_wait_for(pty, cols < 60 ? " = " : "received");
}

static void finish(struct pty *pty)
{
	pty_type(pty, "Q");
	assert_int_equal(pty_finish(pty), 0);
	assert_true(pty_modes_are_restored(pty));
	pty_check_repertoire(pty);
	pty_release(pty);
}

static void logs_of_an_environment_are_followed_searched_and_filtered(void **state)
{
	(void)state;
	struct pty p;

	open_logs(&p, 160, 40); /* wide enough for all that stands below */
	pty_wait_for(&p, "logs of slot 2");
	pty_wait_for(&p, "postgres-0");
	pty_wait_for(&p, "follow on");
	pty_type(&p, "/LOG:\r");
	pty_wait_for(&p, "search LOG:");
	pty_wait_for(&p, "follow off");
	pty_type(&p, "&checkpoint (starting|complete)\r");
	pty_wait_for(&p, "filter checkpoint (starting|complete)");
	pty_type(&p, "i");
	pty_wait_for(&p, "filter not checkpoint");
	pty_type(&p, "i");
	pty_wait_for(&p, "context of checkpoint");
	pty_type(&p, "\033");
	pty_wait_for(&p, "filter none");
	pty_type(&p, "t");
	pty_wait_for(&p, "time full");
	pty_type(&p, "W");
	pty_wait_for(&p, "wrap on");
	pty_type(&p, "F");
	pty_wait_for(&p, "JSON folded");
	pty_type(&p, "f");
	pty_wait_for(&p, "follow on");
	pty_type(&p, ">");
	pty_wait_for(&p, "since 1h");
	pty_type(&p, "<<<<<");
	pty_wait_for(&p, "last 200");
	pty_type(&p, "<");
	pty_wait_for(&p, "these are the fewest lines");
	pty_type(&p, "p");
	pty_wait_for(&p, "previous on");
	pty_type(&p, "&(\r");
	pty_wait_for(&p, ") is missing");
	pty_type(&p, "q");
	pty_wait_for(&p, "[1 Envs]");
	finish(&p);
}

static void what_is_shown_is_saved_into_the_present_folder(void **state)
{
	(void)state;
	char folder[] = "/tmp/slotdeck-logs-XXXXXX", before[4096];
	struct stat status;
	unsigned files = 0;
	struct pty p;

	assert_non_null(mkdtemp(folder));
	assert_non_null(getcwd(before, sizeof before));
	assert_int_equal(chdir(folder), 0);
	open_logs(&p, 100, 30);
	pty_wait_for(&p, "web-");
	pty_type(&p, "s");
	pty_wait_for(&p, " lines in slotdeck-logs-slot-2");
	finish(&p);
	DIR *dir = opendir(".");

	for (struct dirent *entry; (entry = readdir(dir));)
		if (starts_with(entry->d_name, "slotdeck-logs-slot-2-")) {
			AUTO_RELEASE(buf) text = BUF_INIT(0);
			AUTO_RELEASE(error) err = { 0 };

			assert_int_equal(stat(entry->d_name, &status), 0);
			assert_int_equal(status.st_mode & 0777, 0600);
			assert_true(file_read(entry->d_name, 0, &text, &err));
			assert_true(str_find(buf_str(&text), STR(" web-")) > 0);
			assert_int_equal(unlink(entry->d_name), 0);
			files++;
		}
	closedir(dir);
	assert_int_equal(files, 1);
	assert_int_equal(chdir(before), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void logs_fit_every_size(void **state)
{
	(void)state;
	static const int sizes[][2] = { { 40, 10 }, { 80, 24 }, { 200, 60 } };

	for (size_t i = 0; i < 3; i++) {
		struct pty p;

		open_logs(&p, sizes[i][0], sizes[i][1]);
		pty_resize(&p, sizes[(i + 1) % 3][0], sizes[(i + 1) % 3][1]);
		pty_wait_for(&p, "logs of ");
		pty_type(&p, "gG\033[A\033[A\033[5~f");
		pty_wait_for(&p, "logs of ");
		finish(&p);
	}
}

static void logs_of_one_workload_come_from_its_screen(void **state)
{
	(void)state;
	static const char *const argv[] = { NULL, "--demo", "--open", "deployments/web", "-n", "shop-dev", NULL };
	struct pty p;

	pty_start(&p, &(struct pty_options){ .cols = 120, .rows = 40, .argv = argv });
	pty_wait_for(&p, "Deployment web");
	pty_type(&p, "l");
	pty_wait_for(&p, "logs of Deployment web");
	pty_wait_for(&p, "received");
	pty_type(&p, "\033");
	pty_wait_for(&p, "Deployment web");
	finish(&p);
}

static void levels_and_containers_are_chosen_by_a_key(void **state)
{
	(void)state;
	static const char *const argv[] = { NULL, "--demo", "--screen", "logs", "--open", "deployments/worker", "-n", "shop-dev", NULL };
	struct pty p;

	pty_start(&p, &(struct pty_options){ .cols = 120, .rows = 40, .argv = argv });
	pty_wait_for(&p, "logs of Deployment worker");
	pty_wait_for(&p, " D time=");
	pty_type(&p, "v");
	pty_wait_for(&p, "level info and above");
	pty_wait_gone(&p, " D time=");
	pty_type(&p, "v");
	pty_wait_for(&p, "level warn and above");
	pty_type(&p, "v");
	pty_wait_for(&p, "level error");
	pty_type(&p, "v");
	pty_wait_for(&p, "level all");
	pty_type(&p, "\r");
	pty_wait_for(&p, "show the lines of");
	pty_type(&p, "\033[B\r");
	pty_wait_for(&p, ", only ");
	finish(&p);
}

static void the_agent_of_a_slot_has_a_log_of_its_own(void **state)
{
	(void)state;
	static const char *const argv[] = { NULL, "--demo", NULL };
	struct pty p;

	pty_start(&p, &(struct pty_options){ .cols = 120, .rows = 40, .argv = argv });
	pty_wait_for(&p, "✗ slot 2");
	pty_type(&p, "g");
	pty_wait_for(&p, ">✗ slot 2");
	pty_type(&p, "L");
	pty_wait_for(&p, "logs of Pod codex");
	pty_wait_for(&p, "received");
	finish(&p);
}

/* What `slotdeck --demo ARGS` prints; its exit status. */
static int printed(const char *args, struct buf *out)
{
	AUTO_FREE char *command = xasprintf("%s --demo %s 2>&1", getenv("SLOTDECK_BIN"), args);
	FILE *pipe = popen(command, "r");
	char piece[4096];
	int status;

	assert_non_null(pipe);
	for (size_t n; (n = fread(piece, 1, sizeof piece, pipe)) > 0;)
		buf_add(out, piece, n);
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void logs_are_printed_for_scripts(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) text = BUF_INIT(0), svg = BUF_INIT(0), wrong = BUF_INIT(0);

	assert_int_equal(printed("--screen logs --open deployments/worker -n shop-dev --dump text --size 160x30", &text), 0);
	assert_non_null(strstr(buf_cstr(&text), "logs of Deployment worker"));
	assert_non_null(strstr(buf_cstr(&text), "level=info msg="));
	assert_null(strstr(buf_cstr(&text), "received 0"));
	assert_int_equal(printed("--screen logs --env dev --dump svg", &svg), 0);
	assert_non_null(strstr(buf_cstr(&svg), "<svg"));
	assert_non_null(strstr(buf_cstr(&svg), "logs of dev"));
	assert_int_equal(printed("--screen logs --dump text", &wrong), 2);
	assert_non_null(strstr(buf_cstr(&wrong), "--open KIND/NAME"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_of_an_environment_are_followed_searched_and_filtered),
		cmocka_unit_test(what_is_shown_is_saved_into_the_present_folder),
		cmocka_unit_test(logs_fit_every_size),
		cmocka_unit_test(logs_of_one_workload_come_from_its_screen),
		cmocka_unit_test(levels_and_containers_are_chosen_by_a_key),
		cmocka_unit_test(the_agent_of_a_slot_has_a_log_of_its_own),
		cmocka_unit_test(logs_are_printed_for_scripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
