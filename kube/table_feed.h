/*
 * table_feed: a feed (kube/feed.h) of the server's own Tables, as small rows (model/table.h).
 *
 * Asked for are Tables with each object's metadata, 500 rows a page: on a real server the cheapest form that has namespace,
 * uid and version (docs/performance.md). A server that prints no Tables answers with plain objects instead; they give rows
 * of name and age. No tree is built and no page is kept.
 */
#ifndef SLOTDECK_KUBE_TABLE_FEED_H
#define SLOTDECK_KUBE_TABLE_FEED_H

#include "kube/feed.h"
#include "model/table.h"

struct table_feed;

/* As struct feed_ops; all on the net thread. */
struct table_feed_ops {
	int64_t (*now_ms)(void *arg);
	void (*on_batch)(struct table_batch *batch_take, void *arg);
	void (*on_state)(enum scope_state state, const char *why, int64_t retry_ms, void *arg);
	void (*prepare)(struct http_request *request, void *arg); /* may be NULL */
	void (*on_date)(int64_t date_ms, void *arg);		  /* may be NULL */
};

/* Borrows net, http and ops until table_feed_destroy(), copies source. Any thread. */
struct table_feed *table_feed_create(struct net *net, struct http *http, const struct feed_source *source,
				     const struct table_feed_ops *ops, void *arg);
/* These four: net thread. No callback runs after destroy; NULL is fine. */
void table_feed_start(struct table_feed *feed);
void table_feed_hurry(struct table_feed *feed);
void table_feed_server_is_back(struct table_feed *feed);
void table_feed_destroy(struct table_feed *feed);
DEFINE_AUTO(table_feed);

#endif
