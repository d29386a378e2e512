/*
 * feed: keeps one resource list of one scope up to date: list in pages, watch with bookmarks, audit.
 *
 * Kubernetes API concepts, "Efficient detection of changes". A clean end of a watch is no error: it goes on at once from the last
 * resource version, unless it ended within 0.8 s and showed nothing. 410 lists again. A watch that is refused or breaks backs off
 * (0.8 s doubling, 30 s at most) and goes on from where it was; garbage three times in a row lists again. What is forbidden (401, 403)
 * or absent (404) is asked again each 60 s. Where a list is allowed but no watch, the list is read again each 10 s; where a watch is
 * allowed but no list, the watch streams the initial state (WatchList) if the server can.
 *
 * A proof is an event or a bookmark that was decoded, a list, or an audit; that a watch was accepted is none. A quiet watch is not a
 * dead one, so every 15 s the metadata of the list (or, above 1,000 objects, of its next thousand) is compared with what was delivered:
 * agreement is a proof, a difference that lasts for 5 s starts the list again, and the kind is DOUBTED until an audit of the new
 * watch finds nothing missing. No proof at all for 30 s while the audit is not answered: the watch is opened anew. Without the right
 * to list there is no audit: watches are opened for 20 s then, since a server sends a bookmark shortly before it ends one.
 *
 * What becomes of the objects is the ops' business: kube/row_feed.h makes typed rows of them, kube/table_feed.h rows of the
 * server's own Tables. Everything but feed_create() happens on the net thread, and so do all callbacks; none runs inside
 * feed_create().
 */
#ifndef SLOTDECK_KUBE_FEED_H
#define SLOTDECK_KUBE_FEED_H

#include "base/http.h"
#include "model/store.h"

struct feed;

#define FEED_CROWD 2000

struct feed_source {
	const char *group, *version, *resource;
	const char *namespace;			     /* "": the whole cluster */
	const char *label_selector, *field_selector; /* NULL: none */
	/* Takes the place of field_selector when there are more than FEED_CROWD objects, so that memory stays bounded; the state is
	 * then LIVE with a why that says so. NULL: all are taken. */
	const char *crowd_selector;
	bool chatty;				     /* its watch gives much (struct http_request) */
	bool no_watch;				     /* the server has no watch for it (discovery says so) */
};

struct feed_ops {
	const char *accept;	       /* of lists and watches; NULL: whole objects as JSON */
	int64_t (*now_ms)(void *arg); /* the server's wall clock (model/store.h) */
	/* ROW_PUT: an element of a list, or what a watch shows as added or changed; ROW_GONE: its last state. Borrowed. Tells
	 * each object in it by feed_note(). False: it makes no sense, and is left out. */
	bool (*on_object)(struct feed *feed, enum row_op op, struct str json, void *arg);
	/* ROW_LIST_BEGIN, ROW_LIST_END, ROW_PROOF. */
	void (*on_mark)(enum row_op op, void *arg);
	/* What a page says beside its elements, before the first of them and again at its end. May be NULL. */
	void (*on_envelope)(struct str json, void *arg);
	/* What came so far may be shown: a page, or a turn of the watch, is over. */
	void (*on_flush)(void *arg);
	/* LOADING, BROKEN, DOUBTED, FORBIDDEN, ABSENT, LIVE (after trouble without a new list, or with a why: what is special);
	 * why is borrowed. No proof in itself. */
	void (*on_state)(enum scope_state state, const char *why, int64_t retry_ms, void *arg);
	/* Before each request: what this cluster wants beside. May be NULL. */
	void (*prepare)(struct http_request *request, void *arg);
	/* The Date of an answer, in ms; for the clock. May be NULL. */
	void (*on_date)(int64_t date_ms, void *arg);
};

/* Copies source; borrows http, net and ops until feed_destroy(). Any thread. */
struct feed *feed_create(struct net *net, struct http *http, const struct feed_source *source, const struct feed_ops *ops,
			 void *arg);
/* Net thread. */
void feed_start(struct feed *feed);
/* Net thread. No callback runs after this; NULL is fine. */
void feed_destroy(struct feed *feed);
DEFINE_AUTO(feed);
/* Inside on_object: this object was delivered, so audits will look for it. */
void feed_note(struct feed *feed, enum row_op op, struct str uid, struct str resource_version);
/* Net thread: ends a pause at once (a person asked, or another feed got through). */
void feed_hurry(struct feed *feed);
/* Net thread: the server answers again. Ends pauses that its absence made, and asks again what hangs. */
void feed_server_is_back(struct feed *feed);

#endif
