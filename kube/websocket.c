#include "kube/websocket.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

#define MESSAGE_MAX_BYTES ((size_t)16 << 20)
#define PING_MS 10000
#define SILENCE_MS 60000

struct websocket {
	struct net *net;
	struct http_stream *stream;
	const struct websocket_ops *ops;
	void *arg;
	char **protocols; /* offered; NULL at the end */
	struct buf key;
	struct ws_reader reader;
	struct timer ping;
	int64_t heard_ms;
	bool open, ended, closed, paused;
	unsigned depth; /* callbacks under way: closing inside one frees later */
};

static void free_texts(char **texts)
{
	for (char **text = texts; text && *text; text++)
		free(*text);
	free(texts);
}

static void free_websocket(struct websocket *ws)
{
	free_texts(ws->protocols);
	buf_release(&ws->key);
	ws_reader_release(&ws->reader);
	free(ws);
}

static void leave(struct websocket *ws)
{
	if (!--ws->depth && ws->closed)
		free_websocket(ws);
}

static void end(struct websocket *ws, const struct websocket_end *how)
{
	if (ws->ended)
		return;
	ws->ended = true;
	loop_timer_clear(net_loop(ws->net), &ws->ping);
	if (!ws->closed)
		ws->ops->on_end(how, ws->arg);
}

static void end_with_error(struct websocket *ws, const struct error *err)
{
	end(ws, &(struct websocket_end){ .err = err, .code = WS_CODE_NONE });
}

/* ---- words ---- */

bool websocket_pod_path(const char *namespace, const char *pod, const char *subresource, struct buf *out, struct error *err)
{
	static const struct kube_resource pods = { .group = (char *)"", .version = (char *)"v1", .kind = (char *)"Pod",
						   .resource = (char *)"pods", .namespaced = true };

	if (!kube_path(&pods, namespace, pod, out, err))
		return false;
	buf_addf(out, "/%s", subresource);
	return true;
}

static bool explain_refusal(const struct http_response *refusal, const char *what, const char *subresource, struct error *err)
{
	AUTO_RELEASE(kube_status) status = { 0 };

	kube_status_decode(refusal, &status);
	kube_status_error(&status, what, err);
	if (status.code == 403)
		error_hint(err, "this needs the verb create on pods/%s (servers before 1.35: get); ask for a Role with both", subresource);
	else if (refusal->status < 400)
		error_hint(err, "something between us and the API server does not pass WebSockets on; a proxy, perhaps");
	return false;
}

bool websocket_explain(const struct websocket_end *end, const char *what, const char *subresource, struct error *err)
{
	AUTO_RELEASE(buf) reason = BUF_INIT(0);

	if (end->refusal)
		return explain_refusal(end->refusal, what, subresource, err);
	if (end->err) {
		error_copy(err, end->err);
		return error_wrap(err, "%s", what);
	}
	buf_add_plain(&reason, end->reason);
	return error_set(err, ERR_NETWORK, "%s: the server closed the connection (code %u)%s%s", what, end->code, reason.len ? ": " : "",
			 buf_cstr(&reason));
}

/* ---- sending ---- */

static void send_frame(struct websocket *ws, enum ws_opcode opcode, struct str head, struct str data)
{
	AUTO_RELEASE(buf) frame = BUF_INIT(0);
	uint8_t mask[4];

	RAND_bytes(mask, sizeof mask);
	ws_put_frame(&frame, opcode, head, data, mask);
	http_stream_write(ws->stream, buf_str(&frame));
}

static void send_close(struct websocket *ws, unsigned code)
{
	AUTO_RELEASE(buf) frame = BUF_INIT(0);
	uint8_t mask[4];

	RAND_bytes(mask, sizeof mask);
	ws_put_close(&frame, code, STR(""), mask);
	http_stream_write(ws->stream, buf_str(&frame));
}

void websocket_send(struct websocket *ws, struct str head, struct str data)
{
	if (ws->open && !ws->ended)
		send_frame(ws, WS_BINARY, head, data);
}

size_t websocket_unsent(const struct websocket *ws)
{
	return http_stream_unsent(ws->stream);
}

void websocket_pause(struct websocket *ws, bool paused)
{
	if (ws->paused == paused)
		return;
	ws->paused = paused;
	ws->heard_ms = loop_now_ms(net_loop(ws->net));
	http_stream_pause(ws->stream, paused);
}

/* ---- receiving ---- */

static void on_ping_due(void *arg)
{
	struct websocket *ws = arg;
	int64_t now = loop_now_ms(net_loop(ws->net));
	AUTO_RELEASE(error) err = { 0 };

	if (!ws->paused && now - ws->heard_ms >= SILENCE_MS) {
		error_set(&err, ERR_NETWORK, "no sign of life from the server for %d s", SILENCE_MS / 1000);
		ws->depth++;
		end_with_error(ws, &err);
		leave(ws);
		return;
	}
	send_frame(ws, WS_PING, STR(""), STR(""));
	loop_timer_set(net_loop(ws->net), &ws->ping, PING_MS, on_ping_due, ws);
}

static bool take_message(const struct ws_message *message, void *arg)
{
	struct websocket *ws = arg;
	AUTO_RELEASE(error) err = { 0 };

	switch (message->opcode) {
	case WS_BINARY:
		ws->ops->on_message(message->data, ws->arg);
		break;
	case WS_PING:
		send_frame(ws, WS_PONG, message->data, STR(""));
		break;
	case WS_CLOSE:
		send_close(ws, message->code == WS_CODE_NONE ? WS_CODE_NORMAL : message->code);
		end(ws, &(struct websocket_end){ .code = message->code, .reason = message->data });
		break;
	case WS_TEXT:
		send_close(ws, WS_CODE_UNSUPPORTED);
		error_set(&err, ERR_SERVER, "the server sent a text message where only binary ones are allowed");
		end_with_error(ws, &err);
		break;
	default:
		break;
	}
	return !ws->ended && !ws->closed;
}

static bool on_data(struct str bytes, void *arg)
{
	struct websocket *ws = arg;
	AUTO_RELEASE(error) err = { 0 };
	unsigned code;

	if (ws->ended)
		return true;
	ws->depth++;
	ws->heard_ms = loop_now_ms(net_loop(ws->net));
	if (!ws_reader_feed(&ws->reader, bytes, take_message, ws, &code, &err) && err.kind) {
		send_close(ws, code);
		end_with_error(ws, &err);
	}
	leave(ws);
	return true;
}

static bool was_offered(const struct websocket *ws, struct str protocol)
{
	for (char **offered = ws->protocols; *offered; offered++)
		if (str_is(protocol, *offered))
			return true;
	return false;
}

/* Whether the 101 is for us: the proof of the key, and a protocol that we offered. */
static bool check_handshake(const struct websocket *ws, const struct http_response *response, struct str *ret_protocol,
			    struct error *err)
{
	AUTO_RELEASE(buf) wanted = BUF_INIT(0);
	struct str value;

	ws_accept(&wanted, buf_str(&ws->key));
	if (!http_response_header(response, "Upgrade", 0, &value) || !str_ieq(value, STR("websocket")) ||
	    !http_response_header(response, "Sec-WebSocket-Accept", 0, &value) || !str_eq(value, buf_str(&wanted)))
		return error_set(err, ERR_SERVER, "the answer to the WebSocket handshake is none: something between us and the "
						  "server does not know WebSocket");
	if (http_response_header(response, "Sec-WebSocket-Extensions", 0, &value))
		return error_set(err, ERR_SERVER, "the server chose a WebSocket extension that we did not offer");
	if (!http_response_header(response, "Sec-WebSocket-Protocol", 0, ret_protocol) || !was_offered(ws, *ret_protocol))
		return error_set(err, ERR_SERVER, "the server speaks none of the WebSocket protocols that we offered");
	return true;
}

static void on_open(const struct http_response *response, void *arg)
{
	struct websocket *ws = arg;
	AUTO_RELEASE(error) err = { 0 };
	struct str protocol;

	ws->depth++;
	if (check_handshake(ws, response, &protocol, &err)) {
		AUTO_FREE char *name = str_dup(protocol);

		ws->open = true;
		ws->heard_ms = loop_now_ms(net_loop(ws->net));
		loop_timer_set(net_loop(ws->net), &ws->ping, PING_MS, on_ping_due, ws);
		ws->ops->on_open(name, ws->arg);
	} else {
		end_with_error(ws, &err);
	}
	leave(ws);
}

static void on_drain(void *arg)
{
	struct websocket *ws = arg;

	ws->depth++;
	if (!ws->ended && ws->ops->on_drain)
		ws->ops->on_drain(ws->arg);
	leave(ws);
}

static void on_stream_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct websocket *ws = arg;
	AUTO_RELEASE(error) cut = { 0 };

	ws->depth++;
	if (!refusal && !err)
		error_set(&cut, ERR_NETWORK, "the connection was closed without a goodbye");
	end(ws, &(struct websocket_end){ .refusal = refusal, .err = cut.kind ? &cut : err, .code = WS_CODE_NONE });
	leave(ws);
}

/* ---- opening and closing ---- */

static const struct http_stream_ops stream_ops = { on_open, on_data, on_stream_end };

static void put_key(struct websocket *ws)
{
	unsigned char bytes[16];

	RAND_bytes(bytes, sizeof bytes);
	base64_encode(&ws->key, (struct str){ (const char *)bytes, sizeof bytes }, BASE64_STANDARD);
}

static char *protocol_line(char *const *protocols)
{
	struct buf line = BUF_INIT(0);

	for (char *const *p = protocols; *p; p++)
		buf_addf(&line, "%s%s", p == protocols ? "Sec-WebSocket-Protocol: " : ", ", *p);
	return buf_give(&line);
}

static char **header_lines(const struct websocket *ws, const char *const *more)
{
	char **lines = NULL;
	size_t n = 0, cap = 0;

	for (; more && *more; more++)
		LIST_PUSH(lines, n, cap) = xstrdup(*more);
	LIST_PUSH(lines, n, cap) = xstrdup("Connection: Upgrade");
	LIST_PUSH(lines, n, cap) = xstrdup("Upgrade: websocket");
	LIST_PUSH(lines, n, cap) = xstrdup("Sec-WebSocket-Version: 13");
	LIST_PUSH(lines, n, cap) = xasprintf("Sec-WebSocket-Key: %s", buf_cstr(&ws->key));
	LIST_PUSH(lines, n, cap) = protocol_line(ws->protocols);
	LIST_PUSH(lines, n, cap) = NULL;
	return lines;
}

struct websocket *websocket_open(struct kube *kube, const char *path, const char *const *protocols,
				 const struct websocket_ops *ops, void *arg)
{
	struct websocket *ws = xcalloc(1, sizeof *ws);
	struct http_request request = { .path = path, .mode = HTTP_UPGRADE, .on_drain = on_drain };
	size_t n = 0, cap = 0;

	ws->net = kube_net(kube);
	ws->ops = ops;
	ws->arg = arg;
	for (; *protocols; protocols++)
		LIST_PUSH(ws->protocols, n, cap) = xstrdup(*protocols);
	LIST_PUSH(ws->protocols, n, cap) = NULL;
	put_key(ws);
	ws_reader_init(&ws->reader, WS_CLIENT, MESSAGE_MAX_BYTES);
	kube_prepare(kube, &request);
	char **lines = header_lines(ws, request.headers);

	request.headers = (const char *const *)lines;
	ws->stream = http_stream_open(kube_http(kube), &request, &stream_ops, ws);
	free_texts(lines);
	return ws;
}

void websocket_close(struct websocket *ws, unsigned code)
{
	if (!ws)
		return;
	if (ws->open && !ws->ended)
		send_close(ws, code);
	ws->closed = true;
	loop_timer_clear(net_loop(ws->net), &ws->ping);
	http_stream_close(ws->stream);
	if (!ws->depth)
		free_websocket(ws);
}
