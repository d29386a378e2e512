#include "kube/last_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/url.h"

#define PARALLEL 4
#define WAITING_MAX 200
#define BODY_MAX 65536

struct fetch {
	struct last_lines *lines;
	struct fetch *next;
	char *namespace, *pod, *uid, *container;
	int32_t restarts;
	bool previous, tried_other;
	struct http_stream *stream;
	struct buf body;
};

struct last_lines {
	struct http *http;
	last_line_fn *on_line;
	void (*prepare)(struct http_request *request, void *arg);
	void *arg;
	struct fetch *waiting, *running;
	size_t nwaiting, nrunning;
};

static void fetch_go(struct fetch *fetch);

struct last_lines *last_lines_create(struct http *http, last_line_fn *on_line,
				     void (*prepare)(struct http_request *request, void *arg), void *arg)
{
	struct last_lines *lines = xcalloc(1, sizeof *lines);

	lines->http = http;
	lines->on_line = on_line;
	lines->prepare = prepare;
	lines->arg = arg;
	return lines;
}

static void fetch_free(struct fetch *fetch)
{
	http_stream_close(fetch->stream);
	buf_release(&fetch->body);
	free(fetch->namespace);
	free(fetch->pod);
	free(fetch->uid);
	free(fetch->container);
	free(fetch);
}

void last_lines_destroy(struct last_lines *lines)
{
	if (!lines)
		return;
	for (struct fetch *f = lines->waiting, *next; f; f = next) {
		next = f->next;
		fetch_free(f);
	}
	for (struct fetch *f = lines->running, *next; f; f = next) {
		next = f->next;
		fetch_free(f);
	}
	free(lines);
}

static void start_more(struct last_lines *lines)
{
	while (lines->waiting && lines->nrunning < PARALLEL) {
		struct fetch *fetch = lines->waiting;

		lines->waiting = fetch->next;
		lines->nwaiting--;
		fetch->next = lines->running;
		lines->running = fetch;
		lines->nrunning++;
		fetch_go(fetch);
	}
}

static bool opens_trace(struct str line)
{
	return str_starts(line, STR("panic: ")) || str_starts(line, STR("fatal error: "));
}

/* The last line that says something, without its colours. What stands below a Go panic is its trace: the panic itself is the line. */
static char *last_line_of(struct str text)
{
	AUTO_RELEASE(buf) last = BUF_INIT(BODY_MAX), panic = BUF_INIT(BODY_MAX);
	struct str line;

	while (text.len) {
		AUTO_RELEASE(buf) plain = BUF_INIT(BODY_MAX);

		if (!str_cut(&text, '\n', &line)) {
			line = text;
			text = (struct str){ 0 };
		}
		buf_add_plain(&plain, line);
		line = str_trim(buf_str(&plain));
		if (!line.len)
			continue;
		buf_reset(&last);
		buf_add_str(&last, line);
		if (opens_trace(line)) {
			buf_reset(&panic);
			buf_add_str(&panic, line);
		}
	}
	return buf_give(panic.len ? &panic : &last);
}

static void finish(struct fetch *fetch)
{
	struct last_lines *lines = fetch->lines;
	AUTO_FREE char *line = last_line_of(buf_str(&fetch->body));
	struct health_log_wish wish = { .namespace = fetch->namespace,
					.pod = fetch->pod,
					.pod_uid = fetch->uid,
					.container = fetch->container,
					.restarts = fetch->restarts,
					.previous = fetch->previous };
	struct fetch **at = &lines->running;

	lines->on_line(&wish, line, lines->arg);
	while (*at != fetch)
		at = &(*at)->next;
	*at = fetch->next;
	lines->nrunning--;
	fetch_free(fetch);
	start_more(lines);
}

static bool on_data(struct str bytes, void *arg)
{
	struct fetch *fetch = arg;

	buf_add_str(&fetch->body, bytes);
	return !fetch->body.overflow;
}

static void on_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct fetch *fetch = arg;

	(void)err;
	/* Which run has the log depends on the moment: the other one, once. */
	if (((refusal && refusal->status == 400) || (!refusal && !fetch->body.len)) && !fetch->tried_other) {
		fetch->tried_other = true;
		fetch->previous = !fetch->previous;
		http_stream_close(fetch->stream);
		fetch->stream = NULL;
		fetch_go(fetch);
		return;
	}
	finish(fetch);
}

static void fetch_go(struct fetch *fetch)
{
	static const struct http_stream_ops ops = { .on_data = on_data, .on_end = on_end };
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	struct http_request request = { .accept = "*/*", .timeout_ms = 10000, .max_body_bytes = BODY_MAX };

	buf_reset(&fetch->body);
	buf_adds(&path, "/api/v1/namespaces");
	url_add_segment(&path, str_of(fetch->namespace));
	buf_adds(&path, "/pods");
	url_add_segment(&path, str_of(fetch->pod));
	buf_adds(&path, "/log");
	url_add_query(&path, "container", str_of(fetch->container));
	url_add_query(&path, "tailLines", STR("20"));
	url_add_query(&path, "limitBytes", STR("60000"));
	if (fetch->previous)
		url_add_query(&path, "previous", STR("true"));
	request.path = buf_cstr(&path);
	fetch->lines->prepare(&request, fetch->lines->arg);
	fetch->stream = http_stream_open(fetch->lines->http, &request, &ops, fetch);
}

void last_lines_fetch(struct last_lines *lines, const struct health_log_wish *wish)
{
	struct fetch *fetch = xcalloc(1, sizeof *fetch), **end = &lines->waiting;

	fetch->lines = lines;
	fetch->namespace = xstrdup(wish->namespace);
	fetch->pod = xstrdup(wish->pod);
	fetch->uid = xstrdup(wish->pod_uid);
	fetch->container = xstrdup(wish->container);
	fetch->restarts = wish->restarts;
	fetch->previous = wish->previous;
	fetch->body = (struct buf)BUF_INIT(BODY_MAX);
	while (*end)
		end = &(*end)->next;
	*end = fetch;
	if (++lines->nwaiting > WAITING_MAX) {
		fetch = lines->waiting;
		lines->waiting = fetch->next;
		lines->nwaiting--;
		fetch_free(fetch);
	}
	start_more(lines);
}
