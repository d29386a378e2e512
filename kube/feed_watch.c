#include "kube/feed_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/url.h"

#define STREAM_SILENT_MS 10000 /* a server that knows no WatchList streams, but never says that it is done */
#define GOOD_MS 120000 /* a watch that lasted so long forgets earlier trouble */
#define GARBAGE_MAX 3 /* in a row: the list again */
#define WATCH_ONLY_S 20 /* a server sends a bookmark 2 s before a watch times out: the proof where no audit is allowed */
#define WATCH_ONLY_DOUBT_S 5 /* the same after trouble */

enum { EVENT_TYPE, EVENT_OBJECT, EVENT_VERSION, EVENT_INITIAL_END, EVENT_INITIAL_END_IN_TABLE };
static const char *const event_paths[] = { "type", "object", "object.metadata.resourceVersion",
					   "object.metadata.annotations[\"k8s.io/initial-events-end\"]",
					   "object.rows[].object.metadata.annotations[\"k8s.io/initial-events-end\"]" };

struct json_fields *feed_event_fields(void)
{
	return json_fields_create(event_paths, ARRAY_LEN(event_paths));
}

struct event {
	struct str object;
	char type[16];
	char *version;
	bool initial_end;
};

static bool on_event_field(const struct json_field *field, void *arg, struct error *err)
{
	struct event *event = arg;

	(void)err;
	if (field->path == EVENT_OBJECT) {
		event->object = field->text;
	} else if (field->path == EVENT_TYPE && field->text.len < sizeof event->type) {
		memcpy(event->type, field->text.p, field->text.len);
		event->type[field->text.len] = '\0';
	} else if (field->path == EVENT_VERSION && field->kind == JSON_IS_STRING) {
		free(event->version);
		event->version = str_dup(field->text);
	} else if (field->path >= EVENT_INITIAL_END) {
		event->initial_end = true;
	}
	return true;
}

static void watch_is_silent(void *arg)
{
	struct feed *feed = arg;

	if (feed->listed) /* by now */
		return;
	feed_drop_stream(&feed->stream);
	feed_trouble(feed, "the watch is silent, and no audit is allowed", 0);
}

/* Where no audit is allowed. */
static void expect_bookmark(struct feed *feed)
{
	if (!feed->listed)
		loop_timer_set(net_loop(feed->net), &feed->timer, SILENT_MS, watch_is_silent, feed);
}

/* The initial state is complete; the same watch goes on with the news. */
static void stream_whole(struct feed *feed)
{
	loop_timer_clear(net_loop(feed->net), &feed->timer);
	feed->doubted = false; /* no audit could say so */
	feed_list_whole(feed);
	feed->streaming = false;
	feed->phase = PHASE_WATCHING;
	expect_bookmark(feed);
}

static void object_came(struct feed *feed)
{
	feed->delivered = true;
	feed->proof_ms = feed_now(feed);
}

/* False ends the stream: an ERROR event, or what is no event. */
static bool on_event(struct feed *feed, const struct event *event)
{
	enum row_op op = !strcmp(event->type, "DELETED") ? ROW_GONE : ROW_PUT;

	if (!strcmp(event->type, "BOOKMARK")) {
		if (feed->streaming && event->initial_end)
			stream_whole(feed);
		else if (!feed->streaming)
			feed_mark(feed, ROW_PROOF);
		feed->delivered = true;
		return true;
	}
	if (!strcmp(event->type, "ERROR")) {
		AUTO_RELEASE(feed_status) status = { 0 };

		feed_status_read(&status, event->object);
		feed->busy = status.code == 429;
		feed->busy_ms = status.retry_after_s * 1000;
		feed->list_again = status.code == 410 || !strcmp(buf_cstr(&status.reason), "Expired");
		return error_set(&feed->decode_error, ERR_SERVER, "the watch ended: %s", buf_cstr(&status.message));
	}
	if (op == ROW_PUT && strcmp(event->type, "ADDED") && strcmp(event->type, "MODIFIED"))
		return error_set(&feed->decode_error, ERR_SERVER, "unknown watch event \"%s\"", event->type);
	if (feed_take_object(feed, op, event->object))
		object_came(feed);
	return true;
}

static void stream_never_ends(void *arg)
{
	struct feed *feed = arg;

	feed_drop_stream(&feed->stream);
	feed->streaming = false;
	feed->no_stream_until_ms = feed_now(feed) + NO_STREAM_MS;
	feed_stay_out(feed, feed->list_state, feed->list_why, REFUSED_MS);
}

static void expect_end_of_stream(struct feed *feed)
{
	loop_timer_set(net_loop(feed->net), &feed->timer, STREAM_SILENT_MS, stream_never_ends, feed);
}

static void moved_to(struct feed *feed, char *version)
{
	free(feed->version);
	feed->version = version;
	feed->moved_ms = feed_now(feed);
}

/*
 * As every server writes it: {"type":"MODIFIED","object":{...}}. Nearly all events are such, and reading the object tells all that the
 * event does, so it is read once. What looks otherwise, or makes no sense, is left to take_event(), which checks everything.
 */
static bool take_usual_event(struct feed *feed, struct str text)
{
	static const struct { struct str begin; enum row_op op; } usual[] = {
		{ STR("{\"type\":\"MODIFIED\",\"object\":{"), ROW_PUT },
		{ STR("{\"type\":\"ADDED\",\"object\":{"), ROW_PUT },
		{ STR("{\"type\":\"DELETED\",\"object\":{"), ROW_GONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
		struct str begin = usual[i].begin, object = { text.p + begin.len - 1, text.len - begin.len };

		if (!str_starts(text, begin))
			continue;
		feed->noted_version[0] = '\0';
		if (!feed->ops->on_object(feed, usual[i].op, object, feed->arg) || !*feed->noted_version)
			return false;
		object_came(feed);
		if (!feed->streaming)
			moved_to(feed, xstrdup(feed->noted_version));
		return true;
	}
	return false;
}

/* False ends the stream. */
static bool take_event(struct feed *feed, struct str text)
{
	struct event event = { 0 };
	bool good = json_visit(feed->event_fields, text, on_event_field, &event, &feed->decode_error) && on_event(feed, &event);

	/* What streams in first comes in no order of versions. */
	if (good && event.version && !feed->streaming)
		moved_to(feed, GIVE(event.version));
	if (!good && strcmp(event.type, "ERROR"))
		feed_log_garbage(feed, text, feed->decode_error.message);
	free(event.version);
	return good;
}

static void flush(void *arg)
{
	feed_flush(arg);
}

/* What came so far is shown, with what comes in the same turn of the loop, and if it makes sense the watch works. */
static void turn_over(struct feed *feed)
{
	loop_timer_set(net_loop(feed->net), &feed->flush_timer, 0, flush, feed);
	if (!feed->delivered || feed->streaming)
		return;
	feed->garbage = 0;
	feed->backoff.failures = 0;
	feed_proven(feed);
	expect_bookmark(feed);
}

static bool on_watch_data(struct str bytes, void *arg)
{
	struct feed *feed = arg;
	uint64_t before = json_reader_offset(feed->reader);
	struct str text;

	if (feed->streaming)
		expect_end_of_stream(feed);
	json_reader_feed(feed->reader, bytes);
	while (json_reader_next(feed->reader, &text, &feed->decode_error)) {
		if (!text.p) {
			turn_over(feed);
			return true;
		}
		if (!take_usual_event(feed, text) && !take_event(feed, text)) {
			turn_over(feed);
			return false;
		}
	}
	turn_over(feed);
	before = json_reader_offset(feed->reader) - before;
	feed_log_garbage(feed, (struct str){ bytes.p + before, bytes.len - before }, feed->decode_error.message);
	return false;
}

static void on_watch_open(const struct http_response *response, void *arg)
{
	struct feed *feed = arg;

	feed_on_open(response, arg);
	if (feed->streaming)
		expect_end_of_stream(feed);
	else
		expect_bookmark(feed);
	/* Accepted is not proven: that takes an event, a bookmark, or an audit, which need not wait for its turn now. */
	if (!feed->streaming && feed->listed && feed->told != SCOPE_LIVE && !feed->doubted)
		feed_audit_afresh(feed, feed->flimsy ? WATCH_SHORTEST_MS : 0);
}

/* In the stream was what is no event, or another ERROR: from the last good version; the third time in a row the list again. */
static void garbage_ended_it(struct feed *feed)
{
	if (++feed->garbage % GARBAGE_MAX == 0)
		feed_list_afresh(feed);
	if (feed->backoff.failures < feed->garbage)
		feed->backoff.failures = feed->garbage;
	feed_trouble(feed, feed->decode_error.message, 0);
}

/* By design, so the next one follows at once. One that showed nothing so soon is none, and one that ends early again and again is
 * not followed faster than WATCH_SHORTEST_MS. */
static void ended_cleanly(struct feed *feed, bool early)
{
	if (!early)
		feed->hasty = 0;
	if (early && !feed->delivered) {
		feed_trouble(feed, "the server ends the watch at once", 0);
	} else if (early && ++feed->hasty > HASTY_MAX) {
		feed_proven(feed);
		feed_pause(feed, WATCH_SHORTEST_MS);
	} else {
		feed_watch(feed);
	}
}

static void on_watch_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct feed *feed = arg;
	int64_t lasted_ms = feed_now(feed) - feed->opened_ms;
	bool again = feed->list_again, early = lasted_ms < WATCH_SHORTEST_MS;

	feed_flush(feed);
	if (!refusal && !err && !feed->decode_error.message)
		json_reader_finish(feed->reader, &feed->decode_error);
	feed_drop_stream(&feed->stream);
	feed->flimsy = feed->answered && early && !feed->delivered;
	feed->list_again = false;
	if (lasted_ms >= GOOD_MS)
		feed->backoff.failures = feed->relists = feed->garbage = 0;
	if (refusal) {
		feed_refused(feed, refusal);
	} else if (again) {
		feed_expired(feed);
	} else if (feed->streaming) {
		feed_trouble(feed, feed->decode_error.message ? feed->decode_error.message : err ? err->message : "the stream of the initial state ended", 0);
	} else if (feed->busy) {
		feed_trouble(feed, feed->decode_error.message, feed_wait_asked_ms(feed->busy_ms));
	} else if (feed->decode_error.message) {
		garbage_ended_it(feed);
	} else if (err) {
		feed_trouble(feed, err->message, 0);
	} else {
		ended_cleanly(feed, early);
	}
}

static const struct http_stream_ops watch_ops = { .on_open = on_watch_open, .on_data = on_watch_data, .on_end = on_watch_end };

static unsigned watch_limit_s(struct feed *feed)
{
	if (!feed->listed && !feed->streaming)
		return feed->told == SCOPE_LIVE ? WATCH_ONLY_S : WATCH_ONLY_DOUBT_S;
	if (feed->streaming && !feed->backoff.failures) /* else the first state may have taken longer */
		return WATCH_ONLY_S;
	return 300 + (unsigned)(backoff_random(&feed->backoff) % 300);
}

static void watch_open(struct feed *feed)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	AUTO_FREE char *timeout = xasprintf("%u", watch_limit_s(feed));

	feed_path_add(feed, &path);
	url_add_query(&path, "watch", STR("1"));
	url_add_query(&path, "allowWatchBookmarks", STR("true"));
	url_add_query(&path, "timeoutSeconds", str_of(timeout));
	if (feed->streaming) {
		url_add_query(&path, "sendInitialEvents", STR("true"));
		url_add_query(&path, "resourceVersionMatch", STR("NotOlderThan"));
	} else {
		url_add_query(&path, "resourceVersion", str_of(feed->version));
	}
	feed_open_stream(feed, &path, HTTP_WATCH, &watch_ops, JSON_SEQUENCE);
}

void feed_watch(struct feed *feed)
{
	feed->phase = PHASE_WATCHING;
	feed->streaming = false;
	watch_open(feed);
}

void feed_stream(struct feed *feed)
{
	feed->phase = PHASE_LISTING;
	feed->streaming = true;
	feed_start_over(feed);
	watch_open(feed);
}
