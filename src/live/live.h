/*
 * live: what the dashboard knows of one cluster, kept up to date.
 *
 *   net thread: lists, watches, log lines ── queue (kube/watcher.h) ──► main thread: store ─► health ─► environments
 *
 * Created, polled and destroyed on one thread, the one that draws; nothing here waits for the network, live_destroy()
 * neither. Each kind is watched for the whole cluster where the rights allow, else in each namespace that is known
 * (live_add_namespace(), environments, the state namespace); what is forbidden is asked again each 60 s. ConfigMaps are watched
 * in the state namespace only, for slot records.
 */
#ifndef SLOTDECK_LIVE_LIVE_H
#define SLOTDECK_LIVE_LIVE_H

#include "kube/watcher.h"
#include "live/health_strip.h"
#include "live/metrics.h"
#include "model/env.h"

struct live;

struct live_options {
	struct watcher_options watcher; /* net, http, clock */
	struct envs_options envs;
	struct health_config health; /* zero: defaults */
	bool fetch_logs;	   /* last log lines for cause chains; needs get on pods/log */
	bool fetch_metrics;	   /* CPU and memory, where the server has them */
	const char *strip_path;	   /* file of the record of health, which is copied; NULL: none is kept */
};

struct live *live_create(const struct live_options *options);
void live_destroy(struct live *live);
DEFINE_AUTO(live);
/* Watch there too, where a kind cannot be watched cluster-wide. Repeating is fine. */
void live_add_namespace(struct live *live, const char *namespace);

/* Readable while something waits; borrowed, never read from it. For uv_poll. */
int live_fd(const struct live *live);
/*
 * Takes in what waits, for budget_ms at most (0: all of it), then looks at the environments again. True: something that is
 * shown may have changed. Call it when live_fd() is readable and when live_due_ms() has come.
 */
bool live_poll(struct live *live, int64_t budget_ms);
/* Whether the next live_poll() takes in what waits and leaves the environments as they are: they were looked at a moment ago. */
bool live_rests(const struct live *live);
/* A recording knows that of the next live_poll(); how long a look takes is luck. */
enum live_rest { LIVE_REST_BY_CLOCK, LIVE_REST_NO, LIVE_REST_YES };
void live_set_rest(struct live *live, enum live_rest rest);
/* Environments need not be looked at more often than each pace_ms (0: as they change): nobody sees them now. */
void live_set_pace(struct live *live, int64_t pace_ms);
/* When live_poll() is due although nothing arrives, by the clock's monotonic time; INT64_MAX: never. */
int64_t live_due_ms(const struct live *live);
/* The server's wall clock, driven by the monotonic one: what store, health and environments call now_ms. */
int64_t live_now_ms(const struct live *live);

/* Borrowed; changed only by live_poll(). */
struct store *live_store(struct live *live);
struct health *live_health(struct live *live);
struct envs *live_envs(struct live *live);
/* To watch more kinds (the resource browser): rows go to live_store(). */
struct watcher *live_watcher(struct live *live);
/* How the cluster is reached, for what reads more of it. Borrowed. */
const struct watcher_options *live_connection(const struct live *live);

/* What pods and nodes use (live/metrics.h); NULL without fetch_metrics. */
const struct metrics *live_metrics(const struct live *live);

/* How the environments were in the last hours; noted by live_poll() once the first lists are complete. */
const struct health_strip *live_strip(const struct live *live);

/* The feed as a whole, for the head line. */
enum live_state {
	LIVE_LOADING, /* first lists are under way */
	LIVE_LIVE,    /* everything that may be watched is proven */
	LIVE_PARTLY,  /* some kinds are not: forbidden, absent, broken */
	LIVE_STALE    /* nothing was proven for 30 s */
};
struct live_status {
	enum live_state state;
	int64_t age_ms;	      /* of the oldest proof among the scopes that should be live; -1: none yet */
	int64_t retry_in_ms;  /* until the next try of a broken scope; -1: none is broken */
	unsigned loading, live, broken, forbidden, absent; /* scopes */
	uint64_t received;    /* changes since the start */
	const char *why;      /* of the scope in the worst trouble: what grows old before what is forbidden; "" */
	const struct kind *trouble; /* its kind; NULL */
};
void live_status(const struct live *live, struct live_status *ret);
/*
 * Whether what is shown of kind (NULL: of all kinds) in namespace ("": anywhere) is proven; else why (may be NULL) gets the
 * reason: "pods may be older than shown: …", "no data for 95 s: …". What is forbidden, absent or still being listed does not
 * count. Changing actions want it.
 */
bool live_is_proven(const struct live *live, const struct kind *kind, const char *namespace, struct buf *why);
/* Ends all pauses: the person asked to try now. */
void live_hurry(struct live *live);

#endif
