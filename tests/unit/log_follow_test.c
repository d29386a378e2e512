#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/log_follow.h"
#include "wire.h"

/* One container's log, from a server that answers request by request as the test wrote it down. */

enum end { END_CLEAN, END_BREAK, END_STAY };

struct answer {
	const char *wanted; /* a part of the target; the request must have it */
	int status;	    /* 0: 200 */
	const char *body;
	enum end end;
};

#define T0	"2026-01-01T00:00:00.1Z "
#define T0B	"2026-01-01T00:00:00.2Z "
#define T1	"2026-01-01T00:00:01.5Z "
#define T2	"2026-01-01T00:00:02Z "
#define LOG	"/api/v1/namespaces/shop/pods/web/log?container=main&timestamps=true"
#define POD_URL "/api/v1/namespaces/shop/pods/web"
#define POD(uid, restarts, state, last)                                                                                \
	"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"" uid "\"},\"spec\":{\"containers\":[{\"name\":\"main\"}]}," \
	"\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"main\",\"restartCount\":" restarts ",\"state\":{" state "},\"lastState\":{" last "}}]}}"
#define RUNNING "\"running\":{\"startedAt\":\"2026-01-01T00:00:00Z\"}"
#define EXITED	"\"terminated\":{\"exitCode\":3}"

struct bed {
	struct wire *wire;
	struct net *net;
	struct http *http;
	struct clock *clock;
	struct log_follow *follow;
	const struct answer *answers;
	size_t nanswers;
	pthread_mutex_t lock;
	size_t asked;
	struct buf seen; /* lines, states in [ ] */
	uint32_t more_bytes;
	int64_t last_ns;
	char *wrong; /* a request that was not wanted */
};

static bool answer(struct wire_peer *peer, const struct wire_request *request, void *arg)
{
	struct bed *bed = arg;
	const struct answer *a;

	pthread_mutex_lock(&bed->lock);
	a = bed->asked < bed->nanswers ? &bed->answers[bed->asked] : NULL;
	if (a && !strstr(request->target, a->wanted) && !bed->wrong)
		bed->wrong = xasprintf("request %zu is %s, not %s", bed->asked + 1, request->target, a->wanted);
	bed->asked++;
	pthread_mutex_unlock(&bed->lock);
	if (!a) {
		wire_hang(peer);
		return false;
	}
	AUTO_FREE char *head = xasprintf("HTTP/1.1 %d X\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 2026 00:00:10 GMT\r\n%s\r\n", a->status ? a->status : 200,
					 a->end == END_CLEAN ? "" : "Transfer-Encoding: chunked\r\n");

	if (a->end == END_CLEAN)
		return wire_answer(peer, a->status ? a->status : 200, "Date: Thu, 01 Jan 2026 00:00:10 GMT\r\n", a->body);
	AUTO_FREE char *chunk = xasprintf("%zx\r\n%s\r\n", strlen(a->body), a->body);

	wire_puts(peer, head);
	if (*a->body)
		wire_puts(peer, chunk);
	if (a->end == END_STAY)
		wire_hang(peer);
	return false;
}

static void on_line(const struct log_line *line, void *arg)
{
	static const char *const kinds[] = { [LOG_LINE] = "", [LOG_CUT] = "cut: ", [LOG_GAP] = "gap: " };
	struct bed *bed = arg;

	pthread_mutex_lock(&bed->lock);
	buf_addf(&bed->seen, "%s%.*s\n", kinds[line->kind], STR_ARG(line->text));
	bed->more_bytes += line->more_bytes;
	bed->last_ns = line->time_ns;
	pthread_mutex_unlock(&bed->lock);
}

static void on_chunk(void *arg)
{
	(void)arg;
}

static void on_state(enum log_follow_state state, const char *why, void *arg)
{
	static const char *const names[] = { "[opening]", "", "", "[refused]", "[ended]" };
	struct bed *bed = arg;

	(void)why;
	pthread_mutex_lock(&bed->lock);
	if (*names[state])
		buf_addf(&bed->seen, "%s\n", names[state]);
	pthread_mutex_unlock(&bed->lock);
}

static const struct log_follow_ops ops = { .on_line = on_line, .on_chunk = on_chunk, .on_state = on_state };

struct begin {
	struct bed *bed;
	const struct log_follow_options *options;
};

static void begin_follow(void *arg)
{
	struct begin *b = arg;

	b->bed->follow = log_follow_create(b->bed->net, b->bed->http, b->options, &ops, b->bed);
}

static void end_follow(void *arg)
{
	struct bed *bed = arg;

	log_follow_destroy(GIVE(bed->follow));
}

/* Until all answers were asked for and what was seen is wanted; the clock goes on meanwhile. last_ns 0: any. */
static void run(const struct answer *answers, size_t n, struct log_follow_options options, const char *wanted, uint32_t more_bytes, int64_t last_ns)
{
	struct bed bed = { .answers = answers, .nanswers = n, .lock = PTHREAD_MUTEX_INITIALIZER };
	AUTO_RELEASE(error) err = { 0 };
	char url[64];
	bool good = false;

	options.namespace = "shop";
	options.pod = "web";
	options.uid = "u1";
	options.container = "main";
	bed.clock = clock_create_manual(INT64_C(1767225610000));
	bed.wire = wire_start(&(struct wire_options){ .handler = answer, .arg = &bed });
	bed.net = net_create(bed.clock, &err);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", wire_port(bed.wire));
	bed.http = http_create(bed.net, &(struct http_options){ .base_url = url, .probe_path = "" }, &err);
	net_post_and_wait(bed.net, begin_follow, &(struct begin){ &bed, &options });
	for (int i = 0; i < 4000 && !good; i++) {
		clock_advance(bed.clock, 100);
		clock_sleep(NULL, NULL, 2, &(struct error){ 0 });
		pthread_mutex_lock(&bed.lock);
		good = bed.asked >= n && !strcmp(buf_cstr(&bed.seen), wanted);
		pthread_mutex_unlock(&bed.lock);
	}
	net_post_and_wait(bed.net, end_follow, &bed);
	http_destroy(bed.http);
	net_destroy(bed.net);
	wire_stop(bed.wire);
	clock_destroy(bed.clock);
	if (bed.wrong)
		fail_msg("%s", bed.wrong);
	if (!good)
		fail_msg("%zu of %zu answers; seen:\n%swanted:\n%s", bed.asked, n, buf_cstr(&bed.seen), wanted);
	assert_int_equal(bed.more_bytes, more_bytes);
	if (last_ns && bed.last_ns != last_ns)
		fail_msg("the last line is of %" PRId64 ", not %" PRId64, bed.last_ns, last_ns);
	buf_release(&bed.seen);
}

#define RUN(answers, options, wanted) run(answers, ARRAY_LEN(answers), options, wanted, 0, 0)
#define PLAIN ((struct log_follow_options){ .state = ROW_RUNNING })

static void a_lost_connection_resumes_where_it_broke(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n" T0B "a\n" T0B "a\n" T0B "hal", END_BREAK },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN },
		{ "sinceTime=2026-01-01T00%3A00%3A00Z", 0, T0 "a\n" T0B "a\n" T0B "a\n" T0B "half\n" T1 "b\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\na\na\nhalf\nb\n"); /* equal lines count as many as there are */
}

static void a_second_break_inside_of_what_is_known_loses_nothing(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n" T0B "b\n" T0B "c\n", END_BREAK },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN },
		{ "sinceTime=2026-01-01T00%3A00%3A00Z", 0, T0 "a\n" T0B "b", END_BREAK },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN },
		{ "sinceTime=2026-01-01T00%3A00%3A00Z", 0, T0 "a\n" T0B "b\n" T0B "c\n" T1 "d\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\nb\nc\nd\n");
}

static void a_time_limit_of_the_server_is_no_end(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n", END_CLEAN },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN }, /* still: it was no exit that is told late */
		{ "sinceTime", 0, T0 "a\n" T1 "b\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\nb\n");
}

static void an_exit_that_the_pod_tells_late_is_a_cut_line_all_the_same(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n", END_CLEAN },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN },
		{ POD_URL, 0, POD("u1", "1", RUNNING, EXITED), END_CLEAN },
		{ LOG "&follow=true", 0, T1 "b\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\ncut: container main exited, code 3, restart 1\nb\n");
}

static void an_exit_is_told_at_once_and_the_restart_when_it_comes(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n", END_CLEAN },
		{ POD_URL, 0, POD("u1", "0", "\"waiting\":{\"reason\":\"CrashLoopBackOff\"}", EXITED), END_CLEAN },
		{ POD_URL, 0, POD("u1", "1", RUNNING, EXITED), END_CLEAN },
		{ LOG "&follow=true", 0, T1 "b\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\ncut: container main exited, code 3\ncut: container main started again, restart 1\nb\n");
}

static void a_restart_behind_a_lost_connection_has_the_rest_of_the_former_run(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n", END_BREAK },
		{ POD_URL, 0, POD("u1", "1", RUNNING, EXITED), END_CLEAN },
		{ "previous=true&sinceTime=2026-01-01T00%3A00%3A00Z", 0, T0 "a\n" T0B "last words\n", END_CLEAN },
		{ LOG "&follow=true", 0, T1 "b\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\nlast words\ncut: container main exited, code 3, restart 1\nb\n");
}

static void runs_that_nobody_read_are_told(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n", END_BREAK },
		{ POD_URL, 0, POD("u1", "3", RUNNING, EXITED), END_CLEAN },
		{ LOG "&follow=true", 0, T1 "b\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\ncut: container main exited, code 3, restart 3\ngap: container main: 2 runs between were not read\nb\n");
}

static void a_rotated_log_is_a_gap_with_its_time_span(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n", END_BREAK },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN },
		{ "sinceTime", 0, T2 "c\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\ngap: container main: lines between 00:00:00 and 00:00:02 may be missing, the node no longer has them\nc\n");
}

static void what_was_cut_by_the_tail_does_not_come_back(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ "follow=true&tailLines=2", 0, T0B "b\n" T0B "c\n", END_BREAK },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN },
		{ "sinceTime", 0, T0 "a\n" T0B "b\n" T0B "c\n" T1 "d\n", END_STAY },
	};

	RUN(answers, ((struct log_follow_options){ .state = ROW_RUNNING, .tail = 2 }), "b\nc\nd\n");
}

static void another_pod_of_the_same_name_is_the_end(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n", END_CLEAN },
		{ POD_URL, 0, POD("u2", "0", RUNNING, ""), END_CLEAN },
	};

	RUN(answers, PLAIN, "a\ncut: pod web is gone\n[ended]\n");
}

static void without_the_right_to_read_pods_the_log_goes_on(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n", END_BREAK },
		{ POD_URL, 403, "{}", END_CLEAN },
		{ "sinceTime", 0, T0 "a\n" T1 "b\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\nb\n");
}

static void without_the_right_to_read_logs_it_is_asked_again_a_minute_later(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 403, "{\"kind\":\"Status\",\"message\":\"no\"}", END_CLEAN },
		{ LOG "&follow=true", 0, T0 "a\n", END_STAY },
	};

	RUN(answers, PLAIN, "[refused]\na\n");
}

/* A server that just started refuses everything until it has read its rules. */
static void a_right_that_there_was_is_asked_for_again_soon(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n", END_BREAK },
		{ POD_URL, 403, "{}", END_CLEAN },
		{ "sinceTime", 403, "{}", END_CLEAN },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN },
		{ "sinceTime", 0, T0 "a\n" T1 "b\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\nb\n"); /* never called refused */
}

static void a_container_that_waits_to_start_is_waited_for(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 400, "{\"kind\":\"Status\",\"message\":\"waiting to start\"}", END_CLEAN },
		{ POD_URL, 0, POD("u1", "0", "\"waiting\":{}", ""), END_CLEAN },
		{ LOG "&follow=true", 0, T0 "a\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\n");
}

static void a_stream_that_is_silent_while_there_is_more_is_made_anew(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ LOG "&follow=true", 0, T0 "a\n", END_STAY },
		{ "tailLines=1&limitBytes", 0, T0 "a\n", END_CLEAN }, /* nothing new: silence is normal */
		{ "tailLines=1&limitBytes", 0, T1 "b\n", END_CLEAN },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN },
		{ "sinceTime", 0, T0 "a\n" T1 "b\n", END_STAY },
	};

	RUN(answers, PLAIN, "a\nb\n");
}

static void a_log_that_was_empty_is_read_from_where_it_was(void **state)
{
	(void)state;
	const struct answer answers[] = {
		{ "follow=true&sinceSeconds=900", 0, "", END_BREAK },
		{ POD_URL, 0, POD("u1", "0", RUNNING, ""), END_CLEAN },
		{ "sinceTime=2025-12-31T23%3A45%3A10Z", 0, T0 "a\n", END_STAY }, /* 15 min before the first answer */
	};

	RUN(answers, ((struct log_follow_options){ .state = ROW_RUNNING, .since_s = 900 }), "a\n");
}

static void strange_lines_are_lines_too(void **state)
{
	(void)state;
	const struct answer answers[] = { { LOG, 0, "no time here\r\n" T0 "\n" T0 "\n2026-01-01T03:00:01.5+03:00 zone\nxxxx-yy-zzThh:mm:ss.1Z odd\n" T1 "no end", END_CLEAN },
					  { POD_URL, 404, "{}", END_CLEAN } };

	RUN(answers, PLAIN, "no time here\n\n\nzone\nxxxx-yy-zzThh:mm:ss.1Z odd\nno end\ncut: pod web is gone\n[ended]\n");
}

static void times_are_exact_in_every_zone(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		int64_t ns;
	} cases[] = { { "2026-01-01T00:00:00.000000001Z a\n", 1 },
		      { "2026-01-01T03:00:00.123456789+03:00 a\n", 123456789 },
		      { "2025-12-31T23:30:01.5-00:30 a\n", 1500000000 },
		      { "2025-12-31T23:30:01-00:30 b\n2026-01-01T00:00:01.000000007Z a\n", 1000000007 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct answer answers[] = { { LOG, 0, cases[i].line, END_STAY } };

		run(answers, 1, PLAIN, i == 3 ? "b\na\n" : "a\n", 0, INT64_C(1767225600000000000) + cases[i].ns);
	}
}

static void a_very_long_line_is_cut_and_its_rest_counted(void **state)
{
	(void)state;
	AUTO_FREE char *body = xasprintf(T0 "%0100000d\n" T0 "b\n", 1), *wanted = xasprintf("%0*d\nb\n", LOG_LINE_MAX, 0);
	const struct answer answers[] = { { LOG, 0, body, END_STAY } };

	run(answers, 1, PLAIN, wanted, 100000 - LOG_LINE_MAX, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_connection_resumes_where_it_broke),
		cmocka_unit_test(a_second_break_inside_of_what_is_known_loses_nothing),
		cmocka_unit_test(a_time_limit_of_the_server_is_no_end),
		cmocka_unit_test(an_exit_that_the_pod_tells_late_is_a_cut_line_all_the_same),
		cmocka_unit_test(an_exit_is_told_at_once_and_the_restart_when_it_comes),
		cmocka_unit_test(a_restart_behind_a_lost_connection_has_the_rest_of_the_former_run),
		cmocka_unit_test(runs_that_nobody_read_are_told),
		cmocka_unit_test(a_rotated_log_is_a_gap_with_its_time_span),
		cmocka_unit_test(what_was_cut_by_the_tail_does_not_come_back),
		cmocka_unit_test(another_pod_of_the_same_name_is_the_end),
		cmocka_unit_test(without_the_right_to_read_pods_the_log_goes_on),
		cmocka_unit_test(without_the_right_to_read_logs_it_is_asked_again_a_minute_later),
		cmocka_unit_test(a_right_that_there_was_is_asked_for_again_soon),
		cmocka_unit_test(a_container_that_waits_to_start_is_waited_for),
		cmocka_unit_test(a_stream_that_is_silent_while_there_is_more_is_made_anew),
		cmocka_unit_test(a_log_that_was_empty_is_read_from_where_it_was),
		cmocka_unit_test(strange_lines_are_lines_too),
		cmocka_unit_test(times_are_exact_in_every_zone),
		cmocka_unit_test(a_very_long_line_is_cut_and_its_rest_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
