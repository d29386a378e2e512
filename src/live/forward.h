/*
 * forward: the list of port-forwards of one cluster.
 *
 *     127.0.0.1:8080, [::1]:8080 ──► one WebSocket per accepted connection ──► pod of the target, port 80
 *
 * A target is a pod, or something that has pods: a workload, or a Service. With one of those the next connection goes to
 * another pod when the present one is gone or no longer ready; a connection that is open ends with its pod, as TCP would.
 * Which pods there are is read from the store (model/store.h), so pods must be watched, and Services for a Service.
 *
 * Created, polled and destroyed on the thread that owns the store; the traffic runs on the net thread. Only loopback
 * addresses listen.
 */
#ifndef SLOTDECK_LIVE_FORWARD_H
#define SLOTDECK_LIVE_FORWARD_H

#include "kube/client.h"
#include "model/store.h"

struct forwards;

/* Borrows both until forwards_destroy(). */
struct forwards *forwards_create(struct kube *kube, struct store *store);
/* Stops all: listeners and connections close at once. NULL is fine. Before kube_close(). */
void forwards_destroy(struct forwards *forwards);
DEFINE_AUTO(forwards);

struct forward_target {
	const struct kind *kind; /* kind_pod, kind_service, or any that owns pods, also over others (Deployment, CronJob) */
	const char *namespace, *name;
	uint16_t port;	     /* of the pod; for a Service its own, translated as it says */
	uint16_t local_port; /* 0: any that is free */
};
/*
 * Listens from now on; *ret_id names the forward. ERR_CONFLICT: the local port is taken; ERR_NOT_FOUND: no such object;
 * ERR_DENIED: --read-only; ERR_INVALID: no such port, or the Service's leads to one that its pods know by name only. That no
 * pod runs is no error: connections are refused until one does.
 */
bool forwards_add(struct forwards *forwards, const struct forward_target *target, unsigned *ret_id, struct error *err);
/*
 * The pod that a forward, or a shell, to that target would go to: "" when none runs. present ("": none) is kept as long as it is as
 * good as any other. Borrowed from store.
 */
const char *forward_choose_pod(const struct store *store, const struct kind *kind, const char *namespace, const char *name,
			       const char *present);
/* Stops it. Unknown ids are ignored. */
void forwards_remove(struct forwards *forwards, unsigned id);

enum forward_state {
	FORWARD_READY,	/* listens, and a pod runs */
	FORWARD_NO_POD, /* listens, but no pod runs: connections are closed at once */
	FORWARD_FAILING /* the last connection failed; the next one is tried all the same */
};
struct forward {
	unsigned id;
	const struct kind *kind;
	const char *namespace, *name; /* of the target */
	const char *pod; /* that the next connection goes to; "" */
	uint16_t local_port, port; /* port: of the pod */
	enum forward_state state;
	unsigned open;		     /* connections */
	uint64_t connections, failed; /* since the start */
	uint64_t sent_bytes, received_bytes; /* to and from the pod */
	const char *last_error;	     /* sanitised, one line; "" */
	int64_t last_error_ms;	     /* wall time; 0: none */
};
size_t forwards_count(const struct forwards *forwards);
/* In order of their making. Borrowed until the next call of forwards_poll(), _add() or _remove(). */
const struct forward *forwards_at(const struct forwards *forwards, size_t n);
/* Chooses pods anew by the store and reads the counters; true: something that is shown changed. Call it after
 * live_poll() and about once a second. Costs nothing without forwards. */
bool forwards_poll(struct forwards *forwards);

#endif
