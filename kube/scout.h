/*
 * scout: finds out at once that a server is back.
 *
 * Feeds that lost their server wait longer and longer, each by itself. As soon as one is in trouble the scout asks for
 * /version, which costs nothing, every 2 s as long as there is no answer; with the first answer after none, all may try again
 * now. While the server answers, the trouble is of one kind only, and its pause stands. Net thread.
 */
#ifndef SLOTDECK_KUBE_SCOUT_H
#define SLOTDECK_KUBE_SCOUT_H

#include "base/http.h"

struct scout;

struct scout_ops {
	void (*on_back)(void *arg); /* it answers again */
	/* Before each request; may be NULL. */
	void (*prepare)(struct http_request *request, void *arg);
};
/* Borrows all until scout_destroy(). */
struct scout *scout_create(struct net *net, struct http *http, const struct scout_ops *ops, void *arg);
/* No callback runs after this; NULL is fine. */
void scout_destroy(struct scout *scout);
DEFINE_AUTO(scout);
/* Something is broken. Repeating is fine. */
void scout_go(struct scout *scout);

#endif
