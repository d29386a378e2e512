/*
 * What a feed says of a watch, byte by byte: only what was decoded is a proof, only what is lasting is a pause, and only what
 * cannot come any more is a doubt. The server writes what the test tells it; time is the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"
#include "kube/feed.h"
#include "watch_server.h"

#define REAL_LIMIT_MS 20000
#define WATCH_READ_MS (HTTP_WATCH_REST_MS + 4)

struct bed {
	struct watch_server *server;
	struct clock *clock;
	struct net *net;
	struct http *http;
	struct feed *feed;
	pthread_mutex_t lock; /* over what follows: written by the net thread */
	enum scope_state state;
	char why[256];
	unsigned objects, lists, proofs, doubts, breaks;
	int64_t proof_ms; /* the last flush that held a proof, an object or a list's end */
	bool half;	  /* a list was begun */
	unsigned news;	  /* since the last flush */
	unsigned asked;	  /* requests that the feed made */
	unsigned given_up; /* of them, before they reached the server */
	unsigned written; /* to watches, when the bed last settled */
	unsigned turns;	  /* of the watch, and pages */
};

static int64_t now_ms(void *arg)
{
	return clock_wall_ms(((struct bed *)arg)->clock);
}

static bool on_field(const struct json_field *field, void *arg, struct error *err)
{
	struct str *texts = arg;

	(void)err;
	if (field->kind == JSON_IS_STRING)
		texts[field->path] = field->text;
	return true;
}

static bool on_object(struct feed *feed, enum row_op op, struct str json, void *arg)
{
	static const char *const paths[] = { "metadata.uid", "metadata.resourceVersion" };
	AUTO(json_fields) fields = json_fields_create(paths, ARRAY_LEN(paths));
	AUTO_RELEASE(error) ignored = { 0 };
	struct str texts[2] = { { 0 } };
	struct bed *bed = arg;

	if (!json_visit(fields, json, on_field, texts, &ignored) || !texts[0].len)
		return false;
	feed_note(feed, op, texts[0], texts[1]);
	pthread_mutex_lock(&bed->lock);
	bed->objects++;
	bed->news++;
	pthread_mutex_unlock(&bed->lock);
	return true;
}

static void on_mark(enum row_op op, void *arg)
{
	struct bed *bed = arg;

	pthread_mutex_lock(&bed->lock);
	bed->half = op == ROW_LIST_BEGIN || (bed->half && op != ROW_LIST_END);
	bed->lists += op == ROW_LIST_END;
	bed->proofs += op == ROW_PROOF;
	bed->news += op != ROW_LIST_BEGIN;
	if (op == ROW_LIST_END) { /* as a store does */
		bed->state = SCOPE_LIVE;
		*bed->why = '\0';
	}
	pthread_mutex_unlock(&bed->lock);
}

static void on_flush(void *arg)
{
	struct bed *bed = arg;

	pthread_mutex_lock(&bed->lock);
	if (bed->news && !bed->half)
		bed->proof_ms = clock_now_ms(bed->clock);
	bed->news = 0;
	bed->turns++;
	pthread_mutex_unlock(&bed->lock);
}

static void on_state(enum scope_state state, const char *why, int64_t retry_ms, void *arg)
{
	struct bed *bed = arg;

	(void)retry_ms;
	pthread_mutex_lock(&bed->lock);
	bed->doubts += state == SCOPE_DOUBTED && bed->state != SCOPE_DOUBTED;
	bed->breaks += state == SCOPE_BROKEN && bed->state != SCOPE_BROKEN;
	bed->state = state;
	snprintf(bed->why, sizeof bed->why, "%s", why);
	pthread_mutex_unlock(&bed->lock);
}

static void prepare(struct http_request *request, void *arg)
{
	struct bed *bed = arg;

	(void)request;
	pthread_mutex_lock(&bed->lock);
	bed->asked++;
	pthread_mutex_unlock(&bed->lock);
}

static const struct feed_ops ops = { .now_ms = now_ms, .on_object = on_object, .on_mark = on_mark, .on_flush = on_flush, .on_state = on_state, .prepare = prepare };

static void start(void *arg)
{
	feed_start(((struct bed *)arg)->feed);
}

static void end(void *arg)
{
	feed_destroy(((struct bed *)arg)->feed);
}

static struct bed *bed_create_of(const char *resource)
{
	struct bed *bed = xcalloc(1, sizeof *bed);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *url = NULL;

	bed->server = watch_server_start();
	bed->clock = clock_create_manual(INT64_C(1700000000000));
	pthread_mutex_init(&bed->lock, NULL);
	url = xasprintf("http://127.0.0.1:%u", watch_server_port(bed->server));
	bed->net = net_create(bed->clock, &err);
	bed->http = http_create(bed->net, &(struct http_options){ .base_url = url, .probe_path = "" }, &err);
	if (!bed->http)
		fail_msg("%s", err.message);
	bed->feed = feed_create(bed->net, bed->http, &(struct feed_source){ .group = "", .version = "v1", .resource = resource, .namespace = "" }, &ops, bed);
	watch_server_put(bed->server, "one", 10);
	return bed;
}

static struct bed *bed_create(void)
{
	return bed_create_of("configmaps");
}

static void bed_start(struct bed *bed)
{
	net_post(bed->net, start, bed);
}

static void bed_destroy(struct bed *bed)
{
	net_post_and_wait(bed->net, end, bed);
	http_destroy(bed->http);
	net_destroy(bed->net);
	watch_server_stop(bed->server);
	clock_destroy(bed->clock);
	pthread_mutex_destroy(&bed->lock);
	free(bed);
}
DEFINE_AUTO(bed);

/* What the feed has said so far. */
static struct bed said(struct bed *bed)
{
	struct bed copy;

	pthread_mutex_lock(&bed->lock);
	copy = *bed;
	pthread_mutex_unlock(&bed->lock);
	return copy;
}

/* The network has short timers of its own: the clock creeps. */
#define UNTIL(bed, condition)                                                      \
	do {                                                                       \
		int64_t end_ = clock_now_ms(NULL) + REAL_LIMIT_MS;                 \
		while (!(condition)) {                                             \
			if (clock_now_ms(NULL) >= end_)                            \
				fail_msg("never came: %s (%s)", #condition, said(bed).why); \
			nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL); \
			clock_advance((bed)->clock, 1);                            \
		}                                                                  \
	} while (0)

/* One request there and back: what was written to the feed before has been read by it. */
static void ping(struct bed *bed)
{
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	if (!http_call(bed->http, &(struct http_request){ .path = "/ping", .attempts = 1 }, NULL, &response, &err))
		fail_msg("%s", err.message);
}

static unsigned arrived(struct bed *bed)
{
	unsigned n = bed->given_up;

	for (enum watch_ask ask = 0; ask < ASK_N; ask++)
		n += watch_server_asked(bed->server, ask);
	return n;
}

/* What the clock set off has been asked, answered and read, however slow the machine is. */
static void settle(struct bed *bed)
{
	unsigned asked;

	ping(bed);
	do {
		unsigned writes = watch_server_writes(bed->server);
		int64_t end = clock_now_ms(NULL) + 200;

		while (arrived(bed) < said(bed).asked && clock_now_ms(NULL) < end)
			nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
		asked = said(bed).asked;
		if (arrived(bed) < asked)
			bed->given_up += asked - arrived(bed);
		if (writes != bed->written)
			nanosleep(&(struct timespec){ .tv_nsec = WATCH_READ_MS * 1000000 }, NULL);
		bed->written = writes;
		ping(bed);
		ping(bed);
	} while (said(bed).asked != asked);
}

static void pass(struct bed *bed, int64_t seconds)
{
	for (int64_t s = 0; s < seconds; s++) {
		clock_advance(bed->clock, 1000);
		settle(bed);
	}
}

/* The same as UNTIL, for what the feed pauses before: second by second. */
#define PASS_UNTIL(bed, limit_s, condition)                                             \
	do {                                                                            \
		for (int s_ = 0; !(condition); s_++) {                                  \
			if (s_ >= (limit_s))                                            \
				fail_msg("not in %d s: %s (%s)", limit_s, #condition, said(bed).why); \
			pass(bed, 1);                                                   \
		}                                                                       \
	} while (0)

/* A list of one object, and a watch that is open. */
static struct bed *bed_ready(void)
{
	struct bed *bed = bed_create();

	bed_start(bed);
	UNTIL(bed, said(bed).state == SCOPE_LIVE && watch_server_is_watched(bed->server));
	return bed;
}

/* An event that the feed has read. */
static void event(struct bed *bed, const char *type, const char *name, unsigned version)
{
	unsigned turns = said(bed).turns;

	watch_server_event(bed->server, type, name, version);
	UNTIL(bed, said(bed).turns > turns);
}

static int64_t age_s(struct bed *bed)
{
	return (clock_now_ms(bed->clock) - said(bed).proof_ms) / 1000;
}

static void hang(struct bed *bed, enum watch_ask ask)
{
	watch_server_answer(bed->server, ask, (struct watch_answer){ .hangs = true });
}

static void be_good(struct bed *bed, enum watch_ask ask)
{
	watch_server_answer(bed->server, ask, (struct watch_answer){ 0 });
}

/* ---- what is a proof ---- */

static const char junk[] = "\x16\x03\x01 this is \x1b[31mno\x1b[0m JSON \xff\xfe";

static void a_watch_that_is_accepted_and_then_sends_garbage_is_no_proof(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	hang(bed, ASK_AUDIT);
	hang(bed, ASK_LIST);
	watch_server_answer(bed->server, ASK_WATCH, (struct watch_answer){ .greeting = junk });
	watch_server_send(bed->server, junk);
	UNTIL(bed, said(bed).state == SCOPE_BROKEN);
	assert_non_null(strstr(said(bed).why, "not the expected JSON"));
	unsigned lists = said(bed).lists, breaks = said(bed).breaks;

	pass(bed, 60);
	assert_true(watch_server_asked(bed->server, ASK_WATCH) >= 3);
	assert_int_equal(said(bed).state, SCOPE_BROKEN);
	assert_int_equal(said(bed).breaks, breaks); /* nobody said LIVE in between */
	assert_int_equal(said(bed).lists, lists);
	assert_in_range(age_s(bed), 55, 75);
}

static void an_accepted_watch_that_says_nothing_is_proven_by_an_audit(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	hang(bed, ASK_AUDIT);
	watch_server_send(bed->server, junk);
	UNTIL(bed, said(bed).state == SCOPE_BROKEN);
	pass(bed, 3);
	assert_true(watch_server_is_watched(bed->server));
	assert_int_equal(said(bed).state, SCOPE_BROKEN); /* accepted, but nothing more is known */
	be_good(bed, ASK_AUDIT);
	pass(bed, 35);
	assert_int_equal(said(bed).state, SCOPE_LIVE);
	assert_in_range(age_s(bed), 0, 16);
}

static void an_event_and_a_bookmark_are_proofs_at_once(void **state)
{
	static const char *const types[] = { "MODIFIED", "BOOKMARK" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		AUTO(bed) bed = bed_ready();

			hang(bed, ASK_AUDIT);
		watch_server_send(bed->server, junk);
		UNTIL(bed, said(bed).state == SCOPE_BROKEN);
		PASS_UNTIL(bed, 5, watch_server_asked(bed->server, ASK_WATCH) == 2 && watch_server_is_watched(bed->server));
		assert_int_equal(said(bed).state, SCOPE_BROKEN);
		watch_server_event(bed->server, types[i], i ? NULL : "one", 11);
		UNTIL(bed, said(bed).state == SCOPE_LIVE);
		assert_string_equal(said(bed).why, "");
		assert_in_range(age_s(bed), 0, 1);
	}
}

static void an_event_without_a_known_object_is_no_proof(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	hang(bed, ASK_AUDIT);
	pass(bed, 20);
	for (int i = 0; i < 4; i++)
		watch_server_send(bed->server, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\"}}\n");
	pass(bed, 1);
	assert_in_range(age_s(bed), 20, 25);
	watch_server_event(bed->server, "ADDED", "two", 12);
	UNTIL(bed, said(bed).objects == 2); /* the stream went on */
	assert_in_range(age_s(bed), 0, 1);
}

struct logged {
	pthread_mutex_t lock;
	struct buf text;
};

static void on_log(struct str line, void *arg)
{
	struct logged *logged = arg;

	pthread_mutex_lock(&logged->lock);
	buf_add_str(&logged->text, line);
	pthread_mutex_unlock(&logged->lock);
}

static void garbage_three_times_in_a_row_lists_again_and_is_logged_without_its_control_bytes(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();
	struct logged logged = { .lock = PTHREAD_MUTEX_INITIALIZER, .text = BUF_INIT(1 << 20) };
	AUTO_RELEASE(buf) long_junk = BUF_INIT(0);

	buf_adds(&long_junk, junk);
	for (int i = 0; i < 300; i++)
		buf_adds(&long_junk, "~");
	log_set_sink(on_log, &logged);
	log_set_level(LOG_LEVEL_DEBUG);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(watch_server_asked(bed->server, ASK_LIST), 1);
		PASS_UNTIL(bed, 10, watch_server_asked(bed->server, ASK_WATCH) == i + 1 && watch_server_is_watched(bed->server));
		watch_server_send(bed->server, buf_cstr(&long_junk));
	}
	PASS_UNTIL(bed, 10, watch_server_asked(bed->server, ASK_LIST) == 2);
	log_set_level(LOG_LEVEL_INFO);
	log_set_sink(NULL, NULL);
	assert_non_null(strstr(buf_cstr(&logged.text), "garbage in a feed"));
	assert_non_null(strstr(buf_cstr(&logged.text), "so_far=3"));
	assert_non_null(strstr(buf_cstr(&logged.text), "this is"));
	assert_null(strstr(buf_cstr(&logged.text), "\x1b["));
	assert_null(strchr(buf_cstr(&logged.text), 0xff));
	assert_true(strspn(strchr(buf_cstr(&logged.text), '~'), "~") < 200);
	buf_release(&logged.text);
}

static void garbage_where_secrets_are_is_counted_but_not_logged(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_create_of("secrets");
	struct logged logged = { .lock = PTHREAD_MUTEX_INITIALIZER, .text = BUF_INIT(1 << 20) };

	log_set_sink(on_log, &logged);
	log_set_level(LOG_LEVEL_DEBUG);
	bed_start(bed);
	UNTIL(bed, said(bed).state == SCOPE_LIVE && watch_server_is_watched(bed->server));
	watch_server_send(bed->server, "{\"type\":\"AEDED\",\"object\":{\"data\":{\"key\":\"cGxhbnRlZA==\"}}}\n");
	UNTIL(bed, said(bed).state == SCOPE_BROKEN);
	log_set_level(LOG_LEVEL_INFO);
	log_set_sink(NULL, NULL);
	assert_non_null(strstr(buf_cstr(&logged.text), "so_far=1"));
	assert_null(strstr(buf_cstr(&logged.text), "cGxhbnRlZA"));
	buf_release(&logged.text);
}

static void garbage_between_good_events_goes_on_from_the_last_of_them(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	hang(bed, ASK_AUDIT);
	for (unsigned i = 0; i < 5; i++) {
		AUTO_FREE char *last = NULL, *wanted = xasprintf("resourceVersion=%u", i ? 10 + i : 10);

		PASS_UNTIL(bed, 10, watch_server_asked(bed->server, ASK_WATCH) == i + 1 && watch_server_is_watched(bed->server));
		last = watch_server_last(bed->server, ASK_WATCH);
		assert_non_null(strstr(last, wanted));
		watch_server_event(bed->server, "MODIFIED", "one", 11 + i);
		watch_server_send(bed->server, junk);
	}
	assert_int_equal(watch_server_asked(bed->server, ASK_LIST), 1);
}

static void a_watch_that_ends_inside_of_an_event_counts_as_garbage(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	pass(bed, 5);
	watch_server_send(bed->server, "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"na");
	watch_server_end_watch(bed->server);
	UNTIL(bed, said(bed).state == SCOPE_BROKEN);
	assert_non_null(strstr(said(bed).why, "cut off"));
}

/* Nothing of it reaches the objects; the watch goes on from the version that it had, and one good event makes up for it. */
static void whatever_a_watch_sends_that_is_no_event_ends_it_and_harms_nothing(void **state)
{
	AUTO_RELEASE(buf) deep = BUF_INIT(0);
	AUTO_RELEASE(buf) large = BUF_INIT(0);

	(void)state;
	buf_adds(&deep, "{\"type\":\"ADDED\",\"object\":");
	buf_add_repeat(&deep, '[', 10000);
	buf_adds(&large, "{\"type\":\"ADDED\",\"object\":{\"x\":\"");
	buf_add_repeat(&large, 'x', 10 << 20);
	const char *const rows[] = {
		buf_cstr(&deep),
		buf_cstr(&large),
		"{\"type\":\"AEDED\",\"object\":{\"metadata\":{\"uid\":\"x\",\"resourceVersion\":\"99\"}}}\n",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"uid\":\"x\",\"resourceVersion\":\"99\"}}]\n",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"uid\":\"x\" \"resourceVersion\":\"99\"}}}\n",
		"[{\"type\":\"ADDED\"}]\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"<html>502 Bad Gateway</html>",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(bed) bed = bed_ready();
		AUTO_FREE char *last = NULL;

		hang(bed, ASK_AUDIT);
		watch_server_send(bed->server, rows[i]);
		UNTIL(bed, said(bed).state == SCOPE_BROKEN);
		assert_true(*said(bed).why);
		assert_int_equal(said(bed).objects, 1);
		PASS_UNTIL(bed, 5, watch_server_asked(bed->server, ASK_WATCH) == 2);
		last = watch_server_last(bed->server, ASK_WATCH);
		assert_non_null(strstr(last, "resourceVersion=10"));
		event(bed, "MODIFIED", "one", 11);
		UNTIL(bed, said(bed).state == SCOPE_LIVE);
		assert_int_equal(watch_server_asked(bed->server, ASK_LIST), 1);
	}
}

/* ---- watches that end ---- */

static void a_watch_that_delivered_is_resumed_at_once_however_short_it_was(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();
	int64_t began;

	began = clock_now_ms(bed->clock);
	for (unsigned i = 0; i < 5; i++) {
		AUTO_FREE char *wanted = xasprintf("resourceVersion=%u", 11 + i), *last = NULL;

		watch_server_event(bed->server, "MODIFIED", "one", 11 + i);
		watch_server_end_watch(bed->server);
		UNTIL(bed, watch_server_asked(bed->server, ASK_WATCH) == i + 2 && watch_server_is_watched(bed->server));
		last = watch_server_last(bed->server, ASK_WATCH);
		assert_non_null(strstr(last, wanted));
	}
	/* Only what the clock crept while the test waited: a pause would be 400 ms each. */
	assert_in_range(clock_now_ms(bed->clock) - began, 0, 1500);
	assert_int_equal(said(bed).breaks, 0);
	assert_int_equal(said(bed).state, SCOPE_LIVE);
}

static void watches_that_end_behind_each_bookmark_never_spin_and_say_so(void **state)
{
	static const char bookmark[] = "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"10\"}}}\n";
	(void)state;
	AUTO(bed) bed = bed_ready();
	unsigned before;

	watch_server_answer(bed->server, ASK_WATCH, (struct watch_answer){ .greeting = bookmark, .ends = true });
	watch_server_end_watch(bed->server);
	pass(bed, 10);
	before = watch_server_asked(bed->server, ASK_WATCH);
	pass(bed, 60);
	assert_in_range(watch_server_asked(bed->server, ASK_WATCH) - before, 30, 80);
	assert_int_equal(said(bed).state, SCOPE_LIVE);
	assert_string_equal(said(bed).why, "the server ends each watch early");
	assert_in_range(age_s(bed), 0, 2);
	be_good(bed, ASK_WATCH);
	pass(bed, 20);
	assert_true(watch_server_is_watched(bed->server));
	assert_string_equal(said(bed).why, "");
}

static void where_each_watch_ends_with_nothing_there_is_none_and_that_is_said(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	watch_server_answer(bed->server, ASK_WATCH, (struct watch_answer){ .ends = true });
	watch_server_end_watch(bed->server);
	UNTIL(bed, said(bed).state == SCOPE_BROKEN);
	assert_non_null(strstr(said(bed).why, "ends the watch at once"));
	pass(bed, 120);
	assert_int_equal(said(bed).state, SCOPE_BROKEN);
	assert_int_equal(said(bed).breaks, 1);
	assert_in_range(age_s(bed), 0, 31); /* audits prove what is shown */
	assert_in_range(watch_server_asked(bed->server, ASK_WATCH), 5, 40);
	be_good(bed, ASK_WATCH);
	pass(bed, 35);
	assert_int_equal(said(bed).state, SCOPE_LIVE);
}

static void a_watch_that_lasted_is_resumed_without_a_word(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	for (unsigned i = 0; i < 4; i++) {
		pass(bed, 2);
		watch_server_end_watch(bed->server);
		UNTIL(bed, watch_server_asked(bed->server, ASK_WATCH) == i + 2 && watch_server_is_watched(bed->server));
	}
	assert_int_equal(said(bed).breaks, 0);
	assert_string_equal(said(bed).why, "");
}

static void a_watch_that_ends_because_the_server_is_busy_waits_as_asked_and_never_lists_again(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	hang(bed, ASK_AUDIT);
	for (unsigned i = 0; i < 5; i++) {
		PASS_UNTIL(bed, 20, watch_server_asked(bed->server, ASK_WATCH) == i + 1 && watch_server_is_watched(bed->server));
		watch_server_send(bed->server, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":429,\"message\":\"too many\",\"details\":{\"retryAfterSeconds\":12}}}\n");
		UNTIL(bed, said(bed).state == SCOPE_BROKEN);
		assert_non_null(strstr(said(bed).why, "too many"));
		pass(bed, 10);
		assert_int_equal(watch_server_asked(bed->server, ASK_WATCH), i + 1);
	}
	assert_int_equal(watch_server_asked(bed->server, ASK_LIST), 1);
}

static void an_audit_that_is_told_to_wait_for_years_waits_a_minute(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	watch_server_answer(bed->server, ASK_AUDIT, (struct watch_answer){ .status = 503, .retry_after_s = 999999999 });
	PASS_UNTIL(bed, 120, said(bed).state == SCOPE_BROKEN); /* the watch is silent meanwhile */
	assert_non_null(strstr(said(bed).why, "silent"));
	be_good(bed, ASK_AUDIT);
	PASS_UNTIL(bed, 65, said(bed).state == SCOPE_LIVE);
}

/* ---- rights ---- */

static void refuse(struct bed *bed, enum watch_ask ask, int status)
{
	watch_server_answer(bed->server, ask, (struct watch_answer){ .status = status });
}

static void with_the_right_to_list_only_the_list_is_read_each_10_s_and_that_is_said(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_create();
	unsigned lists;

	refuse(bed, ASK_WATCH, 403);
	bed_start(bed);
	UNTIL(bed, said(bed).state == SCOPE_LIVE && *said(bed).why);
	assert_string_equal(said(bed).why, "no right to watch: listed again each 10 s");
	lists = watch_server_asked(bed->server, ASK_LIST);
	for (int i = 0; i < 120; i++) {
		pass(bed, 5);
		assert_in_range(age_s(bed), 0, 21);
		assert_int_equal(said(bed).state, SCOPE_LIVE);
	}
	assert_in_range(watch_server_asked(bed->server, ASK_LIST) - lists, 40, 61);
	assert_in_range(watch_server_asked(bed->server, ASK_WATCH), 5, 11); /* whether the right has come */
	assert_int_equal(said(bed).breaks + said(bed).doubts, 0);
	be_good(bed, ASK_WATCH);
	pass(bed, 75);
	assert_true(watch_server_is_watched(bed->server));
	assert_string_equal(said(bed).why, "");
}

static void a_right_to_watch_that_is_missing_after_an_outage_lists_at_once(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	hang(bed, ASK_AUDIT);
	refuse(bed, ASK_WATCH, 500);
	watch_server_send(bed->server, junk);
	UNTIL(bed, said(bed).state == SCOPE_BROKEN);
	refuse(bed, ASK_WATCH, 403);
	PASS_UNTIL(bed, 10, said(bed).state == SCOPE_LIVE);
	assert_in_range(age_s(bed), 0, 1); /* LIVE is said of what was read by now, not of what is to be read soon */
}

/* The server sends a bookmark 2 s before a watch times out. */
static unsigned timeout_s(struct bed *bed, enum watch_ask ask)
{
	AUTO_FREE char *last = watch_server_last(bed->server, ask);
	const char *at = strstr(last, "timeoutSeconds=");

	return at ? (unsigned)atoi(at + 15) : 0;
}

static void with_the_right_to_watch_only_bookmarks_are_the_proof_and_it_is_never_unknown(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_create();
	unsigned watches;

	refuse(bed, ASK_LIST, 403);
	refuse(bed, ASK_AUDIT, 403);
	bed_start(bed);
	UNTIL(bed, watch_server_is_watched(bed->server));
	watch_server_event(bed->server, "ADDED", "one", 10);
	watch_server_whole(bed->server, 10);
	UNTIL(bed, said(bed).state == SCOPE_LIVE);
	assert_in_range(timeout_s(bed, ASK_STREAM), 5, 25);
	for (int i = 0; i < 30; i++) {
		unsigned limit = timeout_s(bed, i ? ASK_WATCH : ASK_STREAM);

		assert_in_range(limit, 5, 25);
		pass(bed, limit - 2);
		event(bed, "BOOKMARK", NULL, 10);
		pass(bed, 2);
		assert_in_range(age_s(bed), 0, 25);
		assert_int_equal(said(bed).state, SCOPE_LIVE);
		watches = watch_server_asked(bed->server, ASK_WATCH);
		watch_server_end_watch(bed->server);
		UNTIL(bed, watch_server_asked(bed->server, ASK_WATCH) == watches + 1 && watch_server_is_watched(bed->server));
	}
	assert_int_equal(said(bed).breaks, 0);
	assert_int_equal(watch_server_asked(bed->server, ASK_STREAM), 1);
	assert_in_range(watch_server_asked(bed->server, ASK_AUDIT), 0, 12); /* each minute: whether the right has come */
	/* It came: audits again. */
	be_good(bed, ASK_AUDIT);
	pass(bed, 120);
	assert_in_range(age_s(bed), 0, 16);
	assert_true(timeout_s(bed, ASK_WATCH) > 0);
}

static void with_the_right_to_watch_only_a_silent_watch_is_replaced(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_create();

	refuse(bed, ASK_LIST, 403);
	refuse(bed, ASK_AUDIT, 403);
	bed_start(bed);
	UNTIL(bed, watch_server_is_watched(bed->server));
	watch_server_event(bed->server, "ADDED", "one", 10);
	watch_server_whole(bed->server, 10);
	UNTIL(bed, said(bed).state == SCOPE_LIVE);
	pass(bed, 32); /* neither a bookmark nor an end */
	assert_int_equal(said(bed).breaks, 1);
	assert_non_null(strstr(said(bed).why, "silent"));
	PASS_UNTIL(bed, 5, watch_server_asked(bed->server, ASK_WATCH) >= 1);
	assert_in_range(timeout_s(bed, ASK_WATCH), 3, 6); /* a bookmark is wanted soon */
	watch_server_event(bed->server, "BOOKMARK", NULL, 10);
	UNTIL(bed, said(bed).state == SCOPE_LIVE);
}

static void a_right_to_watch_that_goes_and_comes_is_found_within_two_minutes_also_without_lists(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_create();

	for (enum watch_ask ask = 0; ask < ASK_N; ask++)
		refuse(bed, ask, 403);
	bed_start(bed);
	UNTIL(bed, said(bed).state == SCOPE_FORBIDDEN);
	be_good(bed, ASK_STREAM);
	be_good(bed, ASK_WATCH);
	for (int i = 0; i < 120 && !watch_server_is_watched(bed->server); i++)
		pass(bed, 1);
	assert_true(watch_server_is_watched(bed->server));
	watch_server_whole(bed->server, 10);
	UNTIL(bed, said(bed).state == SCOPE_LIVE);
}

/* ---- what an audit makes of a watch that is behind ---- */

static void a_watch_that_is_behind_but_moves_is_not_doubted(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	watch_server_put(bed->server, "one", 900); /* as the audits see it; the watch brings it step by step */
	for (unsigned version = 11; version < 41; version++) {
		pass(bed, 2);
		event(bed, "MODIFIED", "other", version);
	}
	assert_true(watch_server_asked(bed->server, ASK_AUDIT) >= 6);
	assert_int_equal(said(bed).doubts, 0);
	assert_int_equal(watch_server_asked(bed->server, ASK_LIST), 1);
	/* It stops: what has not come by now does not come. */
	pass(bed, 25);
	assert_true(said(bed).doubts > 0);
	assert_int_equal(watch_server_asked(bed->server, ASK_LIST), 2);
}

static void a_change_that_a_moving_watch_has_passed_is_doubted(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_ready();

	watch_server_put(bed->server, "two", 20);
	for (unsigned version = 21; version < 40 && !said(bed).doubts; version++) {
		watch_server_put(bed->server, "one", version);
		event(bed, "MODIFIED", "one", version); /* "two" never came */
		pass(bed, 2);
	}
	assert_true(said(bed).doubts > 0);
	assert_int_equal(watch_server_asked(bed->server, ASK_LIST), 2);
}

/* ---- audits of collections that are read in parts ---- */

#define CROWD 2500 /* three parts */
#define PART_S 15

static char *crowd_name(unsigned i)
{
	return xasprintf("crowd-%04u", i);
}

static void change_of_crowd(struct bed *bed, unsigned i, unsigned version)
{
	AUTO_FREE char *name = crowd_name(i);

	watch_server_put(bed->server, name, version);
	event(bed, "MODIFIED", name, version);
}

static struct bed *bed_crowded(void)
{
	struct bed *bed = bed_create();

	for (unsigned i = 0; i < CROWD; i++) {
		AUTO_FREE char *name = crowd_name(i);

		watch_server_put(bed->server, name, 20 + i);
	}
	bed_start(bed);
	UNTIL(bed, said(bed).state == SCOPE_LIVE && watch_server_is_watched(bed->server));
	return bed;
}

static void what_changed_since_an_audit_began_is_no_doubt_for_its_later_parts(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_crowded();
	AUTO_FREE char *gone = crowd_name(1300), *late = crowd_name(2300);
	unsigned lists = watch_server_asked(bed->server, ASK_LIST), proofs;

	pass(bed, PART_S + 1);
	change_of_crowd(bed, 1200, 5000);
	watch_server_drop(bed->server, gone, 5001);
	event(bed, "DELETED", gone, 5001);
	watch_server_drop(bed->server, late, 5002);
	event(bed, "DELETED", late, 5002);
	watch_server_put(bed->server, "new", 5003);
	event(bed, "ADDED", "new", 5003);
	proofs = said(bed).proofs;
	pass(bed, 6 * PART_S);
	assert_int_equal(said(bed).doubts, 0);
	assert_int_equal(watch_server_asked(bed->server, ASK_LIST), lists);
	assert_in_range(said(bed).proofs - proofs, 5, 7); /* each part was one at once */
}

static void a_change_that_was_lost_in_a_later_part_is_doubted_in_the_next_round(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_crowded();
	AUTO_FREE char *lost = crowd_name(1200);

	pass(bed, PART_S + 1);
	watch_server_put(bed->server, lost, 5000); /* no event */
	change_of_crowd(bed, 1201, 5001);
	PASS_UNTIL(bed, 6 * PART_S, said(bed).doubts > 0);
}

static void an_object_that_only_the_audit_knows_is_doubted_in_a_later_part_too(void **state)
{
	(void)state;
	AUTO(bed) bed = bed_crowded();

	pass(bed, PART_S + 1);
	watch_server_put(bed->server, "unseen", 5000);
	change_of_crowd(bed, 1, 5001);
	PASS_UNTIL(bed, 8 * PART_S, said(bed).doubts > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watch_that_is_accepted_and_then_sends_garbage_is_no_proof),
		cmocka_unit_test(an_accepted_watch_that_says_nothing_is_proven_by_an_audit),
		cmocka_unit_test(an_event_and_a_bookmark_are_proofs_at_once),
		cmocka_unit_test(an_event_without_a_known_object_is_no_proof),
		cmocka_unit_test(garbage_three_times_in_a_row_lists_again_and_is_logged_without_its_control_bytes),
		cmocka_unit_test(garbage_where_secrets_are_is_counted_but_not_logged),
		cmocka_unit_test(garbage_between_good_events_goes_on_from_the_last_of_them),
		cmocka_unit_test(a_watch_that_ends_inside_of_an_event_counts_as_garbage),
		cmocka_unit_test(whatever_a_watch_sends_that_is_no_event_ends_it_and_harms_nothing),
		cmocka_unit_test(a_watch_that_delivered_is_resumed_at_once_however_short_it_was),
		cmocka_unit_test(watches_that_end_behind_each_bookmark_never_spin_and_say_so),
		cmocka_unit_test(where_each_watch_ends_with_nothing_there_is_none_and_that_is_said),
		cmocka_unit_test(a_watch_that_lasted_is_resumed_without_a_word),
		cmocka_unit_test(a_watch_that_ends_because_the_server_is_busy_waits_as_asked_and_never_lists_again),
		cmocka_unit_test(an_audit_that_is_told_to_wait_for_years_waits_a_minute),
		cmocka_unit_test(with_the_right_to_list_only_the_list_is_read_each_10_s_and_that_is_said),
		cmocka_unit_test(a_right_to_watch_that_is_missing_after_an_outage_lists_at_once),
		cmocka_unit_test(with_the_right_to_watch_only_bookmarks_are_the_proof_and_it_is_never_unknown),
		cmocka_unit_test(with_the_right_to_watch_only_a_silent_watch_is_replaced),
		cmocka_unit_test(a_right_to_watch_that_goes_and_comes_is_found_within_two_minutes_also_without_lists),
		cmocka_unit_test(a_watch_that_is_behind_but_moves_is_not_doubted),
		cmocka_unit_test(a_change_that_a_moving_watch_has_passed_is_doubted),
		cmocka_unit_test(what_changed_since_an_audit_began_is_no_doubt_for_its_later_parts),
		cmocka_unit_test(a_change_that_was_lost_in_a_later_part_is_doubted_in_the_next_round),
		cmocka_unit_test(an_object_that_only_the_audit_knows_is_doubted_in_a_later_part_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
