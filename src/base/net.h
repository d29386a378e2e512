/*
 * net: the thread on which everything that talks to a server runs.
 *
 * One libuv loop; struct http (base/http.h) hangs its transfers on it. Callbacks that run here must not block and must
 * not work longer than a few milliseconds. libcurl's global state is made by the first struct http, not here, so that
 * commands that never talk do not pay for it.
 */
#ifndef SLOTDECK_BASE_NET_H
#define SLOTDECK_BASE_NET_H

#include "base/loop.h"

struct net;

/* Starts the thread. Borrows clock (NULL: the system's) until net_destroy(). */
struct net *net_create(struct clock *clock, struct error *err);
/*
 * Ends every transfer and stream (their callbacks hear ERR_CANCELLED), then the thread. Every struct http on it must
 * have been destroyed, or is dead from now on. Waits for running net_work() functions. Never from the net thread.
 */
void net_destroy(struct net *net);
DEFINE_AUTO(net);

struct loop *net_loop(struct net *net);
struct clock *net_clock(const struct net *net);
/*
 * What all servers of this network say is recorded, or comes from a recording (then no connection is made): base/http_tape.h.
 * Before the first request; borrowed until net_destroy(). NULL: neither.
 */
struct recorder;
struct player;
void net_set_recorder(struct net *net, struct recorder *recorder);
void net_set_player(struct net *net, struct player *player);
struct recorder *net_recorder(const struct net *net);
struct player *net_player(const struct net *net);
/* Runs fn(arg) on the net thread soon, in order of posting. Any thread. */
void net_post(struct net *net, void (*fn)(void *arg), void *arg);
/* The same, but returns after it ran. Runs at once on the net thread itself. */
void net_post_and_wait(struct net *net, void (*fn)(void *arg), void *arg);
bool net_is_mine(const struct net *net);
/* Runs work(arg) on a helper thread, where it may block, then done(arg) on the net thread. From the net thread only. */
void net_work(struct net *net, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/*
 * For modules with things on the loop: a member is told when the network ends. Net thread only. end() runs at most
 * once, after the member has left.
 */
struct net_member {
	struct net_member *next, **prev;
	void (*end)(struct net_member *member);
};
void net_join(struct net *net, struct net_member *member);
void net_leave(struct net *net, struct net_member *member);

#endif
