/* The WebSocket client against servers that keep the rules, and those that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "kube/websocket.h"
#include "wire.h"

#define LIMIT_S 20

/* ---- one WebSocket to one server ---- */

struct bench {
	struct wire *wire;
	struct net *net;
	struct kube *kube;
	struct websocket *ws; /* net thread */
	char folder[40];
	char *kubeconfig, *token_file;
	sem_t opened, got, ended;

	/* Written by callbacks, read after the semaphore that tells of it. */
	char protocol[64];
	struct buf messages; /* joined by | */
	int refusal;
	struct buf refusal_body;
	struct error err;
	unsigned code;
	struct buf reason;

	/* The server's side. */
	const char *mode;
	struct str after; /* what follows the 101 */
	pthread_mutex_t lock;
	struct buf heard; /* what the client said: "ping: pong:x close:1002 " */
	uint64_t bulk;	  /* bytes of its long messages, each of one letter that follows that of the last */
	bool garbled;
	size_t most_unsent;
	sem_t gate;	  /* of mode slow: it does not listen before */
};

static void on_open(const char *protocol, void *arg)
{
	struct bench *b = arg;

	snprintf(b->protocol, sizeof b->protocol, "%s", protocol);
	sem_post(&b->opened);
}

static void on_message(struct str message, void *arg)
{
	struct bench *b = arg;

	if (message.len > 100)
		buf_addf(&b->messages, "%zu bytes|", message.len);
	else
		buf_addf(&b->messages, "%.*s|", STR_ARG(message));
	sem_post(&b->got);
}

static void on_end(const struct websocket_end *end, void *arg)
{
	struct bench *b = arg;

	if (end->refusal) {
		b->refusal = end->refusal->status;
		buf_add_str(&b->refusal_body, buf_str(&end->refusal->body));
	}
	if (end->err)
		error_copy(&b->err, end->err);
	b->code = end->code;
	buf_adds(&b->reason, "");
	buf_add_str(&b->reason, end->reason);
	sem_post(&b->ended);
}

static const struct websocket_ops ops = { .on_open = on_open, .on_message = on_message, .on_end = on_end };

static void do_open(void *arg)
{
	static const char *const protocols[] = { "v5.channel.k8s.io", "v4.channel.k8s.io", NULL };
	struct bench *b = arg;

	b->ws = websocket_open(b->kube, "/api/v1/namespaces/n/pods/p/exec?command=a%20b&stdin=true", protocols, &ops, b);
}

static void do_close(void *arg)
{
	struct bench *b = arg;

	websocket_close(GIVE(b->ws), WS_CODE_NORMAL);
}

static void await(sem_t *semaphore, const char *what)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LIMIT_S;
	if (sem_timedwait(semaphore, &until) != 0)
		fail_msg("%s does not come", what);
}

/* ---- the server ---- */

static bool note(const struct ws_message *message, void *arg)
{
	static const char *const names[] = { [WS_BINARY] = "binary", [WS_CLOSE] = "close", [WS_PING] = "ping", [WS_PONG] = "pong" };
	struct bench *b = arg;

	pthread_mutex_lock(&b->lock);
	if (message->data.len > 1000) {
		char letter = (char)('a' + b->bulk / message->data.len % 26);

		for (size_t i = 0; i < message->data.len; i++)
			b->garbled = b->garbled || message->data.p[i] != letter;
		b->bulk += message->data.len;
		pthread_mutex_unlock(&b->lock);
		return true;
	}
	buf_addf(&b->heard, "%s:", names[message->opcode]);
	if (message->opcode == WS_CLOSE)
		buf_addf(&b->heard, "%u", message->code);
	buf_addf(&b->heard, "%.*s ", STR_ARG(message->data));
	pthread_mutex_unlock(&b->lock);
	return true;
}

/* Listens to frames as a server must: the reader refuses what is not masked. */
static void listen_to(struct bench *b, struct wire_peer *peer)
{
	struct ws_reader reader;
	AUTO_RELEASE(error) err = { 0 };
	char bytes[65536];
	unsigned code;
	size_t n;

	ws_reader_init(&reader, WS_SERVER, 1 << 20);
	while ((n = wire_read(peer, bytes, sizeof bytes)) > 0)
		if (!ws_reader_feed(&reader, (struct str){ bytes, n }, note, b, &code, &err))
			break;
	ws_reader_release(&reader);
}

static char *handshake(const struct wire_request *request, const char *protocol)
{
	AUTO_FREE char *key = wire_header(request, "Sec-WebSocket-Key");
	AUTO_RELEASE(buf) proof = BUF_INIT(0);

	ws_accept(&proof, str_of(key ? key : ""));
	return xasprintf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
			 "Sec-WebSocket-Protocol: %s\r\n%%s\r\n",
			 buf_cstr(&proof), protocol);
}

static bool is_mode(const struct bench *b, const char *mode)
{
	return strcmp(b->mode, mode) == 0;
}

static bool speak(struct wire_peer *peer, const struct wire_request *request, void *arg)
{
	struct bench *b = arg;
	AUTO_FREE char *form = handshake(request, is_mode(b, "protocol") ? "v1.channel.k8s.io" : "v4.channel.k8s.io");
	AUTO_FREE char *token = wire_header(request, "Authorization");

	if (strcmp(request->method, "CONNECT") == 0)
		return wire_puts(peer, "HTTP/1.1 200 Connection established\r\n\r\n");
	if (strcmp(request->target, "/prefix/version") == 0)
		return wire_answer(peer, 200, "", "{\"major\":\"1\",\"minor\":\"35\"}");
	if (is_mode(b, "login") && (!token || strcmp(token, "Bearer new") != 0))
		return wire_answer(peer, 401, "Content-Type: application/json\r\n", "{\"kind\":\"Status\",\"code\":401}");
	if (is_mode(b, "hang")) {
		wire_hang(peer);
		return false;
	}
	if (is_mode(b, "raw")) { /* after is the whole answer */
		wire_write(peer, b->after.p, b->after.len);
		return false;
	}
	AUTO_FREE char *extension = xstrdup(is_mode(b, "extension") ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
	AUTO_RELEASE(buf) answer = BUF_INIT(0);
	const char *percent = strstr(form, "%s");

	buf_add(&answer, form, (size_t)(percent - form));
	buf_adds(&answer, extension);
	buf_adds(&answer, percent + 2);
	buf_add_str(&answer, b->after);
	for (size_t at = 0, step = is_mode(b, "drip") ? 1 : answer.len; at < answer.len; at += step)
		wire_write(peer, answer.p + at, step);
	if (is_mode(b, "slow"))
		sem_wait(&b->gate);
	if (is_mode(b, "reset"))
		wire_reset(peer);
	if (!is_mode(b, "cut") && !is_mode(b, "reset"))
		listen_to(b, peer);
	return false;
}

/* ---- setting up ---- */

struct setting {
	const char *mode;
	struct str after;
	struct clock *clock;
	const struct test_cert *ca, *cert, *client; /* TLS */
	bool through_proxy, with_token;
};

static void put_base64(struct buf *out, const char *key, const char *pem)
{
	buf_addf(out, "%s: ", key);
	base64_encode(out, str_of(pem), BASE64_STANDARD);
	buf_adds(out, "\n");
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
}

static void write_kubeconfig(struct bench *b, const struct setting *setting)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	unsigned port = wire_port(b->wire);

	buf_adds(&text, "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nclusters:\n- name: a\n  cluster:\n");
	if (setting->through_proxy)
		buf_addf(&text, "    server: http://kube.invalid\n    proxy-url: http://127.0.0.1:%u\n", port);
	else
		buf_addf(&text, "    server: %s://127.0.0.1:%u/prefix\n", setting->cert ? "https" : "http", port);
	if (setting->ca)
		put_base64(&text, "    certificate-authority-data", setting->ca->cert_pem);
	buf_adds(&text, "users:\n- name: a\n  user:\n");
	if (setting->client) {
		put_base64(&text, "    client-certificate-data", setting->client->cert_pem);
		put_base64(&text, "    client-key-data", setting->client->key_pem);
	} else if (setting->with_token) {
		buf_addf(&text, "    tokenFile: %s\n    as: bob\n", b->token_file);
	} else {
		buf_adds(&text, "    token: secret\n");
	}
	write_text(b->kubeconfig, buf_cstr(&text));
}

static void bench_open(struct bench *b, const struct setting *setting)
{
	AUTO_RELEASE(error) err = { 0 };

	*b = (struct bench){ .mode = setting->mode, .after = setting->after, .folder = "/tmp/slotdeck-websocket-XXXXXX" };
	assert_non_null(mkdtemp(b->folder));
	b->kubeconfig = xasprintf("%s/kubeconfig", b->folder);
	b->token_file = xasprintf("%s/token", b->folder);
	pthread_mutex_init(&b->lock, NULL);
	sem_init(&b->opened, 0, 0);
	sem_init(&b->got, 0, 0);
	sem_init(&b->ended, 0, 0);
	sem_init(&b->gate, 0, 0);
	write_text(b->token_file, "old");
	b->wire = wire_start(&(struct wire_options){ .handler = speak, .arg = b, .cert = setting->cert, .client_ca = setting->client ? setting->ca : NULL });
	write_kubeconfig(b, setting);
	b->net = net_create(setting->clock, &err);
	if (!kube_open(b->net, &(struct kube_options){ .kubeconfig = { .path = b->kubeconfig } }, &b->kube, &err))
		fail_msg("%s", err.message);
}

static void bench_dial(struct bench *b)
{
	net_post_and_wait(b->net, do_open, b);
}

static void bench_release(struct bench *b)
{
	net_post_and_wait(b->net, do_close, b);
	kube_close(b->kube);
	net_destroy(b->net);
	wire_stop(b->wire);
	unlink(b->kubeconfig);
	unlink(b->token_file);
	rmdir(b->folder);
	free(b->kubeconfig);
	free(b->token_file);
	buf_release(&b->messages);
	buf_release(&b->refusal_body);
	buf_release(&b->reason);
	buf_release(&b->heard);
	error_release(&b->err);
	pthread_mutex_destroy(&b->lock);
	sem_destroy(&b->opened);
	sem_destroy(&b->got);
	sem_destroy(&b->ended);
	sem_destroy(&b->gate);
}
DEFINE_AUTO_RELEASE(bench);

/* Waits until the server heard that. */
static void await_heard(struct bench *b, const char *text)
{
	bool heard = false;

	for (int i = 0; i < LIMIT_S * 1000 && !heard; i++) {
		pthread_mutex_lock(&b->lock);
		heard = str_find(buf_str(&b->heard), str_of(text)) >= 0;
		pthread_mutex_unlock(&b->lock);
		usleep(heard ? 0 : 1000);
	}
	if (!heard)
		fail_msg("the server does not hear %s but %s", text, buf_cstr(&b->heard));
}

/* ---- tests ---- */

static void the_handshake_offers_protocols_and_carries_the_login(void **state)
{
	AUTO_RELEASE(bench) b;
	static const struct {
		const char *header, *value;
	} wanted[] = {
		{ "Upgrade", "websocket" },	     { "Connection", "Upgrade" },	  { "Sec-WebSocket-Version", "13" },
		{ "Authorization", "Bearer old" },   { "Impersonate-User", "bob" },	  { "Sec-WebSocket-Protocol", "v5.channel.k8s.io, v4.channel.k8s.io" },
	};

	(void)state;
	bench_open(&b, &(struct setting){ .mode = "", .with_token = true });
	bench_dial(&b);
	await(&b.opened, "the opening");
	assert_string_equal(b.protocol, "v4.channel.k8s.io");
	const struct wire_request *request = wire_request(b.wire, 1);

	assert_string_equal(request->target, "/prefix/api/v1/namespaces/n/pods/p/exec?command=a%20b&stdin=true");
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		AUTO_FREE char *value = wire_header(request, wanted[i].header);

		assert_non_null(value);
		assert_string_equal(value, wanted[i].value);
	}
	AUTO_FREE char *host = wire_header(request, "Host");
	AUTO_FREE char *agent = wire_header(request, "User-Agent");

	assert_true(starts_with(host, "127.0.0.1:"));
	assert_true(starts_with(agent, "slotdeck/"));
}

static void messages_come_also_with_the_head_in_fragments_and_byte_by_byte(void **state)
{
	static const char *const modes[] = { "", "drip" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		AUTO_RELEASE(bench) b;

		bench_open(&b, &(struct setting){ .mode = modes[i], .after = STR("\x82\x03one\x02\x01t\x89\x04here\x80\x02wo\x82\x05three\x88\x05\x03\xe9""bye") });
		bench_dial(&b);
		await(&b.ended, "the end");
		assert_string_equal(buf_cstr(&b.messages), "one|two|three|");
		assert_int_equal(b.err.kind, ERR_NONE);
		assert_int_equal(b.code, WS_CODE_AWAY);
		assert_string_equal(buf_cstr(&b.reason), "bye");
		await_heard(&b, "pong:here close:1001 ");
	}
}

static void servers_that_break_the_protocol_are_left_with_the_right_code(void **state)
{
	static const struct {
		struct str after;
		enum err_kind kind;
		const char *text, *heard;
	} rows[] = {
		{ STR("\x82\x81\x01\x02\x03\x04x"), ERR_SERVER, "masked", "close:1002 " },
		{ STR("\xc2\x01x"), ERR_SERVER, "reserved", "close:1002 " },
		{ STR("\x80\x01x"), ERR_SERVER, "fragment", "close:1002 " },
		{ STR("\x81\x01x"), ERR_SERVER, "text message", "close:1003 " },
		{ STR("\x82\x7f\x00\x00\x00\x00\x01\x00\x00\x01"), ERR_LIMIT, "more than 16777216 bytes", "close:1009 " },
		{ STR("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), ERR_LIMIT, "more than 16777216 bytes", "close:1009 " },
		{ STR("\x88\x02\x03\xed"), ERR_SERVER, "close frame", "close:1002 " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(bench) b;

		bench_open(&b, &(struct setting){ .mode = "", .after = rows[i].after });
		bench_dial(&b);
		await(&b.ended, "the end");
		assert_int_equal(b.err.kind, rows[i].kind);
		assert_non_null(strstr(b.err.message, rows[i].text));
		await_heard(&b, rows[i].heard);
	}
}

static void a_connection_that_breaks_is_an_error(void **state)
{
	static const char *const modes[] = { "cut", "reset" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		AUTO_RELEASE(bench) b;

		bench_open(&b, &(struct setting){ .mode = modes[i], .after = STR("\x82\x05""ab") });
		bench_dial(&b);
		await(&b.ended, "the end");
		assert_int_equal(b.err.kind, ERR_NETWORK);
	}
}

static void answers_that_are_no_websocket_are_refused(void **state)
{
	static const struct {
		const char *mode;
		struct str after;
		const char *text; /* of the error */
		int refusal;	  /* or the status of the refusal */
		const char *body;
	} rows[] = {
		{ "protocol", { 0 }, "none of the WebSocket protocols", 0, NULL },
		{ "extension", { 0 }, "extension", 0, NULL },
		{ "raw", STR("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"), "handshake", 0, NULL },
		{ "raw", STR("HTTP/1.1 101 X\r\nUpgrade: h2c\r\n\r\n"), "handshake", 0, NULL },
		{ "raw", STR("HTTP/1.1 101"), "cut off inside its headers", 0, NULL },
		{ "raw", STR("SSH-2.0-x\r\n\r\n"), "", 0, NULL },
		{ "raw", STR(""), "", 0, NULL },
		{ "raw", STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), NULL, 200, "hello" },
		{ "raw", STR("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno \r\n3;x=y\r\nway\r\n0\r\n\r\n"), NULL, 403, "no way" },
		{ "raw", STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), NULL, 404, "" },
		{ "raw", STR("HTTP/1.0 500 Oh\r\n\r\nuntil the end"), NULL, 500, "until the end" },
		{ "raw", STR("HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\nff\r\ncut"), NULL, 500, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(bench) b;

		bench_open(&b, &(struct setting){ .mode = rows[i].mode, .after = rows[i].after });
		bench_dial(&b);
		await(&b.ended, "the end");
		assert_int_equal(b.refusal, rows[i].refusal);
		assert_int_equal(b.err.kind != ERR_NONE, !rows[i].refusal);
		if (rows[i].text && !strstr(b.err.message, rows[i].text))
			fail_msg("row %zu: %s", i, b.err.message);
		if (rows[i].body)
			assert_string_equal(buf_cstr(&b.refusal_body), rows[i].body);
	}
}

static void a_head_without_end_and_a_body_without_end_are_bounded(void **state)
{
	AUTO_RELEASE(buf) head = BUF_INIT(0);
	AUTO_RELEASE(buf) body = BUF_INIT(0);
	AUTO_RELEASE(bench) b;
	AUTO_RELEASE(bench) c;

	(void)state;
	buf_adds(&head, "HTTP/1.1 101 X\r\nX: ");
	buf_add_repeat(&head, 'x', 1 << 20);
	bench_open(&b, &(struct setting){ .mode = "raw", .after = buf_str(&head) });
	bench_dial(&b);
	await(&b.ended, "the end");
	assert_int_equal(b.err.kind, ERR_LIMIT);
	buf_adds(&body, "HTTP/1.1 502 X\r\n\r\n");
	buf_add_repeat(&body, 'x', 1 << 20);
	bench_open(&c, &(struct setting){ .mode = "raw", .after = buf_str(&body) });
	bench_dial(&c);
	await(&c.ended, "the end");
	assert_int_equal(c.refusal, 502);
	assert_in_range(c.refusal_body.len, 1, 64 << 10);
}

static void silence_is_broken_by_pings_and_ends_after_a_minute(void **state)
{
	AUTO(clock) clock = clock_create_manual(0);
	AUTO_RELEASE(bench) b;

	(void)state;
	bench_open(&b, &(struct setting){ .mode = "", .clock = clock });
	bench_dial(&b);
	await(&b.opened, "the opening");
	clock_advance(clock, 10000);
	await_heard(&b, "ping: ");
	clock_advance(clock, 10000);
	await_heard(&b, "ping: ping: ");
	assert_int_equal(sem_trywait(&b.ended), -1);
	clock_advance(clock, 40000);
	await(&b.ended, "the end");
	assert_int_equal(b.err.kind, ERR_NETWORK);
	assert_non_null(strstr(b.err.message, "no sign of life from the server for 60 s"));
}

static void do_pause(void *arg)
{
	websocket_pause(((struct bench *)arg)->ws, true);
}

static void do_resume(void *arg)
{
	websocket_pause(((struct bench *)arg)->ws, false);
}

static void a_pause_is_not_taken_for_silence(void **state)
{
	AUTO(clock) clock = clock_create_manual(0);
	AUTO_RELEASE(bench) b;

	(void)state;
	bench_open(&b, &(struct setting){ .mode = "", .clock = clock });
	bench_dial(&b);
	await(&b.opened, "the opening");
	net_post_and_wait(b.net, do_pause, &b);
	for (int i = 1; i <= 9; i++)
		clock_advance(clock, 10000);
	await_heard(&b, "ping: ");
	net_post_and_wait(b.net, do_resume, &b);
	clock_advance(clock, 10000);
	net_post_and_wait(b.net, do_pause, &b); /* a turn of the net thread */
	assert_int_equal(sem_trywait(&b.ended), -1);
}

static void a_login_that_is_refused_is_read_anew_once(void **state)
{
	AUTO_RELEASE(bench) b;
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	bench_open(&b, &(struct setting){ .mode = "login", .with_token = true });
	assert_true(http_call(kube_http(b.kube), &(struct http_request){ .path = "/version", .attempts = 1 }, NULL, &response, &err));
	write_text(b.token_file, "new");
	bench_dial(&b);
	await(&b.opened, "the opening");
	assert_int_equal(wire_count(b.wire), 3);
}

static void a_tunnel_goes_through_a_proxy(void **state)
{
	AUTO_RELEASE(bench) b;

	(void)state;
	bench_open(&b, &(struct setting){ .mode = "", .through_proxy = true, .after = STR("\x82\x02hi") });
	bench_dial(&b);
	await(&b.got, "a message");
	assert_string_equal(wire_request(b.wire, 1)->target, "kube.invalid:80");
	assert_string_equal(buf_cstr(&b.messages), "hi|");
}

static void do_send(void *arg)
{
	websocket_send(((struct bench *)arg)->ws, STR("\1"), STR("over TLS"));
}

static void tls_carries_it_with_our_certificate(void **state)
{
	struct test_cert ca = test_cert_make(&(struct test_cert_options){ .name = "our authority", .is_ca = true });
	struct test_cert server = test_cert_make(&(struct test_cert_options){ .name = "server", .dns = "IP:127.0.0.1", .issuer = &ca });
	struct test_cert client = test_cert_make(&(struct test_cert_options){ .name = "alice", .issuer = &ca });
	AUTO_RELEASE(buf) after = BUF_INIT(0);

	(void)state;
	buf_add_str(&after, STR("\x82\x7f\0\0\0\0\0\x4c\x4b\x40")); /* 5,000,000 bytes: much more than one record of TLS */
	buf_add_repeat(&after, 'x', 5000000);
	{
		AUTO_RELEASE(bench) b;

		bench_open(&b, &(struct setting){ .mode = "", .ca = &ca, .cert = &server, .client = &client, .after = buf_str(&after) });
		bench_dial(&b);
		await(&b.got, "a message");
		assert_string_equal(buf_cstr(&b.messages), "5000000 bytes|");
		net_post_and_wait(b.net, do_send, &b);
		await_heard(&b, "binary:\1over TLS ");
	}
	test_cert_release(&client);
	test_cert_release(&server);
	test_cert_release(&ca);
}

#define LONG_BYTES 100000
#define LONG_COUNT 260 /* ten alphabets */

/* One message after the other, while nothing goes out: what waits moves in memory as it grows. */
static void send_long(void *arg)
{
	struct bench *b = arg;
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	for (unsigned i = 0; i < LONG_COUNT; i++) {
		buf_reset(&text);
		buf_add_repeat(&text, (char)('a' + i % 26), LONG_BYTES);
		websocket_send(b->ws, STR(""), buf_str(&text));
	}
	b->most_unsent = websocket_unsent(b->ws);
}

static void what_the_server_does_not_take_yet_arrives_later_in_order(void **state)
{
	struct test_cert ca = test_cert_make(&(struct test_cert_options){ .name = "our authority", .is_ca = true });
	struct test_cert server = test_cert_make(&(struct test_cert_options){ .name = "server", .dns = "IP:127.0.0.1", .issuer = &ca });
	const struct test_cert *certs[] = { NULL, &server };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(certs); i++) {
		AUTO_RELEASE(bench) b;

		bench_open(&b, &(struct setting){ .mode = "slow", .ca = certs[i] ? &ca : NULL, .cert = certs[i] });
		bench_dial(&b);
		await(&b.opened, "the opening");
		for (int round = 0; round < 2; round++)
			net_post_and_wait(b.net, send_long, &b);
		assert_true(b.most_unsent > LONG_BYTES);
		sem_post(&b.gate);
		net_post_and_wait(b.net, do_send, &b);
		await_heard(&b, "binary:\1over TLS ");
		assert_int_equal(b.bulk, 2 * LONG_COUNT * LONG_BYTES);
		assert_false(b.garbled);
	}
	test_cert_release(&server);
	test_cert_release(&ca);
}

static void an_opening_that_nobody_answers_ends_with_the_deadline(void **state)
{
	AUTO(clock) clock = clock_create_manual(0);
	AUTO_RELEASE(bench) b;

	(void)state;
	bench_open(&b, &(struct setting){ .mode = "hang", .clock = clock });
	bench_dial(&b);
	for (int i = 0; i < LIMIT_S * 1000 && !wire_count(b.wire); i++)
		usleep(1000);
	clock_advance(clock, 61000);
	await(&b.ended, "the end");
	assert_int_equal(b.err.kind, ERR_TIMEOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_handshake_offers_protocols_and_carries_the_login),
		cmocka_unit_test(messages_come_also_with_the_head_in_fragments_and_byte_by_byte),
		cmocka_unit_test(servers_that_break_the_protocol_are_left_with_the_right_code),
		cmocka_unit_test(a_connection_that_breaks_is_an_error),
		cmocka_unit_test(answers_that_are_no_websocket_are_refused),
		cmocka_unit_test(a_head_without_end_and_a_body_without_end_are_bounded),
		cmocka_unit_test(silence_is_broken_by_pings_and_ends_after_a_minute),
		cmocka_unit_test(a_pause_is_not_taken_for_silence),
		cmocka_unit_test(a_login_that_is_refused_is_read_anew_once),
		cmocka_unit_test(a_tunnel_goes_through_a_proxy),
		cmocka_unit_test(tls_carries_it_with_our_certificate),
		cmocka_unit_test(what_the_server_does_not_take_yet_arrives_later_in_order),
		cmocka_unit_test(an_opening_that_nobody_answers_ends_with_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
