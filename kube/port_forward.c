#include "kube/port_forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/url.h"
#include "kube/websocket.h"

#define CONNECTIONS_MAX 256
#define FLIGHT_MAX ((size_t)256 << 10) /* bytes that may wait, each way */
#define MESSAGE_BYTES 32768
#define SILENCE_MS 10000 /* after the local side has ended its half */
#define BACKLOG 64
#define PORT_TRIES 16

struct listener {
	struct port_forward *forward; /* NULL: closing */
	uv_tcp_t tcp;
};

struct connection {
	struct connection *next, **prev;
	struct port_forward *forward;
	uv_tcp_t tcp;
	struct websocket *ws;
	char *what; /* for messages */
	struct timer silence;
	unsigned skip[2]; /* bytes of the port still to come, by channel */
	bool open, decided, local_ended, ending, closing;
};

struct port_forward {
	struct net *net;
	struct kube *kube;
	char *namespace;
	uint16_t port;
	pthread_mutex_t lock; /* pod and state */
	char *pod;
	struct port_forward_state state;
	struct listener *listeners[2]; /* net thread, also below */
	struct connection *connections;
};

/* ---- numbers ---- */

void port_forward_state_release(struct port_forward_state *state)
{
	free(state->last_error);
	*state = (struct port_forward_state){ 0 };
}

void port_forward_state(struct port_forward *f, struct port_forward_state *ret)
{
	port_forward_state_release(ret);
	pthread_mutex_lock(&f->lock);
	*ret = f->state;
	ret->last_error = f->state.last_error ? xstrdup(f->state.last_error) : NULL;
	pthread_mutex_unlock(&f->lock);
}

static void note_error(struct port_forward *f, const char *text)
{
	struct buf plain = BUF_INIT(1024);

	buf_add_plain(&plain, str_of(text));
	pthread_mutex_lock(&f->lock);
	free(f->state.last_error);
	f->state.last_error = buf_give(&plain);
	f->state.last_error_ms = clock_wall_ms(net_clock(f->net));
	f->state.failed++;
	f->state.failing = true;
	pthread_mutex_unlock(&f->lock);
}

static void note_bytes(struct connection *c, size_t sent, size_t received)
{
	struct port_forward *f = c->forward;

	pthread_mutex_lock(&f->lock);
	f->state.sent_bytes += sent;
	f->state.received_bytes += received;
	if (received && !c->decided) /* somebody answers */
		f->state.failing = false;
	pthread_mutex_unlock(&f->lock);
	c->decided = c->decided || received;
}

/* ---- a connection ends ---- */

static void free_connection(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	free(c->what);
	free(c);
}

/* reset: the local side shall see that something went wrong, not an end. */
static void close_connection(struct connection *c, bool reset)
{
	if (c->closing)
		return;
	c->closing = true;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	loop_timer_clear(net_loop(c->forward->net), &c->silence);
	websocket_close(GIVE(c->ws), WS_CODE_NORMAL);
	pthread_mutex_lock(&c->forward->lock);
	c->forward->state.open--;
	pthread_mutex_unlock(&c->forward->lock);
	if (!reset || uv_tcp_close_reset(&c->tcp, free_connection) != 0)
		uv_close((uv_handle_t *)&c->tcp, free_connection);
}

static void fail_connection(struct connection *c, const char *why)
{
	note_error(c->forward, why);
	close_connection(c, true);
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
	struct connection *c = shutdown->handle->data;

	(void)status;
	free(shutdown);
	close_connection(c, false);
}

/* The pod has ended: what waits for the local side still goes out. */
static void finish_connection(struct connection *c)
{
	uv_shutdown_t *shutdown = xcalloc(1, sizeof *shutdown);

	c->ending = true;
	websocket_close(GIVE(c->ws), WS_CODE_NORMAL);
	uv_read_stop((uv_stream_t *)&c->tcp);
	if (uv_shutdown(shutdown, (uv_stream_t *)&c->tcp, on_shut) == 0)
		return;
	free(shutdown);
	close_connection(c, false);
}

/* ---- from the pod ---- */

struct parcel {
	uv_write_t write;
	struct buf bytes;
};

static void on_written(uv_write_t *write, int status)
{
	struct parcel *parcel = (struct parcel *)((char *)write - offsetof(struct parcel, write));
	struct connection *c = write->handle->data;

	buf_release(&parcel->bytes);
	free(parcel);
	if (c->closing)
		return;
	if (status < 0)
		close_connection(c, true);
	else if (c->ws && uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) < FLIGHT_MAX / 2)
		websocket_pause(c->ws, false);
}

static void write_local(struct connection *c, struct str bytes)
{
	struct parcel *parcel = xcalloc(1, sizeof *parcel);

	buf_add_str(&parcel->bytes, bytes);
	uv_buf_t out = uv_buf_init(parcel->bytes.p, (unsigned)parcel->bytes.len);

	if (uv_write(&parcel->write, (uv_stream_t *)&c->tcp, &out, 1, on_written) != 0) {
		buf_release(&parcel->bytes);
		free(parcel);
		close_connection(c, true);
	} else if (uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) > FLIGHT_MAX) {
		websocket_pause(c->ws, true);
	}
}

static void on_silence(void *arg)
{
	close_connection(arg, false);
}

static void await_silence(struct connection *c)
{
	if (c->local_ended)
		loop_timer_set(net_loop(c->forward->net), &c->silence, SILENCE_MS, on_silence, c);
}

static void on_message(struct str message, void *arg)
{
	struct connection *c = arg;
	unsigned channel = message.len ? (uint8_t)message.p[0] : 2;

	if (channel > 1)
		return;
	size_t skip = message.len - 1 < c->skip[channel] ? message.len - 1 : c->skip[channel];
	struct str bytes = { message.p + 1 + skip, message.len - 1 - skip };

	c->skip[channel] -= (unsigned)skip;
	if (!bytes.len)
		return;
	if (channel == 1) {
		AUTO_FREE char *text = xasprintf("%s: %.*s", c->what, STR_ARG(bytes));

		fail_connection(c, text);
		return;
	}
	note_bytes(c, 0, bytes.len);
	await_silence(c);
	write_local(c, bytes);
}

static void on_end(const struct websocket_end *end, void *arg)
{
	struct connection *c = arg;
	AUTO_RELEASE(error) err = { 0 };

	if (c->open && !end->err && (end->code == WS_CODE_NORMAL || end->code == WS_CODE_NONE)) {
		finish_connection(c);
		return;
	}
	websocket_explain(end, c->what, "portforward", &err);
	if (err.hint)
		error_set(&err, err.kind, "%s (%s)", err.message, err.hint);
	fail_connection(c, err.message);
}

/* ---- to the pod ---- */

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	(void)handle, (void)suggested;
	*ret = uv_buf_init(xmalloc(MESSAGE_BYTES), MESSAGE_BYTES);
}

static void on_local(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
	struct connection *c = stream->data;

	if (n > 0) {
		note_bytes(c, (size_t)n, 0);
		websocket_send(c->ws, STR("\0"), (struct str){ room->base, (size_t)n });
		if (websocket_unsent(c->ws) > FLIGHT_MAX)
			uv_read_stop(stream);
	}
	free(room->base);
	if (n == UV_EOF) {
		uv_read_stop(stream);
		c->local_ended = true;
		await_silence(c);
	} else if (n < 0) {
		close_connection(c, true);
	}
}

static void read_local(struct connection *c)
{
	if (!c->local_ended && !c->ending)
		uv_read_start((uv_stream_t *)&c->tcp, give_room, on_local);
}

static void on_open(const char *protocol, void *arg)
{
	struct connection *c = arg;

	(void)protocol;
	c->open = true;
	read_local(c);
}

static void on_drain(void *arg)
{
	read_local(arg);
}

static const struct websocket_ops ops = { on_open, on_message, on_drain, on_end };

/* ---- a connection begins ---- */

static bool make_path(struct port_forward *f, struct buf *path, char **ret_what, struct error *err)
{
	char number[8];

	pthread_mutex_lock(&f->lock);
	bool named = *f->pod != '\0', good = named && websocket_pod_path(f->namespace, f->pod, "portforward", path, err);

	*ret_what = xasprintf("forward to pod %s, port %u", f->pod, f->port);
	pthread_mutex_unlock(&f->lock);
	snprintf(number, sizeof number, "%u", f->port);
	url_add_query(path, "ports", str_of(number));
	return named ? good : error_set(err, ERR_NOT_FOUND, "there is no running pod to forward to");
}

static void count_connection(struct port_forward *f)
{
	pthread_mutex_lock(&f->lock);
	f->state.connections++;
	f->state.open++;
	pthread_mutex_unlock(&f->lock);
}

static void dial(struct connection *c)
{
	static const char *const protocols[] = { "v4.channel.k8s.io", NULL };
	struct port_forward *f = c->forward;
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	if (f->state.open > CONNECTIONS_MAX)
		fail_connection(c, "too many connections at once");
	else if (!make_path(f, &path, &c->what, &err))
		fail_connection(c, err.message);
	else
		c->ws = websocket_open(f->kube, buf_cstr(&path), protocols, &ops, c);
}

static void on_caller(uv_stream_t *stream, int status)
{
	struct listener *listener = stream->data;
	struct port_forward *f = listener->forward;

	if (status < 0 || !f)
		return;
	struct connection *c = xcalloc(1, sizeof *c);

	c->forward = f;
	c->skip[0] = c->skip[1] = 2;
	c->next = f->connections;
	c->prev = &f->connections;
	if (c->next)
		c->next->prev = &c->next;
	f->connections = c;
	uv_tcp_init(loop_uv(net_loop(f->net)), &c->tcp);
	c->tcp.data = c;
	count_connection(f);
	if (uv_accept(stream, (uv_stream_t *)&c->tcp) != 0) {
		close_connection(c, false);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	dial(c);
}

/* ---- listening ---- */

static int bind_loopback(int family, uint16_t *port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(*port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = family == AF_INET ? sizeof v4 : sizeof v6;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (bind(fd, address, len) == 0 && listen(fd, BACKLOG) == 0 && getsockname(fd, address, &len) == 0) {
		*port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
		return fd;
	}
	int code = errno;

	close(fd);
	errno = code;
	return -1;
}

/* Without IPv6 the second stays -1; a port that somebody else has there is taken: callers of localhost would come to him. */
static bool bind_both(uint16_t *port, int ret_fds[2])
{
	ret_fds[1] = -1;
	ret_fds[0] = bind_loopback(AF_INET, port);
	if (ret_fds[0] < 0)
		return false;
	ret_fds[1] = bind_loopback(AF_INET6, port);
	if (ret_fds[1] >= 0 || errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)
		return true;
	int code = errno;

	close(ret_fds[0]);
	errno = code;
	return false;
}

static bool bind_port(uint16_t wanted, uint16_t *ret_port, int ret_fds[2], struct error *err)
{
	for (int i = 0; i < PORT_TRIES; i++) {
		*ret_port = wanted;
		if (bind_both(ret_port, ret_fds))
			return true;
		if (wanted || errno != EADDRINUSE)
			break;
	}
	int code = errno;

	error_errno(err, "listen on port %u of this machine", wanted);
	err->kind = code == EADDRINUSE ? ERR_CONFLICT : code == EACCES ? ERR_DENIED : ERR_IO;
	return error_hint(err, "choose another local port, or 0 for any that is free");
}

struct start {
	struct port_forward *forward;
	int fds[2];
};

static void do_start(void *arg)
{
	struct start *start = arg;
	struct port_forward *f = start->forward;

	for (size_t i = 0; i < ARRAY_LEN(f->listeners); i++) {
		if (start->fds[i] < 0)
			continue;
		struct listener *listener = xcalloc(1, sizeof *listener);

		f->listeners[i] = listener;
		listener->forward = f;
		uv_tcp_init(loop_uv(net_loop(f->net)), &listener->tcp);
		listener->tcp.data = listener;
		uv_tcp_open(&listener->tcp, start->fds[i]);
		uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_caller);
	}
}

struct port_forward *port_forward_start(struct kube *kube, const struct port_forward_options *options, struct error *err)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	struct start start = { 0 };
	uint16_t local_port;

	if (kube_is_read_only(kube)) {
		error_set(err, ERR_DENIED, "a port-forward is refused, because --read-only forbids every change");
		return NULL;
	}
	if (!options->port) {
		error_set(err, ERR_INVALID, "0 is no port of a pod");
		return NULL;
	}
	if (!websocket_pod_path(options->namespace, *options->pod ? options->pod : "any", "portforward", &path, err) ||
	    !bind_port(options->local_port, &local_port, start.fds, err))
		return NULL;
	struct port_forward *f = start.forward = xcalloc(1, sizeof *f);

	f->net = kube_net(kube);
	f->kube = kube;
	f->namespace = xstrdup(options->namespace);
	f->pod = xstrdup(options->pod);
	f->port = options->port;
	f->state.local_port = local_port;
	pthread_mutex_init(&f->lock, NULL);
	net_post_and_wait(f->net, do_start, &start);
	return f;
}

void port_forward_set_pod(struct port_forward *f, const char *pod)
{
	pthread_mutex_lock(&f->lock);
	free(f->pod);
	f->pod = xstrdup(pod);
	pthread_mutex_unlock(&f->lock);
}

static void free_listener(uv_handle_t *handle)
{
	free(handle->data);
}

static void do_stop(void *arg)
{
	struct port_forward *f = arg;

	for (size_t i = 0; i < ARRAY_LEN(f->listeners); i++) {
		if (!f->listeners[i])
			continue;
		f->listeners[i]->forward = NULL;
		uv_close((uv_handle_t *)&f->listeners[i]->tcp, free_listener);
	}
	while (f->connections)
		close_connection(f->connections, true);
}

void port_forward_stop(struct port_forward *f)
{
	if (!f)
		return;
	net_post_and_wait(f->net, do_stop, f);
	pthread_mutex_destroy(&f->lock);
	port_forward_state_release(&f->state);
	free(f->namespace);
	free(f->pod);
	free(f);
}
