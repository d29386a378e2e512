#include "kube/feed_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/url.h"

#define AUDIT_MS 15000
#define AUDIT_MAX_OBJECTS 1000
#define GONE_MAX 10000 /* more have gone during a round: it begins anew */

static const char *const audited_paths[] = { "metadata.uid", "metadata.resourceVersion" };
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
	return feed->phase == PHASE_WATCHING && feed->version && feed_now(feed) - feed->moved_ms < AUDIT_AGAIN_MS &&
	       known_is_later(known_version(str_of(version)), known_version(str_of(feed->version)));
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

int64_t feed_audit_pace(const struct feed *feed)
{
	return feed->listed ? AUDIT_MS : REFUSED_MS;
}

static void audit_reset(struct audit *a)
{
	a->seen = a->nnow = 0;
	a->behind = false;
}

/* Whatever comes next begins at the start of the list. */
static void forget_parts(struct audit *a)
{
	free(a->from);
	free(a->next);
	a->from = a->next = NULL;
	audit_reset(a);
}

/*
 * The parts of a round show the collection as it was when the round began: that is what continue tokens are for. So what the watch has
 * changed or deleted since differs, and means nothing.
 */
static void audit_object(struct feed *feed, const struct audited *object)
{
	struct audit *a = &feed->audit;
	uint64_t uid = known_hash(str_of(object->uid)), version = known_version(str_of(object->version));
	struct known *known = known_find(&feed->known, uid);

	a->seen++;
	if (known)
		known->round = a->round;
	if (!known && !known_find(&a->gone, uid))
		differs(feed, uid, object->version);
	else if (known && known->version != version && !known_is_later(known->version, version))
		differs(feed, uid ^ known->version, object->version);
}

static bool on_audit_data(struct str bytes, void *arg)
{
	struct feed *feed = arg;
	AUTO_RELEASE(error) err = { 0 };
	struct str object;

	json_reader_feed(feed->audit.reader, bytes);
	while (json_reader_next(feed->audit.reader, &object, &err)) {
		struct audited a = { 0 };

		if (!object.p)
			return true;
		if (json_visit(feed->audit.fields, object, on_audit_field, &a, &err) && a.uid && a.version)
			audit_object(feed, &a);
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

void feed_audit_plan(struct feed *feed, int64_t ms)
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
			feed_list_afresh(feed);
			feed->doubted = true;
			feed_tell_doubted(feed);
			feed_list(feed);
			return;
		}
		if (!differences && feed->phase != PHASE_LISTING) {
			feed_mark(feed, ROW_PROOF);
			feed_flush(feed);
		}
		if (!differences || a->nbefore)
			feed_believe(feed);
		memcpy(a->before, a->now, sizeof a->before);
		a->nbefore = a->nnow;
		audit_reset(a);
		/* The same part again after a difference, else the next one. */
		free(differences ? a->next : a->from);
		if (differences)
			a->next = a->from;
		a->from = a->next ? xstrdup(a->next) : NULL;
		feed_audit_plan(feed, differences ? AUDIT_AGAIN_MS : AUDIT_MS);
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
		feed_list_afresh(feed);
		feed_list(feed); /* which says so, and knows what to do then */
	} else if (feed->listed && feed_now(feed) - feed->proof_ms >= SILENT_MS) {
		AUTO_FREE char *status = refusal ? xasprintf("HTTP %d", refusal->status) : NULL;
		AUTO_FREE char *text = xasprintf("the watch is silent, and the audit: %s", status ? status : why);

		feed_drop_stream(&feed->stream);
		feed_trouble(feed, text, refusal ? feed_wait_asked_ms(refusal->retry_after_ms) : 0);
	}
}

static void on_audit_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct feed *feed = arg;
	struct audit *a = &feed->audit;
	AUTO_RELEASE(error) bad = { 0 };
	struct feed_envelope envelope = { 0 };

	feed_drop_stream(&a->stream);
	free(a->next);
	a->next = NULL;
	if (refusal || err || !feed_envelope_read(a->reader, &envelope, &bad)) {
		/* No answer is no proof. An old continue token ends here too. */
		forget_parts(a);
		feed_audit_plan(feed, feed_audit_pace(feed));
		audit_failed(feed, refusal, err ? err->message : bad.message);
		return;
	}
	a->next = envelope.next;
	feed->listed = true; /* if not before, the right has come */
	audit_judge(feed, envelope.version ? envelope.version : "");
	free(envelope.version);
}

static const struct http_stream_ops audit_ops = { .on_data = on_audit_data, .on_end = on_audit_end };

static void begin_round(struct audit *a)
{
	a->round++;
	known_clear(&a->gone);
}

static void audit_go(void *arg)
{
	struct feed *feed = arg;
	struct audit *a = &feed->audit;
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	struct http_request request = { .accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
					.timeout_ms = 15000 };

	/* A watch that pauses after trouble is audited too: what we show is then at least known to be right. */
	if (feed->phase == PHASE_LISTING || !feed->version) {
		feed_audit_plan(feed, AUDIT_MS);
		return;
	}
	if (a->gone.live > GONE_MAX)
		forget_parts(a);
	if (!a->next)
		begin_round(a);
	feed_path_add(feed, &path);
	url_add_query(&path, "limit", STR(FEED_PAGE));
	if (a->next)
		url_add_query(&path, "continue", str_of(a->next));
	request.path = buf_cstr(&path);
	if (!a->reader) {
		a->reader = json_reader_create(JSON_LIST, FEED_OBJECT_MAX);
		a->fields = json_fields_create(audited_paths, ARRAY_LEN(audited_paths));
	}
	json_reader_reset(a->reader, JSON_LIST);
	feed_drop_stream(&a->stream);
	feed_prepare(feed, &request);
	a->stream = http_stream_open(feed->http, &request, &audit_ops, feed);
}

/* The round begins anew, in so many ms. */
void feed_audit_afresh(struct feed *feed, int64_t ms)
{
	struct audit *a = &feed->audit;

	feed_drop_stream(&a->stream);
	forget_parts(a);
	feed_audit_plan(feed, ms);
}
