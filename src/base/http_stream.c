#include "base/http_internal.h"

#include <stdlib.h>

void stream_unref(struct http_stream *stream)
{
	if (!stream || atomic_fetch_sub(&stream->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&stream->lock);
	http_unref(stream->http);
	free(stream);
}

static struct http_stream *stream_ref(struct http_stream *stream)
{
	atomic_fetch_add(&stream->refs, 1);
	return stream;
}

struct stillborn {
	struct http_stream *stream;
	struct error err;
};

/* What could not even begin ends as all others do: by on_end, on the net thread. */
static void stillborn_posted(void *arg)
{
	struct stillborn *s = arg;
	struct http_stream *stream = s->stream;

	pthread_mutex_lock(&stream->lock);
	stream->ended = true;
	if (!stream->closed)
		stream->ops.on_end(NULL, &s->err, stream->arg);
	pthread_mutex_unlock(&stream->lock);
	error_release(&s->err);
	stream_unref(stream);
	free(s);
}

static void end_unborn(struct http_stream *stream, struct error *err)
{
	struct stillborn *s = xcalloc(1, sizeof *s);

	s->stream = stream_ref(stream);
	error_move(&s->err, err);
	if (http_post(stream->http, stillborn_posted, s))
		return;
	/* The server object is closed: there is no net thread to tell it on, and its owner knows. */
	pthread_mutex_lock(&stream->lock);
	stream->ended = true;
	pthread_mutex_unlock(&stream->lock);
	error_release(&s->err);
	stream_unref(stream);
	free(s);
}

static void stream_posted(void *arg)
{
	struct transfer *t = arg;

	if (t->stream->closed) {
		transfer_abort(t);
		return;
	}
	t->stream->transfer = t;
	transfer_start_posted(t);
}

/* Recursive: a callback, which runs under it, may close its own stream. */
static void init_recursive(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

struct http_stream *http_stream_open(struct http *http, const struct http_request *request,
				     const struct http_stream_ops *ops, void *arg)
{
	struct http_stream *stream = xcalloc(1, sizeof *stream);
	AUTO_RELEASE(error) err = { 0 };

	atomic_init(&stream->refs, 1);
	init_recursive(&stream->lock);
	stream->http = http_ref(http);
	stream->mode = request->mode;
	stream->ops = *ops;
	stream->on_drain = request->on_drain;
	stream->arg = arg;
	struct transfer *t = transfer_create(http, request, &err);

	if (!t) {
		end_unborn(stream, &err);
		return stream;
	}
	if (!request->max_body_bytes)
		t->max_body_bytes = DEFAULT_STREAM_BYTES;
	t->stream = stream_ref(stream);
	if (!http_post(http, stream_posted, t)) {
		transfer_free(t);
		error_set(&err, ERR_CANCELLED, "the connection to the server was closed by us");
		end_unborn(stream, &err);
	}
	return stream;
}

static void close_posted(void *arg)
{
	struct http_stream *stream = arg;

	if (stream->transfer)
		transfer_abort(stream->transfer);
	stream_unref(stream);
}

void http_stream_close(struct http_stream *stream)
{
	if (!stream)
		return;
	pthread_mutex_lock(&stream->lock);
	stream->closed = true;
	bool ended = stream->ended;

	pthread_mutex_unlock(&stream->lock);
	if (!ended && !http_post(stream->http, close_posted, stream_ref(stream)))
		stream_unref(stream);
	stream_unref(stream);
}

static void go_on_posted(void *arg)
{
	struct http_stream *stream = arg;
	struct transfer *t = stream->transfer;

	if (t && t->easy && !stream->paused) {
		struct lane *lane = t->lane;

		lane->refs++;
		curl_easy_pause(t->easy, CURLPAUSE_CONT);
		lane_kick(lane);
		lane_unref(lane);
	} else if (t && t->exchange) {
		tape_go_on(t);
	}
	stream_unref(stream);
}

void http_stream_write(struct http_stream *stream, struct str bytes)
{
	if (stream->transfer && stream->transfer->upgrade)
		upgrade_write(stream->transfer->upgrade, bytes);
}

size_t http_stream_unsent(const struct http_stream *stream)
{
	return stream->transfer && stream->transfer->upgrade ? upgrade_unsent(stream->transfer->upgrade) : 0;
}

/* Pausing is done by refusing the next bytes, which is exact: each curl_easy_pause() of curl 7.88 first reads once more, up to 1.6 MB. */
void http_stream_pause(struct http_stream *stream, bool paused)
{
	if (stream->mode == HTTP_UPGRADE) {
		if (stream->transfer && stream->transfer->upgrade)
			upgrade_pause(stream->transfer->upgrade, paused);
		return;
	}
	if (atomic_exchange(&stream->paused, paused) && !paused && !http_post(stream->http, go_on_posted, stream_ref(stream)))
		stream_unref(stream);
}
