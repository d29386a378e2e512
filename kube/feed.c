#include "kube/feed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/json.h"
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
 *
 * `known` holds 16 bytes for each object delivered (hashes of uid and resource version); the audit compares with it.
 */

#define PAGE "500" /* larger ones cost the server more: docs/performance.md */
#define OBJECT_MAX (8u << 20)
#define PAUSE_FIRST_MS 800
#define PAUSE_MAX_MS 30000
#define REFUSED_MS 60000
#define POLL_MS 10000	      /* between lists where no watch is allowed */
#define STREAM_SILENT_MS 10000 /* a server that knows no WatchList streams, but never says that it is done */
#define NO_STREAM_MS 3600000 /* a server or a role that refused to stream is not asked again so soon */
#define GOOD_MS 120000 /* a watch that lasted so long forgets earlier trouble */
#define AUDIT_MS 15000
#define AUDIT_AGAIN_MS 5000
#define SILENT_MS 30000 /* without any proof: the watch is opened anew */
#define SLOW_MS 3000	/* a request that waited so long for its answer is asked again when the server is back */
#define AUDIT_MAX_OBJECTS 2000
#define AUDIT_DIFFERENCES 64 /* as many are remembered; one is enough */
#define WATCH_SHORTEST_MS 800
#define HASTY_MAX 5 /* so many watches in a row may end earlier, each with news, and are resumed at once */
#define GARBAGE_MAX 3 /* in a row: the list again */
#define GARBAGE_LOGGED 200
#define WATCH_ONLY_S 20 /* a server sends a bookmark 2 s before a watch times out: the proof where no audit is allowed */
#define WATCH_ONLY_DOUBT_S 5 /* the same after trouble */
#define OPEN_MS 20000 /* until the headers of an answer are there */

enum phase { PHASE_IDLE, PHASE_LISTING, PHASE_WATCHING, PHASE_PAUSED };

struct known {
	uint64_t uid, version;
	uint32_t round; /* the audit round that saw it last */
};

struct known_set { /* open addressing; uid 0 is free, 1 was deleted */
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
	bool behind; /* something differed that the watch will bring yet */
};

struct feed {
	struct net *net;
	struct http *http;
	struct buf path; /* of the collection */
	char *label_selector, *field_selector, *crowd_selector;
	bool crowded; /* crowd_selector holds */
	const struct feed_ops *ops;
	void *arg;

	enum phase phase;
	enum scope_state told;
	char *told_why;
	struct http_stream *stream;
	struct json_reader *reader;
	struct json_fields *event_fields;
	struct timer timer;
	char *version;	/* resource version to watch from; NULL: list first */
	char *next;	/* continue token of the list */
	bool envelope_told;
	bool list_again; /* the stream at hand ends in a new list */
	bool streaming;	 /* the watch at hand gives the initial state */
	bool no_watch;
	enum scope_state list_state; /* what the list was refused with, while a stream is tried */
	char *list_why;
	int64_t no_watch_until_ms, no_stream_until_ms; /* by the loop's clock */
	unsigned relists;
	unsigned garbage;	/* watches in a row that ended in it */
	unsigned garbage_so_far;
	unsigned hasty;		/* watches in a row that ended early, with news */
	struct backoff backoff;
	int64_t opened_ms; /* of the stream, by the loop's clock */
	int64_t proof_ms;  /* the last one, the same */
	int64_t moved_ms;  /* when the watch last brought another version, the same */
	bool answered;	   /* the stream's headers are there */
	bool delivered;	   /* the watch at hand showed something that makes sense */
	bool flimsy;	   /* the one before it ended early, with nothing */
	bool asked_to_wait; /* by the server: Retry-After, or its refusal */
	bool doubted;	   /* a watch missed changes; the next one has not proved itself yet */
	bool listed;	   /* what we have came from a list, so the list may be asked */
	struct known_set known;
	struct audit audit;
	struct error decode_error;
};

static void feed_list(struct feed *feed);
static void feed_stream(struct feed *feed);
static void feed_watch(struct feed *feed);
static void audit_plan(struct feed *feed, int64_t ms);
static void audit_afresh(struct feed *feed, int64_t ms);
static int64_t audit_pace(const struct feed *feed);

/* ---- what was delivered ---- */

static uint64_t hash_str(struct str s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	h ^= h >> 32;
	return h < 2 ? h + 2 : h;
}

static struct known *known_find(const struct known_set *set, uint64_t uid)
{
	for (size_t i = uid; set->n; i++) {
		struct known *at = &set->slots[i & (set->n - 1)];

		if (at->uid == uid)
			return at;
		if (!at->uid)
			return NULL;
	}
	return NULL;
}

static void known_put(struct known_set *set, struct known item)
{
	struct known *at = known_find(set, item.uid);

	if (at) {
		*at = item;
		return;
	}
	if (set->used * 4 >= set->n * 3) {
		struct known_set bigger = { .n = set->live * 2 > 32 ? set->n * 2 : 64 };

		bigger.slots = xcalloc(bigger.n, sizeof *bigger.slots);
		for (size_t i = 0; i < set->n; i++) {
			if (set->slots[i].uid > 1)
				known_put(&bigger, set->slots[i]);
		}
		free(set->slots);
		*set = bigger;
	}
	for (size_t i = item.uid;; i++) {
		at = &set->slots[i & (set->n - 1)];
		if (!at->uid)
			break;
	}
	*at = item;
	set->used++;
	set->live++;
}

static void known_drop(struct known_set *set, uint64_t uid)
{
	struct known *at = known_find(set, uid);

	if (at) {
		at->uid = 1;
		set->live--;
	}
}

static void known_clear(struct known_set *set)
{
	free(set->slots);
	*set = (struct known_set){ 0 };
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
	feed->ops->on_state(state, why, retry, feed->arg);
}

static bool is_polled(const struct feed *feed)
{
	return feed->no_watch || loop_now(feed) < feed->no_watch_until_ms;
}

static void tell_live(struct feed *feed)
{
	const char *why = "";

	if (feed->crowded)
		why = "there are thousands: the usual ones are left out";
	else if (feed->no_watch)
		why = "the server has no watch for it: listed again each 10 s";
	else if (is_polled(feed))
		why = "no right to watch: listed again each 10 s";
	else if (feed->hasty > HASTY_MAX)
		why = "the server ends each watch early";
	tell(feed, SCOPE_LIVE, why, 0);
}

static const char doubt[] = "the watch missed changes; listed again, not proven yet";

static void mark(struct feed *feed, enum row_op op)
{
	if (op != ROW_LIST_BEGIN)
		feed->proof_ms = loop_now(feed);
	feed->ops->on_mark(op, feed->arg);
}

static void flush(struct feed *feed)
{
	feed->ops->on_flush(feed->arg);
}

void feed_note(struct feed *feed, enum row_op op, struct str uid, struct str resource_version)
{
	if (op == ROW_PUT)
		known_put(&feed->known, (struct known){ hash_str(uid), hash_str(resource_version), feed->audit.round });
	else if (op == ROW_GONE)
		known_drop(&feed->known, hash_str(uid));
}

/* ---- pauses ---- */

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

static void trouble(struct feed *feed, const char *why, int64_t at_least_ms)
{
	int64_t ms = backoff_next_ms(&feed->backoff);

	feed->asked_to_wait = at_least_ms > 0;
	if (at_least_ms > ms)
		ms = at_least_ms;
	tell(feed, feed->told == SCOPE_LOADING ? SCOPE_LOADING : feed->doubted ? SCOPE_DOUBTED : SCOPE_BROKEN, why, ms);
	pause_for(feed, ms);
}

void feed_hurry(struct feed *feed)
{
	if (feed->phase != PHASE_PAUSED)
		return;
	feed->backoff.failures = 0;
	loop_timer_clear(net_loop(feed->net), &feed->timer);
	resume(feed);
}

void feed_server_is_back(struct feed *feed)
{
	bool broken = feed->told == SCOPE_BROKEN || feed->told == SCOPE_DOUBTED || feed->told == SCOPE_LOADING;

	if (feed->phase == PHASE_PAUSED) {
		if (broken && !feed->asked_to_wait)
			feed_hurry(feed);
	} else if (!feed->answered && loop_now(feed) - feed->opened_ms >= SLOW_MS) {
		if (feed->phase == PHASE_LISTING && feed->streaming)
			feed_stream(feed);
		else if (feed->phase == PHASE_LISTING)
			feed_list(feed);
		else if (feed->phase == PHASE_WATCHING)
			feed_watch(feed);
	}
}

static bool is_watching(const struct feed *feed)
{
	return feed->phase == PHASE_WATCHING && feed->answered;
}

/* The watch is open, and what we have was proven since. That it was accepted would not be enough. */
static void proven(struct feed *feed)
{
	if (!is_watching(feed))
		return;
	if (loop_now(feed) - feed->opened_ms >= WATCH_SHORTEST_MS)
		feed->hasty = 0;
	if (!feed->doubted)
		tell_live(feed);
}

/* Of the new watch nothing is missing. That it shows some changes would not be enough: so did the former. */
static void believe(struct feed *feed)
{
	if (is_watching(feed))
		feed->doubted = false;
	proven(feed);
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

static void start_over(struct feed *feed)
{
	mark(feed, ROW_LIST_BEGIN);
	known_clear(&feed->known);
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

static enum scope_state state_of_refusal(int status)
{
	return status >= 404 ? SCOPE_ABSENT : SCOPE_FORBIDDEN;
}

static void stay_out(struct feed *feed, enum scope_state state, const char *why, int64_t ms)
{
	feed->asked_to_wait = true;
	feed->doubted = false;
	list_afresh(feed);
	known_clear(&feed->known);
	tell(feed, state, why, ms);
	pause_for(feed, ms);
}

/* Lists take the place of a watch for a while, and each of them is a proof. */
static void poll_soon(struct feed *feed)
{
	list_afresh(feed);
	feed->doubted = false;
	tell_live(feed);
	pause_for(feed, POLL_MS);
}

static bool is_no_right(int status)
{
	return status == 401 || status == 403 || status == 404 || status == 405;
}

/* Servers of 1.27 to 1.33 without the gate say 422; older ones stream, but never say that they are done. */
static bool is_no_stream(int status)
{
	return is_no_right(status) || status == 400 || status == 422;
}

static void refused(struct feed *feed, const struct http_response *refusal)
{
	bool this_verb = refusal->status == 403 || refusal->status == 405, watched = feed->phase == PHASE_WATCHING;
	AUTO_RELEASE(status) status = { 0 };
	AUTO_RELEASE(buf) why = BUF_INIT(ROW_MESSAGE_MAX);

	status_read(&status, buf_str(&refusal->body));
	buf_addf(&why, "%sHTTP %d", refusal->status == 401 ? "login needed, " : "", refusal->status);
	if (status.message.len)
		buf_addf(&why, ": %s", buf_cstr(&status.message));
	if (refusal->status == 410) {
		expired(feed);
	} else if (feed->streaming && is_no_stream(refusal->status)) {
		/* What the list was refused with is the news; this was only the way around. */
		if (refusal->status != 401 && refusal->status != 403) /* a right may come at any time */
			feed->no_stream_until_ms = loop_now(feed) + NO_STREAM_MS;
		stay_out(feed, feed->list_state, feed->list_why, REFUSED_MS);
	} else if (this_verb && watched) {
		feed->no_watch_until_ms = loop_now(feed) + REFUSED_MS;
		if (feed->listed) {
			poll_soon(feed);
		} else {
			list_afresh(feed); /* which is refused too, and says so */
			trouble(feed, buf_cstr(&why), 0);
		}
	} else if (this_verb && !feed->streaming && loop_now(feed) >= feed->no_stream_until_ms) {
		feed->list_state = state_of_refusal(refusal->status);
		free(feed->list_why);
		feed->list_why = buf_give(&why);
		feed_stream(feed);
	} else if (is_no_right(refusal->status)) {
		/* A credential is renewed sooner than a right is given. */
		stay_out(feed, state_of_refusal(refusal->status), buf_cstr(&why), refusal->status == 401 ? PAUSE_MAX_MS : REFUSED_MS);
	} else {
		/* A watch that the server does not like (old resource version in other words) is cured by a list. */
		if (refusal->status != 429 && feed->backoff.failures >= 2)
			list_afresh(feed);
		trouble(feed, buf_cstr(&why), refusal->retry_after_ms > 0 ? refusal->retry_after_ms < REFUSED_MS ? refusal->retry_after_ms : REFUSED_MS : 0);
	}
}

/* ---- requests ---- */

static void path_add(const struct feed *feed, struct buf *path)
{
	buf_add_str(path, buf_str(&feed->path));
	if (feed->label_selector)
		url_add_query(path, "labelSelector", str_of(feed->label_selector));
	if (feed->crowded || feed->field_selector)
		url_add_query(path, "fieldSelector", str_of(feed->crowded ? feed->crowd_selector : feed->field_selector));
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

	feed->answered = true;
	log_debug("feed opened", LOG_TEXT("path", buf_cstr(&feed->path)),
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
	struct http_request request = { .path = buf_cstr(path), .accept = feed->ops->accept, .mode = mode, .timeout_ms = OPEN_MS,
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
	feed->answered = feed->delivered = false;
	prepare(feed, &request);
	feed->stream = http_stream_open(feed->http, &request, ops, feed);
}

/* ---- list ---- */

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

static void log_garbage(struct feed *feed, struct str bytes, const char *why)
{
	feed->garbage_so_far++;
	bytes.len = bytes.len < GARBAGE_LOGGED ? bytes.len : GARBAGE_LOGGED;
	log_debug("garbage in a feed", LOG_TEXT("path", buf_cstr(&feed->path)), LOG_INT("so_far", feed->garbage_so_far), LOG_TEXT("why", why),
		  LOG_STR("bytes", bytes));
}

/* One strange object does not hide the others. */
static bool take_object(struct feed *feed, enum row_op op, struct str object)
{
	bool good = feed->ops->on_object(feed, op, object, feed->arg);

	if (!good)
		log_garbage(feed, object, "an object that makes no sense");
	return good;
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
		take_object(feed, ROW_PUT, object);
	}
	return false;
}

struct envelope {
	char *version, *next;
	int64_t remaining;
};

static bool on_envelope_field(const struct json_field *field, void *arg, struct error *err)
{
	struct envelope *envelope = arg;
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

static bool envelope_read(struct json_reader *reader, struct envelope *ret, struct error *err)
{
	static const char *const paths[] = { "metadata.resourceVersion", "metadata.continue", "metadata.remainingItemCount" };
	AUTO(json_fields) fields = json_fields_create(paths, ARRAY_LEN(paths));

	*ret = (struct envelope){ 0 };
	return json_reader_finish(reader, err) && json_visit(fields, json_reader_envelope(reader), on_envelope_field, ret, err);
}

static void list_whole(struct feed *feed)
{
	feed->backoff.failures = 0;
	mark(feed, ROW_LIST_END);
	flush(feed);
	feed->told = SCOPE_LIVE;
	free(feed->told_why);
	feed->told_why = xstrdup("");
	feed->listed = !feed->streaming;
	audit_plan(feed, feed->doubted && feed->listed ? AUDIT_AGAIN_MS : audit_pace(feed));
	if (is_polled(feed) && feed->listed) {
		poll_soon(feed);
		return;
	}
	if (feed->doubted)
		tell(feed, SCOPE_DOUBTED, doubt, 0);
	else
		tell_live(feed);
	if (feed->listed)
		feed_watch(feed);
}

static void on_list_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct feed *feed = arg;
	AUTO_RELEASE(error) bad = { 0 };
	struct envelope envelope;

	stream_drop(&feed->stream);
	log_debug("page ended", LOG_TEXT("path", buf_cstr(&feed->path)), LOG_MS("after", loop_now(feed) - feed->opened_ms));
	if (refusal) {
		refused(feed, refusal);
		return;
	}
	if (err || !envelope_read(feed->reader, &envelope, &bad)) {
		list_afresh(feed);
		trouble(feed, feed->decode_error.message ? feed->decode_error.message : err ? err->message : bad.message, 0);
		return;
	}
	if (feed->ops->on_envelope)
		feed->ops->on_envelope(json_reader_envelope(feed->reader), feed->arg);
	if (feed->crowd_selector && !feed->crowded && envelope.remaining > FEED_CROWD) {
		feed->crowded = true;
		free(envelope.version);
		free(envelope.next);
		list_afresh(feed);
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
		flush(feed);
		feed_list(feed);
	} else if (!feed->version && !is_polled(feed)) {
		trouble(feed, "the list has no resource version", 0);
	} else {
		list_whole(feed);
	}
}

static const struct http_stream_ops list_ops = { .on_open = on_open, .on_data = on_list_data, .on_end = on_list_end };

static void feed_list(struct feed *feed)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);

	feed->phase = PHASE_LISTING;
	feed->streaming = feed->envelope_told = false;
	path_add(feed, &path);
	url_add_query(&path, "limit", STR(PAGE));
	if (feed->next)
		url_add_query(&path, "continue", str_of(feed->next));
	else
		start_over(feed); /* not a proof yet: it goes out with the first page */
	stream_open(feed, &path, HTTP_ANSWER, &list_ops, JSON_LIST);
}

/* ---- watch ---- */

enum { EVENT_TYPE, EVENT_OBJECT, EVENT_VERSION, EVENT_INITIAL_END, EVENT_INITIAL_END_IN_TABLE };
static const char *const event_paths[] = { "type", "object", "object.metadata.resourceVersion",
					   "object.metadata.annotations[\"k8s.io/initial-events-end\"]",
					   "object.rows[].object.metadata.annotations[\"k8s.io/initial-events-end\"]" };

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
	stream_drop(&feed->stream);
	trouble(feed, "the watch is silent, and no audit is allowed", 0);
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
	list_whole(feed);
	feed->streaming = false;
	feed->phase = PHASE_WATCHING;
	expect_bookmark(feed);
}

/* False ends the stream: an ERROR event, or what is no event. */
static bool on_event(struct feed *feed, const struct event *event)
{
	enum row_op op = !strcmp(event->type, "DELETED") ? ROW_GONE : ROW_PUT;

	if (!strcmp(event->type, "BOOKMARK")) {
		if (feed->streaming && event->initial_end)
			stream_whole(feed);
		else if (!feed->streaming)
			mark(feed, ROW_PROOF);
		feed->delivered = true;
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
	if (take_object(feed, op, event->object)) {
		feed->delivered = true;
		feed->proof_ms = loop_now(feed);
	}
	return true;
}

static void stream_never_ends(void *arg)
{
	struct feed *feed = arg;

	stream_drop(&feed->stream);
	feed->streaming = false;
	feed->no_stream_until_ms = loop_now(feed) + NO_STREAM_MS;
	stay_out(feed, feed->list_state, feed->list_why, REFUSED_MS);
}

static void expect_end_of_stream(struct feed *feed)
{
	loop_timer_set(net_loop(feed->net), &feed->timer, STREAM_SILENT_MS, stream_never_ends, feed);
}

/* False ends the stream. */
static bool take_event(struct feed *feed, struct str text)
{
	struct event event = { 0 };
	bool good = json_visit(feed->event_fields, text, on_event_field, &event, &feed->decode_error) && on_event(feed, &event);

	/* What streams in first comes in no order of versions. */
	if (good && event.version && !feed->streaming) {
		free(feed->version);
		feed->version = GIVE(event.version);
		feed->moved_ms = loop_now(feed);
	}
	if (!good && strcmp(event.type, "ERROR"))
		log_garbage(feed, text, feed->decode_error.message);
	free(event.version);
	return good;
}

/* What came so far is shown, and if it makes sense the watch works. */
static void turn_over(struct feed *feed)
{
	flush(feed);
	if (!feed->delivered || feed->streaming)
		return;
	feed->garbage = 0;
	feed->backoff.failures = 0;
	proven(feed);
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
		if (!take_event(feed, text)) {
			turn_over(feed);
			return false;
		}
	}
	turn_over(feed);
	before = json_reader_offset(feed->reader) - before;
	log_garbage(feed, (struct str){ bytes.p + before, bytes.len - before }, feed->decode_error.message);
	return false;
}

static void on_watch_open(const struct http_response *response, void *arg)
{
	struct feed *feed = arg;

	on_open(response, arg);
	if (feed->streaming)
		expect_end_of_stream(feed);
	else
		expect_bookmark(feed);
	/* Accepted is not proven: that takes an event, a bookmark, or an audit, which need not wait for its turn now. */
	if (!feed->streaming && feed->listed && feed->told != SCOPE_LIVE && !feed->doubted)
		audit_afresh(feed, feed->flimsy ? WATCH_SHORTEST_MS : 0);
}

/* In the stream was what is no event, or an ERROR: from the last good version; the third time in a row the list again. */
static void garbage_ended_it(struct feed *feed)
{
	if (++feed->garbage % GARBAGE_MAX == 0)
		list_afresh(feed);
	if (feed->backoff.failures < feed->garbage)
		feed->backoff.failures = feed->garbage;
	trouble(feed, feed->decode_error.message, 0);
}

/* By design, so the next one follows at once. One that showed nothing so soon is none, and one that ends early again and again is
 * not followed faster than WATCH_SHORTEST_MS. */
static void ended_cleanly(struct feed *feed, bool early)
{
	if (!early)
		feed->hasty = 0;
	if (early && !feed->delivered) {
		trouble(feed, "the server ends the watch at once", 0);
	} else if (early && ++feed->hasty > HASTY_MAX) {
		proven(feed);
		pause_for(feed, WATCH_SHORTEST_MS);
	} else {
		feed_watch(feed);
	}
}

static void on_watch_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct feed *feed = arg;
	int64_t lasted_ms = loop_now(feed) - feed->opened_ms;
	bool again = feed->list_again, early = lasted_ms < WATCH_SHORTEST_MS;

	if (!refusal && !err && !feed->decode_error.message)
		json_reader_finish(feed->reader, &feed->decode_error);
	stream_drop(&feed->stream);
	feed->flimsy = feed->answered && early && !feed->delivered;
	feed->list_again = false;
	if (lasted_ms >= GOOD_MS)
		feed->backoff.failures = feed->relists = feed->garbage = 0;
	if (refusal) {
		refused(feed, refusal);
	} else if (again) {
		expired(feed);
	} else if (feed->streaming) {
		trouble(feed, feed->decode_error.message ? feed->decode_error.message : err ? err->message : "the stream of the initial state ended", 0);
	} else if (feed->decode_error.message) {
		garbage_ended_it(feed);
	} else if (err) {
		trouble(feed, err->message, 0);
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

	path_add(feed, &path);
	url_add_query(&path, "watch", STR("1"));
	url_add_query(&path, "allowWatchBookmarks", STR("true"));
	url_add_query(&path, "timeoutSeconds", str_of(timeout));
	if (feed->streaming) {
		url_add_query(&path, "sendInitialEvents", STR("true"));
		url_add_query(&path, "resourceVersionMatch", STR("NotOlderThan"));
	} else {
		url_add_query(&path, "resourceVersion", str_of(feed->version));
	}
	stream_open(feed, &path, HTTP_WATCH, &watch_ops, JSON_SEQUENCE);
}

static void feed_watch(struct feed *feed)
{
	feed->phase = PHASE_WATCHING;
	feed->streaming = false;
	watch_open(feed);
}

static void feed_stream(struct feed *feed)
{
	feed->phase = PHASE_LISTING;
	feed->streaming = true;
	start_over(feed);
	watch_open(feed);
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

/* A watch that is behind (a busy machine, a slow line) and still moves will bring it yet: versions of one kind count up. */
static bool is_on_its_way(const struct feed *feed, const char *version)
{
	return feed->phase == PHASE_WATCHING && feed->version && loop_now(feed) - feed->moved_ms < AUDIT_AGAIN_MS &&
	       strtoull(version, NULL, 10) > strtoull(feed->version, NULL, 10);
}

static void differs(struct feed *feed, uint64_t what, const char *version)
{
	if (is_on_its_way(feed, version))
		feed->audit.behind = true;
	else if (feed->audit.nnow < AUDIT_DIFFERENCES)
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

static int64_t audit_pace(const struct feed *feed)
{
	return feed->listed ? AUDIT_MS : REFUSED_MS;
}

static void audit_reset(struct audit *a)
{
	a->seen = a->nnow = 0;
	a->behind = false;
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
			struct known *known = known_find(&feed->known, uid);

			feed->audit.seen++;
			if (known)
				known->round = feed->audit.round;
			if (!known || known->version != version)
				differs(feed, uid ^ (known ? known->version : 0), a.version);
		}
		free(a.uid);
		free(a.version);
	}
	return false;
}

/* What we have and the whole round did not show. */
static void audit_leftovers(struct feed *feed, const char *version)
{
	for (size_t i = 0; i < feed->known.n; i++) {
		const struct known *k = &feed->known.slots[i];

		if (k->uid > 1 && k->round != feed->audit.round)
			differs(feed, k->uid, version);
	}
}

static void audit_go(void *arg);

static void audit_plan(struct feed *feed, int64_t ms)
{
	loop_timer_set(net_loop(feed->net), &feed->audit.timer, ms, audit_go, feed);
}

/* version: of the list that was looked at. */
static void audit_judge(struct feed *feed, const char *version)
{
	struct audit *a = &feed->audit;
	bool whole = !a->next, differences;

	if (whole)
		audit_leftovers(feed, version);
	differences = a->nnow > 0 || a->behind;
	if (whole || a->seen >= AUDIT_MAX_OBJECTS) {
		if (difference_lasts(a)) {
			a->nbefore = 0;
			audit_reset(a);
			list_afresh(feed);
			feed->doubted = true;
			tell(feed, SCOPE_DOUBTED, doubt, 0);
			feed_list(feed);
			return;
		}
		if (!differences && feed->phase != PHASE_LISTING) {
			mark(feed, ROW_PROOF);
			flush(feed);
		}
		if (!differences || a->nbefore)
			believe(feed);
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

/* While the watch is open: has a right gone, or does nothing answer at all any more? */
static void audit_failed(struct feed *feed, const struct http_response *refusal, const char *why)
{
	bool no_right = refusal && (refusal->status == 401 || refusal->status == 403);

	if (feed->phase != PHASE_WATCHING)
		return;
	if (no_right && feed->listed) {
		list_afresh(feed);
		feed_list(feed); /* which says so, and knows what to do then */
	} else if (feed->listed && loop_now(feed) - feed->proof_ms >= SILENT_MS) {
		AUTO_FREE char *status = refusal ? xasprintf("HTTP %d", refusal->status) : NULL;
		AUTO_FREE char *text = xasprintf("the watch is silent, and the audit: %s", status ? status : why);

		stream_drop(&feed->stream);
		trouble(feed, text, refusal && refusal->retry_after_ms > 0 ? refusal->retry_after_ms : 0);
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
		/* No answer is no proof. An old continue token ends here too. */
		free(a->from);
		a->from = NULL;
		audit_reset(a);
		audit_plan(feed, audit_pace(feed));
		audit_failed(feed, refusal, err ? err->message : bad.message);
		return;
	}
	a->next = envelope.next;
	feed->listed = true; /* if not before, the right has come */
	audit_judge(feed, envelope.version ? envelope.version : "");
	free(envelope.version);
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

/* The round begins anew, in so many ms. */
static void audit_afresh(struct feed *feed, int64_t ms)
{
	struct audit *a = &feed->audit;

	stream_drop(&a->stream);
	free(a->from);
	free(a->next);
	a->from = a->next = NULL;
	audit_reset(a);
	audit_plan(feed, ms);
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
	feed->no_watch = source->no_watch;
	feed->ops = ops;
	feed->arg = arg;
	feed->event_fields = json_fields_create(event_paths, ARRAY_LEN(event_paths));
	feed->backoff = (struct backoff){ PAUSE_FIRST_MS, PAUSE_MAX_MS, .seed = hash_str(buf_str(&feed->path)) ^ (uint64_t)clock_now_us(net_clock(net)) };
	feed->told = SCOPE_UNWATCHED;
	return feed;
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
	json_fields_destroy(feed->event_fields);
	known_clear(&feed->known);
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
