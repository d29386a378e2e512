/*
 * websocket: one WebSocket to the API server, as a client.
 *
 * Source of truth: RFC 6455, and what the API server makes of it (exec, attach, port-forward): binary messages only; a text
 * message is a protocol error. The connection is that of base/http (login, proxy, TLS, --read-only), one for each. A ping
 * goes out every 10 s; nothing heard for 60 s ends it with ERR_NETWORK. A message may have 16 MiB.
 *
 * Net thread only.
 */
#ifndef SLOTDECK_KUBE_WEBSOCKET_H
#define SLOTDECK_KUBE_WEBSOCKET_H

#include "base/ws.h"
#include "kube/client.h"

struct websocket;

/* How it ended. Borrowed during the callback. */
struct websocket_end {
	const struct http_response *refusal; /* it never opened: the answer; or NULL */
	const struct error *err;	     /* no whole answer, broken protocol, cut off; or NULL */
	unsigned code;			     /* of the other side's close frame, else WS_CODE_NONE */
	struct str reason;
};

struct websocket_ops {
	void (*on_open)(const char *protocol, void *arg); /* one of those offered */
	void (*on_message)(struct str message, void *arg);
	/* What websocket_send() could not send at once is sent. May be NULL. */
	void (*on_drain)(void *arg);
	/* Exactly once, last, unless closed before. */
	void (*on_end)(const struct websocket_end *end, void *arg);
};

/*
 * Asks for path, offering protocols (NULL at the end) in that order. Keeps copies; ops must last. kube may go once this returned.
 * No callback runs inside.
 */
struct websocket *websocket_open(struct kube *kube, const char *path, const char *const *protocols,
				 const struct websocket_ops *ops, void *arg);
/* Appends the path of a pod's subresource ("exec"), for queries to follow. False (ERR_INVALID): names that cannot be. */
bool websocket_pod_path(const char *namespace, const char *pod, const char *subresource, struct buf *out, struct error *err);
/* Sets err from how it ended: "what: …", and what right a refused subresource of pods needs. Returns false. */
bool websocket_explain(const struct websocket_end *end, const char *what, const char *subresource, struct error *err);
/* Sends head and data as one binary message. */
void websocket_send(struct websocket *ws, struct str head, struct str data);
/* How much of what was sent waits because the other side does not take it. */
size_t websocket_unsent(const struct websocket *ws);
/* Stops reading and goes on. A pause is not taken for silence. */
void websocket_pause(struct websocket *ws, bool paused);
/* Says goodbye with that code, and frees it; wanted once. No callback runs after this. Allowed in callbacks. NULL is fine. */
void websocket_close(struct websocket *ws, unsigned code);

#endif
