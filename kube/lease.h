/*
 * lease: one deployer at a time, by a coordination.k8s.io/v1 Lease.
 *
 * Whoever creates it, or takes it over after it stood still for its duration by our own clock, holds it; it is renewed on a
 * thread of its own. A lease is no fence: the holder asks lease_held() before each write. kube-client 22.4. A dead owner is
 * waited for 20 s at most: the duration is 15 s.
 */
#ifndef SLOTDECK_KUBE_LEASE_H
#define SLOTDECK_KUBE_LEASE_H

#include "kube/client.h"

struct lease;

struct lease_options {
	const char *namespace, *name;
	const char *identity; /* unique for this run: "ivan@laptop pid 12 run ab12" */
	const char *run_url;  /* shown to whoever must wait; NULL: none */
	unsigned wait_ms;     /* how long to wait for a living holder; 0: not at all */
	/* Told once when another holds it and we wait; holder is borrowed. May be NULL. */
	void (*on_wait)(const char *holder, int64_t seconds_left, void *arg);
	void *arg;
};

/*
 * ERR_CONFLICT: another holds it and lives: the message says who, since when, and its run URL. A holder that does not renew
 * is taken over, which takes up to 15 s.
 */
bool lease_acquire(struct kube *kube, const struct lease_options *options, const struct cancel *cancel,
		   struct lease **ret, struct error *err);
/* False with ERR_CONFLICT once it was lost, or while it could not be renewed for 10 s. */
bool lease_held(const struct lease *lease, struct error *err);
/* Another has it. What is only overdue may be renewed yet, when the server answers again. */
bool lease_is_lost(const struct lease *lease);
/* Gives it back (deletes nothing of another holder) and frees it. NULL is fine. Waits 2 s at most for the server. */
void lease_release(struct lease *lease);

#endif
