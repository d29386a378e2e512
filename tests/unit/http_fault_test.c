/*
 * The client behind the fault proxy: what breaks between it and the server. Needs python3 for tests/fault/proxy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <pthread.h>
#include <unistd.h>

#include "base/http.h"
#include "wire.h"

extern char **environ;

struct bench {
	struct clock *clock;
	struct net *net;
	struct wire *wire;
	struct http *http;
	pid_t proxy;
	FILE *control;
	int stdin_fd;
	struct error err;
	struct http_response response;
	unsigned waits;
	char heal_on_wait;
};

static bool answer(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)arg;
	if (strstr(r->target, "watch")) {
		wire_puts(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n");
		wire_hang(peer);
		return false;
	}
	AUTO_FREE char *body = xmalloc(100001);

	memset(body, 'x', 100000);
	body[100000] = '\0';
	return wire_answer(peer, 200, "", body);
}

static FILE *connect_to(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fdopen(fd, "r+");
}

static void tell(struct bench *b, const char *command)
{
	char line[200];

	fprintf(b->control, "%s\n", command);
	fflush(b->control);
	assert_non_null(fgets(line, sizeof line, b->control));
	assert_true(starts_with(line, "ok"));
	fseek(b->control, 0, SEEK_CUR);
}

static unsigned start_proxy(struct bench *b)
{
	int in[2], out[2];
	unsigned port = 0, control = 0;
	AUTO_FREE char *target = xasprintf("127.0.0.1:%u", wire_port(b->wire));
	char *argv[] = { "tests/fault/proxy", "--to", target, "--with-stdin", NULL };
	posix_spawn_file_actions_t actions;

	assert_true(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	assert_int_equal(posix_spawn(&b->proxy, argv[0], &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	b->stdin_fd = in[1];
	FILE *lines = fdopen(out[0], "r");

	assert_int_equal(fscanf(lines, "listen %u control %u", &port, &control), 2);
	fclose(lines);
	b->control = connect_to(control);
	return port;
}

static void start(struct bench *b, bool manual)
{
	struct wire_options wire = { .handler = answer };

	b->clock = manual ? clock_create_manual(0) : NULL;
	b->net = net_create(b->clock, &b->err);
	b->wire = wire_start(&wire);
	AUTO_FREE char *url = xasprintf("http://127.0.0.1:%u", start_proxy(b));
	struct http_options options = { .base_url = url };

	b->http = http_create(b->net, &options, &b->err);
	assert_non_null(b->http);
}

static void stop(struct bench *b)
{
	http_destroy(b->http);
	net_destroy(b->net);
	fclose(b->control);
	close(b->stdin_fd);
	waitpid(b->proxy, NULL, 0);
	wire_stop(b->wire);
	clock_destroy(b->clock);
	error_release(&b->err);
	http_response_release(&b->response);
}

static void on_wait(const struct http_wait *wait, void *arg)
{
	struct bench *b = arg;

	b->waits++;
	if (b->heal_on_wait)
		tell(b, "heal");
	if (b->clock)
		clock_advance(b->clock, wait->wait_ms);
}

static bool get(struct bench *b, const char *path, const struct cancel *cancel)
{
	struct http_request request = { .path = path, .on_wait = on_wait, .on_wait_arg = b };

	error_release(&b->err);
	return http_call(b->http, &request, cancel, &b->response, &b->err);
}

struct watch {
	atomic_int chunks, ended;
	struct error err;
};

static bool on_data(struct str bytes, void *arg)
{
	(void)bytes;
	atomic_fetch_add(&((struct watch *)arg)->chunks, 1);
	return true;
}

static void on_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct watch *watch = arg;

	(void)refusal;
	if (err)
		error_copy(&watch->err, err);
	atomic_fetch_add(&watch->ended, 1);
}

static const struct http_stream_ops ops = { NULL, on_data, on_end };

static bool becomes(atomic_int *flag, int n)
{
	for (int i = 0; i < 5000 && atomic_load(flag) < n; i++)
		usleep(2000);
	return atomic_load(flag) >= n;
}

static struct http_stream *open_watch(struct bench *b, struct watch *watch)
{
	struct http_stream *stream =
		http_stream_open(b->http, &(struct http_request){ .path = "/watch", .mode = HTTP_WATCH }, &ops, watch);

	assert_true(becomes(&watch->chunks, 1));
	return stream;
}

static void expect_silence_is_found(const char *freeze)
{
	struct bench b = { 0 };
	struct watch watch = { 0 };

	start(&b, true);
	struct http_stream *stream = open_watch(&b, &watch);

	tell(&b, freeze);
	int64_t start_ms = clock_now_ms(b.clock);

	for (int i = 0; i < 1000 && !atomic_load(&watch.ended); i++) {
		clock_advance(b.clock, 1000);
		usleep(5000);
	}
	assert_int_equal(watch.ended, 1);
	assert_non_null(strstr(watch.err.message, "no sign of life"));
	assert_in_range(clock_now_ms(b.clock) - start_ms, 44000, 60000);
	/* And at once in step again when the network is back. */
	tell(&b, "thaw");
	assert_true(get(&b, "/x", NULL));
	http_stream_close(stream);
	error_release(&watch.err);
	stop(&b);
}

static void a_half_open_connection_is_found_after_45_seconds(void **state)
{
	(void)state;
	expect_silence_is_found("freeze");
}

static void a_connection_half_open_in_one_direction_too(void **state)
{
	(void)state;
	expect_silence_is_found("freeze down");
	expect_silence_is_found("freeze up");
}

static void a_reset_ends_a_watch_at_once_and_says_so(void **state)
{
	struct bench b = { 0 };
	struct watch watch = { 0 };

	(void)state;
	start(&b, false);
	struct http_stream *stream = open_watch(&b, &watch);

	tell(&b, "reset");
	assert_true(becomes(&watch.ended, 1));
	assert_int_equal(watch.err.kind, ERR_NETWORK);
	assert_non_null(strstr(watch.err.message, "reset"));
	http_stream_close(stream);
	error_release(&watch.err);
	stop(&b);
}

static void an_answer_that_is_cut_anywhere_is_asked_for_again(void **state)
{
	static const int cuts[] = { 1, 10, 17, 30, 60, 1000, 50000, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++)
		for (int reset = 0; reset < 2; reset++) {
			struct bench b = { .heal_on_wait = true };
			AUTO_FREE char *command = xasprintf(reset ? "cut %d" : "cut-close %d", cuts[i]);

			start(&b, true);
			tell(&b, command);
			if (!get(&b, "/x", NULL))
				fail_msg("%s: %s", command, b.err.message);
			assert_int_equal(b.response.body.len, 100000);
			assert_int_equal(b.waits, 1);
			stop(&b);
		}
}

static void a_server_that_comes_back_is_found_by_retrying(void **state)
{
	struct bench b = { .heal_on_wait = true };

	(void)state;
	start(&b, true);
	tell(&b, "refuse on");
	assert_true(get(&b, "/x", NULL));
	assert_int_equal(b.response.status, 200);
	assert_in_range(b.waits, 1, 2);
	stop(&b);
}

static void *cancel_soon(void *arg)
{
	usleep(50000);
	cancel_request(arg, 0);
	return NULL;
}

static void a_slow_network_does_not_delay_a_cancel(void **state)
{
	struct bench b = { 0 };
	AUTO(cancel) cancel = cancel_create();
	pthread_t thread;

	(void)state;
	start(&b, false);
	tell(&b, "delay 60000");
	int64_t start_ms = clock_now_ms(NULL);

	pthread_create(&thread, NULL, cancel_soon, cancel);
	assert_false(get(&b, "/x", cancel));
	pthread_join(thread, NULL);
	assert_int_equal(b.err.kind, ERR_CANCELLED);
	stop(&b);
	assert_in_range(clock_now_ms(NULL) - start_ms, 0, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_half_open_connection_is_found_after_45_seconds),
		cmocka_unit_test(a_connection_half_open_in_one_direction_too),
		cmocka_unit_test(a_reset_ends_a_watch_at_once_and_says_so),
		cmocka_unit_test(an_answer_that_is_cut_anywhere_is_asked_for_again),
		cmocka_unit_test(a_server_that_comes_back_is_found_by_retrying),
		cmocka_unit_test(a_slow_network_does_not_delay_a_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
