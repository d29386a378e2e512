#include "kube/feed_private.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/url.h"

/* The part read so far, made whole. */
static void envelope_early(struct feed *feed)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	feed->envelope_told = true;
	if (!feed->ops->on_envelope)
		return;
	buf_add_str(&text, json_reader_envelope(feed->reader));
	buf_adds(&text, "]}");
	feed->ops->on_envelope(buf_str(&text), feed->arg);
}

static bool on_list_data(struct str bytes, void *arg)
{
	struct feed *feed = arg;
	struct str object;

	json_reader_feed(feed->reader, bytes);
	while (json_reader_next(feed->reader, &object, &feed->decode_error)) {
		if (!object.p)
			return true;
		if (!feed->envelope_told)
			envelope_early(feed);
		feed_take_object(feed, ROW_PUT, object);
	}
	return false;
}

static bool on_envelope_field(const struct json_field *field, void *arg, struct error *err)
{
	struct feed_envelope *envelope = arg;
	char **to = field->path == 0 ? &envelope->version : &envelope->next;

	(void)err;
	if (field->path == 2) {
		json_field_int(field, &envelope->remaining);
	} else if (field->kind == JSON_IS_STRING && field->text.len) {
		free(*to);
		*to = str_dup(field->text);
	}
	return true;
}

bool feed_envelope_read(struct json_reader *reader, struct feed_envelope *ret, struct error *err)
{
	static const char *const paths[] = { "metadata.resourceVersion", "metadata.continue", "metadata.remainingItemCount" };
	AUTO(json_fields) fields = json_fields_create(paths, ARRAY_LEN(paths));

	*ret = (struct feed_envelope){ 0 };
	return json_reader_finish(reader, err) && json_visit(fields, json_reader_envelope(reader), on_envelope_field, ret, err);
}

void feed_list_whole(struct feed *feed)
{
	feed->backoff.failures = 0;
	feed_mark(feed, ROW_LIST_END);
	feed_flush(feed);
	feed->told = SCOPE_LIVE;
	free(feed->told_why);
	feed->told_why = xstrdup("");
	feed->listed = !feed->streaming;
	feed_audit_plan(feed, feed->doubted && feed->listed ? AUDIT_AGAIN_MS : feed_audit_pace(feed));
	if (feed_is_polled(feed) && feed->listed) {
		feed_poll_soon(feed);
		return;
	}
	if (feed->doubted)
		feed_tell_doubted(feed);
	else
		feed_tell_live(feed);
	if (feed->listed)
		feed_watch(feed);
}

static void on_list_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct feed *feed = arg;
	AUTO_RELEASE(error) bad = { 0 };
	struct feed_envelope envelope;

	feed_drop_stream(&feed->stream);
	log_debug("page ended", LOG_TEXT("path", buf_cstr(&feed->path)), LOG_MS("after", feed_now(feed) - feed->opened_ms));
	if (refusal) {
		feed_refused(feed, refusal);
		return;
	}
	if (err || !feed_envelope_read(feed->reader, &envelope, &bad)) {
		feed_list_afresh(feed);
		feed_trouble(feed, feed->decode_error.message ? feed->decode_error.message : err ? err->message : bad.message, 0);
		return;
	}
	if (feed->ops->on_envelope)
		feed->ops->on_envelope(json_reader_envelope(feed->reader), feed->arg);
	if (feed->crowd_selector && !feed->crowded && envelope.remaining > FEED_CROWD) {
		feed->crowded = true;
		free(envelope.version);
		free(envelope.next);
		feed_list_afresh(feed);
		feed_list(feed);
		return;
	}
	free(feed->next);
	feed->next = envelope.next;
	/* The first page's version is the snapshot's; later pages repeat it. */
	if (envelope.version) {
		free(feed->version);
		feed->version = envelope.version;
	}
	if (feed->next) {
		feed_flush(feed);
		feed_list(feed);
	} else if (!feed->version && !feed_is_polled(feed)) {
		feed_trouble(feed, "the list has no resource version", 0);
	} else {
		feed_list_whole(feed);
	}
}

static const struct http_stream_ops list_ops = { .on_open = feed_on_open, .on_data = on_list_data, .on_end = on_list_end };

void feed_list(struct feed *feed)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);

	feed->phase = PHASE_LISTING;
	feed->streaming = feed->envelope_told = false;
	feed_path_add(feed, &path);
	url_add_query(&path, "limit", STR(FEED_PAGE));
	if (feed->next)
		url_add_query(&path, "continue", str_of(feed->next));
	else
		feed_start_over(feed); /* not a proof yet: it goes out with the first page */
	feed_open_stream(feed, &path, HTTP_ANSWER, &list_ops, JSON_LIST);
}
