#include "base/http_internal.h"

#include <stdlib.h>

struct lane_socket {
	struct lane_socket *next, **prev;
	uv_poll_t poll;
	curl_socket_t fd;
	struct lane *lane; /* NULL once the lane has let go */
	int events;
	bool resting;
};

static void free_socket(uv_handle_t *handle)
{
	free(handle->data);
}

static void close_socket(struct lane_socket *s)
{
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->lane = NULL;
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, free_socket);
}

/* Also looks for ended transfers when nothing runs any more: a timer may have ended the last. */
static void reap(struct lane *lane)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(lane->multi, &left))) {
		struct transfer *t = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		transfer_finish_attempt(t, code);
	}
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void listen_to(struct lane_socket *s)
{
	if (!s->resting)
		uv_poll_start(&s->poll, s->events, on_ready);
}

static void end_rest(uv_timer_t *rest)
{
	struct lane *lane = rest->data;

	for (struct lane_socket *s = lane->sockets; s; s = s->next) {
		s->resting = false;
		listen_to(s);
	}
}

static void rest(struct lane *lane)
{
	for (struct lane_socket *s = lane->sockets; s; s = s->next) {
		s->resting = true;
		uv_poll_stop(&s->poll);
	}
	if (!uv_is_active((uv_handle_t *)&lane->rest))
		uv_timer_start(&lane->rest, end_rest, HTTP_WATCH_REST_MS, 0);
}

/* A list that streams in gives much in a short time and must not wait; so does a flood. */
static bool is_burst(struct lane *lane, uint64_t bytes)
{
	uint64_t now_ms = uv_now(loop_uv(net_loop(lane->http->net)));

	if (now_ms - lane->window_ms >= WATCH_WINDOW_MS) {
		lane->window_ms = now_ms;
		lane->window_bytes = 0;
	}
	lane->window_bytes += bytes;
	return lane->window_bytes >= WATCH_BURST;
}

/*
 * Each readable moment makes curl look at every transfer of the connection, and a busy cluster has hundreds of moments a second with
 * one small event each. So the sockets of watches that gave little are left alone for a while; what arrives meanwhile is read together.
 * Events of another transfer than the one that curl knows the socket by arrive in a turn of their own, so every turn is looked at.
 */
static void turn(struct lane *lane, curl_socket_t fd, int events)
{
	uint64_t taken = lane->taken;
	int running;

	lane->refs++;
	curl_multi_socket_action(lane->multi, fd, events, &running);
	reap(lane);
	if (lane->mode == HTTP_WATCH && lane->taken > taken && !is_burst(lane, lane->taken - taken))
		rest(lane);
	lane_unref(lane);
}

void lane_kick(struct lane *lane)
{
	turn(lane, CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct lane_socket *s = poll->data;
	int what = 0;

	if (!s->lane)
		return;
	/* Not CURL_CSELECT_ERR: curl would say "poll returned error" instead of reading the real cause from the socket.
	 */
	if (status < 0)
		what |= CURL_CSELECT_IN | CURL_CSELECT_OUT;
	if (events & UV_READABLE)
		what |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		what |= CURL_CSELECT_OUT;
	turn(s->lane, s->fd, what);
}

static struct lane_socket *open_socket(struct lane *lane, curl_socket_t fd)
{
	struct lane_socket *s = xcalloc(1, sizeof *s);

	s->fd = fd;
	s->lane = lane;
	s->poll.data = s;
	if (uv_poll_init_socket(loop_uv(net_loop(lane->http->net)), &s->poll, fd) < 0) {
		free(s);
		return NULL;
	}
	s->next = lane->sockets;
	s->prev = &lane->sockets;
	if (s->next)
		s->next->prev = &s->next;
	lane->sockets = s;
	curl_multi_assign(lane->multi, fd, s);
	return s;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct lane *lane = arg;
	struct lane_socket *s = socket_arg;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			close_socket(s);
		curl_multi_assign(lane->multi, fd, NULL);
		return 0;
	}
	if (!s && !(s = open_socket(lane, fd)))
		return -1;
	s->events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	listen_to(s);
	return 0;
}

static void on_curl_time(uv_timer_t *timer)
{
	lane_kick(timer->data);
}

static void on_soon(uv_idle_t *soon)
{
	uv_idle_stop(soon);
	lane_kick(soon->data);
}

/*
 * "At once" goes through an idle handle: a timer of 0 ms that starts itself again runs for ever within one turn of
 * libuv 1.44, and one fast answer would starve all others, cancels included.
 */
static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct lane *lane = arg;

	(void)multi;
	uv_timer_stop(&lane->timer);
	uv_idle_stop(&lane->soon);
	if (timeout_ms == 0)
		uv_idle_start(&lane->soon, on_soon);
	else if (timeout_ms > 0)
		uv_timer_start(&lane->timer, on_curl_time, (uint64_t)timeout_ms, 0);
	return 0;
}

static void free_lane(uv_handle_t *handle)
{
	struct lane *lane = handle->data;

	if (--lane->open_handles)
		return;
	tls_report_release(&lane->report);
	free(lane);
}

static void close_lane(struct lane *lane)
{
	loop_timer_clear(net_loop(lane->http->net), &lane->tick);
	lane->refs++; /* curl's callbacks of the cleanup must not bring us here again */
	curl_multi_cleanup(lane->multi);
	while (lane->sockets)
		close_socket(lane->sockets);
	identity_unref(lane->identity);
	http_unref(lane->http);
	uv_close((uv_handle_t *)&lane->timer, free_lane);
	uv_close((uv_handle_t *)&lane->rest, free_lane);
	uv_close((uv_handle_t *)&lane->soon, free_lane);
}

void lane_unref(struct lane *lane)
{
	if (--lane->refs == 0)
		close_lane(lane);
}

static struct lane *create(struct http *http, enum http_mode mode, bool chatty, struct identity *identity)
{
	struct lane *lane = xcalloc(1, sizeof *lane);

	lane->http = http_ref(http);
	lane->mode = mode;
	lane->chatty = chatty;
	lane->identity = identity_ref(identity);
	lane->refs = 1;
	lane->last_byte_ms = http_now_ms(http);
	lane->suspended_ms = clock_suspended_ms(net_clock(http->net));
	lane->multi = curl_multi_init();
	lane->timer.data = lane->soon.data = lane->rest.data = lane;
	lane->open_handles = 3;
	uv_timer_init(loop_uv(net_loop(http->net)), &lane->timer);
	uv_idle_init(loop_uv(net_loop(http->net)), &lane->soon);
	uv_timer_init(loop_uv(net_loop(http->net)), &lane->rest);
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
	curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, 64L);
	lane->next = http->lanes;
	http->lanes = lane;
	return lane;
}

/* Every new connection would be made with the new identity; those of the old one must not be reused for it. */
void lane_retire_stale(struct http *http, struct identity *identity)
{
	int64_t suspended = clock_suspended_ms(net_clock(http->net));

	for (struct lane *lane = http->lanes, *next; lane; lane = next) {
		next = lane->next;
		if (lane->identity != identity || suspended - lane->suspended_ms > SUSPEND_JUMP_MS)
			lane_retire(lane);
	}
}

struct lane *lane_get(struct http *http, enum http_mode mode, bool chatty)
{
	struct identity *identity = http_identity(http);
	struct lane *lane;

	lane_retire_stale(http, identity);
	for (lane = http->lanes; lane; lane = lane->next)
		if (lane->mode == mode && lane->chatty == chatty && (mode != HTTP_WATCH || lane->nstreams < WATCHES_PER_LANE))
			break;
	if (!lane)
		lane = create(http, mode, chatty, identity);
	identity_unref(identity);
	lane->refs++;
	return lane;
}

void lane_retire(struct lane *lane)
{
	if (lane->retired)
		return;
	lane->retired = true;
	for (struct lane **at = &lane->http->lanes; *at; at = &(*at)->next)
		if (*at == lane) {
			*at = lane->next;
			break;
		}
	lane_unref(lane);
}

void lane_break(struct lane *lane, const char *why)
{
	struct http *http = http_ref(lane->http);
	struct transfer *t = http->transfers;

	lane->refs++;
	lane_retire(lane);
	while (t) {
		struct transfer *next = t->next;

		if (t->lane == lane) {
			AUTO_RELEASE(error) err = { 0 };

			error_set(&err, ERR_NETWORK, "%s", why);
			transfer_break(t, CAUSE_BROKEN, &err);
			next = http->transfers; /* callbacks may have changed the list */
		}
		t = next;
	}
	lane_unref(lane);
	http_unref(http);
}

static void arm_tick(struct lane *lane);

static void start_probe(struct lane *lane)
{
	struct http_request request = { .path = lane->http->probe_path,
					.accept = "*/*",
					.timeout_ms = PROBE_LIMIT_MS,
					.attempts = 1,
					.max_body_bytes = 1 << 20 };
	AUTO_RELEASE(error) err = { 0 };
	struct transfer *t = transfer_create(lane->http, &request, &err);

	if (!t)
		return;
	t->probe = true;
	t->lane = lane;
	lane->refs++;
	lane->probe = t;
	transfer_start(t);
}

/* Every few seconds while streams are open: has this machine slept, and does the other side still live? */
static void on_tick(void *arg)
{
	struct lane *lane = arg;
	int64_t suspended = clock_suspended_ms(net_clock(lane->http->net));

	if (suspended - lane->suspended_ms > SUSPEND_JUMP_MS) {
		lane_break(lane, "this machine slept; the connection is made anew");
		return;
	}
	arm_tick(lane);
	/* Upgraded connections have pings of their own. */
	if (lane->mode != HTTP_UPGRADE && !lane->probe && lane->http->probe_path[0] && http_now_ms(lane->http) - lane->last_byte_ms >= PROBE_IDLE_MS)
		start_probe(lane);
}

static void arm_tick(struct lane *lane)
{
	loop_timer_set(net_loop(lane->http->net), &lane->tick, LANE_TICK_MS, on_tick, lane);
}

bool lane_add(struct lane *lane, struct transfer *t)
{
	if (curl_multi_add_handle(lane->multi, t->easy) != CURLM_OK)
		return false;
	if (lane->mode == HTTP_ANSWER || t->probe)
		return true;
	if (lane->nstreams++ == 0) {
		lane->last_byte_ms = http_now_ms(lane->http);
		arm_tick(lane);
	}
	return true;
}

void lane_remove(struct lane *lane, struct transfer *t)
{
	curl_multi_remove_handle(lane->multi, t->easy);
	if (lane->mode == HTTP_ANSWER || t->probe)
		return;
	if (--lane->nstreams == 0)
		loop_timer_clear(net_loop(lane->http->net), &lane->tick);
}
