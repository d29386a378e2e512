#include "kube/log_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/net_half.h"
#include "kube/log_merge.h"

#define START_MS 100
#define START_BURST 10
#define REMOVE_MS 1000

struct far;

struct stream {
	struct far *far;
	struct stream *next;
	uint16_t source;
	struct log_follow_options options; /* texts owned */
	struct log_follow *follow;	   /* NULL: not begun, or ended */
	struct log_input *input;
	enum log_follow_state state;
	bool held, ended;
};

/* Lives on the net thread. Both threads touch queue, waiting_bytes and blocked. */
struct far {
	struct net_half half;
	struct watcher_options options;
	struct log_merge *merge;
	struct stream *streams; /* in order of adding */
	size_t nrunning;
	unsigned burst; /* streams that may begin at once */
	struct timer merge_timer, start_timer;
	struct log_block *block;
	_Atomic size_t waiting_bytes;
	_Atomic bool blocked; /* the owner is to call when there is room */
};

struct log_reader {
	struct far *far;
	struct net *net;
	struct queue *queue;
};

void log_news_release(struct log_news *news)
{
	log_block_unref(news->block);
	free(news->why);
	*news = (struct log_news){ 0 };
}

static void news_free(void *item)
{
	log_news_release(item);
	free(item);
}

static int64_t now_ms(const struct far *far)
{
	return loop_now_ms(net_loop(far->half.net));
}

/* ---- net thread: lines ---- */

static void post_block(struct far *far)
{
	struct log_news *news;

	if (!far->block || !far->block->nlines)
		return;
	news = xcalloc(1, sizeof *news);
	news->block = log_block_trim(far->block);
	far->block = NULL;
	atomic_fetch_add(&far->waiting_bytes, news->block->len);
	queue_push(far->half.queue, news);
}

static void hold_what_is_full(struct far *far)
{
	for (struct stream *s = far->streams; s; s = s->next) {
		size_t bytes = log_input_bytes(s->input);

		if (!s->follow || (s->held ? bytes > LOG_MERGE_LOW_BYTES : bytes < LOG_MERGE_FULL_BYTES))
			continue;
		s->held = !s->held;
		log_follow_hold(s->follow, s->held);
		if (!s->held)
			log_input_touch(s->input, now_ms(far));
	}
}

/* False: the owner has enough for now. */
static bool has_room(struct far *far)
{
	if (atomic_load(&far->waiting_bytes) < LOG_READER_WAITING_MAX)
		return true;
	atomic_store(&far->blocked, true);
	/* What was taken between the two lines above called nobody. */
	return atomic_load(&far->waiting_bytes) < LOG_READER_WAITING_MAX;
}

static void pump(void *arg)
{
	struct far *far = arg;
	bool more = true;
	int64_t due_ms;

	if (far->half.ended)
		return;
	while (more && has_room(far)) {
		if (!far->block)
			far->block = log_block_create(LOG_BLOCK_BYTES);
		more = log_merge_take(far->merge, far->block, now_ms(far));
		post_block(far);
		hold_what_is_full(far);
	}
	hold_what_is_full(far);
	due_ms = log_merge_due_ms(far->merge);
	if (due_ms != INT64_MAX && !more)
		loop_timer_set(net_loop(far->half.net), &far->merge_timer, due_ms - now_ms(far), pump, far);
}

static void on_line(const struct log_line *line, void *arg)
{
	struct stream *s = arg;

	log_input_put(s->input, line, now_ms(s->far));
}

static void on_chunk(void *arg)
{
	pump(((struct stream *)arg)->far);
}

/* ---- net thread: streams ---- */

static void start_more(void *arg);

static void tell(struct stream *s, enum log_follow_state state, const char *why)
{
	struct log_news *news = xcalloc(1, sizeof *news);

	*news = (struct log_news){ .source = s->source, .state = state, .why = xstrdup(why) };
	queue_push(s->far->half.queue, news);
}

static void on_state(enum log_follow_state state, const char *why, void *arg)
{
	struct stream *s = arg;
	struct far *far = s->far;

	if (state == LOG_FOLLOW_WAITING && s->state == LOG_FOLLOW_LIVE)
		log_input_lose(s->input, now_ms(far));
	else if (state != s->state)
		log_input_set_open(s->input, state == LOG_FOLLOW_LIVE, now_ms(far));
	s->state = state;
	tell(s, state, why);
	if (state == LOG_FOLLOW_ENDED && !s->ended) {
		s->ended = true;
		far->nrunning--;
		loop_timer_set(net_loop(far->half.net), &far->start_timer, 0, start_more, far);
	}
}

static void prepare(struct http_request *request, void *arg)
{
	const struct far *far = ((struct stream *)arg)->far;

	if (far->options.prepare)
		far->options.prepare(request, far->options.prepare_arg);
}

static const struct log_follow_ops follow_ops = { .on_line = on_line, .on_chunk = on_chunk, .on_state = on_state, .prepare = prepare };

static void start(struct far *far, struct stream *s)
{
	log_input_ask(s->input, now_ms(far));
	s->follow = log_follow_create(far->half.net, far->options.http, &s->options, &follow_ops, s);
	far->nrunning++;
}

static void stream_free(struct stream *s)
{
	log_follow_destroy(s->follow);
	free((char *)s->options.namespace);
	free((char *)s->options.pod);
	free((char *)s->options.uid);
	free((char *)s->options.container);
	free(s);
}

/* What has ended goes once its last lines have gone. True: some is left. */
static bool remove_ended(struct far *far)
{
	bool left = false;

	for (struct stream **at = &far->streams, *s; (s = *at);) {
		if (s->ended && s->follow)
			log_follow_destroy(GIVE(s->follow));
		if (s->ended && !log_input_bytes(s->input)) {
			*at = s->next;
			log_merge_remove(far->merge, s->input);
			stream_free(s);
			continue;
		}
		left = left || s->ended;
		at = &s->next;
	}
	return left;
}

static void start_more(void *arg)
{
	struct far *far = arg;

	if (far->burst < START_BURST)
		far->burst++;
	if (remove_ended(far))
		loop_timer_set(net_loop(far->half.net), &far->start_timer, REMOVE_MS, start_more, far);
	for (struct stream *s = far->streams; s; s = s->next) {
		if (s->follow || s->ended || far->nrunning >= LOG_READER_STREAMS)
			continue;
		if (!far->burst) {
			loop_timer_set(net_loop(far->half.net), &far->start_timer, START_MS, start_more, far);
			return;
		}
		far->burst--;
		start(far, s);
	}
}

/* ---- commands ---- */

struct command {
	struct far *far;
	uint16_t source;
	struct stream *stream;
};

static void far_add(void *arg)
{
	struct command *c = arg;
	struct far *far = c->far;
	struct stream **end = &far->streams;

	if (far->half.ended) {
		stream_free(c->stream);
	} else {
		while (*end)
			end = &(*end)->next;
		*end = c->stream;
		c->stream->input = log_merge_add(far->merge, c->stream->source);
		if (!timer_is_set(&far->start_timer))
			loop_timer_set(net_loop(far->half.net), &far->start_timer, 0, start_more, far);
	}
	free(c);
}

static void far_hurry(void *arg)
{
	struct command *c = arg;

	for (struct stream *s = c->far->streams; s && !c->far->half.ended; s = s->next)
		if (s->source == c->source && s->follow && !s->ended)
			log_follow_hurry(s->follow);
	free(c);
}

static void far_end(struct net_half *half)
{
	struct far *far = (struct far *)half; /* first in it */
	struct stream *next;

	loop_timer_clear(net_loop(far->half.net), &far->merge_timer);
	loop_timer_clear(net_loop(far->half.net), &far->start_timer);
	for (struct stream *s = far->streams; s; s = next) {
		next = s->next;
		stream_free(s);
	}
	far->streams = NULL;
	log_merge_destroy(far->merge);
	log_block_unref(far->block);
}

static const struct net_half_ops half_ops = { .end = far_end };

/* ---- owner's thread ---- */

static struct command *command(struct log_reader *reader, uint16_t source)
{
	struct command *c = xcalloc(1, sizeof *c);

	c->far = reader->far;
	c->source = source;
	return c;
}

void log_reader_add(struct log_reader *reader, uint16_t source, const struct log_follow_options *options)
{
	struct command *c = command(reader, source);
	struct stream *s = xcalloc(1, sizeof *s);

	s->far = reader->far;
	s->source = source;
	s->options = *options;
	s->options.namespace = xstrdup(options->namespace);
	s->options.pod = xstrdup(options->pod);
	s->options.uid = xstrdup(options->uid);
	s->options.container = xstrdup(options->container);
	c->stream = s;
	net_post(reader->net, far_add, c);
}

void log_reader_hurry(struct log_reader *reader, uint16_t source)
{
	net_post(reader->net, far_hurry, command(reader, source));
}

bool log_reader_next(struct log_reader *reader, struct log_news *ret)
{
	struct log_news *news = queue_pop(reader->queue);
	struct far *far = reader->far;

	log_news_release(ret);
	if (!news)
		return false;
	*ret = *news;
	free(news);
	if (ret->block && atomic_fetch_sub(&far->waiting_bytes, ret->block->len) - ret->block->len < LOG_READER_WAITING_MAX / 2 &&
	    atomic_exchange(&far->blocked, false))
		net_post(reader->net, pump, far);
	return true;
}

int log_reader_fd(const struct log_reader *reader)
{
	return queue_fd(reader->queue);
}

bool log_reader_has_more(const struct log_reader *reader)
{
	return queue_length(reader->queue) > 0;
}

size_t log_reader_waiting_bytes(const struct log_reader *reader)
{
	return atomic_load(&reader->far->waiting_bytes);
}

struct log_reader *log_reader_create(const struct watcher_options *options)
{
	struct log_reader *reader = xcalloc(1, sizeof *reader);
	struct far *far = xcalloc(1, sizeof *far);

	far->options = *options;
	far->merge = log_merge_create();
	far->burst = START_BURST;
	reader->far = far;
	reader->net = options->net;
	net_half_start(&far->half, &half_ops, options->net, news_free);
	reader->queue = far->half.queue;
	return reader;
}

void log_reader_destroy(struct log_reader *reader)
{
	if (!reader)
		return;
	net_half_destroy(&reader->far->half);
	free(reader);
}
