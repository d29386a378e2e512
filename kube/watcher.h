/*
 * watcher: keeps a store up to date from a cluster's watches; what the dashboard and `wait` have in common.
 *
 *   net thread: lists, watches and audits (kube/feed.h), last log lines ── queue ──► the owner's thread: store, health
 *
 * Created, used and destroyed on the thread that owns the store (main, or a job); nothing here waits for the network
 * but watcher_wait(), which wakes when something arrives.
 *
 *     AUTO(watcher) watcher = watcher_create(&(struct watcher_options){ .net = …, .http = … });
 *     watcher_watch(watcher, store, &kind_pod, "shop-dev");
 *     while (plan_check(plan, watcher_now_ms(watcher), &recheck) < PLAN_DONE) {
 *             watcher_fetch_lines(watcher, health);
 *             if (!watcher_wait(watcher, cancel, recheck, err)) …
 *             watcher_take(watcher, store, health, 0);
 *     }
 */
#ifndef SLOTDECK_KUBE_WATCHER_H
#define SLOTDECK_KUBE_WATCHER_H

#include "base/http.h"
#include "model/health.h"

struct watcher;

struct watcher_options {
	struct net *net;     /* borrowed until watcher_destroy() */
	struct http *http;   /* the same */
	struct clock *clock; /* NULL: the system's */
	/* Adds to each request what this cluster wants (impersonation); on the net thread, not after watcher_destroy(). May be NULL. */
	void (*prepare)(struct http_request *request, void *arg);
	void *prepare_arg;
};

/* For prepare, with the struct kube as its argument: kube_prepare() of it. */
void watcher_prepare_kube(struct http_request *request, void *kube);

struct watcher *watcher_create(const struct watcher_options *options);
/* No callback runs after this. Waits for one turn of the net thread, never for a socket.
 * NULL is fine. */
void watcher_destroy(struct watcher *watcher);
DEFINE_AUTO(watcher);

/* Starts to list and watch kind (borrowed as long as store lives) in namespace ("": the whole cluster), once: repeating is fine. The
 * scope in store says how it is. */
void watcher_watch(struct watcher *watcher, struct store *store, const struct kind *kind, const char *namespace);
/* Stops it and forgets its objects. */
void watcher_unwatch(struct watcher *watcher, struct store *store, const struct kind *kind, const char *namespace);
/* Applies what has arrived, for budget_ms at most (0: all of it). False: there was nothing. */
bool watcher_take(struct watcher *watcher, struct store *store, struct health *health, int64_t budget_ms);
/* Something is left to take. */
bool watcher_has_more(const struct watcher *watcher);
/* Asks for the last log lines that health wishes (needs the right to get pods/log); they arrive by watcher_take(). */
void watcher_fetch_lines(struct watcher *watcher, struct health *health);
/* Sleeps until something arrives or the time due_ms has come (as watcher_now_ms() tells it; INT64_MAX: never): true. Cancelled: false. */
bool watcher_wait(struct watcher *watcher, const struct cancel *cancel, int64_t due_ms, struct error *err);
/* Readable while something waits to be taken; borrowed, never read from it. */
int watcher_fd(const struct watcher *watcher);
/* The server's wall clock driven by our monotonic one: what store and health call now_ms. */
int64_t watcher_now_ms(const struct watcher *watcher);
/* The same moment by clock_now_ms(), for timers. */
int64_t watcher_to_monotonic_ms(const struct watcher *watcher, int64_t now_ms);
/* Ends all pauses: try now. */
void watcher_hurry(struct watcher *watcher);
/* Changes taken so far. */
uint64_t watcher_received(const struct watcher *watcher);

#endif
