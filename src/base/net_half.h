/*
 * net_half: that half of a module which lives on the net thread, while its owner lives on another and hears of it by a queue.
 *
 * struct net_half is the first member of the module's own struct, which is on the heap. It begins on the net thread, ends there once (with
 * its owner, or with the network), and is freed there. What the owner posts to it with net_post() in between arrives in
 * order; after the network has ended it finds ended set.
 */
#ifndef SLOTDECK_BASE_NET_HALF_H
#define SLOTDECK_BASE_NET_HALF_H

#include "base/net.h"
#include "base/queue.h"

struct net_half;
struct net_half_ops { /* all on the net thread */
	void (*begin)(struct net_half *half); /* may be NULL */
	void (*end)(struct net_half *half);   /* closes what is open; nothing may call back into it after that */
	void (*release)(struct net_half *half); /* frees what it still owns, but neither queue nor itself; may be NULL */
};

struct net_half {
	struct net_member member;
	const struct net_half_ops *ops;
	struct net *net;
	struct queue *queue; /* to the owner */
	bool ended;
};

/* Borrows ops and net. free_item is that of queue_create(). */
void net_half_start(struct net_half *half, const struct net_half_ops *ops, struct net *net, void (*free_item)(void *item));
/*
 * Closes the queue, ends and frees the half. Waits for one turn of the net thread, never for a socket: then whatever its requests used may go.
 */
void net_half_destroy(struct net_half *half);

#endif
