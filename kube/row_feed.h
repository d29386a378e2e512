/*
 * row_feed: a feed (kube/feed.h) of typed rows (model/row.h), in batches.
 */
#ifndef SLOTDECK_KUBE_ROW_FEED_H
#define SLOTDECK_KUBE_ROW_FEED_H

#include "kube/feed.h"

struct row_feed;

/* As struct feed_ops; all on the net thread. */
struct row_feed_ops {
	int64_t (*now_ms)(void *arg);
	void (*on_batch)(struct row_batch *batch_take, void *arg);
	void (*on_state)(const struct kind *kind, const char *namespace, enum scope_state state, const char *why,
			 int64_t retry_ms, void *arg);
	void (*prepare)(struct http_request *request, void *arg);
	void (*on_date)(int64_t date_ms, void *arg);
};

/* Borrows net, http, kind and ops until row_feed_destroy(). namespace "": the whole cluster. Any thread. */
struct row_feed *row_feed_create(struct net *net, struct http *http, const struct kind *kind, const char *namespace,
				 const struct row_feed_ops *ops, void *arg);
/* These: net thread. No callback runs after destroy; NULL is fine. */
void row_feed_start(struct row_feed *feed);
void row_feed_hurry(struct row_feed *feed);
void row_feed_server_is_back(struct row_feed *feed);
void row_feed_destroy(struct row_feed *feed);
DEFINE_AUTO(row_feed);
bool row_feed_is(const struct row_feed *feed, const struct kind *kind, const char *namespace);

#endif
