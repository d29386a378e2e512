#include "kube/table_feed.h"

#include <stdlib.h>

#include "model/table_decode.h"

#define BATCH_ROWS 500

struct table_feed {
	struct feed *feed;
	const struct table_feed_ops *ops;
	void *arg;
	struct table_decoder *decoder;
	struct table_batch *batch;
	int64_t remaining; /* of the list */
};

static int64_t now_ms(void *arg)
{
	struct table_feed *tables = arg;

	return tables->ops->now_ms(tables->arg);
}

static struct table_batch *batch_of(struct table_feed *tables)
{
	if (!tables->batch) {
		tables->batch = table_batch_create(now_ms(tables));
		tables->batch->remaining = tables->remaining;
	}
	return tables->batch;
}

static void on_flush(void *arg)
{
	struct table_feed *tables = arg;
	struct table_batch *batch = tables->batch;

	tables->batch = NULL;
	if (!batch)
		return;
	batch->at_ms = now_ms(tables); /* it may have been begun before the server's first answer told the time */
	tables->ops->on_batch(batch, tables->arg);
}

static void flush_when_full(struct table_feed *tables)
{
	if (tables->batch->len >= BATCH_ROWS)
		on_flush(tables);
}

static void on_mark(enum row_op op, void *arg)
{
	table_batch_add(batch_of(arg), op, NULL);
	flush_when_full(arg);
}

static void on_row(enum row_op op, const struct table_row *row, void *arg)
{
	struct table_feed *tables = arg;

	feed_note(tables->feed, op, str_of(row->uid), str_of(row->resource_version));
}

static bool on_object(struct feed *feed, enum row_op op, struct str json, void *arg)
{
	struct table_feed *tables = arg;
	bool good = table_decode(tables->decoder, op, json, batch_of(tables), on_row, tables);

	(void)feed;
	flush_when_full(tables);
	return good;
}

static void on_envelope(struct str json, void *arg)
{
	struct table_feed *tables = arg;

	table_decode_envelope(tables->decoder, json, batch_of(tables));
	tables->remaining = tables->batch->remaining;
}

static void on_state(enum scope_state state, const char *why, int64_t retry_ms, void *arg)
{
	struct table_feed *tables = arg;

	tables->ops->on_state(state, why, retry_ms, tables->arg);
}

static void prepare(struct http_request *request, void *arg)
{
	struct table_feed *tables = arg;

	if (tables->ops->prepare)
		tables->ops->prepare(request, tables->arg);
}

static void on_date(int64_t date_ms, void *arg)
{
	struct table_feed *tables = arg;

	if (tables->ops->on_date)
		tables->ops->on_date(date_ms, tables->arg);
}

static const struct feed_ops feed_ops = { .accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
					  .now_ms = now_ms,
					  .on_object = on_object,
					  .on_mark = on_mark,
					  .on_envelope = on_envelope,
					  .on_flush = on_flush,
					  .on_state = on_state,
					  .prepare = prepare,
					  .on_date = on_date };

struct table_feed *table_feed_create(struct net *net, struct http *http, const struct feed_source *source,
				     const struct table_feed_ops *ops, void *arg)
{
	struct table_feed *tables = xcalloc(1, sizeof *tables);

	tables->ops = ops;
	tables->arg = arg;
	tables->decoder = table_decoder_create();
	tables->remaining = -1;
	tables->feed = feed_create(net, http, source, &feed_ops, tables);
	return tables;
}

void table_feed_start(struct table_feed *tables)
{
	feed_start(tables->feed);
}

void table_feed_hurry(struct table_feed *tables)
{
	feed_hurry(tables->feed);
}

void table_feed_server_is_back(struct table_feed *tables)
{
	feed_server_is_back(tables->feed);
}

void table_feed_destroy(struct table_feed *tables)
{
	if (!tables)
		return;
	feed_destroy(tables->feed);
	table_batch_destroy(tables->batch);
	table_decoder_destroy(tables->decoder);
	free(tables);
}
