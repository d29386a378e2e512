/*
 * http_tape: servers whose answers come from a recording.
 *
 * A network with a player (net_set_player()) makes no connection. Each request of the program takes the recorded one that was made
 * nearest in time to the same address with the same method, kind of answer and, if possible, body, and hears what that heard: answer,
 * pieces of it, errors, at the recorded times, or at once what is past. What was not recorded fails and says so.
 */
#ifndef SLOTDECK_BASE_HTTP_TAPE_H
#define SLOTDECK_BASE_HTTP_TAPE_H

#include "base/net.h"
#include "base/recording.h"

/* Borrows net and recording (of which it reads what was asked) until player_destroy(). */
struct player *player_create(struct net *net, const struct recording *recording);
/* After net_destroy(). NULL is fine. */
void player_destroy(struct player *player);
DEFINE_AUTO(player);
/* Hands on a record of a kind that is the player's ("ask", "head", "data", "answered", "failed"), whose time has come. False: it is of another kind. */
bool player_take(struct player *player, const struct record *record);
/*
 * Whether net thread and workers rest: nothing will happen any more before the clock moves or a record comes, but what waits in queues
 * for the caller's thread. Never from the net thread.
 */
bool player_rests(struct player *player);
/* When the net thread does something by itself, by the monotonic clock, as player_rests() last saw it. */
int64_t player_due_ms(const struct player *player);

#endif
