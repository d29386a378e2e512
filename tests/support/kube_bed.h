/* A simulated cluster and a client of it, for tests of what talks to a cluster. JSON is written with ' for ". */
#ifndef SLOTDECK_TESTS_KUBE_BED_H
#define SLOTDECK_TESTS_KUBE_BED_H

#include "kube/client.h"
#include "sim/sim.h"

struct kube_bed {
	struct sim *sim;
	struct net *net;
	struct kube *kube;
	struct clock *clock; /* NULL: the system's */
	char folder[32];
};

struct kube_bed_options {
	struct clock *clock;	  /* of the net thread */
	const char *features_off; /* of the simulation */
	bool read_only;
	struct sim_registry *registry; /* that builders push to; NULL: none */
};

/* Both end the test when something fails. Controllers move ten times as fast as in life. */
struct kube_bed kube_bed_create(const struct kube_bed_options *options);
void kube_bed_release(struct kube_bed *bed);
DEFINE_AUTO_RELEASE(kube_bed);

/* A request beside the client: the answer's body, given. Ends the test when it is refused. */
char *kube_bed_send(struct kube_bed *bed, const char *method, const char *path, const char *json);
/* Namespaces, ConfigMaps "name-0" … of them, and a Deployment of one pod. */
void kube_bed_namespace(struct kube_bed *bed, const char *name);
void kube_bed_config_maps(struct kube_bed *bed, const char *namespace, const char *name, unsigned from, unsigned n);
void kube_bed_deployment(struct kube_bed *bed, const char *namespace, const char *name);
/* Replaces the fault rules, and the denials, of the simulation. */
void kube_bed_faults(struct kube_bed *bed, const char *json);
void kube_bed_deny(struct kube_bed *bed, const char *json);
/* POST of /_sim/WHAT. */
void kube_bed_control(struct kube_bed *bed, const char *what, const char *json);
/* Requests so far whose line of the log holds both texts (the second may be NULL). */
unsigned kube_bed_requests(struct kube_bed *bed, const char *text, const char *and_text);

#endif
