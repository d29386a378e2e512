#include "base/http_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utc.h"

#define USER_TIMEOUT_MS 30000
#define KEEPALIVE_S	15L

/* Header lines may hold the credential. */
static void free_lines(struct transfer *t)
{
	for (struct curl_slist *line = t->lines; line; line = line->next)
		secret_wipe(line->data, strlen(line->data));
	curl_slist_free_all(t->lines);
	curl_slist_free_all(t->connect_to);
	t->lines = t->connect_to = NULL;
}

void transfer_free(struct transfer *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->nheaders; i++)
		free(t->headers[i]);
	free(t->headers);
	free(t->method);
	free(t->path);
	free(t->accept);
	free(t->content_type);
	if (t->body.p)
		secret_wipe(t->body.p, t->body.len); /* may be a Secret's manifest */
	buf_release(&t->body);
	http_response_release(&t->response);
	error_release(&t->error);
	secret_release(&t->authorization);
	secret_release(&t->token);
	identity_unref(t->identity);
	mailbox_unref(t->mailbox);
	stream_unref(t->stream);
	http_unref(t->http);
	free(t);
}

/* ---- words ---- */

void transfer_wrap(const struct transfer *t, struct error *err)
{
	struct str path = str_of(t->path), head;

	if (str_cut(&path, '?', &head))
		path = head;
	error_wrap(err, "%s %s%.*s", t->method, t->http->base_url, STR_ARG(path));
}

/* ---- ending ---- */

/* Callbacks of a stream run under its lock, so that closing from another thread waits for them. */
static bool enter_stream(struct http_stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	if (!stream->closed)
		return true;
	pthread_mutex_unlock(&stream->lock);
	return false;
}

static void leave_stream(struct http_stream *stream)
{
	pthread_mutex_unlock(&stream->lock);
}

static void leave_wire(struct transfer *t)
{
	struct lane *lane = t->lane;

	if (t->upgrade)
		upgrade_end(t->upgrade);
	t->upgrade = NULL;
	tape_end(t);
	tape_leave(t);
	if (t->easy) {
		lane_remove(lane, t);
		curl_easy_cleanup(t->easy);
		t->easy = NULL;
	}
	free_lines(t);
	t->lane = NULL;
	if (lane && lane->probe == t)
		lane->probe = NULL;
	if (lane)
		lane_unref(lane);
}

/* Out of every list and off the wire; memory stays. */
static void detach(struct transfer *t)
{
	leave_wire(t);
	loop_timer_clear(net_loop(t->http->net), &t->timer);
	http_forget_waiting(t->http, t);
	if (t->prev) {
		*t->prev = t->next;
		if (t->next)
			t->next->prev = t->prev;
		t->prev = NULL;
	}
	if (t->stream)
		t->stream->transfer = NULL;
}

void transfer_abort(struct transfer *t)
{
	detach(t);
	transfer_free(t);
}

static void fill_letter(struct transfer *t, struct letter *letter, struct error *err)
{
	letter->result.tag = t->tag;
	if (err) {
		error_move(&letter->result.error, err);
		return;
	}
	letter->result.response = t->response;
	t->response = (struct http_response){ .retry_after_ms = -1 };
}

static void tell_mailbox(struct transfer *t, struct error *err)
{
	struct letter *letter = xcalloc(1, sizeof *letter);

	fill_letter(t, letter, err);
	queue_push(t->mailbox->letters, letter);
}

/* Whether the answer is what a stream was opened for. */
static bool is_wanted(const struct transfer *t)
{
	return t->mode == HTTP_UPGRADE ? t->response.status == 101 : http_ok(&t->response);
}

static void tell_stream(struct transfer *t, struct error *err)
{
	struct http_stream *stream = t->stream;

	if (!enter_stream(stream))
		return;
	stream->ended = true;
	stream->ops.on_end(!err && !is_wanted(t) ? &t->response : NULL, err, stream->arg);
	leave_stream(stream);
}

void transfer_tell_drained(struct transfer *t)
{
	if (!t->opened || !t->stream->on_drain || !enter_stream(t->stream))
		return;
	t->stream->on_drain(t->stream->arg);
	leave_stream(t->stream);
}

static void end_probe(struct transfer *t, struct lane *lane, struct error *err)
{
	/* Not being allowed to log in says nothing about the connection. */
	if (err && err->kind != ERR_DENIED && err->kind != ERR_CANCELLED && !lane->retired) {
		AUTO_FREE char *why = xasprintf("no sign of life from the server for %d s, and no answer to a probe",
						(int)((http_now_ms(t->http) - lane->last_byte_ms) / 1000));

		lane_break(lane, why);
	} else if (!err) {
		lane->last_byte_ms = http_now_ms(t->http);
	}
}

/* The end, with an answer (err NULL) or without. */
static void conclude(struct transfer *t, struct error *err)
{
	struct lane *lane = t->lane;

	if (lane)
		lane->refs++;
	if (err)
		transfer_wrap(t, err);
	t->response.elapsed_ms = http_now_ms(t->http) - t->started_ms;
	t->response.attempts = t->attempt;
	detach(t);
	if (t->probe)
		end_probe(t, lane, err);
	else if (t->stream)
		tell_stream(t, err);
	else if (t->mailbox)
		tell_mailbox(t, err);
	transfer_free(t);
	if (lane)
		lane_unref(lane);
}

void transfer_fail(struct transfer *t, struct error *err)
{
	conclude(t, err);
}

/* ---- deadlines ---- */

static void arm(struct transfer *t);

static bool is_passed(int64_t due_ms, int64_t now_ms)
{
	return due_ms && now_ms >= due_ms;
}

/* A connection that gave nothing at all may be dead: what comes next gets a new one. */
static void distrust_lane(struct transfer *t)
{
	if (t->lane && !t->received && !t->probe && t->lane->mode == HTTP_ANSWER)
		lane_retire(t->lane);
}

static const char *waiting_for(const struct transfer *t)
{
	switch (t->state) {
	case TRANSFER_QUEUED:
		return "its turn (our own request limit)";
	case TRANSFER_AUTHORISING:
		return "a credential";
	case TRANSFER_PAUSING:
		return "the next attempt";
	default:
		return t->head_done ? "the rest of the answer" : "an answer";
	}
}

static void on_deadline(struct transfer *t)
{
	AUTO_RELEASE(error) err = { 0 };
	char length[UTC_TEXT_MAX];

	error_set(&err, ERR_TIMEOUT, "timed out after %s, waiting for %s",
		  duration_format_short(http_now_ms(t->http) - t->started_ms, length), waiting_for(t));
	distrust_lane(t);
	conclude(t, &err);
}

static void on_attempt_deadline(struct transfer *t)
{
	AUTO_RELEASE(error) err = { 0 };
	char length[UTC_TEXT_MAX];

	error_set(&err, ERR_TIMEOUT, "no answer within %s", duration_format_short(t->attempt_timeout_ms, length));
	distrust_lane(t);
	transfer_break(t, CAUSE_BROKEN, &err);
}

static void on_slow_headers(struct transfer *t)
{
	AUTO_RELEASE(error) err = { 0 };

	error_set(&err, ERR_TIMEOUT, "the response headers were not complete %d s after they began",
		  HEADER_LIMIT_MS / 1000);
	transfer_break(t, CAUSE_BROKEN, &err);
}

static void on_slow_body(struct transfer *t)
{
	AUTO_RELEASE(error) err = { 0 };

	error_set(&err, ERR_TIMEOUT, "the answer came at less than 1 KiB/s for %d s", PROGRESS_WINDOW_MS / 1000);
	transfer_break(t, CAUSE_BROKEN, &err);
}

static void on_timer(void *arg)
{
	struct transfer *t = arg;
	int64_t now = http_now_ms(t->http);

	if (is_passed(t->due_ms, now)) {
		on_deadline(t);
	} else if (t->state == TRANSFER_PAUSING) {
		transfer_go(t);
	} else if (is_passed(t->attempt_due_ms, now)) {
		on_attempt_deadline(t);
	} else if (is_passed(t->head_due_ms, now)) {
		on_slow_headers(t);
	} else if (is_passed(t->progress_due_ms, now) && t->body_bytes - t->progress_mark < PROGRESS_MIN_BYTES) {
		on_slow_body(t);
	} else {
		if (is_passed(t->progress_due_ms, now)) {
			t->progress_due_ms = now + PROGRESS_WINDOW_MS;
			t->progress_mark = t->body_bytes;
		}
		arm(t);
	}
}

static void take_earlier(int64_t *nearest, int64_t due_ms)
{
	if (due_ms && due_ms < *nearest)
		*nearest = due_ms;
}

static void arm(struct transfer *t)
{
	int64_t nearest = INT64_MAX;
	struct loop *loop = net_loop(t->http->net);

	take_earlier(&nearest, t->due_ms);
	take_earlier(&nearest, t->attempt_due_ms);
	take_earlier(&nearest, t->head_due_ms);
	take_earlier(&nearest, t->progress_due_ms);
	if (nearest == INT64_MAX)
		loop_timer_clear(loop, &t->timer);
	else
		loop_timer_set(loop, &t->timer, nearest - loop_now_ms(loop), on_timer, t);
}

/* ---- what curl calls; none of these may touch the multi handle ---- */

static bool refuse(struct transfer *t, enum err_kind kind, const char *why)
{
	if (t->error.kind)
		return false;
	t->cause = CAUSE_FINAL;
	return error_set(&t->error, kind, "%s", why);
}

static void touch(struct transfer *t)
{
	t->received = true;
	if (t->lane)
		t->lane->last_byte_ms = http_now_ms(t->http);
}

static bool header_value(const struct http_response *response, const char *name, struct str *ret_value)
{
	return http_response_header(response, name, 0, ret_value);
}

static void read_head(struct transfer *t)
{
	struct http_response *r = &t->response;
	struct str value;

	r->date_us = 0;
	r->retry_after_ms = -1;
	if (header_value(r, "Date", &value))
		(void)utc_parse_http_date(value, &r->date_us);
	if (header_value(r, "Retry-After", &value))
		r->retry_after_ms =
			http_parse_retry_after(value, r->date_us ? r->date_us : clock_wall_us(net_clock(t->http->net)));
}

static void open_stream(struct transfer *t)
{
	if (!t->stream || !is_wanted(t) || t->opened)
		return;
	t->opened = true;
	t->due_ms = 0; /* it was the deadline of the headers */
	t->attempt_due_ms = 0;
	if (t->stream->ops.on_open && enter_stream(t->stream)) {
		t->stream->ops.on_open(&t->response, t->stream->arg);
		leave_stream(t->stream);
	}
}

static void end_head(struct transfer *t)
{
	if (t->response.status < 200 && !(t->stream && is_wanted(t))) {
		t->head_due_ms = http_now_ms(t->http) + HEADER_LIMIT_MS;
		return;
	}
	t->head_done = true;
	t->head_due_ms = 0;
	read_head(t);
	tape_head(t);
	open_stream(t);
	if (t->mode == HTTP_ANSWER) {
		t->progress_due_ms = http_now_ms(t->http) + PROGRESS_WINDOW_MS;
		t->progress_mark = 0;
	}
}

static void begin_head(struct transfer *t, struct str line)
{
	struct str version, code = line;

	buf_reset(&t->response.head);
	t->response.status = 0;
	if (str_cut(&code, ' ', &version))
		for (size_t i = 0; i < code.len && i < 3 && code.p[i] >= '0' && code.p[i] <= '9'; i++)
			t->response.status = t->response.status * 10 + (code.p[i] - '0');
	if (!t->head_due_ms)
		t->head_due_ms = http_now_ms(t->http) + HEADER_LIMIT_MS;
}

size_t transfer_take_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct str line = str_trim((struct str){ bytes, size * n });

	touch(t);
	t->head_bytes += size * n;
	if (t->head_bytes > HEADER_LIMIT_BYTES)
		return refuse(t, ERR_LIMIT, "the response headers are larger than 64 KiB");
	if (t->head_done)
		return size * n; /* trailers */
	if (str_starts(line, STR("HTTP/"))) {
		begin_head(t, line);
	} else if (!line.len) {
		end_head(t);
	} else {
		buf_add_str(&t->response.head, line);
		buf_addc(&t->response.head, '\n');
	}
	arm(t);
	return t->stream && t->stream->closed ? 0 : size * n;
}

static size_t pass_on(struct transfer *t, struct str bytes)
{
	bool wanted;

	if (!enter_stream(t->stream))
		return 0;
	wanted = t->stream->ops.on_data(bytes, t->stream->arg);
	leave_stream(t->stream);
	if (!wanted)
		refuse(t, ERR_LIMIT, "the reader refused the answer");
	return wanted ? bytes.len : 0;
}

size_t transfer_take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct str chunk = { bytes, size * n };
	size_t limit = t->max_body_bytes;

	if (t->stream && t->stream->paused && t->mode == HTTP_ALONE)
		return CURL_WRITEFUNC_PAUSE;
	touch(t);
	tape_body(t, chunk);
	t->body_bytes += (int64_t)chunk.len;
	if (t->lane)
		t->lane->taken += chunk.len;
	if (t->stream && t->opened) {
		if (t->mode == HTTP_ANSWER && t->body_bytes > (int64_t)limit)
			return refuse(t, ERR_LIMIT, "the answer is larger than we accept");
		return pass_on(t, chunk);
	}
	if (t->stream && limit > REFUSAL_MAX_BYTES)
		limit = REFUSAL_MAX_BYTES;
	if (t->response.body.len + chunk.len > limit) {
		/* The text of a refusal is for people; the first part of it is enough. */
		if (t->stream)
			return chunk.len;
		return refuse(t, ERR_LIMIT, "the answer is larger than we accept");
	}
	buf_add_str(&t->response.body, chunk);
	return chunk.len;
}

/*
 * The body of what must not be sent twice goes out by this function and without a way to rewind it: curl repeats a
 * request by itself when a kept connection turns out to be dead, and cannot know that a POST is not to be repeated.
 */
static size_t on_read(char *out, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t room = size * n, left = t->body.len - t->body_sent;

	if (room > left)
		room = left;
	memcpy(out, t->body.p + t->body_sent, room);
	t->body_sent += room;
	return room;
}

static int on_new_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	unsigned user_timeout_ms = USER_TIMEOUT_MS;
	int probes = 3;

	(void)arg;
	(void)purpose;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	return CURL_SOCKOPT_OK;
}

/* What may be paused must not fill the kernel's memory meanwhile: without a limit of ours a receive buffer grows to tens of MiB. */
static int on_new_pausable_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	int bytes = PAUSABLE_BUFFER_BYTES;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	return on_new_socket(arg, fd, purpose);
}

/* ---- one attempt ---- */

static void set_blob(CURL *easy, CURLoption option, struct str bytes)
{
	struct curl_blob blob = { (void *)bytes.p, bytes.len, CURL_BLOB_COPY };

	if (bytes.len)
		curl_easy_setopt(easy, option, &blob);
}

static void set_tls(struct transfer *t)
{
	CURL *easy = t->easy;
	struct http *http = t->http;

	if (!http->tls)
		return;
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, tls_watch_handshake);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, &t->lane->report);
	if (http->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (t->identity->ca_pem.len) {
		/* Else the system's roots would be trusted beside the kubeconfig's. */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		set_blob(easy, CURLOPT_CAINFO_BLOB, t->identity->ca_pem);
	}
	set_blob(easy, CURLOPT_SSLCERT_BLOB, secret_reveal(&t->identity->cert_pem));
	set_blob(easy, CURLOPT_SSLKEY_BLOB, secret_reveal(&t->identity->key_pem));
}

static void set_body(struct transfer *t)
{
	CURL *easy = t->easy;
	bool may_rewind = t->idempotent;

	if (!strcmp(t->method, "HEAD")) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (t->body.len || !strcmp(t->method, "POST")) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
		if (may_rewind || !t->body.len) {
			curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_cstr(&t->body));
		} else {
			t->body_sent = 0;
			curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
			curl_easy_setopt(easy, CURLOPT_READDATA, t);
		}
	}
	if (strcmp(t->method, "GET") != 0 && strcmp(t->method, "POST") != 0)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, t->method);
	else if (!strcmp(t->method, "GET") && t->body.len)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "GET");
}

static void add_line(struct transfer *t, const char *name, const char *value)
{
	char *line = xasprintf("%s: %s", name, value);

	t->lines = curl_slist_append(t->lines, line);
	secret_wipe(line, strlen(line));
	free(line);
}

static void set_headers(struct transfer *t)
{
	CURL *easy = t->easy;

	add_line(t, "Accept", t->accept);
	if (t->body.len || !strcmp(t->method, "POST"))
		add_line(t, "Content-Type", t->content_type);
	t->lines = curl_slist_append(t->lines, "Expect:");
	if (t->http->host_header)
		add_line(t, "Host", t->http->host_header);
	if (!secret_empty(&t->authorization))
		add_line(t, "Authorization", secret_reveal(&t->authorization).p);
	for (size_t i = 0; i < t->nheaders; i++)
		t->lines = curl_slist_append(t->lines, t->headers[i]);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->lines);
	curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, t->http->user_agent);
	if (t->mode == HTTP_ANSWER && !t->http->disable_compression)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
}

static void set_connection(struct transfer *t)
{
	CURL *easy = t->easy;
	struct http *http = t->http;
	bool alone = t->lane->mode == HTTP_ALONE || t->lane->mode == HTTP_UPGRADE;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* never wait for a resolver thread */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(
		easy, CURLOPT_HTTP_VERSION,
		(long)(alone || http->http1_only || !http->tls ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, http->tls && !alone && !http->http1_only ? 1L : 0L);
	if (alone)
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	if (t->mode == HTTP_ALONE)
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	if (t->mode == HTTP_UPGRADE) {
		curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
		curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	}
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, alone ? on_new_pausable_socket : on_new_socket);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (http->proxy)
		curl_easy_setopt(easy, CURLOPT_PROXY, http->proxy);
	if (http->connect_to) {
		t->connect_to = curl_slist_append(NULL, http->connect_to);
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, t->connect_to);
	}
}

static void set_callbacks(struct transfer *t)
{
	CURL *easy = t->easy;

	t->curl_text[0] = '\0';
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_text);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, transfer_take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, transfer_take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
}

static void reset_attempt(struct transfer *t)
{
	buf_reset(&t->response.body);
	buf_reset(&t->response.head);
	t->response.status = 0;
	t->response.retry_after_ms = -1;
	error_release(&t->error);
	t->cause = CAUSE_NONE;
	t->head_bytes = 0;
	t->body_bytes = t->progress_mark = 0;
	t->head_done = t->received = false;
	t->attempt_due_ms = t->head_due_ms = t->progress_due_ms = 0;
}

static void enter_wire(struct transfer *t)
{
	AUTO_FREE char *url = xasprintf("%s%s%s", t->http->origin, t->http->prefix, t->path);

	reset_attempt(t);
	t->state = TRANSFER_ON_WIRE;
	if (!t->refreshed || !t->attempt)
		t->attempt++;
	if (t->attempt_timeout_ms)
		t->attempt_due_ms = http_now_ms(t->http) + t->attempt_timeout_ms;
	arm(t);
	if (tape_plays(t))
		return;
	tape_begin(t);
	if (!t->lane)
		t->lane = lane_get(t->http, t->mode, t->chatty);
	identity_unref(t->identity);
	t->identity = identity_ref(t->lane->identity);
	t->easy = curl_easy_init();
	curl_easy_setopt(t->easy, CURLOPT_URL, url);
	set_callbacks(t);
	set_connection(t);
	set_tls(t);
	set_body(t);
	set_headers(t);
	if (lane_add(t->lane, t))
		return;
	AUTO_RELEASE(error) err = { 0 };

	error_set(&err, ERR_BUG, "libcurl does not take the request");
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
	conclude(t, &err);
}

/* ---- the way through the states ---- */

void transfer_start(struct transfer *t)
{
	struct http *http = t->http;

	t->next = http->transfers;
	t->prev = &http->transfers;
	if (t->next)
		t->next->prev = &t->next;
	http->transfers = t;
	t->started_ms = http_now_ms(http);
	t->due_ms = t->started_ms + t->timeout_ms;
	arm(t);
	transfer_go(t);
}

void transfer_start_posted(void *arg)
{
	struct transfer *t = arg;

	if (t->http->dead) {
		AUTO_RELEASE(error) err = { 0 };

		error_set(&err, ERR_CANCELLED, "the connection to the server was closed by us");
		transfer_fail(t, &err);
		return;
	}
	transfer_start(t);
}

void transfer_go(struct transfer *t)
{
	if (t->state != TRANSFER_QUEUED && !t->probe) {
		t->state = TRANSFER_QUEUED;
		arm(t);
		http_take_token(t->http, t);
		return;
	}
	t->state = TRANSFER_AUTHORISING;
	http_authorise(t->http, t);
}

/* "Bearer abc": abc alone is as secret as the whole. */
static void keep_credential(struct transfer *t, struct http_credential *credential)
{
	struct str rest = secret_reveal(&credential->authorization), scheme;

	secret_copy(&t->authorization, &credential->authorization);
	if (str_cut(&rest, ' ', &scheme))
		secret_set(&t->token, rest);
	t->generation = credential->generation;
}

void transfer_authorised(struct transfer *t, enum http_auth_result result, struct http_credential *credential,
			 struct error *err)
{
	if (result != HTTP_AUTH_OK) {
		transfer_fail(t, err);
		return;
	}
	keep_credential(t, credential);
	if (t->refused_generation && t->refused_generation == t->generation) {
		conclude(t, NULL); /* no better credential: the 401 is the answer */
		return;
	}
	t->refused_generation = 0;
	enter_wire(t);
}

static void tell_wait(struct transfer *t, int64_t wait_ms, const char *reason)
{
	if (!t->mailbox)
		return;
	struct letter *letter = xcalloc(1, sizeof *letter);

	letter->is_wait = true;
	letter->on_wait = t->on_wait;
	letter->on_wait_arg = t->on_wait_arg;
	letter->wait_reason = xstrdup(reason);
	letter->wait = (struct http_wait){ .attempt = t->attempt,
					   .wait_ms = wait_ms,
					   .status = t->response.status,
					   .server_asked = t->response.status && t->response.retry_after_ms >= 0,
					   .reason = letter->wait_reason };
	queue_push(t->mailbox->letters, letter);
}

static void pause_and_repeat(struct transfer *t, int64_t wait_ms, const char *reason)
{
	leave_wire(t);
	log_debug("request is repeated", LOG_TEXT("method", t->method), LOG_TEXT("path", t->path),
		  LOG_TEXT("reason", reason), LOG_INT("attempt", t->attempt), LOG_MS("wait", wait_ms));
	t->state = TRANSFER_PAUSING;
	t->refreshed = false;
	t->attempt_due_ms = t->head_due_ms = t->progress_due_ms = 0;
	loop_timer_set(net_loop(t->http->net), &t->timer, wait_ms, on_timer, t);
	/* Last: a test's clock moves as soon as it hears of the pause. */
	tell_wait(t, wait_ms, reason);
}

static bool wants_retry(struct transfer *t, enum cause cause, int64_t *ret_wait_ms)
{
	struct retry_input input = {
		.repeatable = t->idempotent,
		.attempt = t->attempt,
		.attempts = t->attempts,
		.cause = cause,
		.status = cause == CAUSE_NONE ? t->response.status : 0,
		.server_timeout = str_find(buf_str(&t->response.body), STR("\"reason\":\"ServerTimeout\"")) >= 0 ||
				  str_find(buf_str(&t->response.body), STR("\"reason\": \"ServerTimeout\"")) >= 0,
		.retry_after_ms = t->response.retry_after_ms,
		.retry_after_max_ms = t->retry_after_max_ms,
		.left_ms = t->due_ms - http_now_ms(t->http),
		.chance = http_chance(t->http),
	};

	return !t->stream && !t->probe && retry_decide(&input, ret_wait_ms);
}

void transfer_break(struct transfer *t, enum cause cause, struct error *err)
{
	int64_t wait_ms;

	tape_failed(t, cause, err);

	if (!wants_retry(t, cause, &wait_ms)) {
		conclude(t, err);
		return;
	}
	t->response.status = 0;
	pause_and_repeat(t, wait_ms, err->message);
}

static bool wants_refresh(const struct transfer *t)
{
	return t->response.status == 401 && !t->refused_generation && t->generation && !t->refreshed && !t->probe;
}

static void on_answer(struct transfer *t)
{
	AUTO_FREE char *reason = xasprintf("HTTP %d", t->response.status);
	int64_t wait_ms;

	tape_answered(t);

	if (wants_refresh(t)) {
		leave_wire(t);
		t->refreshed = true;
		t->refused_generation = t->generation;
		t->state = TRANSFER_AUTHORISING;
		t->attempt_due_ms = t->head_due_ms = t->progress_due_ms = 0;
		arm(t);
		http_authorise(t->http, t);
	} else if (wants_retry(t, CAUSE_NONE, &wait_ms)) {
		pause_and_repeat(t, wait_ms, reason);
	} else {
		conclude(t, NULL);
	}
}

static void read_facts(struct transfer *t)
{
	long version = 0, port = 0;

	curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
	curl_easy_getinfo(t->easy, CURLINFO_LOCAL_PORT, &port);
	t->response.http2 = version == CURL_HTTP_VERSION_2_0;
	t->response.local_port = (unsigned)port;
}

/* curl takes an end inside the headers for the end of the answer. */
static struct error *cut_in_head(struct error *err)
{
	error_set(err, ERR_NETWORK, "the answer was cut off inside its headers");
	return err;
}

void transfer_end_attempt(struct transfer *t, enum cause cause, struct error *err)
{
	AUTO_RELEASE(error) ours = { 0 };

	if (t->error.kind) {
		error_move(&ours, &t->error);
		transfer_break(t, t->cause, &ours);
	} else if (err->kind) {
		transfer_break(t, cause, err);
	} else if (t->head_done) {
		on_answer(t);
	} else {
		transfer_break(t, CAUSE_BROKEN, cut_in_head(err));
	}
}

void transfer_finish_attempt(struct transfer *t, CURLcode code)
{
	AUTO_RELEASE(error) err = { 0 };
	enum cause cause = CAUSE_NONE;

	read_facts(t);
	if (t->stream && t->stream->closed) {
		transfer_abort(t);
		return;
	}
	if (code == CURLE_OK && !t->error.kind && t->mode == HTTP_UPGRADE && !t->upgrade) {
		if (!upgrade_begin(t, &err))
			transfer_break(t, CAUSE_FINAL, &err);
		return;
	}
	if (code != CURLE_OK && !t->error.kind)
		cause = http_explain(t->easy, code, t->curl_text, &t->lane->report, t->http->check_name,
				     clock_wall_us(net_clock(t->http->net)), &err);
	transfer_end_attempt(t, cause, &err);
}
