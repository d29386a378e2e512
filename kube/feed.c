#include "kube/feed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/url.h"

/*
 *   LISTING ──last page──► WATCHING ──clean end──► WATCHING (same resource version)
 *      ▲  ▲                   │  │ broken: pause, then WATCHING
 *      │  └─── pause ◄────────┘  └─ 410, or audits that differ
 *      └───────────────────────────────┘
 *
 * `known` holds 16 bytes for each object delivered (hashes of uid and resource version); the audit compares with it.
 */

#define PAGE "500"
#define OBJECT_MAX (8u << 20)
#define BATCH_ROWS 256
#define PAUSE_FIRST_MS 800
#define PAUSE_MAX_MS 30000
#define REFUSED_MS 60000
#define GOOD_MS 120000 /* a watch that lasted so long forgets earlier trouble */
#define AUDIT_MS 15000
#define AUDIT_AGAIN_MS 5000
#define AUDIT_MAX_OBJECTS 2000
#define AUDIT_DIFFERENCES 64 /* as many are remembered; one is enough */
#define WATCH_SHORTEST_MS 800
#define OPEN_MS 20000 /* until the headers of an answer are there */

enum phase { PHASE_IDLE, PHASE_LISTING, PHASE_WATCHING, PHASE_PAUSED };

struct known {
	uint64_t uid, version;
	uint32_t round; /* the audit round that saw it last */
};

struct table { /* open addressing; uid 0 is free, 1 was deleted */
	struct known *slots;
	size_t n, used, live;
};

struct audit {
	struct http_stream *stream;
	struct json_reader *reader;
	struct timer timer;
	uint32_t round;
	char *from, *next; /* continue tokens: of the part at hand, of the next one; NULL is the start */
	size_t seen;
	/* What differed in this round and in the one before: hashes of uid and of the version that we have. */
	uint64_t now[AUDIT_DIFFERENCES], before[AUDIT_DIFFERENCES];
	size_t nnow, nbefore;
};

struct feed {
	struct net *net;
	struct http *http;
	const struct kind *kind;
	char *namespace;
	const struct feed_ops *ops;
	void *arg;

	enum phase phase;
	enum scope_state told;
	char *told_why;
	struct http_stream *stream;
	struct json_reader *reader;
	struct row_decoder *decoder;
	struct row_batch *batch;
	struct timer timer;
	char *version;	/* resource version to watch from; NULL: list first */
	char *next;	/* continue token of the list */
	bool list_again; /* the stream at hand ends in a new list */
	unsigned failures, garbage, relists;
	int64_t opened_ms; /* of the stream, by the loop's clock */
	uint64_t seed;
	struct table known;
	struct audit audit;
	struct error decode_error;
};

static void feed_list(struct feed *feed);
static void feed_watch(struct feed *feed);

/* ---- what was delivered ---- */

static uint64_t hash_str(struct str s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	h ^= h >> 32;
	return h < 2 ? h + 2 : h;
}

static struct known *table_find(const struct table *table, uint64_t uid)
{
	for (size_t i = uid; table->n; i++) {
		struct known *at = &table->slots[i & (table->n - 1)];

		if (at->uid == uid)
			return at;
		if (!at->uid)
			return NULL;
	}
	return NULL;
}

static void table_put(struct table *table, struct known item)
{
	struct known *at = table_find(table, item.uid);

	if (at) {
		*at = item;
		return;
	}
	if (table->used * 4 >= table->n * 3) {
		struct table bigger = { .n = table->live * 2 > 32 ? table->n * 2 : 64 };

		bigger.slots = xcalloc(bigger.n, sizeof *bigger.slots);
		for (size_t i = 0; i < table->n; i++) {
			if (table->slots[i].uid > 1)
				table_put(&bigger, table->slots[i]);
		}
		free(table->slots);
		*table = bigger;
	}
	for (size_t i = item.uid;; i++) {
		at = &table->slots[i & (table->n - 1)];
		if (!at->uid)
			break;
	}
	*at = item;
	table->used++;
	table->live++;
}

static void table_drop(struct table *table, uint64_t uid)
{
	struct known *at = table_find(table, uid);

	if (at) {
		at->uid = 1;
		table->live--;
	}
}

static void table_clear(struct table *table)
{
	free(table->slots);
	*table = (struct table){ 0 };
}

/* ---- telling ---- */

static int64_t loop_now(const struct feed *feed)
{
	return loop_now_ms(net_loop(feed->net));
}

static void tell(struct feed *feed, enum scope_state state, const char *why, int64_t retry_after_ms)
{
	int64_t retry = retry_after_ms ? feed->ops->now_ms(feed->arg) + retry_after_ms : 0;

	if (state == feed->told && !strcmp(feed->told_why ? feed->told_why : "", why) && !retry)
		return;
	feed->told = state;
	free(feed->told_why);
	feed->told_why = xstrdup(why);
	feed->ops->on_state(feed->kind, feed->namespace, state, why, retry, feed->arg);
}

static struct row_batch *batch_of(struct feed *feed)
{
	if (!feed->batch)
		feed->batch = row_batch_create(feed->kind, feed->namespace, feed->ops->now_ms(feed->arg));
	return feed->batch;
}

static void flush(struct feed *feed)
{
	struct row_batch *batch = feed->batch;

	feed->batch = NULL;
	if (batch)
		feed->ops->on_batch(batch, feed->arg);
}

static void deliver(struct feed *feed, enum row_op op, struct row *row)
{
	if (op == ROW_PUT)
		table_put(&feed->known, (struct known){ hash_str(str_of(row->uid)), hash_str(str_of(row->resource_version)),
							feed->audit.round });
	else if (op == ROW_GONE)
		table_drop(&feed->known, hash_str(str_of(row->uid)));
	row_batch_add(batch_of(feed), op, row);
	if (feed->batch->len >= BATCH_ROWS)
		flush(feed);
}

/* ---- pauses ---- */

static uint64_t next_random(struct feed *feed)
{
	feed->seed = feed->seed * 6364136223846793005u + 1442695040888963407u;
	return feed->seed >> 33;
}

static void resume(void *arg)
{
	struct feed *feed = arg;

	if (feed->phase != PHASE_PAUSED)
		return;
	if (feed->version)
		feed_watch(feed);
	else
		feed_list(feed);
}

static void pause_for(struct feed *feed, int64_t ms)
{
	feed->phase = PHASE_PAUSED;
	loop_timer_set(net_loop(feed->net), &feed->timer, ms, resume, feed);
}

/* Doubling, and a random part so that the kinds do not come back all at once. */
static int64_t backoff_ms(struct feed *feed)
{
	unsigned steps = feed->failures < 6 ? feed->failures : 6;
	int64_t ms = (int64_t)PAUSE_FIRST_MS << steps;

	feed->failures++;
	if (ms > PAUSE_MAX_MS)
		ms = PAUSE_MAX_MS;
	return ms / 2 + (int64_t)(next_random(feed) % (uint64_t)(ms / 2 + 1));
}

static void trouble(struct feed *feed, const char *why, int64_t at_least_ms)
{
	int64_t ms = backoff_ms(feed);

	if (at_least_ms > ms)
		ms = at_least_ms;
	tell(feed, feed->told == SCOPE_LOADING ? SCOPE_LOADING : SCOPE_BROKEN, why, ms);
	pause_for(feed, ms);
}

void feed_hurry(struct feed *feed)
{
	if (feed->phase != PHASE_PAUSED)
		return;
	feed->failures = 0;
	loop_timer_clear(net_loop(feed->net), &feed->timer);
	resume(feed);
}

/* ---- answers that are no data ---- */

static const char *const status_paths[] = { "code", "reason", "message", "details.retryAfterSeconds" };

struct status {
	int64_t code, retry_after_s;
	struct buf reason, message;
};

static void status_release(struct status *status)
{
	buf_release(&status->reason);
	buf_release(&status->message);
}
DEFINE_AUTO_RELEASE(status);

static bool on_status_field(const struct json_field *field, void *arg, struct error *err)
{
	struct status *status = arg;

	(void)err;
	if (field->path == 0)
		json_field_int(field, &status->code);
	else if (field->path == 3)
		json_field_int(field, &status->retry_after_s);
	else if (field->kind == JSON_IS_STRING)
		buf_add_str(field->path == 1 ? &status->reason : &status->message, field->text);
	return true;
}

static void status_read(struct status *status, struct str json)
{
	AUTO(json_fields) fields = json_fields_create(status_paths, ARRAY_LEN(status_paths));
	AUTO_RELEASE(error) ignored = { 0 };

	*status = (struct status){ .reason = BUF_INIT(256), .message = BUF_INIT(ROW_MESSAGE_MAX) };
	json_visit(fields, json, on_status_field, status, &ignored);
}

static void list_afresh(struct feed *feed)
{
	free(feed->version);
	free(feed->next);
	feed->version = feed->next = NULL;
}

/* Too old: list again, at once but for a storm. */
static void expired(struct feed *feed)
{
	list_afresh(feed);
	if (++feed->relists > 5) {
		feed->relists = 5;
		tell(feed, SCOPE_BROKEN, "the server forgets its history again and again (410)", PAUSE_MAX_MS);
		pause_for(feed, PAUSE_MAX_MS);
	} else {
		feed_list(feed);
	}
}

static void refused(struct feed *feed, const struct http_response *refusal)
{
	AUTO_RELEASE(status) status = { 0 };
	AUTO_RELEASE(buf) why = BUF_INIT(ROW_MESSAGE_MAX);

	status_read(&status, buf_str(&refusal->body));
	buf_addf(&why, "HTTP %d", refusal->status);
	if (status.message.len)
		buf_addf(&why, ": %s", buf_cstr(&status.message));
	if (refusal->status == 410) {
		expired(feed);
	} else if (refusal->status == 401 || refusal->status == 403 || refusal->status == 404 || refusal->status == 405) {
		list_afresh(feed);
		table_clear(&feed->known);
		tell(feed, refusal->status >= 404 ? SCOPE_ABSENT : SCOPE_FORBIDDEN, buf_cstr(&why), REFUSED_MS);
		pause_for(feed, REFUSED_MS);
	} else {
		/* A watch that the server does not like (old resource version in other words) is cured by a list. */
		if (refusal->status != 429 && feed->failures >= 2)
			list_afresh(feed);
		trouble(feed, buf_cstr(&why), refusal->retry_after_ms > 0 ? refusal->retry_after_ms < REFUSED_MS ? refusal->retry_after_ms : REFUSED_MS : 0);
	}
}

/* ---- requests ---- */

static void path_add(const struct feed *feed, struct buf *path)
{
	if (*feed->kind->group)
		buf_addf(path, "/apis/%s/%s", feed->kind->group, feed->kind->version);
	else
		buf_addf(path, "/api/%s", feed->kind->version);
	if (*feed->namespace) {
		buf_adds(path, "/namespaces");
		url_add_segment(path, str_of(feed->namespace));
	}
	url_add_segment(path, str_of(feed->kind->resource));
}

static void stream_drop(struct http_stream **stream)
{
	struct http_stream *old = *stream;

	*stream = NULL;
	http_stream_close(old);
}

static void on_open(const struct http_response *response, void *arg)
{
	struct feed *feed = arg;

	log_debug("feed opened", LOG_TEXT("resource", feed->kind->resource), LOG_TEXT("namespace", feed->namespace),
		  LOG_TEXT("phase", feed->phase == PHASE_LISTING ? "list" : "watch"), LOG_MS("after", loop_now(feed) - feed->opened_ms),
		  LOG_INT("port", response->local_port));
	if (response->date_us && feed->ops->on_date)
		feed->ops->on_date(response->date_us / 1000, feed->arg);
}

static void prepare(struct feed *feed, struct http_request *request)
{
	if (feed->ops->prepare)
		feed->ops->prepare(request, feed->arg);
}

static void stream_open(struct feed *feed, const struct buf *path, enum http_mode mode, const struct http_stream_ops *ops,
			enum json_stream stream)
{
	struct http_request request = { .path = buf_cstr(path), .mode = mode, .timeout_ms = OPEN_MS,
					.max_body_bytes = mode == HTTP_WATCH ? SIZE_MAX : 0 };

	loop_timer_clear(net_loop(feed->net), &feed->timer);
	stream_drop(&feed->stream);
	if (feed->reader)
		json_reader_reset(feed->reader, stream);
	else
		feed->reader = json_reader_create(stream, OBJECT_MAX);
	error_release(&feed->decode_error);
	feed->decode_error = (struct error){ 0 };
	feed->opened_ms = loop_now(feed);
	prepare(feed, &request);
	feed->stream = http_stream_open(feed->http, &request, ops, feed);
}

/* ---- list ---- */

static bool on_list_data(struct str bytes, void *arg)
{
	struct feed *feed = arg;
	struct str object;

	json_reader_feed(feed->reader, bytes);
	while (json_reader_next(feed->reader, &object, &feed->decode_error)) {
		AUTO_RELEASE(error) err = { 0 };
		struct row *row = NULL;

		if (!object.p) {
			flush(feed);
			return true;
		}
		/* One strange object does not hide the others. */
		if (row_decode(feed->decoder, feed->kind, object, &row, &err))
			deliver(feed, ROW_PUT, row);
		else
			feed->garbage++;
	}
	return false;
}

struct envelope {
	char *version, *next;
};

static bool on_envelope_field(const struct json_field *field, void *arg, struct error *err)
{
	struct envelope *envelope = arg;
	char **to = field->path == 0 ? &envelope->version : &envelope->next;

	(void)err;
	if (field->kind == JSON_IS_STRING && field->text.len) {
		free(*to);
		*to = str_dup(field->text);
	}
	return true;
}

static bool envelope_read(struct json_reader *reader, struct envelope *ret, struct error *err)
{
	static const char *const paths[] = { "metadata.resourceVersion", "metadata.continue" };
	AUTO(json_fields) fields = json_fields_create(paths, ARRAY_LEN(paths));

	*ret = (struct envelope){ 0 };
	return json_reader_finish(reader, err) && json_visit(fields, json_reader_envelope(reader), on_envelope_field, ret, err);
}

static void audit_plan(struct feed *feed, int64_t ms);

static void list_whole(struct feed *feed)
{
	deliver(feed, ROW_LIST_END, NULL);
	flush(feed);
	feed->told = SCOPE_LIVE;
	free(feed->told_why);
	feed->told_why = xstrdup("");
	feed_watch(feed);
	audit_plan(feed, AUDIT_MS);
}

static void on_list_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct feed *feed = arg;
	AUTO_RELEASE(error) bad = { 0 };
	struct envelope envelope;

	stream_drop(&feed->stream);
	log_debug("page ended", LOG_TEXT("resource", feed->kind->resource), LOG_MS("after", loop_now(feed) - feed->opened_ms));
	if (refusal) {
		refused(feed, refusal);
		return;
	}
	if (err || !envelope_read(feed->reader, &envelope, &bad)) {
		list_afresh(feed);
		trouble(feed, feed->decode_error.message ? feed->decode_error.message : err ? err->message : bad.message, 0);
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
		feed_list(feed);
	} else if (!feed->version) {
		trouble(feed, "the list has no resource version", 0);
	} else {
		feed->failures = 0;
		list_whole(feed);
	}
}

static const struct http_stream_ops list_ops = { .on_open = on_open, .on_data = on_list_data, .on_end = on_list_end };

static void feed_list(struct feed *feed)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);

	feed->phase = PHASE_LISTING;
	path_add(feed, &path);
	url_add_query(&path, "limit", STR(PAGE));
	if (feed->next) {
		url_add_query(&path, "continue", str_of(feed->next));
	} else {
		table_clear(&feed->known);
		deliver(feed, ROW_LIST_BEGIN, NULL);
		/* Not a proof yet: it goes out with the first page. */
	}
	stream_open(feed, &path, HTTP_ANSWER, &list_ops, JSON_LIST);
}

/* ---- watch ---- */

enum { EVENT_TYPE, EVENT_OBJECT, EVENT_VERSION };
static const char *const event_paths[] = { "type", "object", "object.metadata.resourceVersion" };

struct event {
	struct str object;
	char type[16];
	char *version;
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
	}
	return true;
}

/* False ends the stream: an ERROR event, or what is no event. */
static bool on_event(struct feed *feed, const struct event *event)
{
	enum row_op op = !strcmp(event->type, "DELETED") ? ROW_GONE : ROW_PUT;
	AUTO_RELEASE(error) err = { 0 };
	struct row *row = NULL;

	if (!strcmp(event->type, "BOOKMARK")) {
		deliver(feed, ROW_PROOF, NULL);
		return true;
	}
	if (!strcmp(event->type, "ERROR")) {
		AUTO_RELEASE(status) status = { 0 };

		status_read(&status, event->object);
		feed->list_again = status.code == 410 || !strcmp(buf_cstr(&status.reason), "Expired");
		return error_set(&feed->decode_error, ERR_SERVER, "the watch ended: %s", buf_cstr(&status.message));
	}
	if (op == ROW_PUT && strcmp(event->type, "ADDED") && strcmp(event->type, "MODIFIED"))
		return error_set(&feed->decode_error, ERR_SERVER, "unknown watch event \"%s\"", event->type);
	if (row_decode(feed->decoder, feed->kind, event->object, &row, &err))
		deliver(feed, op, row);
	else
		feed->garbage++;
	return true;
}

static bool on_watch_data(struct str bytes, void *arg)
{
	struct feed *feed = arg;
	AUTO(json_fields) fields = json_fields_create(event_paths, ARRAY_LEN(event_paths));
	struct str text;

	json_reader_feed(feed->reader, bytes);
	while (json_reader_next(feed->reader, &text, &feed->decode_error)) {
		struct event event = { 0 };
		bool good;

		if (!text.p) {
			flush(feed);
			return true;
		}
		good = json_visit(fields, text, on_event_field, &event, &feed->decode_error) && on_event(feed, &event);
		if (good && event.version) {
			free(feed->version);
			feed->version = event.version;
		} else {
			free(event.version);
		}
		if (!good)
			break;
	}
	flush(feed);
	return false;
}

static void on_watch_open(const struct http_response *response, void *arg)
{
	struct feed *feed = arg;

	on_open(response, arg);
	/* Back after trouble: the server takes our resource version, so nothing was missed. */
	tell(feed, SCOPE_LIVE, "", 0);
}

static void on_watch_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct feed *feed = arg;
	int64_t lasted_ms = loop_now(feed) - feed->opened_ms;
	bool again = feed->list_again;

	stream_drop(&feed->stream);
	feed->list_again = false;
	if (lasted_ms >= GOOD_MS)
		feed->failures = feed->relists = feed->garbage = 0;
	if (refusal) {
		refused(feed, refusal);
	} else if (again) {
		expired(feed);
	} else if (feed->decode_error.message) {
		/* Garbage in the stream: from the last good version; the third time the list again. */
		if (++feed->garbage >= 3) {
			feed->garbage = 0;
			list_afresh(feed);
		}
		trouble(feed, feed->decode_error.message, 0);
	} else if (err) {
		trouble(feed, err->message, 0);
	} else if (lasted_ms < WATCH_SHORTEST_MS) {
		pause_for(feed, backoff_ms(feed)); /* a clean end, but no reason to spin */
	} else {
		feed_watch(feed);
	}
}

static const struct http_stream_ops watch_ops = { .on_open = on_watch_open, .on_data = on_watch_data, .on_end = on_watch_end };

static void feed_watch(struct feed *feed)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	AUTO_FREE char *timeout = xasprintf("%u", 300 + (unsigned)(next_random(feed) % 300));

	feed->phase = PHASE_WATCHING;
	path_add(feed, &path);
	url_add_query(&path, "watch", STR("1"));
	url_add_query(&path, "allowWatchBookmarks", STR("true"));
	url_add_query(&path, "timeoutSeconds", str_of(timeout));
	url_add_query(&path, "resourceVersion", str_of(feed->version));
	stream_open(feed, &path, HTTP_WATCH, &watch_ops, JSON_SEQUENCE);
}

/* ---- audit ---- */

struct audited {
	char *uid, *version;
};

static bool on_audit_field(const struct json_field *field, void *arg, struct error *err)
{
	struct audited *a = arg;
	char **to = field->path == 0 ? &a->uid : &a->version;

	(void)err;
	if (field->kind == JSON_IS_STRING) {
		free(*to);
		*to = str_dup(field->text);
	}
	return true;
}

static void differs(struct feed *feed, uint64_t what)
{
	if (feed->audit.nnow < AUDIT_DIFFERENCES)
		feed->audit.now[feed->audit.nnow++] = what;
}

/* An object that differed 5 s ago and whose copy has not moved since: its change will not come any more. */
static bool difference_lasts(const struct audit *a)
{
	for (size_t i = 0; i < a->nnow; i++) {
		for (size_t k = 0; k < a->nbefore; k++) {
			if (a->now[i] == a->before[k])
				return true;
		}
	}
	return false;
}

static void audit_reset(struct audit *a)
{
	a->seen = a->nnow = 0;
}

static bool on_audit_data(struct str bytes, void *arg)
{
	static const char *const paths[] = { "metadata.uid", "metadata.resourceVersion" };
	struct feed *feed = arg;
	AUTO(json_fields) fields = json_fields_create(paths, ARRAY_LEN(paths));
	AUTO_RELEASE(error) err = { 0 };
	struct str object;

	json_reader_feed(feed->audit.reader, bytes);
	while (json_reader_next(feed->audit.reader, &object, &err)) {
		struct audited a = { 0 };

		if (!object.p)
			return true;
		if (json_visit(fields, object, on_audit_field, &a, &err) && a.uid && a.version) {
			uint64_t uid = hash_str(str_of(a.uid)), version = hash_str(str_of(a.version));
			struct known *known = table_find(&feed->known, uid);

			feed->audit.seen++;
			if (known)
				known->round = feed->audit.round;
			if (!known || known->version != version)
				differs(feed, uid ^ (known ? known->version : 0));
		}
		free(a.uid);
		free(a.version);
	}
	return false;
}

/* What we have and the whole round did not show. */
static void audit_leftovers(struct feed *feed)
{
	for (size_t i = 0; i < feed->known.n; i++) {
		const struct known *k = &feed->known.slots[i];

		if (k->uid > 1 && k->round != feed->audit.round)
			differs(feed, k->uid);
	}
}

static void audit_go(void *arg);

static void audit_plan(struct feed *feed, int64_t ms)
{
	loop_timer_set(net_loop(feed->net), &feed->audit.timer, ms, audit_go, feed);
}

static void audit_judge(struct feed *feed)
{
	struct audit *a = &feed->audit;
	bool whole = !a->next, differences;

	if (whole)
		audit_leftovers(feed);
	differences = a->nnow > 0;
	if (whole || a->seen >= AUDIT_MAX_OBJECTS) {
		if (difference_lasts(a)) {
			a->nbefore = 0;
			audit_reset(a);
			list_afresh(feed);
			tell(feed, SCOPE_BROKEN, "the watch missed changes, listing again", 0);
			feed_list(feed);
			return;
		}
		if (!differences && feed->phase != PHASE_LISTING) {
			deliver(feed, ROW_PROOF, NULL);
			flush(feed);
		}
		memcpy(a->before, a->now, sizeof a->before);
		a->nbefore = a->nnow;
		audit_reset(a);
		/* The same part again after a difference, else the next one. */
		free(differences ? a->next : a->from);
		if (differences)
			a->next = a->from;
		a->from = a->next ? xstrdup(a->next) : NULL;
		audit_plan(feed, differences ? AUDIT_AGAIN_MS : AUDIT_MS);
	} else {
		audit_go(feed);
	}
}

static void on_audit_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct feed *feed = arg;
	struct audit *a = &feed->audit;
	AUTO_RELEASE(error) bad = { 0 };
	struct envelope envelope = { 0 };

	stream_drop(&a->stream);
	free(a->next);
	a->next = NULL;
	if (refusal || err || !envelope_read(a->reader, &envelope, &bad)) {
		/* No answer is no proof; the watch itself tells what is wrong. An old token ends here too. */
		free(a->from);
		a->from = NULL;
		audit_reset(a);
		audit_plan(feed, AUDIT_MS);
		return;
	}
	a->next = envelope.next;
	free(envelope.version);
	audit_judge(feed);
}

static const struct http_stream_ops audit_ops = { .on_data = on_audit_data, .on_end = on_audit_end };

static void audit_go(void *arg)
{
	struct feed *feed = arg;
	struct audit *a = &feed->audit;
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	struct http_request request = { .accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
					.timeout_ms = 15000 };

	/* A watch that pauses after trouble is audited too: what we show is then at least known to be right. */
	if (feed->phase == PHASE_LISTING || !feed->version) {
		audit_plan(feed, AUDIT_MS);
		return;
	}
	path_add(feed, &path);
	url_add_query(&path, "limit", STR(PAGE));
	if (a->next)
		url_add_query(&path, "continue", str_of(a->next));
	else
		a->round++;
	request.path = buf_cstr(&path);
	if (a->reader)
		json_reader_reset(a->reader, JSON_LIST);
	else
		a->reader = json_reader_create(JSON_LIST, OBJECT_MAX);
	stream_drop(&a->stream);
	prepare(feed, &request);
	a->stream = http_stream_open(feed->http, &request, &audit_ops, feed);
}

/* ---- life ---- */

struct feed *feed_create(struct net *net, struct http *http, const struct kind *kind, const char *namespace,
			 const struct feed_ops *ops, void *arg)
{
	struct feed *feed = xcalloc(1, sizeof *feed);

	feed->net = net;
	feed->http = http;
	feed->kind = kind;
	feed->namespace = xstrdup(namespace);
	feed->ops = ops;
	feed->arg = arg;
	feed->decoder = row_decoder_create();
	feed->seed = hash_str(str_of(namespace)) ^ hash_str(str_of(kind->resource)) ^ (uint64_t)clock_now_us(net_clock(net));
	feed->told = SCOPE_UNWATCHED;
	return feed;
}

bool feed_is(const struct feed *feed, const struct kind *kind, const char *namespace)
{
	return kind_same(feed->kind, kind) && !strcmp(feed->namespace, namespace);
}

void feed_start(struct feed *feed)
{
	tell(feed, SCOPE_LOADING, "", 0);
	feed_list(feed);
}

void feed_destroy(struct feed *feed)
{
	if (!feed)
		return;
	loop_timer_clear(net_loop(feed->net), &feed->timer);
	loop_timer_clear(net_loop(feed->net), &feed->audit.timer);
	stream_drop(&feed->stream);
	stream_drop(&feed->audit.stream);
	json_reader_destroy(feed->reader);
	json_reader_destroy(feed->audit.reader);
	row_decoder_destroy(feed->decoder);
	row_batch_destroy(feed->batch);
	table_clear(&feed->known);
	error_release(&feed->decode_error);
	free(feed->audit.from);
	free(feed->audit.next);
	free(feed->version);
	free(feed->next);
	free(feed->namespace);
	free(feed->told_why);
	free(feed);
}
