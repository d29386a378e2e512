#include "kube/watcher.h"

#include <stdlib.h>
#include <string.h>

#include "base/net_half.h"
#include "kube/client.h"
#include "kube/last_line.h"
#include "kube/row_feed.h"
#include "kube/scout.h"
#include "kube/server_clock.h"
#include "model/store.h"

/*
 * Owner's thread: struct watcher. Net thread: struct far with the feeds and log requests, which the owner only posts commands
 * to. What both touch: the queue and the server's clock.
 */

enum message_what { MESSAGE_BATCH, MESSAGE_STATE, MESSAGE_LINE };

struct message {
	enum message_what what;
	struct row_batch *batch;
	const struct kind *kind;
	char *namespace, *why;
	enum scope_state state;
	int64_t retry_ms;
	char *pod_uid, *container, *line;
	int32_t restarts;
};

/* Lives on the net thread and dies there, after watcher_destroy() has returned. */
struct far {
	struct net_half half;
	struct http *http;
	struct server_clock clock; /* both threads ask it */
	struct row_feed **feeds;
	size_t nfeeds, feeds_cap;
	struct last_lines *lines;
	struct scout *scout;
	void (*prepare)(struct http_request *request, void *arg);
	void *prepare_arg;
};

struct scope_name {
	const struct kind *kind;
	char *namespace;
};

struct watcher {
	struct far *far;
	struct net *net;
	struct clock *clock;
	struct queue *queue;
	struct scope_name *scopes;
	size_t nscopes, scopes_cap;
	uint64_t received;
};

static void message_free(void *p)
{
	struct message *m = p;

	row_batch_destroy(m->batch);
	free(m->namespace);
	free(m->why);
	free(m->pod_uid);
	free(m->container);
	free(m->line);
	free(m);
}

/* ---- net thread ---- */

static int64_t far_now_ms(void *arg)
{
	return server_clock_now_ms(&((struct far *)arg)->clock);
}

static void far_on_date(int64_t date_ms, void *arg)
{
	server_clock_hear(&((struct far *)arg)->clock, date_ms);
}

static void far_on_batch(struct row_batch *batch, void *arg)
{
	struct far *far = arg;
	struct message *m = xcalloc(1, sizeof *m);

	m->what = MESSAGE_BATCH;
	m->batch = batch;
	queue_push(far->half.queue, m);
}

static void far_on_state(const struct kind *kind, const char *namespace, enum scope_state state, const char *why,
			 int64_t retry_ms, void *arg)
{
	struct far *far = arg;
	struct message *m = xcalloc(1, sizeof *m);

	m->what = MESSAGE_STATE;
	m->kind = kind;
	m->namespace = xstrdup(namespace);
	m->state = state;
	m->why = xstrdup(why);
	m->retry_ms = retry_ms;
	queue_push(far->half.queue, m);
	if (state == SCOPE_BROKEN || state == SCOPE_DOUBTED || (state == SCOPE_LOADING && *why))
		scout_go(far->scout);
}

static void far_on_line(const struct health_log_wish *wish, const char *line, void *arg)
{
	struct far *far = arg;
	struct message *m = xcalloc(1, sizeof *m);

	m->what = MESSAGE_LINE;
	m->pod_uid = xstrdup(wish->pod_uid);
	m->container = xstrdup(wish->container);
	m->restarts = wish->restarts;
	m->line = xstrdup(line);
	queue_push(far->half.queue, m);
}

static void far_prepare(struct http_request *request, void *arg)
{
	struct far *far = arg;

	if (far->prepare)
		far->prepare(request, far->prepare_arg);
}

static const struct row_feed_ops far_ops = { .now_ms = far_now_ms,
					 .on_batch = far_on_batch,
					 .on_state = far_on_state,
					 .on_date = far_on_date,
					 .prepare = far_prepare };

static void far_on_back(void *arg)
{
	struct far *far = arg;

	for (size_t i = 0; i < far->nfeeds; i++)
		row_feed_server_is_back(far->feeds[i]);
}

static const struct scout_ops scout_ops = { .on_back = far_on_back, .prepare = far_prepare };

/* Commands from the main thread. */
struct command {
	struct far *far;
	const struct kind *kind;
	char *namespace;
	struct health_log_wish wish; /* texts owned */
};

static void command_free(struct command *c)
{
	free(c->namespace);
	free((char *)c->wish.namespace);
	free((char *)c->wish.pod);
	free((char *)c->wish.pod_uid);
	free((char *)c->wish.container);
	free(c);
}

static void far_watch(void *arg)
{
	struct command *c = arg;
	struct far *far = c->far;
	struct row_feed *feed;

	if (!far->half.ended) {
		feed = row_feed_create(far->half.net, far->http, c->kind, c->namespace, &far_ops, far);
		LIST_PUSH(far->feeds, far->nfeeds, far->feeds_cap) = feed;
		row_feed_start(feed);
	}
	command_free(c);
}

static void far_unwatch(void *arg)
{
	struct command *c = arg;
	struct far *far = c->far;

	for (size_t i = 0; i < far->nfeeds && !far->half.ended; i++) {
		if (!row_feed_is(far->feeds[i], c->kind, c->namespace))
			continue;
		row_feed_destroy(far->feeds[i]);
		far->feeds[i] = far->feeds[--far->nfeeds];
		break;
	}
	command_free(c);
}

static void far_fetch(void *arg)
{
	struct command *c = arg;

	if (!c->far->half.ended)
		last_lines_fetch(c->far->lines, &c->wish);
	command_free(c);
}

static void far_hurry(void *arg)
{
	struct far *far = arg;

	for (size_t i = 0; i < far->nfeeds; i++)
		row_feed_hurry(far->feeds[i]);
}

static void far_end(struct net_half *half)
{
	struct far *far = (struct far *)half; /* first in it */

	for (size_t i = 0; i < far->nfeeds; i++)
		row_feed_destroy(far->feeds[i]);
	last_lines_destroy(far->lines);
	scout_destroy(far->scout);
	far->lines = NULL;
	far->scout = NULL;
	far->nfeeds = 0;
}

static void far_begin(struct net_half *half)
{
	struct far *far = (struct far *)half;

	far->scout = scout_create(half->net, far->http, &scout_ops, far);
	far->lines = last_lines_create(far->http, far_on_line, far_prepare, far);
}

static void far_release(struct net_half *half)
{
	free(((struct far *)half)->feeds);
}

static const struct net_half_ops half_ops = { .begin = far_begin, .end = far_end, .release = far_release };

/* ---- owner's thread ---- */

static size_t find_scope(const struct watcher *watcher, const struct kind *kind, const char *namespace)
{
	size_t i = 0;

	while (i < watcher->nscopes &&
	       !(kind_same(watcher->scopes[i].kind, kind) && !strcmp(watcher->scopes[i].namespace, namespace)))
		i++;
	return i;
}

static void post(struct watcher *watcher, void (*fn)(void *arg), const struct kind *kind, const char *namespace,
		 void (*how)(struct net *net, void (*fn)(void *arg), void *arg))
{
	struct command *c = xcalloc(1, sizeof *c);

	c->far = watcher->far;
	c->kind = kind;
	c->namespace = xstrdup(namespace);
	how(watcher->net, fn, c);
}

void watcher_watch(struct watcher *watcher, struct store *store, const struct kind *kind, const char *namespace)
{
	if (find_scope(watcher, kind, namespace) < watcher->nscopes)
		return;
	LIST_PUSH(watcher->scopes, watcher->nscopes, watcher->scopes_cap) =
		(struct scope_name){ .kind = kind, .namespace = xstrdup(namespace) };
	store_set_scope(store, kind, namespace, SCOPE_LOADING, NULL, 0);
	post(watcher, far_watch, kind, namespace, net_post);
}

void watcher_unwatch(struct watcher *watcher, struct store *store, const struct kind *kind, const char *namespace)
{
	size_t at = find_scope(watcher, kind, namespace);

	if (at == watcher->nscopes)
		return;
	post(watcher, far_unwatch, kind, namespace, net_post_and_wait);
	store_drop_scope(store, kind, namespace);
	free(watcher->scopes[at].namespace);
	watcher->scopes[at] = watcher->scopes[--watcher->nscopes];
}

/* What an unwatched scope had on the way is dropped, or it would come back to life. */
static bool is_followed(const struct watcher *watcher, const struct kind *kind, const char *namespace)
{
	return find_scope(watcher, kind, namespace) < watcher->nscopes;
}

static void take(struct watcher *watcher, struct store *store, struct health *health, struct message *m)
{
	switch (m->what) {
	case MESSAGE_BATCH:
		if (!is_followed(watcher, m->batch->kind, m->batch->namespace))
			break;
		watcher->received += m->batch->len;
		store_apply(store, m->batch);
		m->batch = NULL;
		break;
	case MESSAGE_STATE:
		if (is_followed(watcher, m->kind, m->namespace))
			store_set_scope(store, m->kind, m->namespace, m->state, m->why, m->retry_ms);
		break;
	case MESSAGE_LINE:
		if (health)
			health_set_log_line(health, m->pod_uid, m->container, m->restarts, m->line);
		break;
	}
	message_free(m);
}

bool watcher_take(struct watcher *watcher, struct store *store, struct health *health, int64_t budget_ms)
{
	int64_t until = clock_now_us(NULL) + budget_ms * 1000; /* how long we work is real time, also in tests */
	struct message *m;
	bool any = false;

	while ((m = queue_pop(watcher->queue))) {
		take(watcher, store, health, m);
		any = true;
		if (budget_ms && clock_now_us(NULL) >= until)
			break;
	}
	return any;
}

bool watcher_has_more(const struct watcher *watcher)
{
	return queue_length(watcher->queue) > 0;
}

static void on_wish(const struct health_log_wish *wish, void *arg)
{
	struct watcher *watcher = arg;
	struct command *c = xcalloc(1, sizeof *c);

	c->far = watcher->far;
	c->wish = *wish;
	c->wish.namespace = xstrdup(wish->namespace);
	c->wish.pod = xstrdup(wish->pod);
	c->wish.pod_uid = xstrdup(wish->pod_uid);
	c->wish.container = xstrdup(wish->container);
	net_post(watcher->net, far_fetch, c);
}

void watcher_fetch_lines(struct watcher *watcher, struct health *health)
{
	health_log_wishes(health, on_wish, watcher);
}

bool watcher_wait(struct watcher *watcher, const struct cancel *cancel, int64_t due_ms, struct error *err)
{
	int64_t due = due_ms == INT64_MAX ? INT64_MAX : watcher_to_monotonic_ms(watcher, due_ms);

	if (clock_wait_fd(watcher->clock, cancel, watcher_fd(watcher), due) < 0)
		return cancel_check(cancel, err) && error_set(err, ERR_CANCELLED, "cancelled");
	return true;
}

int watcher_fd(const struct watcher *watcher)
{
	return queue_fd(watcher->queue);
}

int64_t watcher_now_ms(const struct watcher *watcher)
{
	return server_clock_now_ms(&watcher->far->clock);
}

int64_t watcher_to_monotonic_ms(const struct watcher *watcher, int64_t now_ms)
{
	return now_ms - watcher_now_ms(watcher) + clock_now_ms(watcher->clock);
}

void watcher_hurry(struct watcher *watcher)
{
	net_post(watcher->net, far_hurry, watcher->far);
}

uint64_t watcher_received(const struct watcher *watcher)
{
	return watcher->received;
}

/* ---- life ---- */

struct watcher *watcher_create(const struct watcher_options *options)
{
	struct watcher *watcher = xcalloc(1, sizeof *watcher);
	struct far *far = xcalloc(1, sizeof *far);

	watcher->net = options->net;
	far->http = options->http;
	far->prepare = options->prepare;
	far->prepare_arg = options->prepare_arg;
	watcher->clock = options->clock;
	server_clock_init(&far->clock, options->clock);
	watcher->far = far;
	net_half_start(&far->half, &half_ops, options->net, message_free);
	watcher->queue = far->half.queue;
	return watcher;
}

void watcher_destroy(struct watcher *watcher)
{
	if (!watcher)
		return;
	net_half_destroy(&watcher->far->half);
	for (size_t i = 0; i < watcher->nscopes; i++)
		free(watcher->scopes[i].namespace);
	free(watcher->scopes);
	free(watcher);
}

void watcher_prepare_kube(struct http_request *request, void *kube)
{
	kube_prepare(kube, request);
}
