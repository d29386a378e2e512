#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "ui/log_pane.h"

#define START_NS (INT64_C(1767225600) * 1000000000) /* 2026-01-01 */

/* A pane with lines of two pods. */
struct bed {
	struct log_store *store;
	struct logs_source sources[2];
	struct log_scene scene;
	struct log_pane pane;
	struct log_level_state levels[2];
	uint64_t n;
};

static struct bed bed_create(void)
{
	struct bed bed = { .store = log_store_create(1 << 20),
			   .sources = { { .short_name = "x2k", .state = LOG_FOLLOW_LIVE, .why = "" }, { .short_name = "gw-p9q", .state = LOG_FOLLOW_LIVE, .why = "" } } };

	log_pane_init(&bed.pane);
	bed.scene = (struct log_scene){ .store = bed.store, .nsources = 2, .range = { .since_s = 900 }, .title = "Deployment users" };
	return bed;
}

static void bed_release(struct bed *bed)
{
	log_pane_release(&bed->pane);
	log_store_destroy(bed->store);
}
DEFINE_AUTO_RELEASE(bed);

static void add(struct bed *bed, uint16_t source, enum log_line_kind kind, struct str text)
{
	struct log_block *block = log_block_create(LOG_BLOCK_BYTES);
	enum log_level level = kind == LOG_LINE ? log_level_next(&bed->levels[source], text) : LOG_LEVEL_NONE;

	assert_true(log_block_add(block, &(struct log_line){ .text = text, .time_ns = START_NS + (int64_t)bed->n++ * 1500000000 + 7000000, .source = source,
							     .kind = (uint8_t)kind, .level = (uint8_t)level }));
	assert_true(log_store_add(bed->store, log_block_trim(block), LOG_SERIAL_NONE));
}

static void add_numbered(struct bed *bed, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		AUTO_FREE char *text = xasprintf("line %" PRIu64, bed->n + 1);

		add(bed, (uint16_t)(i % 2), LOG_LINE, str_of(text));
	}
}

static void settle(struct bed *bed, int rows, int cols)
{
	bed->scene.sources = bed->sources;
	log_pane_settle(&bed->pane, &bed->scene, rows, cols);
}

/* The screen as text, drawn into rows 2 to before the last. */
static struct canvas *drawn(struct bed *bed, int cols, int rows)
{
	struct canvas *canvas = canvas_create(cols, rows, false);

	settle(bed, rows - 3, cols);
	log_pane_draw(&bed->pane, &bed->scene, canvas, 2, rows - 3);
	return canvas;
}

static void assert_shows(struct bed *bed, const char *wanted, bool shown)
{
	AUTO(canvas) canvas = drawn(bed, 80, 24);
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	canvas_dump_text(canvas, &text);
	if ((strstr(buf_cstr(&text), wanted) != NULL) != shown)
		fail_msg("\"%s\" is%s on the screen:\n%s", wanted, shown ? " not" : "", buf_cstr(&text));
}

static void work(struct bed *bed)
{
	log_store_set_filter(bed->store, log_pane_filter(&bed->pane), &bed->pane);
	while (log_store_work(bed->store, INT64_MAX))
		;
	bed->scene.sources = bed->sources;
	while (log_pane_work(&bed->pane, &bed->scene, INT64_MAX))
		;
}

static void screens_of_logs_are_as_recorded(void **state)
{
	(void)state;
	static const int sizes[][2] = { { 40, 10 }, { 80, 24 }, { 120, 40 }, { 200, 60 } };
	AUTO_RELEASE(bed) bed = bed_create();

	add_numbered(&bed, 40);
	add(&bed, 0, LOG_LINE, STR("users starting, version 0.1.1"));
	add(&bed, 0, LOG_LINE, STR("\033[31mfatal:\033[0m env DB_DSN is not set"));
	add(&bed, 0, LOG_CUT, STR("container users exited, code 1, restart 6"));
	add(&bed, 1, LOG_LINE, STR("{\"level\":\"warn\",\"ts\":1,\"msg\":\"users: refused\",\"addr\":\"10.43.9.2:8080\",\"after ms\":30,\"who\":\"a b\"}"));
	add(&bed, 1, LOG_GAP, STR("container gw: lines between 00:01:00 and 00:01:05 may be missing, the node no longer has them"));
	add(&bed, 1, LOG_LINE, STR("a long line that goes on and on: one two three four five six seven eight nine ten eleven twelve thirteen fourteen"));
	bed.sources[0].state = LOG_FOLLOW_WAITING;
	bed.sources[0].why = "users exited, code 1";
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO(canvas) canvas = drawn(&bed, sizes[i][0], sizes[i][1]);

		check_screen(canvas, "logs");
	}
	bed.pane.wrap = bed.pane.fold_json = true;
	bed.pane.times = LOG_TIMES_FULL;
	log_pane_set_filter(&bed.pane, "on|users|line 3");
	log_pane_set_search(&bed.pane, &bed.scene, "users");
	work(&bed);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO(canvas) canvas = drawn(&bed, sizes[i][0], sizes[i][1]);

		check_screen(canvas, "logs-filtered");
	}
}

static void check_counts(struct bed *bed, uint64_t received, uint64_t shown, uint64_t filtered)
{
	struct log_counts counts = log_store_counts(bed->store);

	assert_int_equal(counts.received, received);
	assert_int_equal(log_counts_shown(&counts), shown);
	assert_int_equal(counts.filtered, filtered);
	assert_int_equal(counts.dropped + counts.unseen, 0);
}

static void one_key_goes_round_the_levels_and_the_counters_stay_exact(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	add(&bed, 0, LOG_LINE, STR("DEBUG of a kind"));
	add(&bed, 0, LOG_LINE, STR("no level at all"));
	add(&bed, 1, LOG_LINE, STR("{\"level\":40,\"msg\":\"slow\"}"));
	add(&bed, 0, LOG_LINE, STR("ERROR it broke"));
	add(&bed, 1, LOG_LINE, STR("INFO between"));
	add(&bed, 0, LOG_LINE, STR("\tat Main.java:3"));
	add(&bed, 0, LOG_CUT, STR("container users exited, code 1, restart 6"));
	assert_shows(&bed, " W {", true);
	assert_shows(&bed, " E ERROR it broke", true);
	assert_shows(&bed, " E  at Main.java", true);
	assert_shows(&bed, "level all", true);
	log_pane_step_level(&bed.pane);
	work(&bed);
	check_counts(&bed, 6, 5, 1);
	assert_shows(&bed, "level info", true);
	assert_shows(&bed, "DEBUG", false);
	assert_shows(&bed, "no level at all", true);
	log_pane_step_level(&bed.pane);
	work(&bed);
	check_counts(&bed, 6, 3, 3);
	assert_shows(&bed, "INFO between", false);
	assert_shows(&bed, "slow", true);
	log_pane_step_level(&bed.pane);
	work(&bed);
	check_counts(&bed, 6, 2, 4);
	assert_shows(&bed, "slow", false);
	assert_shows(&bed, "at Main.java", true); /* belongs to its line, though the other container wrote between */
	assert_shows(&bed, "users exited", true);
	log_pane_set_filter(&bed.pane, "broke");
	work(&bed);
	check_counts(&bed, 6, 1, 5);
	log_pane_step_level(&bed.pane);
	log_pane_set_filter(&bed.pane, "");
	work(&bed);
	check_counts(&bed, 6, 6, 0);
}

static void one_container_can_be_chosen_and_the_others_are_counted_as_filtered(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	add_numbered(&bed, 9);
	bed.pane.only = 1;
	work(&bed);
	check_counts(&bed, 9, 4, 5);
	assert_shows(&bed, "only gw-p9q", true);
	assert_shows(&bed, "line 9", false);
	assert_shows(&bed, "line 8", true);
}

static void more_containers_than_are_read_at_a_time_are_told(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();
	AUTO(canvas) canvas = canvas_create(120, 24, false);
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct logs_source many[60];

	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct logs_source){ .short_name = "pod", .why = "", .state = i < LOGS_STREAMS ? LOG_FOLLOW_LIVE : LOG_FOLLOW_OPENING };
	bed.scene.sources = many;
	bed.scene.nsources = ARRAY_LEN(many);
	log_pane_settle(&bed.pane, &bed.scene, 21, 120);
	log_pane_draw(&bed.pane, &bed.scene, canvas, 2, 21);
	canvas_dump_text(canvas, &text);
	assert_non_null(strstr(buf_cstr(&text), "containers 60 (50 at a time), 10 not read yet"));
}

static void folded_json_is_found_as_it_is_shown(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	add(&bed, 0, LOG_LINE, STR("{\"level\":\"warn\",\"msg\":\"refused\",\"addr\":\"10.43.9.2\"}"));
	add(&bed, 0, LOG_LINE, STR("{\"level\":\"info\",\"msg\":\"taken\",\"addr\":\"10.43.9.3\"}"));
	log_pane_set_filter(&bed.pane, "addr=10.43.9.2");
	work(&bed);
	check_counts(&bed, 2, 0, 2);
	bed.pane.fold_json = true;
	work(&bed);
	check_counts(&bed, 2, 1, 1);
	log_pane_set_filter(&bed.pane, "\"addr\":\"10.43.9.3\""); /* what the program wrote is found all the same */
	work(&bed);
	check_counts(&bed, 2, 1, 1);
}

static void the_position_never_moves_by_itself(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	add_numbered(&bed, 200);
	assert_shows(&bed, "line 200", true);
	log_pane_move(&bed.pane, &bed.scene, -50);
	AUTO(canvas) before = drawn(&bed, 80, 24);
	AUTO_RELEASE(buf) before_text = BUF_INIT(0), after_text = BUF_INIT(0);

	add_numbered(&bed, 500);
	AUTO(canvas) after = drawn(&bed, 80, 24);

	canvas_dump_text(before, &before_text);
	canvas_dump_text(after, &after_text);
	/* All but the counters, which are the last row of its own. */
	assert_memory_equal(before_text.p, after_text.p, (size_t)(strstr(before_text.p, "received") - before_text.p));
	log_pane_follow(&bed.pane, true);
	assert_shows(&bed, "line 700", true);
	log_pane_first(&bed.pane, &bed.scene);
	assert_shows(&bed, " line 1\n", true);
	assert_int_equal(log_pane_keep(&bed.pane), 0);
}

static void moving_ends_at_both_ends(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	add_numbered(&bed, 100);
	settle(&bed, 21, 80);
	log_pane_move(&bed.pane, &bed.scene, -1000);
	assert_shows(&bed, " line 1\n", true);
	log_pane_move(&bed.pane, &bed.scene, 1000);
	assert_shows(&bed, " line 100\n", true);
	assert_shows(&bed, "follow off", true);
	log_pane_move(&bed.pane, &bed.scene, 1);
	assert_shows(&bed, " line 100\n", true);
	assert_shows(&bed, " line 83\n", true);
}

static void a_wrapped_line_is_walked_row_by_row(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	for (int i = 0; i < 100; i++)
		buf_addf(&text, "word-%02d ", i);
	add(&bed, 0, LOG_LINE, buf_str(&text));
	bed.pane.wrap = true;
	assert_shows(&bed, "word-00", true);
	assert_shows(&bed, "word-99", true);
	add_numbered(&bed, 10);
	assert_shows(&bed, "word-00", false);
	assert_shows(&bed, "word-99", true);
	log_pane_move(&bed.pane, &bed.scene, -10);
	assert_shows(&bed, "word-00", true);
	assert_shows(&bed, "line 11", false);
}

static void a_filter_hides_inverts_or_dims(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	add_numbered(&bed, 15);
	log_pane_set_filter(&bed.pane, "line 1[0-9]");
	work(&bed);
	assert_shows(&bed, " line 9\n", false);
	assert_shows(&bed, " line 15\n", true);
	assert_shows(&bed, "received 15   shown 6   filtered 9   dropped 0", true);
	bed.pane.filter_mode = LOG_FILTER_INVERSE;
	work(&bed);
	assert_shows(&bed, " line 9\n", true);
	assert_shows(&bed, " line 15\n", false);
	assert_shows(&bed, "received 15   shown 9   filtered 6   dropped 0", true);
	bed.pane.filter_mode = LOG_FILTER_CONTEXT;
	work(&bed);
	AUTO(canvas) canvas = drawn(&bed, 80, 24);

	assert_int_equal(canvas->cells[3 * 80 + 24].role, ROLE_DIM);  /* line 1 */
	assert_int_equal(canvas->cells[17 * 80 + 24].role, ROLE_TEXT); /* line 15 */
	assert_shows(&bed, "received 15   shown 15   filtered 0   dropped 0", true);
}

static void an_unfinished_pattern_keeps_the_former_and_says_why(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	add_numbered(&bed, 15);
	log_pane_set_filter(&bed.pane, "line 1[0-9]");
	log_pane_set_filter(&bed.pane, "line (");
	work(&bed);
	assert_shows(&bed, "filter line 1[0-9]", true);
	assert_shows(&bed, ") is missing", true);
	log_pane_set_filter(&bed.pane, NULL);
	work(&bed);
	assert_shows(&bed, "filter none", true);
	assert_shows(&bed, " line 1\n", true);
}

static void a_search_goes_from_match_to_match(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	add_numbered(&bed, 300);
	settle(&bed, 21, 80);
	log_pane_set_search(&bed.pane, &bed.scene, "line .*50");
	work(&bed);
	assert_shows(&bed, "> 00:06:13", false);
	assert_int_equal(bed.pane.found, 249); /* the newest first, from the end */
	assert_shows(&bed, " line 250\n", true);
	log_pane_next_match(&bed.pane, &bed.scene, -1);
	work(&bed);
	assert_int_equal(bed.pane.found, 149);
	log_pane_next_match(&bed.pane, &bed.scene, 1);
	work(&bed);
	assert_int_equal(bed.pane.found, 249);
	log_pane_next_match(&bed.pane, &bed.scene, 1);
	work(&bed);
	assert_shows(&bed, "(no more)", true);
	AUTO(canvas) canvas = drawn(&bed, 80, 24);
	unsigned painted = 0;

	for (int i = 0; i < 80 * 24; i++)
		painted += canvas->cells[i].role == ROLE_MATCH;
	assert_int_equal(painted, strlen("line 250"));
}

static void colours_of_the_program_stay_and_are_not_searched(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	add(&bed, 0, LOG_LINE, STR("a \033[1;31mr\033[32med\033[0m b"));
	log_pane_set_filter(&bed.pane, "^a red b$");
	work(&bed);
	AUTO(canvas) canvas = drawn(&bed, 80, 24);

	assert_int_equal(log_store_counts(bed.store).filtered, 0);
	unsigned coloured = 0;

	for (int i = 0; i < 80 * 24; i++)
		coloured += canvas->cells[i].style.fg != 0;
	assert_int_equal(coloured, 3);
}

static void json_becomes_columns(void **state)
{
	(void)state;
	static const struct {
		const char *line, *shown; /* NULL: as it is */
	} cases[] = {
		{ "{\"level\":\"info\",\"msg\":\"hello\",\"n\":3}", "INFO  hello  n=3" },
		{ "  {\"time\":\"2026-01-01\",\"severity\":\"ERROR\",\"message\":\"x\",\"err\":{\"a\":[1]}}  ", "ERROR x  err={\"a\":[1]}" },
		{ "{\"level\":40,\"a\":\"b c\",\"empty\":\"\"}", "WARN    a=\"b c\"  empty=\"\"" },
		{ "{\"level\":\"odd\",\"msg\":\"m\"}", "odd m" },
		{ "{\"ok\":true,\"none\":null}", "ok=true  none=null" },
		{ "{broken", NULL }, { "{}", NULL }, { "plain {\"a\":1}", NULL }, { "", NULL }, { "{\"a\":1} tail", NULL },
	};
	AUTO(log_lines) lines = log_lines_create();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct runs *runs = log_lines_runs(lines, str_of(cases[i].line), true);
		AUTO_RELEASE(buf) text = BUF_INIT(0);

		for (size_t r = 0; r < runs->len; r++)
			buf_add_str(&text, runs->items[r].text);
		assert_string_equal(buf_cstr(&text), cases[i].shown ? cases[i].shown : cases[i].line);
		assert_true(str_eq(log_lines_plain(lines, str_of(cases[i].line), true), buf_str(&text)));
	}
}

/* Nothing but printable characters becomes a cell, whatever a program writes; random bytes and the sequences that have done harm. */
static void no_byte_of_a_log_controls_the_terminal(void **state)
{
	(void)state;
	static const char *const evil[] = { "\033]0;title\007", "\033]52;c;aGk=\033\\", "\033]8;;http://x\033\\y", "\033[2J\033[H", "\033P+q\033\\", "\x9b" "2J", "\xc2\x9b" "2J",
					    "\xc2\x90x\xc2\x9c", "\033[6n", "\033c", "\033[?1049h", "a\rb", "\b\b\b", "\x7f", "\xe2\x80\xae" "abc", "\xe2\x81\xa6x", "\xff\xfe",
					    "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9", "\xcc\x81\xcc\x81\xcc\x81", "\033[", "\033", "\033]", "\xed\xa0\x80", "\033[38;5;999999999999m",
					    "{\"msg\":\"\\u001b]0;x\\u0007\\u009b2J\",\"\\u001b[2J\":\"\\r\\n\\u202e\"}", "\033[31", "\xe4\xb8\xad\xe6\x96\x87", "\033(0lqk", "\x0e\x0f\x05" };
	unsigned seed = 7;

	for (unsigned round = 0; round < 400; round++) {
		AUTO_RELEASE(bed) bed = bed_create();
		int cols = 20 + (int)(rand_r(&seed) % 60);

		for (unsigned i = 0; i < 10; i++) {
			AUTO_RELEASE(buf) text = BUF_INIT(0);

			for (unsigned n = rand_r(&seed) % 6; n > 0; n--) {
				buf_adds(&text, evil[rand_r(&seed) % ARRAY_LEN(evil)]);
				for (unsigned k = rand_r(&seed) % 5; k > 0; k--)
					buf_addc(&text, (char)rand_r(&seed));
			}
			add(&bed, (uint16_t)(rand_r(&seed) % 3), (enum log_line_kind)(rand_r(&seed) % 3), buf_str(&text));
		}
		bed.sources[1].short_name = (char *)evil[rand_r(&seed) % ARRAY_LEN(evil)];
		bed.sources[1].state = LOG_FOLLOW_WAITING;
		bed.sources[1].why = (char *)evil[rand_r(&seed) % ARRAY_LEN(evil)];
		bed.pane.wrap = rand_r(&seed) % 2;
		bed.pane.fold_json = rand_r(&seed) % 2;
		bed.pane.shift = (int)(rand_r(&seed) % 3) * 7;
		log_pane_set_search(&bed.pane, &bed.scene, "[^a]");
		AUTO(canvas) canvas = drawn(&bed, cols, 5 + (int)(rand_r(&seed) % 30));

		for (int i = 0; i < canvas->cols * canvas->rows; i++) {
			uint32_t rune = canvas->cells[i].rune;

			if ((rune && rune < ' ') || (rune >= 0x7f && rune < 0xa0) || (rune >= 0x200b && rune <= 0x200f) || (rune >= 0x202a && rune <= 0x202e) ||
			    (rune >= 0x2060 && rune <= 0x206f) || (rune >= 0xd800 && rune < 0xe000))
				fail_msg("round %u: U+%04X is on the screen", round, rune);
		}
	}
}

static void every_size_can_be_drawn(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	add_numbered(&bed, 30);
	bed.sources[0].state = LOG_FOLLOW_REFUSED;
	for (int cols = 1; cols < 140; cols += 6)
		for (int rows = 4; rows < 50; rows += 3) {
			AUTO(canvas) canvas = drawn(&bed, cols, rows);

			log_pane_move(&bed.pane, &bed.scene, rows % 2 ? -3 : 5);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(screens_of_logs_are_as_recorded),
		cmocka_unit_test(one_key_goes_round_the_levels_and_the_counters_stay_exact),
		cmocka_unit_test(one_container_can_be_chosen_and_the_others_are_counted_as_filtered),
		cmocka_unit_test(more_containers_than_are_read_at_a_time_are_told),
		cmocka_unit_test(folded_json_is_found_as_it_is_shown),
		cmocka_unit_test(the_position_never_moves_by_itself),
		cmocka_unit_test(moving_ends_at_both_ends),
		cmocka_unit_test(a_wrapped_line_is_walked_row_by_row),
		cmocka_unit_test(a_filter_hides_inverts_or_dims),
		cmocka_unit_test(an_unfinished_pattern_keeps_the_former_and_says_why),
		cmocka_unit_test(a_search_goes_from_match_to_match),
		cmocka_unit_test(colours_of_the_program_stay_and_are_not_searched),
		cmocka_unit_test(json_becomes_columns),
		cmocka_unit_test(no_byte_of_a_log_controls_the_terminal),
		cmocka_unit_test(every_size_can_be_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
