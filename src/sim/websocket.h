/*
 * websocket: the server's side of WebSockets: exec, attach and port-forward. Private to src/sim.
 *
 * Each conversation has a thread of its own that reads and writes as it likes; all end when the server stops. Messages
 * are binary, their first byte is the channel.
 */
#ifndef SLOTDECK_SIM_WEBSOCKET_H
#define SLOTDECK_SIM_WEBSOCKET_H

#include <microhttpd.h>

#include "base/str.h"

struct ws_hub;	/* of one server */
struct ws_peer; /* one conversation */

struct ws_talk { /* what is said after 101 */
	const char *protocol; /* chosen; static */
	void (*run)(struct ws_peer *peer, void *arg);
	void (*free_arg)(void *arg);
	void *arg;
};

/* stop_fd gets readable when the server stops. Borrowed. */
struct ws_hub *ws_hub_create(int stop_fd);
/* After stop_fd got readable, before the daemon stops: waits for all conversations; none begins any more. NULL is fine. */
void ws_hub_close(struct ws_hub *hub);
/* After the daemon stopped. NULL is fine. */
void ws_hub_destroy(struct ws_hub *hub);

/* Answers 101 and begins the conversation. Takes talk's arg. cut_at: the connection breaks after so many bytes from there;
 * SIZE_MAX: never. */
enum MHD_Result ws_hub_accept(struct ws_hub *hub, struct MHD_Connection *connection, const char *key, const struct ws_talk *talk,
			      size_t cut_at);

/* Waits for the next message: 1 it is there, 0 the time is over, -1 the other side has gone or the server stops. Pings are
 * answered. ret_bytes is borrowed until the next call. */
int ws_peer_read(struct ws_peer *peer, int timeout_ms, unsigned *ret_channel, struct str *ret_bytes);
/* False: the other side has gone. */
bool ws_peer_send(struct ws_peer *peer, unsigned channel, struct str bytes);

#endif
