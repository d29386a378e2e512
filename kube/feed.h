/*
 * feed: keeps one resource list of one scope up to date: list in pages, watch with bookmarks, audit.
 *
 * Kubernetes API concepts, "Efficient detection of changes". A clean end of a watch is no error: it goes on from the last
 * resource version. 410 lists again. A watch that is refused or breaks backs off (0.8 s doubling, 30 s at most) and
 * goes on from where it was; what is forbidden (401, 403) or absent (404) is asked again each 60 s. A quiet watch is not a dead
 * one, so every 15 s the metadata of the list (or, above 2,000 objects, of its next page) is compared with what was
 * delivered: agreement is a proof, a difference that lasts for 5 s starts the list again.
 *
 * Everything but feed_create() happens on the net thread, and so do all callbacks; none runs inside feed_create().
 */
#ifndef SLOTDECK_KUBE_FEED_H
#define SLOTDECK_KUBE_FEED_H

#include "base/http.h"
#include "model/store.h"

struct feed;

struct feed_ops {
	int64_t (*now_ms)(void *arg); /* the server's wall clock (model/store.h) */
	void (*on_batch)(struct row_batch *batch_take, void *arg);
	/* LOADING, BROKEN, FORBIDDEN, ABSENT, LIVE (after trouble without a new list); why is borrowed. */
	void (*on_state)(const struct kind *kind, const char *namespace, enum scope_state state, const char *why,
			 int64_t retry_ms, void *arg);
	/* Before each request: what this cluster wants beside. May be NULL. */
	void (*prepare)(struct http_request *request, void *arg);
	/* The Date of an answer, in ms; for the clock. May be NULL. */
	void (*on_date)(int64_t date_ms, void *arg);
};

/* Borrows http, net and ops until feed_destroy(). namespace "": the whole cluster. Any thread. */
struct feed *feed_create(struct net *net, struct http *http, const struct kind *kind, const char *namespace,
			 const struct feed_ops *ops, void *arg);
/* Net thread. */
void feed_start(struct feed *feed);
/* Net thread. No callback runs after this; NULL is fine. */
void feed_destroy(struct feed *feed);
DEFINE_AUTO(feed);
bool feed_is(const struct feed *feed, const struct kind *kind, const char *namespace);
/* Net thread: ends a pause at once (a person asked, or another feed got through). */
void feed_hurry(struct feed *feed);

#endif
