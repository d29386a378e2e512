#include "live/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/net_half.h"
#include "base/url.h"
#include "model/quantity.h"

/*
 * A round: pods of the whole cluster, or of one namespace after the other; then nodes. Its samples go to the owner's thread as
 * one message. Each pod has a ring with a place for every round of the last METRICS_SAMPLES, so that rings add up.
 */

#define FIRST_MS 1000 /* the lists of the first screen come first */
#define ROUND_MS 15000
#define LARGE_ROUND_MS 30000
#define LARGE_PODS 2000
#define ABSENT_MS 600000
#define FORBIDDEN_MS 60000
#define REQUEST_MS 15000
#define OBJECT_MAX (1u << 20)
#define ROOT "/apis/metrics.k8s.io/v1beta1"
#define GONE_ROUNDS 3 /* not in so many answers: the pod is no more */
#define UNKNOWN UINT16_MAX
#define MANTISSA_BITS 11
#define MANTISSA_MAX ((1u << MANTISSA_BITS) - 1)

struct sample {
	char *key; /* "namespace/pod", or the node's name */
	uint32_t cpu_m, memory_kib;
	bool of_node;
};

struct message {
	enum metrics_state state;
	char *why;
	struct sample *samples; /* of a LIVE round */
	size_t nsamples, cap;
};

/* On the net thread; dies there. */
struct far {
	struct net_half half;
	struct http *http;
	void (*prepare)(struct http_request *request, void *arg);
	void *prepare_arg;
	struct timer timer;
	struct http_stream *stream;
	struct json_reader *reader;
	struct json_fields *fields;
	char **namespaces;
	size_t nnamespaces, namespaces_cap;
	bool narrow;
	enum metrics_state last; /* how the last round ended */
	/* The round at hand. */
	size_t at; /* namespace */
	bool nodes;
	unsigned answered;
	struct message *round;
};

struct ring { /* of packed values: ten thousand pods have one each */
	uint16_t cpu_m[METRICS_SAMPLES], memory_kib[METRICS_SAMPLES];
	uint64_t newest; /* round */
};

struct metrics {
	struct far *far;
	struct net *net;
	struct clock *clock;
	struct queue *queue;
	struct map pods, nodes; /* of struct ring */
	uint64_t rounds;
	int64_t taken_ms;
	enum metrics_state state;
	char *why;
};

static void message_free(void *p)
{
	struct message *m = p;

	if (!m)
		return;
	for (size_t i = 0; i < m->nsamples; i++)
		free(m->samples[i].key);
	free(m->samples);
	free(m->why);
	free(m);
}

/* ---- net thread: reading ---- */

enum { PATH_NAMESPACE, PATH_NAME, PATH_CPU, PATH_MEMORY, PATH_NODE_CPU, PATH_NODE_MEMORY };
static const char *const paths[] = { "metadata.namespace", "metadata.name", "containers[].usage.cpu", "containers[].usage.memory",
				     "usage.cpu", "usage.memory" };

struct item {
	struct buf namespace, name;
	uint64_t cpu_m, memory_b;
	bool measured; /* it has a container that runs */
};

static bool on_field(const struct json_field *field, void *arg, struct error *err)
{
	struct item *item = arg;
	struct quantity quantity;

	(void)err;
	if (field->path == PATH_NAMESPACE || field->path == PATH_NAME)
		buf_add_str(field->path == PATH_NAME ? &item->name : &item->namespace, field->text);
	else if (!quantity_parse(field->text, &quantity) || quantity.nano < 0)
		return true;
	else if (field->path == PATH_CPU || field->path == PATH_NODE_CPU)
		item->cpu_m += (uint64_t)quantity_milli(quantity);
	else
		item->memory_b += (uint64_t)quantity_whole(quantity);
	item->measured = item->measured || field->path >= PATH_CPU;
	return true;
}

static uint32_t saturated(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static void read_item(struct far *far, struct str text)
{
	struct item item = { .namespace = BUF_INIT(256), .name = BUF_INIT(256) };
	AUTO_RELEASE(error) ignored = { 0 };

	if (json_visit(far->fields, text, on_field, &item, &ignored) && item.name.len && item.measured)
		LIST_PUSH(far->round->samples, far->round->nsamples, far->round->cap) = (struct sample){
			.key = far->nodes ? xstrdup(item.name.p) : xasprintf("%s/%s", buf_cstr(&item.namespace), item.name.p),
			.cpu_m = saturated(item.cpu_m),
			.memory_kib = saturated(item.memory_b / 1024),
			.of_node = far->nodes,
		};
	buf_release(&item.namespace);
	buf_release(&item.name);
}

static bool on_data(struct str bytes, void *arg)
{
	struct far *far = arg;
	AUTO_RELEASE(error) err = { 0 };
	struct str object;

	json_reader_feed(far->reader, bytes);
	while (json_reader_next(far->reader, &object, &err)) {
		if (!object.p)
			return true;
		read_item(far, object);
	}
	return false;
}

/* ---- net thread: rounds ---- */

static void ask(struct far *far);

static void round_begin(void *arg)
{
	struct far *far = arg;

	message_free(far->round);
	far->round = xcalloc(1, sizeof *far->round);
	far->at = 0;
	far->nodes = false;
	far->answered = 0;
	ask(far);
}

static void round_end(struct far *far, enum metrics_state state, const char *why)
{
	size_t samples = far->round->nsamples;
	int64_t pause_ms = state == METRICS_ABSENT ? ABSENT_MS : state == METRICS_FORBIDDEN ? FORBIDDEN_MS :
			   samples > LARGE_PODS || state == METRICS_BROKEN ? LARGE_ROUND_MS : ROUND_MS;

	far->last = far->round->state = state;
	if (state == METRICS_FORBIDDEN)
		far->narrow = false; /* rights may have grown when we ask again */
	far->round->why = xstrdup(why);
	queue_push(far->half.queue, far->round);
	far->round = NULL;
	loop_timer_set(net_loop(far->half.net), &far->timer, pause_ms, round_begin, far);
}

/* The next request of this round, or its end. */
static void step(struct far *far)
{
	if (far->narrow && ++far->at < far->nnamespaces)
		ask(far);
	else if (!far->answered)
		round_end(far, METRICS_FORBIDDEN, "no right to list pods of metrics.k8s.io");
	else if (far->nodes)
		round_end(far, METRICS_LIVE, "");
	else {
		far->nodes = true;
		ask(far);
	}
}

static void refused(struct far *far, int status)
{
	AUTO_FREE char *why = xasprintf("HTTP %d", status);

	if (status == 404) {
		round_end(far, METRICS_ABSENT, "the server has no metrics.k8s.io");
	} else if (status == 401 || status == 403) {
		if (far->narrow) {
			step(far);
			return;
		}
		far->narrow = true;
		if (far->nnamespaces)
			ask(far);
		else
			round_end(far, METRICS_FORBIDDEN, "no right to list pods of metrics.k8s.io");
	} else {
		round_end(far, METRICS_BROKEN, why);
	}
}

static void on_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	struct far *far = arg;
	struct http_stream *stream = far->stream;

	far->stream = NULL;
	http_stream_close(stream);
	if (far->nodes) { /* nice to have */
		round_end(far, METRICS_LIVE, "");
	} else if (refusal) {
		refused(far, refusal->status);
	} else if (err) {
		round_end(far, METRICS_BROKEN, err->message);
	} else {
		far->answered++;
		step(far);
	}
}

static const struct http_stream_ops ops = { .on_data = on_data, .on_end = on_end };

static void ask(struct far *far)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	struct http_request request = { .timeout_ms = REQUEST_MS };

	buf_adds(&path, ROOT);
	if (far->narrow && !far->nodes) {
		buf_adds(&path, "/namespaces");
		url_add_segment(&path, str_of(far->namespaces[far->at]));
	}
	buf_adds(&path, far->nodes ? "/nodes" : "/pods");
	request.path = buf_cstr(&path);
	json_reader_reset(far->reader, JSON_LIST);
	if (far->prepare)
		far->prepare(&request, far->prepare_arg);
	far->stream = http_stream_open(far->http, &request, &ops, far);
}

/* ---- net thread: life ---- */

static void far_end(struct net_half *half)
{
	struct far *far = (struct far *)half; /* first in it */

	loop_timer_clear(net_loop(far->half.net), &far->timer);
	http_stream_close(far->stream);
	far->stream = NULL;
}

static void far_begin(struct net_half *half)
{
	struct far *far = (struct far *)half;

	loop_timer_set(net_loop(far->half.net), &far->timer, FIRST_MS, round_begin, far);
}

static void far_release(struct net_half *half)
{
	struct far *far = (struct far *)half;

	message_free(far->round);
	json_reader_destroy(far->reader);
	json_fields_destroy(far->fields);
	for (size_t i = 0; i < far->nnamespaces; i++)
		free(far->namespaces[i]);
	free(far->namespaces);
}

static const struct net_half_ops half_ops = { .begin = far_begin, .end = far_end, .release = far_release };

struct command {
	struct far *far;
	char *namespace;
};

static void far_add_namespace(void *arg)
{
	struct command *c = arg;
	struct far *far = c->far;

	LIST_PUSH(far->namespaces, far->nnamespaces, far->namespaces_cap) = GIVE(c->namespace);
	/* Refused for want of a place to ask: not any more. */
	if (!far->half.ended && far->last == METRICS_FORBIDDEN && !far->stream)
		loop_timer_set(net_loop(far->half.net), &far->timer, FIRST_MS, round_begin, far);
	free(c);
}

/* ---- owner's thread ---- */

struct metrics *metrics_create(const struct metrics_options *options)
{
	struct metrics *metrics = xcalloc(1, sizeof *metrics);
	struct far *far = xcalloc(1, sizeof *far);

	metrics->net = options->net;
	far->http = options->http;
	far->prepare = options->prepare;
	far->prepare_arg = options->prepare_arg;
	far->reader = json_reader_create(JSON_LIST, OBJECT_MAX);
	far->fields = json_fields_create(paths, ARRAY_LEN(paths));
	metrics->clock = options->clock;
	metrics->pods = metrics->nodes = (struct map)MAP_INIT(free);
	metrics->far = far;
	metrics->why = xstrdup("");
	net_half_start(&far->half, &half_ops, options->net, message_free);
	metrics->queue = far->half.queue;
	return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
	if (!metrics)
		return;
	net_half_destroy(&metrics->far->half);
	map_release(&metrics->pods);
	map_release(&metrics->nodes);
	free(metrics->why);
	free(metrics);
}

void metrics_add_namespace(struct metrics *metrics, const char *namespace)
{
	struct command *c = xcalloc(1, sizeof *c);

	c->far = metrics->far;
	c->namespace = xstrdup(namespace);
	net_post(metrics->net, far_add_namespace, c);
}

int metrics_fd(const struct metrics *metrics)
{
	return queue_fd(metrics->queue);
}

/* ---- rings ---- */

/* Eleven bits and an exponent: exact to 2,047 and for whole MiB below 2 GiB, else within a thousandth. */
static uint16_t pack(uint32_t value)
{
	unsigned exponent = 0;

	for (; value > MANTISSA_MAX; exponent++)
		value = value / 2 + (value & 1);
	return (uint16_t)(exponent << MANTISSA_BITS | value);
}

static int64_t unpack(uint16_t packed)
{
	return (int64_t)(packed & MANTISSA_MAX) << (packed >> MANTISSA_BITS);
}

/* Rounds that the ring slept through are not measured. */
static void ring_put(struct ring *ring, uint64_t round, const struct sample *sample)
{
	uint64_t from = round - ring->newest > METRICS_SAMPLES ? round - METRICS_SAMPLES : ring->newest;

	for (uint64_t r = from + 1; r < round; r++)
		ring->cpu_m[r % METRICS_SAMPLES] = ring->memory_kib[r % METRICS_SAMPLES] = UNKNOWN;
	ring->cpu_m[round % METRICS_SAMPLES] = pack(sample->cpu_m);
	ring->memory_kib[round % METRICS_SAMPLES] = pack(sample->memory_kib);
	ring->newest = round;
}

static void keep_sample(struct metrics *metrics, const struct sample *sample)
{
	struct map *map = sample->of_node ? &metrics->nodes : &metrics->pods;
	struct ring *ring = map_get(map, str_of(sample->key));

	if (!ring) {
		ring = xmalloc(sizeof *ring);
		memset(ring, 0xff, sizeof *ring); /* all unknown */
		ring->newest = metrics->rounds - 1;
		map_set(map, str_of(sample->key), ring);
	}
	ring_put(ring, metrics->rounds, sample);
}

static void drop_old(struct metrics *metrics, struct map *map)
{
	for (size_t i = map->len; i-- > 0;) {
		const struct ring *ring = map->entries[i].value;

		if (metrics->rounds - ring->newest >= GONE_ROUNDS)
			map_remove(map, (struct str){ map->entries[i].key, map->entries[i].key_len });
	}
}

bool metrics_take(struct metrics *metrics)
{
	struct message *m;
	bool any = false;

	while ((m = queue_pop(metrics->queue))) {
		metrics->state = m->state;
		free(metrics->why);
		metrics->why = GIVE(m->why);
		if (m->state == METRICS_LIVE) {
			metrics->rounds++;
			metrics->taken_ms = clock_now_ms(metrics->clock);
			for (size_t i = 0; i < m->nsamples; i++)
				keep_sample(metrics, &m->samples[i]);
			drop_old(metrics, &metrics->pods);
			drop_old(metrics, &metrics->nodes);
		}
		message_free(m);
		any = true;
	}
	return any;
}

void metrics_status(const struct metrics *metrics, struct metrics_status *ret)
{
	*ret = (struct metrics_status){ .state = metrics->state, .why = metrics->why, .age_ms = -1, .rounds = metrics->rounds };
	if (metrics->rounds)
		ret->age_ms = clock_now_ms(metrics->clock) - metrics->taken_ms;
}

/* ---- sums ---- */

static const struct ring *ring_of_pod(const struct metrics *metrics, const struct row *pod)
{
	AUTO_FREE char *key = xasprintf("%s/%s", pod->namespace, pod->name);

	return map_get(&metrics->pods, str_of(key));
}

/* Measured in the last round; NULL when not. */
static const struct ring *fresh(const struct metrics *metrics, const struct ring *ring)
{
	return ring && ring->newest == metrics->rounds ? ring : NULL;
}

static void add_now(const struct ring *ring, struct usage *ret)
{
	ret->measured++;
	ret->cpu_m += unpack(ring->cpu_m[ring->newest % METRICS_SAMPLES]);
	ret->memory_b += unpack(ring->memory_kib[ring->newest % METRICS_SAMPLES]) * 1024;
}

static bool pod_uses(const struct row *row)
{
	return !strcmp(row->pod->phase, "Running") || !strcmp(row->pod->phase, "Pending");
}

static void add_pod(const struct metrics *metrics, const struct row *row, struct usage *ret)
{
	const struct ring *ring = fresh(metrics, ring_of_pod(metrics, row));
	const struct row_pod *pod = row->pod;

	if (!pod_uses(row))
		return;
	ret->pods++;
	ret->cpu_request_m += pod->cpu_request_m;
	ret->memory_request_b += pod->memory_request_b;
	ret->cpu_limit_m += pod->cpu_limit_m;
	ret->memory_limit_b += pod->memory_limit_b;
	ret->cpu_limited += pod->cpu_limit_m > 0;
	ret->memory_limited += pod->memory_limit_b > 0;
	if (ring)
		add_now(ring, ret);
}

void metrics_add_usage(const struct metrics *metrics, const struct entry *entry, struct usage *ret)
{
	if (entry->row && entry->row->kind->shape == SHAPE_POD)
		add_pod(metrics, entry->row, ret);
	for (const struct entry *e = entry->children; e; e = e->next_child)
		metrics_add_usage(metrics, e, ret);
}

bool metrics_node_usage(const struct metrics *metrics, const char *node, struct usage *ret)
{
	const struct ring *ring = fresh(metrics, map_get(&metrics->nodes, str_of(node)));

	*ret = (struct usage){ 0 };
	if (ring)
		add_now(ring, ret);
	return ring != NULL;
}

void strip_init(struct strip *strip)
{
	for (size_t i = 0; i < METRICS_SAMPLES; i++)
		strip->values[i] = -1;
}

static void add_ring(const struct metrics *metrics, const struct ring *ring, enum metrics_what what, struct strip *strip)
{
	const uint16_t *values = what == METRICS_CPU ? ring->cpu_m : ring->memory_kib;
	int64_t unit = what == METRICS_CPU ? 1 : 1024;

	for (uint64_t back = metrics->rounds - ring->newest; back < METRICS_SAMPLES && back < metrics->rounds; back++) {
		uint16_t value = values[(metrics->rounds - back) % METRICS_SAMPLES];
		int64_t *to = &strip->values[METRICS_SAMPLES - 1 - back];

		if (value != UNKNOWN)
			*to = (*to < 0 ? 0 : *to) + unpack(value) * unit;
	}
}

void metrics_add_strip(const struct metrics *metrics, const struct entry *entry, enum metrics_what what, struct strip *strip)
{
	const struct ring *ring = entry->row && entry->row->kind->shape == SHAPE_POD ? ring_of_pod(metrics, entry->row) : NULL;

	if (ring)
		add_ring(metrics, ring, what, strip);
	for (const struct entry *e = entry->children; e; e = e->next_child)
		metrics_add_strip(metrics, e, what, strip);
}

void metrics_add_node_strip(const struct metrics *metrics, const char *node, enum metrics_what what, struct strip *strip)
{
	const struct ring *ring = map_get(&metrics->nodes, str_of(node));

	if (ring)
		add_ring(metrics, ring, what, strip);
}
