/* Exec, attach and port-forward: what is behind pods/exec, pods/attach and pods/portforward. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/builder.h"
#include "sim/rest.h"
#include "sim/sh.h"

enum { CHANNEL_STDIN, CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_ERROR, CHANNEL_RESIZE, CHANNEL_CLOSE = 255 };

struct session {
	struct ws_peer *peer;
	struct sim *sim;
	char *ns, *pod, *uid, *container, *process, *refusal; /* refusal: why it cannot begin, or NULL */
	char **argv;
	size_t argc, argv_cap;
	struct map env;
	struct follow *follow; /* of attach */
	bool v5, tty, input, out, err;
	unsigned columns, rows;
	struct buf typed; /* arrived, not looked at */
	struct buf line;  /* of the terminal, not ended */
	bool input_ended, interrupted, gone;
};

static void free_session(void *arg)
{
	struct session *s = arg;

	for (size_t i = 0; i < s->argc; i++)
		free(s->argv[i]);
	free(s->argv);
	free(s->ns);
	free(s->pod);
	free(s->uid);
	free(s->container);
	free(s->process);
	free(s->refusal);
	map_release(&s->env);
	follow_destroy(s->follow);
	buf_release(&s->typed);
	buf_release(&s->line);
	free(s);
}

/* ---- output ---- */

static void send_channel(struct session *s, unsigned channel, struct str bytes)
{
	if (!s->gone && bytes.len)
		s->gone = !ws_peer_send(s->peer, channel, bytes);
}

/* As a terminal does: \n moves to the first column, too. */
static void send_to_terminal(struct session *s, struct str bytes)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.p[i] == '\n')
			buf_addc(&out, '\r');
		buf_addc(&out, bytes.p[i]);
	}
	send_channel(s, CHANNEL_STDOUT, buf_str(&out));
}

static void on_write(enum sh_output output, struct str bytes, void *arg)
{
	struct session *s = arg;

	if (s->tty)
		send_to_terminal(s, bytes);
	else if (output == SH_STDERR ? s->err : s->out)
		send_channel(s, output == SH_STDERR ? CHANNEL_STDERR : CHANNEL_STDOUT, bytes);
}

static void send_status(struct session *s, json_t *status)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	jx_dump(status, &text);
	json_decref(status);
	send_channel(s, CHANNEL_ERROR, buf_str(&text));
}

static void send_exit(struct session *s, int code)
{
	if (!code) {
		send_status(s, json_pack("{s:{},s:s}", "metadata", "status", "Success"));
		return;
	}
	send_status(s, json_pack("{s:{},s:s,s:o,s:s,s:{s:[{s:s,s:o}]}}", "metadata", "status", "Failure", "message",
				 json_sprintf("command terminated with non-zero exit code: exit status %d", code), "reason",
				 "NonZeroExitCode", "details", "causes", "reason", "ExitCode", "message", json_sprintf("%d", code)));
}

static void send_failure(struct session *s, const char *why)
{
	send_status(s, json_pack("{s:{},s:s,s:o,s:s,s:{s:[{s:s}]},s:i}", "metadata", "status", "Failure", "message",
				 json_sprintf("Internal error occurred: %s", why), "reason", "InternalError", "details", "causes",
				 "message", why, "code", 500));
}

/* ---- input ---- */

static void take_size(struct session *s, struct str bytes)
{
	json_t *size = jx_parse(bytes.p, bytes.len, NULL);

	s->columns = (unsigned)jint(0, size, "Width");
	s->rows = (unsigned)jint(0, size, "Height");
	json_decref(size);
}

/* Ctrl-C is noticed at once, also while a command runs. */
static void take_typed(struct session *s, struct str bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (s->tty && bytes.p[i] == 3) {
			s->interrupted = true;
			buf_reset(&s->typed);
			buf_reset(&s->line);
		} else {
			buf_addc(&s->typed, bytes.p[i]);
		}
	}
}

/* Takes in one message, for at most that long; false: the time is over, or nobody is there any more. */
static bool take_message(struct session *s, int timeout_ms)
{
	unsigned channel;
	struct str bytes;
	int got = s->gone ? -1 : ws_peer_read(s->peer, timeout_ms, &channel, &bytes);

	s->gone = got < 0;
	if (got <= 0)
		return false;
	if (channel == CHANNEL_RESIZE)
		take_size(s, bytes);
	if (channel == CHANNEL_STDIN && s->input)
		take_typed(s, bytes);
	if (channel == CHANNEL_CLOSE && s->v5 && bytes.len == 1 && bytes.p[0] == CHANNEL_STDIN)
		s->input_ended = true;
	return true;
}

/* One byte through the terminal's line editor; true: a line is whole. */
static bool edit(struct session *s, char c)
{
	if (c == '\r' || c == '\n') {
		send_channel(s, CHANNEL_STDOUT, STR("\r\n"));
		buf_addc(&s->line, '\n');
		return true;
	}
	if (c == 0x7f || c == '\b') {
		if (s->line.len)
			send_channel(s, CHANNEL_STDOUT, STR("\b \b"));
		if (s->line.len)
			buf_truncate(&s->line, s->line.len - 1);
	} else if ((unsigned char)c >= ' ') {
		buf_addc(&s->line, c);
		send_channel(s, CHANNEL_STDOUT, (struct str){ &c, 1 });
	}
	return false;
}

/* Ctrl-D: the end of the input, where the line is empty. */
static bool terminal_line(struct session *s, bool *ret_end)
{
	*ret_end = false;
	for (size_t i = 0; i < s->typed.len; i++) {
		char c = s->typed.p[i];

		*ret_end = c == 4 && !s->line.len;
		if (*ret_end || edit(s, c)) {
			buf_consume(&s->typed, i + 1);
			return true;
		}
	}
	buf_reset(&s->typed);
	return false;
}

static bool plain_line(struct session *s, struct buf *line)
{
	ptrdiff_t at = str_find_char(buf_str(&s->typed), '\n');
	size_t n = at >= 0 ? (size_t)at + 1 : s->input_ended || s->typed.len > 65536 ? s->typed.len : 0;

	buf_add(line, s->typed.p, n);
	if (n)
		buf_consume(&s->typed, n);
	return n > 0;
}

static enum sh_read on_read(struct buf *line, void *arg)
{
	struct session *s = arg;
	bool end;

	for (;;) {
		if (s->interrupted) {
			s->interrupted = false;
			send_channel(s, CHANNEL_STDOUT, STR("^C\r\n"));
			return SH_INTERRUPTED;
		}
		if (s->tty && terminal_line(s, &end)) {
			buf_add_str(line, buf_str(&s->line));
			buf_reset(&s->line);
			return end ? SH_END : SH_LINE;
		}
		if (!s->tty && plain_line(s, line))
			return SH_LINE;
		if (!s->input || s->input_ended || s->gone)
			return SH_END;
		take_message(s, -1);
	}
}

static bool on_sleep(int64_t milliseconds, void *arg)
{
	struct session *s = arg;
	int64_t end = sim_wall_ms() + milliseconds;

	do {
		int64_t left = end - sim_wall_ms();

		take_message(s, left > 0 ? (int)left : 0);
	} while (!s->gone && !s->interrupted && sim_wall_ms() < end);
	return !s->gone && !s->interrupted;
}

static void on_size(unsigned *ret_columns, unsigned *ret_rows, void *arg)
{
	struct session *s = arg;

	*ret_columns = s->tty ? (s->columns ? s->columns : 80) : 0;
	*ret_rows = s->tty ? (s->rows ? s->rows : 24) : 0;
}

/* ---- conversations ---- */

/* The archive that a builder waits for: exactly so many bytes of it. */
static void run_unpack(struct session *s, int64_t wanted)
{
	struct unpacking u = { 0 };
	int64_t got = 0;

	while (got < wanted && !s->gone && !u.broken) {
		size_t n = s->typed.len < (size_t)(wanted - got) ? s->typed.len : (size_t)(wanted - got);

		if (!n && s->input_ended)
			break;
		builder_unpack(&u, (struct str){ s->typed.p, n });
		got += (int64_t)n;
		buf_reset(&s->typed);
		if (got < wanted)
			take_message(s, -1);
	}
	if (got == wanted && u.whole && !u.broken) {
		builder_keep(s->sim, s->ns, s->pod, &u);
		send_exit(s, 0);
	} else if (!s->gone) {
		on_write(SH_STDERR, STR("tar: short read\n"), s);
		send_exit(s, 1);
	}
	unpacking_release(&u);
}

static void run_exec(struct ws_peer *peer, void *arg)
{
	struct session *s = arg;
	const struct sh_io io = { on_write, on_read, on_sleep, on_size, s };
	struct sh sh = { .io = &io, .env = s->env, .host = s->pod, .process = s->process, .folder = "/" };

	s->peer = peer;
	if (s->refusal) {
		send_failure(s, s->refusal);
		return;
	}
	if (builder_takes_bytes(s->argv, s->argc) >= 0) {
		run_unpack(s, builder_takes_bytes(s->argv, s->argc));
		return;
	}
	if (s->tty)
		take_message(s, 200); /* the size of the terminal comes first */
	send_exit(s, sh_run(&sh, s->argv, s->argc));
	s->env = sh.env;
}

static void run_attach(struct ws_peer *peer, void *arg)
{
	struct session *s = arg;

	s->peer = peer;
	if (s->refusal || !s->follow) {
		send_failure(s, s->refusal ? s->refusal : "the container has just ended");
		return;
	}
	while (!s->gone && follow_fill(s->follow)) {
		struct buf *out = &s->follow->out;

		if (out->len)
			on_write(SH_STDOUT, buf_str(out), s);
		buf_reset(out);
		on_sleep(100, s);
		buf_reset(&s->typed); /* the process reads nothing */
	}
	send_exit(s, 0);
}

/* ---- the web server behind forwarded ports ---- */

struct forward {
	char *pod, *uid;
	unsigned port;
	bool closed; /* nobody listens there */
};

static void free_forward(void *arg)
{
	struct forward *f = arg;

	free(f->pod);
	free(f->uid);
	free(f);
}

/* "/bytes/N": so many zeros. False: the other side has gone. */
static bool send_zeros(struct ws_peer *peer, uint64_t n)
{
	static const char zeros[32768];
	AUTO_FREE char *head = xasprintf("HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n", (unsigned long long)n);

	if (!ws_peer_send(peer, 0, str_of(head)))
		return false;
	for (; n; n -= n < sizeof zeros ? n : sizeof zeros)
		if (!ws_peer_send(peer, 0, (struct str){ zeros, n < sizeof zeros ? (size_t)n : sizeof zeros }))
			return false;
	return true;
}

static bool send_page(struct ws_peer *peer, const struct forward *f, struct str method, struct str path)
{
	AUTO_FREE char *body = xasprintf("hello from %s, port %u: %.*s %.*s\n", f->pod, f->port, STR_ARG(method), STR_ARG(path));
	AUTO_FREE char *answer = xasprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);

	return ws_peer_send(peer, 0, str_of(answer));
}

static bool answer_http(struct ws_peer *peer, const struct forward *f, struct str head)
{
	struct str line = head, method, path;
	bool stays = str_find(head, STR("\r\nConnection: close")) < 0;

	if (!str_cut(&line, ' ', &method) || !str_cut(&line, ' ', &path))
		return ws_peer_send(peer, 0, STR("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) && false;
	if (str_starts(path, STR("/bytes/"))) {
		AUTO_FREE char *number = xmemdup0(path.p + 7, path.len - 7);

		return send_zeros(peer, strtoull(number, NULL, 10)) && stays;
	}
	return send_page(peer, f, method, path) && stays;
}

/* Port 7 gives back what it gets (RFC 862), all others speak HTTP. */
static void serve(struct ws_peer *peer, const struct forward *f)
{
	AUTO_RELEASE(buf) got = BUF_INIT(0);
	unsigned channel;
	struct str bytes;

	while (ws_peer_read(peer, -1, &channel, &bytes) > 0) {
		ptrdiff_t end;

		if (channel != 0)
			continue;
		if (f->port == 7 && !ws_peer_send(peer, 0, bytes))
			return;
		if (f->port == 7)
			continue;
		buf_add_str(&got, bytes);
		while ((end = str_find(buf_str(&got), STR("\r\n\r\n"))) >= 0) {
			if (!answer_http(peer, f, (struct str){ got.p, (size_t)end }))
				return;
			buf_consume(&got, (size_t)end + 4);
		}
	}
}

static void run_forward(struct ws_peer *peer, void *arg)
{
	const struct forward *f = arg;
	char number[] = { (char)(uint8_t)f->port, (char)(uint8_t)(f->port >> 8) };
	AUTO_FREE char *why = xasprintf("error forwarding port %u to pod %s, uid %s: dial tcp4 127.0.0.1:%u: connect: connection refused", f->port,
					f->pod, f->uid, f->port);

	ws_peer_send(peer, 0, (struct str){ number, sizeof number });
	ws_peer_send(peer, 1, (struct str){ number, sizeof number });
	if (f->closed)
		ws_peer_send(peer, 1, str_of(why));
	else
		serve(peer, f);
}

/* ---- the requests ---- */

static const char *const protocols[] = { "v5.channel.k8s.io", "v4.channel.k8s.io" };

/* The first of those we speak that the client offers, from number `from` on. */
static const char *choose_protocol(const struct request *request, size_t from)
{
	struct str rest = str_of(request->websocket_protocols), word;

	for (size_t i = from; i < ARRAY_LEN(protocols); i++)
		for (struct str left = rest; left.len;) {
			if (!str_cut(&left, ',', &word)) {
				word = left;
				left.len = 0;
			}
			if (str_is(str_trim(word), protocols[i]))
				return protocols[i];
		}
	return NULL;
}

static bool is_running(const json_t *pod, const char *container)
{
	static const char *const lists[] = { "containerStatuses", "initContainerStatuses" };

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		json_t *list = jget(pod, "status", lists[l]);
		ptrdiff_t at = jx_find(list, "name", container);

		if (at >= 0)
			return jget(json_array_get(list, (size_t)at), "state", "running");
	}
	return false;
}

static const json_t *container_spec(const json_t *pod, const char *name)
{
	json_t *list = jget(pod, "spec", "containers");
	ptrdiff_t at = jx_find(list, "name", name);

	return at >= 0 ? json_array_get(list, (size_t)at) : NULL;
}

static void fill_env(struct session *s, const json_t *spec)
{
	size_t i;
	json_t *item;

	map_set_text(&s->env, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	map_set_text(&s->env, "HOSTNAME", s->pod);
	map_set_text(&s->env, "HOME", "/root");
	map_set_text(&s->env, "KUBERNETES_SERVICE_HOST", "10.96.0.1");
	map_set_text(&s->env, "KUBERNETES_SERVICE_PORT", "443");
	json_array_foreach(json_object_get(spec, "env"), i, item)
		if (json_object_get(item, "value"))
			map_set_text(&s->env, jstr(item, "name"), jstr(item, "value"));
}

static char *process_of(const json_t *spec)
{
	struct buf text = BUF_INIT(0);
	static const char *const lists[] = { "command", "args" };
	size_t i;
	json_t *word;

	for (size_t l = 0; l < ARRAY_LEN(lists); l++)
		json_array_foreach(json_object_get(spec, lists[l]), i, word)
			buf_addf(&text, "%s%s", text.len ? " " : "", json_string_value(word) ? json_string_value(word) : "");
	if (!text.len)
		buf_addf(&text, "/usr/local/bin/%s", jstr(spec, "name"));
	return buf_give(&text);
}

/* Every "command" of the query, in order: a map keeps only one. */
static void take_command(const struct request *request, struct session *s)
{
	struct str query = str_of(strchr(request->uri, '?') ? strchr(request->uri, '?') + 1 : ""), pair, key;

	while (query.len) {
		if (!str_cut(&query, '&', &pair)) {
			pair = query;
			query.len = 0;
		}
		if (!str_cut(&pair, '=', &key) || !str_is(key, "command"))
			continue;
		AUTO_FREE char *text = xasprintf("?x=%.*s", STR_ARG(pair));
		AUTO_RELEASE(map) one = MAP_INIT(free);

		query_parse(text, &one);
		LIST_PUSH(s->argv, s->argc, s->argv_cap) = xstrdup(map_text(&one, "x"));
	}
}

/* What keeps a command from starting, in the words of the kubelet and the runtime; or NULL. */
static char *refusal_of(const struct session *s, const json_t *pod)
{
	bool bare = jx_is(jget(pod, "metadata", "annotations", "sim/no-shell"), "true");

	if (!is_running(pod, s->container))
		return xasprintf("unable to upgrade connection: container not found (\"%s\")", s->container);
	if (s->argc && (bare || !sh_knows(s->argv[0])))
		return xasprintf("error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec "
				 "failed: unable to start container process: exec: \"%s\": executable file not found in $PATH: unknown",
				 s->argv[0]);
	return NULL;
}

static struct session *session_create(struct sim *sim, const struct request *request, const struct target *t, const json_t *pod, const char *container,
				      const char *protocol)
{
	struct session *s = xcalloc(1, sizeof *s);
	const json_t *spec = container_spec(pod, container);

	s->sim = sim;
	s->ns = xstrdup(t->ns);
	s->pod = xstrdup(t->name);
	s->uid = xstrdup(jstr(pod, "metadata", "uid"));
	s->container = xstrdup(container);
	s->process = process_of(spec);
	s->env = (struct map)MAP_INIT(free);
	fill_env(s, spec);
	s->v5 = protocol == protocols[0];
	s->tty = query_is(request, "tty");
	s->input = query_is(request, "stdin");
	s->out = query_is(request, "stdout");
	s->err = query_is(request, "stderr");
	take_command(request, s);
	s->refusal = refusal_of(s, pod);
	return s;
}

static void begin_exec(struct sim *sim, const struct request *request, const struct target *t, const json_t *pod, const char *protocol, struct reply *reply)
{
	const char *container;
	bool attach = !strcmp(t->sub, "attach");

	if (!rest_choose_container(request, t, pod, &container, reply))
		return;
	struct session *s = session_create(sim, request, t, pod, container, protocol);

	/* Before v5 the kubelet itself answers, and its refusals are HTTP. */
	if (!s->v5 && s->refusal) {
		reply_status(reply, 500, "InternalError", NULL, "%s", s->refusal);
		free_session(s);
		return;
	}
	if (!attach && !s->argc) {
		reply_status(reply, 400, "BadRequest", NULL, "you must provide at least 1 command for the container");
		free_session(s);
		return;
	}
	reply->talk = (struct ws_talk){ protocol, attach ? run_attach : run_exec, free_session, s };
}

static void begin_attach(struct sim *sim, const struct request *request, const struct target *t, const json_t *pod,
			 const char *protocol, struct reply *reply)
{
	struct session *s;

	begin_exec(sim, request, t, pod, protocol, reply);
	if (!reply->talk.run)
		return;
	s = reply->talk.arg;
	AUTO_RELEASE(reply) log = { 0 };
	struct request from_now = { .method = "GET", .query = MAP_INIT(free) };

	map_set_text(&from_now.query, "container", s->container);
	map_set_text(&from_now.query, "follow", "true");
	map_set_text(&from_now.query, "tailLines", "0");
	rest_log(sim, &from_now, t, &log);
	s->follow = GIVE(log.follow);
	map_release(&from_now.query);
}

/* An annotation names ports on which nobody listens, as on the testbed. */
static bool is_closed(const json_t *pod, unsigned port)
{
	struct str list = str_of(jstr(pod, "metadata", "annotations", "testbed/closed-ports")), word;
	AUTO_FREE char *number = xasprintf("%u", port);

	while (list.len) {
		if (!str_cut(&list, ',', &word)) {
			word = list;
			list.len = 0;
		}
		if (str_is(str_trim(word), number))
			return true;
	}
	return false;
}

static void begin_forward(const struct request *request, const struct target *t, const json_t *pod, struct reply *reply)
{
	const char *text = query_text(request, "ports");
	unsigned long port = strtoul(text, NULL, 10);
	struct forward *f;

	if (port < 1 || port > 65535) {
		reply_status(reply, 400, "BadRequest", NULL, *text ? "unable to parse \"%s\" as a port" : "port is required%s", text);
		return;
	}
	if (strcmp(jstr(pod, "status", "phase"), "Running") != 0) {
		reply_status(reply, 500, "InternalError", NULL, "error upgrading connection: pod %s is not running: %s", t->name,
			     jstr(pod, "status", "phase"));
		return;
	}
	f = xcalloc(1, sizeof *f);
	*f = (struct forward){ xstrdup(t->name), xstrdup(jstr(pod, "metadata", "uid")), (unsigned)port, is_closed(pod, (unsigned)port) };
	reply->talk = (struct ws_talk){ protocols[1], run_forward, free_forward, f };
}

void rest_connect(struct sim *sim, const struct request *request, const struct target *t, struct reply *reply)
{
	struct object *o = store_find(t->resource, t->ns, t->name);
	bool forward = !strcmp(t->sub, "portforward");
	const char *protocol = request->websocket_protocols ? choose_protocol(request, forward || !sim_has(sim, FEATURE_EXEC_V5)) : NULL;
	json_t *pod;

	/* Since 1.35 the upgrade, which is a GET, needs the right to create as well. */
	if (!rest_allowed(sim, request, "create", t, reply))
		return;
	if (!o) {
		reply_not_found(reply, t->resource, t->name);
		return;
	}
	if (!request->upgrade || !str_ieq(str_of(request->upgrade), STR("websocket")) || !request->websocket_key) {
		reply_status(reply, 400, "BadRequest", NULL, "Upgrade request required");
		return;
	}
	if (!protocol) {
		reply_status(reply, 403, "Forbidden", NULL, "the simulation speaks v5.channel.k8s.io and v4.channel.k8s.io only");
		return;
	}
	pod = store_tree(o);
	if (!*jstr(pod, "spec", "nodeName"))
		reply_status(reply, 400, "BadRequest", NULL, "pod %s does not have a host assigned", t->name);
	else if (forward)
		begin_forward(request, t, pod, reply);
	else if (!strcmp(t->sub, "attach"))
		begin_attach(sim, request, t, pod, protocol, reply);
	else
		begin_exec(sim, request, t, pod, protocol, reply);
	if (reply->talk.run)
		reply->status = 101;
	json_decref(pod);
}
