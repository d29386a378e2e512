/*
 * live_bed: a simulated cluster and the live model of it, for tests. JSON is written with ' for ".
 *
 * With a manual clock (it must start in the past: the simulation tells the real time) live_bed_pass() lets time go by;
 * the cluster itself always lives in real time. Every failure here fails the test.
 */
#ifndef SLOTDECK_TEST_LIVE_BED_H
#define SLOTDECK_TEST_LIVE_BED_H

#include "live/live.h"
#include "sim/sim.h"

struct live_bed {
	struct sim *sim;
	struct net *net;
	struct http *http;
	struct live *live;   /* NULL before live_bed_open() */
	struct clock *clock; /* NULL: the system's */
};

struct live_bed live_bed_create(struct clock *clock);
/* Starts the live model. */
void live_bed_open(struct live_bed *bed);
void live_bed_release(struct live_bed *bed);
DEFINE_AUTO_RELEASE(live_bed);

/* Changes the cluster without a socket. json may be NULL; PATCH is a merge patch. */
void live_bed_send(struct live_bed *bed, const char *method, const char *path, const char *json);
void live_bed_namespace(struct live_bed *bed, const char *name);
/* A Deployment of one pod; fault (testbed/fault) may be NULL. */
void live_bed_deployment(struct live_bed *bed, const char *namespace, const char *name, const char *fault);
/* POST to the simulation's controls, "/_sim/…". */
void live_bed_control(struct live_bed *bed, const char *path, const char *json);
/* Replaces the fault rules; "[]": none. */
void live_bed_faults(struct live_bed *bed, const char *json);
/* How many logged requests have method GET, path and all words (NULL-terminated) in their query or Accept. */
unsigned live_bed_count(struct live_bed *bed, const char *path, const char *query_part);

typedef bool live_bed_fn(struct live_bed *bed, const void *arg);
/* Polls the model until fn says true, for 20 s of real time at most: then false. A manual clock creeps meanwhile. */
bool live_bed_until(struct live_bed *bed, live_bed_fn *fn, const void *arg);
/* Takes in what arrives within so many real milliseconds. */
void live_bed_take(struct live_bed *bed, int64_t ms);
/* Moves the manual clock second by second, and takes in what arrives, until fn (NULL: never) says true. Gives the seconds. */
int64_t live_bed_pass(struct live_bed *bed, int64_t seconds, live_bed_fn *fn, const void *arg);

/* Waits until an environment is shown so, with why (a part; NULL: any). */
void live_bed_expect(struct live_bed *bed, const char *title, enum health_state shown, const char *why);
struct live_bed_wanted {
	const char *title;
	enum health_state shown;
	const char *why;
};
bool live_bed_env_is(struct live_bed *bed, const void *wanted);

#endif
