#include "sim/websocket.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/ws.h"

#define MESSAGE_MAX_BYTES ((size_t)16 << 20)
#define STACK_BYTES ((size_t)1 << 20)

struct ws_hub {
	pthread_mutex_t lock;
	pthread_cond_t silent; /* the last conversation is over */
	unsigned talks;
	struct ws_peer *unborn; /* 101 is queued; the connection may break before it is sent */
	bool closing;
	int stop_fd;
};

struct message {
	struct message *next;
	struct buf bytes;
};

struct ws_peer {
	struct ws_peer *next_unborn;
	struct ws_hub *hub;
	struct MHD_UpgradeResponseHandle *handle;
	int fd;
	struct ws_talk talk;
	struct ws_reader reader;
	struct message *first, **last; /* arrived, not taken */
	struct message *taken;
	size_t left; /* bytes that may still be sent */
	bool gone;
};

struct ws_hub *ws_hub_create(int stop_fd)
{
	struct ws_hub *hub = xcalloc(1, sizeof *hub);

	pthread_mutex_init(&hub->lock, NULL);
	pthread_cond_init(&hub->silent, NULL);
	hub->stop_fd = stop_fd;
	return hub;
}

void ws_hub_close(struct ws_hub *hub)
{
	if (!hub)
		return;
	pthread_mutex_lock(&hub->lock);
	hub->closing = true;
	while (hub->talks)
		pthread_cond_wait(&hub->silent, &hub->lock);
	pthread_mutex_unlock(&hub->lock);
}

/* ---- one conversation ---- */

/* True: fd is ready for events. */
static bool await(struct ws_peer *peer, short events, int timeout_ms)
{
	struct pollfd fds[] = { { .fd = peer->hub->stop_fd, .events = POLLIN }, { .fd = peer->fd, .events = events } };

	poll(fds, 2, timeout_ms);
	peer->gone = peer->gone || fds[0].revents;
	return !peer->gone && fds[1].revents;
}

static bool send_bytes(struct ws_peer *peer, struct str bytes)
{
	while (bytes.len && !peer->gone) {
		size_t n = bytes.len < peer->left ? bytes.len : peer->left;
		ssize_t sent = n ? send(peer->fd, bytes.p, n, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;

		if (sent > 0) {
			bytes = (struct str){ bytes.p + sent, bytes.len - (size_t)sent };
			peer->left -= peer->left == SIZE_MAX ? 0 : (size_t)sent;
		} else if (n && (errno == EAGAIN || errno == EINTR)) {
			await(peer, POLLOUT, -1);
		} else {
			peer->gone = true;
		}
	}
	return !peer->gone;
}

static bool send_frame(struct ws_peer *peer, enum ws_opcode opcode, struct str head, struct str data)
{
	AUTO_RELEASE(buf) frame = BUF_INIT(0);

	ws_put_frame(&frame, opcode, head, data, NULL);
	return send_bytes(peer, buf_str(&frame));
}

static void say_goodbye(struct ws_peer *peer, unsigned code)
{
	AUTO_RELEASE(buf) frame = BUF_INIT(0);

	ws_put_close(&frame, code, STR(""), NULL);
	send_bytes(peer, buf_str(&frame));
	peer->gone = true;
}

bool ws_peer_send(struct ws_peer *peer, unsigned channel, struct str bytes)
{
	char head = (char)(uint8_t)channel;

	return send_frame(peer, WS_BINARY, (struct str){ &head, 1 }, bytes);
}

static bool take_message(const struct ws_message *message, void *arg)
{
	struct ws_peer *peer = arg;

	if (message->opcode == WS_PING)
		send_frame(peer, WS_PONG, message->data, STR(""));
	if (message->opcode == WS_CLOSE)
		say_goodbye(peer, WS_CODE_NORMAL);
	if (message->opcode != WS_BINARY || !message->data.len)
		return !peer->gone;
	struct message *m = xcalloc(1, sizeof *m);

	buf_add_str(&m->bytes, message->data);
	*peer->last = m;
	peer->last = &m->next;
	return true;
}

static void take_bytes(struct ws_peer *peer, struct str bytes)
{
	AUTO_RELEASE(error) err = { 0 };
	unsigned code;

	if (!ws_reader_feed(&peer->reader, bytes, take_message, peer, &code, &err) && err.kind)
		say_goodbye(peer, code);
}

static void receive(struct ws_peer *peer)
{
	char bytes[65536];
	ssize_t n = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);

	if (n > 0)
		take_bytes(peer, (struct str){ bytes, (size_t)n });
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		peer->gone = true;
}

static void free_message(struct message *m)
{
	if (!m)
		return;
	buf_release(&m->bytes);
	free(m);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int ws_peer_read(struct ws_peer *peer, int timeout_ms, unsigned *ret_channel, struct str *ret_bytes)
{
	int64_t end = now_ms() + timeout_ms;

	while (!peer->first && !peer->gone) {
		int64_t left = end - now_ms();

		if (timeout_ms >= 0 && left < 0)
			return 0;
		if (await(peer, POLLIN, timeout_ms < 0 ? -1 : (int)left + 1))
			receive(peer);
	}
	if (!peer->first)
		return -1;
	free_message(peer->taken);
	peer->taken = peer->first;
	peer->first = peer->taken->next;
	if (!peer->first)
		peer->last = &peer->first;
	*ret_channel = (uint8_t)peer->taken->bytes.p[0];
	*ret_bytes = (struct str){ peer->taken->bytes.p + 1, peer->taken->bytes.len - 1 };
	return 1;
}

/* ---- its thread ---- */

static void free_peer(struct ws_peer *peer)
{
	if (peer->talk.free_arg)
		peer->talk.free_arg(peer->talk.arg);
	while (peer->first) {
		struct message *m = peer->first;

		peer->first = m->next;
		free_message(m);
	}
	free_message(peer->taken);
	ws_reader_release(&peer->reader);
	free(peer);
}

/* Waits until the other side has read the goodbye and closes: a close of ours with unread input would be a reset. */
static void linger(struct ws_peer *peer)
{
	char bytes[4096];
	int64_t end = now_ms() + 2000;
	bool stop = false;

	shutdown(peer->fd, SHUT_WR);
	while (!stop && now_ms() < end) {
		struct pollfd fds[] = { { .fd = peer->hub->stop_fd, .events = POLLIN }, { .fd = peer->fd, .events = POLLIN } };

		poll(fds, 2, 2000);
		stop = fds[0].revents || recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT) == 0;
	}
}

static void *converse(void *arg)
{
	struct ws_peer *peer = arg;
	struct ws_hub *hub = peer->hub;
	bool cut;

	peer->talk.run(peer, peer->talk.arg);
	cut = !peer->left;
	if (!peer->gone)
		say_goodbye(peer, WS_CODE_NORMAL);
	if (!cut)
		linger(peer);
	MHD_upgrade_action(peer->handle, MHD_UPGRADE_ACTION_CLOSE);
	free_peer(peer);
	pthread_mutex_lock(&hub->lock);
	if (!--hub->talks)
		pthread_cond_broadcast(&hub->silent);
	pthread_mutex_unlock(&hub->lock);
	return NULL;
}

/* It begins: true, or the server stops. */
static bool is_born(struct ws_peer *peer)
{
	struct ws_hub *hub = peer->hub;

	pthread_mutex_lock(&hub->lock);
	for (struct ws_peer **at = &hub->unborn; *at; at = &(*at)->next_unborn)
		if (*at == peer) {
			*at = peer->next_unborn;
			break;
		}
	bool begins = !hub->closing;

	hub->talks += begins;
	pthread_mutex_unlock(&hub->lock);
	return begins;
}

static void on_upgrade(void *arg, struct MHD_Connection *connection, void *context, const char *extra, size_t extra_len, MHD_socket fd,
		       struct MHD_UpgradeResponseHandle *handle)
{
	struct ws_peer *peer = arg;
	pthread_attr_t attributes;
	pthread_t thread;

	(void)connection, (void)context;
	if (!is_born(peer)) {
		MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
		free_peer(peer);
		return;
	}
	peer->fd = fd;
	peer->handle = handle;
	take_bytes(peer, (struct str){ extra, extra_len });
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	if (pthread_create(&thread, &attributes, converse, peer) != 0)
		abort();
	pthread_attr_destroy(&attributes);
}

enum MHD_Result ws_hub_accept(struct ws_hub *hub, struct MHD_Connection *connection, const char *key, const struct ws_talk *talk,
			      size_t cut_at)
{
	struct ws_peer *peer = xcalloc(1, sizeof *peer);
	AUTO_RELEASE(buf) proof = BUF_INIT(0);
	struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, peer);

	peer->hub = hub;
	peer->talk = *talk;
	peer->last = &peer->first;
	peer->left = cut_at;
	ws_reader_init(&peer->reader, WS_SERVER, MESSAGE_MAX_BYTES);
	pthread_mutex_lock(&hub->lock);
	peer->next_unborn = hub->unborn;
	hub->unborn = peer;
	pthread_mutex_unlock(&hub->lock);
	ws_accept(&proof, str_of(key));
	MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, "websocket");
	MHD_add_response_header(response, "Sec-WebSocket-Accept", buf_cstr(&proof));
	MHD_add_response_header(response, "Sec-WebSocket-Protocol", talk->protocol);
	enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_SWITCHING_PROTOCOLS, response);

	MHD_destroy_response(response);
	return result;
}

void ws_hub_destroy(struct ws_hub *hub)
{
	if (!hub)
		return;
	while (hub->unborn) {
		struct ws_peer *peer = hub->unborn;

		hub->unborn = peer->next_unborn;
		free_peer(peer);
	}
	pthread_cond_destroy(&hub->silent);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}
