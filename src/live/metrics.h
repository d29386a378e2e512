/*
 * metrics: what pods and nodes use of CPU and memory, now and over the last ten minutes.
 *
 * Asked from metrics.k8s.io/v1beta1 each 15 s (30 s above 2,000 pods), on the net thread, for the whole cluster where the
 * rights allow, else namespace by namespace. A server that does not have it is asked again after 10 min, one that refuses
 * after 60 s. Requests and limits come from the store's pods.
 *
 * Created, taken from and destroyed on the thread that owns the store. src/live/live.h holds one: live_metrics().
 */
#ifndef SLOTDECK_LIVE_METRICS_H
#define SLOTDECK_LIVE_METRICS_H

#include "base/http.h"
#include "model/store.h"

struct metrics;

struct metrics_options {
	struct net *net;   /* borrowed until metrics_destroy(), as all of these */
	struct http *http;
	struct clock *clock;
	void (*prepare)(struct http_request *request, void *arg); /* as in kube/watcher.h; may be NULL */
	void *prepare_arg;
};
struct metrics *metrics_create(const struct metrics_options *options);
/* Waits for one turn of the net thread, never for a socket. NULL is fine. */
void metrics_destroy(struct metrics *metrics);
DEFINE_AUTO(metrics);
/* Ask there too where the whole cluster is refused. Repeating is fine. */
void metrics_add_namespace(struct metrics *metrics, const char *namespace);
/* Takes in what has arrived. True: there are new samples, or the status changed. */
bool metrics_take(struct metrics *metrics);
/* Readable while something waits; borrowed, never read from it. */
int metrics_fd(const struct metrics *metrics);

enum metrics_state {
	METRICS_LOADING,   /* asked, no answer yet */
	METRICS_LIVE,
	METRICS_ABSENT,	   /* the server has no metrics.k8s.io */
	METRICS_FORBIDDEN, /* no right to list pods of metrics.k8s.io anywhere */
	METRICS_BROKEN	   /* no answer, or an error: what there is grows old */
};
struct metrics_status {
	enum metrics_state state;
	const char *why; /* of the last trouble; "" */
	int64_t age_ms;	 /* of the newest samples; -1: none */
	uint64_t rounds; /* samples taken so far: draw again when it has grown */
};
void metrics_status(const struct metrics *metrics, struct metrics_status *ret);

struct usage {
	unsigned pods, measured; /* pods that run, and of how many there are fresh samples */
	int64_t cpu_m, memory_b; /* used: thousandths of a core, bytes */
	/* Of all pods together; 0: none of them has one. A limit of some pods only is no limit of the whole: see *_limited. */
	int64_t cpu_request_m, cpu_limit_m, memory_request_b, memory_limit_b;
	unsigned cpu_limited, memory_limited; /* pods that have a limit */
};
/*
 * Adds what entry uses: a pod, or whatever owns pods at any depth (Deployment, CronJob …). ret may hold the sum of others
 * already, so that an environment is the sum of its members; zero it before the first.
 */
void metrics_add_usage(const struct metrics *metrics, const struct entry *entry, struct usage *ret);
/* The same of one node; its capacity is not known here. False: no fresh sample. */
bool metrics_node_usage(const struct metrics *metrics, const char *node, struct usage *ret);

#define METRICS_SAMPLES 40
enum metrics_what { METRICS_CPU, METRICS_MEMORY };
/* The last METRICS_SAMPLES samples, the newest last; -1: not measured. */
struct strip {
	int64_t values[METRICS_SAMPLES];
};
void strip_init(struct strip *strip); /* all -1 */
/* Adds the samples of entry (as above) to the strip, so that strips of many make one. */
void metrics_add_strip(const struct metrics *metrics, const struct entry *entry, enum metrics_what what, struct strip *strip);
void metrics_add_node_strip(const struct metrics *metrics, const char *node, enum metrics_what what, struct strip *strip);

#endif
