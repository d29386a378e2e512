#include "kube/feed_private.h"

#include <stdlib.h>

#define POLL_MS 10000	      /* between lists where no watch is allowed */
#define SLOW_MS 3000	/* a request that waited so long for its answer is asked again when the server is back */

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

void feed_pause(struct feed *feed, int64_t ms)
{
	feed->phase = PHASE_PAUSED;
	loop_timer_set(net_loop(feed->net), &feed->timer, ms, resume, feed);
}

void feed_trouble(struct feed *feed, const char *why, int64_t at_least_ms)
{
	int64_t ms = backoff_next_ms(&feed->backoff);

	feed->asked_to_wait = at_least_ms > 0;
	if (at_least_ms > ms)
		ms = at_least_ms;
	feed_tell(feed, feed->told == SCOPE_LOADING ? SCOPE_LOADING : feed->doubted ? SCOPE_DOUBTED : SCOPE_BROKEN, why, ms);
	feed_pause(feed, ms);
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
	} else if (!feed->answered && feed_now(feed) - feed->opened_ms >= SLOW_MS) {
		if (feed->phase == PHASE_LISTING && feed->streaming)
			feed_stream(feed);
		else if (feed->phase == PHASE_LISTING)
			feed_list(feed);
		else if (feed->phase == PHASE_WATCHING)
			feed_watch(feed);
	}
}

/* ---- answers that are no data ---- */

void feed_status_release(struct feed_status *status)
{
	buf_release(&status->reason);
	buf_release(&status->message);
}
static const char *const status_paths[] = { "code", "reason", "message", "details.retryAfterSeconds" };

static bool on_status_field(const struct json_field *field, void *arg, struct error *err)
{
	struct feed_status *status = arg;

	(void)err;
	if (field->path == 0)
		json_field_int(field, &status->code);
	else if (field->path == 3)
		json_field_int(field, &status->retry_after_s);
	else if (field->kind == JSON_IS_STRING)
		buf_add_str(field->path == 1 ? &status->reason : &status->message, field->text);
	return true;
}

void feed_status_read(struct feed_status *status, struct str json)
{
	AUTO(json_fields) fields = json_fields_create(status_paths, ARRAY_LEN(status_paths));
	AUTO_RELEASE(error) ignored = { 0 };

	*status = (struct feed_status){ .reason = BUF_INIT(256), .message = BUF_INIT(ROW_MESSAGE_MAX) };
	json_visit(fields, json, on_status_field, status, &ignored);
}

void feed_list_afresh(struct feed *feed)
{
	free(feed->version);
	free(feed->next);
	feed->version = feed->next = NULL;
}

void feed_start_over(struct feed *feed)
{
	feed_mark(feed, ROW_LIST_BEGIN);
	known_clear(&feed->known);
}

/* Too old: list again, at once but for a storm. */
void feed_expired(struct feed *feed)
{
	feed_list_afresh(feed);
	if (++feed->relists > 5) {
		feed->relists = 5;
		feed_tell(feed, SCOPE_BROKEN, "the server forgets its history again and again (410)", PAUSE_MAX_MS);
		feed_pause(feed, PAUSE_MAX_MS);
	} else {
		feed_list(feed);
	}
}

static enum scope_state state_of_refusal(int status)
{
	return status >= 404 ? SCOPE_ABSENT : SCOPE_FORBIDDEN;
}

void feed_stay_out(struct feed *feed, enum scope_state state, const char *why, int64_t ms)
{
	feed->asked_to_wait = true;
	feed->doubted = false;
	feed_list_afresh(feed);
	known_clear(&feed->known);
	feed_tell(feed, state, why, ms);
	feed_pause(feed, ms);
}

/* Lists take the place of a watch for a while, and each of them is a proof. */
void feed_poll_soon(struct feed *feed)
{
	feed_list_afresh(feed);
	feed->doubted = false;
	feed_tell_live(feed);
	feed_pause(feed, POLL_MS);
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

int64_t feed_wait_asked_ms(int64_t asked_ms)
{
	return asked_ms <= 0 ? 0 : asked_ms < REFUSED_MS ? asked_ms : REFUSED_MS;
}

void feed_refused(struct feed *feed, const struct http_response *refusal)
{
	bool this_verb = refusal->status == 403 || refusal->status == 405, watched = feed->phase == PHASE_WATCHING;
	AUTO_RELEASE(feed_status) status = { 0 };
	AUTO_RELEASE(buf) why = BUF_INIT(ROW_MESSAGE_MAX);

	feed_status_read(&status, buf_str(&refusal->body));
	buf_addf(&why, "%sHTTP %d", refusal->status == 401 ? "login needed, " : "", refusal->status);
	if (status.message.len)
		buf_addf(&why, ": %s", buf_cstr(&status.message));
	if (refusal->status == 410) {
		feed_expired(feed);
	} else if (feed->streaming && is_no_stream(refusal->status)) {
		/* What the list was refused with is the news; this was only the way around. */
		if (refusal->status != 401 && refusal->status != 403) /* a right may come at any time */
			feed->no_stream_until_ms = feed_now(feed) + NO_STREAM_MS;
		feed_stay_out(feed, feed->list_state, feed->list_why, REFUSED_MS);
	} else if (this_verb && watched) {
		feed->no_watch_until_ms = feed_now(feed) + REFUSED_MS;
		if (!feed->listed) {
			feed_list_afresh(feed); /* which is refused too, and says so */
			feed_trouble(feed, buf_cstr(&why), 0);
		} else if (feed->told == SCOPE_LIVE) {
			feed_poll_soon(feed);
		} else {
			feed_list_afresh(feed); /* what we have may be old */
			feed_list(feed);
		}
	} else if (this_verb && !feed->streaming && feed_now(feed) >= feed->no_stream_until_ms) {
		feed->list_state = state_of_refusal(refusal->status);
		free(feed->list_why);
		feed->list_why = buf_give(&why);
		feed_stream(feed);
	} else if (is_no_right(refusal->status)) {
		/* A credential is renewed sooner than a right is given. */
		feed_stay_out(feed, state_of_refusal(refusal->status), buf_cstr(&why), refusal->status == 401 ? PAUSE_MAX_MS : REFUSED_MS);
	} else {
		/* A watch that the server does not like (old resource version in other words) is cured by a list. */
		if (refusal->status != 429 && feed->backoff.failures >= 2)
			feed_list_afresh(feed);
		feed_trouble(feed, buf_cstr(&why), feed_wait_asked_ms(refusal->retry_after_ms));
	}
}
