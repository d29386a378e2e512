/*
 * The real program on a pty while its server misbehaves, in real time: keys are answered as if nothing were, old data says so,
 * what would change something waits, and the server's return is seen within seconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "pty_program.h"
#include "sim/sim.h"

#define KEYS 100
#define FRAME_MS 16
#define FIRST_ROW 4 /* of the list, on the screen */

struct outage {
	struct sim *sim;
	struct pty pty;
	char kubeconfig[64];
};

static void outage_begin(struct outage *o)
{
	AUTO_RELEASE(error) err = { 0 };
	int fd;

	*o = (struct outage){ .kubeconfig = "/tmp/slotdeck-outage-XXXXXX" };
	fd = mkstemp(o->kubeconfig);
	assert_true(fd >= 0);
	close(fd);
	o->sim = sim_start(&(struct sim_options){ .scenario = "demo", .kubeconfig = o->kubeconfig }, &err);
	if (!o->sim)
		fail_msg("%s", err.message);
	const char *const argv[] = { NULL, "--kubeconfig", o->kubeconfig, NULL };

	pty_start(&o->pty, &(struct pty_options){ .cols = 120, .rows = 40, .argv = argv });
	pty_wait_for(&o->pty, "slot 2");
	pty_wait_for(&o->pty, "live");
}

static void outage_end(struct outage *o)
{
	pty_type(&o->pty, "Q");
	assert_int_equal(pty_finish(&o->pty), 0);
	pty_release(&o->pty);
	sim_stop(o->sim);
	unlink(o->kubeconfig);
}

static void set_faults(struct outage *o, const char *rules)
{
	AUTO_FREE char *json = xstrdup(rules);
	AUTO_RELEASE(error) err = { 0 };

	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	if (!sim_set_faults(o->sim, json, &err))
		fail_msg("%s", err.message);
}

/* The row with the cursor. */
static ptrdiff_t cursor_row(const struct pty *pty)
{
	AUTO_FREE char *screen = pty_screen(pty);
	const char *mark = *screen == '>' ? screen : strstr(screen, "\n>");
	ptrdiff_t row = 0;

	for (const char *p = screen; mark && p < mark; p++)
		row += *p == '\n';
	return mark ? row : -1;
}

static int by_value(const void *a, const void *b)
{
	return (int)(*(const int64_t *)a - *(const int64_t *)b);
}

/* From the key to the moved cursor, sorted. */
static void measure(struct outage *o, int64_t ret_us[KEYS])
{
	for (size_t i = 0; i < KEYS; i++) {
		ptrdiff_t before = cursor_row(&o->pty);
		int64_t began = clock_now_us(NULL);

		pty_type(&o->pty, before > FIRST_ROW ? "k" : "j");
		for (ptrdiff_t row = before; row == before || row < 0; row = cursor_row(&o->pty)) { /* < 0: half a frame has come */
			pty_pump(&o->pty);
			if (clock_now_us(NULL) - began > 5000000) {
				AUTO_FREE char *screen = pty_screen(&o->pty);

				fail_msg("key %zu is not answered:\n%s", i, screen);
			}
		}
		ret_us[i] = clock_now_us(NULL) - began;
	}
	qsort(ret_us, KEYS, sizeof *ret_us, by_value);
}

static void keys_are_answered_during_any_fault(void **state)
{
	static const struct {
		const char *name, *faults;
		bool freeze;
	} rows[] = {
		{ "a black hole", "[{'path':'.','action':'hang'}]", true },
		{ "5 s for each answer", "[{'path':'.','action':'delay','ms':5000}]", false },
		{ "a list of 100 MB", "[{'path':'/pods.*limit=','action':'flood','bytes':100000000}]", false },
		{ "lists that drip", "[{'path':'limit=','action':'drip','bytes':1,'ms':50}]", false },
	};
	int64_t usual[KEYS], now[KEYS];
	struct outage o;

	(void)state;
	outage_begin(&o);
	measure(&o, usual);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t limit = 2 * usual[KEYS * 99 / 100] + FRAME_MS * 1000; /* the machine may have other things to do */
		AUTO_RELEASE(error) err = { 0 };

		set_faults(&o, rows[i].faults);
		if (rows[i].freeze)
			assert_true(sim_freeze(o.sim, ".", true, &err));
		sim_forget_history(o.sim); /* lists again */
		measure(&o, now);
		print_message("%s: p50 %d us, p99 %d us (usually %d, %d)\n", rows[i].name, (int)now[KEYS / 2], (int)now[KEYS * 99 / 100],
			      (int)usual[KEYS / 2], (int)usual[KEYS * 99 / 100]);
		assert_in_range(now[KEYS / 2], 0, FRAME_MS * 1000 + usual[KEYS / 2]);
		assert_in_range(now[KEYS * 99 / 100], 0, limit);
		sim_thaw(o.sim);
	}
	set_faults(&o, "[]");
	outage_end(&o);
}

static void every_screen_opens(struct outage *o)
{
	static const struct {
		const char *key, *shows;
	} screens[] = { { "2", "slots used" },  { "3", "workloads ready" }, { "4", "AGENT POD" },
			{ "5", "A on an env" }, { "6", "ISSUE" },		  { "1", "environments," } };

	for (size_t i = 0; i < ARRAY_LEN(screens); i++) {
		int64_t began = clock_now_ms(NULL);

		pty_type(&o->pty, screens[i].key);
		pty_wait_for(&o->pty, screens[i].shows);
		assert_in_range(clock_now_ms(NULL) - began, 0, 3000); /* 100 ms, and the rest for a busy machine */
	}
}

static void old_data_says_so_and_the_return_of_the_server_is_seen_within_5_s(void **state)
{
	struct outage o;
	AUTO_RELEASE(error) err = { 0 };
	int64_t began;

	(void)state;
	outage_begin(&o);
	set_faults(&o, "[{'path':'.','action':'hang'}]");
	assert_true(sim_freeze(o.sim, ".", true, &err));
	began = clock_now_ms(NULL);
	while (clock_now_ms(NULL) - began < 20000)
		every_screen_opens(&o);
	pty_wait_for(&o.pty, "stale"); /* 30 s after the last proof, another 15 s at most */
	assert_in_range(clock_now_ms(NULL) - began, 15000, 47000);
	every_screen_opens(&o);
	pty_type(&o.pty, "A");
	pty_wait_for(&o.pty, "may be old");
	set_faults(&o, "[]");
	sim_thaw(o.sim);
	began = clock_now_ms(NULL);
	for (bool live = false; !live;) {
		AUTO_FREE char *screen = pty_screen(&o.pty);

		live = !strstr(screen, "stale");
		pty_pump(&o.pty);
		assert_true(clock_now_ms(NULL) - began < 10000); /* 5 s, and as much for a busy machine; tests/unit/freshness_test.c is exact */
	}
	outage_end(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_answered_during_any_fault),
		cmocka_unit_test(old_data_says_so_and_the_return_of_the_server_is_seen_within_5_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
