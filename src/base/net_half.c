#include "base/net_half.h"

#include <stdlib.h>

static void end(struct net_half *half)
{
	if (half->ended)
		return;
	half->ended = true;
	half->ops->end(half);
}

static void end_with_net(struct net_member *member)
{
	end((struct net_half *)member); /* first in it */
}

static void begin(void *arg)
{
	struct net_half *half = arg;

	half->member.end = end_with_net;
	net_join(half->net, &half->member);
	if (half->ops->begin)
		half->ops->begin(half);
}

static void destroy(void *arg)
{
	struct net_half *half = arg;

	if (!half->ended)
		net_leave(half->net, &half->member);
	end(half);
	if (half->ops->release)
		half->ops->release(half);
	queue_destroy(half->queue);
	free(half);
}

void net_half_start(struct net_half *half, const struct net_half_ops *ops, struct net *net, void (*free_item)(void *item))
{
	half->ops = ops;
	half->net = net;
	half->queue = queue_create(free_item);
	net_post(net, begin, half);
}

void net_half_destroy(struct net_half *half)
{
	queue_close(half->queue);
	net_post_and_wait(half->net, destroy, half);
}
