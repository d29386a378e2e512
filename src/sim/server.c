#include "sim/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sim/control.h"
#include "sim/faults.h"
#include "sim/line.h"
#include "sim/rest.h"
#include "sim/websocket.h"
#include "sim/trouble.h"

enum { BODY_MAX = 16 << 20, LOG_MAX = 50000, STACK_BYTES = 2 << 20, PAUSE_LIMIT_MS = 20000 };

struct log_entry {
	char *text; /* without status and fault, open at the end */
	unsigned status;
	enum fault_action fault;
	bool done;
};

struct server {
	struct sim *sim;
	struct MHD_Daemon *daemon; /* NULL while the server is down */
	struct MHD_Daemon **former; /* those before an outage */
	size_t nformer, former_cap;
	char *address;
	struct line *line;
	struct ws_hub *hub;
	struct faults *faults;
	pthread_mutex_t lock; /* the log, releases */
	struct log_entry *log;
	size_t nlog, log_cap;
	unsigned long count, forgotten;
	FILE *log_file;
	int stop_fd;	/* readable once the server stops */
	int paused_fd;	/* counts requests that came to a pause and were not told of yet */
	unsigned long releases;
	unsigned long die_after;
	bool stopping;
};

/* One request on its way. */
struct exchange {
	struct server *server;
	char *uri;
	struct buf body;
	bool begun, too_large;
};

struct faults *server_faults(struct server *server)
{
	return server->faults;
}

/* ---- the log ---- */

static unsigned long log_begin(struct server *s, const char *method, const char *uri, const struct request *request)
{
	json_t *line;
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	const char *mark = strchr(uri, '?');
	unsigned long number;

	pthread_mutex_lock(&s->lock);
	number = ++s->count;
	line = json_pack("{s:I,s:s,s:s%,s:s,s:s}", "n", (json_int_t)number, "method", method, "path", uri,
			 mark ? (size_t)(mark - uri) : strlen(uri), "query", mark ? mark + 1 : "", "userAgent", request->user_agent ? request->user_agent : "");
	if (line && request->content_type)
		json_object_set_new(line, "contentType", json_string(request->content_type));
	if (line && request->accept)
		json_object_set_new(line, "accept", json_string(request->accept));
	if (line)
		jx_dump(line, &text);
	json_decref(line);
	if (text.len)
		buf_truncate(&text, text.len - 1);
	if (s->nlog < LOG_MAX)
		LIST_PUSH(s->log, s->nlog, s->log_cap) = (struct log_entry){ .text = buf_give(&text) };
	pthread_mutex_unlock(&s->lock);
	return number;
}

static void print_entry(const struct log_entry *e, struct buf *out)
{
	buf_adds(out, e->text);
	if (e->done)
		buf_addf(out, ",\"status\":%u", e->status);
	if (e->fault)
		buf_addf(out, ",\"fault\":\"%s\"", fault_name(e->fault));
	buf_adds(out, "}\n");
}

static void log_end(struct server *s, unsigned long number, unsigned status, enum fault_action fault)
{
	pthread_mutex_lock(&s->lock);
	size_t at = number - 1 - s->forgotten;

	if (number > s->forgotten && at < s->nlog) {
		struct log_entry *e = &s->log[at];
		AUTO_RELEASE(buf) line = BUF_INIT(0);

		e->status = status;
		e->fault = fault;
		e->done = true;
		if (s->log_file) {
			print_entry(e, &line);
			fwrite(line.p, 1, line.len, s->log_file);
			fflush(s->log_file);
		}
	}
	pthread_mutex_unlock(&s->lock);
}

char *server_log(struct server *s)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	buf_adds(&out, "");
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->nlog; i++)
		print_entry(&s->log[i], &out);
	pthread_mutex_unlock(&s->lock);
	return buf_give(&out);
}

unsigned long server_count(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	unsigned long count = s->count;

	pthread_mutex_unlock(&s->lock);
	return count;
}

static void log_forget(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->nlog; i++)
		free(s->log[i].text);
	s->forgotten = s->count;
	s->nlog = 0;
	pthread_mutex_unlock(&s->lock);
}

/* ---- sleeping in a connection's thread ---- */

static int socket_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* Waits until wake_fd is readable or the time is over; false when the client or the server goes. */
static bool doze(struct server *s, int fd, int wake_fd, int64_t timeout_ms)
{
	struct pollfd fds[3] = { { .fd = s->stop_fd, .events = POLLIN }, { .fd = fd, .events = POLLRDHUP },
				 { .fd = wake_fd, .events = POLLIN } };

	poll(fds, wake_fd >= 0 ? 3 : 2, timeout_ms > 3600000 ? 3600000 : timeout_ms < 0 ? -1 : (int)timeout_ms);
	if (wake_fd >= 0 && (fds[2].revents & POLLIN)) {
		eventfd_t value;

		eventfd_read(wake_fd, &value);
	}
	return !(fds[0].revents & POLLIN) && !(fds[1].revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static bool sleep_ms(struct server *s, int fd, int64_t ms)
{
	int64_t until = sim_wall_ms() + ms;

	for (int64_t left = ms; left > 0; left = until - sim_wall_ms())
		if (!doze(s, fd, -1, left))
			return false;
	return true;
}

static bool wait_release(struct server *s, int fd)
{
	bool released = false, alive = true;

	pthread_mutex_lock(&s->lock);
	unsigned long generation = s->releases;

	pthread_mutex_unlock(&s->lock);
	eventfd_write(s->paused_fd, 1);
	while (alive && !released) {
		alive = doze(s, fd, -1, 50);
		pthread_mutex_lock(&s->lock);
		released = s->releases != generation;
		pthread_mutex_unlock(&s->lock);
	}
	return alive;
}

/* ---- answers ---- */

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

struct stream { /* what a content reader works on */
	struct server *server;
	struct reply reply;
	int fd;
	size_t sent, cut_at; /* cut_at: SIZE_MAX for never */
	int64_t drip_ms;
	size_t drip_bytes;
	bool cut;
	uint64_t flood; /* so many spaces instead of a body */
};

static void stream_free(void *cls)
{
	struct stream *st = cls;

	reply_release(&st->reply);
	free(st);
}

static struct buf *stream_source(struct stream *st, size_t **ret_sent)
{
	if (st->reply.watch) {
		*ret_sent = &st->reply.watch->sent;
		return &st->reply.watch->out;
	}
	if (st->reply.follow) {
		*ret_sent = &st->reply.follow->sent;
		return &st->reply.follow->out;
	}
	*ret_sent = &st->sent;
	return &st->reply.body;
}

/* Makes sure that there is something to send; false at the end, *alive false when the other side left. */
static bool stream_more(struct stream *st, bool *alive)
{
	struct watch *w = st->reply.watch;
	struct follow *f = st->reply.follow;

	*alive = true;
	if (!w && !f)
		return st->sent < st->reply.body.len;
	for (;;) {
		bool more;

		while (line_is_frozen(st->server->line, st->reply.uri, st->reply.number))
			if (!(*alive = doze(st->server, st->fd, -1, 20)))
				return false;
		more = w ? watch_fill(w) : follow_fill(f);

		if (!more)
			return false;
		if (w ? w->out.len : f->out.len)
			return true;
		int64_t now = sim_wall_ms(), until = w ? (w->ends_ms < w->next_bookmark_ms ? w->ends_ms : w->next_bookmark_ms) :
							 now + 200;

		*alive = doze(st->server, st->fd, w ? w->watcher.wake_fd : -1, until > now ? until - now : 1);
		if (!*alive)
			return false;
	}
}

static ssize_t stream_read(void *cls, uint64_t pos, char *into, size_t max)
{
	struct stream *st = cls;
	size_t *sent, n;
	struct buf *source = stream_source(st, &sent);
	bool alive;

	if (st->cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (st->flood) {
		if (pos >= st->flood)
			return MHD_CONTENT_READER_END_OF_STREAM;
		n = st->flood - pos < max ? (size_t)(st->flood - pos) : max;
		memset(into, ' ', n);
		return (ssize_t)n;
	}
	if (*sent >= source->len) {
		if (source != &st->reply.body) {
			buf_reset(source);
			*sent = 0;
		}
		if (!stream_more(st, &alive))
			return alive ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
	}
	n = source->len - *sent;
	if (n > max)
		n = max;
	if (pos >= st->cut_at)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n > st->cut_at - pos)
		n = (size_t)(st->cut_at - pos);
	if (st->drip_bytes) {
		if (pos && !sleep_ms(st->server, st->fd, st->drip_ms))
			return MHD_CONTENT_READER_END_WITH_ERROR;
		if (n > st->drip_bytes)
			n = st->drip_bytes;
	}
	memcpy(into, source->p + *sent, n);
	*sent += n;
	return (ssize_t)n;
}

static void add_headers(struct MHD_Response *response, const struct reply *reply, const struct fault *fault)
{
	json_t *extra = json_object_get(fault->rule, "headers"), *value;
	const char *key;
	time_t now = (time_t)(sim_wall_ms() / 1000);
	struct tm tm;
	char date[64];

	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!json_object_get(extra, "Date"))
		MHD_add_response_header(response, "Date", date);
	if (reply->content_type)
		MHD_add_response_header(response, "Content-Type", reply->content_type);
	MHD_add_response_header(response, "Cache-Control", "no-cache, private");
	for (size_t i = 0; i < reply->nheaders; i++)
		MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
	json_object_foreach(extra, key, value)
		if (json_is_string(value))
			MHD_add_response_header(response, key, json_string_value(value));
}

static enum MHD_Result send_reply(struct server *s, struct MHD_Connection *connection, struct reply *reply,
				  const struct fault *fault)
{
	struct MHD_Response *response;
	bool streamed = reply->watch || reply->follow || fault->action == FAULT_DRIP || fault->action == FAULT_CUT ||
			fault->action == FAULT_FLOOD;
	unsigned status = reply->status;
	enum MHD_Result result;

	if (reply->talk.run) {
		size_t cut_at = fault->action == FAULT_CUT ? (size_t)jint(0, fault->rule, "at") : SIZE_MAX;

		result = ws_hub_accept(s->hub, connection, header_of(connection, "Sec-WebSocket-Key"), &reply->talk, cut_at);
		reply->talk = (struct ws_talk){ 0 };
		return result;
	}
	if (streamed) {
		struct stream *st = xcalloc(1, sizeof *st);

		*st = (struct stream){ .server = s, .reply = *reply, .fd = socket_of(connection), .cut_at = SIZE_MAX };
		*reply = (struct reply){ 0 };
		if (fault->action == FAULT_CUT)
			st->cut_at = (size_t)jint(0, fault->rule, "at");
		st->cut = st->cut_at == 0;
		if (fault->action == FAULT_FLOOD)
			st->flood = (uint64_t)jint(1 << 30, fault->rule, "bytes");
		if (fault->action == FAULT_DRIP) {
			st->drip_ms = jint(100, fault->rule, "ms");
			st->drip_bytes = (size_t)jint(1, fault->rule, "bytes");
		}
		response = MHD_create_response_from_callback(st->reply.watch || st->reply.follow || st->flood ? MHD_SIZE_UNKNOWN :
											  st->reply.body.len,
							     32768, stream_read, st, stream_free);
		add_headers(response, &st->reply, fault);
	} else {
		size_t len = reply->body.len;
		char *body = buf_give(&reply->body);

		response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
		if (!response)
			free(body);
		add_headers(response, reply, fault);
	}
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static void close_hard(int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	connect(fd, &none, sizeof none); /* on a connected TCP socket: a reset */
}

static enum MHD_Result send_garbage(struct server *s, struct MHD_Connection *connection, const struct fault *fault)
{
	static const char junk[] = "\x16\x03\x01 this is no HTTP \xff\xfe\r\n\r\n{\"kind\":";
	const char *body = jstr(fault->rule, "body");
	int fd = socket_of(connection);

	(void)s;
	if (!*body) {
		if (send(fd, junk, sizeof junk - 1, MSG_NOSIGNAL) < 0)
			return MHD_NO;
	} else {
		struct reply reply = { .status = 200, .content_type = "application/json" };

		buf_adds(&reply.body, body);
		enum MHD_Result result = send_reply(s, connection, &reply, fault);

		reply_release(&reply);
		return result;
	}
	shutdown(fd, SHUT_WR);
	return MHD_NO;
}

static enum MHD_Result send_status(struct server *s, struct MHD_Connection *connection, const struct fault *fault)
{
	struct reply reply = { 0 };
	unsigned code = (unsigned)jint(503, fault->rule, "status");
	const char *reason = jstr(fault->rule, "reason"), *message = jstr(fault->rule, "message");
	json_t *retry = json_object_get(fault->rule, "retryAfter");

	reply_status(&reply, code, reason, json_incref(json_object_get(fault->rule, "details")), "%s",
		     *message ? message : "the script of faults says so");
	if (json_object_get(fault->rule, "body")) {
		buf_reset(&reply.body);
		buf_adds(&reply.body, jstr(fault->rule, "body"));
	}
	if (*jstr(fault->rule, "contentType"))
		reply.content_type = jstr(fault->rule, "contentType");
	if (json_is_string(retry)) {
		reply_header(&reply, "Retry-After", json_string_value(retry));
	} else if (json_is_integer(retry)) {
		AUTO_FREE char *text = xasprintf("%lld", (long long)json_integer_value(retry));

		reply_header(&reply, "Retry-After", text);
	}
	enum MHD_Result result = send_reply(s, connection, &reply, fault);

	reply_release(&reply);
	return result;
}

/* ---- a request ---- */

/* What strikes instead of an answer. *ret_done: the connection needs nothing more. */
static enum MHD_Result strike(struct server *s, struct MHD_Connection *connection, const struct fault *fault, bool *ret_done)
{
	int fd = socket_of(connection);

	*ret_done = true;
	switch (fault->action) {
	case FAULT_RESET:
		close_hard(fd);
		return MHD_NO;
	case FAULT_CLOSE:
		return MHD_NO;
	case FAULT_GARBAGE:
		return send_garbage(s, connection, fault);
	case FAULT_STATUS:
		return send_status(s, connection, fault);
	case FAULT_FLOOD: {
		struct reply reply = { .status = 200, .content_type = "application/json" };
		enum MHD_Result result = send_reply(s, connection, &reply, fault);

		reply_release(&reply);
		return result;
	}
	case FAULT_HANG:
		while (doze(s, fd, -1, 3600000))
			;
		return MHD_NO;
	case FAULT_DIE:
		_exit(137);
	case FAULT_DELAY:
		if (!sleep_ms(s, fd, jint(1000, fault->rule, "ms")))
			return MHD_NO;
		break;
	case FAULT_PAUSE:
		if (!wait_release(s, fd))
			return MHD_NO;
		break;
	default:
		break;
	}
	*ret_done = false;
	return MHD_YES;
}

static enum MHD_Result answer(struct server *s, struct MHD_Connection *connection, struct exchange *x, const char *method)
{
	const char *agent = header_of(connection, "User-Agent");
	AUTO_RELEASE(reply) reply = { 0 };
	struct request request = { .method = method, .accept = header_of(connection, "Accept"), .content_type = header_of(connection, "Content-Type"), .user_agent = agent, .authorization = header_of(connection, "Authorization"),
				   .if_none_match = header_of(connection, "If-None-Match"), .uri = x->uri, .upgrade = header_of(connection, "Upgrade"),
				   .websocket_key = header_of(connection, "Sec-WebSocket-Key"),
				   .websocket_protocols = header_of(connection, "Sec-WebSocket-Protocol"), .body = buf_str(&x->body) };
	AUTO_FREE char *path = xmemdup0(x->uri, strcspn(x->uri, "?"));
	enum MHD_Result result = MHD_YES;
	bool done = false;
	unsigned long number = log_begin(s, method, x->uri, &request);
	struct fault fault = faults_match(s->faults, number, method, x->uri, agent ? agent : "");

	if (fault.action && !fault.after) {
		if (fault.action != FAULT_DELAY && fault.action != FAULT_PAUSE)
			log_end(s, number, (unsigned)jint(0, fault.rule, "status"), fault.action);
		result = strike(s, connection, &fault, &done);
	}
	if (!done) {
		request.query = (struct map)MAP_INIT(free);
		query_parse(x->uri, &request.query);
		request.path = path;
		rest_handle(s->sim, &request, &reply);
		reply.uri = xstrdup(x->uri);
		reply.number = number;
		log_end(s, number, reply.status, fault.action);
		if (s->die_after && number >= s->die_after)
			_exit(137);
		if (fault.action && fault.after)
			result = strike(s, connection, &fault, &done);
		map_release(&request.query);
		if (!done)
			result = send_reply(s, connection, &reply, &fault);
	}
	fault_release(&fault);
	return result;
}

/* ---- /_sim/ ---- */

static void json_text(struct reply *reply, json_t *body)
{
	reply_json(reply, 200, body);
}

static void plain(struct reply *reply, unsigned status, const char *text)
{
	buf_reset(&reply->body);
	buf_adds(&reply->body, text);
	reply->status = status;
	reply->content_type = "text/plain";
}

static json_t *bare_state(struct sim *sim)
{
	static const char *const volatile_meta[] = { "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "managedFields",
						     "generation", "ownerReferences" };
	json_t *all = json_object();

	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];

		for (size_t k = 0; k < r->n; k++) {
			json_t *tree = store_tree(r->objects[k]);

			for (size_t m = 0; m < ARRAY_LEN(volatile_meta); m++)
				jdel(tree, "metadata", volatile_meta[m]);
			json_object_del(tree, "status");
			AUTO_FREE char *key = xasprintf("%s %s/%s", r->plural, r->objects[k]->ns, r->objects[k]->name);

			json_object_set_new(all, key, tree);
		}
	}
	return all;
}

static void set_features(struct sim *sim, const json_t *body);

static void do_requests(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	(void)query;
	(void)body;
	if (!strcmp(method, "DELETE"))
		log_forget(s);
	AUTO_FREE char *text = server_log(s);

	plain(reply, 200, text);
}

static void do_faults(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	AUTO_RELEASE(error) err = { 0 };
	json_t *none = json_array();

	(void)query;
	if (!strcmp(method, "GET"))
		json_text(reply, faults_list(s->faults));
	else if (faults_load(s->faults, !strcmp(method, "DELETE") ? none : body, &err))
		plain(reply, 200, "ok\n");
	else
		plain(reply, 400, err.message);
	json_decref(none);
}

static void do_release(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	(void)method, (void)query, (void)body;
	pthread_mutex_lock(&s->lock);
	s->releases++;
	pthread_mutex_unlock(&s->lock);
	plain(reply, 200, "ok\n");
}

/* Answers when a request has come to a pause that was not told of yet. */
static void do_paused(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	struct pollfd fds[2] = { { .fd = s->stop_fd, .events = POLLIN }, { .fd = s->paused_fd, .events = POLLIN } };
	eventfd_t value;
	bool paused;

	(void)method, (void)query, (void)body;
	poll(fds, 2, PAUSE_LIMIT_MS);
	paused = (fds[1].revents & POLLIN) && eventfd_read(s->paused_fd, &value) == 0;
	plain(reply, paused ? 200 : 408, paused ? "paused\n" : "no request paused\n");
}

static void do_die(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	const char *number = map_text(query, "request");

	(void)method, (void)body;
	if (!number)
		_exit(137);
	s->die_after = strtoul(number, NULL, 10);
	plain(reply, 200, "ok\n");
}

void server_compact(struct server *s)
{
	pthread_mutex_lock(&s->sim->lock);
	s->sim->rv++; /* so that the newest version that anybody knows is too old */
	for (size_t i = 0; i < s->sim->nresources; i++)
		if (s->sim->resources[i]->storage == s->sim->resources[i])
			store_compact(s->sim, s->sim->resources[i]);
	for (size_t i = 0; i < s->sim->nsnapshots; i++)
		s->sim->snapshots[i].id = -1;
	pthread_mutex_unlock(&s->sim->lock);
}

static void do_compact(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	(void)method, (void)query, (void)body;
	server_compact(s);
	plain(reply, 200, "ok\n");
}

static void do_deny(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	AUTO_RELEASE(error) err = { 0 };
	json_t *none = json_array();

	(void)query;
	pthread_mutex_lock(&s->sim->lock);
	bool good = rbac_load(s->sim->rbac, !strcmp(method, "DELETE") ? none : body, &err);

	pthread_mutex_unlock(&s->sim->lock);
	json_decref(none);
	plain(reply, good ? 200 : 400, good ? "ok\n" : err.message);
}

static void do_features(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	(void)method, (void)query;
	pthread_mutex_lock(&s->sim->lock);
	set_features(s->sim, body);
	pthread_mutex_unlock(&s->sim->lock);
	plain(reply, 200, "ok\n");
}

static void do_age(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	const char *seconds = map_text(query, "seconds");

	(void)method, (void)body;
	pthread_mutex_lock(&s->sim->lock);
	s->sim->aged_ms += seconds ? strtoll(seconds, NULL, 10) * 1000 : 0;
	pthread_cond_broadcast(&s->sim->work);
	pthread_mutex_unlock(&s->sim->lock);
	plain(reply, 200, "ok\n");
}

static void do_state(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	(void)method, (void)query, (void)body;
	pthread_mutex_lock(&s->sim->lock);
	json_text(reply, bare_state(s->sim));
	pthread_mutex_unlock(&s->sim->lock);
}

bool server_freeze(struct server *s, const char *pattern, bool later, struct error *err)
{
	return line_freeze(s->line, pattern, server_count(s), later, err);
}

void server_thaw(struct server *s)
{
	line_thaw(s->line);
}

static void do_freeze(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	AUTO_RELEASE(error) err = { 0 };
	bool good = server_freeze(s, jstr(body, "path"), json_is_true(json_object_get(body, "later")), &err);

	(void)method, (void)query;
	plain(reply, good ? 200 : 400, good ? "ok\n" : err.message);
}

static void do_thaw(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	(void)method, (void)query, (void)body;
	server_thaw(s);
	plain(reply, 200, "ok\n");
}

static void do_lose(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	(void)method, (void)query;
	pthread_mutex_lock(&s->sim->lock);
	for (size_t i = 0; i < s->sim->nresources; i++)
		if (!strcmp(s->sim->resources[i]->plural, jstr(body, "resource")))
			s->sim->resources[i]->lose = (unsigned)jint(1, body, "count");
	pthread_mutex_unlock(&s->sim->lock);
	plain(reply, 200, "ok\n");
}

void server_reset_watches(struct server *s)
{
	pthread_mutex_lock(&s->sim->lock);
	for (size_t i = 0; i < s->sim->nresources; i++)
		for (struct watcher *w = s->sim->resources[i]->watchers; w; w = w->next) {
			struct watch *watch = (struct watch *)((char *)w - offsetof(struct watch, watcher));

			watch->ends_ms = 0;
			eventfd_write(w->wake_fd, 1);
		}
	pthread_mutex_unlock(&s->sim->lock);
}

static void do_reset_watches(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	(void)method, (void)query, (void)body;
	server_reset_watches(s);
	plain(reply, 200, "ok\n");
}

static void do_trouble(struct server *s, const char *method, const struct map *query, json_t *body, struct reply *reply)
{
	const char *name = jstr(body, "name"), *ns = *jstr(body, "namespace") ? jstr(body, "namespace") : "default";
	AUTO_RELEASE(error) err = { 0 };
	bool good;

	(void)query;
	if (!strcmp(method, "GET")) {
		json_text(reply, trouble_list());
		return;
	}
	good = strcmp(method, "DELETE") ? sim_play(s->sim, name, ns, &err) : trouble_end(s->sim, name, ns, &err);
	plain(reply, good ? 200 : 400, good ? "ok\n" : err.message);
}

static const struct {
	const char *name;
	void (*run)(struct server *, const char *, const struct map *, json_t *, struct reply *);
} controls[] = {
	{ "requests", do_requests }, { "faults", do_faults },	{ "release", do_release }, { "die", do_die },
	{ "compact", do_compact },   { "deny", do_deny },	{ "features", do_features }, { "age", do_age },
	{ "state", do_state },	     { "reset-watches", do_reset_watches }, { "paused", do_paused },
	{ "trouble", do_trouble },   { "freeze", do_freeze },	{ "thaw", do_thaw },	   { "lose", do_lose },
};

static const struct {
	const char *name;
	unsigned feature;
} feature_names[] = {
	{ "aggregated-discovery", FEATURE_AGGREGATED }, { "watchlist", FEATURE_WATCHLIST },
	{ "field-validation", FEATURE_VALIDATION },	{ "ssa", FEATURE_APPLY },
	{ "bookmarks", FEATURE_BOOKMARKS },		{ "self-subject-review", FEATURE_SELF_REVIEW },
	{ "controllers", FEATURE_CONTROLLERS },		{ "metrics", FEATURE_METRICS },
	{ "comparable-rv", FEATURE_COMPARABLE_RV },	{ "tables", FEATURE_TABLES },
	{ "exec-v5", FEATURE_EXEC_V5 },
};

static void set_features(struct sim *sim, const json_t *body)
{
	for (size_t i = 0; i < ARRAY_LEN(feature_names); i++) {
		const json_t *value = json_object_get(body, feature_names[i].name);

		if (json_is_false(value))
			sim->features_off |= feature_names[i].feature;
		else if (json_is_true(value))
			sim->features_off &= ~feature_names[i].feature;
		if (json_is_true(value) && feature_names[i].feature == FEATURE_CONTROLLERS)
			control_queue_all(sim); /* they missed what happened meanwhile */
	}
}

bool sim_set_feature(struct sim *sim, const char *name, bool on)
{
	json_t *body = json_pack("{s:b}", name, on);
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(feature_names); i++)
		known = known || !strcmp(name, feature_names[i].name);
	pthread_mutex_lock(&sim->lock);
	set_features(sim, body);
	pthread_mutex_unlock(&sim->lock);
	json_decref(body);
	return known;
}

static bool features_parse(const char *text, unsigned *ret, struct error *err)
{
	struct str rest = str_of(text), word;

	while (rest.len) {
		bool known = false;

		if (!str_cut(&rest, ',', &word)) {
			word = rest;
			rest.len = 0;
		}
		for (size_t i = 0; i < ARRAY_LEN(feature_names); i++)
			if (str_is(str_trim(word), feature_names[i].name)) {
				*ret |= feature_names[i].feature;
				known = true;
			}
		if (!known)
			return error_set(err, ERR_INVALID, "unknown feature \"%.*s\"", STR_ARG(word));
	}
	return true;
}

static enum MHD_Result control(struct server *s, struct MHD_Connection *connection, struct exchange *x, const char *method)
{
	AUTO_RELEASE(map) query = MAP_INIT(free);
	struct reply reply = { 0 };
	struct fault none = { 0 };
	json_t *body = jx_parse(x->body.p, x->body.len, NULL);
	AUTO_FREE char *name = xmemdup0(x->uri + 6, strcspn(x->uri + 6, "?"));

	query_parse(x->uri, &query);
	plain(&reply, 404, "no such control\n");
	for (size_t i = 0; i < ARRAY_LEN(controls); i++)
		if (!strcmp(name, controls[i].name))
			controls[i].run(s, method, &query, body, &reply);
	json_decref(body);
	enum MHD_Result result = send_reply(s, connection, &reply, &none);

	reply_release(&reply);
	return result;
}

/* ---- libmicrohttpd ---- */

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct exchange *x = xcalloc(1, sizeof *x);

	(void)connection;
	x->server = cls;
	x->uri = xstrdup(uri);
	return x;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *context;

	(void)cls, (void)connection, (void)why;
	if (!x)
		return;
	free(x->uri);
	buf_release(&x->body);
	free(x);
	*context = NULL;
}

static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls, (void)connection;
	return strlen(text);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **context)
{
	struct exchange *x = *context;
	struct server *s = cls;

	(void)url, (void)version;
	if (!x->begun) {
		x->begun = true;
		return MHD_YES;
	}
	if (*upload_size) {
		if (x->body.len + *upload_size > BODY_MAX)
			x->too_large = true;
		else
			buf_add(&x->body, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	if (x->too_large) {
		struct reply reply = { 0 };
		struct fault none = { 0 };

		reply_status(&reply, 413, "RequestEntityTooLarge", NULL, "Request entity too large: limit is %d", BODY_MAX);
		enum MHD_Result result = send_reply(s, connection, &reply, &none);

		reply_release(&reply);
		return result;
	}
	if (starts_with(x->uri, "/_sim/"))
		return control(s, connection, x, method);
	return answer(s, connection, x, method);
}

static bool listen_at(const struct sim_options *options, int *ret_fd, uint16_t *ret_port, struct error *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(options->port) };
	socklen_t len = sizeof address;
	const char *text = options->address ? options->address : "127.0.0.1";
	int one = 1, fd;

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
		return error_set(err, ERR_INVALID, "listen: \"%s\" is no IPv4 address", text);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, "listen");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 512) ||
	    getsockname(fd, (struct sockaddr *)&address, &len)) {
		error_errno(err, "listen on %s:%u", text, options->port);
		close(fd);
		return false;
	}
	*ret_fd = fd;
	*ret_port = ntohs(address.sin_port);
	return true;
}

static bool load_faults(struct server *s, const char *path, struct error *err)
{
	json_error_t why;
	json_t *rules;

	if (!path)
		return true;
	rules = json_load_file(path, 0, &why);
	if (!rules)
		return error_set(err, ERR_INVALID, "%s:%d: %s", path, why.line, why.text);
	bool good = faults_load(s->faults, rules, err);

	json_decref(rules);
	return good;
}

static bool write_kubeconfig(const struct sim *sim, const char *path, struct error *err)
{
	int fd;

	if (!path)
		return true;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, "%s", path);
	dprintf(fd,
		"apiVersion: v1\nkind: Config\ncurrent-context: sim\n"
		"clusters:\n- name: sim\n  cluster:\n    server: %s\n"
		"users:\n- name: sim\n  user: {}\n"
		"contexts:\n- name: sim\n  context:\n    cluster: sim\n    user: sim\n",
		sim->url);
	close(fd);
	return true;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct server *s = cls;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = (void *)(intptr_t)socket_of(connection);
		line_opened(s->line, socket_of(connection));
	} else {
		line_closed(s->line, (int)(intptr_t)*context);
	}
}

/* Takes fd, which listens. */
static bool daemon_start(struct server *s, int fd, struct error *err)
{
	s->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
					     MHD_USE_SUPPRESS_DATE_NO_CLOCK | MHD_USE_ITC | MHD_ALLOW_UPGRADE,
				     0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK,
				     on_uri, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
				     MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(256 * 1024), MHD_OPTION_END);
	if (s->daemon)
		return true;
	close(fd);
	return error_set(err, ERR_IO, "the HTTP server of the simulation does not start");
}

bool server_set_up(struct server *s, bool up, struct error *err)
{
	struct sim_options options = { .address = s->address, .port = s->sim->port };
	int fd;

	if (up == (s->daemon != NULL))
		return true;
	if (up)
		return listen_at(&options, &fd, &s->sim->port, err) && daemon_start(s, fd, err);
	close(MHD_quiesce_daemon(s->daemon));
	LIST_PUSH(s->former, s->nformer, s->former_cap) = s->daemon;
	s->daemon = NULL;
	line_reset(s->line);
	return true;
}

bool server_start(struct sim *sim, const struct sim_options *options, struct error *err)
{
	struct server *s = xcalloc(1, sizeof *s);
	int fd = -1;

	sim->server = s;
	s->sim = sim;
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	s->paused_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	s->hub = ws_hub_create(s->stop_fd);
	s->faults = faults_create();
	s->line = line_create();
	s->address = options->address ? xstrdup(options->address) : NULL;
	pthread_mutex_init(&s->lock, NULL);
	if (options->request_log && !(s->log_file = fopen(options->request_log, "ae")))
		return error_errno(err, "%s", options->request_log);
	if (!load_faults(s, options->faults, err) ||
	    !features_parse(options->features_off ? options->features_off : "", &sim->features_off, err) ||
	    !listen_at(options, &fd, &sim->port, err))
		return false;
	sim->url = xasprintf("http://%s:%u", options->address ? options->address : "127.0.0.1", sim->port);
	if (!write_kubeconfig(sim, options->kubeconfig, err)) {
		close(fd);
		return false;
	}
	return daemon_start(s, fd, err);
}

void server_stop(struct sim *sim)
{
	struct server *s = sim->server;

	if (!s)
		return;
	eventfd_write(s->stop_fd, 1);
	ws_hub_close(s->hub);
	line_thaw(s->line);
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	for (size_t i = 0; i < s->nformer; i++)
		MHD_stop_daemon(s->former[i]);
	free(s->former);
	line_destroy(s->line);
	free(s->address);
	ws_hub_destroy(s->hub);
	log_forget(s);
	free(s->log);
	if (s->log_file)
		fclose(s->log_file);
	faults_destroy(s->faults);
	pthread_mutex_destroy(&s->lock);
	close(s->stop_fd);
	close(s->paused_fd);
	free(s);
	sim->server = NULL;
}
