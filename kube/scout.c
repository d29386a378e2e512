#include "kube/scout.h"

#include <stdlib.h>

#define EVERY_MS 2000
#define LIMIT_MS 2000 /* no answer in so long: not back yet */

struct scout {
	struct net *net;
	struct http *http;
	const struct scout_ops *ops;
	void *arg;
	struct http_stream *stream;
	struct timer timer;
	bool silent; /* the last request had no answer */
	bool going;
};

static void ask(void *arg);

/* Any answer, also a refusal, is one. */
static void on_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct scout *scout = arg;
	struct http_stream *stream = scout->stream;
	bool was_silent = scout->silent;

	scout->stream = NULL;
	http_stream_close(stream);
	scout->silent = err && !refusal;
	if (scout->silent) {
		loop_timer_set(net_loop(scout->net), &scout->timer, EVERY_MS, ask, scout);
		return;
	}
	scout->going = false;
	if (was_silent)
		scout->ops->on_back(scout->arg);
}

static bool on_data(struct str bytes, void *arg)
{
	(void)bytes, (void)arg;
	return true;
}

static const struct http_stream_ops stream_ops = { .on_data = on_data, .on_end = on_end };

static void ask(void *arg)
{
	struct scout *scout = arg;
	struct http_request request = { .path = "/version", .accept = "*/*", .timeout_ms = LIMIT_MS, .max_body_bytes = 1 << 20 };

	if (scout->ops->prepare)
		scout->ops->prepare(&request, scout->arg);
	scout->stream = http_stream_open(scout->http, &request, &stream_ops, scout);
}

struct scout *scout_create(struct net *net, struct http *http, const struct scout_ops *ops, void *arg)
{
	struct scout *scout = xcalloc(1, sizeof *scout);

	scout->net = net;
	scout->http = http;
	scout->ops = ops;
	scout->arg = arg;
	return scout;
}

void scout_destroy(struct scout *scout)
{
	if (!scout)
		return;
	loop_timer_clear(net_loop(scout->net), &scout->timer);
	http_stream_close(scout->stream);
	free(scout);
}

void scout_go(struct scout *scout)
{
	if (scout->going)
		return;
	scout->going = true;
	ask(scout);
}
