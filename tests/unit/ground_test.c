#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"
#include "base/net_half.h"
#include "base/queue.h"
#include "base/secret.h"
#include "base/timer.h"
#include "base/url.h"
#include "base/utc.h"

/* ---- utc ---- */

static void rfc3339_times_are_read_with_any_fraction_and_offset(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t us;
	} table[] = {
		{ "1970-01-01T00:00:00Z", true, 0 },
		{ "2024-02-29T12:30:45Z", true, INT64_C(1709209845000000) },
		{ "2024-02-29T12:30:45.123456789Z", true, INT64_C(1709209845123456) },
		{ "2024-02-29T12:30:45.5+02:00", true, INT64_C(1709202645500000) },
		{ "2024-02-29T12:30:45-00:30", true, INT64_C(1709211645000000) },
		{ "0001-01-01T00:00:00Z", true, INT64_C(-62135596800000000) },
		{ "9999-12-31T23:59:59Z", true, INT64_C(253402300799000000) },
		{ "2023-02-29T12:30:45Z", false, 0 },
		{ "2024-02-29 12:30:45Z", false, 0 },
		{ "2024-02-29T12:30:45", false, 0 },
		{ "2024-02-29T12:30:45.Z", false, 0 },
		{ "2024-02-29T24:00:00Z", false, 0 },
		{ "2024-02-29T12:30:60Z", false, 0 },
		{ "2024-13-01T00:00:00Z", false, 0 },
		{ "2024-02-29T12:30:45Zx", false, 0 },
		{ "", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		int64_t us = 0;

		if (utc_parse_rfc3339(str_of(table[i].text), &us) != table[i].good || us != table[i].us)
			fail_msg("%s: %lld", table[i].text, (long long)us);
	}
}

static void times_print_as_they_were_read(void **state)
{
	char out[UTC_TEXT_MAX];
	int64_t us;

	(void)state;
	for (int64_t day = -800000; day < 800000; day += 997) {
		int64_t want = day * INT64_C(86400000000) + INT64_C(45296000007);

		if (want < INT64_C(-62135596800000000))
			continue;
		assert_true(utc_parse_rfc3339(str_of(utc_format_micro(want, out)), &us));
		assert_int_equal(us, want);
	}
	assert_string_equal(utc_format(-1, out), "1969-12-31T23:59:59Z");
	assert_string_equal(utc_format_http_date(INT64_C(784111777000000), out), "Sun, 06 Nov 1994 08:49:37 GMT");
	struct utc_fields f = utc_split(INT64_C(1709209845000000));

	assert_int_equal(f.weekday, 4);
	assert_int_equal(f.yearday, 60);
}

static void durations_follow_gos_syntax(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t ms;
	} table[] = {
		{ "0", true, 0 },
		{ "1h30m", true, 5400000 },
		{ "90s", true, 90000 },
		{ "500ms", true, 500 },
		{ "1.5h", true, 5400000 },
		{ "-2m", true, -120000 },
		{ "+5s", true, 5000 },
		{ ".5s", true, 500 },
		{ "1.s", true, 1000 },
		{ "1us", true, 0 },
		{ "1500µs", true, 1 },
		{ "1h1h", true, 7200000 },
		{ "10", false, 0 },
		{ "", false, 0 },
		{ "s", false, 0 },
		{ ".s", false, 0 },
		{ "1x", false, 0 },
		{ "1 s", false, 0 },
		{ "-", false, 0 },
		{ "1d", false, 0 },
		{ "9223372036s", true, INT64_C(9223372036000) },
		{ "9223372037s", false, 0 },
		{ "99999999999999999999h", false, 0 },
		{ "2562047h47m16.854775807s", true, INT64_C(9223372036854) },
		{ "2562047h47m16.854775808s", false, 0 },
		{ "0.3333333333333333333h", true, 1200000 - 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		int64_t ms = 0;

		if (duration_parse(str_of(table[i].text), &ms) != table[i].good || ms != table[i].ms)
			fail_msg("%s: %lld", table[i].text, (long long)ms);
	}
}

static void durations_print_as_go_does(void **state)
{
	static const struct {
		int64_t ms;
		const char *go, *brief;
	} table[] = {
		{ 0, "0s", "0ms" },	     { 500, "500ms", "500ms" },	  { 1000, "1s", "1s" },
		{ 1500, "1.5s", "1s" },	     { 90000, "1m30s", "1m30s" }, { 5400000, "1h30m0s", "1h30m" },
		{ 3600000, "1h0m0s", "1h" }, { -2500, "-2.5s", "-2s" },	  { 90061001, "25h1m1.001s", "1d1h" },
	};
	char out[UTC_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_string_equal(duration_format(table[i].ms, out), table[i].go);
		assert_string_equal(duration_format_short(table[i].ms, out), table[i].brief);
	}
}

/* ---- clock, timers, queue, net ---- */

static void note(void *arg)
{
	buf_addc(((struct buf **)arg)[0], *(char *)((void **)arg)[1]);
}

static void timers_fire_in_order_of_their_moments(void **state)
{
	struct timers timers = { 0 };
	AUTO_RELEASE(buf) order = BUF_INIT(0);
	struct timer all[26] = { 0 };
	char names[26];
	void *args[26][2];

	(void)state;
	for (int i = 0; i < 26; i++) {
		names[i] = (char)('a' + i);
		args[i][0] = &order;
		args[i][1] = &names[i];
		timer_set(&timers, &all[(i * 7) % 26], 0, note, NULL);
	}
	for (int i = 0; i < 26; i++) {
		int n = (i * 11) % 26;

		timer_set(&timers, &all[n], 100 + n / 2, note, args[n]);
	}
	timer_clear(&timers, &all[2]);
	timer_clear(&timers, &all[2]);
	assert_int_equal(timers_next_due_ms(&timers), 100);
	timers_run(&timers, 99);
	assert_int_equal(order.len, 0);
	timers_run(&timers, 1000);
	assert_int_equal(order.len, 25);
	assert_int_equal(timers_next_due_ms(&timers), INT64_MAX);
	for (size_t i = 1; i < order.len; i++)
		assert_true((order.p[i] - 'a') / 2 >= (order.p[i - 1] - 'a') / 2);
	timers_release(&timers);
}

struct again {
	struct timers *timers;
	struct timer timer;
	int count;
};

static void set_again(void *arg)
{
	struct again *again = arg;

	again->count++;
	timer_set(again->timers, &again->timer, 0, set_again, again);
}

static void a_timer_that_sets_itself_does_not_starve_the_loop(void **state)
{
	struct timers timers = { 0 };
	struct again again = { .timers = &timers };

	(void)state;
	timer_set(&timers, &again.timer, 0, set_again, &again);
	timers_run(&timers, 10);
	assert_int_equal(again.count, 1);
	timers_run(&timers, 10);
	assert_int_equal(again.count, 2);
	timers_release(&timers);
}

static void *sleep_an_hour(void *arg)
{
	AUTO_RELEASE(error) err = { 0 };

	return clock_sleep(arg, NULL, 3600000, &err) ? arg : NULL;
}

static void an_hour_passes_at_once_on_a_manual_clock(void **state)
{
	AUTO(clock) clock = clock_create_manual(5000);
	pthread_t thread;
	void *slept;

	(void)state;
	pthread_create(&thread, NULL, sleep_an_hour, clock);
	do
		clock_advance(clock, 600000);
	while (pthread_tryjoin_np(thread, &slept));
	assert_ptr_equal(slept, clock);
	assert_true(clock_wall_ms(clock) >= 3605000);
}

static void waiting_on_a_clock_ends_with_cancel(void **state)
{
	AUTO(cancel) cancel = cancel_create();
	AUTO(clock) clock = clock_create_manual(0);
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	cancel_request(cancel, 2);
	assert_false(clock_sleep(clock, cancel, 1000, &err));
	assert_false(clock_sleep(NULL, cancel, 100000, &err));
	assert_int_equal(err.kind, ERR_CANCELLED);
	assert_int_equal(clock_wait_fd(NULL, NULL, -1, clock_now_ms(NULL) + 5), 0);
}

static void *push_many(void *arg)
{
	for (intptr_t i = 1; i <= 20000; i++)
		queue_push(arg, xasprintf("%d", (int)i));
	return NULL;
}

static void a_queue_keeps_the_order_of_its_producers(void **state)
{
	AUTO(queue) queue = queue_create(free);
	AUTO_RELEASE(error) err = { 0 };
	pthread_t threads[2];
	int64_t sum = 0;

	(void)state;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, push_many, queue);
	for (int i = 0; i < 40000; i++) {
		char *item = queue_wait(queue, NULL, NULL, INT64_MAX, &err);

		sum += atoi(item);
		free(item);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sum, INT64_C(20000) * 20001);
	assert_null(queue_pop(queue));
	assert_null(queue_wait(queue, NULL, NULL, clock_now_ms(NULL) + 5, &err));
	assert_int_equal(err.kind, ERR_TIMEOUT);
	queue_push(queue, xstrdup("left behind"));
	queue_close(queue);
	assert_false(queue_push(queue, xstrdup("too late")));
}

static void add_one(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void the_net_thread_runs_what_is_posted_in_order(void **state)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO(net) net = net_create(NULL, &err);
	atomic_int n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		net_post(net, add_one, &n);
	net_post_and_wait(net, add_one, &n);
	assert_int_equal(n, 1001);
	assert_false(net_is_mine(net));
}

static void pauses_double_up_to_their_limit_and_differ_by_chance(void **state)
{
	struct backoff one = { .first_ms = 100, .max_ms = 1000, .seed = 1 }, other = { .first_ms = 100, .max_ms = 1000, .seed = 2 };
	static const int64_t whole[] = { 100, 200, 400, 800, 1000, 1000 };
	bool differ = false;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
		int64_t ms = backoff_next_ms(&one);

		assert_in_range(ms, whole[i] / 2, whole[i]);
		differ = differ || ms != backoff_next_ms(&other);
	}
	assert_true(differ);
	one.failures = 1000;
	assert_in_range(backoff_next_ms(&one), 500, 1000);
	one.failures = 0;
	assert_in_range(backoff_next_ms(&one), 50, 100);
}

struct held {
	struct net *net;
	struct timer timer;
	atomic_int fired;
};

static void fire(void *arg)
{
	add_one(&((struct held *)arg)->fired);
}

static void set_timer(void *arg)
{
	struct held *held = arg;

	loop_timer_set(net_loop(held->net), &held->timer, 10, fire, held);
}

static void a_loop_that_is_held_runs_what_is_posted_and_nothing_else(void **state)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO(clock) clock = clock_create_manual(0);
	struct held held = { .net = net_create(clock, &err) };
	atomic_int posted = 0;

	(void)state;
	net_post_and_wait(held.net, set_timer, &held);
	for (int i = 1; i <= 100; i++) {
		loop_hold(net_loop(held.net));
		clock_advance(clock, 20);
		net_post_and_wait(held.net, add_one, &posted);
		net_post_and_wait(held.net, add_one, &posted);
		assert_int_equal(posted, 2 * i);
		assert_int_equal(held.fired, i - 1);
		loop_go_on(net_loop(held.net));
		while (held.fired < i)
			sched_yield();
		net_post_and_wait(held.net, set_timer, &held);
	}
	net_destroy(held.net);
}

static void *take_one(void *queue)
{
	AUTO_RELEASE(error) err = { 0 };

	free(queue_wait(queue, NULL, NULL, INT64_MAX, &err));
	free(queue_wait(queue, NULL, NULL, INT64_MAX, &err));
	return NULL;
}

static void only_workers_that_have_something_to_do_count_as_busy(void **state)
{
	AUTO(queue) queue = queue_create(free);
	AUTO(queue) other = queue_create(free);
	pthread_t worker, thread;

	(void)state;
	assert_int_equal(queue_workers_busy(), 0);
	assert_true(queue_start_worker(&worker, take_one, queue));
	pthread_create(&thread, NULL, take_one, other);
	while (queue_workers_busy())
		sched_yield();
	queue_push(queue, xstrdup("one"));
	while (queue_length(queue))
		sched_yield();
	queue_push(other, xstrdup("one"));
	while (queue_length(other) || queue_workers_busy())
		sched_yield();
	queue_push(queue, xstrdup("two"));
	queue_push(other, xstrdup("two"));
	pthread_join(worker, NULL);
	pthread_join(thread, NULL);
	assert_int_equal(queue_workers_busy(), 0);
}

struct half {
	struct net_half half;
	_Atomic int *begun, *ended, *released;
};

static void half_begin(struct net_half *half)
{
	++*((struct half *)half)->begun;
}

static void half_end(struct net_half *half)
{
	++*((struct half *)half)->ended;
}

static void half_release(struct net_half *half)
{
	++*((struct half *)half)->released;
}

static void a_half_on_the_net_thread_ends_once_with_its_owner(void **state)
{
	static const struct net_half_ops ops = { .begin = half_begin, .end = half_end, .release = half_release };
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	_Atomic int begun = 0, ended = 0, released = 0;
	AUTO(net) net = net_create(NULL, &err);
	struct half *half = xcalloc(1, sizeof *half);

	*half = (struct half){ .begun = &begun, .ended = &ended, .released = &released };
	net_half_start(&half->half, &ops, net, free);
	queue_push(half->half.queue, xstrdup("never taken"));
	net_half_destroy(&half->half);
	assert_int_equal(begun, 1);
	assert_int_equal(ended, 1);
	assert_int_equal(released, 1);
}

struct errand {
	struct net *net;
	atomic_int worked, done;
};

static void work(void *arg)
{
	usleep(20000);
	atomic_fetch_add(&((struct errand *)arg)->worked, 1);
}

static void done(void *arg)
{
	atomic_fetch_add(&((struct errand *)arg)->done, 1);
}

static void begin_work(void *arg)
{
	net_work(((struct errand *)arg)->net, work, done, arg);
}

static void ending_the_network_waits_for_helpers(void **state)
{
	AUTO_RELEASE(error) err = { 0 };
	struct errand errand = { .net = net_create(NULL, &err) };

	(void)state;
	net_post(errand.net, begin_work, &errand);
	net_destroy(errand.net);
	assert_int_equal(errand.worked, 1);
	assert_int_equal(errand.done, 1);
}

/* ---- log and secrets ---- */

static void keep_line(struct str line, void *arg)
{
	buf_add_str(arg, line);
	buf_addc(arg, '\n');
}

static void a_text_record_has_time_level_message_and_fields(void **state)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	int day, hour, minute, second, ms;
	char name[4];

	(void)state;
	log_set_sink(keep_line, &out);
	log_info("applied", LOG_TEXT("object", "web"), LOG_INT("ms", 12), LOG_MS("wait", 1500),
		 LOG_TEXT("odd", "a b\"c=d"), LOG_BOOL("ok", true));
	log_debug("not shown");
	log_warn("plain");
	log_set_sink(NULL, NULL);
	assert_int_equal(sscanf(buf_cstr(&out), "%3s %d %d:%d:%d.%3d INF", name, &day, &hour, &minute, &second, &ms),
			 6);
	assert_non_null(strstr(out.p, " INF applied object=web ms=12 wait=1.5s odd=\"a b\\\"c=d\" ok=true\n"));
	assert_non_null(strstr(out.p, " WRN plain\n"));
	assert_null(strstr(out.p, "not shown"));
}

static void a_json_record_is_one_object(void **state)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	(void)state;
	log_set_sink(keep_line, &out);
	log_set_form(LOG_FORM_JSON);
	log_error("it \"failed\"\n", LOG_TEXT("why", "\x1b[31m\xff"), LOG_INT("n", -1));
	log_set_form(LOG_FORM_TEXT);
	log_set_sink(NULL, NULL);
	assert_true(starts_with(out.p, "{\"time\":\"20"));
	assert_non_null(strstr(out.p, "\"level\":\"ERROR\",\"msg\":\"it "
				      "\\\"failed\\\"\\n\",\"why\":\"\\u001b[31m\xef\xbf\xbd\",\"n\":-1}\n"));
}

static void no_control_character_leaves_through_the_log(void **state)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	(void)state;
	log_set_sink(keep_line, &out);
	log_info("a\x1b[2J\r\nb", LOG_TEXT("k", "\x1b]0;title\x07\xc2\x9b"));
	log_set_sink(NULL, NULL);
	for (size_t i = 0; i + 1 < out.len; i++)
		assert_true((unsigned char)out.p[i] >= ' ' && out.p[i] != 0x7f);
	assert_null(strstr(out.p, "\xc2\x9b"));
}

static void live_secrets_are_masked_and_released_ones_forgotten(void **state)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct secret token = { 0 }, copy = { 0 }, odd = { 0 }, brief = { 0 };

	(void)state;
	secret_set(&token, STR("canary-1234"));
	secret_copy(&copy, &token);
	secret_set(&odd, STR("pass \"word\"\n"));
	secret_set(&brief, STR("ab"));
	assert_true(secret_equal(&token, &copy));
	assert_false(secret_equal(&token, &odd));
	log_set_sink(keep_line, &out);
	secret_release(&copy);
	log_info("token canary-1234canary-1234 ab", LOG_TEXT("body", "x canary-1234 y pass \"word\"\n"));
	secret_release(&token);
	log_info("now canary-1234");
	log_set_sink(NULL, NULL);
	assert_non_null(strstr(out.p, "INF token ****** ab body=\"x *** y ***\"\n"));
	assert_non_null(strstr(out.p, "INF now canary-1234\n"));
	secret_release(&odd);
	secret_release(&brief);
	assert_true(secret_empty(&token));
	assert_int_equal(secret_reveal(&token).len, 0);
}

static void masking_works_on_any_text(void **state)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(secret) inner = { 0 }, outer = { 0 };

	(void)state;
	secret_set(&inner, STR("secret"));
	secret_set(&outer, STR("my-secret-value"));
	buf_adds(&text, "my-secret-value and secret and secret");
	log_redact(&text);
	assert_string_equal(text.p, "*** and *** and ***");
	assert_int_equal(text.len, strlen(text.p));
}

static void levels_are_read_in_any_case(void **state)
{
	enum log_level level;

	(void)state;
	assert_true(log_level_parse("WARNING", &level) && level == LOG_LEVEL_WARN);
	assert_true(log_level_parse("Debug", &level) && level == LOG_LEVEL_DEBUG);
	assert_false(log_level_parse("loud", &level));
}

/* ---- base64, url ---- */

static void base64_goes_both_ways(void **state)
{
	static const char *const plain[] = { "", "f", "fo", "foo", "foob", "fooba", "foobar", "\xff\xfe\xfd" };
	static const char *const standard[] = {
		"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy", "//79"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		AUTO_RELEASE(buf) out = BUF_INIT(0);
		AUTO_RELEASE(buf) back = BUF_INIT(0);

		base64_encode(&out, str_of(plain[i]), BASE64_STANDARD);
		assert_string_equal(buf_cstr(&out), standard[i]);
		assert_true(base64_decode(&back, buf_str(&out), BASE64_STANDARD));
		assert_string_equal(buf_cstr(&back), plain[i]);
		buf_reset(&out);
		buf_reset(&back);
		base64_encode(&out, str_of(plain[i]), BASE64_URL);
		assert_null(strchr(buf_cstr(&out), '='));
		assert_true(base64_decode(&back, buf_str(&out), BASE64_URL));
		assert_string_equal(buf_cstr(&back), plain[i]);
	}
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	assert_true(base64_decode(&out, STR("Zm9v\r\nYmFy\n"), BASE64_STANDARD));
	assert_string_equal(out.p, "foobar");
	static const char *const bad[] = { "Z", "Zg=", "Zg===", "Z===", "Zm9v!", "Zg==Zg==", "__79" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(base64_decode(&out, str_of(bad[i]), BASE64_STANDARD));
	assert_string_equal(out.p, "foobar");
}

static void segments_that_would_change_the_path_are_refused(void **state)
{
	AUTO_RELEASE(buf) url = BUF_INIT(0);

	(void)state;
	buf_adds(&url, "/api/v1");
	assert_true(url_add_segment(&url, STR("na me:x")));
	assert_false(url_add_segment(&url, STR("..")));
	assert_false(url_add_segment(&url, STR(".")));
	assert_false(url_add_segment(&url, STR("")));
	assert_false(url_add_segment(&url, STR("a/b")));
	assert_false(url_add_segment(&url, STR("a%2fb")));
	url_add_query(&url, "labelSelector", STR("a=b,c in (d)"));
	url_add_query(&url, "limit", STR("500"));
	assert_string_equal(url.p, "/api/v1/na%20me%3Ax?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=500");
	AUTO_RELEASE(buf) back = BUF_INIT(0);

	assert_true(url_unescape(&back, STR("a%3Db+c"), true));
	assert_string_equal(back.p, "a=b c");
	assert_false(url_unescape(&back, STR("a%3"), true));
	assert_false(url_unescape(&back, STR("a%zz"), true));
	assert_false(url_unescape(&back, STR("%"), true));
}

static void urls_are_taken_apart(void **state)
{
	AUTO_RELEASE(error) err = { 0 };
	struct url url;
	struct str value;

	(void)state;
	assert_true(url_parse(STR("https://u:p@[::1]:6443/a/b?x=1&y=2&x=3#f"), &url, &err));
	assert_true(str_is(url.scheme, "https") && str_is(url.user, "u:p") && str_is(url.host, "::1") && url.ipv6);
	assert_true(url.port_number == 6443 && str_is(url.path, "/a/b") && str_is(url.query, "x=1&y=2&x=3") &&
		    str_is(url.fragment, "f"));
	assert_true(url_query_get(url.query, "x", 1, &value) && str_is(value, "3"));
	assert_false(url_query_get(url.query, "z", 0, &value));
	assert_true(url_parse(STR("http://host"), &url, &err));
	assert_true(url.port_number == 80 && !url.path.len);
	static const char *const bad[] = { "host",	  "http://",	"http://a b", "http://a:0", "http://a:b",
					   "http://[::1", "http://a\n", "://x",	      "http:///p" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(url_parse(str_of(bad[i]), &url, &err));
	assert_true(url_host_is_loopback(STR("127.3.4.5")) && url_host_is_loopback(STR("::1")) &&
		    url_host_is_loopback(STR("LocalHost")));
	assert_false(url_host_is_loopback(STR("127.0.0.1.example.com")) || url_host_is_loopback(STR("10.0.0.1")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3339_times_are_read_with_any_fraction_and_offset),
		cmocka_unit_test(times_print_as_they_were_read),
		cmocka_unit_test(durations_follow_gos_syntax),
		cmocka_unit_test(durations_print_as_go_does),
		cmocka_unit_test(timers_fire_in_order_of_their_moments),
		cmocka_unit_test(a_timer_that_sets_itself_does_not_starve_the_loop),
		cmocka_unit_test(an_hour_passes_at_once_on_a_manual_clock),
		cmocka_unit_test(waiting_on_a_clock_ends_with_cancel),
		cmocka_unit_test(a_queue_keeps_the_order_of_its_producers),
		cmocka_unit_test(the_net_thread_runs_what_is_posted_in_order),
		cmocka_unit_test(a_loop_that_is_held_runs_what_is_posted_and_nothing_else),
		cmocka_unit_test(only_workers_that_have_something_to_do_count_as_busy),
		cmocka_unit_test(pauses_double_up_to_their_limit_and_differ_by_chance),
		cmocka_unit_test(a_half_on_the_net_thread_ends_once_with_its_owner),
		cmocka_unit_test(ending_the_network_waits_for_helpers),
		cmocka_unit_test(a_text_record_has_time_level_message_and_fields),
		cmocka_unit_test(a_json_record_is_one_object),
		cmocka_unit_test(no_control_character_leaves_through_the_log),
		cmocka_unit_test(live_secrets_are_masked_and_released_ones_forgotten),
		cmocka_unit_test(masking_works_on_any_text),
		cmocka_unit_test(levels_are_read_in_any_case),
		cmocka_unit_test(base64_goes_both_ways),
		cmocka_unit_test(segments_that_would_change_the_path_are_refused),
		cmocka_unit_test(urls_are_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
