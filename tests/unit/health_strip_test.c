#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/map.h"
#include "base/state_file.h"
#include "live_bed.h"

#define NOW  INT64_C(1784000100000) /* the begin of a cell */
#define CELL HEALTH_STRIP_CELL_MS

struct place {
	char folder[32], *path;
};

static int open_place(void **state)
{
	struct place *place = xcalloc(1, sizeof *place);

	strcpy(place->folder, "/tmp/health-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	place->path = xasprintf("%s/strip.txt", place->folder);
	*state = place;
	return 0;
}

static int close_place(void **state)
{
	struct place *place = *state;
	AUTO_FREE char *command = xasprintf("rm -rf %s", place->folder);

	free(place->path);
	free(place);
	return system(command);
}

/* The newest cells, without what is older and empty. */
static void check(const struct health_strip *strip, const char *title, int64_t now_ms, const char *wanted)
{
	char cells[HEALTH_STRIP_CELLS + 1];
	AUTO_FREE char *whole = xasprintf("%*s", HEALTH_STRIP_CELLS, wanted);

	health_strip_cells(strip, title, now_ms, cells);
	assert_string_equal(cells, whole);
}

static void note(struct health_strip *strip, const char *title, enum health_state state, int64_t now_ms)
{
	health_strip_note(strip, title, state, now_ms);
	health_strip_flush(strip, now_ms);
}

static char *text_of(const char *path)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	if (!file_read(path, 0, &text, &err))
		fail_msg("%s", err.message);
	return buf_give(&text);
}

static void write_text(const char *path, const char *text)
{
	AUTO_RELEASE(error) err = { 0 };

	assert_true(file_write_atomic(path, str_of(text), 0600, &err));
}

/* ---- cells ---- */

static void a_cell_shows_the_worst_state_that_was_in_it(void **state)
{
	(void)state;
	AUTO(health_strip) strip = health_strip_create(NULL);

	note(strip, "dev", HEALTH_HEALTHY, NOW);
	check(strip, "dev", NOW, "_");
	note(strip, "dev", HEALTH_DEGRADED, NOW + 60000);
	note(strip, "dev", HEALTH_HEALTHY, NOW + 61000);
	check(strip, "dev", NOW + 61000, "#");
	note(strip, "dev", HEALTH_PROGRESSING, NOW + CELL);
	check(strip, "dev", NOW + CELL, "#-");
	check(strip, "slot 1", NOW, "");
}

static void every_state_has_its_sign(void **state)
{
	static const struct {
		enum health_state state;
		const char *sign;
	} rows[] = { { HEALTH_HEALTHY, "_" },	 { HEALTH_SUSPENDED, "_" }, { HEALTH_PROGRESSING, "-" }, { HEALTH_DELETING, "-" },
		     { HEALTH_DEGRADED, "#" }, { HEALTH_MISSING, "#" },	  { HEALTH_UNKNOWN, "" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(health_strip) strip = health_strip_create(NULL);

		note(strip, "dev", rows[i].state, NOW);
		check(strip, "dev", NOW, rows[i].sign);
	}
}

static void what_was_not_looked_at_is_no_data(void **state)
{
	(void)state;
	AUTO(health_strip) strip = health_strip_create(NULL);

	note(strip, "dev", HEALTH_HEALTHY, NOW);
	note(strip, "dev", HEALTH_UNKNOWN, NOW + CELL);
	note(strip, "dev", HEALTH_HEALTHY, NOW + 4 * CELL);
	check(strip, "dev", NOW + 6 * CELL, "_   _  ");
}

static void six_hours_are_kept_and_no_more(void **state)
{
	struct place *place = *state;
	AUTO(health_strip) strip = health_strip_create(place->path);
	char all[HEALTH_STRIP_CELLS + 1] = "";

	note(strip, "dev", HEALTH_DEGRADED, NOW);
	for (int i = 1; i <= HEALTH_STRIP_CELLS; i++)
		note(strip, "dev", HEALTH_HEALTHY, NOW + i * CELL);
	memset(all, '_', HEALTH_STRIP_CELLS);
	check(strip, "dev", NOW + HEALTH_STRIP_CELLS * CELL, all);
	AUTO(health_strip) again = health_strip_create(place->path);

	note(again, "other", HEALTH_HEALTHY, NOW + HEALTH_STRIP_CELLS * CELL);
	check(again, "dev", NOW + HEALTH_STRIP_CELLS * CELL, all);
	check(again, "dev", NOW + 3 * HEALTH_STRIP_CELLS * CELL, "");
}

static void a_clock_that_is_set_back_does_not_end_the_record(void **state)
{
	struct place *place = *state;
	AUTO(health_strip) strip = health_strip_create(place->path);

	note(strip, "dev", HEALTH_HEALTHY, NOW + 1000 * CELL);
	note(strip, "dev", HEALTH_DEGRADED, NOW);
	check(strip, "dev", NOW, "#");
	AUTO(health_strip) again = health_strip_create(place->path);

	note(again, "dev", HEALTH_HEALTHY, NOW + CELL);
	check(again, "dev", NOW + CELL, "#_");
}

/* ---- the file ---- */

static void a_restart_goes_on_where_the_record_was(void **state)
{
	struct place *place = *state;
	struct health_strip *strip = health_strip_create(place->path);
	struct stat info;

	note(strip, "slot 3", HEALTH_DEGRADED, NOW);
	health_strip_note(strip, "slot 3", HEALTH_PROGRESSING, NOW + CELL);
	health_strip_destroy(strip); /* what was not written yet is written */
	strip = health_strip_create(place->path);
	note(strip, "slot 3", HEALTH_HEALTHY, NOW + 3 * CELL);
	check(strip, "slot 3", NOW + 3 * CELL, "#- _");
	assert_string_equal(health_strip_trouble(strip), "");
	health_strip_destroy(strip);
	assert_int_equal(stat(place->path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
}

static void what_was_written_survives_kill_9(void **state)
{
	struct place *place = *state;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct health_strip *strip = health_strip_create(place->path);

		for (int i = 0; i < 5; i++)
			note(strip, "dev", HEALTH_HEALTHY, NOW + i * CELL);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	AUTO(health_strip) strip = health_strip_create(place->path);

	note(strip, "dev", HEALTH_DEGRADED, NOW + 5 * CELL);
	check(strip, "dev", NOW + 5 * CELL, "_____#");
}

#define PROGRAM_TITLE "environment %d of program %d, with a name that takes some room"

static void write_as_program(const char *path, int program, int titles, int64_t now_ms)
{
	struct health_strip *strip = health_strip_create(path);

	for (int t = 0; t < titles; t++) {
		AUTO_FREE char *title = xasprintf(PROGRAM_TITLE, t, program);

		note(strip, title, HEALTH_HEALTHY, now_ms);
	}
	health_strip_destroy(strip);
}

/* Each writes lanes of its own, and all of them write the file anew now and then. */
static void many_programs_at_once_lose_nothing(void **state)
{
	enum { PROGRAMS = 6, TITLES = 60, CELLS = 12 };
	struct place *place = *state;
	pid_t pids[PROGRAMS];
	int status;

	for (int cell = 0; cell < CELLS; cell++) {
		for (int p = 0; p < PROGRAMS; p++) {
			pids[p] = fork();
			if (pids[p] == 0) {
				write_as_program(place->path, p, TITLES, NOW + cell * CELL);
				_exit(0);
			}
		}
		for (int p = 0; p < PROGRAMS; p++) {
			assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
			assert_int_equal(status, 0);
		}
	}
	AUTO(health_strip) strip = health_strip_create(place->path);

	note(strip, "dev", HEALTH_HEALTHY, NOW + (CELLS - 1) * CELL);
	assert_string_equal(health_strip_trouble(strip), "");
	for (int p = 0; p < PROGRAMS; p++)
		for (int t = 0; t < TITLES; t++) {
			AUTO_FREE char *title = xasprintf(PROGRAM_TITLE, t, p);

			check(strip, title, NOW + (CELLS - 1) * CELL, "____________");
		}
}

static void what_another_program_saw_is_seen_here_too(void **state)
{
	struct place *place = *state;
	AUTO(health_strip) one = health_strip_create(place->path);
	AUTO(health_strip) two = health_strip_create(place->path);

	note(one, "dev", HEALTH_HEALTHY, NOW);
	note(two, "dev", HEALTH_DEGRADED, NOW);
	note(one, "dev", HEALTH_HEALTHY, NOW + CELL);
	check(one, "dev", NOW + CELL, "#_");
}

static void the_file_is_bounded(void **state)
{
	struct place *place = *state;
	AUTO(health_strip) strip = health_strip_create(place->path);
	struct stat info;

	for (int cell = 0; cell < 2000; cell++) {
		for (int t = 0; t < 10; t++) {
			AUTO_FREE char *title = xasprintf("slot %d", t);

			health_strip_note(strip, title, HEALTH_PROGRESSING, NOW + cell * CELL);
			health_strip_note(strip, title, HEALTH_DEGRADED, NOW + cell * CELL);
		}
		health_strip_flush(strip, NOW + cell * CELL);
	}
	assert_int_equal(stat(place->path, &info), 0);
	assert_in_range(info.st_size, 1, 300 << 10);
	char all[HEALTH_STRIP_CELLS + 1] = "";

	memset(all, '#', HEALTH_STRIP_CELLS);
	check(strip, "slot 3", NOW + 1999 * CELL, all);
}

static void a_damaged_file_is_said_and_set_aside(void **state)
{
	static const char *const texts[] = {
		"nothing of ours\n",
		"slotdeck health strip 1\n5946667 # dev",	    /* the last line is not whole */
		"slotdeck health strip 1\n5946667 ### dev\nx # dev\n", /* no number */
		"slotdeck health strip 1\n5946667 #! dev\n",
		"slotdeck health strip 1\n5946667 # \n",
		"slotdeck health strip 2\n",
	};
	struct place *place = *state;
	AUTO_FREE char *aside = xasprintf("%s.damaged", place->path);

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO(health_strip) strip = health_strip_create(place->path);

		write_text(place->path, texts[i]);
		note(strip, "dev", HEALTH_HEALTHY, NOW);
		check(strip, "dev", NOW, "_");
		assert_non_null(strstr(health_strip_trouble(strip), "was damaged: it is kept as "));
		AUTO_FREE char *kept = text_of(aside);

		assert_string_equal(kept, texts[i]);
		AUTO(health_strip) again = health_strip_create(place->path);

		note(again, "dev", HEALTH_HEALTHY, NOW + CELL);
		check(again, "dev", NOW + CELL, "__");
		assert_string_equal(health_strip_trouble(again), "");
	}
}

static void a_file_that_cannot_be_used_is_said_and_the_strip_goes_on(void **state)
{
	struct place *place = *state;
	AUTO_FREE char *path = xasprintf("%s/none/strip.txt", place->folder);
	AUTO(health_strip) strip = health_strip_create(path);

	note(strip, "dev", HEALTH_HEALTHY, NOW);
	check(strip, "dev", NOW, "_");
	assert_non_null(strstr(health_strip_trouble(strip), "the record of health can't be kept"));
}

/* Another program may be stopped while it has the file. */
static void a_file_that_is_locked_is_not_waited_for(void **state)
{
	struct place *place = *state;
	AUTO(health_strip) strip = health_strip_create(place->path);
	int fd = open(place->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	note(strip, "dev", HEALTH_HEALTHY, NOW);
	check(strip, "dev", NOW, "_");
	AUTO_FREE char *before = text_of(place->path);

	assert_string_equal(before, "");
	close(fd);
	health_strip_flush(strip, NOW + 1000);
	AUTO_FREE char *after = text_of(place->path);

	assert_string_equal(after, "slotdeck health strip 1\n5946667 _ dev\n");
	assert_string_equal(health_strip_trouble(strip), "");
}

static void clusters_and_projects_have_files_of_their_own(void **state)
{
	struct place *place = *state;
	static const char *const words[][4] = { { "k3s", "shop", "https://a", NULL }, { "k3s", "shop", "https://b", NULL }, { "k3s/shop", "", "https://a", NULL },
						{ "k3s", "/shop", "https://a", NULL } };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(map) seen = MAP_INIT(NULL);

	setenv("XDG_STATE_HOME", place->folder, 1);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		AUTO_FREE char *path = state_path("health", words[i], &err);

		assert_non_null(path);
		assert_int_equal(strlen(path), strlen(strrchr(path, '/')) + strlen(place->folder) + strlen("/slotdeck/health"));
		assert_false(map_has(&seen, str_of(path)));
		map_set(&seen, str_of(path), NULL);
	}
}

/* ---- with the live model ---- */

static bool strip_ends_with(struct live_bed *bed, const void *wanted)
{
	char cells[HEALTH_STRIP_CELLS + 1];

	health_strip_cells(live_strip(bed->live), "team-a", live_now_ms(bed->live), cells);
	return ends_with(cells, wanted);
}

static void the_live_model_notes_what_it_can_prove(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000100000));
	AUTO_RELEASE(live_bed) bed = live_bed_create(clock);

	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	assert_true(sim_wait_idle(bed.sim, 10000));
	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	live_bed_pass(&bed, 300, NULL, NULL); /* into a cell in which nothing but good was seen */
	assert_true(live_bed_until(&bed, strip_ends_with, "_"));
	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	live_bed_expect(&bed, "team-a", HEALTH_DEGRADED, "chat: ");
	assert_true(live_bed_until(&bed, strip_ends_with, "#"));
	live_bed_faults(&bed, "[{'method':'GET','action':'hang'}]"); /* nothing can be proven any more */
	live_bed_control(&bed, "/_sim/reset-watches", NULL);
	live_bed_pass(&bed, 900, NULL, NULL);
	assert_int_equal(envs_find(live_envs(bed.live), "team-a")->shown, HEALTH_UNKNOWN);
	assert_true(strip_ends_with(&bed, "#  ") || strip_ends_with(&bed, "#   "));
}

/* A file of another cluster, last written so many days ago. */
static char *file_of_another(const struct place *place, const char *name, int days)
{
	char *path = xasprintf("%s/%s", place->folder, name);
	struct timespec times[2] = { { .tv_sec = time(NULL) - days * 24 * 3600 }, { .tv_sec = time(NULL) - days * 24 * 3600 } };

	write_text(path, "slotdeck health strip 1\n");
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	return path;
}

static void note_once(const struct place *place)
{
	AUTO(health_strip) strip = health_strip_create(place->path);

	note(strip, "dev", HEALTH_HEALTHY, NOW);
	assert_true(file_exists(place->path));
}

static void files_that_nobody_wrote_to_for_a_month_go(void **state)
{
	const struct place *place = *state;
	AUTO_FREE char *gone = file_of_another(place, "a.txt", 31), *damaged = file_of_another(place, "b.txt.damaged", 40);
	AUTO_FREE char *kept = file_of_another(place, "c.txt", 29), *strange = file_of_another(place, "notes", 90), *open = file_of_another(place, "d.txt", 31);
	AUTO_RELEASE(state_file) file = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	assert_true(state_file_open(open, 0, &file, &err));
	note_once(place);
	assert_false(file_exists(gone) || file_exists(damaged));
	assert_true(file_exists(kept) && file_exists(strange) && file_exists(open));
}

static void no_more_than_two_hundred_files_are_kept(void **state)
{
	const struct place *place = *state;
	AUTO_FREE char *oldest = file_of_another(place, "oldest.txt", 9), *newest = NULL;

	for (int i = 0; i < 199; i++) {
		AUTO_FREE char *name = xasprintf("%d.txt", i);

		free(newest);
		newest = file_of_another(place, name, 8 - i / 25);
	}
	note_once(place);
	assert_true(file_exists(newest));
	assert_false(file_exists(oldest));
}

int main(void)
{
#define in_place(test) cmocka_unit_test_setup_teardown(test, open_place, close_place)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cell_shows_the_worst_state_that_was_in_it),
		cmocka_unit_test(every_state_has_its_sign),
		cmocka_unit_test(what_was_not_looked_at_is_no_data),
		in_place(six_hours_are_kept_and_no_more),
		in_place(a_clock_that_is_set_back_does_not_end_the_record),
		in_place(a_restart_goes_on_where_the_record_was),
		in_place(what_was_written_survives_kill_9),
		in_place(many_programs_at_once_lose_nothing),
		in_place(what_another_program_saw_is_seen_here_too),
		in_place(the_file_is_bounded),
		in_place(a_damaged_file_is_said_and_set_aside),
		in_place(a_file_that_cannot_be_used_is_said_and_the_strip_goes_on),
		in_place(a_file_that_is_locked_is_not_waited_for),
		in_place(clusters_and_projects_have_files_of_their_own),
		in_place(files_that_nobody_wrote_to_for_a_month_go),
		in_place(no_more_than_two_hundred_files_are_kept),
		cmocka_unit_test(the_live_model_notes_what_it_can_prove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
