/*
 * A request whose answer may be 101: after it the connection is a two-way stream of bytes.
 *
 * curl makes the connection (proxy, TLS, client certificate) and hands it over (CURLOPT_CONNECT_ONLY); the head is written
 * and read here. What is no 101 is an ordinary refusal with its body.
 */
#include "base/http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define READ_BYTES 32768
#define SEND_BYTES 16384 /* one record of TLS */
#define READS_MAX  32 /* before others have their turn */

struct upgrade {
	struct transfer *t; /* NULL: only the handle's memory is left */
	uv_poll_t poll;
	struct timer again;
	struct buf line; /* of the head, not yet whole */
	struct buf out;	 /* what waits behind chunk */
	size_t taken;	 /* of out */
	/* What is being sent stays where it is, because TLS must be given the very same bytes again when it could not write them. */
	char chunk[SEND_BYTES];
	size_t chunk_len, chunk_sent;
	bool paused;
	CURLcode failed; /* to send: nothing is taken any more; what the other side still says is read first */
};

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct upgrade *u)
{
	int events = (u->paused ? 0 : UV_READABLE) | (upgrade_unsent(u) ? UV_WRITABLE : 0);

	if (events)
		uv_poll_start(&u->poll, events, on_ready);
	else
		uv_poll_stop(&u->poll);
}

/* ---- writing ---- */

static void fail_sending(struct upgrade *u, CURLcode code)
{
	u->failed = code;
	u->paused = false;
	u->chunk_len = u->chunk_sent = 0;
	buf_reset(&u->out);
	u->taken = 0;
	loop_timer_set(net_loop(u->t->http->net), &u->again, 0, upgrade_read, u);
}

/* Fills chunk from what waits; false: nothing does. */
static bool next_chunk(struct upgrade *u)
{
	size_t n = u->out.len - u->taken < SEND_BYTES ? u->out.len - u->taken : SEND_BYTES;

	if (n)
		memcpy(u->chunk, u->out.p + u->taken, n);
	u->taken += n;
	u->chunk_len = n;
	u->chunk_sent = 0;
	if (n)
		return true;
	if (!u->t->opened && u->out.p) { /* the head with its credential */
		secret_wipe(u->out.p, u->out.len);
		secret_wipe(u->chunk, sizeof u->chunk);
	}
	buf_reset(&u->out);
	u->taken = 0;
	return false;
}

/* False: not all could be sent. */
static bool flush(struct upgrade *u)
{
	while (u->chunk_sent < u->chunk_len || next_chunk(u)) {
		size_t n = 0;
		CURLcode code = curl_easy_send(u->t->easy, u->chunk + u->chunk_sent, u->chunk_len - u->chunk_sent, &n);

		if (code == CURLE_AGAIN)
			return false;
		if (code != CURLE_OK) {
			fail_sending(u, code);
			return false;
		}
		u->chunk_sent += n;
	}
	return true;
}

void upgrade_write(struct upgrade *u, struct str bytes)
{
	if (u->failed)
		return;
	if (u->taken > u->out.len / 2) {
		buf_consume(&u->out, u->taken);
		u->taken = 0;
	}
	buf_add_str(&u->out, bytes);
	flush(u);
	watch(u);
}

size_t upgrade_unsent(const struct upgrade *u)
{
	return u->chunk_len - u->chunk_sent + u->out.len - u->taken;
}

void upgrade_pause(struct upgrade *u, bool paused)
{
	u->paused = paused && !u->failed;
	/* Bytes that TLS has taken off the socket already make no socket readable. */
	if (!u->paused)
		loop_timer_set(net_loop(u->t->http->net), &u->again, 0, upgrade_read, u);
	watch(u);
}

/* ---- reading ---- */

/* Takes the chunks of a body apart; false when the last one is not there yet. */
static bool dechunk(struct str body, struct buf *out)
{
	struct str line;

	while (str_cut(&body, '\n', &line)) {
		AUTO_FREE char *text = str_dup(line);
		size_t n = strtoul(text, NULL, 16);

		if (!n)
			return true;
		if (body.len < n)
			break;
		buf_add(out, body.p, n);
		body = (struct str){ body.p + n, body.len - n };
		if (!str_cut(&body, '\n', &line))
			break;
	}
	return false;
}

static bool is_chunked(const struct transfer *t)
{
	struct str value;

	return http_response_header(&t->response, "Transfer-Encoding", 0, &value) && str_ieq(value, STR("chunked"));
}

/* Whether all of a refusal is there. */
static bool is_whole(const struct transfer *t)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(0);
	struct str value;

	if (t->body_bytes >= (int64_t)REFUSAL_MAX_BYTES)
		return true;
	if (is_chunked(t))
		return dechunk(buf_str(&t->response.body), &plain);
	if (!http_response_header(&t->response, "Content-Length", 0, &value))
		return false;
	AUTO_FREE char *text = str_dup(value);

	return t->body_bytes >= strtoll(text, NULL, 10);
}

/* The end of reading, for whatever reason; t and u are gone afterwards. */
static void finish(struct upgrade *u, CURLcode code)
{
	struct transfer *t = u->t;
	struct buf plain = BUF_INIT(0);

	if (t->response.status != 101 && is_chunked(t)) {
		dechunk(buf_str(&t->response.body), &plain);
		buf_release(&t->response.body);
		t->response.body = plain;
	}
	transfer_finish_attempt(t, code);
}

/* Up to and with the next end of line. False: the transfer does not want more. */
static bool take_line(struct upgrade *u, struct str *bytes)
{
	const char *end = memchr(bytes->p, '\n', bytes->len);
	size_t n = end ? (size_t)(end - bytes->p) + 1 : bytes->len;

	buf_add(&u->line, bytes->p, n);
	*bytes = (struct str){ bytes->p + n, bytes->len - n };
	if (!end && u->line.len <= HEADER_LIMIT_BYTES)
		return true;
	bool wanted = transfer_take_header(u->line.p, 1, u->line.len, u->t) != 0;

	buf_reset(&u->line);
	return wanted;
}

/* False: it ended, and u is gone. */
static bool take(struct upgrade *u, struct str bytes)
{
	struct transfer *t = u->t;

	while (bytes.len && !t->head_done)
		if (!take_line(u, &bytes)) {
			finish(u, CURLE_WRITE_ERROR);
			return false;
		}
	if (bytes.len && !transfer_take_body((char *)bytes.p, 1, bytes.len, t)) {
		finish(u, CURLE_WRITE_ERROR);
		return false;
	}
	if (t->head_done && !t->opened && is_whole(t)) {
		finish(u, CURLE_OK);
		return false;
	}
	return true;
}

void upgrade_read(void *arg)
{
	struct upgrade *u = arg;
	char bytes[READ_BYTES];

	for (unsigned i = 0; i < READS_MAX && !u->paused; i++) {
		size_t n = 0;
		CURLcode code = curl_easy_recv(u->t->easy, bytes, sizeof bytes, &n);

		if (code == CURLE_AGAIN && !u->failed)
			return;
		if (code != CURLE_OK || !n) {
			finish(u, u->failed ? u->failed : code);
			return;
		}
		if (!take(u, (struct str){ bytes, n }))
			return;
	}
	if (!u->paused)
		loop_timer_set(net_loop(u->t->http->net), &u->again, 0, upgrade_read, u);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct upgrade *u = poll->data;

	if (!u->t)
		return;
	if ((events & UV_WRITABLE) && flush(u))
		transfer_tell_drained(u->t);
	watch(u);
	if (status < 0 || (events & UV_READABLE))
		upgrade_read(u);
}

/* ---- life ---- */

/* "name:port" of an origin like "https://name:port". */
static const char *host_of(const struct http *http)
{
	return http->host_header ? http->host_header : strstr(http->origin, "://") + 3;
}

static bool has_line(const struct transfer *t, const char *name)
{
	for (const struct curl_slist *line = t->lines; line; line = line->next)
		if (!strncasecmp(line->data, name, strlen(name)))
			return true;
	return false;
}

static void put_head(const struct transfer *t, struct buf *out)
{
	buf_addf(out, "%s %s%s HTTP/1.1\r\n", t->method, t->http->prefix, t->path);
	if (!has_line(t, "Host:"))
		buf_addf(out, "Host: %s\r\n", host_of(t->http));
	if (!has_line(t, "User-Agent:"))
		buf_addf(out, "User-Agent: %s\r\n", t->http->user_agent);
	for (const struct curl_slist *line = t->lines; line; line = line->next)
		if (strchr(line->data, ':')[1]) /* else it tells curl to leave that header out */
			buf_addf(out, "%s\r\n", line->data);
	buf_adds(out, "\r\n");
}

bool upgrade_begin(struct transfer *t, struct error *err)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	struct upgrade *u = xcalloc(1, sizeof *u);

	curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd);
	u->t = t;
	u->poll.data = u;
	if (fd == CURL_SOCKET_BAD || uv_poll_init_socket(loop_uv(net_loop(t->http->net)), &u->poll, fd) < 0) {
		free(u);
		return error_set(err, ERR_BUG, "libcurl does not hand over its connection");
	}
	t->upgrade = u;
	put_head(t, &u->out);
	flush(u);
	watch(u);
	return true;
}

static void free_upgrade(uv_handle_t *handle)
{
	struct upgrade *u = handle->data;

	buf_release(&u->line);
	buf_release(&u->out);
	free(u);
}

void upgrade_end(struct upgrade *u)
{
	loop_timer_clear(net_loop(u->t->http->net), &u->again);
	if (u->out.p)
		secret_wipe(u->out.p, u->out.len);
	secret_wipe(u->chunk, sizeof u->chunk);
	u->t = NULL;
	uv_poll_stop(&u->poll);
	uv_close((uv_handle_t *)&u->poll, free_upgrade);
}
