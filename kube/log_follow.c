#include "kube/log_follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/url.h"
#include "base/utc.h"
#include "kube/status.h"
#include "model/kinds.h"

/*
 *   PREVIOUS ──end──► cut line ──► CURRENT ──any end──► CHECK (reads the pod)
 *      ▲                              ▲                    │
 *      │                              ├── same run ────────┤ (at once, or after a pause)
 *      └── broke, and there is a new run: the rest ────────┤
 *                                     └── new run: cut ────┤
 *                                OVER ◄── pod gone, done ──┘
 */
enum step { STEP_PREVIOUS, STEP_CURRENT, STEP_CHECK, STEP_OVER };

#define OPEN_MS 20000
#define PAUSE_FIRST_MS 400
#define PAUSE_MAX_MS 30000
#define REFUSED_MS 60000
#define CHECK_AGAIN_MS 1000
#define SILENT_MS 60000
#define GOOD_MS 10000 /* a stream that lasted so long forgets earlier trouble */
#define POD_MAX (4u << 20)
#define PROBE_MAX (2 * LOG_LINE_MAX)
#define NS INT64_C(1000000000)
#define SECOND_LEN 19 /* "2026-02-03T04:05:06" */

/* What was read of the newest second, enough to find the place again in an answer that starts with that second. */
struct seen {
	int64_t second; /* 0: nothing was read yet */
	int64_t last_ns;
	uint64_t count, first_hash, last_hash;
};

enum match {
	MATCH_NONE, /* everything is new */
	MATCH_FIRST, /* the first line of a resumed stream tells which way to look */
	MATCH_COUNT, /* it begins as before: as many are known as were counted */
	MATCH_TIME   /* it begins elsewhere: known is what is older than the last one */
};

struct log_follow {
	struct net *net;
	struct http *http;
	const struct log_follow_ops *ops;
	void *arg;
	char *namespace, *pod, *uid, *container;
	int64_t since_s, tail;

	enum step step;
	struct http_stream *stream;
	struct http_stream *aside; /* the pod, or a probe of a silent stream */
	struct buf body;	   /* of aside */
	struct timer timer, silence;
	bool held, waits; /* waits: the timer of a pause runs */
	struct backoff backoff;
	int64_t opened_ms, heard_ms;

	int32_t run, last_exit_code;
	bool clean;	  /* the last stream ended by itself: all of it was read */
	bool unsure_run;  /* nothing of the stream was known, so it may be of a newer run already */
	bool exit_told;	  /* by a cut line, for run */
	bool was_open;	  /* the right to read it was there */
	bool first_run;	  /* the former run is read because a person wants it joined */
	bool checked_again; /* after a clean end, whether the container still runs */
	uint64_t delivered; /* lines of this stream */
	bool whole;	  /* from the start of the run: no since, no tail */
	int64_t from_second; /* where a log began of which nothing was read yet; 0: at its start */

	struct log_level_state level;
	struct seen seen, old; /* of this stream; of the one before, while match is not NONE */
	enum match match;
	uint64_t matched;
	bool found_any;

	struct buf partial; /* a line without its end */
	uint64_t partial_more;
	char second_text[48]; /* the last second that was parsed, its zone behind it, and what it is */
	int64_t second_ns;
};

static void open_log(struct log_follow *follow);
static void check(struct log_follow *follow);

/* ---- telling ---- */

static void tell(struct log_follow *follow, enum log_follow_state state, const char *why)
{
	follow->ops->on_state(state, why, follow->arg);
}

static void mark(struct log_follow *follow, enum log_line_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void mark(struct log_follow *follow, enum log_line_kind kind, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(LOG_LINE_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	follow->ops->on_line(&(struct log_line){ .text = buf_str(&text), .time_ns = follow->seen.last_ns, .kind = kind }, follow->arg);
}

/* "22:30:58" */
static void clock_text(int64_t ns, char out[16])
{
	struct utc_fields at = utc_split(ns / 1000);

	snprintf(out, 16, "%02d:%02d:%02d", at.hour % 24, at.minute % 60, at.second % 60);
}

/* ---- lines ---- */

static uint64_t hash_line(int64_t ns, struct str text)
{
	uint64_t h = (uint64_t)ns ^ text.len * 0x9e3779b97f4a7c15u, word = 0;
	size_t i = 0;

	for (; i + 8 <= text.len; i += 8) {
		memcpy(&word, text.p + i, 8);
		h = (h ^ word) * 0x9fb21c651e98df25u;
		h ^= h >> 29;
	}
	word = 0;
	memcpy(&word, text.p + i, text.len - i);
	h = (h ^ word) * 0x9fb21c651e98df25u;
	return h ^ h >> 32;
}

/* "2026-02-03T04:05:06.000007001Z text": moves line behind the time. Lines of one second and zone share what is parsed. */
static bool cut_time(struct log_follow *follow, struct str *line, int64_t *ret_ns)
{
	struct str rest = *line, text, zone;
	int64_t us, fraction = 0, unit = NS / 10;
	size_t i = SECOND_LEN;

	if (!str_cut(&rest, ' ', &text) || text.len <= SECOND_LEN || text.len > 40)
		return false;
	if (text.p[i] == '.')
		for (i++; i < text.len && text.p[i] >= '0' && text.p[i] <= '9'; i++, unit /= 10)
			fraction += unit * (text.p[i] - '0');
	zone = (struct str){ text.p + i, text.len - i };
	if (memcmp(text.p, follow->second_text, SECOND_LEN) != 0 || !str_is(zone, follow->second_text + SECOND_LEN)) {
		char whole[48];

		snprintf(whole, sizeof whole, "%.*s%.*s", SECOND_LEN, text.p, STR_ARG(zone));
		if (!utc_parse_rfc3339(str_of(whole), &us))
			return false;
		memcpy(follow->second_text, whole, sizeof whole);
		follow->second_ns = us * 1000;
	}
	*ret_ns = follow->second_ns + fraction;
	*line = rest;
	return true;
}

static void remember(struct seen *seen, int64_t ns, uint64_t hash)
{
	int64_t second = ns / NS;

	if (second < seen->second)
		return; /* written late: an answer that starts with the newer second does not have it */
	if (second > seen->second)
		*seen = (struct seen){ .second = second, .first_hash = hash };
	seen->count++;
	seen->last_hash = hash;
	if (ns > seen->last_ns)
		seen->last_ns = ns;
}

static void tell_gap(struct log_follow *follow, int64_t ns)
{
	char from[16], to[16];

	clock_text(follow->old.last_ns, from);
	clock_text(ns, to);
	mark(follow, LOG_GAP, "container %s: lines between %s and %s may be missing, the node no longer has them", follow->container, from, to);
}

/* Whether a line of a resumed stream was delivered before. */
static bool is_known(struct log_follow *follow, int64_t ns, uint64_t hash)
{
	const struct seen *old = &follow->old;

	if (follow->match == MATCH_NONE)
		return false;
	if (follow->match == MATCH_FIRST)
		follow->match = hash == old->first_hash ? MATCH_COUNT : MATCH_TIME;
	if (follow->match == MATCH_COUNT && follow->matched < old->count) {
		follow->found_any = true;
		if (++follow->matched == old->count)
			follow->match = MATCH_NONE;
		return true;
	}
	if (ns > old->last_ns) {
		follow->match = MATCH_NONE;
		tell_gap(follow, ns);
		return false;
	}
	if (hash == old->last_hash) {
		follow->found_any = true;
		follow->match = MATCH_NONE;
	}
	return true;
}

static void take_line(struct log_follow *follow, struct str text, uint64_t more)
{
	struct log_line line = { .time_ns = follow->seen.last_ns };
	bool has_time;

	if (text.len && text.p[text.len - 1] == '\r')
		text.len--;
	has_time = cut_time(follow, &text, &line.time_ns);
	if (text.len > LOG_LINE_MAX) {
		more += text.len - LOG_LINE_MAX;
		text.len = LOG_LINE_MAX;
	}
	if (has_time) {
		uint64_t hash = hash_line(line.time_ns, text);
		bool known = is_known(follow, line.time_ns, hash);

		remember(&follow->seen, line.time_ns, hash);
		if (known)
			return;
	}
	line.text = text;
	line.level = log_level_next(&follow->level, text);
	line.more_bytes = more > UINT32_MAX ? UINT32_MAX : (uint32_t)more;
	follow->delivered++;
	follow->ops->on_line(&line, follow->arg);
}

static void keep_partial(struct log_follow *follow, struct str bytes)
{
	size_t room = LOG_LINE_MAX + 64 - follow->partial.len, take = bytes.len < room ? bytes.len : room;

	buf_add(&follow->partial, bytes.p, take);
	follow->partial_more += bytes.len - take;
}

static void end_partial(struct log_follow *follow)
{
	take_line(follow, buf_str(&follow->partial), follow->partial_more);
	buf_reset(&follow->partial);
	follow->partial_more = 0;
}

static bool on_log_data(struct str bytes, void *arg)
{
	struct log_follow *follow = arg;
	struct str line;

	follow->heard_ms = loop_now_ms(net_loop(follow->net));
	if (follow->partial.len && str_cut(&bytes, '\n', &line)) {
		keep_partial(follow, line);
		end_partial(follow);
	}
	while (!follow->partial.len && str_cut(&bytes, '\n', &line))
		take_line(follow, line, 0);
	keep_partial(follow, bytes);
	follow->ops->on_chunk(follow->arg);
	return true;
}

/* ---- pauses ---- */

static void end_pause(void *arg)
{
	struct log_follow *follow = arg;

	follow->waits = false;
	if (follow->step == STEP_CHECK)
		check(follow);
	else
		open_log(follow);
}

static void pause_for(struct log_follow *follow, int64_t ms)
{
	follow->waits = true;
	loop_timer_set(net_loop(follow->net), &follow->timer, ms, end_pause, follow);
}

void log_follow_hurry(struct log_follow *follow)
{
	if (!follow->waits)
		return;
	loop_timer_clear(net_loop(follow->net), &follow->timer);
	end_pause(follow);
}

static void end_for_good(struct log_follow *follow, const char *why)
{
	follow->step = STEP_OVER;
	tell(follow, LOG_FOLLOW_ENDED, why);
	follow->ops->on_chunk(follow->arg);
}

/* ---- requests ---- */

static void drop(struct http_stream **stream)
{
	struct http_stream *old = *stream;

	*stream = NULL;
	http_stream_close(old);
}

static void path_begin(const struct log_follow *follow, struct buf *path)
{
	buf_adds(path, "/api/v1/namespaces");
	url_add_segment(path, str_of(follow->namespace));
	buf_adds(path, "/pods");
	url_add_segment(path, str_of(follow->pod));
}

static void add_since(struct buf *path, int64_t second)
{
	char text[UTC_TEXT_MAX];

	url_add_query(path, "sinceTime", str_of(utc_format(second * 1000000, text)));
}

static void add_number(struct buf *path, const char *name, int64_t value)
{
	AUTO_FREE char *text = xasprintf("%" PRId64, value);

	url_add_query(path, name, str_of(text));
}

static void log_path(const struct log_follow *follow, struct buf *path)
{
	path_begin(follow, path);
	buf_adds(path, "/log");
	url_add_query(path, "container", str_of(follow->container));
	url_add_query(path, "timestamps", STR("true"));
}

static struct http_stream *send(struct log_follow *follow, const struct buf *path, enum http_mode mode, const char *accept,
				const struct http_stream_ops *ops)
{
	struct http_request request = { .path = buf_cstr(path), .mode = mode, .accept = accept, .timeout_ms = OPEN_MS,
					.max_body_bytes = mode == HTTP_ALONE ? SIZE_MAX : POD_MAX };

	if (follow->ops->prepare)
		follow->ops->prepare(&request, follow->arg);
	return http_stream_open(follow->http, &request, ops, follow);
}

/* ---- a stream that is silent for long ---- */

static bool on_aside_data(struct str bytes, void *arg)
{
	struct log_follow *follow = arg;

	buf_add_str(&follow->body, bytes);
	return !follow->body.overflow;
}

static void watch_silence(struct log_follow *follow);

static void on_probe_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct log_follow *follow = arg;
	struct str text = buf_str(&follow->body), line;
	int64_t ns, newest = 0;

	(void)refusal;
	(void)err;
	while (str_cut(&text, '\n', &line))
		if (cut_time(follow, &line, &ns) && ns > newest)
			newest = ns;
	drop(&follow->aside);
	if (follow->step == STEP_CURRENT && newest > follow->seen.last_ns && follow->heard_ms + SILENT_MS <= loop_now_ms(net_loop(follow->net))) {
		drop(&follow->stream);
		follow->clean = false;
		check(follow);
		return;
	}
	watch_silence(follow);
}

static void probe(void *arg)
{
	static const struct http_stream_ops ops = { .on_data = on_aside_data, .on_end = on_probe_end };
	struct log_follow *follow = arg;
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	int64_t silent_ms = loop_now_ms(net_loop(follow->net)) - follow->heard_ms;

	if (follow->step != STEP_CURRENT || !follow->stream)
		return;
	if (follow->held || follow->aside || silent_ms < SILENT_MS) {
		watch_silence(follow);
		return;
	}
	log_path(follow, &path);
	add_number(&path, "tailLines", 1);
	add_number(&path, "limitBytes", PROBE_MAX);
	if (follow->seen.second)
		add_since(&path, follow->seen.second);
	buf_reset(&follow->body);
	follow->aside = send(follow, &path, HTTP_ANSWER, "*/*", &ops);
}

static void watch_silence(struct log_follow *follow)
{
	int64_t left = follow->heard_ms + SILENT_MS - loop_now_ms(net_loop(follow->net));

	loop_timer_set(net_loop(follow->net), &follow->silence, left > 0 ? left : SILENT_MS, probe, follow);
}

/* ---- the log itself ---- */

static void on_log_open(const struct http_response *response, void *arg)
{
	struct log_follow *follow = arg;

	if (follow->step == STEP_CURRENT && !follow->old.second && !follow->whole && !follow->from_second && (follow->tail || follow->since_s) &&
	    response->date_us)
		follow->from_second = response->date_us / 1000000 - (follow->since_s ? follow->since_s : 1);
	follow->was_open = true;
	tell(follow, LOG_FOLLOW_LIVE, "");
}

static void describe_end(const struct http_response *refusal, const struct error *err, struct buf *why)
{
	AUTO_RELEASE(kube_status) status = { 0 };

	if (!refusal) {
		buf_adds(why, err ? err->message : "the server ended the stream");
		return;
	}
	kube_status_decode(refusal, &status);
	buf_addf(why, "HTTP %d: %s", refusal->status, status.message);
}

/* What could not be matched before the stream broke is still to be matched. */
static void end_stream_state(struct log_follow *follow, bool clean)
{
	if (clean && follow->partial.len)
		end_partial(follow);
	buf_reset(&follow->partial);
	follow->partial_more = 0;
	follow->unsure_run = follow->match == MATCH_NONE && follow->old.second && !follow->found_any && follow->seen.second;
	if (follow->match != MATCH_NONE || !follow->seen.second)
		follow->seen = follow->old;
	follow->match = MATCH_NONE;
	follow->clean = clean;
	if (loop_now_ms(net_loop(follow->net)) - follow->opened_ms >= GOOD_MS)
		follow->backoff.failures = 0;
}

static void begin_run(struct log_follow *follow, int32_t run)
{
	follow->run = run;
	follow->exit_told = false;
	follow->clean = false;
	follow->step = STEP_CURRENT;
	if (follow->unsure_run)
		return; /* what was read last is of this run already */
	follow->level = (struct log_level_state){ 0 };
	follow->old.second = follow->seen.second = follow->from_second = 0;
	follow->whole = !follow->first_run;
	follow->first_run = false;
}

static void tell_restart(struct log_follow *follow, int32_t run)
{
	if (follow->exit_told)
		mark(follow, LOG_CUT, "container %s started again, restart %d", follow->container, run);
	else
		mark(follow, LOG_CUT, "container %s exited, code %d, restart %d", follow->container, follow->last_exit_code, run);
	if (run > follow->run + 1)
		mark(follow, LOG_GAP, "container %s: %d runs between were not read", follow->container, run - follow->run - 1);
}

static void on_previous_end(struct log_follow *follow, const struct http_response *refusal, const struct error *err)
{
	if (err) {
		tell(follow, LOG_FOLLOW_WAITING, err->message);
		pause_for(follow, backoff_next_ms(&follow->backoff));
		return;
	}
	if (!refusal || follow->seen.second) {
		int32_t run = follow->run + 1;

		tell_restart(follow, run);
		begin_run(follow, run);
	} else { /* there is no former run */
		begin_run(follow, follow->run + 1);
	}
	open_log(follow);
}

static void on_log_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct log_follow *follow = arg;
	AUTO_RELEASE(buf) why = BUF_INIT(512);

	drop(&follow->stream);
	loop_timer_clear(net_loop(follow->net), &follow->silence);
	end_stream_state(follow, !refusal && !err);
	follow->ops->on_chunk(follow->arg);
	describe_end(refusal, err, &why);
	if (follow->step == STEP_PREVIOUS) {
		on_previous_end(follow, refusal, err);
	} else if (refusal && (refusal->status == 401 || refusal->status == 403) && !follow->was_open) {
		tell(follow, LOG_FOLLOW_REFUSED, buf_cstr(&why));
		pause_for(follow, REFUSED_MS);
	} else {
		tell(follow, LOG_FOLLOW_WAITING, buf_cstr(&why));
		follow->step = STEP_CHECK;
		/* A stream that ended well is followed up at once: the container ended, or a time limit came. */
		if (follow->clean && follow->delivered)
			check(follow);
		else
			pause_for(follow, backoff_next_ms(&follow->backoff));
	}
}

static void open_log(struct log_follow *follow)
{
	static const struct http_stream_ops ops = { .on_open = on_log_open, .on_data = on_log_data, .on_end = on_log_end };
	AUTO_RELEASE(buf) path = BUF_INIT(0);

	log_path(follow, &path);
	if (follow->step == STEP_PREVIOUS)
		url_add_query(&path, "previous", STR("true"));
	else
		url_add_query(&path, "follow", STR("true"));
	if (follow->seen.second) {
		add_since(&path, follow->seen.second);
	} else if (follow->from_second) {
		add_since(&path, follow->from_second);
	} else if (!follow->whole) {
		if (follow->since_s)
			add_number(&path, "sinceSeconds", follow->since_s);
		if (follow->tail)
			add_number(&path, "tailLines", follow->tail);
	}
	follow->old = follow->seen;
	follow->match = follow->old.second ? MATCH_FIRST : MATCH_NONE;
	follow->seen = (struct seen){ .last_ns = follow->old.last_ns };
	follow->matched = follow->delivered = 0;
	follow->checked_again = false;
	follow->found_any = false;
	follow->opened_ms = follow->heard_ms = loop_now_ms(net_loop(follow->net));
	follow->stream = send(follow, &path, HTTP_ALONE, "*/*", &ops);
	if (follow->held)
		http_stream_pause(follow->stream, true);
	if (follow->step == STEP_CURRENT)
		watch_silence(follow);
}

/* ---- what became of the container ---- */

static void resume_current(struct log_follow *follow)
{
	/* A log ends a moment before the pod says that its container did: asking once more keeps the runs apart. */
	if (follow->clean && !follow->checked_again) {
		follow->checked_again = true;
		pause_for(follow, CHECK_AGAIN_MS);
		return;
	}
	follow->step = STEP_CURRENT;
	open_log(follow);
}

static void on_new_run(struct log_follow *follow, const struct row_container *c)
{
	follow->last_exit_code = c->state == ROW_RUNNING ? c->last_exit_code : c->exit_code;
	/* The server has two runs: this one, and the one before while this one runs. */
	if (!follow->clean && !follow->unsure_run && c->restarts == follow->run + 1 && c->state == ROW_RUNNING && follow->seen.second) {
		follow->step = STEP_PREVIOUS;
		open_log(follow);
		return;
	}
	tell_restart(follow, c->restarts);
	begin_run(follow, c->restarts);
	open_log(follow);
}

/* It has run for the last time. */
static bool is_done(const struct row_pod *pod, const struct row_container *c)
{
	bool well = c->exit_code == 0, never = !strcmp(pod->restart_policy, "Never"), on_failure = !strcmp(pod->restart_policy, "OnFailure");

	if (!strcmp(pod->phase, "Succeeded") || !strcmp(pod->phase, "Failed"))
		return true;
	if (c->state != ROW_TERMINATED || c->role == ROW_SIDECAR)
		return false;
	return c->role == ROW_EPHEMERAL || never || (well && (on_failure || c->role == ROW_INIT));
}

static void on_stopped(struct log_follow *follow, const struct row_pod *pod, const struct row_container *c)
{
	AUTO_FREE char *why = NULL;

	if (!follow->clean) {
		resume_current(follow);
		return;
	}
	follow->last_exit_code = c->state == ROW_TERMINATED ? c->exit_code : c->last_exit_code;
	if (!follow->exit_told)
		mark(follow, LOG_CUT, "container %s exited, code %d", follow->container, follow->last_exit_code);
	follow->exit_told = true;
	follow->ops->on_chunk(follow->arg);
	if (is_done(pod, c)) {
		end_for_good(follow, "it has ended");
		return;
	}
	why = xasprintf("%s exited, code %d", follow->container, follow->last_exit_code);
	tell(follow, LOG_FOLLOW_WAITING, why);
	pause_for(follow, backoff_next_ms(&follow->backoff));
}

static void on_pod(struct log_follow *follow, const struct row *row)
{
	const struct row_container *c;
	size_t n = 0;

	while ((c = row_pod_container(row->pod, n)) && strcmp(c->name, follow->container) != 0)
		n++;
	if (strcmp(row->uid, follow->uid) != 0 || !c) {
		mark(follow, LOG_CUT, "pod %s is gone", follow->pod);
		end_for_good(follow, "the pod is gone");
	} else if (c->restarts > follow->run) {
		on_new_run(follow, c);
	} else if (c->state == ROW_RUNNING) {
		resume_current(follow);
	} else {
		on_stopped(follow, row->pod, c);
	}
}

static void on_pod_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct log_follow *follow = arg;
	AUTO_RELEASE(error) decode_err = { 0 };
	AUTO_RELEASE(buf) why = BUF_INIT(512);
	AUTO(row_decoder) decoder = NULL;
	AUTO(row) row = NULL;

	drop(&follow->aside);
	if (refusal && refusal->status == 404) {
		mark(follow, LOG_CUT, "pod %s is gone", follow->pod);
		end_for_good(follow, "the pod is gone");
		return;
	}
	if (refusal && refusal->status == 403) { /* logs may be read, pods not: then the log is all we have */
		resume_current(follow);
		return;
	}
	if (!refusal && !err) {
		decoder = row_decoder_create();
		if (row_decode(decoder, &kind_pod, buf_str(&follow->body), &row, &decode_err)) {
			on_pod(follow, row);
			return;
		}
		err = &decode_err;
	}
	describe_end(refusal, err, &why);
	tell(follow, LOG_FOLLOW_WAITING, buf_cstr(&why));
	pause_for(follow, backoff_next_ms(&follow->backoff));
}

static void check(struct log_follow *follow)
{
	static const struct http_stream_ops ops = { .on_data = on_aside_data, .on_end = on_pod_end };
	AUTO_RELEASE(buf) path = BUF_INIT(0);

	follow->step = STEP_CHECK;
	drop(&follow->aside);
	buf_reset(&follow->body);
	path_begin(follow, &path);
	follow->aside = send(follow, &path, HTTP_ANSWER, NULL, &ops);
}

/* ---- life ---- */

void log_follow_hold(struct log_follow *follow, bool held)
{
	if (follow->held == held)
		return;
	follow->held = held;
	follow->heard_ms = loop_now_ms(net_loop(follow->net));
	if (follow->stream)
		http_stream_pause(follow->stream, held);
}

struct log_follow *log_follow_create(struct net *net, struct http *http, const struct log_follow_options *options,
				     const struct log_follow_ops *ops, void *arg)
{
	struct log_follow *follow = xcalloc(1, sizeof *follow);

	follow->net = net;
	follow->http = http;
	follow->ops = ops;
	follow->arg = arg;
	follow->namespace = xstrdup(options->namespace);
	follow->pod = xstrdup(options->pod);
	follow->uid = xstrdup(options->uid);
	follow->container = xstrdup(options->container);
	follow->since_s = options->since_s;
	follow->tail = options->tail;
	follow->run = options->run;
	follow->last_exit_code = options->last_exit_code;
	follow->backoff = (struct backoff){ PAUSE_FIRST_MS, PAUSE_MAX_MS, .seed = hash_line(0, str_of(options->uid)) };
	follow->body = (struct buf)BUF_INIT(POD_MAX);
	follow->step = STEP_CURRENT;
	/* While it waits for its next start, the log at hand is the former run's already. */
	if (options->previous && options->run > 0 && options->state != ROW_WAITING) {
		follow->step = STEP_PREVIOUS;
		follow->first_run = true;
		follow->run--;
	}
	open_log(follow);
	return follow;
}

void log_follow_destroy(struct log_follow *follow)
{
	if (!follow)
		return;
	loop_timer_clear(net_loop(follow->net), &follow->timer);
	loop_timer_clear(net_loop(follow->net), &follow->silence);
	drop(&follow->stream);
	drop(&follow->aside);
	buf_release(&follow->body);
	buf_release(&follow->partial);
	free(follow->namespace);
	free(follow->pod);
	free(follow->uid);
	free(follow->container);
	free(follow);
}
