#include "live/live.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/queue.h"
#include "live/feed.h"
#include "live/last_line.h"

/*
 * Main thread: struct live. Net thread: the feeds and log requests, whose list belongs to that thread; the main thread
 * only posts commands to it. What both touch: the queue, and the clock's offset (atomic).
 */

#define STALE_MS 30000
#define CLOCK_SLACK_MS 2000 /* Date has whole seconds: less is no difference */

static const struct kind *const wide_kinds[] = {
	&kind_namespace, &kind_pod,	&kind_deployment, &kind_replica_set, &kind_stateful_set, &kind_daemon_set, &kind_job,
	&kind_cron_job,	 &kind_claim,	&kind_service,	  &kind_ingress,     &kind_event,	 &kind_storage_class,
};

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

struct clocks { /* how to tell the server's time; read by both threads */
	struct clock *clock;
	int64_t wall_ms, mono_ms;
	_Atomic int64_t offset_ms;
};

/* Lives on the net thread and dies there, after live_destroy() has returned. */
struct far {
	struct net_member member;
	struct net *net;
	struct http *http;
	struct queue *queue;
	struct clocks clocks;
	struct feed **feeds;
	size_t nfeeds, feeds_cap;
	struct last_lines *lines;
	bool ended;
};

struct live {
	struct far *far;
	struct net *net;
	struct clock *clock;
	struct queue *queue;
	struct store *store;
	struct health *health;
	struct envs *envs;
	char *state_namespace;
	char **namespaces; /* where kinds are watched one by one, if need be */
	size_t nnamespaces, namespaces_cap;
	bool *narrow; /* by index of wide_kinds: not allowed cluster-wide */
	bool fetch_logs;
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

/* ---- time ---- */

static int64_t clocks_now_ms(const struct clocks *c)
{
	return c->wall_ms + (clock_now_ms(c->clock) - c->mono_ms) + atomic_load(&c->offset_ms);
}

static void clocks_hear(struct clocks *c, int64_t date_ms)
{
	int64_t own = c->wall_ms + (clock_now_ms(c->clock) - c->mono_ms);
	int64_t offset = date_ms - own;

	/* Later dates only: rows must never come from our future, and time must not go back. */
	if (offset > atomic_load(&c->offset_ms) + CLOCK_SLACK_MS ||
	    (atomic_load(&c->offset_ms) == 0 && offset < -CLOCK_SLACK_MS))
		atomic_store(&c->offset_ms, offset);
}

/* ---- net thread ---- */

static int64_t far_now_ms(void *arg)
{
	return clocks_now_ms(&((struct far *)arg)->clocks);
}

static void far_on_date(int64_t date_ms, void *arg)
{
	clocks_hear(&((struct far *)arg)->clocks, date_ms);
}

static void far_on_batch(struct row_batch *batch, void *arg)
{
	struct far *far = arg;
	struct message *m = xcalloc(1, sizeof *m);

	m->what = MESSAGE_BATCH;
	m->batch = batch;
	queue_push(far->queue, m);
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
	queue_push(far->queue, m);
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
	queue_push(far->queue, m);
}

static const struct feed_ops far_ops = {
	.now_ms = far_now_ms, .on_batch = far_on_batch, .on_state = far_on_state, .on_date = far_on_date
};

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
	struct feed *feed;

	if (!far->ended) {
		feed = feed_create(far->net, far->http, c->kind, c->namespace, &far_ops, far);
		LIST_PUSH(far->feeds, far->nfeeds, far->feeds_cap) = feed;
		feed_start(feed);
	}
	command_free(c);
}

static void far_fetch(void *arg)
{
	struct command *c = arg;

	if (!c->far->ended)
		last_lines_fetch(c->far->lines, &c->wish);
	command_free(c);
}

static void far_hurry(void *arg)
{
	struct far *far = arg;

	for (size_t i = 0; i < far->nfeeds; i++)
		feed_hurry(far->feeds[i]);
}

/* Ends the work; what was posted before and comes later finds it ended. */
static void far_end(struct far *far)
{
	if (far->ended)
		return;
	far->ended = true;
	for (size_t i = 0; i < far->nfeeds; i++)
		feed_destroy(far->feeds[i]);
	last_lines_destroy(far->lines);
	far->lines = NULL;
	far->nfeeds = 0;
}

static void far_end_with_net(struct net_member *member)
{
	far_end((struct far *)member); /* first in it */
}

static void far_start(void *arg)
{
	struct far *far = arg;

	far->lines = last_lines_create(far->http, far_on_line, far);
	far->member.end = far_end_with_net;
	net_join(far->net, &far->member);
}

static void far_destroy(void *arg)
{
	struct far *far = arg;

	if (!far->ended)
		net_leave(far->net, &far->member);
	far_end(far);
	queue_destroy(far->queue);
	free(far->feeds);
	free(far);
}

/* ---- main thread: what is watched ---- */

static void watch(struct live *live, const struct kind *kind, const char *namespace)
{
	struct command *c = xcalloc(1, sizeof *c);

	store_set_scope(live->store, kind, namespace, SCOPE_LOADING, NULL, 0, live_now_ms(live));
	c->far = live->far;
	c->kind = kind;
	c->namespace = xstrdup(namespace);
	net_post(live->net, far_watch, c);
}

static void watch_narrow(struct live *live, size_t kind, const char *namespace)
{
	if (wide_kinds[kind]->namespaced && live->narrow[kind])
		watch(live, wide_kinds[kind], namespace);
}

void live_add_namespace(struct live *live, const char *namespace)
{
	if (!*namespace)
		return;
	for (size_t i = 0; i < live->nnamespaces; i++) {
		if (!strcmp(live->namespaces[i], namespace))
			return;
	}
	LIST_PUSH(live->namespaces, live->nnamespaces, live->namespaces_cap) = xstrdup(namespace);
	for (size_t k = 0; k < ARRAY_LEN(wide_kinds); k++)
		watch_narrow(live, k, namespace);
}

/* Not allowed cluster-wide: ask in each namespace that we know of. */
static void narrow(struct live *live, const struct kind *kind)
{
	for (size_t k = 0; k < ARRAY_LEN(wide_kinds); k++) {
		if (wide_kinds[k] != kind || live->narrow[k])
			continue;
		live->narrow[k] = true;
		for (size_t i = 0; i < live->nnamespaces; i++)
			watch_narrow(live, k, live->namespaces[i]);
	}
}

static void follow_environments(struct live *live)
{
	const char *namespace;

	for (size_t i = 0; (namespace = envs_namespace_at(live->envs, i)); i++)
		live_add_namespace(live, namespace);
}

/* ---- main thread: what arrives ---- */

static void take_message(struct live *live, struct message *m)
{
	switch (m->what) {
	case MESSAGE_BATCH:
		live->received += m->batch->len;
		store_apply(live->store, m->batch);
		m->batch = NULL;
		break;
	case MESSAGE_STATE:
		store_set_scope(live->store, m->kind, m->namespace, m->state, m->why, m->retry_ms, live_now_ms(live));
		if (m->state == SCOPE_FORBIDDEN && !*m->namespace)
			narrow(live, m->kind);
		break;
	case MESSAGE_LINE: health_set_log_line(live->health, m->pod_uid, m->container, m->restarts, m->line); break;
	}
	message_free(m);
}

static void on_wish(const struct health_log_wish *wish, void *arg)
{
	struct live *live = arg;
	struct command *c = xcalloc(1, sizeof *c);

	c->far = live->far;
	c->wish = *wish;
	c->wish.namespace = xstrdup(wish->namespace);
	c->wish.pod = xstrdup(wish->pod);
	c->wish.pod_uid = xstrdup(wish->pod_uid);
	c->wish.container = xstrdup(wish->container);
	net_post(live->net, far_fetch, c);
}

bool live_poll(struct live *live, int64_t budget_ms)
{
	int64_t until = clock_now_us(NULL) + budget_ms * 1000;
	struct message *m;
	bool changed;

	while ((m = queue_pop(live->queue))) {
		take_message(live, m);
		if (budget_ms && clock_now_us(NULL) >= until)
			break;
	}
	changed = envs_update(live->envs, live_now_ms(live));
	follow_environments(live);
	if (live->fetch_logs)
		health_log_wishes(live->health, on_wish, live);
	return changed || m;
}

int live_fd(const struct live *live)
{
	return queue_fd(live->queue);
}

int64_t live_due_ms(const struct live *live)
{
	int64_t recheck = envs_recheck_ms(live->envs);

	return recheck == INT64_MAX ? INT64_MAX : recheck - live_now_ms(live) + clock_now_ms(live->clock);
}

int64_t live_now_ms(const struct live *live)
{
	return clocks_now_ms(&live->far->clocks);
}

struct store *live_store(struct live *live)
{
	return live->store;
}

struct health *live_health(struct live *live)
{
	return live->health;
}

struct envs *live_envs(struct live *live)
{
	return live->envs;
}

void live_hurry(struct live *live)
{
	net_post(live->net, far_hurry, live->far);
}

/* ---- status ---- */

/* A kind that is watched namespace by namespace is not in trouble for what it may not do as a whole. */
static bool counts_for_status(const struct live *live, const struct scope *scope)
{
	for (size_t k = 0; k < ARRAY_LEN(wide_kinds); k++) {
		if (wide_kinds[k] == scope->kind && live->narrow[k] && !*scope->namespace && scope->kind->namespaced)
			return live->nnamespaces == 0;
	}
	return true;
}

void live_status(const struct live *live, struct live_status *ret)
{
	const struct scope *scope;
	int64_t now = live_now_ms(live), oldest = INT64_MAX, newest = 0;

	*ret = (struct live_status){ .age_ms = -1, .retry_in_ms = -1, .why = "", .received = live->received };
	for (size_t i = 0; (scope = store_scope_at(live->store, i)); i++) {
		if (!counts_for_status(live, scope))
			continue;
		ret->loading += scope->state == SCOPE_LOADING;
		ret->live += scope->state == SCOPE_LIVE;
		ret->broken += scope->state == SCOPE_BROKEN;
		ret->forbidden += scope->state == SCOPE_FORBIDDEN;
		ret->absent += scope->state == SCOPE_ABSENT;
		if (scope->synced_ms && scope->state != SCOPE_FORBIDDEN && scope->state != SCOPE_ABSENT) {
			oldest = scope->proof_ms < oldest ? scope->proof_ms : oldest;
			newest = scope->proof_ms > newest ? scope->proof_ms : newest;
		}
		if (scope->retry_ms && scope->state != SCOPE_FORBIDDEN && scope->state != SCOPE_ABSENT) {
			int64_t in = scope->retry_ms > now ? scope->retry_ms - now : 0;

			ret->retry_in_ms = ret->retry_in_ms < 0 || in < ret->retry_in_ms ? in : ret->retry_in_ms;
		}
		if (!ret->trouble && *scope->why) {
			ret->trouble = scope->kind;
			ret->why = scope->why;
		}
	}
	if (oldest != INT64_MAX)
		ret->age_ms = now > oldest ? now - oldest : 0;
	if (!newest)
		ret->state = ret->broken || *ret->why ? LIVE_STALE : LIVE_LOADING;
	else if (now - newest > STALE_MS)
		ret->state = LIVE_STALE;
	else if (ret->broken || ret->forbidden || ret->absent || ret->age_ms > STALE_MS)
		ret->state = LIVE_PARTLY;
	else
		ret->state = ret->loading ? LIVE_LOADING : LIVE_LIVE;
}

/* ---- life ---- */

struct live *live_create(const struct live_options *options)
{
	struct live *live = xcalloc(1, sizeof *live);
	struct far *far = xcalloc(1, sizeof *far);

	far->net = live->net = options->net;
	far->http = options->http;
	live->clock = options->clock;
	far->clocks.clock = options->clock;
	far->clocks.wall_ms = clock_wall_ms(options->clock);
	far->clocks.mono_ms = clock_now_ms(options->clock);
	far->queue = live->queue = queue_create(message_free);
	live->far = far;
	live->store = store_create();
	live->health = health_create(live->store, &options->health);
	live->envs = envs_create(live->store, live->health, &options->envs);
	live->state_namespace = xstrdup(options->envs.state_namespace ? options->envs.state_namespace : "");
	live->narrow = xcalloc(ARRAY_LEN(wide_kinds), sizeof *live->narrow);
	live->fetch_logs = options->fetch_logs;
	net_post(live->net, far_start, far);
	for (size_t k = 0; k < ARRAY_LEN(wide_kinds); k++)
		watch(live, wide_kinds[k], "");
	if (*live->state_namespace)
		watch(live, &kind_config_map, live->state_namespace);
	return live;
}

void live_destroy(struct live *live)
{
	if (!live)
		return;
	/* The far side goes on its own thread, behind all that was posted; it owns the queue until then. */
	queue_close(live->queue);
	net_post(live->net, far_destroy, live->far);
	envs_destroy(live->envs);
	health_destroy(live->health);
	store_destroy(live->store);
	for (size_t i = 0; i < live->nnamespaces; i++)
		free(live->namespaces[i]);
	free(live->namespaces);
	free(live->narrow);
	free(live->state_namespace);
	free(live);
}
