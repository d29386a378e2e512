#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube/log_merge.h"
#include "kube/log_reader.h"
#include "live/log_save.h"
#include "log_server.h"
#include "model/log_store.h"

/* ---- blocks and store ---- */

static struct log_block *block_of(uint16_t source, uint64_t from, uint64_t n, size_t pad)
{
	struct log_block *block = log_block_create(LOG_BLOCK_BYTES);

	for (uint64_t i = from; i < from + n; i++) {
		AUTO_FREE char *text = xasprintf("%" PRIu64 " %*s", i, (int)pad, "");

		assert_true(log_block_add(block, &(struct log_line){ .text = str_of(text), .time_ns = (int64_t)i * 1000, .source = source }));
	}
	return log_block_trim(block);
}

static uint64_t number_in(const struct log_line *line)
{
	return strtoull(line->text.p, NULL, 10);
}

static void a_block_gives_back_what_was_put_in(void **state)
{
	(void)state;
	const struct log_line lines[] = { { .text = STR("one"), .time_ns = INT64_C(1767225600000000001), .source = 3, .level = LOG_LEVEL_FATAL },
					  { .text = STR(""), .time_ns = INT64_C(1767225599999999999), .source = 65535, .kind = LOG_GAP, .level = LOG_LEVEL_WARN },
					  { .text = { "\0\xff\n", 3 }, .time_ns = -1, .more_bytes = UINT32_MAX, .kind = LOG_CUT } };
	struct log_block *block = log_block_create(LOG_BLOCK_BYTES);
	struct log_cursor at = { 0 };
	struct log_line line;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		assert_true(log_block_add(block, &lines[i]));
	block = log_block_trim(block);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		assert_true(log_block_next(block, &at, &line));
		assert_true(str_eq(line.text, lines[i].text));
		assert_true(line.time_ns == lines[i].time_ns && line.more_bytes == lines[i].more_bytes);
		assert_true(line.source == lines[i].source && line.kind == lines[i].kind && line.level == lines[i].level);
	}
	assert_false(log_block_next(block, &at, &line));
	log_block_unref(block);
}

static void what_the_store_drops_is_counted_for_its_source(void **state)
{
	(void)state;
	AUTO(log_store) store = log_store_create(256 * 1024);
	struct log_line line;

	for (uint64_t i = 0; i < 200; i++)
		assert_true(log_store_add(store, block_of((uint16_t)(i % 3), i * 100 + 1, 100, 40), LOG_SERIAL_NONE));
	assert_true(log_store_bytes(store) <= 256 * 1024);
	assert_int_equal(log_store_end(store), 20000);
	uint64_t kept[3] = { 0 }, all = 0;

	for (uint64_t s = log_store_first(store); s < log_store_end(store); s++, all++) {
		assert_true(log_store_line(store, s, &line));
		assert_int_equal(number_in(&line), s + 1);
		kept[line.source]++;
	}
	assert_true(all > 1000 && all < 20000);
	for (uint16_t source = 0; source < 3; source++) {
		struct log_counts counts = log_store_counts_of(store, source);

		assert_int_equal(counts.received, counts.dropped + kept[source]);
	}
	assert_int_equal(log_store_counts(store).received, 20000);
	assert_int_equal(log_store_counts(store).dropped, 20000 - all);
}

static void a_line_that_must_stay_makes_the_store_refuse_more(void **state)
{
	(void)state;
	AUTO(log_store) store = log_store_create(256 * 1024);
	struct log_block *block;
	uint64_t n = 0;

	while (log_store_add(store, block = block_of(0, n, 1000, 40), 500))
		n += 1000;
	assert_true(n > 1000);
	assert_int_equal(log_store_first(store), 0);
	assert_true(log_store_add(store, block, LOG_SERIAL_NONE));
	assert_true(log_store_first(store) > 0);
}

static bool is_even(const struct log_line *line, void *arg)
{
	(void)arg;
	return number_in(line) % 2 == 0;
}

static void each_line_is_shown_or_filtered_or_dropped(void **state)
{
	(void)state;
	AUTO(log_store) store = log_store_create(256 * 1024);
	uint64_t shown = 0;

	for (uint64_t i = 0; i < 100; i++)
		assert_true(log_store_add(store, block_of(0, i * 100, 100, 40), LOG_SERIAL_NONE));
	log_store_set_filter(store, is_even, NULL);
	assert_int_equal(log_counts_shown(&(struct log_counts){ log_store_counts(store).received, log_store_counts(store).filtered,
								 log_store_counts(store).dropped, log_store_counts(store).unseen }), 0);
	for (uint64_t i = 100; i < 200; i++) {
		assert_true(log_store_add(store, block_of(0, i * 100, 100, 40), LOG_SERIAL_NONE));
		while (log_store_work(store, INT64_MAX))
			;
	}
	for (uint64_t s = LOG_SERIAL_NONE; (s = log_store_next(store, s)) != LOG_SERIAL_NONE; shown++) {
		struct log_line line;

		assert_true(log_store_line(store, s, &line) && is_even(&line, NULL) && log_store_shows(store, s));
	}
	struct log_counts counts = log_store_counts(store), alone = log_store_counts_of(store, 0);

	assert_int_equal(counts.unseen, 0);
	assert_int_equal(log_counts_shown(&counts), shown);
	assert_int_equal(counts.received, 20000);
	assert_int_equal(alone.filtered, counts.filtered);
	for (uint64_t s = LOG_SERIAL_NONE; (s = log_store_previous(store, s)) != LOG_SERIAL_NONE; shown--)
		;
	assert_int_equal(shown, 0);
	log_store_set_filter(store, NULL, NULL);
	counts = log_store_counts(store);
	assert_int_equal(counts.filtered, 0);
	assert_int_equal(log_counts_shown(&counts), log_store_end(store) - log_store_first(store));
}

static void cut_lines_pass_every_filter_and_are_counted_nowhere(void **state)
{
	(void)state;
	AUTO(log_store) store = log_store_create(1 << 20);
	const struct log_line cut = { .text = STR("pod web is gone"), .kind = LOG_CUT };

	log_store_set_filter(store, is_even, NULL);
	for (int i = 0; i < 3; i++) {
		struct log_block *block = log_block_create(LOG_BLOCK_BYTES);

		assert_true(log_block_add(block, &cut));
		assert_true(log_store_add(store, log_block_trim(block), LOG_SERIAL_NONE));
		while (log_store_work(store, INT64_MAX))
			;
		assert_int_equal(log_store_previous(store, LOG_SERIAL_NONE), (uint64_t)i * 2);
		assert_true(log_store_add(store, block_of(0, 1, 1, 0), LOG_SERIAL_NONE)); /* odd: hidden */
	}
	assert_int_equal(log_store_counts(store).received, 3);
}

/* ---- merging ---- */

static void put(struct log_input *input, int64_t ns, int64_t now_ms)
{
	AUTO_FREE char *text = xasprintf("%" PRId64, ns);

	log_input_put(input, &(struct log_line){ .text = str_of(text), .time_ns = ns }, now_ms);
}

static void assert_taken(struct log_merge *merge, int64_t now_ms, const char *want)
{
	struct log_block *block = log_block_create(LOG_BLOCK_BYTES);
	AUTO_RELEASE(buf) got = BUF_INIT(0);
	struct log_cursor at = { 0 };
	struct log_line line;

	assert_false(log_merge_take(merge, block, now_ms));
	while (log_block_next(block, &at, &line))
		buf_addf(&got, "%.*s ", STR_ARG(line.text));
	assert_string_equal(buf_cstr(&got), want);
	log_block_unref(block);
}

static void lines_of_streams_in_step_come_by_time(void **state)
{
	(void)state;
	AUTO(log_merge) merge = log_merge_create();
	struct log_input *a = log_merge_add(merge, 0), *b = log_merge_add(merge, 1);

	log_input_set_open(a, true, 1000);
	log_input_set_open(b, true, 1000);
	put(a, 10, 1000);
	put(a, 30, 1000);
	assert_taken(merge, 1000, "");
	assert_true(log_merge_due_ms(merge) == 1000 + LOG_MERGE_WINDOW_MS);
	put(b, 20, 1001);
	put(b, 40, 1001);
	assert_taken(merge, 1001, "10 20 30 ");
}

static void a_silent_stream_is_waited_for_no_longer_than_the_window(void **state)
{
	(void)state;
	AUTO(log_merge) merge = log_merge_create();
	struct log_input *a = log_merge_add(merge, 0), *b = log_merge_add(merge, 1);

	log_input_set_open(a, true, 1000);
	log_input_set_open(b, true, 1000);
	put(a, 10, 1000);
	assert_taken(merge, 999 + LOG_MERGE_WINDOW_MS, "");
	assert_taken(merge, 1000 + LOG_MERGE_WINDOW_MS, "10 ");
	log_input_set_open(b, false, 2000);
	put(a, 20, 2000);
	assert_taken(merge, 2000, "20 ");
}

static void what_another_stream_has_passed_already_does_not_wait_for_it(void **state)
{
	(void)state;
	AUTO(log_merge) merge = log_merge_create();
	struct log_input *a = log_merge_add(merge, 0), *b = log_merge_add(merge, 1);

	log_input_set_open(a, true, 0);
	log_input_set_open(b, true, 0);
	put(a, 100, 5000);
	assert_taken(merge, 5000 + LOG_MERGE_WINDOW_MS, "100 ");
	put(b, 50, 6000);
	put(b, 100, 6000);
	put(b, 150, 6000);
	assert_taken(merge, 6000, "50 100 ");
	assert_taken(merge, 6000 + LOG_MERGE_WINDOW_MS, "150 ");
}

#define RACE_STEP_MS 10

/* Two streams by a clock of their own, looked at in steps: what came out, and how long it was held back at most. */
struct race {
	struct log_merge *merge;
	struct log_input *inputs[2];
	int64_t every_ms[2], next_ms[2]; /* of their lines, as they are written */
	int64_t (*late)(int64_t written_ms);	       /* how late those of the second one come */
	int64_t arrived_ms;			       /* of the last one of these */
	int64_t newest_ms, disorders, longest_ms;
};

static void race_put(struct race *race, int i, int64_t now_ms)
{
	while (race->next_ms[i] >= 0) {
		int64_t at_ms = race->next_ms[i] + (i == 1 && race->late ? race->late(race->next_ms[i]) : 0);

		at_ms = i == 1 && at_ms < race->arrived_ms ? race->arrived_ms : at_ms; /* a stream has its order */
		if (at_ms > now_ms)
			return;
		race->arrived_ms = i == 1 ? at_ms : race->arrived_ms;
		AUTO_FREE char *text = xasprintf("%" PRId64, at_ms);

		log_input_put(race->inputs[i], &(struct log_line){ .text = str_of(text), .time_ns = race->next_ms[i] * 1000000, .source = (uint16_t)i }, now_ms);
		race->next_ms[i] += race->every_ms[i];
	}
}

static void race_take(struct race *race, int64_t now_ms)
{
	struct log_block *block = log_block_create(LOG_BLOCK_BYTES);
	struct log_cursor at = { 0 };
	struct log_line line;

	assert_false(log_merge_take(race->merge, block, now_ms));
	while (log_block_next(block, &at, &line)) {
		int64_t held_ms = now_ms - strtoll(line.text.p, NULL, 10), written_ms = line.time_ns / 1000000;

		race->disorders += written_ms < race->newest_ms;
		race->newest_ms = written_ms > race->newest_ms ? written_ms : race->newest_ms;
		race->longest_ms = held_ms > race->longest_ms ? held_ms : race->longest_ms;
	}
	log_block_unref(block);
}

static void race_until(struct race *race, int64_t from_ms, int64_t to_ms)
{
	for (int64_t now_ms = from_ms; now_ms < to_ms; now_ms += RACE_STEP_MS) {
		race_put(race, 0, now_ms);
		race_put(race, 1, now_ms);
		race_take(race, now_ms);
	}
}

static struct race race_create(int64_t (*late)(int64_t written_ms))
{
	struct race race = { .merge = log_merge_create(), .every_ms = { 70, 330 }, .late = late };

	for (int i = 0; i < 2; i++) {
		race.inputs[i] = log_merge_add(race.merge, (uint16_t)i);
		log_input_set_open(race.inputs[i], true, 0);
	}
	return race;
}

/* From the third second on in steps up to 2 s and down again. */
static int64_t late_up_and_down(int64_t written_ms)
{
	int64_t at_ms = written_ms < 3000 ? 0 : (written_ms - 3000) / 16 % 4000;

	return at_ms <= 2000 ? at_ms : 4000 - at_ms;
}

static int64_t late_at_once(int64_t written_ms)
{
	return written_ms < 3000 ? 0 : 1500 + written_ms % 500;
}

static void lines_that_come_up_to_two_seconds_late_come_out_in_order(void **state)
{
	(void)state;
	struct race race = race_create(late_up_and_down);

	race_until(&race, 0, 70000);
	assert_int_equal(race.disorders, 0);
	assert_true(race.longest_ms > 1500 && race.longest_ms <= LOG_MERGE_LATE_MS + LOG_MERGE_WINDOW_MS + RACE_STEP_MS);
	log_merge_destroy(race.merge);
	race = race_create(late_at_once);
	race_until(&race, 0, 7000); /* the first time nobody could know */
	assert_true(race.disorders > 0);
	race.disorders = 0;
	race_until(&race, 7000, 60000);
	assert_int_equal(race.disorders, 0);
	assert_true(race.longest_ms <= LOG_MERGE_LATE_MS + LOG_MERGE_WINDOW_MS + RACE_STEP_MS);
	log_merge_destroy(race.merge);
}

static void who_is_in_step_alone_or_beside_a_quiet_one_is_never_held_back_for_longer_than_the_window(void **state)
{
	(void)state;
	struct race race = race_create(NULL);

	race_until(&race, 0, 10000);
	assert_int_equal(race.disorders, 0);
	race.next_ms[1] = -1; /* says no more */
	race_until(&race, 10000, 20000);
	assert_true(race.longest_ms <= LOG_MERGE_WINDOW_MS + RACE_STEP_MS);
	log_input_set_open(race.inputs[1], false, 20000);
	race_until(&race, 20000, 20010); /* what had waited until then */
	race.longest_ms = 0;
	race_until(&race, 20010, 30000);
	assert_true(race.longest_ms < RACE_STEP_MS);
	log_merge_destroy(race.merge);
}

static void who_was_late_and_is_quiet_now_is_not_waited_for_any_more(void **state)
{
	(void)state;
	struct race race = race_create(late_at_once);

	race_until(&race, 0, 20000);
	race.next_ms[1] = -1;
	race_until(&race, 20000, 45000);
	race.longest_ms = 0;
	race_until(&race, 45000, 50000);
	assert_true(race.longest_ms <= LOG_MERGE_WINDOW_MS + RACE_STEP_MS);
	log_merge_destroy(race.merge);
}

/* What was written before a stream was opened comes when it is opened, and says nothing of what is written from then on. */
static void what_a_stream_begins_with_makes_nobody_late(void **state)
{
	(void)state;
	AUTO(log_merge) merge = log_merge_create();
	struct log_input *a = log_merge_add(merge, 0), *b = log_merge_add(merge, 1);

	log_input_set_open(a, true, 0);
	put(a, 1000, 0);
	assert_taken(merge, 0, "1000 ");
	log_input_set_open(b, true, 1500);
	put(b, 10, 1500);
	assert_taken(merge, 1500, "10 ");
	put(a, 2000, 9000);
	assert_taken(merge, 9000 + LOG_MERGE_WINDOW_MS, "2000 ");
}

static void a_stream_that_was_lost_a_moment_ago_is_waited_for(void **state)
{
	(void)state;
	AUTO(log_merge) merge = log_merge_create();
	struct log_input *a = log_merge_add(merge, 0), *b = log_merge_add(merge, 1);

	log_input_set_open(a, true, 0);
	log_input_set_open(b, true, 0);
	log_input_lose(b, 5000);
	put(a, 20, 5100);
	assert_taken(merge, 6500, "");
	log_input_set_open(b, true, 6500);
	put(b, 10, 6500);
	put(b, 30, 6500);
	assert_taken(merge, 6500, "10 20 ");
	assert_taken(merge, 7000, "30 ");
	log_input_lose(b, 8000);
	put(a, 40, 8100);
	assert_taken(merge, 7999 + LOG_MERGE_LATE_MS, "");
	assert_taken(merge, 8000 + LOG_MERGE_LATE_MS, "40 ");
	put(a, 50, 12000);
	assert_taken(merge, 12000, "50 ");
}

static void who_has_not_answered_is_waited_for_as_long_as_answers_take(void **state)
{
	(void)state;
	AUTO(log_merge) merge = log_merge_create();
	struct log_input *inputs[4];

	for (uint16_t i = 0; i < 4; i++)
		log_input_ask(inputs[i] = log_merge_add(merge, i), 0);
	log_input_set_open(inputs[0], true, 700);
	put(inputs[0], 20, 700);
	assert_taken(merge, 1300, ""); /* twice what that one took */
	log_input_set_open(inputs[1], true, 1300);
	put(inputs[1], 10, 1300);
	put(inputs[1], 30, 1300);
	assert_taken(merge, 1999, "");
	assert_taken(merge, 2000, "10 20 30 ");
}

static void merging_changes_nothing_of_a_line(void **state)
{
	(void)state;
	AUTO(log_merge) merge = log_merge_create();
	struct log_input *input = log_merge_add(merge, 7);
	struct log_block *block = log_block_create(LOG_BLOCK_BYTES);
	struct log_cursor at = { 0 };
	struct log_line line;

	for (int i = 0; i < 2; i++) /* the first is kept elsewhere than those behind it */
		log_input_put(input, &(struct log_line){ .text = STR("text"), .time_ns = 3 + i, .more_bytes = 9, .kind = LOG_GAP, .level = LOG_LEVEL_ERROR }, 1);
	assert_false(log_merge_take(merge, block, 1));
	for (int i = 0; i < 2; i++) {
		assert_true(log_block_next(block, &at, &line));
		assert_true(str_is(line.text, "text") && line.time_ns == 3 + i && line.source == 7 && line.more_bytes == 9);
		assert_true(line.kind == LOG_GAP && line.level == LOG_LEVEL_ERROR);
	}
	log_block_unref(block);
}

static void a_stream_keeps_its_own_order_whatever_its_times(void **state)
{
	(void)state;
	AUTO(log_merge) merge = log_merge_create();
	struct log_input *a = log_merge_add(merge, 0), *b = log_merge_add(merge, 1);

	put(a, 30, 1);
	put(a, 10, 1);
	put(b, 20, 1);
	assert_taken(merge, 1, "20 30 10 ");
}

/* ---- reading from a server ---- */

struct bed {
	struct log_server *server;
	struct net *net;
	struct http *http;
	struct log_reader *reader;
	unsigned pods;
	uint64_t last[64]; /* number of the last line, by pod */
	unsigned cuts, gaps;
	char *last_mark;
	unsigned ended;
};

static struct bed bed_create(unsigned pods, uint64_t lines)
{
	struct bed bed = { .pods = pods };
	AUTO_RELEASE(error) err = { 0 };
	char url[64];

	bed.server = log_server_start(&(struct log_server_options){ .pods = pods, .lines = lines });
	bed.net = net_create(NULL, &err);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", log_server_port(bed.server));
	bed.http = http_create(bed.net, &(struct http_options){ .base_url = url, .probe_path = "" }, &err);
	if (!bed.http)
		fail_msg("%s", err.message);
	bed.reader = log_reader_create(&(struct watcher_options){ .net = bed.net, .http = bed.http });
	return bed;
}

static void bed_release(struct bed *bed)
{
	log_reader_destroy(bed->reader);
	http_destroy(bed->http);
	net_destroy(bed->net);
	log_server_stop(bed->server);
	free(bed->last_mark);
}
DEFINE_AUTO_RELEASE(bed);

static void follow_all(struct bed *bed, struct log_follow_options options)
{
	for (unsigned i = 0; i < bed->pods; i++) {
		AUTO_FREE char *pod = xasprintf("pod-%u", i), *uid = xasprintf("uid-%u", i);

		options.namespace = "shop";
		options.container = "main";
		options.pod = pod;
		options.uid = uid;
		options.state = ROW_RUNNING;
		log_reader_add(bed->reader, (uint16_t)i, &options);
	}
}

/* Every number once and in order: the next line of a pod is always one more than the last. */
static void check_lines(struct bed *bed, const struct log_block *block)
{
	struct log_cursor at = { 0 };
	struct log_line line;

	while (log_block_next(block, &at, &line)) {
		if (line.kind != LOG_LINE) {
			bed->cuts += line.kind == LOG_CUT;
			bed->gaps += line.kind == LOG_GAP;
			free(bed->last_mark);
			bed->last_mark = str_dup(line.text);
			continue;
		}
		assert_true(str_starts(line.text, STR("line ")));
		uint64_t number = strtoull(line.text.p + 5, NULL, 10);

		if (bed->last[line.source] && number != bed->last[line.source] + 1)
			fail_msg("pod %u: line %" PRIu64 " after %" PRIu64, line.source, number, bed->last[line.source]);
		bed->last[line.source] = number;
	}
}

static bool all_have(const struct bed *bed, uint64_t line)
{
	for (unsigned i = 0; i < bed->pods; i++)
		if (bed->last[i] != line)
			return false;
	return true;
}

/* Takes news until done says so, 60 s at most; into store where there is one. */
static void take_until(struct bed *bed, struct log_store *store, bool (*done)(const struct bed *bed, uint64_t arg), uint64_t arg)
{
	AUTO_RELEASE(log_news) news = { 0 };
	int64_t end_ms = clock_now_ms(NULL) + 60000;

	while (!done(bed, arg)) {
		if (clock_now_ms(NULL) > end_ms)
			fail_msg("it takes too long; pod 0 is at line %" PRIu64, bed->last[0]);
		clock_wait_fd(NULL, NULL, log_reader_fd(bed->reader), clock_now_ms(NULL) + 50);
		while (!done(bed, arg) && log_reader_next(bed->reader, &news)) {
			bed->ended += !news.block && news.state == LOG_FOLLOW_ENDED;
			if (!news.block)
				continue;
			check_lines(bed, news.block);
			if (store)
				assert_true(log_store_add(store, GIVE(news.block), LOG_SERIAL_NONE));
		}
	}
}

static bool passed(const struct bed *bed, uint64_t line)
{
	return bed->last[bed->pods - 1] >= line;
}

static bool has_ended(const struct bed *bed, uint64_t n)
{
	return bed->ended >= n;
}

/* Nobody takes: the server comes to stand still, because it is held back. Gives the lines that it had written. */
static uint64_t wait_for_standstill(struct bed *bed)
{
	uint64_t written = 0, again;

	for (unsigned quiet = 0; quiet < 5; written = again) {
		clock_sleep(NULL, NULL, 40, &(struct error){ 0 });
		again = log_server_written(bed->server);
		quiet = again == written ? quiet + 1 : 0;
	}
	return written;
}

/* The saved file has each number that was not dropped once, in the order of its pod: first[] is the first of each that it must have. */
static void check_saved(const struct log_store *store, unsigned pods, const uint64_t *first, uint64_t last)
{
	const char *const names[] = { "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7" };
	AUTO_FREE char *path = xasprintf("%s/slotdeck-logs-test-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
	struct log_save *save = log_save_create();
	uint64_t next[ARRAY_LEN(names)];
	char line[256];
	unsigned pod;
	uint64_t number;
	FILE *file;

	memcpy(next, first, pods * sizeof *next);
	assert_true(log_save_start(save, store, names, pods, path));
	while (log_save_state(save, NULL) == LOGS_SAVING) {
		clock_sleep(NULL, NULL, 5, &(struct error){ 0 });
		log_save_poll(save);
	}
	assert_int_equal(log_save_state(save, NULL), LOGS_SAVED);
	log_save_destroy(save);
	file = fopen(path, "re");
	assert_non_null(file);
	unlink(path);
	while (fgets(line, sizeof line, file)) {
		if (sscanf(line, "%*s p%u line %" SCNu64, &pod, &number) != 2 || pod >= pods)
			fail_msg("what is this? %s", line);
		if (number != next[pod]++)
			fail_msg("pod %u: line %" PRIu64 " is not in its place in the file", pod, number);
	}
	fclose(file);
	for (unsigned i = 0; i < pods; i++)
		assert_int_equal(next[i], last + 1);
}

static void a_million_lines_come_once_and_in_order_over_lost_connections_and_a_pause(void **state)
{
	(void)state;
	enum { PODS = 8, LINES = 125000 };
	AUTO_RELEASE(bed) bed = bed_create(PODS, LINES);
	AUTO(log_store) store = log_store_create(32u << 20);
	uint64_t kept[PODS] = { 0 }, first[PODS], standing, total = 0;
	struct log_line line;

	log_server_break(bed.server, 0, 20000);
	log_server_break(bed.server, 3, 77777);
	log_server_break(bed.server, 5, 124999);
	follow_all(&bed, (struct log_follow_options){ 0 });
	take_until(&bed, store, passed, 40000);
	standing = wait_for_standstill(&bed);
	assert_true(standing < (uint64_t)PODS * LINES);
	assert_in_range(log_reader_waiting_bytes(bed.reader), 1, LOG_READER_WAITING_MAX + LOG_BLOCK_BYTES);
	take_until(&bed, store, all_have, LINES);
	assert_int_equal(log_server_requests(bed.server), PODS + 3);
	assert_int_equal(bed.gaps, 0);
	assert_true(log_store_bytes(store) <= 32u << 20);
	for (uint64_t s = log_store_first(store); s < log_store_end(store); s++) {
		assert_true(log_store_line(store, s, &line));
		kept[line.source]++;
	}
	for (uint16_t i = 0; i < PODS; i++) {
		struct log_counts counts = log_store_counts_of(store, i);

		assert_int_equal(counts.received, LINES);
		assert_int_equal(counts.dropped + kept[i], LINES);
		first[i] = counts.dropped + 1;
		total += counts.dropped;
	}
	check_saved(store, PODS, first, LINES);
	assert_int_equal(log_store_counts(store).dropped, total);
	assert_true(total > 0); /* a million lines are more than 32 MiB */
}

static void what_the_node_rotated_away_meanwhile_is_a_gap(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(1, 100000);

	log_server_break(bed.server, 0, 30000);
	follow_all(&bed, (struct log_follow_options){ 0 });
	take_until(&bed, NULL, passed, 1);
	log_server_rotate(bed.server, 0, 60000);
	/* The line behind the gap does not follow the one before it: only the last matters here. */
	bed.last[0] = 0;
	AUTO_RELEASE(log_news) news = { 0 };
	struct log_line line;
	uint64_t before = 0, after = 0;

	for (int64_t end_ms = clock_now_ms(NULL) + 20000; !after && clock_now_ms(NULL) < end_ms;) {
		clock_wait_fd(NULL, NULL, log_reader_fd(bed.reader), clock_now_ms(NULL) + 50);
		while (log_reader_next(bed.reader, &news))
			for (struct log_cursor at = { 0 }; news.block && log_block_next(news.block, &at, &line);) {
				if (line.kind == LOG_GAP)
					bed.gaps++;
				else if (bed.gaps && !after)
					after = strtoull(line.text.p + 5, NULL, 10);
				else if (!bed.gaps)
					before = strtoull(line.text.p + 5, NULL, 10);
			}
	}
	assert_int_equal(bed.gaps, 1);
	assert_int_equal(before, 29999);
	assert_int_equal(after, 60000);
}

static void a_restart_is_a_cut_line_between_the_runs(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(2, 500);

	follow_all(&bed, (struct log_follow_options){ 0 });
	take_until(&bed, NULL, all_have, 500);
	log_server_restart(bed.server, 0);
	log_server_restart(bed.server, 1);
	take_until(&bed, NULL, all_have, 1000);
	assert_int_equal(bed.cuts, 2);
	assert_int_equal(bed.gaps, 0);
	assert_string_equal(bed.last_mark, "container main exited, code 3, restart 1");
}

static void the_former_run_is_joined_in_front(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(1, 500);

	log_server_restart(bed.server, 0);
	follow_all(&bed, (struct log_follow_options){ .run = 1, .previous = true, .last_exit_code = 3 });
	take_until(&bed, NULL, all_have, 1000);
	assert_int_equal(bed.cuts, 1);
	assert_string_equal(bed.last_mark, "container main exited, code 3, restart 1");
}

static void only_the_last_lines_are_read_when_so_wished(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(3, 5000);

	follow_all(&bed, (struct log_follow_options){ .tail = 10 });
	take_until(&bed, NULL, all_have, 5000);
	assert_int_equal(log_server_written(bed.server), 30);
}

static void a_deleted_pod_ends_its_stream_and_not_the_others(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(2, 100);

	follow_all(&bed, (struct log_follow_options){ 0 });
	take_until(&bed, NULL, all_have, 100);
	log_server_delete(bed.server, 1);
	take_until(&bed, NULL, has_ended, 1);
	assert_int_equal(bed.ended, 1);
}

static void more_than_fifty_wait_for_their_turn(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(55, 1);

	follow_all(&bed, (struct log_follow_options){ 0 });
	for (unsigned i = 0; i < 5; i++)
		log_server_delete(bed.server, i);
	take_until(&bed, NULL, has_ended, 5);
	take_until(&bed, NULL, all_have, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_gives_back_what_was_put_in),
		cmocka_unit_test(what_the_store_drops_is_counted_for_its_source),
		cmocka_unit_test(a_line_that_must_stay_makes_the_store_refuse_more),
		cmocka_unit_test(each_line_is_shown_or_filtered_or_dropped),
		cmocka_unit_test(cut_lines_pass_every_filter_and_are_counted_nowhere),
		cmocka_unit_test(lines_of_streams_in_step_come_by_time),
		cmocka_unit_test(a_silent_stream_is_waited_for_no_longer_than_the_window),
		cmocka_unit_test(what_another_stream_has_passed_already_does_not_wait_for_it),
		cmocka_unit_test(lines_that_come_up_to_two_seconds_late_come_out_in_order),
		cmocka_unit_test(who_is_in_step_alone_or_beside_a_quiet_one_is_never_held_back_for_longer_than_the_window),
		cmocka_unit_test(who_was_late_and_is_quiet_now_is_not_waited_for_any_more),
		cmocka_unit_test(what_a_stream_begins_with_makes_nobody_late),
		cmocka_unit_test(a_stream_that_was_lost_a_moment_ago_is_waited_for),
		cmocka_unit_test(who_has_not_answered_is_waited_for_as_long_as_answers_take),
		cmocka_unit_test(merging_changes_nothing_of_a_line),
		cmocka_unit_test(a_stream_keeps_its_own_order_whatever_its_times),
		cmocka_unit_test(a_million_lines_come_once_and_in_order_over_lost_connections_and_a_pause),
		cmocka_unit_test(what_the_node_rotated_away_meanwhile_is_a_gap),
		cmocka_unit_test(a_restart_is_a_cut_line_between_the_runs),
		cmocka_unit_test(the_former_run_is_joined_in_front),
		cmocka_unit_test(only_the_last_lines_are_read_when_so_wished),
		cmocka_unit_test(a_deleted_pod_ends_its_stream_and_not_the_others),
		cmocka_unit_test(more_than_fifty_wait_for_their_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
