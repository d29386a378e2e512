#include "kube/row_feed.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS 256

struct row_feed {
	struct feed *feed;
	const struct kind *kind;
	char *namespace;
	const struct row_feed_ops *ops;
	void *arg;
	struct row_decoder *decoder;
	struct row_batch *batch;
};

static int64_t now_ms(void *arg)
{
	struct row_feed *rows = arg;

	return rows->ops->now_ms(rows->arg);
}

static void on_flush(void *arg)
{
	struct row_feed *rows = arg;
	struct row_batch *batch = rows->batch;

	rows->batch = NULL;
	if (!batch)
		return;
	batch->at_ms = now_ms(rows); /* it may have been begun before the server's first answer told the time */
	rows->ops->on_batch(batch, rows->arg);
}

static void add(struct row_feed *rows, enum row_op op, struct row *row)
{
	if (!rows->batch)
		rows->batch = row_batch_create(rows->kind, rows->namespace, now_ms(rows));
	row_batch_add(rows->batch, op, row);
	if (rows->batch->len >= BATCH_ROWS)
		on_flush(rows);
}

static bool on_object(struct feed *feed, enum row_op op, struct str json, void *arg)
{
	struct row_feed *rows = arg;
	AUTO_RELEASE(error) ignored = { 0 };
	struct row *row = NULL;

	if (!row_decode(rows->decoder, rows->kind, json, &row, &ignored))
		return false;
	feed_note(feed, op, str_of(row->uid), str_of(row->resource_version));
	add(rows, op, row);
	return true;
}

static void on_mark(enum row_op op, void *arg)
{
	add(arg, op, NULL);
}

static void on_state(enum scope_state state, const char *why, int64_t retry_ms, void *arg)
{
	struct row_feed *rows = arg;

	rows->ops->on_state(rows->kind, rows->namespace, state, why, retry_ms, rows->arg);
}

static void prepare(struct http_request *request, void *arg)
{
	struct row_feed *rows = arg;

	if (rows->ops->prepare)
		rows->ops->prepare(request, rows->arg);
}

static void on_date(int64_t date_ms, void *arg)
{
	struct row_feed *rows = arg;

	if (rows->ops->on_date)
		rows->ops->on_date(date_ms, rows->arg);
}

static const struct feed_ops feed_ops = { .now_ms = now_ms,
					  .on_object = on_object,
					  .on_mark = on_mark,
					  .on_flush = on_flush,
					  .on_state = on_state,
					  .prepare = prepare,
					  .on_date = on_date };

struct row_feed *row_feed_create(struct net *net, struct http *http, const struct kind *kind, const char *namespace,
				 const struct row_feed_ops *ops, void *arg)
{
	struct row_feed *rows = xcalloc(1, sizeof *rows);

	rows->kind = kind;
	rows->namespace = xstrdup(namespace);
	rows->ops = ops;
	rows->arg = arg;
	rows->decoder = row_decoder_create();
	rows->feed = feed_create(net, http,
				 &(struct feed_source){ .group = kind->group, .version = kind->version, .resource = kind->resource,
							.namespace = namespace, .crowd_selector = kind->crowd_selector,
							.chatty = kind->chatty },
				 &feed_ops, rows);
	return rows;
}

bool row_feed_is(const struct row_feed *rows, const struct kind *kind, const char *namespace)
{
	return kind_same(rows->kind, kind) && !strcmp(rows->namespace, namespace);
}

void row_feed_start(struct row_feed *rows)
{
	feed_start(rows->feed);
}

void row_feed_hurry(struct row_feed *rows)
{
	feed_hurry(rows->feed);
}

void row_feed_server_is_back(struct row_feed *rows)
{
	feed_server_is_back(rows->feed);
}

void row_feed_destroy(struct row_feed *rows)
{
	if (!rows)
		return;
	feed_destroy(rows->feed);
	row_decoder_destroy(rows->decoder);
	row_batch_destroy(rows->batch);
	free(rows->namespace);
	free(rows);
}
