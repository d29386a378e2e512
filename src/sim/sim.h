/*
 * sim: a Kubernetes API server with its controllers, played in memory on loopback, for --demo and the tests.
 *
 * Source of truth: a real kube-apiserver 1.35; the shapes of its answers were recorded from one. Spoken is plain
 * HTTP/1.1 on 127.0.0.1. There is no TLS, no authentication (unless a script says so) and nothing on disk but the
 * kubeconfig and the request log. Several simulations may live in one process; each has its own threads and lock, and
 * every function here may be called from any thread.
 *
 * Pods have a status, events, logs and a life, but no process. Exec and attach (WebSocket, v5 and v4 channels) find a played
 * shell in each container (its `help` names the commands; annotation `sim/no-shell`: none), port-forward (v4 channels) a small
 * web server behind each port, an echo behind port 7, nobody behind those that `testbed/closed-ports` names. Labels and annotations `testbed/fault` (crashloop, oom,
 * imagepull, pending, slow, unready, stuck, fail) play failures, and so do image names: a tag that ends in `missing` is
 * not found, one that ends in `-broken` crashes. Annotations of pods: `testbed/delay` (of slow), `testbed/duration`, `testbed/exit-code` (of a Job's pod),
 * `testbed/init-exit-code`, `testbed/termination`, `testbed/log-rate`, `testbed/log-line`, `testbed/crash-log` (the last
 * lines of a container that failed), `testbed/cpu`, `testbed/memory`. On a namespace `testbed/delay` slows all its pods; on a
 * CustomResourceDefinition `sim/serve-delay` keeps its kind unserved for a while; a ValidatingWebhookConfiguration with
 * `sim/deny: TEXT` denies what its rules and selectors match. Whole failures with all their objects: sim_play().
 *
 * Faults, as JSON (file, sim_set_faults() or POST /_sim/faults); the first rule that matches a request is taken:
 *
 *     [{"method": "PATCH", "path": "/apis/apps/", "from": 3, "count": 2, "status": 503, "retryAfter": "1"}]
 *
 *   method   matches that method; absent: any. `path` is a POSIX extended regular expression for path?query.
 *   userAgent  a regular expression for that header
 *   from     the first request, counted per rule, that is hit (1 when absent); count: how many are (absent: all)
 *   request  hits that request of the log's numbering only, whatever `from` says
 *   action   "delay" (ms) | "drip" (bytes, ms) | "cut" (at: bytes of the body) | "reset" | "close" | "garbage" |
 *            "status" (status, retryAfter, body, contentType, reason, message) | "hang" | "header" (headers: {}) |
 *            "pause" (until POST /_sim/release) | "flood" (bytes: so many spaces as body) | "die" (ends the process, status 137, after executing the request)
 *            "delay" and "pause" then go on to answer as usual. `status` alone means action status.
 *            Watches and followed logs know delay, drip, cut, header and what strikes before.
 *   when     "before" (default; the request is not executed) or "after" (it is executed, then the fault strikes);
 *            delay, drip, cut and header always execute it.
 *
 * Below /_sim/ (never logged, never hit by faults): GET requests (the log, JSON lines), DELETE requests (forgets them),
 * GET/POST/DELETE faults, GET paused (answers 200 once for each request that has come to a pause, 408 when none does for 20 s),
 * POST release (wakes paused requests), POST die?request=N, POST compact (old resource versions
 * become 410), POST deny (RBAC rules, see below), POST features {"watchlist": false, "controllers": true}, POST age?seconds=N (moves the
 * controllers' timers on), GET state (every object, without times, uids and resource versions, to compare two runs),
 * POST reset-watches (ends all watches), POST freeze {"path": "/api/v1/pods.*watch=1", "later": false} (open watches and logs that
 * match send nothing any more, their sockets stay; later ones too if so), POST thaw, POST lose {"resource": "pods", "count": 1}
 * (watches are not told of the next changes), GET trouble (the failures that sim_play() knows), POST trouble {"name": "oom",
 * "namespace": "shop"} (plays one), DELETE trouble with the same body (deletes its objects).
 *
 * Denials: [{"user": "…", "token": "…", "verb": "create", "group": "apps", "resource": "deployments",
 *            "namespace": "shop", "name": "web"}]: each key may be absent or "*"; a match is answered with 403, and
 * SelfSubjectAccessReview agrees (which itself is denied only by its name). {"requireToken": ["a", "b"]} instead of a list makes other tokens a 401.
 */
#ifndef SLOTDECK_SIM_SIM_H
#define SLOTDECK_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct sim;
struct sim_registry;

struct sim_options {
	const char *address;	 /* NULL: 127.0.0.1 */
	uint16_t port;		 /* 0: any that is free */
	const char *kubeconfig;	 /* file to write (mode 0600), or NULL */
	const char *request_log; /* file to append JSON lines to, or NULL: kept in memory only */
	const char *faults;	 /* file with rules, or NULL */
	const char *scenario;	 /* "empty" (default: namespaces and nodes only), "demo" */
	/*
	 * Comma-separated: aggregated-discovery, watchlist, field-validation, ssa, bookmarks, self-subject-review,
	 * controllers (nothing moves by itself), metrics, comparable-rv, tables (lists and watches give plain objects), exec-v5
	 * (then v4).
	 */
	const char *features_off;
	double speed;	/* the controllers' delays are divided by this; 0 means 1 */
	unsigned nodes; /* 0: three */
	struct sim_registry *registry; /* that builders push to, borrowed; NULL: they only say so (sim/builder.h) */
};

/* Gives a running simulation, its scenario in place, or NULL. */
struct sim *sim_start(const struct sim_options *options, struct error *err);
/* Closes all connections, waits for the threads and frees sim (NULL is fine). */
void sim_stop(struct sim *sim);
#define sim_destroy sim_stop
DEFINE_AUTO(sim);

/* Every simulation of this process tells that time from now on; 0: the real one. For tests that compare screens. */
void sim_set_wall_ms(int64_t ms);

uint16_t sim_port(const struct sim *sim);
/* "http://127.0.0.1:PORT", borrowed. */
const char *sim_url(const struct sim *sim);

/*
 * One request without a socket: gives the body (never NULL) and sets the HTTP status. content_type and body may be NULL.
 * Not for watches and followed logs. Not counted in the log, not hit by faults.
 */
char *sim_request(struct sim *sim, const char *method, const char *path_and_query, const char *content_type,
		  const char *body, unsigned *ret_status);
/* Replaces the fault rules. */
bool sim_set_faults(struct sim *sim, const char *json, struct error *err);
/*
 * Makes a failure happen in namespace ns, which is made when it is not there: image-missing, crash, oom, quota,
 * unschedulable, claim-pending, secret-key, probe, init, job, ingress, webhook (assets/sim/trouble.json).
 */
bool sim_play(struct sim *sim, const char *trouble, const char *ns, struct error *err);
/*
 * False: the server is gone, as when its process ends: new connections are refused, open ones reset. True: it is back on the same
 * port. The objects stay.
 */
bool sim_set_up(struct sim *sim, bool up, struct error *err);
/* As POST freeze and POST thaw: open watches and logs (later ones too) whose path?query matches pattern send nothing any more. */
bool sim_freeze(struct sim *sim, const char *pattern, bool later, struct error *err);
void sim_thaw(struct sim *sim);
/* Ends all watches and makes all resource versions so far too old, so that everybody lists again. */
void sim_forget_history(struct sim *sim);
/* Switches one of the words of features_off; false if there is no such word. Controllers catch up when switched on. */
bool sim_set_feature(struct sim *sim, const char *name, bool on);
/* Gives the request log: one JSON object per line (n, method, path, query, status, userAgent, contentType, accept, fault). */
char *sim_requests(struct sim *sim);
/* How many requests were logged so far. */
unsigned long sim_request_count(struct sim *sim);
/* Writes the demo project (services.yaml and the manifests that it names) below folder, which must exist. */
bool sim_demo_write(const char *folder, struct error *err);
/* Waits until the controllers have nothing left to do now (timers of the future do not count); false after the time. */
bool sim_wait_idle(struct sim *sim, unsigned timeout_ms);

/*
 * The hidden command line `slotdeck sim [--listen ADDRESS:PORT] [--kubeconfig FILE] [--request-log FILE]
 * [--faults FILE] [--features-off A,B] [--speed N] [--scenario NAME] [--nodes N]`: prints "ready http://…" and runs
 * until SIGTERM, SIGINT or the end of stdin when --until-eof is given. argv[0] is skipped. Gives the exit status.
 */
int sim_main(int argc, char **argv);

#endif
