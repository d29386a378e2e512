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
#include <unistd.h>

#include "base/file.h"
#include "base/http.h"
#include "wire.h"

extern char **environ;

/* ---- authorities and certificates, made once ---- */

struct kit {
	struct test_cert ca, other_ca, good, expired, future, wrong, by_other, client_a, client_b, client_other;
};

static int kit_make(void **state)
{
	static struct kit kit;
	const char *here = "IP:127.0.0.1,DNS:localhost";

	kit.ca = test_cert_make(&(struct test_cert_options){ .name = "our authority", .is_ca = true });
	kit.other_ca = test_cert_make(&(struct test_cert_options){ .name = "other authority", .is_ca = true });
	kit.good = test_cert_make(&(struct test_cert_options){ .name = "server", .dns = here, .issuer = &kit.ca });
	kit.expired = test_cert_make(&(struct test_cert_options){
		.name = "server", .dns = here, .issuer = &kit.ca, .from_s = -200000, .until_s = -100000 });
	kit.future = test_cert_make(&(struct test_cert_options){
		.name = "server", .dns = here, .issuer = &kit.ca, .from_s = 100000, .until_s = 200000 });
	kit.wrong = test_cert_make(&(struct test_cert_options){
		.name = "server", .dns = "DNS:kube.example,IP:10.0.0.1", .issuer = &kit.ca });
	kit.by_other =
		test_cert_make(&(struct test_cert_options){ .name = "server", .dns = here, .issuer = &kit.other_ca });
	kit.client_a = test_cert_make(&(struct test_cert_options){ .name = "alice", .issuer = &kit.ca });
	kit.client_b = test_cert_make(&(struct test_cert_options){ .name = "bob", .issuer = &kit.ca });
	kit.client_other = test_cert_make(&(struct test_cert_options){ .name = "mallory", .issuer = &kit.other_ca });
	*state = &kit;
	return 0;
}

static int kit_free(void **state)
{
	struct test_cert *certs = *state;

	for (size_t i = 0; i < sizeof(struct kit) / sizeof *certs; i++)
		test_cert_release(&certs[i]);
	return 0;
}

/* ---- one server, one client ---- */

static bool answer(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)arg;
	if (strstr(r->target, "watch")) {
		wire_puts(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n");
		wire_hang(peer);
		return false;
	}
	if (strstr(r->target, "hang")) {
		wire_hang(peer);
		return false;
	}
	if (strstr(r->target, "slow"))
		usleep(30000);
	AUTO_FREE char *text = xasprintf("%s %s %zu", r->method, r->target, r->body_len);

	return wire_answer(peer, 200, "", text);
}

struct bench {
	struct clock *clock;
	struct net *net;
	struct wire *wire;
	struct http *http;
	struct error err;
	struct http_response response;
};

static bool start(struct bench *b, const struct test_cert *cert, const struct test_cert *client_ca,
		  struct http_options *options)
{
	struct wire_options wire = { .handler = answer, .cert = cert, .client_ca = client_ca };

	b->net = net_create(b->clock, &b->err);
	b->wire = wire_start(&wire);
	AUTO_FREE char *url = xasprintf("https://127.0.0.1:%u", wire_port(b->wire));

	options->base_url = url;
	b->http = http_create(b->net, options, &b->err);
	return b->http != NULL;
}

static void stop(struct bench *b)
{
	http_destroy(b->http);
	net_destroy(b->net);
	if (b->wire)
		wire_stop(b->wire);
	clock_destroy(b->clock);
	error_release(&b->err);
	http_response_release(&b->response);
}

static bool get(struct bench *b, const char *path)
{
	error_release(&b->err);
	return http_call(b->http, &(struct http_request){ .path = path, .timeout_ms = 10000 }, NULL, &b->response,
			 &b->err);
}

static void expect_error(const struct bench *b, const char *part)
{
	if (b->err.kind != ERR_NETWORK || !strstr(b->err.message, part))
		fail_msg("wanted \"%s\", got %s \"%s\"", part, error_kind_name(b->err.kind),
			 b->err.message ? b->err.message : "");
}

static void a_good_chain_is_trusted(void **state)
{
	const struct kit *kit = *state;
	struct bench b = { 0 };
	struct http_options options = { .ca_pem = str_of(kit->ca.cert_pem) };

	assert_true(start(&b, &kit->good, NULL, &options));
	assert_true(get(&b, "/x"));
	assert_int_equal(b.response.status, 200);
	stop(&b);
}

static void without_http2_calls_run_in_parallel_over_http_1_1(void **state)
{
	const struct kit *kit = *state;
	struct bench b = { 0 };
	struct http_options options = { .ca_pem = str_of(kit->ca.cert_pem) };
	AUTO_RELEASE(http_result) result = { 0 };
	unsigned n = 0;

	assert_true(start(&b, &kit->good, NULL, &options));
	AUTO(http_group) group = http_group_create(b.http, 8, NULL);

	for (int i = 0; i < 40; i++)
		http_group_add(group, &(struct http_request){ .path = "/slow" }, NULL);
	while (http_group_next(group, &result, &b.err)) {
		assert_int_equal(result.response.status, 200);
		assert_false(result.response.http2);
		n++;
	}
	assert_int_equal(n, 40);
	assert_int_equal(wire_connections(b.wire), 8);
	stop(&b);
}

static void what_is_wrong_with_a_certificate_is_named(void **state)
{
	const struct kit *kit = *state;
	const struct {
		const struct test_cert *cert;
		const char *parts[3];
	} table[] = {
		{ &kit->expired, { "CN=server expired on 20", "(our clock says 20", "Z)" } },
		{ &kit->future, { "CN=server is not valid before 20", "(our clock says", "Z)" } },
		{ &kit->wrong,
		  { "certificate is for kube.example, 10.0.0.1, not for 127.0.0.1", "GET https://127.0.0.1",
		    "/x: TLS:" } },
		{ &kit->by_other, { "signed by CN=other authority, whom we do not know", "CN=server", "TLS:" } },
		{ &kit->other_ca, { "signed by CN=other authority, whom we do not know", "TLS", "CN=" } },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bench b = { 0 };
		struct http_options options = { .ca_pem = str_of(kit->ca.cert_pem) };

		assert_true(start(&b, table[i].cert, NULL, &options));
		assert_false(get(&b, "/x"));
		for (size_t j = 0; j < 3; j++)
			expect_error(&b, table[i].parts[j]);
		/* It is final: no second attempt. */
		assert_int_equal(wire_connections(b.wire), 1);
		stop(&b);
	}
}

static void the_systems_roots_are_not_trusted_beside_a_given_authority(void **state)
{
	const struct kit *kit = *state;
	struct bench b = { 0 };
	struct http_options options = { 0 };

	/* And without an authority only the system's roots are. */
	assert_true(start(&b, &kit->good, NULL, &options));
	assert_false(get(&b, "/x"));
	expect_error(&b, "whom we do not know");
	stop(&b);
}

static void tls_server_name_is_checked_instead_of_the_host(void **state)
{
	const struct kit *kit = *state;
	struct bench b = { 0 };
	struct http_options options = { .ca_pem = str_of(kit->ca.cert_pem), .tls_server_name = "kube.example" };

	assert_true(start(&b, &kit->wrong, NULL, &options));
	assert_true(get(&b, "/x"));
	AUTO_FREE char *host = wire_header(wire_request(b.wire, 1), "Host");

	assert_true(starts_with(host, "127.0.0.1:"));
	stop(&b);
}

static void insecure_checks_nothing(void **state)
{
	const struct kit *kit = *state;
	struct bench b = { 0 };
	struct http_options options = { .insecure_skip_tls_verify = true };

	assert_true(start(&b, &kit->expired, NULL, &options));
	assert_true(get(&b, "/x"));
	stop(&b);
}

static void a_client_certificate_opens_the_door(void **state)
{
	const struct kit *kit = *state;
	const struct {
		const struct test_cert *client;
		bool good;
	} table[] = { { &kit->client_a, true }, { &kit->client_other, false }, { NULL, false } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bench b = { 0 };
		struct http_options options = { .ca_pem = str_of(kit->ca.cert_pem) };

		if (table[i].client) {
			options.client_cert_pem = str_of(table[i].client->cert_pem);
			options.client_key_pem = str_of(table[i].client->key_pem);
		}
		assert_true(start(&b, &kit->good, &kit->ca, &options));
		assert_int_equal(get(&b, "/x"), table[i].good);
		if (!table[i].good)
			expect_error(&b, "the server refuses our client certificate");
		stop(&b);
	}
}

static void a_new_client_certificate_gets_new_connections(void **state)
{
	const struct kit *kit = *state;
	struct bench b = { 0 };
	struct http_options options = { .ca_pem = str_of(kit->ca.cert_pem),
					.client_cert_pem = str_of(kit->client_a.cert_pem),
					.client_key_pem = str_of(kit->client_a.key_pem) };

	assert_true(start(&b, &kit->good, &kit->ca, &options));
	assert_true(get(&b, "/x") && get(&b, "/x"));
	assert_int_equal(wire_connections(b.wire), 1);
	assert_true(http_set_identity(b.http, str_of(kit->client_a.cert_pem), str_of(kit->client_a.key_pem), STR(""),
				      &b.err));
	assert_true(get(&b, "/x"));
	assert_int_equal(wire_connections(b.wire), 1);
	assert_true(http_set_identity(b.http, str_of(kit->client_b.cert_pem), str_of(kit->client_b.key_pem), STR(""),
				      &b.err));
	assert_true(get(&b, "/x") && get(&b, "/x"));
	assert_int_equal(wire_connections(b.wire), 2);
	assert_false(http_set_identity(b.http, str_of(kit->client_b.cert_pem), str_of(kit->client_a.key_pem), STR(""),
				       &b.err));
	assert_non_null(strstr(b.err.message, "does not belong"));
	stop(&b);
}

static void unusable_pem_and_urls_are_refused_at_once(void **state)
{
	const struct kit *kit = *state;
	const struct {
		struct http_options options;
		const char *part;
	} table[] = {
		{ { .base_url = "https://x", .ca_pem = STR("garbage") }, "certificate authority holds no PEM" },
		{ { .base_url = "https://x", .client_cert_pem = str_of(kit->client_a.cert_pem) }, "without its key" },
		{ { .base_url = "https://x", .client_key_pem = str_of(kit->client_a.key_pem) },
		  "without its certificate" },
		{ { .base_url = "https://x",
		    .client_cert_pem = str_of(kit->client_a.cert_pem),
		    .client_key_pem = STR("x") },
		  "holds no PEM private key" },
		{ { .base_url = "https://x",
		    .client_cert_pem = str_of(kit->client_a.cert_pem),
		    .client_key_pem = str_of(kit->client_b.key_pem) },
		  "does not belong" },
		{ { .base_url = "ftp://x" }, "must be http or https" },
		{ { .base_url = "https://x/?a=b" }, "no query" },
		{ { .base_url = "https://user:pw@x/" }, "must not hold a user name" },
		{ { .base_url = "https://x:99999/" }, "bad host or port" },
		{ { .base_url = "https:///" }, "bad host or port" },
		{ { .base_url = "x" }, "no absolute URL" },
		{ { 0 }, "no server URL" },
		{ { .base_url = "https://x", .proxy_url = "gopher://y" }, "unknown scheme" },
	};
	AUTO_RELEASE(error) err = { 0 };
	AUTO(net) net = net_create(NULL, &err);

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_null(http_create(net, &table[i].options, &err));
		assert_int_equal(err.kind, ERR_INVALID);
		if (!strstr(err.message, table[i].part))
			fail_msg("%s", err.message);
		assert_null(strstr(err.message, "pw"));
	}
}

static void plain_http_on_a_tls_port_is_named(void **state)
{
	const struct kit *kit = *state;
	struct bench b = { 0 };
	struct wire_options wire = { .handler = answer,
				     .greeting = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" };
	struct http_options options = { .ca_pem = str_of(kit->ca.cert_pem) };

	b.net = net_create(NULL, &b.err);
	b.wire = wire_start(&wire);
	AUTO_FREE char *url = xasprintf("https://127.0.0.1:%u", wire_port(b.wire));

	options.base_url = url;
	b.http = http_create(b.net, &options, &b.err);
	assert_false(get(&b, "/x"));
	expect_error(&b, "the server does not speak TLS here");
	stop(&b);
}

static void a_name_that_does_not_resolve_is_named(void **state)
{
	(void)state;
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO(net) net = net_create(NULL, &err);
	struct http_options options = { .base_url = "https://no-such-host.invalid:6443" };
	AUTO(http) http = http_create(net, &options, &err);

	assert_false(
		http_call(http, &(struct http_request){ .path = "/version", .attempts = 1 }, NULL, &response, &err));
	assert_int_equal(err.kind, ERR_NETWORK);
	assert_non_null(strstr(err.message, "cannot be resolved"));
}

/* ---- HTTP/2, through nghttpx ---- */

struct front {
	struct bench b;
	pid_t pid;
	char folder[64];
	unsigned port;
};

static char *find_nghttpx(void)
{
	static const char *const places[] = { "/usr/sbin/nghttpx", "/usr/bin/nghttpx", "/usr/local/bin/nghttpx" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (access(places[i], X_OK) == 0)
			return xstrdup(places[i]);
	return NULL;
}

static unsigned free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	close(fd);
	return ntohs(address.sin_port);
}

static bool listens(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;

	close(fd);
	return yes;
}

static bool launch(struct front *f, const char *program, const char *key, const char *cert)
{
	f->port = free_port();
	AUTO_FREE char *frontend = xasprintf("--frontend=127.0.0.1,%u", f->port);
	AUTO_FREE char *backend = xasprintf("--backend=127.0.0.1,%u", wire_port(f->b.wire));
	char *argv[] = { (char *)program,
			 "--conf=/dev/null",
			 frontend,
			 backend,
			 "--single-process",
			 "--no-ocsp",
			 "--errorlog-file=/dev/null",
			 "--accesslog-file=/dev/null",
			 (char *)key,
			 (char *)cert,
			 NULL };

	posix_spawn_file_actions_t actions;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	bool spawned = posix_spawn(&f->pid, program, &actions, NULL, argv, environ) == 0;

	posix_spawn_file_actions_destroy(&actions);
	for (int i = 0; spawned && i < 500; i++) {
		if (listens(f->port))
			return true;
		if (waitpid(f->pid, NULL, WNOHANG) == f->pid)
			return false; /* somebody took the port: another */
		usleep(10000);
	}
	return false;
}

/* False: there is no nghttpx; the test skips itself, loudly. */
static bool front_open(struct front *f, const struct kit *kit, bool manual)
{
	AUTO_FREE char *program = find_nghttpx();
	struct wire_options wire = { .handler = answer };

	if (!program) {
		print_message("SKIPPED: nghttpx (Debian: nghttp2-proxy) is not installed, HTTP/2 is NOT tested\n");
		return false;
	}
	strcpy(f->folder, "/tmp/slotdeck-h2-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	AUTO_FREE char *key = xasprintf("%s/key.pem", f->folder), *cert = xasprintf("%s/cert.pem", f->folder);

	assert_true(file_write_atomic(key, str_of(kit->good.key_pem), 0600, &f->b.err));
	assert_true(file_write_atomic(cert, str_of(kit->good.cert_pem), 0600, &f->b.err));
	f->b.clock = manual ? clock_create_manual(0) : NULL;
	f->b.net = net_create(f->b.clock, &f->b.err);
	f->b.wire = wire_start(&wire);
	for (int i = 0; !launch(f, program, key, cert); i++)
		assert_in_range(i, 0, 5);
	AUTO_FREE char *url = xasprintf("https://127.0.0.1:%u", f->port);
	struct http_options options = {
		.base_url = url, .ca_pem = str_of(kit->ca.cert_pem), .rate_per_s = 10000, .burst = 10000
	};

	f->b.http = http_create(f->b.net, &options, &f->b.err);
	assert_non_null(f->b.http);
	return true;
}

static void front_kill(struct front *f)
{
	if (!f->pid)
		return;
	kill(f->pid, SIGCONT);
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	f->pid = 0;
}

static void front_close(struct front *f)
{
	AUTO_FREE char *command = xasprintf("rm -rf '%s'", f->folder);

	stop(&f->b);
	front_kill(f);
	(void)!system(command);
}

static void many_calls_share_one_http2_connection(void **state)
{
	struct front f = { 0 };
	AUTO_RELEASE(http_result) result = { 0 };
	unsigned port = 0, n = 0;

	if (!front_open(&f, *state, false))
		return;
	AUTO(http_group) group = http_group_create(f.b.http, 50, NULL);
	struct http_request request = {
		.method = "PATCH", .path = "/slow", .body = STR("{\"a\":1}"), .idempotent = true
	};

	for (int i = 0; i < 200; i++)
		http_group_add(group, &request, NULL);
	while (http_group_next(group, &result, &f.b.err)) {
		assert_int_equal(result.error.kind, ERR_NONE);
		assert_int_equal(result.response.status, 200);
		assert_true(result.response.http2);
		if (n++)
			assert_int_equal(result.response.local_port, port);
		port = result.response.local_port;
	}
	assert_int_equal(n, 200);
	front_close(&f);
}

static void a_cancelled_call_leaves_its_neighbours_alone(void **state)
{
	struct front f = { 0 };
	AUTO(cancel) cancel = cancel_create();

	if (!front_open(&f, *state, false))
		return;
	assert_true(get(&f.b, "/x"));
	unsigned port = f.b.response.local_port;
	struct http_group *doomed = http_group_create(f.b.http, 10, NULL);

	for (int i = 0; i < 10; i++)
		http_group_add(doomed, &(struct http_request){ .path = "/hang" }, NULL);
	cancel_request(cancel, 0);
	AUTO(http_group) cancelled = http_group_create(f.b.http, 10, cancel);
	AUTO_RELEASE(http_result) result = { 0 };

	http_group_add(cancelled, &(struct http_request){ .path = "/hang" }, NULL);
	assert_false(http_group_next(cancelled, &result, &f.b.err));
	http_group_destroy(doomed);
	assert_true(get(&f.b, "/x"));
	assert_int_equal(f.b.response.local_port, port);
	front_close(&f);
}

struct watch {
	atomic_uint port;
	atomic_int chunks, ended;
	struct error err;
};

static void on_open(const struct http_response *response, void *arg)
{
	(void)response;
	(void)arg;
}

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

static const struct http_stream_ops ops = { on_open, on_data, on_end };

static bool becomes(atomic_int *flag, int n)
{
	for (int i = 0; i < 5000 && atomic_load(flag) < n; i++)
		usleep(2000);
	return atomic_load(flag) >= n;
}

static unsigned count_connections_to(unsigned port)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *wanted = xasprintf(" 0100007F:%04X 01 ", port);
	unsigned n = 0;

	assert_true(file_read("/proc/net/tcp", 0, &text, &err));
	for (const char *at = text.p; (at = strstr(at, wanted)); at++)
		n++;
	return n;
}

static void one_connection_holds_at_most_ninety_watches(void **state)
{
	struct front f = { 0 };
	enum { N = 120 };
	static struct watch watches[N];
	struct http_stream *streams[N];

	if (!front_open(&f, *state, false))
		return;
	memset(watches, 0, sizeof watches);
	for (int i = 0; i < N; i++)
		streams[i] = http_stream_open(f.b.http, &(struct http_request){ .path = "/watch", .mode = HTTP_WATCH },
					      &ops, &watches[i]);
	for (int i = 0; i < N; i++)
		assert_true(becomes(&watches[i].chunks, 1));
	assert_int_equal(count_connections_to(f.port), 2);
	for (int i = 0; i < N; i++)
		http_stream_close(streams[i]);
	front_close(&f);
}

static void a_frozen_http2_server_is_found_by_its_silence(void **state)
{
	struct front f = { 0 };
	struct watch watch = { 0 };

	if (!front_open(&f, *state, true))
		return;
	struct http_stream *stream = http_stream_open(
		f.b.http, &(struct http_request){ .path = "/watch", .mode = HTTP_WATCH }, &ops, &watch);

	assert_true(becomes(&watch.chunks, 1));
	kill(f.pid, SIGSTOP);
	int64_t start_ms = clock_now_ms(f.b.clock);

	for (int i = 0; i < 2000 && !atomic_load(&watch.ended); i++) {
		clock_advance(f.b.clock, 1000);
		usleep(5000);
	}
	assert_int_equal(watch.ended, 1);
	assert_int_equal(watch.err.kind, ERR_NETWORK);
	assert_non_null(strstr(watch.err.message, "no sign of life"));
	assert_in_range(clock_now_ms(f.b.clock) - start_ms, 44000, 60000);
	error_release(&watch.err);
	http_stream_close(stream);
	front_close(&f);
}

static void a_killed_http2_server_ends_its_streams_at_once(void **state)
{
	struct front f = { 0 };
	struct watch watch = { 0 };

	if (!front_open(&f, *state, false))
		return;
	struct http_stream *stream = http_stream_open(
		f.b.http, &(struct http_request){ .path = "/watch", .mode = HTTP_WATCH }, &ops, &watch);

	assert_true(becomes(&watch.chunks, 1));
	front_kill(&f);
	assert_true(becomes(&watch.ended, 1));
	assert_int_equal(watch.err.kind, ERR_NETWORK);
	error_release(&watch.err);
	http_stream_close(stream);
	front_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_chain_is_trusted),
		cmocka_unit_test(without_http2_calls_run_in_parallel_over_http_1_1),
		cmocka_unit_test(what_is_wrong_with_a_certificate_is_named),
		cmocka_unit_test(the_systems_roots_are_not_trusted_beside_a_given_authority),
		cmocka_unit_test(tls_server_name_is_checked_instead_of_the_host),
		cmocka_unit_test(insecure_checks_nothing),
		cmocka_unit_test(a_client_certificate_opens_the_door),
		cmocka_unit_test(a_new_client_certificate_gets_new_connections),
		cmocka_unit_test(unusable_pem_and_urls_are_refused_at_once),
		cmocka_unit_test(plain_http_on_a_tls_port_is_named),
		cmocka_unit_test(a_name_that_does_not_resolve_is_named),
		cmocka_unit_test(many_calls_share_one_http2_connection),
		cmocka_unit_test(a_cancelled_call_leaves_its_neighbours_alone),
		cmocka_unit_test(one_connection_holds_at_most_ninety_watches),
		cmocka_unit_test(a_frozen_http2_server_is_found_by_its_silence),
		cmocka_unit_test(a_killed_http2_server_ends_its_streams_at_once),
	};

	return cmocka_run_group_tests(tests, kit_make, kit_free);
}
