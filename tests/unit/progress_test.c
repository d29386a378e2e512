#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/state_file.h"
#include "job/progress.h"
#include "state_place.h"

#define NOW 1000000

static const char *const kind[] = { "shop", "dev", "apply-wait", NULL };

static void tell(struct progress *p, enum job_event_kind what, const char *step, int64_t at_ms)
{
	progress_event(p, &(struct job_event){ .kind = what, .step = step }, NOW + at_ms);
}

static void finish(struct progress *p, int exit_code, int64_t at_ms)
{
	progress_event(p, &(struct job_event){ .kind = JOB_FINISHED, .exit_code = exit_code }, NOW + at_ms);
}

/* Two steps, the first of a second. */
static void run(const char *const *words, int64_t took_ms, int exit_code)
{
	AUTO_RELEASE(progress) p = { 0 };

	progress_begin(&p, words, NOW);
	tell(&p, JOB_STEP_STARTED, "layer 1", 0);
	tell(&p, JOB_STEP_FINISHED, "layer 1", 1000);
	tell(&p, JOB_STEP_STARTED, "wait", 1000);
	finish(&p, exit_code, took_ms);
}

static void check_line(const struct progress *p, int64_t at_ms, const char *wanted)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct progress_view view;

	progress_look(p, NOW + at_ms, &view);
	progress_add_time(&text, view.passed_ms);
	progress_add_estimate(&text, &view);
	assert_string_equal(buf_cstr(&text), wanted);
}

static void without_earlier_runs_only_the_time_is_told(void **state)
{
	(void)state;
	AUTO_RELEASE(progress) p = { 0 };

	progress_begin(&p, kind, NOW);
	tell(&p, JOB_STEP_STARTED, "wait", 0);
	check_line(&p, 41000, "0:41");
	check_line(&p, 3723000, "1:02:03");
}

static void the_median_of_earlier_runs_makes_the_estimate(void **state)
{
	(void)state;
	AUTO_RELEASE(progress) p = { 0 };

	for (int i = 0; i < 7; i++)
		run(kind, 70000 + i * 7000, EXIT_DONE);
	progress_begin(&p, kind, NOW);
	tell(&p, JOB_STEP_STARTED, "layer 1", 0);
	check_line(&p, 0, "0:00, eta 1:31 (median 1:31 of 7)");
	check_line(&p, 41000, "0:41, eta 0:50 (median 1:31 of 7)");
}

static void only_runs_that_ended_well_are_learned_from(void **state)
{
	static const char *const other[] = { "shop", "ai-staging", "apply-wait", NULL };
	(void)state;
	AUTO_RELEASE(progress) p = { 0 };

	run(kind, 30000, EXIT_DONE);
	run(kind, 900000, EXIT_DEADLINE);
	run(kind, 500, EXIT_DEGRADED);
	run(other, 60000, EXIT_DONE);
	progress_begin(&p, kind, NOW);
	tell(&p, JOB_STEP_STARTED, "layer 1", 0);
	check_line(&p, 0, "0:00, eta 0:30 (median 0:30 of 1)");
}

static void a_slow_step_moves_the_end_and_says_so(void **state)
{
	(void)state;
	AUTO_RELEASE(progress) p = { 0 };

	for (int i = 0; i < 5; i++)
		run(kind, 61000, EXIT_DONE);
	progress_begin(&p, kind, NOW);
	tell(&p, JOB_STEP_STARTED, "layer 1", 0);
	check_line(&p, 6000, "0:06, eta 0:55 (median 1:01 of 5)");
	tell(&p, JOB_STEP_STARTED, "wait", 9000); /* eight seconds later than ever: without a word */
	check_line(&p, 9000, "0:09, eta 1:00 (median 1:01 of 5)");
	tell(&p, JOB_STEP_STARTED, "wait", 31000);
	check_line(&p, 31000, "0:31, eta 1:00, 0:30 later than told (median 1:01 of 5)");
}

static void over_the_usual_time_there_is_no_estimate_but_a_word(void **state)
{
	(void)state;
	AUTO_RELEASE(progress) p = { 0 };

	for (int i = 0; i < 10; i++)
		run(kind, 60000 + i * 2000, EXIT_DONE);
	progress_begin(&p, kind, NOW);
	tell(&p, JOB_STEP_STARTED, "wait", 0);
	check_line(&p, 70000, "1:10, longer than usual by 0:02 (median 1:09 of 10)");
	check_line(&p, 76000, "1:16, longer than usual by 0:08 (median 1:09 of 10)");
	check_line(&p, 77000, "1:17, late: 9 of 10 took at most 1:16 (median 1:09 of 10)");
}

/* ---- the rule of the countdown ---- */

/* Any run against any past: an estimate that stands still or grows for more than ten seconds is marked. */
static void no_estimate_counts_up_for_long_unmarked(void **state)
{
	(void)state;
	uint64_t x = 88172645463325252u;

	for (int i = 0; i < 20; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		run(kind, 20000 + (int64_t)(x % 100000), EXIT_DONE);
	}
	for (int round = 0; round < 50; round++) {
		AUTO_RELEASE(progress) p = { 0 };
		int64_t lowest_ms = INT64_MAX, lowest_at_ms = 0;

		progress_begin(&p, kind, NOW);
		tell(&p, JOB_STEP_STARTED, "layer 1", 0);
		for (int64_t at_ms = 0; at_ms < 200000; at_ms += 500) {
			struct progress_view view;

			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			if (x % 40 == 0)
				tell(&p, x % 80 ? JOB_PROGRESS : JOB_STEP_STARTED, x % 160 ? "wait" : "layer 1", at_ms);
			progress_look(&p, NOW + at_ms, &view);
			if (view.left_ms < 0 || view.moved_ms || view.left_ms < lowest_ms) {
				lowest_ms = view.left_ms < 0 || view.moved_ms ? INT64_MAX : view.left_ms;
				lowest_at_ms = at_ms;
			}
			assert_in_range(at_ms - lowest_at_ms, 0, 10000);
		}
	}
}

/* ---- recorded runs ---- */

#define RECORDED "tests/unit/data/apply-runs.txt"

struct recorded {
	char **lines;
	size_t len, cap;
};

static void read_recorded(struct recorded *ret)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	struct str rest, line;

	if (!file_read(RECORDED, 0, &text, &err))
		fail_msg("%s", err.message);
	rest = buf_str(&text);
	for (str_cut(&rest, '\n', &line); str_cut(&rest, '\n', &line);)
		LIST_PUSH(ret->lines, ret->len, ret->cap) = str_dup(line);
}

/* All but one are the past. */
static void write_past(const struct recorded *all, size_t but, const char *path)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	buf_adds(&text, "slotdeck runs 1\n");
	for (size_t i = 0; i < all->len; i++)
		if (i != but)
			buf_addf(&text, "%s\n", all->lines[i]);
	assert_true(file_write_atomic(path, buf_str(&text), 0600, &err));
}

static int compare_percent(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* How wrong the estimate is, in percent of what is left, when half of the run is over. */
static int error_at_half_time(const struct progress_run *recorded)
{
	AUTO_RELEASE(progress) p = { 0 };
	struct progress_view view;
	int64_t half_ms = recorded->took_ms / 2;

	progress_begin(&p, kind, NOW);
	for (size_t i = 0; i < recorded->nsteps; i++) {
		if (recorded->steps[i].begin_ms <= half_ms)
			tell(&p, JOB_STEP_STARTED, recorded->steps[i].name, recorded->steps[i].begin_ms);
		if (recorded->steps[i].end_ms <= half_ms)
			tell(&p, JOB_STEP_FINISHED, recorded->steps[i].name, recorded->steps[i].end_ms);
	}
	progress_look(&p, NOW + half_ms, &view);
	return (int)(llabs((view.left_ms < 0 ? 0 : view.left_ms) - half_ms) * 100 / half_ms);
}

static void at_half_time_the_estimate_is_less_than_a_quarter_wrong(void **state)
{
	(void)state;
	struct recorded all = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *path = state_path("runs", kind, &err);
	int errors[32];

	read_recorded(&all);
	assert_int_equal(all.len, 20);
	for (size_t i = 0; i < all.len; i++) {
		AUTO_RELEASE(progress) whole = { 0 };

		write_past(&all, all.len, path);
		progress_begin(&whole, kind, NOW);
		assert_int_equal(whole.nruns, all.len);
		write_past(&all, i, path);
		errors[i] = error_at_half_time(&whole.runs[i]);
	}
	qsort(errors, all.len, sizeof *errors, compare_percent);
	print_message("error of the estimate at half time: median %d %%, worst %d %%\n", errors[all.len / 2], errors[all.len - 1]);
	assert_in_range(errors[all.len / 2], 0, 24);
	for (size_t i = 0; i < all.len; i++)
		free(all.lines[i]);
	free(all.lines);
}

/* ---- the file ---- */

static void the_newest_runs_are_kept_in_a_bounded_file(void **state)
{
	(void)state;
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *path = state_path("runs", kind, &err);
	AUTO_RELEASE(progress) p = { 0 };
	struct stat info;

	for (int i = 0; i < 3000; i++)
		run(kind, 2000 + i, EXIT_DONE);
	assert_int_equal(stat(path, &info), 0);
	assert_in_range(info.st_size, 1, 70 << 10);
	progress_begin(&p, kind, NOW);
	assert_int_equal(p.nruns, PROGRESS_RUNS);
	assert_int_equal(p.runs[PROGRESS_RUNS - 1].took_ms, 2000 + 2999);
}

static void programs_that_end_at_once_lose_no_run(void **state)
{
	enum { PROGRAMS = 8, RUNS = 5 };
	(void)state;
	AUTO_RELEASE(progress) p = { 0 };
	pid_t pids[PROGRAMS];
	int status;

	for (int i = 0; i < PROGRAMS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			for (int k = 0; k < RUNS; k++)
				run(kind, 5000, EXIT_DONE);
			_exit(0);
		}
	}
	for (int i = 0; i < PROGRAMS; i++)
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
	progress_begin(&p, kind, NOW);
	assert_int_equal(p.nruns, PROGRAMS * RUNS);
	assert_null(p.trouble);
}

static void a_damaged_file_is_said_and_learned_anew(void **state)
{
	static const char *const texts[] = { "x\n", "slotdeck runs 1\n90", "slotdeck runs 1\nlong\n", "slotdeck runs 1\n90\twait\t5\n",
					     "slotdeck runs 1\n90\twait\t80\t20\n", "slotdeck runs 1\n90\twait\t80\t200\n" };
	(void)state;
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *path = state_path("runs", kind, &err);

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_RELEASE(progress) p = { 0 };

		assert_true(file_write_atomic(path, str_of(texts[i]), 0600, &err));
		progress_begin(&p, kind, NOW);
		assert_int_equal(p.nruns, 0);
		assert_non_null(strstr(p.trouble, "was damaged: it is kept as "));
		run(kind, 5000, EXIT_DONE);
		progress_begin(&p, kind, NOW);
		assert_int_equal(p.nruns, 1);
		assert_null(p.trouble);
	}
}

static void without_a_place_to_keep_them_nothing_is_learned(void **state)
{
	(void)state;
	AUTO_RELEASE(progress) p = { 0 };
	AUTO_FREE char *home = xstrdup(getenv("HOME") ? getenv("HOME") : "");

	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	progress_begin(&p, kind, NOW);
	tell(&p, JOB_STEP_STARTED, "wait", 0);
	check_line(&p, 5000, "0:05");
	finish(&p, EXIT_DONE, 6000);
	assert_null(p.trouble);
	setenv("HOME", home, 1);
}

int main(void)
{
#define in_place(test) cmocka_unit_test_setup_teardown(test, state_place_open, state_place_close)
	const struct CMUnitTest tests[] = {
		in_place(without_earlier_runs_only_the_time_is_told),
		in_place(the_median_of_earlier_runs_makes_the_estimate),
		in_place(only_runs_that_ended_well_are_learned_from),
		in_place(a_slow_step_moves_the_end_and_says_so),
		in_place(over_the_usual_time_there_is_no_estimate_but_a_word),
		in_place(no_estimate_counts_up_for_long_unmarked),
		in_place(at_half_time_the_estimate_is_less_than_a_quarter_wrong),
		in_place(the_newest_runs_are_kept_in_a_bounded_file),
		in_place(programs_that_end_at_once_lose_no_run),
		in_place(a_damaged_file_is_said_and_learned_anew),
		in_place(without_a_place_to_keep_them_nothing_is_learned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
