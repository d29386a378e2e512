#include "log_server.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/url.h"
#include "base/utc.h"
#include "wire.h"

#define PODS_MAX 64
#define BREAKS_MAX 8
#define START_US INT64_C(1767225600000000) /* 2026-01-01 */
#define NS_PER_LINE 100000

struct pod {
	uint64_t first;	     /* line that the node still has */
	uint64_t run_first;  /* of the run at hand */
	uint64_t end;	     /* last line */
	unsigned restarts;
	bool deleted;
	uint64_t breaks[BREAKS_MAX];
	unsigned nbreaks, generation; /* a stream of an older generation ends */
};

struct log_server {
	struct wire *wire;
	struct log_server_options options;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct pod pods[PODS_MAX];
	bool stopping;
	_Atomic uint64_t written;
	_Atomic unsigned requests;
};

static int64_t line_ns(unsigned pod, uint64_t line)
{
	return START_US * 1000 + (int64_t)(line * NS_PER_LINE) + pod * 10000;
}

static void add_line(const struct log_server *server, struct buf *out, unsigned pod, uint64_t line)
{
	static _Thread_local int64_t second;
	static _Thread_local char text[UTC_TEXT_MAX];
	int64_t ns = line_ns(pod, line);
	char head[96];

	if (ns / 1000000000 != second) {
		second = ns / 1000000000;
		utc_format(second * 1000000, text);
	}
	buf_add(out, head, (size_t)snprintf(head, sizeof head, "%.19s.%09" PRId64 "Z line %" PRIu64 " ", text, ns % 1000000000, line));
	buf_adds(out, server->options.text);
	buf_addc(out, '\n');
}

struct wanted {
	uint64_t from, to;
	bool follow, previous;
};

static uint64_t number_of(struct str query, const char *name, uint64_t fallback)
{
	struct str value;

	return url_query_get(query, name, 0, &value) ? strtoull(value.p, NULL, 10) : fallback;
}

static struct wanted read_query(const struct pod *pod, unsigned n, struct str query)
{
	struct str value;
	struct wanted w = { .from = pod->run_first > pod->first ? pod->run_first : pod->first, .to = pod->end };
	AUTO_RELEASE(buf) since = BUF_INIT(0);
	int64_t us;

	w.follow = url_query_get(query, "follow", 0, &value);
	w.previous = url_query_get(query, "previous", 0, &value);
	if (w.previous) {
		w.from = pod->first;
		w.to = pod->run_first - 1;
	}
	if (url_query_get(query, "sinceTime", 0, &value) && url_unescape(&since, value, false) && utc_parse_rfc3339(buf_str(&since), &us))
		while (w.from <= w.to && line_ns(n, w.from) < us * 1000)
			w.from++;
	uint64_t tail = number_of(query, "tailLines", 0);

	if (tail && w.to - w.from + 1 > tail)
		w.from = w.to - tail + 1;
	return w;
}

static bool breaks_at(struct pod *pod, uint64_t line)
{
	for (unsigned i = 0; i < pod->nbreaks; i++)
		if (pod->breaks[i] == line) {
			pod->breaks[i] = pod->breaks[--pod->nbreaks];
			return true;
		}
	return false;
}

static bool write_chunk(struct wire_peer *peer, const struct buf *out, size_t bytes)
{
	AUTO_FREE char *head = xasprintf("%zx\r\n", out->len);

	return wire_puts(peer, head) && wire_write(peer, out->p, bytes) && (bytes < out->len || wire_puts(peer, "\r\n"));
}

/* Writes the lines; false: the connection breaks, or is gone. */
static bool write_lines(struct log_server *server, struct wire_peer *peer, unsigned n, const struct wanted *w)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct pod *pod = &server->pods[n];

	for (uint64_t line = w->from; line <= w->to; line++) {
		add_line(server, &out, n, line);
		atomic_fetch_add(&server->written, 1);
		pthread_mutex_lock(&server->lock);
		bool breaks = breaks_at(pod, line);

		pthread_mutex_unlock(&server->lock);
		if (breaks) {
			(void)write_chunk(peer, &out, out.len - 20);
			return false;
		}
		if (out.len > 65536 || line == w->to) {
			if (!write_chunk(peer, &out, out.len))
				return false;
			buf_reset(&out);
		}
	}
	return true;
}

/* Whether the log at hand has ended for good. */
static bool wait_for_end(struct log_server *server, const struct pod *pod, unsigned generation)
{
	pthread_mutex_lock(&server->lock);
	while (!server->stopping && pod->generation == generation && !pod->deleted)
		pthread_cond_wait(&server->changed, &server->lock);
	bool ended = !server->stopping;

	pthread_mutex_unlock(&server->lock);
	return ended;
}

static void serve_log(struct log_server *server, struct wire_peer *peer, unsigned n, struct str query)
{
	struct pod *pod = &server->pods[n];
	unsigned generation;
	struct wanted w;

	atomic_fetch_add(&server->requests, 1);
	pthread_mutex_lock(&server->lock);
	w = read_query(pod, n, query);
	generation = pod->generation;
	pthread_mutex_unlock(&server->lock);
	if (wire_puts(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 2026 01:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n") &&
	    write_lines(server, peer, n, &w) && (!w.follow || wait_for_end(server, pod, generation)))
		(void)wire_puts(peer, "0\r\n\r\n");
}

static void serve_pod(struct log_server *server, struct wire_peer *peer, unsigned n)
{
	pthread_mutex_lock(&server->lock);
	const struct pod pod = server->pods[n];

	pthread_mutex_unlock(&server->lock);
	if (pod.deleted) {
		(void)wire_answer(peer, 404, "", "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"code\":404}");
		return;
	}
	AUTO_FREE char *json = xasprintf(
		"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"pod-%u\",\"namespace\":\"shop\",\"uid\":\"uid-%u\"},\"spec\":{\"containers\":[{\"name\":"
		"\"main\"}]},\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"main\",\"restartCount\":%u,\"state\":{\"running\":{}},"
		"\"lastState\":{\"terminated\":{\"exitCode\":3}}}]}}",
		n, n, pod.restarts);

	(void)wire_answer(peer, 200, "Content-Type: application/json\r\n", json);
}

static bool serve(struct wire_peer *peer, const struct wire_request *request, void *arg)
{
	struct log_server *server = arg;
	const char *at = strstr(request->target, "/pods/pod-"), *query = strchr(request->target, '?');
	unsigned n = at ? (unsigned)strtoul(at + 10, NULL, 10) : PODS_MAX;
	struct str q = query ? str_of(query + 1) : (struct str){ 0 };

	if (n >= server->options.pods)
		return wire_answer(peer, 200, "", "{}"); /* /version */
	if (!strstr(request->target, "/log")) {
		serve_pod(server, peer, n);
		return true;
	}
	serve_log(server, peer, n, q);
	return false;
}

struct log_server *log_server_start(const struct log_server_options *options)
{
	struct log_server *server = xcalloc(1, sizeof *server);

	server->options = *options;
	if (!server->options.text)
		server->options.text = "of a program that has something to say about every request it gets";
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->changed, NULL);
	for (unsigned i = 0; i < options->pods; i++)
		server->pods[i] = (struct pod){ .first = 1, .run_first = 1, .end = options->lines };
	server->wire = wire_start(&(struct wire_options){ .handler = serve, .arg = server });
	return server;
}

void log_server_stop(struct log_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	wire_stop(server->wire);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

unsigned log_server_port(const struct log_server *server)
{
	return wire_port(server->wire);
}

void log_server_break(struct log_server *server, unsigned pod, uint64_t line)
{
	pthread_mutex_lock(&server->lock);
	server->pods[pod].breaks[server->pods[pod].nbreaks++] = line;
	pthread_mutex_unlock(&server->lock);
}

void log_server_rotate(struct log_server *server, unsigned pod, uint64_t line)
{
	pthread_mutex_lock(&server->lock);
	server->pods[pod].first = line;
	pthread_mutex_unlock(&server->lock);
}

void log_server_restart(struct log_server *server, unsigned n)
{
	pthread_mutex_lock(&server->lock);
	struct pod *pod = &server->pods[n];

	pod->restarts++;
	pod->run_first = pod->end + 1;
	pod->end += server->options.lines;
	pod->generation++;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

void log_server_delete(struct log_server *server, unsigned pod)
{
	pthread_mutex_lock(&server->lock);
	server->pods[pod].deleted = true;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

uint64_t log_server_written(struct log_server *server)
{
	return atomic_load(&server->written);
}

unsigned log_server_requests(struct log_server *server)
{
	return atomic_load(&server->requests);
}
