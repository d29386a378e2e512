#include "kube/feed_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/url.h"

/*
 *   LISTING ──last page──► WATCHING ──clean end──► WATCHING (same resource version)
 *      ▲  ▲                   │  │ broken: pause, then WATCHING
 *      │  └─── pause ◄────────┘  └─ 410, or audits that differ
 *      └───────────────────────────────┘
 *
 * LISTING is pages, or (streaming) the first part of a watch: in pages 10,000 pods take a third of the time, so the stream is
 * only for those who may not list (docs/performance.md).
 */

#define PAUSE_FIRST_MS 800
#define GARBAGE_LOGGED 200
#define OPEN_MS 20000 /* until the headers of an answer are there */

int64_t feed_now(const struct feed *feed)
{
	return loop_now_ms(net_loop(feed->net));
}

void feed_tell(struct feed *feed, enum scope_state state, const char *why, int64_t retry_after_ms)
{
	int64_t retry = retry_after_ms ? feed->ops->now_ms(feed->arg) + retry_after_ms : 0;

	if (state == feed->told && !strcmp(feed->told_why ? feed->told_why : "", why) && !retry)
		return;
	feed->told = state;
	free(feed->told_why);
	feed->told_why = xstrdup(why);
	feed->ops->on_state(state, why, retry, feed->arg);
}

bool feed_is_polled(const struct feed *feed)
{
	return feed->no_watch || feed_now(feed) < feed->no_watch_until_ms;
}

void feed_tell_live(struct feed *feed)
{
	const char *why = "";

	if (feed->crowded)
		why = "there are thousands: the usual ones are left out";
	else if (feed->no_watch)
		why = "the server has no watch for it: listed again each 10 s";
	else if (feed_is_polled(feed))
		why = "no right to watch: listed again each 10 s";
	else if (feed->hasty > HASTY_MAX)
		why = "the server ends each watch early";
	feed_tell(feed, SCOPE_LIVE, why, 0);
}

void feed_mark(struct feed *feed, enum row_op op)
{
	if (op != ROW_LIST_BEGIN)
		feed->proof_ms = feed_now(feed);
	feed->ops->on_mark(op, feed->arg);
}

void feed_flush(struct feed *feed)
{
	feed->ops->on_flush(feed->arg);
}

void feed_tell_doubted(struct feed *feed)
{
	feed_tell(feed, SCOPE_DOUBTED, "the watch missed changes; listed again, not proven yet", 0);
}

static bool is_watching(const struct feed *feed)
{
	return feed->phase == PHASE_WATCHING && feed->answered;
}

/* The watch is open, and what we have was proven since. That it was accepted would not be enough. */
void feed_proven(struct feed *feed)
{
	if (!is_watching(feed))
		return;
	if (feed_now(feed) - feed->opened_ms >= WATCH_SHORTEST_MS)
		feed->hasty = 0;
	if (!feed->doubted)
		feed_tell_live(feed);
}

/* Of the new watch nothing is missing. That it shows some changes would not be enough: so did the former. */
void feed_believe(struct feed *feed)
{
	if (is_watching(feed))
		feed->doubted = false;
	feed_proven(feed);
}

/* ---- what came ---- */

static void note_gone(struct feed *feed, uint64_t uid)
{
	known_drop(&feed->known, uid);
	known_put(&feed->audit.gone, (struct known){ .uid = uid });
}

void feed_note(struct feed *feed, enum row_op op, struct str uid, struct str resource_version)
{
	size_t n = resource_version.len < sizeof feed->noted_version ? resource_version.len : 0;

	memcpy(feed->noted_version, resource_version.p, n);
	feed->noted_version[n] = '\0';
	if (op == ROW_PUT)
		known_put(&feed->known, (struct known){ known_hash(uid), known_version(resource_version), feed->audit.round });
	else if (op == ROW_GONE)
		note_gone(feed, known_hash(uid));
}

void feed_log_garbage(struct feed *feed, struct str bytes, const char *why)
{
	bool secret = str_ends(buf_str(&feed->path), STR("/secrets"));

	feed->garbage_so_far++;
	bytes.len = secret ? 0 : bytes.len < GARBAGE_LOGGED ? bytes.len : GARBAGE_LOGGED;
	log_debug("garbage in a feed", LOG_TEXT("path", buf_cstr(&feed->path)), LOG_INT("so_far", feed->garbage_so_far), LOG_TEXT("why", why),
		  LOG_STR("bytes", bytes));
}

/* One strange object does not hide the others. */
bool feed_take_object(struct feed *feed, enum row_op op, struct str object)
{
	bool good = feed->ops->on_object(feed, op, object, feed->arg);

	if (!good)
		feed_log_garbage(feed, object, "an object that makes no sense");
	return good;
}

/* ---- requests ---- */

void feed_path_add(const struct feed *feed, struct buf *path)
{
	buf_add_str(path, buf_str(&feed->path));
	if (feed->label_selector)
		url_add_query(path, "labelSelector", str_of(feed->label_selector));
	if (feed->crowded || feed->field_selector)
		url_add_query(path, "fieldSelector", str_of(feed->crowded ? feed->crowd_selector : feed->field_selector));
}

void feed_drop_stream(struct http_stream **stream)
{
	struct http_stream *old = *stream;

	*stream = NULL;
	http_stream_close(old);
}

void feed_on_open(const struct http_response *response, void *arg)
{
	struct feed *feed = arg;

	feed->answered = true;
	log_debug("feed opened", LOG_TEXT("path", buf_cstr(&feed->path)),
		  LOG_TEXT("phase", feed->phase == PHASE_LISTING ? "list" : "watch"), LOG_MS("after", feed_now(feed) - feed->opened_ms),
		  LOG_INT("port", response->local_port));
	if (response->date_us && feed->ops->on_date)
		feed->ops->on_date(response->date_us / 1000, feed->arg);
}

void feed_prepare(struct feed *feed, struct http_request *request)
{
	if (feed->ops->prepare)
		feed->ops->prepare(request, feed->arg);
}

void feed_open_stream(struct feed *feed, const struct buf *path, enum http_mode mode, const struct http_stream_ops *ops,
			enum json_stream stream)
{
	struct http_request request = { .path = buf_cstr(path), .accept = feed->ops->accept, .mode = mode, .chatty = feed->chatty,
					.timeout_ms = OPEN_MS,
					.max_body_bytes = mode == HTTP_WATCH ? SIZE_MAX : 0 };

	loop_timer_clear(net_loop(feed->net), &feed->timer);
	feed_drop_stream(&feed->stream);
	if (feed->reader)
		json_reader_reset(feed->reader, stream);
	else
		feed->reader = json_reader_create(stream, FEED_OBJECT_MAX);
	error_release(&feed->decode_error);
	feed->decode_error = (struct error){ 0 };
	feed->opened_ms = feed_now(feed);
	feed->answered = feed->delivered = feed->busy = false;
	feed_prepare(feed, &request);
	feed->stream = http_stream_open(feed->http, &request, ops, feed);
}

/* ---- life ---- */

static void path_build(struct buf *path, const struct feed_source *source)
{
	if (*source->group)
		buf_addf(path, "/apis/%s/%s", source->group, source->version);
	else
		buf_addf(path, "/api/%s", source->version);
	if (*source->namespace) {
		buf_adds(path, "/namespaces");
		url_add_segment(path, str_of(source->namespace));
	}
	url_add_segment(path, str_of(source->resource));
}

static char *copy_or_null(const char *text)
{
	return text && *text ? xstrdup(text) : NULL;
}

struct feed *feed_create(struct net *net, struct http *http, const struct feed_source *source, const struct feed_ops *ops, void *arg)
{
	struct feed *feed = xcalloc(1, sizeof *feed);

	feed->net = net;
	feed->http = http;
	path_build(&feed->path, source);
	feed->label_selector = copy_or_null(source->label_selector);
	feed->field_selector = copy_or_null(source->field_selector);
	feed->crowd_selector = copy_or_null(source->crowd_selector);
	feed->chatty = source->chatty;
	feed->no_watch = source->no_watch;
	feed->ops = ops;
	feed->arg = arg;
	feed->event_fields = feed_event_fields();
	feed->backoff = (struct backoff){ PAUSE_FIRST_MS, PAUSE_MAX_MS, .seed = known_hash(buf_str(&feed->path)) ^ (uint64_t)clock_now_us(net_clock(net)) };
	feed->told = SCOPE_UNWATCHED;
	return feed;
}

void feed_start(struct feed *feed)
{
	feed_tell(feed, SCOPE_LOADING, "", 0);
	feed_list(feed);
}

void feed_destroy(struct feed *feed)
{
	if (!feed)
		return;
	loop_timer_clear(net_loop(feed->net), &feed->timer);
	loop_timer_clear(net_loop(feed->net), &feed->flush_timer);
	loop_timer_clear(net_loop(feed->net), &feed->audit.timer);
	feed_drop_stream(&feed->stream);
	feed_drop_stream(&feed->audit.stream);
	json_reader_destroy(feed->reader);
	json_reader_destroy(feed->audit.reader);
	json_fields_destroy(feed->event_fields);
	json_fields_destroy(feed->audit.fields);
	known_clear(&feed->known);
	known_clear(&feed->audit.gone);
	error_release(&feed->decode_error);
	free(feed->audit.from);
	free(feed->audit.next);
	free(feed->version);
	free(feed->next);
	free(feed->label_selector);
	free(feed->field_selector);
	free(feed->crowd_selector);
	free(feed->list_why);
	buf_release(&feed->path);
	free(feed->told_why);
	free(feed);
}
