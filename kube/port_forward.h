/*
 * port_forward: a local port that leads to a port of a pod.
 *
 * Source of truth: the API server's pods/portforward with v4.channel.k8s.io, which every version speaks: one WebSocket for each
 * accepted connection, channel 0 data, channel 1 an error text, each begun by the port as two bytes. There is no
 * half-close in it: when the local side ends its half, what the pod still says is passed on until it was silent for 10 s.
 *
 * Listens on 127.0.0.1 and, where the machine has it, ::1. The traffic runs on the net thread, bounded both ways. Functions
 * may be called on any thread, one at a time per object; not on the net thread.
 */
#ifndef SLOTDECK_KUBE_PORT_FORWARD_H
#define SLOTDECK_KUBE_PORT_FORWARD_H

#include "kube/client.h"

struct port_forward;

struct port_forward_options {
	const char *namespace;
	const char *pod;     /* "": none yet */
	uint16_t port;	     /* of the pod */
	uint16_t local_port; /* 0: any that is free */
};

/* Listens. ERR_CONFLICT: the local port is taken; ERR_DENIED: --read-only, or a port below 1024 without the right; ERR_INVALID. */
struct port_forward *port_forward_start(struct kube *kube, const struct port_forward_options *options, struct error *err);
/* Closes listener and connections at once, and frees. Before kube_close(). NULL is fine. */
void port_forward_stop(struct port_forward *forward);
static inline void port_forward_destroy(struct port_forward *forward)
{
	port_forward_stop(forward);
}
DEFINE_AUTO(port_forward);
/* Where the next connections go; "": they are refused. Open ones stay. */
void port_forward_set_pod(struct port_forward *forward, const char *pod);

struct port_forward_state {
	uint16_t local_port;
	unsigned open;			     /* connections */
	uint64_t connections, failed;	     /* since the start */
	uint64_t sent_bytes, received_bytes; /* to and from the pod */
	bool failing;			     /* the newest connection that was decided failed */
	char *last_error;		     /* one harmless line; NULL: none */
	int64_t last_error_ms;		     /* wall time */
};
/* Fills ret, whose former content is released. */
void port_forward_state(struct port_forward *forward, struct port_forward_state *ret);
void port_forward_state_release(struct port_forward_state *state);
DEFINE_AUTO_RELEASE(port_forward_state);

#endif
