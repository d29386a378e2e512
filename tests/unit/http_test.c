#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/http.h"
#include "base/log.h"
#include "base/utc.h"
#include "wire.h"

/* ---- a network, a server and a client of it ---- */

struct bench {
	struct clock *clock; /* NULL: the system's */
	struct net *net;
	struct wire *wire;
	struct http *http;
	struct error err;
	struct http_response response;
	unsigned waits;
	int64_t last_wait_ms;
	int last_status;
	bool last_server_asked;
};

static void bench_open(struct bench *b, wire_fn *handler, struct http_options *options, bool manual)
{
	struct wire_options wire = { .handler = handler, .arg = b };

	b->clock = manual ? clock_create_manual(INT64_C(1750000000000)) : NULL;
	b->net = net_create(b->clock, &b->err);
	b->wire = wire_start(&wire);
	AUTO_FREE char *url = xasprintf("http://127.0.0.1:%u/base/", wire_port(b->wire));

	options->base_url = url;
	b->http = http_create(b->net, options, &b->err);
	assert_non_null(b->http);
	options->base_url = NULL;
}

static void bench_close(struct bench *b)
{
	http_destroy(b->http);
	net_destroy(b->net);
	wire_stop(b->wire);
	clock_destroy(b->clock);
	error_release(&b->err);
	http_response_release(&b->response);
}

/* On a manual clock a pause is over as soon as it begins. */
static void on_wait(const struct http_wait *wait, void *arg)
{
	struct bench *b = arg;

	b->waits++;
	b->last_wait_ms = wait->wait_ms;
	b->last_status = wait->status;
	b->last_server_asked = wait->server_asked;
	if (b->clock)
		clock_advance(b->clock, wait->wait_ms);
}

static bool call(struct bench *b, struct http_request *request)
{
	request->on_wait = on_wait;
	request->on_wait_arg = b;
	error_release(&b->err);
	return http_call(b->http, request, NULL, &b->response, &b->err);
}

static bool get(struct bench *b, const char *path)
{
	return call(b, &(struct http_request){ .path = path });
}

static void expect_error(const struct bench *b, enum err_kind kind, const char *part)
{
	if (b->err.kind != kind || !strstr(b->err.message, part))
		fail_msg("wanted %s \"%s\", got %s \"%s\"", error_kind_name(kind), part, error_kind_name(b->err.kind),
			 b->err.message ? b->err.message : "");
}

static int64_t real_ms(void)
{
	return clock_now_ms(NULL);
}

/* Waits until flag is at least n; a bound, so that a broken test ends. */
static bool becomes(atomic_int *flag, int n)
{
	for (int i = 0; i < 5000 && atomic_load(flag) < n; i++)
		usleep(2000);
	return atomic_load(flag) >= n;
}

static bool echo(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	AUTO_FREE char *text = xasprintf("%s %s %s", r->method, r->target, r->body);

	(void)arg;
	return wire_answer(peer, 200, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nWarning: 299 - \"old\"\r\n", text);
}

/* ---- plain calls ---- */

static void a_call_brings_status_headers_and_body(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct str warning;

	(void)state;
	bench_open(&b, echo, &options, false);
	assert_true(get(&b, "/api/v1/pods?limit=5"));
	assert_int_equal(b.response.status, 200);
	assert_string_equal(buf_cstr(&b.response.body), "GET /base/api/v1/pods?limit=5 ");
	assert_true(http_response_header(&b.response, "warning", 0, &warning) && str_is(warning, "299 - \"old\""));
	assert_int_equal(b.response.date_us, INT64_C(784111777000000));
	assert_int_equal(b.response.attempts, 1);
	AUTO_FREE char *agent = wire_header(wire_request(b.wire, 1), "User-Agent");
	AUTO_FREE char *accept = wire_header(wire_request(b.wire, 1), "Accept");
	AUTO_FREE char *encoding = wire_header(wire_request(b.wire, 1), "Accept-Encoding");

	assert_true(starts_with(agent, "slotdeck/"));
	assert_string_equal(accept, "application/json");
	assert_string_equal(encoding, "gzip");
	bench_close(&b);
}

static void a_body_is_sent_without_expecting_100_continue(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	AUTO_FREE char *body = xmalloc(2000001);

	(void)state;
	memset(body, 'x', 2000000);
	bench_open(&b, echo, &options, false);
	struct http_request request = { .method = "PATCH",
					.path = "/a",
					.body = { body, 2000000 },
					.content_type = "application/apply-patch+yaml" };

	assert_true(call(&b, &request));
	AUTO_FREE char *expect = wire_header(wire_request(b.wire, 1), "Expect");
	AUTO_FREE char *type = wire_header(wire_request(b.wire, 1), "Content-Type");

	assert_null(expect);
	assert_string_equal(type, "application/apply-patch+yaml");
	assert_int_equal(wire_request(b.wire, 1)->body_len, 2000000);
	bench_close(&b);
}

static void connections_are_reused(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };

	(void)state;
	bench_open(&b, echo, &options, false);
	for (int i = 0; i < 20; i++)
		assert_true(get(&b, "/x"));
	assert_int_equal(wire_connections(b.wire), 1);
	bench_close(&b);
}

static void a_group_runs_in_parallel_and_brings_every_result_once(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { .rate_per_s = 100000, .burst = 1000 };
	AUTO_RELEASE(error) err = { 0 };
	enum { N = 300 };
	int seen[N] = { 0 };

	(void)state;
	bench_open(&b, echo, &options, false);
	AUTO(http_group) group = http_group_create(b.http, 8, NULL);
	AUTO_RELEASE(http_result) result = { 0 };

	for (intptr_t i = 0; i < N; i++)
		http_group_add(group, &(struct http_request){ .path = "/x" }, (void *)i);
	while (http_group_next(group, &result, &err)) {
		assert_int_equal(result.response.status, 200);
		seen[(intptr_t)result.tag]++;
	}
	assert_int_equal(err.kind, ERR_NONE);
	for (int i = 0; i < N; i++)
		assert_int_equal(seen[i], 1);
	assert_in_range(wire_connections(b.wire), 1, 8);
	bench_close(&b);
}

static void more_calls_may_be_added_between_results(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(http_result) result = { 0 };
	int results = 0;

	(void)state;
	bench_open(&b, echo, &options, false);
	AUTO(http_group) group = http_group_create(b.http, 2, NULL);

	http_group_add(group, &(struct http_request){ .path = "/x" }, NULL);
	while (http_group_next(group, &result, &err))
		if (++results < 5)
			http_group_add(group, &(struct http_request){ .path = "/y" }, NULL);
	assert_int_equal(results, 5);
	bench_close(&b);
}

static void count_done(struct http_call *done, void *arg)
{
	assert_true(done->done);
	++*(int *)arg;
}

static void a_prepared_group_fills_its_calls(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct http_call calls[10] = { 0 };
	int done = 0;

	(void)state;
	bench_open(&b, echo, &options, false);
	for (int i = 0; i < 10; i++)
		calls[i].request.path = i == 7 ? "no path" : "/x";
	assert_true(http_call_group(b.http, calls, 10, 3, NULL, count_done, &done, &b.err));
	assert_int_equal(done, 10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(calls[i].error.kind, i == 7 ? ERR_INVALID : ERR_NONE);
		http_response_release(&calls[i].response);
		error_release(&calls[i].error);
	}
	bench_close(&b);
}

static bool redirect(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)arg;
	(void)r;
	return wire_answer(peer, 302, "Location: /base/elsewhere\r\n", "");
}

static void redirects_are_not_followed(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };

	(void)state;
	bench_open(&b, redirect, &options, false);
	assert_true(get(&b, "/x"));
	assert_int_equal(b.response.status, 302);
	assert_int_equal(wire_count(b.wire), 1);
	bench_close(&b);
}

static void control_characters_never_reach_the_wire(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	const char *const headers[] = { "X: a\r\nAuthorization: b", NULL };

	(void)state;
	bench_open(&b, echo, &options, false);
	assert_false(get(&b, "/a b"));
	assert_false(get(&b, "/a\r\nX: y"));
	assert_false(get(&b, "relative"));
	assert_false(call(&b, &(struct http_request){ .path = "/a", .headers = headers }));
	assert_false(call(&b, &(struct http_request){ .path = "/a", .method = "GET / HTTP/1.1\r\n" }));
	expect_error(&b, ERR_INVALID, "no HTTP method");
	assert_int_equal(wire_count(b.wire), 0);
	bench_close(&b);
}

/* ---- cancel and deadlines ---- */

static bool hang(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)r;
	(void)arg;
	wire_hang(peer);
	return false;
}

static void *cancel_soon(void *arg)
{
	usleep(50000);
	cancel_request(arg, 0);
	return NULL;
}

static void cancel_works_at_once(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	AUTO(cancel) cancel = cancel_create();
	pthread_t thread;

	(void)state;
	bench_open(&b, hang, &options, false);
	int64_t start = real_ms();

	pthread_create(&thread, NULL, cancel_soon, cancel);
	assert_false(http_call(b.http, &(struct http_request){ .path = "/x" }, cancel, &b.response, &b.err));
	assert_int_equal(b.err.kind, ERR_CANCELLED);
	assert_in_range(real_ms() - start, 0, 3000);
	pthread_join(thread, NULL);
	bench_close(&b);
}

static void the_total_deadline_ends_a_call(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };

	(void)state;
	bench_open(&b, hang, &options, false);
	assert_false(call(&b, &(struct http_request){ .path = "/x", .timeout_ms = 100 }));
	expect_error(&b, ERR_TIMEOUT, "waiting for an answer");
	bench_close(&b);
}

/* Moves the clock on, second by second, until the call has ended. */
struct mover {
	struct bench *b;
	atomic_int stop;
	pthread_t thread;
};

static void *move_clock(void *arg)
{
	struct mover *mover = arg;

	while (!atomic_load(&mover->stop)) {
		if (wire_count(mover->b->wire))
			clock_advance(mover->b->clock, 1000);
		usleep(5000);
	}
	return NULL;
}

static void mover_start(struct mover *mover, struct bench *b)
{
	mover->b = b;
	atomic_init(&mover->stop, 0);
	pthread_create(&mover->thread, NULL, move_clock, mover);
}

static void mover_stop(struct mover *mover)
{
	atomic_store(&mover->stop, 1);
	pthread_join(mover->thread, NULL);
}

static bool hang_first(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)arg;
	if (r->number == 2) {
		wire_hang(peer);
		return false;
	}
	return wire_answer(peer, 200, "", "ok");
}

static void after_a_timeout_the_next_call_gets_a_new_connection(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };

	(void)state;
	bench_open(&b, hang_first, &options, true);
	assert_true(get(&b, "/x"));
	struct http_request request = { .path = "/x", .attempt_timeout_ms = 5000 };

	struct mover mover;

	mover_start(&mover, &b);
	assert_true(call(&b, &request));
	mover_stop(&mover);
	assert_int_equal(b.response.status, 200);
	assert_int_equal(b.response.attempts, 2);
	assert_int_equal(wire_connections(b.wire), 2);
	bench_close(&b);
}

/* ---- limits ---- */

static bool drip_headers(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)r;
	(void)arg;
	wire_puts(peer, "HTTP/1.1 200 OK\r\nX-Slow: ");
	wire_hang(peer);
	return false;
}

static bool drip_body(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)r;
	(void)arg;
	wire_puts(peer, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc");
	wire_hang(peer);
	return false;
}

static void headers_that_drip_end_after_ten_seconds(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct mover mover;

	(void)state;
	bench_open(&b, drip_headers, &options, true);
	mover_start(&mover, &b);
	assert_false(call(&b, &(struct http_request){ .path = "/x", .attempts = 1 }));
	mover_stop(&mover);
	expect_error(&b, ERR_TIMEOUT, "headers were not complete 10 s after they began");
	bench_close(&b);
}

static void a_body_that_drips_ends_after_thirty_seconds(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct mover mover;

	(void)state;
	bench_open(&b, drip_body, &options, true);
	mover_start(&mover, &b);
	assert_false(call(&b, &(struct http_request){ .path = "/x", .attempts = 1, .timeout_ms = 600000 }));
	mover_stop(&mover);
	expect_error(&b, ERR_TIMEOUT, "less than 1 KiB/s for 30 s");
	bench_close(&b);
}

static bool huge_headers(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	AUTO_FREE char *value = xmalloc(1000001);
	bool one_line = strstr(r->target, "/line");

	(void)arg;
	memset(value, 'a', 1000000);
	value[one_line ? 1000000 : 1000] = '\0';
	wire_puts(peer, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < (one_line ? 1 : 1000); i++)
		if (!wire_puts(peer, "X-Large: ") || !wire_puts(peer, value) || !wire_puts(peer, "\r\n"))
			return false;
	return wire_puts(peer, "Content-Length: 0\r\n\r\n");
}

static void headers_over_64_kib_are_refused(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };

	(void)state;
	bench_open(&b, huge_headers, &options, false);
	assert_false(get(&b, "/line"));
	expect_error(&b, ERR_LIMIT, "headers are larger than 64 KiB");
	assert_false(get(&b, "/many"));
	expect_error(&b, ERR_LIMIT, "headers are larger than 64 KiB");
	bench_close(&b);
}

/* Huffman codes go into the bytes from their first bit on, each byte from its lowest bit. */
static void put_bits(struct buf *out, unsigned *used, unsigned code, int nbits)
{
	for (int i = nbits - 1; i >= 0; i--) {
		if (*used % 8 == 0)
			buf_addc(out, 0);
		out->p[out->len - 1] |= (char)((code >> i & 1) << (*used)++ % 8);
	}
}

/* 64 MiB of zeros: a literal, then "the 258 bytes before", in deflate's fixed code, again and again. */
static bool gzip_bomb(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	AUTO_RELEASE(buf) bits = BUF_INIT(0);
	unsigned used = 0;

	(void)r;
	(void)arg;
	put_bits(&bits, &used, 6, 3); /* the last block, fixed code */
	put_bits(&bits, &used, 0x30, 8);
	for (int i = 0; i < (64 << 20) / 258; i++)
		put_bits(&bits, &used, 0xc5 << 5, 13);
	wire_puts(peer, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n");
	wire_write(peer, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
	wire_write(peer, bits.p, bits.len);
	return false;
}

static void a_gzip_bomb_ends_at_the_limit(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };

	(void)state;
	bench_open(&b, gzip_bomb, &options, false);
	assert_false(get(&b, "/x"));
	expect_error(&b, ERR_LIMIT, "larger than we accept");
	bench_close(&b);
}

/* ---- retries ---- */

static void retry_after_is_understood_in_both_forms(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} table[] = {
		{ "1", 1000 },
		{ "120", 120000 },
		{ " 7 ", 7000 },
		{ "-1", -1 },
		{ "abc", -1 },
		{ "", -1 },
		{ "1.5", -1 },
		{ "0", 0 },
		{ "Sun, 06 Nov 1994 08:49:47 GMT", 10000 },
		{ "Sunday, 06-Nov-94 08:49:47 GMT", 10000 },
		{ "Sun Nov  6 08:49:47 1994", 10000 },
		{ "Sun, 06 Nov 1994 08:00:00 GMT", 0 },
		{ "Sun, 31 Feb 1994 08:00:00 GMT", -1 },
		{ "999999999", INT64_C(999999999000) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_int_equal(http_parse_retry_after(str_of(table[i].text), INT64_C(784111777000000)), table[i].ms);
	assert_true(http_parse_retry_after(STR("99999999999999999999999999999"), 0) > 0);
}

/* The path tells what to answer first: "/429/Retry-After-value"; then 200. */
static bool fail_once(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	int status = 0;
	char value[64] = "";

	(void)arg;
	sscanf(r->target, "/base/%d/%63s", &status, value);
	if (r->number > 1)
		return wire_answer(peer, 200, "", "ok");
	for (char *c = value; *c; c++)
		if (*c == '_')
			*c = ' ';
	AUTO_FREE char *header =
		value[0] ? xasprintf("Retry-After: %s\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n", value) : xstrdup("");

	return wire_answer(peer, status, header, "{\"reason\":\"Overload\"}");
}

static void what_is_repeated_and_after_which_pause(void **state)
{
	static const struct {
		const char *method, *path;
		bool idempotent;
		int status; /* in the end */
		int64_t least_ms, most_ms;
	} table[] = {
		{ "GET", "/429/1", false, 200, 1000, 1200 },
		{ "GET", "/429/Sun,_06_Nov_1994_08:49:47_GMT", false, 200, 10000, 12000 },
		{ "GET", "/503/999999999", false, 200, 60000, 72000 },
		{ "GET", "/429/-1", false, 200, 0, 500 },
		{ "GET", "/429/abc", false, 200, 0, 500 },
		{ "GET", "/503/", false, 200, 0, 500 },
		{ "GET", "/502/", false, 200, 0, 500 },
		{ "GET", "/504/", false, 200, 0, 500 },
		{ "GET", "/500/", false, 500, 0, 0 },
		{ "GET", "/500/2", false, 200, 2000, 2400 },
		{ "GET", "/404/1", false, 404, 0, 0 },
		{ "POST", "/503/", false, 503, 0, 0 },
		{ "POST", "/503/1", false, 200, 1000, 1200 },
		{ "POST", "/429/", false, 200, 0, 500 },
		{ "POST", "/504/1", false, 504, 0, 0 },
		{ "PATCH", "/504/", true, 200, 0, 500 },
		{ "PATCH", "/504/", false, 504, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bench b = { 0 };
		struct http_options options = { 0 };
		bool again = table[i].most_ms > 0;

		bench_open(&b, fail_once, &options, true);
		struct http_request request = { .method = table[i].method,
						.path = table[i].path,
						.idempotent = table[i].idempotent,
						.body = strcmp(table[i].method, "GET") ? STR("{}") : STR(""),
						.timeout_ms = 600000 };

		assert_true(call(&b, &request));
		if (b.response.status != table[i].status || b.waits != again || wire_count(b.wire) != 1u + again ||
		    (again && (b.last_wait_ms < table[i].least_ms || b.last_wait_ms > table[i].most_ms)))
			fail_msg("%s %s: status %d, %u pauses, %lld ms", table[i].method, table[i].path,
				 b.response.status, b.waits, (long long)b.last_wait_ms);
		bench_close(&b);
	}
}

static bool overloaded(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)r;
	(void)arg;
	return wire_answer(peer, 503, "", "busy");
}

static void ten_minutes_of_backing_off_pass_at_once_on_a_manual_clock(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { .rate_per_s = 1000, .burst = 1000 };

	(void)state;
	bench_open(&b, overloaded, &options, true);
	int64_t start = clock_now_ms(b.clock), real = real_ms();

	assert_true(call(&b, &(struct http_request){ .path = "/x", .attempts = 1000, .timeout_ms = 600000 }));
	assert_int_equal(b.response.status, 503);
	assert_in_range(clock_now_ms(b.clock) - start, 540000, 600000);
	assert_in_range(real_ms() - real, 0, 1000);
	assert_in_range(b.waits, 20, 200);
	bench_close(&b);
}

static void a_pause_beyond_the_deadline_is_not_begun(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };

	(void)state;
	bench_open(&b, fail_once, &options, true);
	assert_true(call(&b, &(struct http_request){ .path = "/429/50", .timeout_ms = 20000 }));
	assert_int_equal(b.response.status, 429);
	assert_int_equal(b.response.retry_after_ms, 50000);
	assert_int_equal(b.waits, 0);
	bench_close(&b);
}

static bool drop_once(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)arg;
	if (r->number == 1) {
		wire_reset(peer);
		return false;
	}
	return wire_answer(peer, 200, "", "ok");
}

static void a_broken_connection_is_retried_only_for_what_may_run_twice(void **state)
{
	static const struct {
		const char *method;
		bool idempotent, again;
	} table[] = {
		{ "GET", false, true }, { "PATCH", true, true }, { "POST", false, false }, { "PATCH", false, false }
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bench b = { 0 };
		struct http_options options = { 0 };

		bench_open(&b, drop_once, &options, true);
		struct http_request request = { .method = table[i].method,
						.path = "/x",
						.idempotent = table[i].idempotent,
						.body = strcmp(table[i].method, "GET") ? STR("{}") : STR("") };

		assert_int_equal(call(&b, &request), table[i].again);
		assert_int_equal(wire_count(b.wire), table[i].again ? 2 : 1);
		if (!table[i].again)
			expect_error(&b, ERR_NETWORK, "connection reset");
		bench_close(&b);
	}
}

/* Executes the request, then closes without a word: what curl takes for a kept connection that had died before. */
static bool swallow_second(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)arg;
	if (r->number == 2)
		return false;
	return wire_answer(peer, 200, "", "ok");
}

static void a_post_on_a_kept_connection_is_never_sent_twice(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };

	(void)state;
	bench_open(&b, swallow_second, &options, false);
	assert_true(get(&b, "/x"));
	assert_false(call(&b, &(struct http_request){ .method = "POST", .path = "/x", .body = STR("{\"a\":1}") }));
	assert_int_equal(b.err.kind, ERR_NETWORK);
	assert_int_equal(wire_count(b.wire), 2);
	bench_close(&b);
}

static void a_refused_connection_is_named_and_retried(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };

	(void)state;
	bench_open(&b, echo, &options, true);
	wire_stop(b.wire);
	assert_false(call(&b, &(struct http_request){
				      .method = "POST", .path = "/x?token=abc", .body = STR("{}"), .attempts = 3 }));
	expect_error(&b, ERR_NETWORK, "connection refused");
	assert_null(strstr(b.err.message, "token"));
	assert_int_equal(b.waits, 2);
	struct wire_options again = { .handler = echo };

	b.wire = wire_start(&again);
	bench_close(&b);
}

/* ---- read-only ---- */

static void read_only_lets_nothing_out_that_changes_something(void **state)
{
	static const struct {
		const char *method, *path;
		bool safe, allowed;
	} table[] = {
		{ "GET", "/api/v1/pods", false, true },
		{ "HEAD", "/api/v1/pods", false, true },
		{ "POST", "/api/v1/namespaces", false, false },
		{ "POST", "/api/v1/namespaces", true, false },
		{ "PATCH", "/api/v1/namespaces/a?dryRun=All", true, true },
		{ "PATCH", "/api/v1/namespaces/a?dryRun=All", false, false },
		{ "PATCH", "/api/v1/namespaces/a?force=true&dryRun=All&x=y", true, true },
		{ "PATCH", "/api/v1/namespaces/a?dryRun=All&dryRun=None", true, false },
		{ "PATCH", "/api/v1/namespaces/a?xdryRun=All", true, false },
		{ "PATCH", "/api/v1/namespaces/a?dryRun=", true, false },
		{ "PATCH", "/api/v1/namespaces/dryRun=All", true, false },
		{ "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true, true },
		{ "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/../x", true, false },
		{ "DELETE", "/api/v1/namespaces/a", true, false },
		{ "GET", "/api/v1/namespaces/a/pods/exec", false, true },
		{ "GET", "/api/v1/namespaces/a/pods/p/exec?command=sh", false, false },
		{ "GET", "/api/v1/namespaces/a/pods/p/%65xec?command=sh", false, false },
		{ "GET", "/api/v1/namespaces/a/pods/p/portforward", false, false },
		{ "GET", "/api/v1/namespaces/a/services/s/proxy/delete-all", false, false },
		{ "GET", "/api/v1/namespaces/a/pods/p/log", false, true },
	};
	struct bench b = { 0 };
	struct http_options options = { .read_only = true };
	unsigned sent = 0;

	(void)state;
	bench_open(&b, echo, &options, false);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct http_request request = {
			.method = table[i].method, .path = table[i].path, .safe = table[i].safe, .timeout_ms = 5000
		};

		if (!strcmp(table[i].method, "HEAD"))
			continue; /* the echo server would answer a body */
		if (call(&b, &request) != table[i].allowed)
			fail_msg("%s %s: %s", table[i].method, table[i].path, b.err.message);
		if (!table[i].allowed)
			expect_error(&b, ERR_DENIED, "--read-only");
		sent += table[i].allowed;
		assert_int_equal(wire_count(b.wire), sent);
	}
	bench_close(&b);
}

/* ---- credentials ---- */

struct login {
	atomic_int calls, blocking, releases;
	bool stubborn, failing;
	_Atomic uint64_t generation;
};

static enum http_auth_result give_token(struct http_credential *ret, uint64_t refused, bool may_block,
					struct error *err, void *arg)
{
	struct login *login = arg;

	atomic_fetch_add(&login->calls, 1);
	if (login->failing) {
		error_set(err, ERR_DENIED, "login needed");
		return HTTP_AUTH_FAILED;
	}
	if (!login->generation || (refused == login->generation && !login->stubborn)) {
		if (!may_block)
			return HTTP_AUTH_WAIT;
		atomic_fetch_add(&login->blocking, 1);
		usleep(20000);
		atomic_fetch_add(&login->generation, 1);
	}
	AUTO_FREE char *header =
		xasprintf("Bearer secret-token-%llu", (unsigned long long)atomic_load(&login->generation));

	secret_set(&ret->authorization, str_of(header));
	ret->generation = login->generation;
	return HTTP_AUTH_OK;
}

static void count_release(void *arg)
{
	atomic_fetch_add(&((struct login *)arg)->releases, 1);
}

static bool wants_second_token(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	AUTO_FREE char *value = wire_header(r, "Authorization");

	(void)arg;
	if (!value || strcmp(value, "Bearer secret-token-2") != 0)
		return wire_answer(peer, 401, "", "{\"reason\":\"Unauthorized\"}");
	return wire_answer(peer, 200, "", "ok");
}

static void after_401_the_credential_is_refreshed_once_also_for_writes(void **state)
{
	struct login login = { 0 };
	struct bench b = { 0 };
	struct http_options options = { .authorise = give_token,
					.authorise_release = count_release,
					.authorise_arg = &login,
					.authorise_without_tls = true };

	(void)state;
	bench_open(&b, wants_second_token, &options, false);
	assert_true(call(&b, &(struct http_request){ .method = "POST", .path = "/x", .body = STR("{}") }));
	assert_int_equal(b.response.status, 200);
	assert_int_equal(wire_count(b.wire), 2);
	assert_int_equal(b.waits, 0);
	assert_int_equal(b.response.attempts, 1);
	assert_true(get(&b, "/y"));
	assert_int_equal(wire_count(b.wire), 3);
	bench_close(&b);
	assert_int_equal(login.releases, 1);
	assert_int_equal(login.blocking, 2);
}

static void a_401_that_nothing_helps_against_is_the_answer(void **state)
{
	struct login login = { .stubborn = true, .generation = 9 };
	struct bench b = { 0 };
	struct http_options options = { .authorise = give_token,
					.authorise_arg = &login,
					.authorise_without_tls = true };

	(void)state;
	bench_open(&b, wants_second_token, &options, false);
	assert_true(get(&b, "/x"));
	assert_int_equal(b.response.status, 401);
	assert_int_equal(wire_count(b.wire), 1);
	login.stubborn = false;
	login.generation = 2;
	assert_true(get(&b, "/x"));
	assert_int_equal(b.response.status, 200);
	bench_close(&b);
}

static void a_hundred_requests_wait_for_one_login(void **state)
{
	struct login login = { .generation = 0 };
	struct bench b = { 0 };
	struct http_options options = { .authorise = give_token,
					.authorise_arg = &login,
					.authorise_without_tls = true };
	AUTO_RELEASE(http_result) result = { 0 };
	int n = 0;

	(void)state;
	bench_open(&b, echo, &options, false);
	AUTO(http_group) group = http_group_create(b.http, 100, NULL);

	for (int i = 0; i < 100; i++)
		http_group_add(group, &(struct http_request){ .path = "/x" }, NULL);
	while (http_group_next(group, &result, &b.err))
		n += http_ok(&result.response);
	assert_int_equal(n, 100);
	assert_int_equal(login.blocking, 1);
	bench_close(&b);
}

static void without_credential_nothing_is_sent_and_the_hook_says_why(void **state)
{
	struct login login = { .failing = true };
	struct bench b = { 0 };
	struct http_options options = { .authorise = give_token,
					.authorise_arg = &login,
					.authorise_without_tls = true };

	(void)state;
	bench_open(&b, echo, &options, false);
	assert_false(get(&b, "/x"));
	expect_error(&b, ERR_DENIED, "login needed");
	assert_int_equal(wire_count(b.wire), 0);
	bench_close(&b);
}

static void a_credential_is_not_sent_over_plain_http(void **state)
{
	struct login login = { .generation = 1 };
	struct bench b = { 0 };
	struct http_options options = { .authorise = give_token, .authorise_arg = &login };

	(void)state;
	bench_open(&b, echo, &options, false);
	assert_true(get(&b, "/x"));
	AUTO_FREE char *value = wire_header(wire_request(b.wire, 1), "Authorization");

	assert_null(value);
	assert_int_equal(login.calls, 0);
	bench_close(&b);
}

/* ---- proxies ---- */

static bool be_proxy(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)arg;
	if (!strcmp(r->method, "CONNECT"))
		return wire_answer(peer, 403, "", "no tunnel");
	return wire_answer(peer, 200, "", r->target);
}

static void ask_through_proxy(struct bench *b, const char *base_url, const char *proxy_url)
{
	struct http_options options = { .base_url = base_url, .proxy_url = proxy_url };
	AUTO(http) http = http_create(b->net, &options, &b->err);

	assert_non_null(http);
	error_release(&b->err);
	(void)!http_call(http, &(struct http_request){ .path = "/x", .attempts = 1, .timeout_ms = 20000 }, NULL,
			 &b->response, &b->err);
}

static void a_proxy_is_taken_from_the_options_or_the_environment(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };

	(void)state;
	bench_open(&b, be_proxy, &options, false);
	AUTO_FREE char *proxy = xasprintf("http://user:pass-of-proxy@127.0.0.1:%u", wire_port(b.wire));

	ask_through_proxy(&b, "http://kube.invalid:8080", proxy);
	assert_string_equal(buf_cstr(&b.response.body), "http://kube.invalid:8080/x");
	ask_through_proxy(&b, "https://kube.invalid", proxy);
	expect_error(&b, ERR_NETWORK, "the proxy answers 403");
	assert_string_equal(wire_request(b.wire, 2)->target, "kube.invalid:443");

	setenv("HTTP_PROXY", proxy, 1);
	setenv("HTTPS_PROXY", proxy, 1);
	ask_through_proxy(&b, "http://kube.invalid", NULL);
	assert_string_equal(buf_cstr(&b.response.body), "http://kube.invalid/x");
	ask_through_proxy(&b, "https://kube.invalid", NULL);
	expect_error(&b, ERR_NETWORK, "the proxy answers 403");
	setenv("NO_PROXY", "kube.invalid,10.0.0.0/8", 1);
	ask_through_proxy(&b, "https://kube.invalid", NULL);
	expect_error(&b, ERR_NETWORK, "cannot be resolved");
	unsetenv("NO_PROXY");
	assert_int_equal(wire_count(b.wire), 4);
	/* Never for this machine, unless the kubeconfig says so. */
	assert_true(get(&b, "/y"));
	assert_string_equal(buf_cstr(&b.response.body), "/base/y");
	unsetenv("HTTP_PROXY");
	unsetenv("HTTPS_PROXY");
	bench_close(&b);
}

/* ---- streams ---- */

struct reader {
	pthread_mutex_t lock;
	struct buf text;
	atomic_int opened, chunks, ended;
	int refused_status;
	struct error err;
	bool refuse;
	struct http_stream *close_in_data;
	struct http_stream **self;
};

static void on_open(const struct http_response *response, void *arg)
{
	assert_true(http_ok(response));
	atomic_fetch_add(&((struct reader *)arg)->opened, 1);
}

static bool on_data(struct str bytes, void *arg)
{
	struct reader *reader = arg;

	pthread_mutex_lock(&reader->lock);
	buf_add_str(&reader->text, bytes);
	pthread_mutex_unlock(&reader->lock);
	if (reader->self) {
		http_stream_close(*reader->self);
		reader->self = NULL;
	}
	atomic_fetch_add(&reader->chunks, 1);
	return !reader->refuse;
}

static void on_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct reader *reader = arg;

	if (refusal)
		reader->refused_status = refusal->status;
	if (err)
		error_copy(&reader->err, err);
	atomic_fetch_add(&reader->ended, 1);
}

static const struct http_stream_ops reader_ops = { on_open, on_data, on_end };

static void reader_init(struct reader *reader)
{
	memset(reader, 0, sizeof *reader);
	pthread_mutex_init(&reader->lock, NULL);
}

static void reader_release(struct reader *reader)
{
	buf_release(&reader->text);
	error_release(&reader->err);
}

static bool good_events(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)arg;
	if (strstr(r->target, "gone"))
		return wire_answer(peer, 410, "", "{\"reason\":\"Expired\"}");
	if (!strstr(r->target, "watch"))
		return wire_answer(peer, 200, "", "{}");
	wire_puts(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n");
	if (strstr(r->target, "hang")) {
		wire_hang(peer);
		return false;
	}
	return wire_puts(peer, "4\r\ntwo\n\r\n0\r\n\r\n");
}

static void a_stream_brings_bytes_as_they_come_and_ends_cleanly(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct reader reader;

	(void)state;
	reader_init(&reader);
	bench_open(&b, good_events, &options, false);
	struct http_stream *stream = http_stream_open(
		b.http, &(struct http_request){ .path = "/watch", .mode = HTTP_WATCH }, &reader_ops, &reader);

	assert_true(becomes(&reader.ended, 1));
	assert_string_equal(buf_cstr(&reader.text), "one\ntwo\n");
	assert_int_equal(reader.opened, 1);
	assert_int_equal(reader.err.kind, ERR_NONE);
	http_stream_close(stream);
	AUTO_FREE char *encoding = wire_header(wire_request(b.wire, 1), "Accept-Encoding");

	assert_null(encoding);
	bench_close(&b);
	reader_release(&reader);
}

static void a_refused_stream_hands_over_status_and_body(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct reader reader;

	(void)state;
	reader_init(&reader);
	bench_open(&b, good_events, &options, false);
	struct http_stream *stream =
		http_stream_open(b.http, &(struct http_request){ .path = "/gone" }, &reader_ops, &reader);

	assert_true(becomes(&reader.ended, 1));
	assert_int_equal(reader.refused_status, 410);
	assert_int_equal(reader.opened, 0);
	assert_int_equal(reader.chunks, 0);
	http_stream_close(stream);
	bench_close(&b);
	reader_release(&reader);
}

static void no_callback_runs_after_a_stream_was_closed(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct reader reader, inner;

	(void)state;
	reader_init(&reader);
	reader_init(&inner);
	bench_open(&b, good_events, &options, false);
	struct http_request request = { .path = "/watch-hang", .mode = HTTP_ALONE };
	struct http_stream *stream = http_stream_open(b.http, &request, &reader_ops, &reader), *self;

	assert_true(becomes(&reader.chunks, 1));
	http_stream_close(stream);
	assert_int_equal(reader.ended, 0);
	/* And one that closes itself in its own callback. */
	inner.self = &self;
	pthread_mutex_lock(&inner.lock); /* on_data waits until self is written */
	self = http_stream_open(b.http, &request, &reader_ops, &inner);
	pthread_mutex_unlock(&inner.lock);
	assert_true(becomes(&inner.chunks, 1));
	assert_true(get(&b, "/x"));
	assert_int_equal(inner.ended, 0);
	bench_close(&b);
	reader_release(&reader);
	reader_release(&inner);
}

static void a_reader_that_refuses_ends_its_stream(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct reader reader;

	(void)state;
	reader_init(&reader);
	reader.refuse = true;
	bench_open(&b, good_events, &options, false);
	struct http_stream *stream = http_stream_open(
		b.http, &(struct http_request){ .path = "/watch-hang", .mode = HTTP_WATCH }, &reader_ops, &reader);

	assert_true(becomes(&reader.ended, 1));
	assert_int_equal(reader.err.kind, ERR_LIMIT);
	http_stream_close(stream);
	bench_close(&b);
	reader_release(&reader);
}

static bool frozen(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)arg;
	if (strstr(r->target, "watch"))
		wire_puts(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n");
	wire_hang(peer);
	return false;
}

static void a_frozen_server_ends_its_streams_after_45_seconds(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct reader reader;
	struct mover mover;

	(void)state;
	reader_init(&reader);
	bench_open(&b, frozen, &options, true);
	struct http_stream *stream = http_stream_open(
		b.http, &(struct http_request){ .path = "/watch", .mode = HTTP_WATCH }, &reader_ops, &reader);

	assert_true(becomes(&reader.chunks, 1));
	int64_t start = clock_now_ms(b.clock);

	mover_start(&mover, &b);
	assert_true(becomes(&reader.ended, 1));
	mover_stop(&mover);
	assert_int_equal(reader.err.kind, ERR_NETWORK);
	assert_non_null(strstr(reader.err.message, "no answer to a probe"));
	assert_in_range(clock_now_ms(b.clock) - start, 45000, 120000);
	http_stream_close(stream);
	bench_close(&b);
	reader_release(&reader);
}

static void a_silent_watch_lives_while_probes_are_answered(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct reader reader;

	(void)state;
	reader_init(&reader);
	bench_open(&b, good_events, &options, true);
	struct http_stream *stream = http_stream_open(
		b.http, &(struct http_request){ .path = "/watch-hang", .mode = HTTP_WATCH }, &reader_ops, &reader);

	assert_true(becomes(&reader.chunks, 1));
	for (unsigned probes = 0; probes < 4; probes++) {
		unsigned before = wire_count(b.wire);

		for (int i = 0; i < 5000 && wire_count(b.wire) == before; i++) {
			clock_advance(b.clock, 1000);
			usleep(2000);
		}
		assert_string_equal(wire_request(b.wire, before + 1)->target, "/base/version");
		usleep(20000);
	}
	assert_int_equal(reader.ended, 0);
	http_stream_close(stream);
	bench_close(&b);
	reader_release(&reader);
}

static void dropping_connections_ends_streams_and_repeats_calls(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct reader reader;

	(void)state;
	reader_init(&reader);
	bench_open(&b, good_events, &options, false);
	struct http_stream *stream = http_stream_open(
		b.http, &(struct http_request){ .path = "/watch-hang", .mode = HTTP_WATCH }, &reader_ops, &reader);

	assert_true(becomes(&reader.chunks, 1));
	http_drop_connections(b.http, "credentials changed");
	assert_true(becomes(&reader.ended, 1));
	assert_non_null(strstr(reader.err.message, "connections dropped: credentials changed"));
	assert_true(get(&b, "/x"));
	http_stream_close(stream);
	bench_close(&b);
	reader_release(&reader);
}

static void destroying_the_network_ends_everything(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct reader reader;

	(void)state;
	reader_init(&reader);
	bench_open(&b, good_events, &options, false);
	struct http_stream *stream = http_stream_open(
		b.http, &(struct http_request){ .path = "/watch-hang", .mode = HTTP_WATCH }, &reader_ops, &reader);

	assert_true(becomes(&reader.chunks, 1));
	net_destroy(b.net);
	assert_int_equal(reader.ended, 1);
	assert_int_equal(reader.err.kind, ERR_CANCELLED);
	http_stream_close(stream);
	assert_false(http_call(b.http, &(struct http_request){ .path = "/x" }, NULL, &b.response, &b.err));
	assert_int_equal(b.err.kind, ERR_CANCELLED);
	b.net = NULL;
	bench_close(&b);
	reader_release(&reader);
}

static void closing_a_server_does_not_wait_for_its_sockets(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct reader readers[20];

	(void)state;
	bench_open(&b, frozen, &options, false);
	struct http_stream *streams[20];

	for (int i = 0; i < 20; i++) {
		reader_init(&readers[i]);
		streams[i] = http_stream_open(
			b.http, &(struct http_request){ .path = "/watch", .mode = i % 2 ? HTTP_WATCH : HTTP_ALONE },
			&reader_ops, &readers[i]);
	}
	assert_true(becomes(&readers[19].chunks, 1));
	int64_t start = real_ms();

	http_destroy(b.http);
	b.http = NULL;
	assert_in_range(real_ms() - start, 0, 500);
	for (int i = 0; i < 20; i++) {
		http_stream_close(streams[i]);
		reader_release(&readers[i]);
	}
	bench_close(&b);
}

static void the_token_bucket_spaces_requests_out(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { .rate_per_s = 10, .burst = 5 };
	AUTO_RELEASE(http_result) result = { 0 };
	struct mover mover;
	int n = 0;

	(void)state;
	bench_open(&b, echo, &options, true);
	AUTO(http_group) group = http_group_create(b.http, 100, NULL);
	int64_t start = clock_now_ms(b.clock);

	for (int i = 0; i < 105; i++)
		http_group_add(group, &(struct http_request){ .path = "/x", .timeout_ms = 600000 }, NULL);
	for (int i = 0; i < 5; i++)
		n += http_group_next(group, &result, &b.err);
	assert_int_equal(clock_now_ms(b.clock), start);
	mover_start(&mover, &b);
	while (http_group_next(group, &result, &b.err))
		n++;
	mover_stop(&mover);
	assert_int_equal(n, 105);
	assert_true(clock_now_ms(b.clock) - start >= 9900);
	bench_close(&b);
}

/* ---- pausing ---- */

#define FLOOD_BYTES (24 << 20)

static bool flood(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	AUTO_FREE char *chunk = xcalloc(1, 1 << 20);
	AUTO_FREE char *head = xasprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", FLOOD_BYTES);

	(void)arg;
	(void)r;
	wire_puts(peer, head);
	for (int i = 0; i < FLOOD_BYTES >> 20; i++)
		if (!wire_write(peer, chunk, 1 << 20))
			return false;
	return true;
}

struct drinker {
	struct http_stream *stream;
	atomic_int bytes, ended;
	pthread_mutex_t lock; /* held until stream is known */
	bool paused;
};

static bool sip(struct str bytes, void *arg)
{
	struct drinker *drinker = arg;

	pthread_mutex_lock(&drinker->lock);
	if (!drinker->paused && drinker->bytes > 1 << 20) {
		drinker->paused = true;
		http_stream_pause(drinker->stream, true);
	}
	pthread_mutex_unlock(&drinker->lock);
	atomic_fetch_add(&drinker->bytes, (int)bytes.len);
	return true;
}

static void sated(const struct http_response *refusal, const struct error *err, void *arg)
{
	assert_null(refusal);
	assert_null(err);
	atomic_fetch_add(&((struct drinker *)arg)->ended, 1);
}

static void go_on(void *arg)
{
	http_stream_pause(((struct drinker *)arg)->stream, false);
}

static void a_paused_stream_holds_the_server_back(void **state)
{
	struct bench b = { 0 };
	struct http_options options = { 0 };
	struct drinker drinker = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct http_stream_ops drinker_ops = { NULL, sip, sated };
	int before = -1;

	(void)state;
	bench_open(&b, flood, &options, false);
	pthread_mutex_lock(&drinker.lock);
	drinker.stream = http_stream_open(b.http, &(struct http_request){ .path = "/x", .mode = HTTP_ALONE },
					  &drinker_ops, &drinker);
	pthread_mutex_unlock(&drinker.lock);
	/* Still for 100 ms: it has stopped. */
	assert_true(becomes(&drinker.bytes, 1 << 20));
	for (int i = 0; i < 100 && before != atomic_load(&drinker.bytes); i++) {
		before = atomic_load(&drinker.bytes);
		usleep(100000);
	}
	assert_in_range(before, 1 << 20, 8 << 20);
	assert_int_equal(drinker.ended, 0);
	net_post(b.net, go_on, &drinker);
	assert_true(becomes(&drinker.ended, 1));
	assert_int_equal(drinker.bytes, FLOOD_BYTES);
	http_stream_close(drinker.stream);
	bench_close(&b);
}

/* ---- everything at once ---- */

static bool lazy(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)arg;
	if (strstr(r->target, "reset")) {
		wire_reset(peer);
		return false;
	}
	if (strstr(r->target, "watch"))
		return good_events(peer, r, arg);
	if (r->number % 7 == 0)
		usleep(3000);
	return wire_answer(peer, 200, "", "ok");
}

struct user {
	struct bench *b;
	unsigned seed;
	pthread_t thread;
};

static void use_stream(struct bench *b, unsigned *seed)
{
	static const enum http_mode modes[] = { HTTP_ANSWER, HTTP_WATCH, HTTP_ALONE };
	static const char *const paths[] = { "/watch", "/watch-hang", "/gone", "/reset", "/x" };
	struct reader reader;

	reader_init(&reader);
	struct http_request request = { .path = paths[rand_r(seed) % 5], .mode = modes[rand_r(seed) % 3] };
	struct http_stream *stream = http_stream_open(b->http, &request, &reader_ops, &reader);

	if (rand_r(seed) % 2)
		usleep(rand_r(seed) % 3000);
	if (request.mode == HTTP_ALONE && rand_r(seed) % 2) {
		http_stream_pause(stream, true);
		http_stream_pause(stream, false);
	}
	http_stream_close(stream);
	reader_release(&reader);
}

static void use_group(struct bench *b, unsigned *seed)
{
	AUTO(cancel) cancel = cancel_create();
	AUTO(http_group) group = http_group_create(b->http, 1 + rand_r(seed) % 8, cancel);
	AUTO_RELEASE(http_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	int wanted = rand_r(seed) % 10;

	for (int i = 0; i < 8; i++) {
		struct http_request request = { .path = rand_r(seed) % 8 ? "/x" : "/reset",
						.attempts = 2,
						.timeout_ms = 20000 };

		http_group_add(group, &request, NULL);
	}
	for (int i = 0; i < wanted && http_group_next(group, &result, &err); i++)
		;
	if (rand_r(seed) % 4 == 0)
		cancel_request(cancel, 0);
	while (rand_r(seed) % 2 && http_group_next(group, &result, &err))
		;
}

static void *use_at_random(void *arg)
{
	struct user *user = arg;

	for (int i = 0; i < 30; i++) {
		if (rand_r(&user->seed) % 2)
			use_stream(user->b, &user->seed);
		else
			use_group(user->b, &user->seed);
		if (rand_r(&user->seed) % 20 == 0)
			http_drop_connections(user->b->http, "test");
	}
	return NULL;
}

static void whatever_is_opened_cancelled_and_closed_nothing_is_left_behind(void **state)
{
	struct bench b = { 0 };
	struct login login = { 0 };
	struct http_options options = { .rate_per_s = 100000,
					.burst = 100000,
					.authorise = give_token,
					.authorise_arg = &login,
					.authorise_without_tls = true };
	struct user users[4];
	unsigned seed = (unsigned)time(NULL);

	(void)state;
	print_message("seed %u\n", seed);
	bench_open(&b, lazy, &options, false);
	for (unsigned i = 0; i < 4; i++) {
		users[i] = (struct user){ .b = &b, .seed = seed + i };
		pthread_create(&users[i].thread, NULL, use_at_random, &users[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(users[i].thread, NULL);
	assert_true(get(&b, "/x"));
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_brings_status_headers_and_body),
		cmocka_unit_test(a_body_is_sent_without_expecting_100_continue),
		cmocka_unit_test(connections_are_reused),
		cmocka_unit_test(a_group_runs_in_parallel_and_brings_every_result_once),
		cmocka_unit_test(more_calls_may_be_added_between_results),
		cmocka_unit_test(a_prepared_group_fills_its_calls),
		cmocka_unit_test(redirects_are_not_followed),
		cmocka_unit_test(control_characters_never_reach_the_wire),
		cmocka_unit_test(cancel_works_at_once),
		cmocka_unit_test(the_total_deadline_ends_a_call),
		cmocka_unit_test(after_a_timeout_the_next_call_gets_a_new_connection),
		cmocka_unit_test(headers_that_drip_end_after_ten_seconds),
		cmocka_unit_test(a_body_that_drips_ends_after_thirty_seconds),
		cmocka_unit_test(headers_over_64_kib_are_refused),
		cmocka_unit_test(a_gzip_bomb_ends_at_the_limit),
		cmocka_unit_test(retry_after_is_understood_in_both_forms),
		cmocka_unit_test(what_is_repeated_and_after_which_pause),
		cmocka_unit_test(ten_minutes_of_backing_off_pass_at_once_on_a_manual_clock),
		cmocka_unit_test(a_pause_beyond_the_deadline_is_not_begun),
		cmocka_unit_test(a_broken_connection_is_retried_only_for_what_may_run_twice),
		cmocka_unit_test(a_post_on_a_kept_connection_is_never_sent_twice),
		cmocka_unit_test(a_refused_connection_is_named_and_retried),
		cmocka_unit_test(read_only_lets_nothing_out_that_changes_something),
		cmocka_unit_test(after_401_the_credential_is_refreshed_once_also_for_writes),
		cmocka_unit_test(a_401_that_nothing_helps_against_is_the_answer),
		cmocka_unit_test(a_hundred_requests_wait_for_one_login),
		cmocka_unit_test(without_credential_nothing_is_sent_and_the_hook_says_why),
		cmocka_unit_test(a_credential_is_not_sent_over_plain_http),
		cmocka_unit_test(a_proxy_is_taken_from_the_options_or_the_environment),
		cmocka_unit_test(a_stream_brings_bytes_as_they_come_and_ends_cleanly),
		cmocka_unit_test(a_refused_stream_hands_over_status_and_body),
		cmocka_unit_test(no_callback_runs_after_a_stream_was_closed),
		cmocka_unit_test(a_reader_that_refuses_ends_its_stream),
		cmocka_unit_test(a_frozen_server_ends_its_streams_after_45_seconds),
		cmocka_unit_test(a_silent_watch_lives_while_probes_are_answered),
		cmocka_unit_test(dropping_connections_ends_streams_and_repeats_calls),
		cmocka_unit_test(destroying_the_network_ends_everything),
		cmocka_unit_test(closing_a_server_does_not_wait_for_its_sockets),
		cmocka_unit_test(the_token_bucket_spaces_requests_out),
		cmocka_unit_test(a_paused_stream_holds_the_server_back),
		cmocka_unit_test(whatever_is_opened_cancelled_and_closed_nothing_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
